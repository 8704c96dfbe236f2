//! The crash slots of every live session, where a signal handler finds them (SPEC.md section 4).
//!
//! Places are never freed and their pages never unmapped: a handler may run in any thread at any moment. A place that has been left is
//! given to the next session, by mapping that session's header page over the old one in one step. A handler that is caught in between
//! fills a slot of a session that is live in a process that is dying, which is the truth.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use tracewal_format::checksum::SmallSum;
use tracewal_format::segment::{
    CLAIM, CLAIMS_AT, SLOT_HEAD, SLOT_LEN, SLOT_TEXT, SLOTS, SLOTS_AT, Slot, SlotState,
};

use super::mapped::Mapped;
use super::pages::{is_there, map_over};
use super::table::{Entry, Table};
use crate::filesystem::Promise;
use crate::fork;
use crate::guard::Guard;

const PAGE: usize = 4096;

/// One session's slots, as a handler sees them.
#[derive(Debug)]
pub(crate) struct SlotPage {
    /// 1: a session is live here.
    live: AtomicU32,
    /// The header page of its run's first segment; null where slots are written with calls.
    page: AtomicPtr<u8>,
    /// That segment's file, where slots are written with calls; else −1.
    file: AtomicI32,
    /// Slots claimed, where they are written with calls.
    claims: AtomicU32,
    /// Signals that have left a pending mark, by bit.
    pending: AtomicU64,
    salt: AtomicU64,
    /// Of the fork in which the session was opened.
    generation: AtomicU32,
}

impl Default for SlotPage {
    fn default() -> Self {
        SlotPage {
            live: AtomicU32::new(0),
            page: AtomicPtr::new(std::ptr::null_mut()),
            file: AtomicI32::new(-1),
            claims: AtomicU32::new(0),
            pending: AtomicU64::new(0),
            salt: AtomicU64::new(0),
            generation: AtomicU32::new(0),
        }
    }
}

static TABLE: Table<SlotPage> = Table::new();

/// A session's place among those that handlers look at. Left when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(&'static Entry<SlotPage>);

