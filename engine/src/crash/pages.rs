//! Pages at addresses of the caller's choice, as signal handlers may ask for them.

/// Maps the beginning of a file, or memory of nobody's, over the `len` bytes at `at`; somewhere, if that is null. What was mapped there goes
/// in the same step. Async-signal-safe.
///
/// # Safety
/// `at` is null, or the beginning of `len` bytes that an earlier call of this function got, or that are a mapping of the caller's; and
/// nobody relies on what is in them.
pub(super) unsafe fn map_over(at: *mut u8, len: usize, file: Option<i32>) -> Option<*mut u8> {
    let fixed = if at.is_null() { 0 } else { libc::MAP_FIXED };
    let (flags, fd) = match file {
        Some(fd) => (libc::MAP_SHARED | fixed, fd),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed, -1),
    };
    // SAFETY: without MAP_FIXED the kernel chooses a free range; with it, the range is the caller's to map over.
    let page = unsafe { libc::mmap(at.cast(), len, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: what was just mapped. A child gets none: its stores would go into its parent's log.
    unsafe {
        libc::madvise(page, len, libc::MADV_DONTFORK)
    };
    Some(page.cast())
}

/// Whether there is memory at `at`. The kernel is asked, with a call that looks at a signal set there and then refuses what it is to do with
/// it: finding out by touching it would cost a signal inside a handler, for which the 8 KiB of a thread's signal stack are scarce.
/// Async-signal-safe.
#[cfg(target_os = "linux")]
pub(super) fn is_there(at: *const u8) -> bool {
    const NOTHING_TO_DO: libc::c_long = -1;
    const SET_LEN: usize = 8;
    // SAFETY: the kernel copies the set, or says that it cannot; no mask is changed.
    let answer = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, NOTHING_TO_DO, at, std::ptr::null_mut::<u8>(), SET_LEN)
    };
    // SAFETY: the thread's own errno.
    answer == 0 || unsafe { *libc::__errno_location() } != libc::EFAULT
}

/// Elsewhere no signal is captured, and nobody asks.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_there(_: *const u8) -> bool {
    true
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_there_and_pages_that_are_not() {
        use std::os::fd::AsRawFd as _;
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        // SAFETY: somewhere.
        let at = unsafe { map_over(std::ptr::null_mut(), 8192, Some(file.as_raw_fd())) }.unwrap();
        let second = at.wrapping_add(4096);
        assert!(is_there(at) && is_there(second));
        file.set_len(4096).unwrap();
        assert!(is_there(at) && !is_there(second), "behind the end of its file");
        file.set_len(0).unwrap();
        assert!(!is_there(at));
        // SAFETY: the mapping is this test's.
        unsafe { map_over(at, 8192, None) }.unwrap();
        assert!(is_there(at) && is_there(second));
        assert!(!is_there(std::ptr::without_provenance(8)));
    }
}
