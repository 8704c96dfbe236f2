//! What a contender is: something that appends events and reads them back.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::event::{self, Event};
use crate::work::Work;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// When a contender acknowledges an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// When the call returns the process may be killed. Whether that is kept is measured.
    Process,
    /// When the call returns the power may be cut. The kill test is the least that it has to pass.
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// tracewal as it is compared with the others.
    Us,
    /// tracewal in another setting, for information.
    UsToo,
    /// What the machine can do; nobody's product.
    Limit,
    /// A loop of a few lines that programs have instead of a library.
    Plain,
    /// A library.
    Peer,
}

/// How a contender reads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Itself,
    /// A mapped file of frames, checked and borrowed: the limit of reading.
    IsRawScan,
    /// Its file is frames too, and nothing new is seen in reading it.
    AsRawScan,
}

/// What the report says about a contender.
pub struct Facts {
    pub name: &'static str,
    /// The crate whose version is reported.
    pub krate: Option<&'static str>,
    pub role: Role,
    pub promises: &'static [Promise],
    /// Whose checksum protects an event, and which.
    pub checksum: &'static str,
    pub reads: Reads,
    pub setup: &'static str,
}

/// How a log is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub promise: Promise,
    /// Threads that share it.
    pub writers: usize,
    /// How many bytes of framed events will come, for those who have to reserve room.
    pub room_bytes: u64,
}

pub trait Contender: Sync {
    fn facts(&'static self) -> &'static Facts;

    /// Opens an empty log in this folder, which exists.
    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>>;

    /// Opens several logs that have nothing to do with each other.
    fn open_many(&self, folder: &Path, count: usize, setting: Setting) -> Result<Vec<Box<dyn Log>>> {
        let open = |n| {
            let folder = folder.join(format!("{n}"));
            std::fs::create_dir(&folder)?;
            self.open(&folder, setting)
        };
        (0..count).map(open).collect()
    }

    /// Opens the log in this folder anew and shows every event, checksums checked.
    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()>;
}

/// An open log.
pub trait Log {
    /// One more thread's way into it.
    fn writer(&mut self) -> Result<Box<dyn Writer>>;

    /// Closes it in order, after its writers have gone.
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

pub trait Writer: Send {
    /// Returns when the event is acknowledged.
    fn append(&mut self, event: &Event<'_>) -> Result<()>;

    /// Appends events one by one. A provided method, so that the loop calls `append` directly and not through a table.
    fn append_all(&mut self, work: &Work, count: u64) -> Result<()> {
        for n in 0..count {
            self.append(&work.event(n))?;
        }
        Ok(())
    }
}

/// What has been read back.
#[derive(Default)]
pub struct Seen {
    pub events: u64,
    /// So that the bytes are used.
    pub bytes: u64,
    /// The numbers that the kill test has hidden in call ids, if they are asked for.
    pub numbers: Option<Vec<u64>>,
}

impl Seen {
    pub fn with_numbers() -> Self {
        Seen { numbers: Some(Vec::new()), ..Seen::default() }
    }

    /// An event that came back as the bytes that went in.
    #[inline]
    pub fn encoded(&mut self, bytes: &[u8]) {
        self.events += 1;
        self.bytes += bytes.len() as u64;
        if self.numbers.is_some() {
            self.number(event::call_id(bytes));
        }
    }

    /// An event that came back with its fields.
    #[inline]
    pub fn fields(&mut self, call_id: &str, input: &[u8]) {
        self.events += 1;
        self.bytes += input.len() as u64;
        if self.numbers.is_some() {
            self.number(Some(call_id));
        }
    }

    fn number(&mut self, call_id: Option<&str>) {
        let number = call_id.and_then(|id| u64::from_str_radix(id, 16).ok());
        if let (Some(numbers), Some(number)) = (&mut self.numbers, number) {
            numbers.push(number);
        }
    }
}
