//! Claiming and filling crash slots while a session ends and its place goes to the next one: a copy of `fill`, `Place::take` and
//! `Place::drop` of `engine/src/crash/slots.rs`. What `map_over` does in one step is one atomic here: which page an address stands for.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use loom::thread;

use super::{all_or, check};

/// Memory that nobody looks at: what is mapped at a place that has been left.
const NOWHERE: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

/// The header page of a run's first segment: the part that outlives the process.
#[derive(Default)]
struct Page {
    claims: AtomicU32,
    head: AtomicU64,
    sum: AtomicU64,
}

/// `SlotPage`, with the pages that its address may stand for. Loom has a limit on atomics of one run: a page has one slot.
struct Place {
    live: AtomicU32,
    salt: AtomicU64,
    mapped: AtomicUsize,
    pages: [Page; 3],
}

const SALT_OF: [u64; 3] = [0, 0x1111, 0x2222];
const HEAD: u64 = 7;

fn sum(salt: u64, head: u64) -> u64 {
    (salt << 16 | head) + 1
}

impl Place {
    fn new() -> Arc<Self> {
        let (live, salt, mapped) = (AtomicU32::new(0), AtomicU64::new(0), AtomicUsize::new(NOWHERE));
        Arc::new(Place { live, salt, mapped, pages: std::array::from_fn(|_| Page::default()) })
    }

    /// A load or store at the address goes to what is mapped there at that moment; changing that is a system call.
    fn page(&self) -> &Page {
        &self.pages[self.mapped.load(Ordering::SeqCst)]
    }

    /// `Place::take`.
    fn take(&self, session: usize) {
        self.salt.store(SALT_OF[session], Ordering::Relaxed);
        self.mapped.store(session, Ordering::SeqCst);
        self.live.store(1, Ordering::Release);
    }

    /// `Place::drop`.
    fn leave(&self) {
        self.live.store(0, Ordering::Release);
        self.mapped.store(NOWHERE, Ordering::SeqCst);
    }

    /// `fill_all` and `fill`, in a signal handler.
    fn fill(&self) {
        if self.live.load(Ordering::Acquire) != 1 {
            return;
        }
        if self.page().claims.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let salt = self.salt.load(Ordering::Relaxed);
        self.page().head.store(HEAD, Ordering::Relaxed);
        fence(Ordering::Release);
        self.page().sum.store(sum(salt, HEAD), Ordering::Release);
    }

    fn found(&self, session: usize) -> Found {
        let page = &self.pages[session];
        let (sum_there, head) = (page.sum.load(Ordering::Acquire), page.head.load(Ordering::Relaxed));
        match page.claims.load(Ordering::Acquire) {
            0 => Found::Nothing,
            _ if sum_there == sum(SALT_OF[session], head) && head == HEAD => Found::Crash,
            _ => Found::CrashForUnknownReason,
        }
    }
}

/// What a reader makes of a page (SPEC.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Crash,
    CrashForUnknownReason,
}

#[test]
fn a_session_that_stays_has_its_crash_and_one_that_is_closed_has_none() {
    check("a fill in a session that stays", None, || {
        let place = Place::new();
        place.take(FIRST);
        let other = place.clone();
        let handler = thread::spawn(move || other.fill());
        // Another reader at any time: claimed is crashed, whatever else is there.
        let seen = place.found(FIRST);
        handler.join().unwrap();
        assert_eq!(place.found(FIRST), Found::Crash);
        assert_eq!(place.found(SECOND), Found::Nothing);
        assert!(matches!(seen, Found::Nothing | Found::Crash | Found::CrashForUnknownReason));
        place.leave();
        place.fill();
        assert_eq!(place.pages[FIRST].claims.load(Ordering::Acquire), 1, "a closed session is not touched");
    });
}

/// A handler that is caught while its session ends and another one takes the place. What it leaves is the truth: whoever it claims a slot
/// of was live when it began or is live now, in a process that is dying. And the claim never goes without its crash being seen.
#[test]
fn a_fill_that_is_overtaken_by_an_end_claims_a_slot_of_one_session_at_most() {
    check("a fill, an end and a next session", all_or(4), || {
        let place = Place::new();
        place.take(FIRST);
        let other = place.clone();
        let handler = thread::spawn(move || other.fill());
        place.leave();
        place.take(SECOND);
        handler.join().unwrap();
        let found = [place.found(FIRST), place.found(SECOND)];
        assert!(found.contains(&Found::Nothing), "one handler, two sessions: {found:?}");
        // The second session, which is live, can still be reported when nothing of the first handler's is in its way.
        if found == [Found::Nothing, Found::Nothing] {
            place.fill();
            assert_eq!(place.found(SECOND), Found::Crash);
        }
    });
}

/// Shows that the model would notice: a checksum that is stored before what it covers.
#[test]
#[should_panic(expected = "a valid slot")]
fn a_checksum_that_comes_first_is_caught() {
    check("checksum first", None, || {
        let place = Place::new();
        place.take(FIRST);
        let other = place.clone();
        let handler = thread::spawn(move || {
            let page = other.page();
            page.claims.fetch_add(1, Ordering::AcqRel);
            page.sum.store(sum(SALT_OF[FIRST], HEAD), Ordering::Release);
            page.head.store(HEAD, Ordering::Relaxed);
        });
        let page = &place.pages[FIRST];
        if page.sum.load(Ordering::Acquire) != 0 {
            assert_eq!(
                page.head.load(Ordering::Relaxed),
                HEAD,
                "a valid slot that does not say what it says"
            );
        }
        handler.join().unwrap();
    });
}
