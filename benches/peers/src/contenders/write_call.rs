//! One write(2) per event: a length, a checksum, the event.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;
use crate::frame;

pub struct WriteCall;

static FACTS: Facts = Facts {
    name: "write(2), CRC frame",
    krate: None,
    role: Role::Plain,
    promises: &[Promise::Process],
    checksum: "ours (CRC-32)",
    reads: Reads::AsRawScan,
    setup: "O_APPEND, one call per event",
};

struct Open(File);

struct Appends {
    file: File,
    frame: Vec<u8>,
}

impl Contender for WriteCall {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open(OpenOptions::new().append(true).create(true).open(folder.join("log"))?)))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        frame::read_file(&folder.join("log"), 1, seen)
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { file: self.0.try_clone()?, frame: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        frame::write_to(&event.now(&Clock::System), &mut self.frame);
        self.file.write_all(&self.frame)?;
        Ok(())
    }
}
