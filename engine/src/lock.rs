//! Short locks by file, and the lock that a writer holds for as long as it lives. The only user of fs2's locks.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs2::FileExt as _;

use crate::disk::{Disk, Step};
use crate::error::{Error, Result};

/// A lock that is held until it is dropped. The file goes with it: nobody is left waiting for a name.
#[derive(Debug)]
pub struct ShortLock {
    file: Option<File>,
    path: PathBuf,
    generation: u32,
}

impl ShortLock {
    /// Waits for the lock of this name.
    pub(crate) fn acquire(disk: &Disk, path: &Path) -> Result<Self> {
        let failed = |e| Error::io("lock", path, e);
        disk.before(Step::Lock(path)).map_err(failed)?;
        loop {
            let file = open(path).map_err(failed)?;
            // A signal that was handled is no reason to give up.
            while let Err(e) = file.lock_exclusive() {
                if e.kind() != io::ErrorKind::Interrupted {
                    return Err(failed(e));
                }
            }
            if is_named(&file, path) {
                return Ok(Self::held(file, path));
            }
            // The one before us removed this file and is done: the name stands for another file now, or for none.
        }
    }
}

impl ShortLock {
    /// Takes the lock of this name if nobody has it.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let failed = |e| Error::io("lock", path, e);
        let file = open(path).map_err(failed)?;
        match file.try_lock_exclusive() {
            Ok(()) if is_named(&file, path) => Ok(Some(Self::held(file, path))),
            // It has just changed hands.
            Ok(()) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Waits for the lock of this name, but no longer than this. What locks like this one guard takes moments, unless its holder has been
    /// stopped.
    pub(crate) fn acquire_within(path: &Path, patience: Duration) -> Result<Option<Self>> {
        let asked = Instant::now();
        loop {
            match Self::try_acquire(path)? {
                None if asked.elapsed() < patience => std::thread::sleep(Duration::from_millis(1)),
                result => return Ok(result),
            }
        }
    }

    fn held(file: File, path: &Path) -> Self {
        #[cfg(unix)]
        crate::fork::keep_from_children(std::os::fd::AsRawFd::as_raw_fd(&file));
        ShortLock { file: Some(file), path: path.to_owned(), generation: crate::fork::generation() }
    }
}

impl Drop for ShortLock {
    fn drop(&mut self) {
        // Removed first, while the lock is held: whoever waits for this file finds that its name is gone, and starts again.
        // Failing to remove it costs an empty file.
        let Some(file) = self.file.take() else { return };
        if self.generation != crate::fork::generation() {
            // A child: the lock is its parent's, and the descriptor has been closed here.
            std::mem::forget(file);
            return;
        }
        let _ = std::fs::remove_file(&self.path);
        #[cfg(unix)]
        crate::fork::forget_lock(std::os::fd::AsRawFd::as_raw_fd(&file));
        // Given up in so many words: a child may have been forked in the middle, and closing alone would leave the lock with it.
        let _ = fs2::FileExt::unlock(&file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether the name still stands for this open file.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// An open file cannot be removed there: the name stands for it.
#[cfg(not(unix))]
fn is_named(_file: &File, _path: &Path) -> bool {
    true
}

/// Takes a writer's own lock, on a file that nobody else can have opened yet.
pub(crate) fn lock_for_life(file: &File, path: &Path) -> Result<()> {
    file.try_lock_exclusive().map_err(|e| Error::io("lock", path, e))
}

/// Whether somebody holds the lock of a writer's file. Asking shares the lock for a moment, so that several may ask at once.
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    match fs2::FileExt::try_lock_shared(file) {
        Ok(()) => {
            fs2::FileExt::unlock(file)?;
            Ok(false)
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Two holders at once would be two materialisers, or two owners.
    #[test]
    fn never_two_holders_although_the_file_is_removed_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let _lock = ShortLock::acquire(&Disk::default(), &path).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert!(!path.exists());
    }
}
