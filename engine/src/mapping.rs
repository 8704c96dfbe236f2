//! A segment's file in memory. Stores into it survive SIGKILL when they have been made (I1): the pages are the kernel's.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use crate::crash::Mapped;
use crate::fork;

/// In what size the kernel keeps what is stored into a file. The first touch of a byte brings in all of its page, and a sync writes all of
/// every page in which a byte has been stored; so large ones cost a third as much in a burst, and hundreds of times as much device
/// as single events need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Single ones at first, larger ones the longer the file is gone through: 256 KiB and more.
    AsTheyCome,
    /// 4 KiB, whatever happens. A first touch takes 4 microseconds for one of these, and 1 as they come.
    Small,
    /// 2 MiB, where the file system has them: 0.5 microseconds for each 4 KiB.
    Huge,
}

impl Pages {
    /// How much less than this makes a sync wasteful.
    pub(crate) fn len(self) -> u64 {
        match self {
            Pages::AsTheyCome => 256 << 10,
            Pages::Small => 4096,
            Pages::Huge => 2 << 20,
        }
    }
}

/// A shared, writable mapping of a whole segment, whose blocks are allocated: a store never meets a full disk.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: ManuallyDrop<MmapRaw>,
    /// Where the handler of SIGBUS finds it.
    known: ManuallyDrop<Option<Mapped>>,
    generation: u32,
}

impl Mapping {
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(len).map_raw(file)?;
        // A child gets no mapping: its stores would go into its parent's log.
        #[cfg(target_os = "linux")]
        map.advise(memmap2::Advice::DontFork)?;
        let known = ManuallyDrop::new(Mapped::new(map.as_ptr(), len));
        Ok(Mapping { map: ManuallyDrop::new(map), known, generation: fork::generation() })
    }

    /// Whether something that was stored into it has not reached its file: somebody has cut it, or its device cannot read it. To be asked
    /// behind what is stored, before anybody is told that it is there (I8).
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.known.as_ref().is_some_and(Mapped::is_lost)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes that only the caller uses.
    ///
    /// # Safety
    /// No other reference into `range` may exist in this process for as long as this one does. (Other processes may read the same
    /// bytes through the file; they believe nothing before its publish word and its checksums are there.)
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub(crate) unsafe fn exclusive(&self, range: Range<usize>) -> Option<&mut [u8]> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        // SAFETY: the range lies inside the mapping, which lives as long as `self`; that it is not aliased is the caller's promise.
        Some(unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(range.start), range.len()) })
    }

    #[inline]
    /// Publishes: stores 8 bytes at once, after everything that this thread has stored before.
    pub(crate) fn publish(&self, offset: usize, word: [u8; 8]) {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.len(),
            "a publish word is aligned and inside its segment"
        );
        // SAFETY: inside the mapping and aligned (just asserted, and a mapping begins at a page), and only used atomically
        // once its record is published: `exclusive` is not used for it any more.
        let at = unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(offset).cast()) };
        at.store(u64::from_ne_bytes(word), Ordering::Release);
    }

    /// Lets go of the pages of a range: they stay in the page cache with all that was stored into them, and whoever comes back takes a fault.
    pub(crate) fn let_go(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if range.start < range.end && range.end <= self.len() {
            // SAFETY: the mapping is shared and backed by a file: pages that it lets go of keep what was stored into them.
            let _ = unsafe {
                let advice = memmap2::UncheckedAdvice::DontNeed;
                self.map.unchecked_advise_range(advice, range.start, range.end - range.start)
            };
        }
    }

    /// Says in what size pages are to come that have not been touched yet.
    pub(crate) fn use_pages(&self, pages: Pages) {
        #[cfg(target_os = "linux")]
        let _ = match pages {
            Pages::AsTheyCome => Ok(()),
            // The kernel then reads nothing around a page, and so has no reason to take more than one.
            Pages::Small => self.map.advise(memmap2::Advice::Random),
            Pages::Huge => self.map.advise(memmap2::Advice::HugePage),
        };
    }

    /// Makes the pages of a range ready to be stored into, as the first store to each would. Whether that could be done; what cannot be had
    /// is no signal here, but an error.
    pub(crate) fn populate(&self, from: u64, to: u64) -> bool {
        let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) else { return false };
        #[cfg(target_os = "linux")]
        return from <= to
            && to <= self.len()
            && self.map.advise_range(memmap2::Advice::PopulateWrite, from, to - from).is_ok();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Syncs a range to the device. Works after the file is closed, and reports what this mapping's writes met (I8).
    pub(crate) fn sync(&self, range: Range<usize>) -> io::Result<()> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        self.map.flush_range(start, end - start)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a child nothing is mapped there, and by now something else may be.
        if self.generation == fork::generation() {
            // SAFETY: dropped once, here; first the place, so that no handler takes what comes to lie there for this mapping.
            unsafe {
                ManuallyDrop::drop(&mut self.known);
                ManuallyDrop::drop(&mut self.map);
            }
        }
    }
}
