//! Reserving, encoding, waiting for one's turn, publishing, and closing: `engine/src/reservation.rs` itself, as `Segment::append_mapped`
//! and `Segment::close` use it.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::reservation::{Mark, Reservation};
use super::{all_or, check};

const FIRST: u64 = 4096;
const RECORD: u64 = 32;
const ROOM_FOR: usize = 4;

/// A segment of records of one size: what stands in the mapping, as this process sees it.
struct Segment {
    marks: Reservation,
    /// Behind the publish word. Loom reports two threads at one body, one of them writing.
    bodies: [UnsafeCell<u64>; ROOM_FOR],
    words: [AtomicU64; ROOM_FOR],
}

// SAFETY: loom checks the accesses to the bodies; that is the test.
unsafe impl Sync for Segment {}
// SAFETY: as above.
unsafe impl Send for Segment {}

fn index(mark: Mark) -> usize {
    usize::try_from((mark.offset() - FIRST) / RECORD).unwrap()
}

impl Segment {
    fn new() -> Arc<Self> {
        Arc::new(Segment {
            marks: Reservation::new(FIRST),
            bodies: std::array::from_fn(|_| UnsafeCell::new(0)),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    /// `Segment::append_mapped`. `None`: full, or closed.
    fn append(&self, in_turn: bool) -> Option<u64> {
        let usable = FIRST + RECORD * u64::try_from(ROOM_FOR).unwrap();
        let room = self.marks.reserve(RECORD, usable, true)?;
        let at = index(room.start);
        // SAFETY: reserved for this thread; loom says so if that is not true.
        self.bodies[at].with_mut(|body| unsafe { *body = room.start.seq_delta() + 1 });
        if in_turn {
            self.marks.await_turn(room.start);
        }
        self.words[at].store(1, Ordering::Release);
        self.marks.publish(room);
        Some(room.start.seq_delta())
    }

    /// What a reader finds below the published mark: whole records, without a gap (I3).
    fn read(&self) -> usize {
        let published = index(self.marks.published());
        for at in 0..published {
            assert_eq!(self.words[at].load(Ordering::Acquire), 1, "a hole below the published mark");
            // SAFETY: published, so nobody writes it any more; loom says so if that is not true.
            self.bodies[at].with(|body| assert_eq!(unsafe { *body }, u64::try_from(at).unwrap() + 1));
        }
        published
    }

    /// A process that is killed now leaves no hole below an event that has been acknowledged (I1, I3).
    fn assert_no_hole_below(&self, acknowledged: u64) {
        for at in 0..=usize::try_from(acknowledged).unwrap() {
            assert_eq!(self.words[at].load(Ordering::Acquire), 1, "a hole below an acknowledged event");
        }
    }
}

fn append_and_check(segment: &Segment, in_turn: bool) -> Option<u64> {
    let seq = segment.append(in_turn);
    if let Some(seq) = seq {
        segment.assert_no_hole_below(seq);
    }
    seq
}

fn two_writers_and_a_reader(in_turn: bool) {
    let segment = Segment::new();
    let other = segment.clone();
    let writer = thread::spawn(move || append_and_check(&other, in_turn).unwrap());
    let other = segment.clone();
    let reader = thread::spawn(move || {
        let first = other.read();
        assert!(first <= other.read(), "published records vanish");
    });
    let mine = append_and_check(&segment, in_turn).unwrap();
    let theirs = writer.join().unwrap();
    reader.join().unwrap();
    assert_ne!(mine, theirs, "one number for two events");
    assert_eq!(segment.read(), 2);
}

#[test]
fn no_hole_and_no_torn_record_below_what_is_published() {
    check("two writers and a reader", all_or(2), || two_writers_and_a_reader(true));
}

/// Shows that the model would notice.
#[test]
#[should_panic(expected = "a hole below")]
fn publishing_without_waiting_for_the_predecessor_is_caught() {
    check("out of turn", all_or(2), || two_writers_and_a_reader(false));
}

/// Two threads, because two that wait at once give each other way for ever in loom; and more records than threads.
#[test]
fn every_event_gets_a_number_of_its_own_in_a_row() {
    check("two writers, three records", all_or(2), || {
        let segment = Segment::new();
        let other = segment.clone();
        let writer = thread::spawn(move || append_and_check(&other, true).unwrap());
        let mut numbers: Vec<_> = (0..2).map(|_| append_and_check(&segment, true).unwrap()).collect();
        numbers.push(writer.join().unwrap());
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(segment.read(), 3);
    });
}

/// `Segment::close`: what is reserved is published when it returns, and nothing comes behind it.
#[test]
fn closing_waits_for_whoever_has_reserved_and_lets_nobody_in_behind() {
    check("a writer and a close", all_or(2), || {
        let segment = Segment::new();
        let other = segment.clone();
        let writer = thread::spawn(move || {
            let appended = (0..2).map_while(|_| append_and_check(&other, true)).count();
            (appended, other.read())
        });
        let last = segment.marks.close();
        segment.marks.await_turn(last);
        let closed_at = segment.read();
        let (appended, read) = writer.join().unwrap();
        assert_eq!((appended, read), (closed_at, closed_at), "a record behind the end of a closed segment");
        assert!(segment.marks.is_closed() && segment.append(true).is_none());
        // What was to come after it failed: it goes on where it was.
        segment.marks.reopen();
        assert_eq!(segment.append(true), Some(u64::try_from(closed_at).unwrap()));
        segment.read();
    });
}

/// `Segment::append_written`: a record that could not be written is given back, under the lock that makes one writer of many, while
/// another thread closes.
#[test]
fn giving_back_does_not_open_what_was_closed() {
    check("give back and close", None, || {
        let segment = Segment::new();
        let other = segment.clone();
        let closing = thread::spawn(move || other.marks.close());
        let failed = segment.marks.reserve(RECORD, FIRST + 4 * RECORD, true);
        if let Some(room) = failed {
            segment.marks.give_back(room);
        }
        closing.join().unwrap();
        assert!(segment.marks.is_closed() && segment.append(true).is_none());
        segment.marks.reopen();
        assert_eq!(segment.append(true), Some(0));
    });
}
