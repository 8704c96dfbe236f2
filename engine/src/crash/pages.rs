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
