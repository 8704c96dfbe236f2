//! What a forked child inherits, and must not use: locks, mappings, threads that are not there.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Counts the forks between the first process and this one. What was opened in another generation is not ours.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

#[cfg(unix)]
pub(crate) use unix::{forget_lock, keep_from_children};

#[cfg(unix)]
mod unix {
    use std::os::fd::RawFd;
    use std::sync::Once;
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::GENERATION;

    /// Descriptors of locks that a child must not keep: it would hold its dead parent's lock for ever. One per open store;
    /// beyond this many stores in one process, a child that outlives its killed parent is found out by its parent's pid.
    static LOCKS: [AtomicI32; 256] = [const { AtomicI32::new(-1) }; 256];

    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        for slot in &LOCKS {
            let fd = slot.swap(-1, Ordering::Relaxed);
            if fd >= 0 {
                // SAFETY: close is async-signal-safe, which is all that may run between fork and exec. The descriptor was
                // open in the parent when it forked (see `forget_lock`), so in the child it is this lock and no other file.
                unsafe { libc::close(fd) };
            }
        }
    }

    /// Closes this descriptor in children.
    pub(crate) fn keep_from_children(fd: RawFd) {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            // SAFETY: the handler is a function of this program that does async-signal-safe work alone. Failing (no memory)
            // leaves children with the lock, which recovery handles by the parent's pid.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        for slot in &LOCKS {
            if slot.compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// To be called before the descriptor is closed.
    pub(crate) fn forget_lock(fd: RawFd) {
        for slot in &LOCKS {
            let _ = slot.compare_exchange(fd, -1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
