//! The index of a store: what is known of sessions that nobody has open, so that listing them opens no log (SPEC.md section 17).
//!
//! It is a view. Nothing in the engine reads it, nothing waits for it, and a failure to write it is no error of the session that it
//! is about: then all of it is removed, and made again by whoever lists the store next.
//!
//! Three files. `base` is sorted, and only ever replaced as a whole. To `tail` everybody appends, without a lock: a record has arrived
//! when the file that it was written to still has that name afterwards. `tail.old` is a tail that is being merged into the base:
//! once it has been renamed nothing arrives there any more, so all that has is merged.

mod base;
mod merge;
mod snapshot;
mod stamp;

use std::fs::File;
use std::path::{Path, PathBuf};

use tracewal_format::index::{FilesStamp, Frame, Mark};

pub use self::snapshot::{Found, Snapshot, Stored};
use crate::error::Result;
use crate::store::{SessionName, Store};

/// How often an append is repeated because its file has been put aside meanwhile, and a snapshot because something changed.
const TRIES: u32 = 16;

/// A tail is merged when it is longer than this and a part of the base.
const TAIL_LEN: u64 = 256 << 10;
const BASE_SHARE: u64 = 16;

/// The index of a store.
#[derive(Clone, Debug)]
pub struct Index<'s> {
    store: &'s Store,
    folder: PathBuf,
}

impl Store {
    /// What is known of its sessions without opening their logs.
    #[must_use]
    pub fn index(&self) -> Index<'_> {
        Index { store: self, folder: self.0.layout.index() }
    }

    /// Under a session's owner lock, before its owner entry goes: what the index says of it is not so any more.
    pub(crate) fn forget(&self, name: &str) {
        let index = self.index();
        if index.folder.exists() {
            index.add(&Frame::Unknown(name.to_owned()));
        }
    }
}

impl Index<'_> {
    /// Whether this process keeps it. (It is kept on Unix alone: elsewhere an open file cannot be told from another one of its name.)
    #[must_use]
    pub fn is_kept(&self) -> bool {
        cfg!(unix) && self.store.0.must_write().is_ok()
    }

    /// Adds a record. Records about one session are added under its owner lock, in the order in which they are true.
    ///
    /// A record that cannot be added would leave an older one standing: then all of the index is removed.
    pub fn add(&self, frame: &Frame) {
        if self.is_kept() && self.try_add(frame).is_err() {
            self.clear();
        }
    }

    /// Removes all of it, as anybody may.
    pub fn clear(&self) {
        if self.is_kept() {
            for file in [self.base(), self.old(), self.tail()] {
                // What remains is found out by whoever shows a session: its files are not those of the record.
                let _ = self.store.disk().remove_file(&file);
            }
        }
    }

    fn try_add(&self, frame: &Frame) -> Result<()> {
        let (disk, tail, bytes) = (self.store.disk(), self.tail(), frame.encode());
        for _ in 0..TRIES {
            let file = match disk.append(&tail, &bytes) {
                Err(error) if error.is_not_found() => {
                    disk.make_dir(&self.folder)?;
                    disk.append(&tail, &bytes)?
                }
                other => other?,
            };
            if is_named(&file, &tail) {
                self.merge_if_due(&file, bytes.len());
                return Ok(());
            }
        }
        Err(crate::error::Error::io("append to", &tail, std::io::ErrorKind::ResourceBusy.into()))
    }

    /// Merges the tail into the base, whenever an append takes it over a multiple of what is worth it.
    fn merge_if_due(&self, tail: &File, added: usize) {
        let base = std::fs::metadata(self.base()).map_or(0, |file| file.len());
        let len = tail.metadata().map_or(0, |file| file.len());
        let due = TAIL_LEN + base / BASE_SHARE;
        let before = len.saturating_sub(u64::try_from(added).unwrap_or(0));
        if len / due != before / due {
            // What cannot be merged now is merged later.
            let _ = self.merge();
        }
    }

    /// All that it knows now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::load(self)
    }

    /// What a mark made now would say: that the index is complete as of this moment, with rows of this version of the fold. `None`: it
    /// cannot be told when the folder of sessions last changed, or which boot this is.
    #[must_use]
    pub fn mark(&self, fold_version: u32) -> Option<Mark> {
        let boot_id = self.store.0.identity().boot_id_bits();
        stamp::mark(&self.store.0.layout.sessions(), boot_id, fold_version)
    }

    /// The files of a session's log, as they are.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self, session: &SessionName) -> std::io::Result<FilesStamp> {
        stamp::files(&self.store.folder(session))
    }

    /// When a session's folder last changed, as in [`FilesStamp`].
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn folder_ns(&self, name: &str) -> std::io::Result<i64> {
        stamp::folder_ns(&self.store.0.layout.session(name))
    }

    fn base(&self) -> PathBuf {
        self.folder.join("base")
    }

    fn tail(&self) -> PathBuf {
        self.folder.join("tail")
    }

    fn old(&self) -> PathBuf {
        self.folder.join("tail.old")
    }
}

/// Whether the name stands for this open file.
fn is_named(file: &File, path: &Path) -> bool {
    identity(file.metadata()).is_some_and(|open| Some(open) == identity(std::fs::metadata(path)))
}

/// Which file it is; `None`: there is none.
#[cfg(unix)]
fn identity(file: std::io::Result<std::fs::Metadata>) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    file.ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_file: std::io::Result<std::fs::Metadata>) -> Option<(u64, u64)> {
    None
}
