//! walrus. Where its files go is said by the environment: see `child`.

use std::path::Path;
use std::sync::Arc;

use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus as Wal, disable_fd_backend};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct Walrus;

static FACTS: Facts = Facts {
    name: "walrus",
    krate: Some("walrus-rust"),
    role: Role::Peer,
    promises: &[Promise::Process],
    checksum: "its own (FNV-1a)",
    reads: Reads::Itself,
    setup: "mapped files (its faster backend here), fsync every 200 ms (its default); a topic per thread",
};

struct Open {
    wal: Arc<Wal>,
    topics: usize,
}

struct Appends {
    wal: Arc<Wal>,
    topic: String,
    bytes: Vec<u8>,
}

/// The folder's name is the key: both are below `WALRUS_DATA_DIR`.
fn open_wal(folder: &Path) -> Result<Wal> {
    disable_fd_backend();
    let key = folder.strip_prefix(std::env::var("WALRUS_DATA_DIR")?)?;
    let key = key.to_str().ok_or("the path is not UTF-8")?;
    // Positions of readers are never written: every reading begins at the first event.
    let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Ok(Wal::with_consistency_and_schedule_for_key(key, consistency, FsyncSchedule::Milliseconds(200))?)
}

impl Contender for Walrus {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open { wal: Arc::new(open_wal(folder)?), topics: 0 }))
    }

    /// Topics are independent, and an instance may have many.
    fn open_many(&self, folder: &Path, count: usize, _: Setting) -> Result<Vec<Box<dyn Log>>> {
        let wal = Arc::new(open_wal(folder)?);
        let open = |n| Box::new(Open { wal: Arc::clone(&wal), topics: n }) as Box<dyn Log>;
        Ok((0..count).map(open).collect())
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let wal = open_wal(folder)?;
        loop {
            let entries = wal.batch_read_for_topic("events-0", 1 << 20, true)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                seen.encoded(&entry.data);
            }
        }
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let topic = format!("events-{}", self.topics);
        self.topics += 1;
        Ok(Box::new(Appends { wal: Arc::clone(&self.wal), topic, bytes: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        self.wal.append_for_topic(&self.topic, &self.bytes)?;
        Ok(())
    }
}
