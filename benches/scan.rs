//! Reading a log back from its files, every byte checked: beside a loop over mapped files that only finds records and sums them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod support;

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewal::event::SpanText;
use tracewal::{Item, Reading, Store};
use tracewal_engine::SegmentFiles;
use tracewal_format::checksum::crc;

/// Bytes of events that are read in one round.
const VOLUME: usize = 128 << 20;

/// What no reader can do without: find each record, sum its header and its body. Without salts, sequence numbers, ends and losses, and
/// dying if a file becomes shorter.
fn raw(files: &[PathBuf]) -> u64 {
    let mut records = 0;
    for file in files {
        let file = File::open(file).unwrap();
        // SAFETY: nobody writes to it while it is measured.
        let bytes = unsafe { memmap2::Mmap::map(&file) }.unwrap();
        let mut at = 4096;
        while let Some(header) = bytes.get(at..at + 24).filter(|header| header[4] != 0) {
            let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            let body = &bytes[at + 24..at + 24 + length];
            black_box(crc(&header[4..]));
            assert_eq!(crc(body), u32::from_le_bytes(header[12..16].try_into().unwrap()));
            records += 1;
            at = (at + 24 + length).next_multiple_of(8);
        }
    }
    records
}

/// The reader, with each event decoded, borrowing from what was read; or only checked.
fn events(folder: &Path, decoded: bool) -> u64 {
    let mut log = SegmentFiles::open_log(folder, Reading::Whole).unwrap();
    let mut events = 0;
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item {
            events += 1;
            if decoded {
                let event = entry.event();
                assert!(matches!(black_box(&event), Some(Ok(_))));
            } else {
                black_box(entry.body);
            }
        }
    }
    events
}

fn record(store: &Store, size: usize) -> (PathBuf, u64) {
    let session = store.session(format!("of {size}")).start().unwrap();
    let text = support::text(size);
    let count = VOLUME / (size + 32);
    for _ in 0..count {
        session.append(SpanText::new("0190f3a2-7c1e-7def", text.as_str())).unwrap();
    }
    let folder = store.folder(session.name());
    session.complete().unwrap();
    (folder, count as u64)
}

fn scan(c: &mut Criterion) {
    let folder = support::scratch();
    let options = tracewal::Options::without_views();
    let store = options.open(folder.path().join("store")).unwrap();
    for size in [128, 512, 4096] {
        let (log, count) = record(&store, size);
        let mut files: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(events(&log, true), count + 3);
        assert!(raw(&files) >= count);
        let mut group = c.benchmark_group(format!("scan of events of {size} bytes"));
        group.throughput(Throughput::Elements(count)).sample_size(20);
        group.bench_function(BenchmarkId::from_parameter("mapped, summed, sliced"), |b| {
            b.iter_custom(|times| support::processor_time(times, || raw(&files)))
        });
        group.bench_function(BenchmarkId::from_parameter("the reader"), |b| {
            b.iter_custom(|times| support::processor_time(times, || events(&log, false)))
        });
        group.bench_function(BenchmarkId::from_parameter("the reader, borrowed events"), |b| {
            b.iter_custom(|times| support::processor_time(times, || events(&log, true)));
        });
        group.finish();
    }
}

criterion_group!(benches, scan);
criterion_main!(benches);
