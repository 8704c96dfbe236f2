//! Merging what was added into the sorted part.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use tracewal_format::checksum::crc;
use tracewal_format::index::{BaseHeader, Frame, KEY_LEN, Key, Mark};

use super::Index;
use super::base::{Base, Window};
use super::snapshot::Tail;
use crate::disk::Step;
use crate::error::{Error, Result};
use crate::lock::ShortLock;

impl Index<'_> {
    /// Merges the tail into the base. Nobody waits for it: who finds somebody at it leaves it to him.
    ///
    /// Killed between any two steps it leaves base, old tail and tail that say together what they said before. Merging an old tail twice
    /// changes nothing. None of it is synced: after a power cut the index is checked against the folders (SPEC.md section 17).
    ///
    /// # Errors
    /// What reading and writing met. All that was there is there still.
    pub fn merge(&self) -> Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        match ShortLock::try_acquire(&self.store.0.layout.index_lock())? {
            Some(_lock) => self.merge_all(Gone::AsSaid),
            None => Ok(()),
        }
    }

    /// Merges, and waits for whoever is at it: afterwards no file holds a record of a session in place of which another has been added, or
    /// of one that is not there any more, also where who removed it was killed before he could say so.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn purge(&self) -> Result<()> {
        if !self.is_kept() || !self.folder.exists() {
            return Ok(());
        }
        let _lock = ShortLock::acquire(self.store.disk(), &self.store.0.layout.index_lock())?;
        if self.base().exists() {
            // What is in the base goes through a merge, although there may be nothing to be merged into it.
            self.store.disk().append(&self.tail(), &[])?;
        }
        self.merge_all(Gone::LookedFor)
    }

    fn merge_all(&self, gone: Gone) -> Result<()> {
        if self.old().exists() {
            self.merge_old(gone)?;
        }
        match self.store.disk().rename(&self.tail(), &self.old()) {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        }
        self.merge_old(gone)
    }

    /// The new base is whole before it has its name, and the old tail goes when it has.
    fn merge_old(&self, gone: Gone) -> Result<()> {
        let disk = self.store.disk();
        let temporary = self.folder.join("base.tmp");
        let old = File::open(self.old()).map_err(|e| Error::io("open", &self.old(), e))?;
        let exists = |name: &str| self.store.0.layout.session(name).exists();
        let parts = Parts::of(File::open(self.base()).ok(), old, gone, exists);
        let written = disk.create(&temporary).and_then(|file| {
            disk.before(Step::Write(&temporary))
                .and_then(|()| parts.write(&file))
                .map_err(|e| Error::io("write", &temporary, e))
        });
        written.inspect_err(|_| {
            // Half a base is worth nothing, and may be what fills the disk.
            let _ = disk.remove_file(&temporary);
        })?;
        disk.rename(&temporary, &self.base())?;
        disk.remove_file(&self.old())
    }
}

/// How it is known that a session has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// A record says so.
    AsSaid,
    /// There is no folder of it.
    LookedFor,
}

/// What goes into a new base.
struct Parts {
    base: Option<Base>,
    /// Of the base's records those that stay, newest first.
    keys: Vec<Key>,
    /// The others, with their keys, newest first.
    recent: Vec<(Key, Frame)>,
    mark: Option<Mark>,
}

impl Parts {
    fn of(base: Option<File>, old: File, gone: Gone, exists: impl Fn(&str) -> bool) -> Self {
        let was_there = base.is_some();
        let base = base.and_then(Base::open);
        let mut tail = Tail::behind(base.as_ref(), was_there);
        tail.take_in(old);
        let Tail { mut recent, mark, mut is_damaged, .. } = tail;
        let mut keys = Vec::new();
        let mut window = Window::default();
        for key in base.iter().flat_map(Base::keys) {
            let record = base.as_ref().and_then(|base| base.record_in(&key, &mut window));
            match record.and_then(Frame::name_in) {
                Some(name) if recent.contains_key(name) => {}
                Some(name) if gone == Gone::LookedFor && !exists(name) => {}
                Some(_) => keys.push(key),
                None => is_damaged = true,
            }
        }
        // Of what has gone nothing is left to be said.
        recent.retain(|name, frame| {
            (gone == Gone::AsSaid && !matches!(frame, Frame::Unknown(_))) || exists(name)
        });
        let recent = sorted(recent);
        // What a damaged place said is lost here: then nothing says that the index is complete.
        let mark = mark.filter(|_| !is_damaged).map(|mark| Mark { base: 0, ..mark });
        Parts { base, keys, recent, mark }
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let count = self.keys.len() + self.recent.len();
        let front = BaseHeader::LEN + count * KEY_LEN;
        let mut rows = Rows { keys: Vec::new(), len: 0, out: BufWriter::with_capacity(256 << 10, file) };
        // The keys are known when the records have been written.
        rows.out.write_all(&vec![0; front])?;
        let mut window = Window::default();
        let mut recent = self.recent.iter().peekable();
        for key in &self.keys {
            let base = self.base.as_ref();
            let record = base.and_then(|base| base.record_in(key, &mut window));
            // It was there a moment ago.
            let record = record.ok_or(io::ErrorKind::UnexpectedEof)?;
            while let Some((newer, frame)) = recent.next_if(|(other, frame)| {
                (other.started_at, frame.name()) > (key.started_at, Frame::name_in(record))
            }) {
                rows.put(newer, &frame.encode())?;
            }
            rows.put(key, record)?;
        }
        for (key, frame) in recent {
            rows.put(key, &frame.encode())?;
        }
        let Rows { keys, len: rows_len, out } = rows;
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (keys_count, keys_sum) = (u64::try_from(count).unwrap_or(0), crc(&keys));
        let mut front = BaseHeader { keys: keys_count, keys_sum, rows_len, mark: self.mark }.encode();
        front.extend(keys);
        write_in_front(file, &front)
    }
}

fn sorted(recent: HashMap<String, Frame>) -> Vec<(Key, Frame)> {
    let with_key = |frame: Frame| Some((Key::of(&frame, 0, 0)?, frame));
    let mut recent: Vec<(Key, Frame)> = recent.into_values().filter_map(with_key).collect();
    recent.sort_by(|a, b| (b.0.started_at, b.1.name()).cmp(&(a.0.started_at, a.1.name())));
    recent
}

/// The records that are being written, and their keys.
struct Rows<'f> {
    keys: Vec<u8>,
    len: u64,
    out: BufWriter<&'f File>,
}

impl Rows<'_> {
    fn put(&mut self, key: &Key, record: &[u8]) -> io::Result<()> {
        let len = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        Key { at: self.len, len, ..*key }.put(&mut self.keys);
        self.len += u64::from(len);
        self.out.write_all(record)
    }
}

#[cfg(unix)]
fn write_in_front(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_in_front(_file: &File, _bytes: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
