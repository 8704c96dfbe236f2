//! Appending allocates nothing, and neither does reading back: the two things that are done for every event.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tracewal::event::{Note, SpanEnded, SpanStarted, SpanText, Tokens};
use tracewal::{Compaction, Item, Payload, Reading, Session, SpanKind};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread allocates in `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn append_some(session: &Session, count: u64) {
    let long = "x".repeat(3000);
    let without_the_text = allocations(|| {
        for _ in 0..count {
            let started = SpanStarted {
                input: Some(Payload::json(r#"{"command":"ls"}"#)),
                parent_span_id: Some("parent".into()),
                ..SpanStarted::new("span", SpanKind::Tool, "bash")
            };
            session.append(started).unwrap();
            session.append(SpanText::new("span", long.as_str())).unwrap();
            let ended = SpanEnded {
                output: Some(Payload::string("done")),
                tokens: Some(Tokens::new(1_u64, 2_u64, 3_u64, 4_u64, 5_u64)),
                ..SpanEnded::new("span")
            };
            session.append(&ended).unwrap();
            session.append(Note::new("a note")).unwrap();
        }
    });
    // Where a segment is full, the next one is made: a few allocations per megabyte.
    assert!(without_the_text < 100, "{without_the_text} allocations");
}

#[test]
fn neither_appending_nor_reading_allocates() {
    let folder = tempfile::tempdir().unwrap();
    let store = tracewal::options_with(Compaction::OnDemand).open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    // Into a segment that is large enough for what comes.
    append_some(&session, 2000);
    append_some(&session, 200);

    let mut log = store.read(session.name(), Reading::Live).unwrap();
    let mut read = |count: u64| {
        let mut left = count;
        while left > 0 {
            if let Some(Item::Event(entry)) = log.next().unwrap() {
                assert!(entry.event().unwrap().is_ok());
                left -= 1;
            }
        }
    };
    read(4000);
    let of_reading = allocations(|| read(3000));
    assert!(of_reading < 20, "{of_reading} allocations of 3,000 events");
}
