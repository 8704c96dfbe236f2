//! The demo: a recording process is killed at a random moment, and nothing that it acknowledged is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::Scene;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let scene = Scene::new();
    let printed = scene.run(&["demo", "--rounds", "3", "--seed", "11"]).fine();
    let rounds: Vec<&str> = printed.lines().filter(|line| line.starts_with("round ")).collect();
    assert_eq!(rounds.len(), 3, "{printed}");
    for round in rounds {
        assert!(round.contains(" 0 lost, ") && round.ends_with("status crashed"), "{round}");
    }
    let next = printed.lines().find_map(|line| line.strip_prefix("  tracewal ")).unwrap();
    assert!(next.starts_with(&format!("--store {}", scene.store().display())), "{next}");
    assert_eq!(scene.run(&["verify"]).fine(), "");
    let view = printed.lines().find_map(|line| line.split("last one: ").nth(1)).unwrap();
    assert!(std::path::Path::new(view).exists());
}
