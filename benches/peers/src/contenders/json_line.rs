//! One JSON line per event with one write(2): what most agents do.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::{Event, Line};

pub struct JsonLine;

static FACTS: Facts = Facts {
    name: JSON_LINE,
    krate: Some("serde_json"),
    role: Role::Plain,
    promises: &[Promise::Process],
    checksum: "none: a line is taken as it is",
    reads: Reads::Itself,
    setup: "serde_json into a reused Vec, O_APPEND, one call per event",
};

/// Targets refer to it by name.
pub const JSON_LINE: &str = "JSON line, one write(2)";

struct Open(File);

struct Appends {
    file: File,
    line: Vec<u8>,
}

impl Contender for JsonLine {
    fn facts(&'static self) -> &'static Facts {
        &FACTS
    }

    fn open(&self, folder: &Path, _: Setting) -> Result<Box<dyn Log>> {
        Ok(Box::new(Open(OpenOptions::new().append(true).create(true).open(folder.join("log.jsonl"))?)))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let text = std::fs::read(folder.join("log.jsonl"))?;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            // A line without its end was not acknowledged.
            let Some(line) = line.strip_suffix(b"\n") else { break };
            let event: Line<'_> = serde_json::from_slice(line)?;
            seen.fields(event.call_id, event.input.get().as_bytes());
        }
        Ok(())
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends { file: self.0.try_clone()?, line: Vec::new() }))
    }
}

impl Writer for Appends {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &event.line_now(&Clock::System))?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)?;
        Ok(())
    }
}
