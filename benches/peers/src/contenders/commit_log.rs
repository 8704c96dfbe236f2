//! commitlog.

use std::path::Path;
use std::sync::{Arc, Mutex};

use commitlog::message::MessageSet;
use commitlog::{CommitLog as Wal, LogOptions, ReadLimit};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct CommitLog;

static FACTS: Facts = Facts {
    name: "commitlog",
    krate: Some("commitlog"),
    role: Role::Peer,
    promises: &[Promise::Process],
    checksum: "its own (CRC-32C), checked by us as it shows it",
    reads: Reads::Itself,
    setup: "the defaults; threads share it by a mutex",
};

struct Open(Arc<Mutex<Wal>>);

struct Appends {
    log: Arc<Mutex<Wal>>,
    bytes: Vec<u8>,
}

impl Contender for CommitLog {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open(Arc::new(Mutex::new(Wal::new(LogOptions::new(folder.join("log")))?)))))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let log = Wal::new(LogOptions::new(folder.join("log")))?;
        let mut next = 0;
        loop {
            let messages = log.read(next, ReadLimit::max_bytes(1 << 20)).map_err(|e| format!("{e:?}"))?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages.iter() {
                if !message.verify_hash() {
                    return Err("a message is damaged".into());
                }
                next = message.offset() + 1;
                seen.encoded(message.payload());
            }
        }
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { log: Arc::clone(&self.0), bytes: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        event.now(&Clock::System).write_to(&mut self.bytes);
        self.log.lock().map_err(|_| "poisoned")?.append_msg(&self.bytes)?;
        Ok(())
    }
}
