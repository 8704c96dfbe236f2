//! SQLite in WAL mode, one INSERT per event through a prepared statement.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

pub struct Sqlite;

static FACTS: Facts = Facts {
    name: "SQLite WAL",
    krate: Some("rusqlite"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "ours (CRC-32): its database pages have none",
    reads: Reads::Itself,
    setup: "bundled; synchronous=NORMAL, for power cuts FULL; threads share a connection",
};

struct Open(Arc<Mutex<Connection>>);

struct Appends {
    connection: Arc<Mutex<Connection>>,
    frame: Vec<u8>,
}

impl Contender for Sqlite {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let connection = Connection::open(folder.join("db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = if setting.promise == Promise::Power { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, event BLOB)", ())?;
        Ok(Box::new(Open(Arc::new(Mutex::new(connection)))))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let connection = Connection::open(folder.join("db"))?;
        let mut statement = connection.prepare("SELECT event FROM events ORDER BY seq")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            frame::show(row.get_ref(0)?.as_blob()?, seen)?;
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { connection: Arc::clone(&self.0), frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        let connection = self.connection.lock().map_err(|_| "poisoned")?;
        connection.prepare_cached("INSERT INTO events (event) VALUES (?1)")?.execute([&self.frame])?;
        Ok(())
    }
}
