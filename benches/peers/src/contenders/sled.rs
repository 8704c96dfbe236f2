//! sled, one insert per event.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sled::Db;

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct Sled;

static FACTS: Facts = Facts {
    name: "sled",
    krate: Some("sled"),
    role: Role::Peer,
    promises: &[Promise::Process],
    checksum: "its own (CRC-32)",
    reads: Reads::Itself,
    setup: "the defaults: flushed every 500 ms",
};

struct Open {
    database: Db,
    next: Arc<AtomicU64>,
}

struct Appends {
    database: Db,
    next: Arc<AtomicU64>,
    bytes: Vec<u8>,
}

impl Contender for Sled {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open { database: sled::open(folder.join("db"))?, next: Arc::default() }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        for entry in sled::open(folder.join("db"))?.iter() {
            seen.encoded(&entry?.1);
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let (database, next) = (self.database.clone(), Arc::clone(&self.next));
        Ok(Box::new(Appends { database, next, bytes: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        self.database.insert(key, self.bytes.as_slice())?;
        Ok(())
    }
}
