//! Who is whose parent: unknown ones, cycles, long chains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{ids, view};

fn parents(lines: &str) -> Vec<String> {
    let view = view(lines);
    let all = ids(&view).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let parents =
        view.split("\"parentSpanId\":").skip(1).map(|rest| rest.split(',').next().unwrap().trim_matches('"'));
    all.into_iter().zip(parents).skip(1).map(|(id, parent)| format!("{id}<{parent}")).collect()
}

fn started(id: &str, parent: &str) -> String {
    format!(
        "{{\"type\":\"span-started\",\"spanId\":\"{id}\",\"parentSpanId\":\"{parent}\",\"kind\":\"span\",\"name\":\"\"}}\n"
    )
}

#[test]
fn a_parent_may_be_declared_before_it_starts() {
    assert_eq!(parents(&[started("a", "b"), started("b", "c")].concat()), ["a<b", "b<root"]);
}

#[test]
fn a_span_that_is_its_own_ancestor_hangs_off_the_root() {
    let lines =
        [started("x", "x"), started("a", "b"), started("b", "c"), started("c", "a"), started("d", "c")];
    assert_eq!(parents(&lines.concat()), ["x<root", "a<root", "b<root", "c<root", "d<c"]);
}

#[test]
fn the_root_is_a_parent_and_ends_every_chain() {
    let lines = [
        "{\"type\":\"session-started\",\"rootSpanId\":\"r\"}\n".to_owned(),
        started("a", "r"),
        started("r", "b"),
        started("b", "a"),
    ];
    assert_eq!(parents(&lines.concat()), ["a<r", "b<a"]);
}
