//! open-wal. Its `append` fills a buffer; `commit` writes and syncs it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use open_wal::{Lsn, Wal, WalConfig};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct OpenWal;

static FACTS: Facts = Facts {
    name: "open-wal",
    krate: Some("open-wal"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "its own (CRC-32C)",
    reads: Reads::Itself,
    setup: "append, a commit every 64 MiB; for power cuts append and commit; threads share it by a mutex",
};

/// Before its commit an event is in a buffer, which somebody has to write at times.
const COMMIT_AFTER: usize = 64 << 20;

struct Shared {
    wal: Wal,
    buffered: usize,
}

struct Open {
    shared: Arc<Mutex<Shared>>,
    durable: bool,
}

struct Appends {
    shared: Arc<Mutex<Shared>>,
    durable: bool,
    bytes: Vec<u8>,
}

impl Contender for OpenWal {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let (wal, _) = Wal::open(folder, WalConfig::default())?;
        let shared = Arc::new(Mutex::new(Shared { wal, buffered: 0 }));
        Ok(Box::new(Open { shared, durable: setting.promise == Promise::Power }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let (wal, _) = Wal::open(folder, WalConfig::default())?;
        let mut reader = wal.reader_from(Lsn(0))?;
        while let Some(record) = reader.next() {
            seen.encoded(record?.1);
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(Appends { shared, durable: self.durable, bytes: Vec::new() }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.shared.lock().map_err(|_| "poisoned")?.wal.commit()?;
        Ok(())
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        let mut shared = self.shared.lock().map_err(|_| "poisoned")?;
        shared.wal.append(&self.bytes)?;
        shared.buffered += self.bytes.len();
        if self.durable || shared.buffered >= COMMIT_AFTER {
            shared.wal.commit()?;
            shared.buffered = 0;
        }
        Ok(())
    }
}
