//! A trace that has followed a log, step by step, shows what one that reads it now does: random sessions, looked at while they are written,
//! closed, resumed and crashed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tracewal::event::{Note, SpanAttributes, SpanEnded, SpanStarted, SpanStatus, SpanText, Text};
use tracewal::{Access, Compaction, Payload, Session, SpanKind, Store, Tokens};
use tracewal_view::{SIZES, Trace, ViewError};

/// A sequence of numbers that follows from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    fn id(&mut self) -> String {
        format!("span-{}", self.below(40))
    }
}

fn append(session: &Session, random: &mut Random) {
    let id = random.id();
    let kinds = [SpanKind::Generation, SpanKind::Tool, SpanKind::Tool, SpanKind::Span, SpanKind::UserMessage];
    let text = "x<é\n".repeat(usize::try_from(random.below(30)).unwrap());
    match random.below(10) {
        0..4 => {
            let kind = kinds[usize::try_from(random.below(5)).unwrap()];
            let parent_span_id = (random.below(2) == 0).then(|| random.id().into());
            let input = (random.below(3) > 0)
                .then(|| Payload::owned_json(format!("{{\"command\":\"{}\"}}", random.below(3))));
            let started = SpanStarted { parent_span_id, input, ..SpanStarted::new(id, kind, "bash") };
            session.append(started).unwrap();
        }
        4 | 5 => drop(session.append(SpanText::new(id, Text::from(text))).unwrap()),
        6 => drop(
            session.append(SpanAttributes::new(id, Payload::owned_json(r#"{"thinking":"hm"}"#))).unwrap(),
        ),
        7 | 8 => {
            let ended = SpanEnded {
                status: (random.below(4) == 0).then_some(SpanStatus::Error),
                status_message: (random.below(4) == 0).then(|| "interrupted: x".into()),
                tokens: (random.below(2) == 0)
                    .then(|| Tokens::new(random.below(100), 1_u64, 2_u64, 3_u64, 4_u64)),
                cost: (random.below(2) == 0).then_some(0.25),
                output: (random.below(2) == 0).then(|| Payload::owned_string(text)),
                ..SpanEnded::new(id)
            };
            session.append(ended).unwrap();
        }
        _ => drop(
            session.append(Note { data: Some(Payload::owned_string(text)), ..Note::new("note") }).unwrap(),
        ),
    }
}

/// Every document of a trace, but for what says when it was made.
fn documents(trace: &mut Trace) -> Vec<Value> {
    let json = |document: Vec<u8>| serde_json::from_slice::<Value>(&document).unwrap();
    let mut summary = json(trace.summary_document().unwrap());
    for key in ["at", "version"] {
        summary.as_object_mut().unwrap().remove(key);
    }
    let mut all = vec![summary];
    let chunks = trace.chunks();
    type Chunk = fn(&mut Trace, usize) -> tracewal_view::Result<Vec<u8>>;
    let of_each: [(usize, Chunk); 4] = [
        (chunks.skeleton, Trace::skeleton),
        (chunks.rows, Trace::rows),
        (chunks.chat, Trace::chat),
        (chunks.log, Trace::log),
    ];
    for (count, of) in of_each {
        (0..count).for_each(|chunk| all.push(json(of(trace, chunk).unwrap())));
        assert!(matches!(of(trace, count), Err(ViewError::NotFound(_))));
    }
    let mut spans = Vec::new();
    trace.spans(0, &mut spans).unwrap();
    let mut raw = Vec::new();
    trace.raw(0, &mut raw).unwrap();
    all.extend([json(spans), json(raw)]);
    let count = trace.chunks().spans * SIZES.spans;
    all.extend((0..count).filter_map(|index| trace.span(index).ok()).map(json));
    all
}

fn compare(store: &Store, trace: &mut Trace, seed: u64) {
    let changed = trace.catch_up().unwrap();
    let session = store.find("s").unwrap();
    let mut fresh = Trace::open(store, &session, &Arc::default()).unwrap();
    let (followed, read) = (documents(trace), documents(&mut fresh));
    assert_eq!(followed.len(), read.len(), "seed {seed}");
    for (followed, read) in followed.iter().zip(&read) {
        assert_eq!(followed, read, "seed {seed}, changed: {changed}");
    }
    assert!(!trace.catch_up().unwrap(), "seed {seed}: nothing has been written since");
}

fn options() -> tracewal::Options {
    tracewal::options_with(Compaction::OnDemand)
}

#[test]
fn what_was_followed_is_what_is_read() {
    let seeds = std::env::var("TRACEWAL_FOLLOWED").map_or(6, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let store = options().open(folder.path()).unwrap();
        let start = || store.session("s").title("t").prompt("p").resume();
        let mut session = store.session("s").title("t").prompt("p").start().unwrap();
        let mut trace = Trace::open(&store, &store.find("s").unwrap(), &Arc::default()).unwrap();
        for _ in 0..12 {
            (0..random.below(25)).for_each(|_| append(&session, &mut random));
            match random.below(12) {
                0 => {
                    drop(session);
                    compare(&store, &mut trace, seed);
                    session = start().unwrap();
                }
                1 => {
                    session.fail("no").unwrap();
                    compare(&store, &mut trace, seed);
                    session = start().unwrap();
                }
                2 => {
                    session.crash("gone").unwrap();
                    drop(session);
                    compare(&store, &mut trace, seed);
                    session = start().unwrap();
                }
                _ => {}
            }
            compare(&store, &mut trace, seed);
            assert!(!trace.is_anew_since(1), "seed {seed}: a position is still that of the same span");
        }
    }
}

/// Set for the process that records a session and dies.
const DIES: &str = "TRACEWAL_VIEW_DIES";

#[test]
fn a_crash_that_cannot_be_recorded_is_shown_all_the_same() {
    if let Some(folder) = std::env::var_os(DIES) {
        let store = options().open(folder).unwrap();
        let session = store.session("s").start().unwrap();
        session.append(SpanStarted::new("open", SpanKind::Tool, "bash")).unwrap();
        std::process::abort();
    }
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let name = "a_crash_that_cannot_be_recorded_is_shown_all_the_same";
    let died = Command::new(this).args(["--exact", name]).env(DIES, folder.path()).output().unwrap();
    assert!(!died.status.success(), "{died:?}");
    let read = options().access(Access::Read).open(folder.path()).unwrap();
    let mut trace = Trace::open(&read, &read.find("s").unwrap(), &Arc::default()).unwrap();
    assert_eq!((trace.status(), trace.is_unrecorded_crash(), trace.is_live()), ("crashed", true, false));
    let summary: Value = serde_json::from_slice(&trace.summary_document().unwrap()).unwrap();
    assert_eq!(summary["crash"]["open"], serde_json::json!([1]));
    assert_eq!(summary["crash"]["lastEvent"]["seq"], 3);
    assert_eq!(summary["counts"]["interrupted"], 1);
    let skeleton: Value = serde_json::from_slice(&trace.skeleton(0).unwrap()).unwrap();
    assert_eq!(skeleton["status"], serde_json::json!([2, 2]));
    assert_eq!((summary["status"].as_str(), summary["writer"].as_str()), (Some("crashed"), Some("dead")));
    // Where it may be written, it is recorded, and who only reads sees that.
    let written = options().recover(false).open(folder.path()).unwrap();
    let other = Trace::open(&written, &written.find("s").unwrap(), &Arc::default()).unwrap();
    assert_eq!((other.status(), other.is_unrecorded_crash()), ("crashed", false));
    assert!(trace.catch_up().unwrap());
    assert_eq!((trace.status(), trace.is_unrecorded_crash()), ("crashed", false));
    assert!(!trace.is_anew_since(1));
}
