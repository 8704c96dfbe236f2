//! How threads share a segment without a lock: room is reserved by one compare-and-swap, filled in parallel, and published in order
//! (SPEC.md section 9). Nothing here knows of files or mappings, so that the whole of it can be checked under every interleaving
//! (`model/tests/loom.rs`).

use tracewal_format::record::align;

use crate::atomics::{AtomicU64, Ordering, pause};

/// Room in a segment and the numbers that go with it, in one word: bits 0 to 31 the offset divided by 8, 32 to 62 the sequence
/// delta, 63 closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

const CLOSED: u64 = 1 << 63;
/// The largest sequence delta.
const MOST: u64 = (1 << 31) - 1;

impl Mark {
    fn new(offset: u64, seq_delta: u64) -> Self {
        Mark((offset / 8) | (seq_delta << 32))
    }

    pub(crate) fn offset(self) -> u64 {
        (self.0 & 0xFFFF_FFFF) * 8
    }

    pub(crate) fn seq_delta(self) -> u64 {
        (self.0 & !CLOSED) >> 32
    }

    fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

/// Room that one thread has to itself until it publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// How far a segment is reserved, and how far it is published.
#[derive(Debug)]
pub(crate) struct Reservation {
    reserved: AtomicU64,
    published: AtomicU64,
}

impl Reservation {
    /// Of a segment whose first record stands at `offset`.
    pub(crate) fn new(offset: u64) -> Self {
        let start = Mark::new(offset, 0).0;
        Reservation { reserved: AtomicU64::new(start), published: AtomicU64::new(start) }
    }

    /// Behind the last published record. Whoever sees a mark sees the records before it.
    #[inline]
    pub(crate) fn published(&self) -> Mark {
        Mark(self.published.load(Ordering::Acquire))
    }

    pub(crate) fn is_closed(&self) -> bool {
        Mark(self.reserved.load(Ordering::Acquire)).is_closed()
    }

    /// Reserves `len` bytes below `usable`. `None`: there is no room, or nobody may reserve any more. Whoever gets some must publish
    /// it, or give it back if no other thread can have reserved since.
    #[inline]
    pub(crate) fn reserve(&self, len: u64, usable: u64, takes_number: bool) -> Option<Room> {
        let mut now = Mark(self.reserved.load(Ordering::Acquire));
        loop {
            let end = align(now.offset().saturating_add(len));
            let seq_delta = now.seq_delta() + u64::from(takes_number);
            if now.is_closed() || end > usable || seq_delta > MOST {
                return None;
            }
            let then = Mark::new(end, seq_delta);
            match self.reserved.compare_exchange_weak(now.0, then.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Room { start: now, end: then }),
                Err(other) => now = Mark(other),
            }
        }
    }

    /// Waits until every record before `start` is published, so that a killed process leaves no hole below an acknowledged one. Returns
    /// how often it looked in vain.
    #[inline]
    pub(crate) fn await_turn(&self, start: Mark) -> u32 {
        let mut looks = 0_u32;
        while self.published() != start {
            looks = looks.saturating_add(1);
            pause(looks);
        }
        looks
    }

    /// Tells the readers of this process, and the thread whose turn is next. The record's publish word has been stored.
    #[inline]
    pub(crate) fn publish(&self, room: Room) {
        self.published.store(room.end.0, Ordering::Release);
    }

    /// Publishes without waiting for whoever comes first.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn publish_out_of_turn(&self, room: Room) {
        self.published.fetch_max(room.end.0, Ordering::AcqRel);
    }

    /// Takes back a reservation behind which there is none.
    pub(crate) fn give_back(&self, room: Room) {
        // In one step, so that a close in between is not taken back.
        let give_back = |now: u64| Some(room.start.0 | (now & CLOSED));
        let _ = self.reserved.fetch_update(Ordering::AcqRel, Ordering::Acquire, give_back);
    }

    /// Lets nobody reserve any more, and returns how far it is reserved: [`await_turn`](Self::await_turn) of that waits for all who have.
    pub(crate) fn close(&self) -> Mark {
        Mark(self.reserved.fetch_or(CLOSED, Ordering::AcqRel) & !CLOSED)
    }

    /// Takes back `close`, when what was to come after it failed.
    pub(crate) fn reopen(&self) {
        self.reserved.fetch_and(!CLOSED, Ordering::AcqRel);
    }
}
