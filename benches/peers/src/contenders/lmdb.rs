//! LMDB, one transaction per event, appended behind the last key.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heed::types::{Bytes, U64};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, WithTls, byteorder::BigEndian};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

pub struct Lmdb;

static FACTS: Facts = Facts {
    name: "LMDB",
    krate: Some("heed"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "ours (CRC-32): it has none",
    reads: Reads::Itself,
    setup: "WRITE_MAP | NO_SYNC, for power cuts the defaults; one transaction per event, MDB_APPEND",
};

type Events = Database<U64<BigEndian>, Bytes>;

struct Open {
    env: Env,
    events: Events,
    next: Arc<AtomicU64>,
}

struct Appends {
    env: Env,
    events: Events,
    next: Arc<AtomicU64>,
    frame: Vec<u8>,
}

fn open_env(folder: &Path, room: usize, flags: EnvFlags) -> Result<Env> {
    let mut options = EnvOpenOptions::<WithTls>::new();
    options.map_size(room.next_multiple_of(1 << 20));
    // SAFETY: a folder of our own, opened once in this process; losing what is not synced is what is measured.
    unsafe { Ok(options.flags(flags).open(folder)?) }
}

impl Contender for Lmdb {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let flags = match setting.promise {
            Promise::Process => EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC,
            Promise::Power => EnvFlags::empty(),
        };
        // An event over half a page takes pages of its own.
        let env = open_env(folder, (setting.room_bytes * 4) as usize + (64 << 20), flags)?;
        let mut transaction = env.write_txn()?;
        let events = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Box::new(Open { env, events, next: Arc::default() }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let size = std::fs::metadata(folder.join("data.mdb"))?.len();
        let env = open_env(folder, size as usize, EnvFlags::empty())?;
        let transaction = env.read_txn()?;
        let events: Events = env.open_database(&transaction, None)?.ok_or("there is no database")?;
        for entry in events.iter(&transaction)? {
            frame::show(entry?.1, seen)?;
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let (env, next) = (self.env.clone(), Arc::clone(&self.next));
        Ok(Box::new(Appends { env, events: self.events, next, frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        let mut transaction = self.env.write_txn()?;
        // Under the transaction's lock, so that keys come in order.
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.events.put_with_flags(&mut transaction, PutFlags::APPEND, &key, &self.frame)?;
        transaction.commit()?;
        Ok(())
    }
}
