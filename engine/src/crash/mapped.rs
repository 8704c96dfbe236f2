//! Live mappings of segments, where the handler of SIGBUS finds them.
//!
//! A page of a mapped file can go away: somebody cuts the file, or the device cannot read the page back. The next store into it is a
//! SIGBUS. With crash capture installed, that is not the end of a process that has other things to do: the handler looks the address up
//! here, marks the mapping as *lost*, maps memory of nobody's over the whole of it, and returns, so that the store goes on, to nowhere.
//! Whoever stored looks at the mark afterwards, acknowledges nothing, and poisons the session (I8). This is what journald does, too.
//!
//! The whole mapping, and not the page alone: nothing that is stored after the loss reaches the file any more, so that no record is
//! published behind a hole, or in front of half a body.
//!
//! What the handler cannot see: between a cut in the middle of a page and the next page, stores reach that page, and not the file. Whoever
//! appended there was told that the event is safe; the next sync finds the file too short, and poisons the session.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::table::{Entry, Table};
use crate::fork;

static TABLE: Table<Live> = Table::new();

/// One mapping, as a handler sees it.
#[derive(Debug, Default)]
struct Live {
    /// The pages that it takes: see `word`. One word, because a handler may look while its entry goes from one mapping to the next.
    pages: AtomicU64,
    /// Of the fork in which it was mapped.
    generation: AtomicU32,
    /// A store into it did not reach the file.
    lost: AtomicBool,
}

const PAGE: usize = 4096;
/// Of the word, the lower bits: how many pages; the upper ones: the number of the first.
const COUNT_BITS: u32 = 24;

/// `None`: nothing that is ever mapped is that large, or lies there.
fn word(start: usize, len: usize) -> Option<u64> {
    let (first, count) = (u64::try_from(start / PAGE).ok()?, u64::try_from(len.div_ceil(PAGE)).ok()?);
    (count < 1 << COUNT_BITS && first < 1 << (64 - COUNT_BITS)).then_some(first << COUNT_BITS | count)
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn range_of(word: u64) -> Range<usize> {
    let pages = |count: u64| usize::try_from(count).unwrap_or(0).saturating_mul(PAGE);
    let (start, len) = (pages(word >> COUNT_BITS), pages(word & ((1 << COUNT_BITS) - 1)));
    start..start.saturating_add(len)
}

/// A mapping's place among those that the handler looks at. Left when it is dropped, which has to be before the mapping goes.
#[derive(Debug)]
pub(crate) struct Mapped(&'static Entry<Live>);

impl Mapped {
    /// For a mapping that nobody has stored into yet. `None`: there is no place for it; a fault in it ends the process.
    pub(crate) fn new(start: *const u8, len: usize) -> Option<Self> {
        let word = word(start.addr(), len)?;
        let live = TABLE.take()?;
        live.generation.store(fork::generation(), Ordering::Relaxed);
        live.lost.store(false, Ordering::Relaxed);
        live.pages.store(word, Ordering::Release);
        Some(Mapped(live))
    }

    /// Whether stores into it have gone nowhere. Who asks after a store hears of what became of that store.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::Acquire)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.0.pages.store(0, Ordering::Release);
        TABLE.give_back(self.0);
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{mend, prepare};

#[cfg(target_os = "linux")]
mod linux {
    use super::{Ordering, TABLE, range_of};
    use crate::crash::pages::map_over;
    use crate::fork;

    /// To be called once in a process, before `mend` can be.
    pub(crate) fn prepare() {
        membarrier(REGISTER_PRIVATE_EXPEDITED);
    }

    /// Whether `address` lies in a mapping of ours. Then it is marked as lost, and a store there goes on, to nowhere. Async-signal-safe.
    pub(crate) fn mend(address: usize) -> bool {
        // An entry that goes from one mapping to the next meanwhile names this address neither before nor after: the mapping in which it
        // lies is in use by this thread, and no other one overlaps it.
        for live in TABLE.entries() {
            let range = range_of(live.pages.load(Ordering::Acquire));
            let is_inherited = live.generation.load(Ordering::Relaxed) != fork::generation();
            if !range.contains(&address) || is_inherited {
                continue;
            }
            live.lost.store(true, Ordering::SeqCst);
            // Every thread that stores into the new memory finds the mark when it looks, without a barrier of its own between the two.
            membarrier(PRIVATE_EXPEDITED);
            // SAFETY: the whole of a mapping of this process, whose owner reads nothing out of it.
            return unsafe { map_over(std::ptr::without_provenance_mut(range.start), range.len(), None) }
                .is_some();
        }
        false
    }

    const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;

    /// A barrier in every thread of this process. Where it is refused, there is that of mapping over pages that other threads use.
    fn membarrier(command: libc::c_long) {
        // SAFETY: a call without pointers.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_fits_into_its_word() {
        let most = ((1 << 24) - 1) * PAGE;
        for (start, len) in [(PAGE, PAGE), (0x7FFF_FFFF_F000, 1 << 30), (PAGE * 5, most)] {
            assert_eq!(range_of(word(start, len).unwrap()), start..start + len);
        }
        assert_eq!(range_of(word(PAGE, 10).unwrap()), PAGE..2 * PAGE, "a page is mapped as a whole");
        assert_eq!(range_of(0), 0..0);
        assert_eq!(word(PAGE, most + 1), None);
        assert_eq!(word(1 << 52, PAGE), None);
    }
}
