//! Stores with many sessions: what opening and listing them costs, and starting one more.
//!
//! `TRACEWAL_BENCH_SESSIONS` sets how many there are, `TRACEWAL_BENCH_DIR` where. The command is measured too where
//! `cargo build --release` has made it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use tracewal::{Access, Compaction, Listing, Status, Store};

/// As `tracewal ls` opens a store.
fn open(path: &Path) -> Store {
    tracewal::options_with(Compaction::OnDemand).access(Access::WriteOrRead).open(path).unwrap()
}

fn newest(store: &Store, wanted: fn(Status) -> bool) -> usize {
    let listing = Listing::of(store).unwrap();
    listing.sessions(store, wanted).take(20).map(Result::unwrap).count()
}

/// Waits until the index may say that it is complete: the folder of sessions has been left alone for longer than clocks are coarse.
fn settle(path: &Path) {
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(newest(&open(path), |_| true), 20);
}

/// The command, next to the bench itself.
fn command() -> Option<PathBuf> {
    let command = std::env::current_exe().ok()?.parent()?.parent()?.join("tracewal");
    command.exists().then_some(command)
}

fn run(command: &Path, store: &Path, args: &[&str]) {
    let status = Command::new(command).arg("--store").arg(store).args(args).stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

fn start_one(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, path: &Path) {
    let store = open(path);
    let mut sessions = Vec::new();
    group.bench_function(name, |b| {
        b.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let began = Instant::now();
                let session = store.new_session().start().unwrap();
                took += began.elapsed();
                sessions.push(session);
                if sessions.len() == 100 {
                    remove(&store, &mut sessions);
                }
            }
            took
        });
    });
    remove(&store, &mut sessions);
}

fn remove(store: &Store, sessions: &mut Vec<tracewal::Session>) {
    for session in sessions.drain(..) {
        let name = session.name().clone();
        drop(session);
        store.remove(&name).unwrap();
    }
}

fn sessions(c: &mut Criterion) {
    let count = support::number("TRACEWAL_BENCH_SESSIONS", 100_000);
    let folder = support::scratch();
    let (path, empty) = (folder.path().join("many"), folder.path().join("empty"));
    support::ended_sessions(&path, count);
    support::ended_sessions(&empty, 20);
    let began = Instant::now();
    assert_eq!(newest(&open(&path), |_| true), 20);
    println!("index of {count} sessions made from their logs in {:.1} s", began.elapsed().as_secs_f64());
    settle(&path);
    settle(&empty);

    let mut group = c.benchmark_group(format!("sessions-{count}"));
    group.sample_size(20);
    group.bench_function("open", |b| b.iter(|| open(&path)));
    group.bench_function("open an empty store", |b| b.iter(|| open(&empty)));
    let store = open(&path);
    group.bench_function("list", |b| b.iter(|| black_box(newest(&store, |_| true))));
    group.bench_function("list crashed", |b| b.iter(|| newest(&store, |status| status == Status::Crashed)));
    group.sample_size(10);
    group.bench_function("compare with every folder", |b| b.iter(|| Listing::thorough(&store).unwrap()));
    group.bench_function("(read the folder of sessions)", |b| {
        b.iter(|| std::fs::read_dir(path.join("sessions")).unwrap().count());
    });
    if let Some(command) = command() {
        for args in [&["ls"][..], &["ls", "--status", "crashed"], &["ls", "--status", "crashed", "--all"]] {
            group.bench_function(format!("tracewal {}", args.join(" ")), |b| {
                b.iter(|| run(&command, &path, args));
            });
        }
        group.bench_function("(tracewal --version)", |b| b.iter(|| run(&command, &path, &["--version"])));
    }
    // Somebody has begun one since: its name has to be looked for among all of them.
    group.bench_function("list when one has begun", |b| {
        b.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let mut begun = vec![store.new_session().start().unwrap()];
                let began = Instant::now();
                black_box(newest(&store, |_| true));
                took += began.elapsed();
                remove(&store, &mut begun);
            }
            took
        });
    });
    start_one(&mut group, "start one", &path);
    start_one(&mut group, "start one in an empty store", &empty);
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
