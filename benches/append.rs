//! Appending one event: by its size, by how many threads append to one session or to their own, and by what it survives.
//!
//! `benches/peers` sets the same beside other libraries and beside the limit; this is for looking at a change.
#![allow(missing_docs, clippy::unwrap_used, clippy::as_conversions)]

mod support;

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewal::event::SpanText;
use tracewal::{Options, Session, Store};

#[derive(Clone, Copy)]
enum Survives {
    Kill,
    PowerCut,
}

fn append(session: &Session, text: &str, times: u64, survives: Survives) {
    for _ in 0..times {
        let event = SpanText::new("0190f3a2-7c1e-7def", text);
        match survives {
            Survives::Kill => session.append(event).unwrap(),
            Survives::PowerCut => session.append_durable(event).unwrap(),
        };
    }
}

/// A store for one sample: it is removed with all that was appended, and not in the time that is measured.
fn in_new_store<T>(around: &Path, act: impl FnOnce(&Store) -> T) -> T {
    let folder = tempfile::tempdir_in(around).unwrap();
    act(&Options::without_views().open(folder.path().join("store")).unwrap())
}

/// So many events by these threads together, each to the session that `sessions` gives it: from when all are ready to when the last is done.
fn together(sessions: &[&Session], text: &str, times: u64, survives: Survives) -> Duration {
    let barrier = Barrier::new(sessions.len() + 1);
    std::thread::scope(|scope| {
        for session in sessions {
            scope.spawn(|| {
                barrier.wait();
                append(session, text, times.div_ceil(sessions.len() as u64), survives);
                barrier.wait();
            });
        }
        barrier.wait();
        let began = Instant::now();
        barrier.wait();
        began.elapsed()
    })
}

fn by_size(c: &mut Criterion, name: &str, survives: Survives) {
    let around = support::scratch();
    let mut group = c.benchmark_group(name);
    for size in [128, 512, 4096] {
        let text = support::text(size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_custom(|times| {
                in_new_store(around.path(), |store| {
                    let session = store.session("s").start().unwrap();
                    together(&[&session], &text, times, survives)
                })
            });
        });
    }
}

fn by_threads(c: &mut Criterion, name: &str, threads: &[usize], survives: Survives) {
    let around = support::scratch();
    let text = support::text(128);
    let mut group = c.benchmark_group(name);
    for &count in threads {
        group.bench_function(BenchmarkId::new("one session", count), |b| {
            b.iter_custom(|times| {
                in_new_store(around.path(), |store| {
                    let session = store.session("s").start().unwrap();
                    together(&vec![&session; count], &text, times, survives)
                })
            });
        });
        group.bench_function(BenchmarkId::new("a session each", count), |b| {
            b.iter_custom(|times| {
                in_new_store(around.path(), |store| {
                    let start = |n| store.session(format!("s{n}")).start().unwrap();
                    let sessions: Vec<_> = (0..count).map(start).collect();
                    together(&sessions.iter().collect::<Vec<_>>(), &text, times, survives)
                })
            });
        });
    }
}

fn benches(c: &mut Criterion) {
    by_size(c, "append", Survives::Kill);
    by_threads(c, "append by threads", &[1, 2, 4], Survives::Kill);
    by_size(c, "durable append", Survives::PowerCut);
    by_threads(c, "durable append by threads", &[1, 4, 16], Survives::PowerCut);
}

criterion_group! {
    name = appending;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = benches
}
criterion_main!(appending);
