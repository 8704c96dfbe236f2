//! writeahead. A thread of its own syncs for all who wait, so it takes part only where a sync is asked for.

use std::path::Path;

use futures::StreamExt;
use futures::executor::block_on;
use writeahead::{SimpleFile, WriteAhead as Wal, WriteAheadOptions, WriteHandle};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct WriteAhead;

static FACTS: Facts = Facts {
    name: "writeahead",
    krate: Some("writeahead"),
    role: Role::Peer,
    promises: &[Promise::Power],
    checksum: "its own (MurmurHash3, 128 bits)",
    reads: Reads::Itself,
    setup: "the defaults; each thread blocks on its write",
};

struct Open(Wal<SimpleFile>);

struct Appends(WriteHandle);

fn open_log(folder: &Path) -> Result<Wal<SimpleFile>> {
    let options = WriteAheadOptions { log_dir: folder.join("log"), ..WriteAheadOptions::default() };
    let mut wal = Wal::with_options(options);
    wal.start()?;
    Ok(wal)
}

impl Contender for WriteAhead {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open(open_log(folder)?)))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let mut stream = open_log(folder)?.create_stream()?;
        while let Some(entry) = block_on(stream.next()) {
            seen.encoded(&entry?.1);
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends(self.0.writer()?)))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        // It takes a Vec of its own for each record.
        let mut bytes = Vec::new();
        event.now(&Clock::System).write_to(&mut bytes);
        block_on(self.0.write(bytes))?;
        Ok(())
    }
}
