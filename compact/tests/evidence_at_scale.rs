//! I11: what is kept of evidence is bounded, whatever there is of it. Memory is counted by the allocator of this test.
//!
//! `cargo test --release -p tracewal-compact --test evidence_at_scale -- --nocapture` prints the figures, and holds the time to its bound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(unix)]
#![allow(unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{Log, reader};
use tracewal_compact::{Fold, Incidents};
use tracewal_format::event::{
    Crashed, EndStatus, Event, Evidence, LifecycleBegun, LifecycleEnded, SessionEnded, Span, SpanKind,
    SpanStarted, VisibleOutput,
};
use tracewal_format::time::Time;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does the work; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A million; a debug build shows the same with less.
const MANY: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// What this thread has computed so far: other tests and other processes do not count.
fn cpu_time() -> Duration {
    // SAFETY: all zeros is a valid structure, which the call fills.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives through the call.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Folds a log, and holds what that takes to these bounds.
fn measured(what: &str, log: Log, at_most_mib: usize, within: Duration) -> Incidents {
    let segments = log.finish();
    let mut reader = reader(&segments);
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let begun = cpu_time();
    let Ok(fold) = Fold::of(&mut reader);
    let took = cpu_time() - begun;
    let mib = (PEAK.load(Ordering::Relaxed) - before) / (1 << 20);
    println!("{what}: {took:.2?}, {mib} MiB");
    assert!(mib <= at_most_mib, "{what}: {mib} MiB");
    if !cfg!(debug_assertions) {
        assert!(took <= within, "{what}: {took:?}");
    }
    fold.summary().incidents.clone()
}

fn fill(mut event: impl FnMut(u32) -> Event<'static>) -> Log {
    let mut log = Log::new();
    for n in 0..MANY {
        log.event(&event(n));
    }
    log
}

fn evidence(what: &'static str, n: u32) -> Evidence<'static> {
    Evidence { tool: Some(format!("tool-{}", n % 40).into()), ..Evidence::new("runtime", what) }
}

const SECOND: Duration = Duration::from_secs(1);

/// A session as it is: a start, pieces of text, tools, a failure and clean-up, again and again.
#[test]
fn a_million_pieces_of_evidence() {
    let _alone = ALONE.lock();
    const TURN: [&str; 10] = [
        "attempt-started",
        "provider-progress",
        "visible-output",
        "tool-input-started",
        "tool-input-completed",
        "tool-call-materialised",
        "tool-execution-started",
        "tool-execution-completed",
        "transport-failure",
        "clean-up",
    ];
    let mut log = fill(|n| {
        let attempt_id = Some(format!("attempt-{}", n / 10).into());
        let output = Some(VisibleOutput::Text);
        Evidence { attempt_id, output, ..evidence(TURN[usize::try_from(n % 10).unwrap()], n / 10) }.into()
    });
    log.event(&SessionEnded::new(EndStatus::Error).into());
    let incidents = measured("a million pieces of evidence", log, 64, SECOND);
    let terminal = incidents.terminal.unwrap();
    let many = u64::from(MANY);
    assert_eq!((terminal.seq, terminal.attempt), (Some(many - 1), Some(many / 10)));
    assert_eq!(incidents.recovered.len(), 8);
    assert_eq!(incidents.recovered_omitted, many / 10 - 1 - 8);
}

#[test]
fn a_million_pieces_of_one_attempt() {
    let _alone = ALONE.lock();
    let mut log = fill(|n| {
        let what = if n == MANY / 2 { "transport-failure" } else { "visible-output" };
        Evidence { attempt_id: Some("a".into()), ..evidence(what, n) }.into()
    });
    log.event(&Crashed::new("gone").into());
    let terminal = measured("a million pieces of one attempt", log, 64, SECOND).terminal.unwrap();
    let (many, half) = (u64::from(MANY), u64::from(MANY / 2));
    assert_eq!(terminal.seq, Some(half + 1));
    assert_eq!(u64::try_from(terminal.evidence.len()).unwrap() + terminal.omitted, u64::from(MANY) + 1);
    let seqs: Vec<u64> = terminal.evidence.iter().filter_map(|piece| piece.seq).collect();
    let expected = (1..=8).chain(half..=half + 2).chain(many - 3..=many + 1);
    assert_eq!(seqs, expected.collect::<Vec<_>>());
}

#[test]
fn a_million_anchors_of_a_million_attempts() {
    let _alone = ALONE.lock();
    let log = fill(|n| {
        let attempt_id = Some(format!("{n}").into());
        Evidence { attempt_id, terminal: Some(true), ..evidence("transport-failure", n) }.into()
    });
    measured("a million failures of a million attempts", log, 64, 2 * SECOND);
}

#[test]
fn a_million_lanes() {
    let _alone = ALONE.lock();
    let log = fill(|n| {
        SpanStarted {
            parent_span_id: Some(format!("p{n}").into()),
            ..SpanStarted::new(format!("g{n}"), SpanKind::Generation, "chat")
        }
        .into()
    });
    // Most of it is the spans, two of them for each event.
    measured("a million generations side by side", log, 260, 4 * SECOND);
}

#[test]
fn a_million_actions_that_never_end_and_half_a_million_that_do() {
    let _alone = ALONE.lock();
    let log = fill(|n| LifecycleBegun::new(format!("action-{n}"), "shutdown").into());
    measured("a million actions that never end", log, 64, 2 * SECOND);
    let log = fill(|n| match n % 4 {
        0 => LifecycleBegun::new(format!("action-{}", n / 4), "shutdown").into(),
        1 => evidence("visible-output", n).into(),
        2 => evidence("tool-input-started", n).into(),
        _ => LifecycleEnded::new(format!("action-{}", n / 4)).into(),
    });
    measured("actions and evidence in turn", log, 64, 2 * SECOND);
}

#[test]
fn a_million_spans_take_no_more_than_before() {
    let _alone = ALONE.lock();
    let log = fill(|n| {
        let kind = if n % 4 == 0 { SpanKind::Generation } else { SpanKind::Tool };
        let id = format!("{n:08x}-0000-7000-8000-{n:012x}");
        Span::new(id, kind, "bash", Time::from_ms(0), Time::from_ms(1)).into()
    });
    measured("a million spans", log, 100, 2 * SECOND);
}
