//! Workloads that the benches share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation
)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tracewal::event::{EndStatus, RunStarted, SessionEnded, SessionStarted, Span, SpanEnded, SpanStarted};
use tracewal::{Compaction, Event, Metadata, Payload, Session, SpanKind, Store, Time, Tokens};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::Crashed;
use tracewal_format::segment::Header;

/// The time of the first session's first event.
const BEGAN_MS: i64 = 1_773_568_800_000;

/// A number from the environment, or else this one.
pub fn number(key: &str, otherwise: u64) -> u64 {
    std::env::var(key).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// A folder that goes when the bench is over: in `$TRACEWAL_BENCH_DIR`, else in the target folder.
pub fn scratch() -> TempDir {
    let around = std::env::var_os("TRACEWAL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    fs::create_dir_all(&around).unwrap();
    tempfile::tempdir_in(around).unwrap()
}

/// A store with so many small sessions that have ended; every hundredth crashed. Written as files, without a sync: through sessions
/// of its own, each of which syncs, it would take hours.
pub fn ended_sessions(store: &Path, count: u64) {
    drop(tracewal::open(store).unwrap());
    for number in 0..count {
        let name = session(number);
        let folder = store.join("sessions").join(&name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("1.wal"), log(number, &name)).unwrap();
    }
}

/// The id of a session of [`ended_sessions`].
pub fn session(number: u64) -> String {
    // Not in the order of time: a listing has to sort.
    let scattered = u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(number);
    let hex = format!("{scattered:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn log(number: u64, name: &str) -> Vec<u8> {
    let start_ms = BEGAN_MS + i64::try_from(number).unwrap() * 1_000;
    let at = |ms: i64| Time::from_ms(start_ms + ms);
    let mut segment = SegmentBuilder::new(Header {
        compatible: 0,
        generation: 0,
        session_uid: u128::from(number) + 1,
        writer: 1,
        boot_id: 1,
        number: 1,
        run: 1,
        pid: 1,
        first_seq: 1,
        salt: number + 1,
        wall_base_ns: start_ms * 1_000_000,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: name.to_owned(),
    });
    let metadata = Metadata {
        title: Some(format!("Fix the build, take {number}").into()),
        model: Some("claude-sonnet-4".into()),
        agent: Some("build".into()),
        ..Metadata::new()
    };
    let started = SessionStarted { metadata: Some(metadata), ..SessionStarted::new() };
    segment.event(at(0), &Event::SessionStarted(started));
    segment.event(at(0), &Event::RunStarted(RunStarted::new(1_u32)));
    segment.event(at(10), &Event::SpanStarted(SpanStarted::new("a", SpanKind::Generation, "chat")));
    let ended = SpanEnded {
        tokens: Some(Tokens::new(1_200_u64, 85_u64, 0_u64, 0_u64, 0_u64)),
        cost: Some(0.0049),
        ..SpanEnded::new("a")
    };
    segment.event(at(900), &Event::SpanEnded(ended));
    if number.is_multiple_of(100) {
        segment.event(at(990), &Event::Crashed(Crashed::new("process vanished")));
    }
    segment.event(at(1_000), &Event::SessionEnded(SessionEnded::new(EndStatus::Completed)));
    let last = segment.next_seq() - 1;
    segment.durable_mark(last).seal();
    segment.finish(0)
}

/// How much processor time this takes, so many times: what else the machine is busy with does not count.
pub fn processor_time<T>(times: u64, mut routine: impl FnMut() -> T) -> Duration {
    let now = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: room for one time.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let begun = now();
    for _ in 0..times {
        black_box(routine());
    }
    now() - begun
}

/// A store whose views are written when they are asked for.
pub fn store(folder: &tempfile::TempDir) -> Store {
    tracewal::options_with(Compaction::OnDemand).open(folder.path().join("store")).unwrap()
}

/// Text of so many bytes, as a tool would print it: lines, and now and then a quote.
pub fn text(bytes: usize) -> String {
    const LINE: &str = "test result: ok. 12 passed; 0 failed; finished in 0.31s, see \"target/log\"\n";
    LINE.chars().cycle().take(bytes).collect()
}

/// Appends spans that are over: two tools, then a generation that says what it used.
pub fn append_spans(session: &Session, numbers: std::ops::Range<u64>, output: &str) {
    for n in numbers {
        let kind = if n % 3 == 2 { SpanKind::Generation } else { SpanKind::Tool };
        let (start, end) = (Time::from_ms(n as i64), Time::from_ms(n as i64 + 1));
        let is_generation = kind == SpanKind::Generation;
        let span = Span {
            output: Some(Payload::string(output.as_bytes())),
            tokens: is_generation.then(|| Tokens::new(n, 20_u64, 0_u64, 0_u64, 0_u64)),
            cost: is_generation.then_some(0.001),
            ..Span::new(format!("0190f3a2-7c1e-7def-8abc-{n:012x}"), kind, "bash", start, end)
        };
        session.append(span).unwrap();
    }
}
