//! x
use stateright::{Checker, Model};
use tracewal_model::{casts, rules::Rules};
fn run(cast: &casts::Cast, rules: Rules, full: bool) -> bool {
    let began = std::time::Instant::now();
    let checker = cast
        .with(rules)
        .checker()
        .threads(2)
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "  {}: {} states, {} unique, depth {}, {:?}",
        cast.name,
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let mut bad = false;
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            bad = true;
            println!("  FAILS {name} in {} steps", path.clone().into_actions().len());
            if full {
                let a: Vec<String> = path.clone().into_actions().iter().map(|a| format!("{a:?}")).collect();
                println!("    {}", a.join(" "));
            }
        }
    }
    bad
}
fn main() {
    let only = std::env::args().nth(1);
    let rules: Vec<(&str, fn(&mut Rules))> = vec![
        ("", |_| ()),
        ("look_again", |r| r.look_again = false),
        ("durable_before_shown", |r| r.durable_before_shown = false),
        ("one_materialiser", |r| r.one_materialiser = false),
        ("owner_entry_last", |r| r.owner_entry_last = false),
        ("written_beside", |r| r.written_beside = false),
        ("look_before_release", |r| r.look_before_release = false),
        ("crashed_is_always_written", |r| r.crashed_is_always_written = false),
        ("unborn_runs_are_released", |r| r.unborn_runs_are_released = false),
        ("late_crash_owns", |r| r.late_crash_owns = false),
        ("owned_before_appended", |r| r.owned_before_appended = false),
        ("takeover_shows_crash", |r| r.takeover_shows_crash = false),
        ("mark_before_durable", |r| r.mark_before_durable = false),
        ("recovery_waits", |r| r.recovery_waits = false),
        ("temporaries_are_pruned", |r| r.temporaries_are_pruned = false),
          ("network", |r| r.renames_outlive_processes = true),
        ("network+own", |r| {
            r.renames_outlive_processes = true;
            r.own_temporary_name = true
        }),
    ];
    for (name, change) in rules {
        if only.as_deref().is_some_and(|o| o != name) {
            continue;
        }
        println!("without {name}");
        let mut r = Rules::default();
        change(&mut r);
        for cast in casts::all() {
            if run(&cast, r, only.is_some()) && only.is_none() {
                break;
            }
        }
    }
}
