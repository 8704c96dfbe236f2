//! The segments of one run, and the one that is appended to, which threads find without a lock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::segment::Segment;
use crate::store::lock;

/// Segments in the order in which they were made. None is taken out before the list goes, so references stay good for as long.
#[derive(Debug)]
pub(crate) struct SegmentList {
    current: AtomicPtr<Segment>,
    all: Mutex<Vec<Arc<Segment>>>,
}

/// The list while it may grow: one thread at a time rolls to the next segment.
#[derive(Debug)]
pub(crate) struct Growing<'l> {
    list: &'l SegmentList,
    all: MutexGuard<'l, Vec<Arc<Segment>>>,
}

impl SegmentList {
    pub(crate) fn new(first: Segment) -> Self {
        let first = first.share();
        SegmentList { current: AtomicPtr::new(pointer(&first)), all: Mutex::new(vec![first]) }
    }

    /// The segment that is appended to.
    #[inline]
    pub(crate) fn current(&self) -> &Segment {
        // SAFETY: it points to a segment of `all`. None leaves `all` while `self` lives, and none is borrowed mutably.
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// The segment in which the run began, with the crash slots: its file and its salt.
    pub(crate) fn first(&self) -> Option<(PathBuf, u64)> {
        let all = lock(&self.all);
        all.first().map(|segment| (segment.path(), segment.header.salt))
    }

    /// Those that have something to sync, oldest first.
    pub(crate) fn unsynced(&self) -> Vec<Arc<Segment>> {
        lock(&self.all).iter().filter(|segment| segment.is_unsynced()).map(Arc::clone).collect()
    }

    /// Their folder has another name now.
    pub(crate) fn moved_to(&self, folder: &Path) {
        for segment in lock(&self.all).iter() {
            segment.moved_to(folder);
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
        let segment = segment.share();
        let current = pointer(&segment);
        self.all.push(segment);
        self.list.current.store(current, Ordering::Release);
    }
}

fn pointer(segment: &Arc<Segment>) -> *mut Segment {
    Arc::as_ptr(segment).cast_mut()
}
