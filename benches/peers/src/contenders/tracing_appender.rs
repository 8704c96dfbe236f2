//! tracing-appender's non-blocking writer: a channel, and a thread that writes what comes out of it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

pub struct TracingAppender;

static FACTS: Facts = Facts {
    name: "tracing-appender",
    krate: Some("tracing-appender"),
    role: Role::Peer,
    promises: &[Promise::Process],
    checksum: "ours (CRC-32)",
    reads: Reads::AsRawScan,
    setup: "non_blocking over a file, lossy(false): a full channel waits instead of dropping",
};

struct Open {
    writer: NonBlocking,
    _worker: WorkerGuard,
}

struct Appends {
    writer: NonBlocking,
    frame: Vec<u8>,
}

impl Contender for TracingAppender {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        let file = OpenOptions::new().append(true).create(true).open(folder.join("log"))?;
        let (writer, worker) = NonBlockingBuilder::default().lossy(false).finish(file);
        Ok(Box::new(Open { writer, _worker: worker }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        frame::read_file(&folder.join("log"), 1, seen)
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { writer: self.writer.clone(), frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        self.writer.write_all(&self.frame)?;
        Ok(())
    }
}
