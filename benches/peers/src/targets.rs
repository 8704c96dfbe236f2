//! What tracewal sets out to reach, and whether it does.

use crate::contender::{Promise, Role};
use crate::contenders::{DEVICE, JSON_LINE, RAW_HELPED, RAW_POPULATED};
use crate::results::{Cell, Results};
use crate::rounds::number;
use crate::work::{Size, Work};

pub struct Target {
    pub work: String,
    pub target: String,
    pub measured: String,
    /// `None`: it could not be told.
    pub holds: Option<bool>,
}

/// The raw scan reads what the raw loop has written.
const RAW_SCAN: &str = RAW_POPULATED;

pub fn all(results: &Results) -> Vec<Target> {
    let us =
        results.contenders.iter().map(|contender| contender.facts()).find(|facts| facts.role == Role::Us);
    let Some(us) = us.map(|facts| facts.name) else { return Vec::new() };
    let mut targets = vec![survives(results, us)];
    appends(results, us, &mut targets);
    threads(results, us, &mut targets);
    durable(results, us, &mut targets);
    reading(results, us, &mut targets);
    disk(results, us, &mut targets);
    targets
}

fn survives(results: &Results, us: &'static str) -> Target {
    let losses: Vec<_> =
        [Promise::Process, Promise::Power].iter().filter_map(|promise| results.loss(us, *promise)).collect();
    let (kills, missing) =
        losses.iter().fold((0, 0), |(kills, missing), loss| (kills + loss.kills, missing + loss.missing));
    Target {
        work: "acknowledged events after kill -9".into(),
        target: "none missing, none doubled".into(),
        measured: format!("{missing} missing after {kills} kills"),
        holds: (losses.len() == 2).then(|| losses.iter().all(|loss| loss.is_none())),
    }
}

/// `value`, when it is there, at least or at most a bound.
fn target(
    work: String,
    target: String,
    value: Option<f64>,
    against: &str,
    holds: impl Fn(f64) -> bool,
) -> Target {
    let measured =
        value.map_or_else(|| "not measured".into(), |value| format!("{}x{against}", number(value)));
    Target { work, target, measured, holds: value.map(holds) }
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

fn appends(results: &Results, us: &'static str, targets: &mut Vec<Target>) {
    let bounds = [(Size::B128, 12.0, 15.0, 20.0), (Size::B512, 8.0, 10.0, 12.0), (Size::KiB4, 4.0, 5.0, 6.0)];
    for (size, required, goal, of_json) in bounds {
        let cell = Cell::Append(size);
        let ours = results.ns(cell, us);
        let work = format!("append, 1 thread, {}", size.name());
        let peer = results.fastest_peer(cell, Promise::Process);
        let against = peer.map_or_else(String::new, |(name, _)| format!(" {name}"));
        let faster = ratio(peer.map(|(_, ns)| ns), ours);
        for (what, bound) in [("required", required), ("goal", goal)] {
            let text = format!("{what}: {bound}x the fastest peer that survives kill -9");
            targets.push(target(work.clone(), text, faster, &against, |value| value >= bound));
        }
        let faster = ratio(results.ns(cell, JSON_LINE), ours);
        let text = format!("required: {of_json}x a JSON line");
        targets.push(target(work.clone(), text, faster, "", |value| value >= of_json));
        let cost = ratio(ours, results.ns(cell, RAW_HELPED));
        let text = "at most 1.25x the time of the raw loop with a helper".into();
        targets.push(target(work, text, cost, "", |value| value <= 1.25));
    }
}

fn threads(results: &Results, us: &'static str, targets: &mut Vec<Target>) {
    let speed_up = |one: Cell, two: Cell, name: &str| ratio(results.ns(one, name), results.ns(two, name));
    let one = Cell::Append(Size::B128);
    let mut push = |work: &str, bound: f64, value: Option<f64>, against: &str| {
        let text = format!("at least {bound}x one thread");
        targets.push(target(work.into(), text, value, against, |value| value >= bound));
    };
    push("append, 2 threads, a session each, 128 B", 1.1, speed_up(one, Cell::TwoLogs, us), "");
    let limit = speed_up(Cell::Burst(1), Cell::Burst(2), RAW_POPULATED)
        .map_or_else(String::new, |limit| format!(" (the raw loop: {}x)", number(limit)));
    let value = speed_up(Cell::Burst(1), Cell::Burst(2), us);
    push("the same, pages made ready before the timing", 1.7, value, &limit);
    push("append, 2 threads on one session, 128 B", 0.9, speed_up(one, Cell::OneLog, us), "");
}

fn durable(results: &Results, us: &'static str, targets: &mut Vec<Target>) {
    for size in [Size::B128, Size::KiB4] {
        for threads in [1, 4, 16] {
            let cell = Cell::Durable(size, threads);
            let ours = results.ns(cell, us);
            let plural = if threads == 1 { "" } else { "s" };
            let work = format!("durable append, {threads} thread{plural}, {}", size.name());
            let peer = results.fastest_peer(cell, Promise::Power);
            let against = peer.map_or_else(String::new, |(name, _)| format!(" {name}"));
            let faster = ratio(peer.map(|(_, ns)| ns), ours);
            let text = "at least the fastest peer".into();
            targets.push(target(work.clone(), text, faster, &against, |value| value >= 1.0));
            if threads == 1 {
                let cost = ratio(ours, results.ns(cell, DEVICE));
                let text = "at most 1.1x the time of the device".into();
                targets.push(target(work, text, cost, "", |value| value <= 1.1));
            }
        }
    }
}

fn reading(results: &Results, us: &'static str, targets: &mut Vec<Target>) {
    for size in Size::ALL {
        let cell = Cell::Read(size);
        let ours = results.ns(cell, us);
        let work = format!("reading everything back, {}", size.name());
        let share = ratio(results.ns(cell, RAW_SCAN), ours);
        targets
            .push(target(work.clone(), "at least 0.7x the raw scan".into(), share, "", |value| value >= 0.7));
        let peers = results.contenders.iter().map(|contender| contender.facts());
        let peers = peers.filter(|facts| facts.role == Role::Peer);
        let peers = peers.filter_map(|facts| Some((facts.name, results.ns(cell, facts.name)?)));
        let fastest = peers.min_by(|one, other| one.1.total_cmp(&other.1));
        let against = fastest.map_or_else(String::new, |(name, _)| format!(" {name}"));
        let faster = ratio(fastest.map(|(_, ns)| ns), ours);
        targets.push(target(work, "ahead of every peer".into(), faster, &against, |value| value >= 1.0));
    }
}

fn disk(results: &Results, us: &'static str, targets: &mut Vec<Target>) {
    for size in Size::ALL {
        let cell = Cell::Append(size);
        let text = Work::of(size).event(0).text_bytes() as f64;
        let (ours, json) = (results.get(cell, us), results.get(cell, JSON_LINE));
        let over = ours.map(|ours| ours.disk_bytes - text);
        let of_json = ratio(ours.map(|ours| ours.disk_bytes), json.map(|json| json.disk_bytes));
        let measured = over.map_or_else(
            || "not measured".into(),
            |over| format!("{over:.1} B over; {} of JSON lines", of_json.map_or_else(|| "?".into(), number)),
        );
        targets.push(Target {
            work: format!("bytes on disk per event, {}", size.name()),
            target: format!("at most 48 B over ids, name and JSON text ({text} B)"),
            measured,
            holds: over.map(|over| over <= 48.0),
        });
    }
}
