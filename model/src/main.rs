//! Checks the protocol in every company of actors, and then without each of its rules in turn: that has to fail.
//!
//! `tracewal-model` does it all; `tracewal-model RULE` shows how it fails without that rule.

use std::process::ExitCode;

use stateright::{Checker, HasDiscoveries, Model};
use tracewal_model::casts::{self, Cast};
use tracewal_model::rules::Rules;

/// A rule's name, and the rules without it.
type Change = (&'static str, fn(&mut Rules));

const WITHOUT: &[Change] = &[
    ("look_again", |rules| rules.look_again = false),
    ("durable_before_shown", |rules| rules.durable_before_shown = false),
    ("one_materialiser", |rules| rules.one_materialiser = false),
    ("owner_entry_last", |rules| rules.owner_entry_last = false),
    ("written_beside", |rules| rules.written_beside = false),
    ("look_before_release", |rules| rules.look_before_release = false),
    ("crashed_is_always_written", |rules| rules.crashed_is_always_written = false),
    ("unborn_runs_are_released", |rules| rules.unborn_runs_are_released = false),
    ("late_crash_owns", |rules| rules.late_crash_owns = false),
    ("owned_before_appended", |rules| rules.owned_before_appended = false),
    ("takeover_shows_crash", |rules| rules.takeover_shows_crash = false),
    ("mark_before_durable", |rules| rules.mark_before_durable = false),
    ("recovery_waits", |rules| rules.recovery_waits = false),
    ("temporaries_are_pruned", |rules| rules.temporaries_are_pruned = false),
];

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

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    let mut as_expected = true;
    if only.is_none() {
        println!("as it is");
        for cast in casts::all() {
            as_expected &= holds(&cast, Rules::default(), true);
        }
    }
    for (name, change) in WITHOUT.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        println!("without {name}");
        let mut rules = Rules::default();
        change(&mut rules);
        let seen = casts::all().iter().any(|cast| !holds(cast, rules, only.is_some()));
        if !seen {
            println!("  nothing is wrong without it: the check does not see what it is for");
        }
        as_expected &= seen;
    }
    if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
