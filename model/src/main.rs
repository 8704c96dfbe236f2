//! Checks the protocol in every company of actors, and then without each of its rules in turn: that has to fail.
//!
//! `tracewal-model` does it all; `tracewal-model RULE` shows how it fails without that rule. `tracewal-model replay [--paths N] [--seed S]`
//! has the real store walk N random paths of the model (1,000 unless set), in `/dev/shm` where that is there; with `--without RULE` the model
//! lacks a rule that the store keeps, and they must come to differ.

use std::process::ExitCode;

use stateright::{Checker, HasDiscoveries, Model};
use tracewal_model::casts::{self, Cast};
#[cfg(target_os = "linux")]
use tracewal_model::replay::{Report, replay};
use tracewal_model::rules::Rules;

/// Watches one company in all its ways. Whether every property holds.
fn holds(cast: &Cast, rules: Rules, tell: bool) -> bool {
    let began = std::time::Instant::now();
    let checker =
        cast.with(rules).checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "  {}: {} states, {} of them different, {} steps deep, in {:.1?}",
        cast.name,
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let mut holds = true;
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            holds = false;
            let actions = path.into_actions();
            println!("  fails: {name}, in {} steps", actions.len());
            for action in actions.iter().filter(|_| tell) {
                println!("    {action:?}");
            }
        }
    }
    holds
}

/// What stands behind a word on the command line.
#[cfg(target_os = "linux")]
fn behind(word: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != word).nth(1)
}

/// One path for each seed, which also says in which company.
#[cfg(target_os = "linux")]
fn walk() -> ExitCode {
    let number = |word| behind(word).and_then(|number| number.parse::<u64>().ok());
    let (paths, first_seed) = (number("--paths").unwrap_or(1000), number("--seed").unwrap_or(0));
    let rules = behind("--without").map_or_else(Rules::default, |rule| Rules::without(&rule));
    let (casts, mut report, began) = (casts::replayed(), Report::default(), std::time::Instant::now());
    for seed in first_seed..first_seed.saturating_add(paths) {
        let at = usize::try_from(seed).unwrap_or(0) % casts.len().max(1);
        let Some(cast) = casts.get(at) else { break };
        let near = std::path::Path::new("/dev/shm");
        let near = if near.is_dir() { near.to_owned() } else { std::env::temp_dir() };
        let walked = tempfile::tempdir_in(near).map_err(|e| e.to_string()).and_then(|folder| {
            replay(&cast.with(rules), folder.path(), seed, &mut report).map_err(|e| e.to_string())
        });
        if let Err(failure) = walked {
            println!("{}, {failure}", cast.name);
            return ExitCode::FAILURE;
        }
    }
    let (Report { paths, steps, compared, kills }, took) = (report, began.elapsed());
    println!("{paths} paths of {steps} steps, {kills} kills, compared {compared} times, in {took:.1?}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    #[cfg(target_os = "linux")]
    if only.as_deref() == Some("replay") {
        return walk();
    }
    let mut as_expected = true;
    if only.is_none() {
        println!("as it is");
        for cast in casts::all() {
            as_expected &= holds(&cast, Rules::default(), true);
        }
    }
    for name in Rules::names().filter(|name| only.as_deref().is_none_or(|only| only == *name)) {
        println!("without {name}");
        let rules = Rules::without(name);
        let seen = casts::all().iter().any(|cast| !holds(cast, rules, only.is_some()));
        if !seen {
            println!("  nothing is wrong without it: the check does not see what it is for");
        }
        as_expected &= seen;
    }
    if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
