//! I11: what reading a damaged log costs is bounded by its size, whatever its bytes claim: bytes read from the disk, and memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use tracewal_engine::SegmentFiles;
use tracewal_format::build::SegmentBuilder;
use tracewal_format::checksum::Salted;
use tracewal_format::event::Note;
use tracewal_format::log::{Item, Reading};
use tracewal_format::record::{BODY_MAX, RECORD_HEADER, RecordHeader};
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

/// Counts what this thread has allocated, and the most that it has had.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + layout.size();
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading a log took.
#[derive(Debug)]
struct Cost {
    events: usize,
    losses: usize,
    read_bytes: usize,
    memory_bytes: usize,
}

/// What this thread has read with calls, in bytes.
fn read_by_this_thread() -> usize {
    let figures = fs::read_to_string("/proc/thread-self/io").unwrap();
    figures.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

fn cost(folder: &Path) -> Cost {
    let (mut events, mut losses) = (0, 0);
    MOST.set(HELD.get());
    let (memory, read) = (HELD.get(), read_by_this_thread());
    let mut log = SegmentFiles::open_log(folder, Reading::Whole).unwrap();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(_) => events += 1,
            Item::Loss(_) => losses += 1,
            _ => {}
        }
    }
    Cost { events, losses, read_bytes: read_by_this_thread() - read, memory_bytes: MOST.get() - memory }
}

const SALT: u64 = 12;

/// A segment of `count` notes.
fn segment(count: usize) -> Vec<u8> {
    let mut segment = SegmentBuilder::new(Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number: 1,
        run: 1,
        pid: 10,
        first_seq: 1,
        salt: SALT,
        wall_base_ns: 0,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    });
    for n in 0..count {
        segment.event(Time::from_ns(0), &Note::new(format!("note {n:08}")).into());
    }
    segment.finish(4096)
}

/// The offsets of the records: all notes are of one size.
fn records(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let body = usize::try_from(u32::from_le_bytes(bytes[4104..4108].try_into().unwrap())).unwrap();
    (4096..bytes.len() - 4096).step_by((RECORD_HEADER + body).next_multiple_of(8))
}

/// Reads the segment as a file, within three times its size and a window, and with no more memory than its windows.
fn check(bytes: &[u8], what: &str) -> Cost {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.wal"), bytes).unwrap();
    let cost = cost(folder.path());
    println!("{what}: {} bytes: {cost:?}", bytes.len());
    assert!(cost.read_bytes < 3 * bytes.len() + (1 << 20), "{what}: {cost:?}");
    assert!(cost.memory_bytes < 2 << 20, "{what}: {cost:?}");
    cost
}

const EVENTS: usize = 50_000;

#[test]
fn every_second_header_is_damaged() {
    let mut bytes = segment(EVENTS);
    for record in records(&bytes).step_by(2) {
        bytes[record + 16] ^= 1;
    }
    let cost = check(&bytes, "every second header");
    assert_eq!((cost.events, cost.losses), (EVENTS / 2, EVENTS / 2));
}

#[test]
fn every_body_is_damaged() {
    let mut bytes = segment(EVENTS);
    for record in records(&bytes) {
        bytes[record + RECORD_HEADER] ^= 1;
    }
    let cost = check(&bytes, "every body");
    // The last one is an append that was cut off.
    assert_eq!((cost.events, cost.losses), (0, EVENTS));
}

#[test]
fn every_header_is_damaged() {
    let mut bytes = segment(EVENTS);
    for record in records(&bytes) {
        bytes[record] ^= 1;
    }
    let cost = check(&bytes, "every header");
    assert_eq!((cost.events, cost.losses), (0, 1));
}

/// A checksum is no promise: whoever made this file has got every one of them right.
#[test]
fn every_header_claims_the_longest_body() {
    let mut bytes = segment(EVENTS);
    let capacity = u64::try_from(bytes.len()).unwrap();
    let salted = Salted::new(SALT);
    for (n, record) in records(&bytes).enumerate() {
        let rest = capacity - u64::try_from(record + RECORD_HEADER).unwrap();
        for body_len in [BODY_MAX, u32::try_from(rest).unwrap()] {
            let header = RecordHeader {
                kind: 13,
                flags: 0,
                time_delta_ns: 0,
                body_len,
                body_crc: 1,
                seq_delta: u32::try_from(n).unwrap(),
            };
            // Of each second one the body would end outside the file, of the others with it.
            if n % 2 == usize::from(body_len == BODY_MAX) {
                let header = header.encode(&salted, u64::try_from(record).unwrap());
                bytes[record..record + RECORD_HEADER].copy_from_slice(&header);
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.wal"), &bytes).unwrap();
    let cost = cost(folder.path());
    println!("the longest body: {} bytes: {cost:?}", bytes.len());
    assert!(cost.read_bytes < 4 * bytes.len(), "{cost:?}");
    assert!(cost.memory_bytes < 2 * bytes.len(), "{cost:?}");
    assert_eq!(cost.events, 0);
}

/// Segment numbers are no promise either.
#[test]
fn a_far_segment_number_is_one_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.wal"), segment(10)).unwrap();
    fs::write(folder.path().join("18446744073709551615.wal"), [1; 5000]).unwrap();
    let cost = cost(folder.path());
    assert!(cost.memory_bytes < 1 << 20, "{cost:?}");
    assert_eq!((cost.events, cost.losses), (10, 2));
}
