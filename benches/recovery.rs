//! Opening a store whose writer was killed in a session of 1 GB: a process of its own writes it and kills itself; then it is opened, which
//! finds the end of the log and writes the crash record. The log is in the page cache.
//!
//! `TRACEWAL_BENCH_MB` sets how large, `TRACEWAL_BENCH_DIR` where. Prints too how much memory that took.
#![allow(missing_docs, clippy::unwrap_used, clippy::as_conversions)]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group};
use tracewal::event::SpanText;
use tracewal::{Compaction, Listing, Options, Status};

const WRITER: &str = "TRACEWAL_BENCH_WRITER";
const SESSION: &str = "s";

/// The process that dies.
fn write(store: &Path) {
    let session = Options::without_views().open(store).unwrap().session(SESSION).start().unwrap();
    let text = support::text(1024);
    let append = |times| {
        for _ in 0..times {
            session.append(SpanText::new("0190f3a2-7c1e-7def", text.as_str())).unwrap();
        }
    };
    append(support::number("TRACEWAL_BENCH_MB", 1024) << 10);
    // As the background has done with all but the last second of a session.
    session.sync().unwrap();
    append(10_000);
    // SAFETY: a call without pointers.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}

fn killed_session(store: &Path) {
    let status = Command::new(std::env::current_exe().unwrap()).env(WRITER, store).status().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn recovery(c: &mut Criterion) {
    let mut group = c.benchmark_group("open after kill -9");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(1));
    let before = peak_memory();
    let ways: [(&str, fn() -> Options); 3] = [
        ("without views", Options::without_views),
        ("views in the background", tracewal::options),
        ("and its view", || tracewal::options_with(Compaction::OnDemand)),
    ];
    for (name, options) in ways {
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    let folder = support::scratch();
                    let path = folder.path().join("store");
                    killed_session(&path);
                    let began = Instant::now();
                    let store = options().open(&path).unwrap();
                    took += began.elapsed();
                    let listing = Listing::of(&store).unwrap();
                    assert_eq!(listing.sessions(&store, |status| status == Status::Crashed).count(), 1);
                }
                took
            });
        });
    }
    println!("memory: {} KiB more at most", (peak_memory() - before) >> 10);
}

criterion_group!(opening, recovery);

fn main() {
    if let Some(store) = std::env::var_os(WRITER) {
        write(Path::new(&store));
    }
    opening();
    Criterion::default().configure_from_args().final_summary();
}
