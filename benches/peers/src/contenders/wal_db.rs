//! wal-db.

use std::path::Path;
use std::sync::Arc;

use wal_db::Wal;

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct WalDb;

static FACTS: Facts = Facts {
    name: "wal-db",
    krate: Some("wal-db"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "its own (CRC-32C)",
    reads: Reads::Itself,
    setup: "one file; append, for power cuts append_and_sync",
};

struct Open {
    wal: Arc<Wal>,
    durable: bool,
}

struct Appends {
    wal: Arc<Wal>,
    durable: bool,
    bytes: Vec<u8>,
}

impl Contender for WalDb {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let wal = Arc::new(Wal::open(folder.join("wal"))?);
        Ok(Box::new(Open { wal, durable: setting.promise == Promise::Power }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        for record in Wal::open(folder.join("wal"))?.iter()? {
            seen.encoded(record?.data());
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let wal = Arc::clone(&self.wal);
        Ok(Box::new(Appends { wal, durable: self.durable, bytes: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        if self.durable {
            let _lsn = self.wal.append_and_sync(&self.bytes)?;
        } else {
            let _lsn = self.wal.append(&self.bytes)?;
        }
        Ok(())
    }
}
