//! The segments of one run, and the one that is appended to, which threads find without a lock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::segment::Segment;
use crate::store::lock;

// The boxes are what keeps a segment where it is while the list grows.
#[allow(clippy::vec_box)]
/// Segments in the order in which they were made. None is taken out before the list goes, so references stay good for as long.
#[derive(Debug)]
pub(crate) struct SegmentList {
    current: AtomicPtr<Segment>,
    all: Mutex<Vec<Box<Segment>>>,
}

#[allow(clippy::vec_box)]
/// The list while it may grow: one thread at a time rolls to the next segment.
#[derive(Debug)]
pub(crate) struct Growing<'l> {
    list: &'l SegmentList,
    all: MutexGuard<'l, Vec<Box<Segment>>>,
}

impl SegmentList {
    pub(crate) fn new(first: Segment) -> Self {
        let mut first = Box::new(first);
        SegmentList { current: AtomicPtr::new(&raw mut *first), all: Mutex::new(vec![first]) }
    }

    /// The segment that is appended to.
    pub(crate) fn current(&self) -> &Segment {
        // SAFETY: it points into a box of `all`. No box leaves `all` while `self` lives, moving a box does not move what it holds,
        // and a segment is borrowed mutably only with `self` borrowed mutably (`moved_to`).
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// The segment in which the run began, with the crash slots: its file and its salt.
    pub(crate) fn first(&self) -> Option<(PathBuf, u64)> {
        let all = lock(&self.all);
        all.first().map(|segment| (segment.path().to_owned(), segment.header.salt))
    }

    /// Those that have something to sync, oldest first.
    pub(crate) fn unsynced(&self) -> Vec<&Segment> {
        let all = lock(&self.all);
        let unsynced = all.iter().filter(|segment| segment.is_unsynced());
        // SAFETY: as in `current`. The lock keeps the list from growing while it is looked through; the segments outlive it.
        unsynced.map(|segment| unsafe { &*std::ptr::from_ref::<Segment>(segment) }).collect()
    }

    /// Their folder has another name now.
    pub(crate) fn moved_to(&mut self, folder: &Path) {
        for segment in lock(&self.all).iter_mut() {
            segment.moved_to(folder);
        }
    }

    pub(crate) fn grow(&self) -> Growing<'_> {
        Growing { list: self, all: lock(&self.all) }
    }
}

impl Growing<'_> {
    /// From now on this segment is appended to.
    pub(crate) fn push(&mut self, segment: Segment) {
        let mut segment = Box::new(segment);
        let current = &raw mut *segment;
        self.all.push(segment);
        self.list.current.store(current, Ordering::Release);
    }
}
