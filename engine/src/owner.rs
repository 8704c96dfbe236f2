//! Who has a session open, and whether that writer still lives (SPEC.md section 10).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::error::{Error, Holder, Result};
use crate::fork;
use crate::layout::Layout;
use crate::lock;
use crate::process::{Identity, Life};
use crate::random;
use crate::small_file::SmallFile;

/// How long a writer that is exiting or dumping core is waited for.
const LEAVING: Duration = Duration::from_secs(10);

/// How often a new entry may be taken for a dead writer's.
const ENLISTINGS: u32 = 100;

/// This process's entry in a store: locked for as long as it lives.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) id: u128,
    pub(crate) identity: Identity,
    path: PathBuf,
    file: Option<File>,
    generation: u32,
}

impl Writer {
    /// Puts the entry into place. Whoever clears away after dead writers may come by before the new entry is locked: he takes it for
    /// a dead one's, and removes it, or holds its lock for the moment of asking. Then another one is made.
    pub(crate) fn enlist(layout: &Layout, disk: &Disk) -> Result<Self> {
        let mut tries = 1;
        loop {
            match Self::enlist_once(layout, disk) {
                Err(Error::Io { source, .. })
                    if tries < ENLISTINGS
                        && matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock) =>
                {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// Written and locked under a temporary name first, so that nobody can find it unlocked under its own.
    fn enlist_once(layout: &Layout, disk: &Disk) -> Result<Self> {
        let (id, identity) = (random::u128()?, Identity::current());
        let path = layout.writer(id);
        let temporary = path.with_extension("tmp");
        let mut text = SmallFile::default();
        text.set("writer", format!("{id:032x}"));
        identity.write_to(&mut text);
        let file = disk.create_new(&temporary)?;
        disk.write_at(&file, &temporary, &text.encode("tracewal-writer"), 0)?;
        lock::lock_for_life(&file, &temporary)?;
        #[cfg(unix)]
        fork::keep_from_children(std::os::fd::AsRawFd::as_raw_fd(&file));
        disk.rename(&temporary, &path)?;
        Ok(Writer { id, identity, path, file: Some(file), generation: fork::generation() })
    }

    /// Syncs the entry itself; its folder is the caller's.
    pub(crate) fn sync(&self, disk: &Disk) -> Result<()> {
        match &self.file {
            Some(file) => disk.sync(file, &self.path),
            None => Ok(()),
        }
    }

    /// Removes the entry: nothing names it any more.
    pub(crate) fn resign(&self, disk: &Disk) {
        // What is left is removed by the next recovery.
        let _ = disk.remove_file(&self.path);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // A child: the descriptor has been closed there, and its number may be another file's.
            std::mem::forget(self.file.take());
            return;
        }
        #[cfg(unix)]
        if let Some(file) = &self.file {
            fork::forget_lock(std::os::fd::AsRawFd::as_raw_fd(file));
        }
    }
}

/// A session's owner entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) writer: u128,
    pub(crate) session_uid: u128,
    pub(crate) run: u32,
    pub(crate) identity: Identity,
}

/// What an owner entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    /// It is there, and cannot be understood: a power cut took it.
    Unreadable,
    Named(Owner),
}

impl Owner {
    pub(crate) fn read(layout: &Layout, name: &str) -> Result<Entry> {
        let path = layout.owner(name);
        let read = SmallFile::read(&path, "tracewal-owner").map_err(|e| Error::io("read", &path, e))?;
        let Some(text) = read else { return Ok(Entry::Absent) };
        let owner = text.and_then(|text| {
            let hex = |key| text.get(key).and_then(|value| u128::from_str_radix(value, 16).ok());
            Some(Owner {
                writer: hex("writer")?,
                session_uid: hex("session")?,
                run: text.get("run")?.parse().ok()?,
                identity: Identity::read_from(&text),
            })
        });
        Ok(owner.map_or(Entry::Unreadable, Entry::Named))
    }

    pub(crate) fn write(&self, layout: &Layout, disk: &Disk, name: &str) -> Result<()> {
        let mut text = SmallFile::default();
        text.set("writer", format!("{:032x}", self.writer));
        text.set("session", format!("{:032x}", self.session_uid));
        text.set("run", self.run);
        self.identity.write_to(&mut text);
        disk.put(&layout.owner(name), &text.encode("tracewal-owner"))
    }

    pub(crate) fn holder(&self) -> Holder {
        Holder {
            writer: format!("{:032x}", self.writer),
            pid: self.identity.pid,
            host: self.identity.host.clone(),
        }
    }

    /// Whether the writer seems to live, asked without a lock: by the process alone where that can be told.
    pub(crate) fn looks_alive(&self, layout: &Layout, here: &Identity) -> bool {
        match self.identity.life(here) {
            Life::Alive | Life::Leaving => layout.writer(self.writer).exists(),
            Life::Gone => false,
            Life::Unknown => writer_lives(layout, self.writer, &self.identity, here).unwrap_or(true),
        }
    }

    /// Whether the writer lives. Only under the session's owner lock.
    pub(crate) fn lives(&self, layout: &Layout, here: &Identity) -> Result<bool> {
        writer_lives(layout, self.writer, &self.identity, here)
    }
}

/// Whether a writer lives. Asked under a lock that keeps others from asking at the same time.
pub(crate) fn writer_lives(layout: &Layout, id: u128, identity: &Identity, here: &Identity) -> Result<bool> {
    let path = layout.writer(id);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::io("open", &path, e)),
    };
    let asked = Instant::now();
    loop {
        if !lock::is_locked(&file).map_err(|e| Error::io("look at the lock of", &path, e))? {
            return Ok(false);
        }
        // The lock is held: by the writer, or by a child that it had forked and that outlives it.
        match identity.life(here) {
            Life::Alive | Life::Unknown => return Ok(true),
            Life::Gone => return Ok(false),
            Life::Leaving if asked.elapsed() > LEAVING => return Ok(true),
            Life::Leaving => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
