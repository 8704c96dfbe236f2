//! The limit of the device: pwrite and fdatasync over blocks that have been written before. With several threads, a group commit as
//! anybody would write it first: whoever gets the lock syncs for all who have written by then.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

/// Targets refer to it by name.
pub const DEVICE: &str = "pwrite + fdatasync over written blocks";

pub struct SyncedWrite;

static FACTS: Facts = Facts {
    name: DEVICE,
    krate: None,
    role: Role::Limit,
    promises: &[Promise::Power],
    checksum: "ours (CRC-32)",
    reads: Reads::AsRawScan,
    setup: "blocks written and synced before; several threads: a naive leader",
};

struct Inner {
    file: File,
    /// How far the file is written, below which every write is complete.
    written: Mutex<u64>,
    /// As of the last look; the owner of `synced` alone decides by it.
    visible: AtomicU64,
    synced: Mutex<u64>,
}

struct Open(Arc<Inner>);

struct Appends {
    inner: Arc<Inner>,
    frame: Vec<u8>,
}

impl Contender for SyncedWrite {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let path = folder.join("log");
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..=setting.room_bytes >> 20 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        let (written, synced) = (Mutex::new(0), Mutex::new(0));
        Ok(Box::new(Open(Arc::new(Inner { file, written, visible: AtomicU64::new(0), synced }))))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        frame::read_file(&folder.join("log"), 1, seen)
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { inner: Arc::clone(&self.0), frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        let inner = &*self.inner;
        let end = {
            let mut written = inner.written.lock().map_err(|_| "poisoned")?;
            inner.file.write_all_at(&self.frame, *written)?;
            *written += self.frame.len() as u64;
            inner.visible.store(*written, Ordering::Release);
            *written
        };
        let mut synced = inner.synced.lock().map_err(|_| "poisoned")?;
        if *synced < end {
            let visible = inner.visible.load(Ordering::Acquire);
            inner.file.sync_data()?;
            *synced = visible;
        }
        Ok(())
    }
}
