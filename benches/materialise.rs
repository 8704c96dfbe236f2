//! A view of 52 MB: from the log's first event, and again after 100 more events, beside what the file system takes for the same bytes.
//!
//! `TRACEWAL_BENCH_DIR` on btrfs or xfs shows what shared blocks save.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn write_and_sync(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
}

/// Byte by byte, also where the file system could share blocks.
fn copy_and_sync(from: &Path, to: &Path) {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => break,
            length => to.write_all(&buffer[..length]).unwrap(),
        }
    }
    to.sync_data().unwrap();
}

fn materialise(c: &mut Criterion) {
    let folder = support::scratch();
    let store = support::store(&folder);
    let session = store.session("s").start().unwrap();
    support::append_spans(&session, 0..5_000, &support::text(10_000));
    let view = session.flush().unwrap().unwrap().path;
    let bytes = fs::read(&view).unwrap();
    let beside = folder.path().join("beside");

    let mut group = c.benchmark_group("materialise 52 MB");
    group.throughput(Throughput::Bytes(bytes.len().try_into().unwrap()));
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    group.bench_function("one write of the same bytes, and fsync", |b| {
        b.iter(|| write_and_sync(&beside, &bytes));
    });
    group.bench_function("from the log's first event", |b| {
        b.iter(|| {
            // Without what is kept from one time to the next.
            tracewal_compact::materialise(&store, session.name()).unwrap().unwrap();
        });
    });
    group.bench_function("a copy of the file, and fsync", |b| {
        b.iter(|| copy_and_sync(&view, &beside));
    });
    let mut next = 5_000;
    session.flush().unwrap();
    group.bench_function("again after 100 more events", |b| {
        b.iter_batched(
            || {
                support::append_spans(&session, next..next + 100, "done");
                next += 100;
            },
            |()| session.flush().unwrap().unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, materialise);
criterion_main!(benches);
