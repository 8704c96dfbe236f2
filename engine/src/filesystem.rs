//! What the file system under a store promises.

use std::path::Path;

use crate::error::{Error, Result};

/// How segments are written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A page of an allocated block always has its block: segments are mapped.
    Mapped,
    /// A store into a mapping may meet a full disk, which is a SIGBUS: every record is written with a call instead.
    Written,
}

/// What the file system of `path` promises.
///
/// # Errors
/// A network file system, unless it is allowed.
pub(crate) fn promise(path: &Path, allow_network: bool) -> Result<Promise> {
    match kind(path)? {
        Kind::Network(name) if !allow_network => {
            Err(Error::NetworkFileSystem { path: path.to_owned(), name })
        }
        Kind::Overwriting => Ok(Promise::Mapped),
        Kind::Network(_) | Kind::Other => Ok(Promise::Written),
    }
}

/// The length of a file, and nothing else about it: from Linux 6.13 on, who asks for the times of a file has the next store note a new one,
/// and the sync behind it then writes to the journal too. That made every durable append half as slow again, with twice the bytes.
#[cfg(target_os = "linux")]
pub(crate) fn file_len(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zeros is a valid statx structure, which the call fills.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: a string that ends in NUL, and a structure to fill; both live through the call.
    if unsafe { libc::statx(libc::AT_FDCWD, name.as_ptr(), 0, libc::STATX_SIZE, &raw mut stat) } == 0 {
        return Ok(stat.stx_size);
    }
    match std::io::Error::last_os_error() {
        // Before Linux 4.11, or not allowed in a sandbox that does not know it.
        error if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            std::fs::metadata(path).map(|file| file.len())
        }
        error => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn file_len(path: &Path) -> std::io::Result<u64> {
    std::fs::metadata(path).map(|file| file.len())
}

enum Kind {
    /// Overwrites blocks in place once they are allocated.
    Overwriting,
    Network(&'static str),
    /// Copies on write, or is not known.
    Other,
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Result<Kind> {
    use std::os::unix::ffi::OsStrExt;
    let failed = |e| Error::io("look at the file system of", path, e);
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|e| failed(e.into()))?;
    // SAFETY: all zeros is a valid statfs structure, which the call fills.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a string that ends in NUL, and a structure to fill; both live through the call.
    if unsafe { libc::statfs(name.as_ptr(), &raw mut stat) } != 0 {
        return Err(failed(std::io::Error::last_os_error()));
    }
    // The magic numbers of statfs(2). XFS is not among those that overwrite: its files may share blocks (reflink), and then a store
    // copies.
    #[allow(
        clippy::unnecessary_cast,
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    Ok(match stat.f_type as u32 {
        0xEF53 | 0x0102_1994 => Kind::Overwriting,
        0x6969 => Kind::Network("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Kind::Network("SMB"),
        0x0102_1997 => Kind::Network("9P"),
        0x00C3_6400 => Kind::Network("Ceph"),
        0x5346_414F | 0x6B41_4653 => Kind::Network("AFS"),
        0x7375_7245 => Kind::Network("Coda"),
        0x0BD0_0BD0 => Kind::Network("Lustre"),
        0x0116_1970 => Kind::Network("GFS2"),
        0x7461_636F => Kind::Network("OCFS2"),
        _ => Kind::Other,
    })
}

/// Elsewhere nothing is known, and everything is written with calls.
#[cfg(not(target_os = "linux"))]
fn kind(_path: &Path) -> Result<Kind> {
    Ok(Kind::Other)
}
