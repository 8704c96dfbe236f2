//! okaywal. It syncs with every commit, so it takes part only where that is asked for.

use std::path::Path;
use std::sync::{Arc, Mutex};

use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct OkayWal;

static FACTS: Facts = Facts {
    name: "okaywal",
    krate: Some("okaywal"),
    role: Role::Peer,
    promises: &[Promise::Power],
    checksum: "its own (CRC-32)",
    reads: Reads::Itself,
    setup: "no checkpoints, all of its room preallocated",
};

/// Shows what is recovered.
#[derive(Debug, Default)]
struct Manager(Arc<Mutex<Vec<Vec<u8>>>>);

impl LogManager for Manager {
    fn recover(&mut self, entry: &mut Entry<'_>) -> std::io::Result<()> {
        if let Some(chunks) = entry.read_all_chunks()? {
            self.0.lock().expect("nobody panics with it").extend(chunks);
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> std::io::Result<()> {
        Ok(())
    }
}

fn open_log(folder: &Path, room_bytes: u64, manager: Manager) -> Result<WriteAheadLog> {
    let room = u32::try_from(room_bytes * 5 / 4 + (1 << 20))?;
    let configuration = Configuration::default_for(folder.join("log"));
    Ok(configuration.preallocate_bytes(room).checkpoint_after_bytes(u64::MAX).open(manager)?)
}

struct Open(WriteAheadLog);

struct Appends {
    log: WriteAheadLog,
    bytes: Vec<u8>,
}

impl Contender for OkayWal {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open(open_log(folder, setting.room_bytes, Manager::default())?)))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let recovered = Manager::default();
        let events = Arc::clone(&recovered.0);
        let _log = open_log(folder, 0, recovered)?;
        for event in events.lock().map_err(|_| "poisoned")?.iter() {
            seen.encoded(event);
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { log: self.0.clone(), bytes: Vec::new() }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.shutdown()?)
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        let mut entry = self.log.begin_entry()?;
        entry.write_chunk(&self.bytes)?;
        entry.commit()?;
        Ok(())
    }
}
