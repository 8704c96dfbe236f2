//! raft-engine: events are the log entries of one raft group.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct RaftEngine;

static FACTS: Facts = Facts {
    name: "raft-engine",
    krate: Some("raft-engine"),
    role: Role::Peer,
    promises: &[Promise::Process, Promise::Power],
    checksum: "its own (CRC-32)",
    reads: Reads::Itself,
    setup: "no compression; write(sync=false), for power cuts write(sync=true); a raft group per thread",
};

/// Where an entry keeps its index: in its first bytes.
const INDEX_LEN: usize = 8;

struct Entries;

impl MessageExt for Entries {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |index| u64::from_le_bytes(*index))
    }
}

struct Open {
    engine: Arc<Engine>,
    durable: bool,
    groups: AtomicU64,
}

struct Appends {
    engine: Arc<Engine>,
    durable: bool,
    group: u64,
    next: u64,
    batch: LogBatch,
    entry: BytesValue,
}

fn open_engine(folder: &Path) -> Result<Engine> {
    let dir = folder.join("log").to_str().ok_or("the path is not UTF-8")?.to_owned();
    let batch_compression_threshold = ReadableSize(0);
    Ok(Engine::open(Config { dir, batch_compression_threshold, ..Config::default() })?)
}

impl Contender for RaftEngine {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let engine = Arc::new(open_engine(folder)?);
        let durable = setting.promise == Promise::Power;
        Ok(Box::new(Open { engine, durable, groups: AtomicU64::new(1) }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let engine = open_engine(folder)?;
        for group in engine.raft_groups() {
            let Some((first, last)) = engine.first_index(group).zip(engine.last_index(group)) else {
                continue;
            };
            let mut entries = Vec::new();
            for begin in (first..=last).step_by(1024) {
                entries.clear();
                let end = (begin + 1024).min(last + 1);
                engine.fetch_entries_to::<Entries>(group, begin, end, None, &mut entries)?;
                for entry in &entries {
                    seen.encoded(entry.value.get(INDEX_LEN..).ok_or("an entry is too short")?);
                }
            }
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends {
            engine: Arc::clone(&self.engine),
            durable: self.durable,
            group: self.groups.fetch_add(1, Ordering::Relaxed),
            next: 1,
            batch: LogBatch::with_capacity(1),
            entry: BytesValue::new(),
        }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.entry.value.clear();
        self.entry.value.extend_from_slice(&self.next.to_le_bytes());
        event.now(&Clock::System).write_to(&mut self.entry.value);
        self.batch.add_entries::<Entries>(self.group, std::slice::from_ref(&self.entry))?;
        self.engine.write(&mut self.batch, self.durable)?;
        self.next += 1;
        Ok(())
    }
}
