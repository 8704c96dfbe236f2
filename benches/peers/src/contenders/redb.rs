//! redb, one transaction per event.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

pub struct Redb;

static FACTS: Facts = Facts {
    name: "redb",
    krate: Some("redb"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "ours (CRC-32): its own are checked by recovery alone",
    reads: Reads::Itself,
    setup: "Durability::None, for power cuts Immediate; one transaction per event",
};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

struct Open {
    database: Arc<Database>,
    durability: Durability,
}

struct Appends {
    database: Arc<Database>,
    durability: Durability,
    frame: Vec<u8>,
}

impl Contender for Redb {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let database = Database::create(folder.join("db"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(EVENTS)?;
        transaction.commit()?;
        let durability = match setting.promise {
            Promise::Process => Durability::None,
            Promise::Power => Durability::Immediate,
        };
        Ok(Box::new(Open { database: Arc::new(database), durability }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let database = Database::open(folder.join("db"))?;
        let table = database.begin_read()?.open_table(EVENTS)?;
        for entry in table.iter()? {
            frame::show(entry?.1.value(), seen)?;
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let database = Arc::clone(&self.database);
        Ok(Box::new(Appends { database, durability: self.durability, frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        {
            let mut table = transaction.open_table(EVENTS)?;
            let key = table.last()?.map_or(0, |(key, _)| key.value() + 1);
            table.insert(key, self.frame.as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    }
}
