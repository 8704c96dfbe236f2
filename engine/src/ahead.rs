//! Preparing what appends will soon need: the pages that they will store into, and the segment behind the one that is being filled.
//!
//! A page of a file that nobody has touched yet costs the thread that touches it first 600 to 1,000 ns, more than anything else in an
//! append. So one thread for the whole process touches them first, a window ahead of whoever appends. It is asked only by sessions that
//! have filled a good part of a megabyte: the many small ones cost neither memory nor blocks ahead of time.

use std::collections::VecDeque;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::disk::Disk;
use crate::error::Result;
use crate::filesystem::Promise;
use crate::fork;
use crate::mapping::Pages;
use crate::segment::{Blank, Segment};
use crate::store::lock;

/// Smaller segments are not worth it.
pub(crate) const WORTH_IT: u64 = 1 << 20;
/// How far ahead of the last record pages are made ready.
pub(crate) const WINDOW: u64 = 16 << 20;
/// How many of them at once.
pub(crate) const STEP: u64 = 512 << 10;

/// Has a segment's pages prepared, and what is behind it. Returns at once.
#[cold]
pub(crate) fn ask(segment: Arc<Segment>) {
    let worker = worker();
    lock(&worker.asked).push_back(segment);
    worker.any.notify_one();
}

struct Worker {
    asked: Mutex<VecDeque<Arc<Segment>>>,
    any: Condvar,
    generation: u32,
}

/// The worker of this process. A forked child makes its own: the thread is not in it, and nobody knows who held the lock.
fn worker() -> &'static Worker {
    static WORKER: AtomicPtr<Worker> = AtomicPtr::new(ptr::null_mut());
    let there = WORKER.load(Ordering::Acquire);
    // SAFETY: null, or leaked below: never freed.
    if let Some(worker) = unsafe { there.as_ref() }
        && worker.generation == fork::generation()
    {
        return worker;
    }
    let worker: &'static Worker = Box::leak(Box::new(Worker {
        asked: Mutex::new(VecDeque::with_capacity(64)),
        any: Condvar::new(),
        generation: fork::generation(),
    }));
    let ours = ptr::from_ref(worker).cast_mut();
    match WORKER.compare_exchange(there, ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            // Without a thread (none can be made) appends touch their pages themselves.
            let _ = std::thread::Builder::new().name("tracewal-ahead".into()).spawn(|| worker.run());
            worker
        }
        // SAFETY: as above; another thread of this process was faster.
        Err(other) => unsafe { other.as_ref() }.unwrap_or(worker),
    }
}

impl Worker {
    fn run(&self) {
        loop {
            let segment = {
                let mut asked = lock(&self.asked);
                loop {
                    if let Some(segment) = asked.pop_front() {
                        break segment;
                    }
                    asked = self.any.wait(asked).unwrap_or_else(PoisonError::into_inner);
                }
            };
            segment.prepare();
        }
    }
}

/// The segment behind one, made before it is needed.
#[derive(Debug)]
pub(crate) struct Next {
    blank: Mutex<Slot>,
    generation: u32,
}

#[derive(Debug)]
enum Slot {
    Empty,
    Ready(Box<Blank>),
    /// It has been taken, or nobody will.
    Done,
}

impl Next {
    pub(crate) fn new() -> Self {
        Next { blank: Mutex::new(Slot::Empty), generation: fork::generation() }
    }

    /// Makes it. What keeps it from being made (a full disk) is found again by who needs it.
    pub(crate) fn make(&self, making: impl FnOnce() -> Result<Blank>) {
        let mut slot = lock(&self.blank);
        if matches!(*slot, Slot::Empty)
            && let Ok(blank) = making()
        {
            *slot = Slot::Ready(Box::new(blank));
        }
    }

    /// Takes it, if it is there and has this capacity. Nobody makes it from now on.
    pub(crate) fn take(&self, disk: &Disk, needed: u64) -> Option<Blank> {
        match std::mem::replace(&mut *lock(&self.blank), Slot::Done) {
            Slot::Ready(blank) if blank.capacity() >= needed => Some(*blank),
            Slot::Ready(blank) => {
                blank.discard(disk);
                None
            }
            _ => None,
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        // In a child the file is its parent's.
        if self.generation == fork::generation() {
            // Asked for nothing, it is thrown away.
            let _ = self.take(&Disk::default(), u64::MAX);
        }
    }
}

/// How a segment that is not there yet is made.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) disk: Disk,
    pub(crate) path: std::path::PathBuf,
    pub(crate) capacity: u64,
    pub(crate) promise: Promise,
}

impl Recipe {
    pub(crate) fn make(&self, pages: Pages) -> Result<Blank> {
        Blank::new(&self.disk, &self.path, self.capacity, self.promise, pages)
    }
}