impl Place {
    /// Takes a place for the session whose run began with this segment. `None`: there is no memory or descriptor for it; the session is
    /// then recovered without a word of its own.
    pub(crate) fn take(first_segment: &Path, salt: u64, promise: Promise) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(first_segment).ok()?;
        let place = TABLE.take()?;
        // Of another generation: in this process nothing is mapped there, or something else.
        if place.generation.load(Ordering::Relaxed) != fork::generation() {
            place.page.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
        place.salt.store(salt, Ordering::Relaxed);
        place.claims.store(0, Ordering::Relaxed);
        place.pending.store(0, Ordering::Relaxed);
        place.generation.store(fork::generation(), Ordering::Relaxed);
        match promise {
            Promise::Mapped => {
                if !show(place, Some(file.as_raw_fd())) {
                    TABLE.give_back(place);
                    return None;
                }
                place.file.store(-1, Ordering::Relaxed);
            }
            // Ours until the place is left.
            Promise::Written => place.file.store(file.into_raw_fd(), Ordering::Release),
        }
        place.live.store(1, Ordering::Release);
        Some(Place(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let place = self.0;
        place.live.store(0, Ordering::Release);
        if place.generation.load(Ordering::Relaxed) != fork::generation() {
            return;
        }
        let file = place.file.swap(-1, Ordering::AcqRel);
        if file >= 0 {
            // SAFETY: the descriptor was given to this place by `take`, and taken out of it just now.
            unsafe { libc::close(file) };
        }
        if !place.page.load(Ordering::Relaxed).is_null() {
            // The file is let go; the address stays mapped, for a handler that is at it.
            show(place, None);
        }
        TABLE.give_back(place);
    }
}

/// Maps a file's first page, or nothing in particular, over the page of a place, which gets one if it has none.
fn show(place: &SlotPage, file: Option<i32>) -> bool {
    let at = place.page.load(Ordering::Relaxed);
    // SAFETY: the page of a place is one that this function got, that nothing but handlers uses, and that is only ever mapped over.
    let Some(page) = (unsafe { map_over(at, PAGE, file) }) else { return false };
    if at.is_null() {
        // For ever: the page may go away under a handler, too.
        std::mem::forget(Mapped::new(page, PAGE));
        place.page.store(page, Ordering::Release);
    }
    true
}

/// Text that a handler puts into slots: bytes that may be written while they are read, and then are as they are.
pub(super) type SharedText = [AtomicU8];

/// Fills the next slot of every live session. Async-signal-safe: it allocates nothing, takes no lock, and needs little stack: Rust gives
/// its threads 8 KiB for signals, of which the kernel takes 3 for the registers.
pub(super) fn fill_all(slot: &Slot<'_>, text: &SharedText) {
    if Guard::CrashSlots.is_off() || Guard::EveryFatalEvent.is_off_after_the_first() {
        return;
    }
    let text = text.get(..SLOT_TEXT).unwrap_or(text);
    for place in TABLE.entries() {
        let live = place.live.load(Ordering::Acquire) == 1;
        if live && place.generation.load(Ordering::Relaxed) == fork::generation() {
            fill(place, slot, text);
        }
    }
}

fn fill(place: &SlotPage, slot: &Slot<'_>, text: &SharedText) {
    let file = place.file.load(Ordering::Acquire);
    let page = place.page.load(Ordering::Acquire);
    // A signal that is survived says no more the second time, and leaves room for the one that is not.
    let is_pending = slot.state == SlotState::Pending;
    let bit = 1_u64.checked_shl(u32::try_from(slot.signal).unwrap_or(0)).unwrap_or(0);
    if is_pending && place.pending.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
        return;
    }
    let most = if is_pending { PENDING_SLOTS } else { SLOTS };
    let number = if file >= 0 {
        claim(&place.claims, 1, most)
    } else if page.is_null() || !is_there(page) {
        // Somebody has cut the file: there is nothing to write into, and recovery says what is known.
        None
    } else {
        // SAFETY: inside a page that stays mapped until the process exits; the word is only ever used atomically.
        claim(unsafe { AtomicU32::from_ptr(page.add(offset_of(CLAIMS_AT)).cast()) }, CLAIM, most)
    };
    let Some(number) = number else { return };
    let to = Target { file, page, slot_at: offset_of(SLOTS_AT) + offset_of(u64::from(number)) * SLOT_LEN };
    if file >= 0 {
        // The claim first: a slot that is claimed and not valid still means that the process crashed.
        to.write_file(offset_of(CLAIMS_AT), &(number + 1).wrapping_mul(CLAIM).to_le_bytes());
    }
    let mut sum = SmallSum::salted(place.salt.load(Ordering::Relaxed));
    sum.add(&number.to_le_bytes());
    let head = slot.head(text.len());
    sum.add(&head);
    to.write(0, &head);
    let mut at = SLOT_HEAD;
    for piece in text.chunks(TEXT_PIECE) {
        let mut bytes = [0; TEXT_PIECE];
        for (to, from) in bytes.iter_mut().zip(piece) {
            *to = from.load(Ordering::Relaxed);
        }
        let bytes = bytes.get(..piece.len()).unwrap_or_default();
        sum.add(bytes);
        to.write(at, bytes);
        at += bytes.len();
    }
    // What is not written of a slot is zeros: no slot is filled twice.
    sum.add(ZEROS.get(text.len()..).unwrap_or_default());
    fence(Ordering::Release);
    // The checksum last: until it is there the slot is claimed, and says nothing.
    to.write(SLOT_LEN - 4, &sum.finish().to_le_bytes());
}

/// Pending marks take no more slots than this.
const PENDING_SLOTS: u32 = 2;

/// Takes the next of `most` slots, whose claims are counted in steps of `step`. `None`: they are taken.
fn claim(claims: &AtomicU32, step: u32, most: u32) -> Option<u32> {
    let mut word = claims.load(Ordering::Acquire);
    loop {
        let number = word & 0xFF;
        if number >= most {
            return None;
        }
        match claims.compare_exchange_weak(word, word.wrapping_add(step), Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => return Some(number),
            Err(other) => word = other,
        }
    }
}

const TEXT_PIECE: usize = 32;
static ZEROS: [u8; SLOT_TEXT] = [0; SLOT_TEXT];

fn offset_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// Where one slot is written.
struct Target {
    file: i32,
    page: *mut u8,
    slot_at: usize,
}

impl Target {
    fn write(&self, at: usize, bytes: &[u8]) {
        if self.file >= 0 {
            self.write_file(self.slot_at + at, bytes);
        } else {
            // SAFETY: `fill` has claimed this slot for this thread alone; it lies inside a page that stays mapped until the process exits,
            // and every piece lies inside the slot.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.page.add(self.slot_at + at), bytes.len())
            };
        }
    }

    fn write_file(&self, at: usize, bytes: &[u8]) {
        let at = libc::off_t::try_from(at).unwrap_or(0);
        // SAFETY: pwrite is async-signal-safe; the buffer lives through the call.
        unsafe { libc::pwrite(self.file, bytes.as_ptr().cast(), bytes.len(), at) };
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn first_segment() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4096).unwrap();
        file
    }

    fn child(file: &Path, page: *mut u8) -> i32 {
        // What the parent has mapped there is not here: the address is free for something else.
        // SAFETY: asks for this address, and takes no other for it.
        let mine = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            libc::mmap(page.cast(), PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if mine != page.cast() {
            return 2;
        }
        // SAFETY: just mapped.
        unsafe { page.write(42) };
        let place = Place::take(file, 7, Promise::Mapped);
        // SAFETY: as above.
        let kept = unsafe { page.read() } == 42;
        i32::from(
            !kept
                || place.is_none()
                || place.is_some_and(|place| place.0.page.load(Ordering::Relaxed) == page),
        )
    }

    /// A child that opens sessions of its own takes places that its parent's sessions have left.
    #[test]
    fn a_child_maps_nothing_over_what_it_has_at_its_parents_addresses() {
        // For the count of forks.
        fork::keep_from_children(-2);
        let file = first_segment();
        let place = Place::take(file.path(), 7, Promise::Mapped).unwrap();
        let page = place.0.page.load(Ordering::Relaxed);
        drop(place);
        // SAFETY: the child does little, and leaves by `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let found = child(file.path(), page);
            // SAFETY: it does not return.
            unsafe { libc::_exit(found) };
        }
        let mut status = 0;
        // SAFETY: the status lives through the call.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        fork::forget_lock(-2);
        assert_eq!(
            status, 0,
            "what the child had there is gone (1), or it could not have anything there (2)"
        );
    }
}
