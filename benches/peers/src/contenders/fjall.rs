//! fjall, one insert per event.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct Fjall;

static FACTS: Facts = Facts {
    name: "fjall",
    krate: Some("fjall"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "its own (XXH3)",
    reads: Reads::Itself,
    setup: "the defaults (LZ4); for power cuts persist(SyncData) after each insert",
};

#[derive(Clone)]
struct Open {
    database: Database,
    events: Keyspace,
    next: Arc<AtomicU64>,
    durable: bool,
}

struct Appends {
    open: Open,
    bytes: Vec<u8>,
}

fn open_database(folder: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(folder.join("db")).open()?;
    let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
    Ok((database, events))
}

impl Contender for Fjall {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let (database, events) = open_database(folder)?;
        let durable = setting.promise == Promise::Power;
        Ok(Box::new(Open { database, events, next: Arc::default(), durable }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let (_database, events) = open_database(folder)?;
        for entry in events.iter() {
            seen.encoded(&entry.value()?);
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { open: self.clone(), bytes: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        let key = self.open.next.fetch_add(1, Ordering::Relaxed);
        self.open.events.insert(key.to_be_bytes(), &self.bytes[..])?;
        if self.open.durable {
            self.open.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}
