//! Sessions to measure, shared by the benches.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use tracewal::event::{Span, SpanKind};
use tracewal::{Compaction, Payload, Session, Store, Time, Tokens};

/// A folder for one measurement: in `TRACEWAL_BENCH_DIR`, so that another file system can be measured, or else where temporary files are.
pub fn folder() -> tempfile::TempDir {
    match std::env::var_os("TRACEWAL_BENCH_DIR") {
        Some(within) => tempfile::tempdir_in(PathBuf::from(within)).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
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
