//! The protocol's model: every property holds in every state, and without any one rule something breaks. A build without optimisation checks the
//! small companies; `--release` all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use stateright::{Checker, HasDiscoveries, Model};
use tracewal_model::casts::{self, Cast};
use tracewal_model::rules::Rules;

fn cast(name: &str) -> Cast {
    casts::all()
        .into_iter()
        .find(|cast| cast.name == name)
        .unwrap_or_else(|| panic!("no company is called {name}"))
}

/// The properties that do not hold. Ends at the first, or at `named`.
fn broken(cast: &Cast, rules: Rules, named: Option<&'static str>) -> Vec<&'static str> {
    let until = named.map_or(HasDiscoveries::AnyFailures, |name| HasDiscoveries::AnyOf([name].into()));
    let checker = cast.with(rules).checker().threads(2).finish_when(until).spawn_bfs().join();
    println!("{}: {} states", cast.name, checker.unique_state_count());
    let discoveries = checker.discoveries().into_keys();
    let is_broken =
        |name: &&'static str| checker.discovery_classification(name).to_string() == "counterexample";
    discoveries.filter(is_broken).collect()
}

#[test]
fn every_property_holds_in_every_state_of_every_company() {
    for cast in casts::all().iter().filter(|cast| cast.small || !cfg!(debug_assertions)) {
        assert_eq!(broken(cast, Rules::default(), None), [""; 0], "{}", cast.name);
        let checker = cast.with(Rules::default()).checker().threads(2).finish_when(HasDiscoveries::All);
        let checker = checker.target_state_count(200_000).spawn_bfs().join();
        checker.assert_any_discovery("a view says completed");
        checker.assert_any_discovery("a view says crashed");
    }
}

/// A check that finds nothing, whatever is taken away, proves nothing.
#[test]
fn without_any_one_rule_something_breaks() {
    let seen_by = [
        ("look_again", "a crash while two others materialise", "I6: who has seen a crash"),
        ("durable_before_shown", "a crash while two others materialise", "I6: completed is shown"),
        ("one_materialiser", "a crash while two others materialise", "I4"),
        ("owner_entry_last", "a crash while two others materialise", "whoever dies where"),
        ("written_beside", "a crash while two others materialise", "I4"),
        ("look_before_release", "a crash while two others materialise", "whoever dies where"),
        ("crashed_is_always_written", "a panic after closing", "I6: who has seen a crash"),
        ("unborn_runs_are_released", "a panic after closing", "whoever dies where"),
        ("late_crash_owns", "a panic after closing", "whoever dies where"),
        ("owned_before_appended", "resumed elsewhere", "whoever dies where"),
        ("takeover_shows_crash", "a panic after closing", "when all is quiet"),
        ("mark_before_durable", "events and group commit", "when all is quiet"),
        ("recovery_waits", "recovery beside the living and the dying", "when all is quiet"),
        (
            "left_only_when_current",
            "a crash while two others materialise",
            "a session without an owner entry has its last view",
        ),
        ("temporaries_are_pruned", "pruned meanwhile", "a session that is gone"),
    ];
    let names: Vec<&str> = seen_by.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(names, Rules::names().collect::<Vec<_>>());
    for (rule, company, property) in seen_by {
        let broken = broken(&cast(company), Rules::without(rule), None);
        assert!(broken.iter().any(|name| name.starts_with(property)), "without {rule}: {broken:?}");
    }
}

/// What recorders did before: ask whether it has crashed, then rename; nobody looks again, and nobody is kept out (M1).
#[test]
fn the_old_protocol_replaces_a_crashed_view() {
    let rules = Rules {
        look_again: false,
        look_before_release: false,
        one_materialiser: false,
        own_temporary_name: true,
        ..Rules::default()
    };
    let property = "I6: a view that says crashed never says anything else again";
    assert!(broken(&cast("a crash while two others materialise"), rules, Some(property)).contains(&property));
}

/// Where a rename may land after the process that asked for it, and its lock, are gone. With one temporary name for all, it takes the file
/// that the next holder of the lock is writing; with names of their own, of which the next holder removes the last one's, it finds nothing.
#[test]
fn on_a_file_system_at_the_other_end_of_a_network_temporary_names_must_not_be_used_again() {
    let company = cast("a crash while two others materialise");
    let fixed = Rules { renames_outlive_processes: true, ..Rules::default() };
    assert!(broken(&company, fixed, None).iter().any(|name| name.starts_with("I4")));
    let own = Rules { own_temporary_name: true, ..fixed };
    assert_eq!(broken(&company, own, None), [""; 0]);
}
