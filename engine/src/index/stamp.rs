//! When folders and files last changed: by that the index tells that it is not about them.

use std::fs;
use std::io;
use std::path::Path;

use tracewal_format::checksum::crc;
use tracewal_format::index::{FilesStamp, Mark};
use tracewal_format::log::segment_number;

/// The files of a session's log.
pub(super) fn files(folder: &Path) -> io::Result<FilesStamp> {
    // First: what changes behind it changes the folder's time.
    let folder_ns = folder_ns(folder)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(segment_number) {
            let file = entry.metadata()?;
            files.push((number, file.len(), modified_ns(&file)));
        }
    }
    files.sort_unstable();
    let mut bytes = Vec::with_capacity(files.len() * 24);
    for (number, len, modified_ns) in &files {
        bytes.extend(number.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(modified_ns.to_le_bytes());
    }
    let segments = u32::try_from(files.len()).unwrap_or(u32::MAX);
    Ok(FilesStamp { folder_ns, segments, sum: crc(&bytes) })
}

pub(super) fn folder_ns(folder: &Path) -> io::Result<i64> {
    fs::metadata(folder).map(|folder| modified_ns(&folder))
}

#[cfg(unix)]
fn modified_ns(file: &fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    ns(file.mtime(), file.mtime_nsec())
}

#[cfg(not(unix))]
fn modified_ns(_file: &fs::Metadata) -> i64 {
    0
}

#[cfg(unix)]
fn ns(seconds: i64, ns: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

/// Not the time of the last change of what is in it, which anybody can set: the kernel's own.
#[cfg(unix)]
pub(super) fn mark(sessions: &Path, boot_id: u128, fold_version: u32) -> Option<Mark> {
    use std::os::unix::fs::MetadataExt;
    let folder = fs::metadata(sessions).ok()?;
    let changed_ns = ns(folder.ctime(), folder.ctime_nsec());
    let mark = Mark { changed_ns, inode: folder.ino(), boot_id, fold_version, base: 0 };
    (boot_id != 0).then_some(mark)
}

#[cfg(not(unix))]
pub(super) fn mark(_sessions: &Path, _boot_id: u128, _fold_version: u32) -> Option<Mark> {
    None
}
