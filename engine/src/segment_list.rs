//! The segments of one run, and the one that is appended to, which threads find without a lock.

use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::segment::Segment;
use crate::store::lock;

/// A segment that stays where it is while the list grows. Not a box: moving one would say that nobody else points into it.
#[derive(Debug)]
struct Owned(NonNull<Segment>);

impl Owned {
    fn new(segment: Segment) -> Self {
        Owned(NonNull::from(Box::leak(Box::new(segment))))
    }

    fn get(&self) -> &Segment {
        // SAFETY: it was leaked by `new`, and is freed when `self` is dropped.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: it owns its segment as a box does, and a segment may be sent and shared.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and freed once, here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Segments in the order in which they were made. None is taken out before the list goes, so references stay good for as long.
#[derive(Debug)]
pub(crate) struct SegmentList {
    current: AtomicPtr<Segment>,
    all: Mutex<Vec<Owned>>,
}

/// The list while it may grow: one thread at a time rolls to the next segment.
#[derive(Debug)]
pub(crate) struct Growing<'l> {
    list: &'l SegmentList,
    all: MutexGuard<'l, Vec<Owned>>,
}

impl SegmentList {
    pub(crate) fn new(first: Segment) -> Self {
        let first = Owned::new(first);
        SegmentList { current: AtomicPtr::new(first.0.as_ptr()), all: Mutex::new(vec![first]) }
    }

    /// The segment that is appended to.
    pub(crate) fn current(&self) -> &Segment {
        // SAFETY: it points to a segment of `all`. None leaves `all` while `self` lives, and a segment is borrowed mutably only with `self` borrowed mutably (`moved_to`).
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// The segment in which the run began, with the crash slots: its file and its salt.
    pub(crate) fn first(&self) -> Option<(PathBuf, u64)> {
        let all = lock(&self.all);
        all.first().map(Owned::get).map(|segment| (segment.path().to_owned(), segment.header.salt))
    }

    /// Those that have something to sync, oldest first.
    pub(crate) fn unsynced(&self) -> Vec<&Segment> {
        let all = lock(&self.all);
        let unsynced = all.iter().map(Owned::get).filter(|segment| segment.is_unsynced());
        // SAFETY: as in `current`. The lock keeps the list from growing while it is looked through; the segments outlive it.
        unsynced.map(|segment| unsafe { &*std::ptr::from_ref::<Segment>(segment) }).collect()
    }

    /// Their folder has another name now.
    pub(crate) fn moved_to(&mut self, folder: &Path) {
        for segment in lock(&self.all).iter_mut() {
            // SAFETY: with `self` borrowed mutably, nobody else has a reference to any segment.
            unsafe { segment.0.as_mut() }.moved_to(folder);
        }
    }

    #[cfg(feature = "fault-injection")]
    pub(crate) fn hold_locks(&self) {
        self.current().hold_lock();
        std::mem::forget(lock(&self.all));
    }

    pub(crate) fn grow(&self) -> Growing<'_> {
        Growing { list: self, all: lock(&self.all) }
    }
}

impl Growing<'_> {
    /// From now on this segment is appended to.
    pub(crate) fn push(&mut self, segment: Segment) {
        let segment = Owned::new(segment);
        let current = segment.0.as_ptr();
        self.all.push(segment);
        self.list.current.store(current, Ordering::Release);
    }
}
