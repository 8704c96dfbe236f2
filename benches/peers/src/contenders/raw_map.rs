//! The limit: a loop that encodes into a mapped file and does nothing else. No segments, no sync, no recovery, no locks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};

use crate::clock::Clock;
use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::{Encoded, Event};
use crate::frame;

/// Who brings the pages in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    /// Somebody, before the timing begins.
    Before,
    /// A thread that keeps ahead of the writer, inside the timing.
    Helper,
    /// The writer, by page faults.
    Faults,
}

/// Targets refer to them by name.
pub const RAW_POPULATED: &str = "raw loop, pages populated before";
pub const RAW_HELPED: &str = "raw loop with a helper";

pub struct RawMap(Pages, Facts);

const fn facts(name: &'static str, reads: Reads, setup: &'static str) -> Facts {
    Facts {
        name,
        krate: None,
        role: Role::Limit,
        promises: &[Promise::Process],
        checksum: "ours (CRC-32)",
        reads,
        setup,
    }
}

pub static POPULATED: RawMap =
    RawMap(Pages::Before, facts(RAW_POPULATED, Reads::IsRawScan, "bincode into a mapped, fallocated file"));
pub static HELPED: RawMap = RawMap(
    Pages::Helper,
    facts(RAW_HELPED, Reads::AsRawScan, "the same; a thread populates 16 MiB ahead inside the timing"),
);
pub static COLD: RawMap = RawMap(
    Pages::Faults,
    facts("raw loop, cold pages", Reads::AsRawScan, "the same; page faults in the loop"),
);

const AHEAD: u64 = 16 << 20;
const CHUNK: u64 = 1 << 20;
/// Frames begin at whole words.
const ALIGN: usize = 8;

struct Inner {
    file: File,
    map: MmapRaw,
    /// Where the next frame goes.
    end: AtomicU64,
    closing: AtomicBool,
}

struct Open {
    inner: Arc<Inner>,
    helper: Option<JoinHandle<()>>,
    shared: bool,
}

struct Appends {
    inner: Arc<Inner>,
    shared: bool,
    clock: Clock,
    frame: Vec<u8>,
}

impl Contender for RawMap {
    fn facts(&'static self) -> &'static Facts {
        &self.1
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let path = folder.join("map");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let room = (setting.room_bytes + 4096).next_multiple_of(CHUNK);
        // SAFETY: a call on an open descriptor.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, room as libc::off_t) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        let map = MmapOptions::new().map_raw(&file)?;
        let inner = Arc::new(Inner { file, map, end: AtomicU64::new(0), closing: AtomicBool::new(false) });
        let mut helper = None;
        match self.0 {
            Pages::Before => inner.populate(0, room)?,
            Pages::Helper => {
                inner.populate(0, AHEAD.min(room))?;
                let inner = Arc::clone(&inner);
                helper = Some(std::thread::spawn(move || inner.keep_ahead()));
            }
            Pages::Faults => {}
        }
        Ok(Box::new(Open { inner, helper, shared: setting.writers > 1 }))
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        frame::read_file(&folder.join("map"), ALIGN, seen)
    }
}

impl Inner {
    fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, len) = (from as usize, (to - from) as usize);
        self.map.advise_range(memmap2::Advice::PopulateWrite, from, len)
    }

    fn keep_ahead(&self) {
        let room = self.map.len() as u64;
        let mut populated = AHEAD.min(room);
        while !self.closing.load(Ordering::Relaxed) {
            let end = self.end.load(Ordering::Relaxed);
            let wanted = (end + AHEAD).min(room);
            // Where the writer has overtaken, it has brought the pages in itself.
            populated = populated.max(end - end % CHUNK);
            if populated + CHUNK <= wanted {
                // Where it fails, the writer's page faults do the work.
                let _ = self.populate(populated, populated + CHUNK);
                populated += CHUNK;
            } else {
                std::thread::park_timeout(Duration::from_micros(100));
            }
        }
    }

    /// The last store of a frame, so that a frame with a header is whole.
    #[inline]
    fn publish(&self, at: usize, header: u64) {
        // SAFETY: inside the mapping, whose frames begin at whole words; used as an atomic alone.
        unsafe {
            AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()).store(header.to_le(), Ordering::Release)
        };
    }
}

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        let inner = Arc::clone(&self.inner);
        Ok(Box::new(Appends { inner, shared: self.shared, clock: Clock::of_raw_loops(), frame: Vec::new() }))
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.inner.closing.store(true, Ordering::Relaxed);
        if let Some(helper) = self.helper.take() {
            helper.thread().unpark();
            helper.join().map_err(|_| "the helper panicked")?;
        }
        self.inner.file.set_len(self.inner.end.load(Ordering::Acquire))?;
        Ok(())
    }
}

impl Writer for Appends {
    #[inline]
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        let event = event.now(&self.clock);
        if self.shared { self.append_shared(&event) } else { self.append_alone(&event) }
    }
}

impl Appends {
    /// Encodes straight into the map. (Checksumming the fields from their source instead, one by one, is slower: measured.)
    #[inline]
    fn append_alone(&self, event: &Encoded<'_>) -> Result<()> {
        let inner = &*self.inner;
        let at = inner.end.load(Ordering::Relaxed) as usize;
        let room = inner.map.len().checked_sub(at + frame::HEADER_LEN).ok_or("the file is full")?;
        // SAFETY: inside the mapping, and behind everything that has been written; nobody else writes.
        let body = unsafe {
            std::slice::from_raw_parts_mut(inner.map.as_mut_ptr().add(at + frame::HEADER_LEN), room)
        };
        let len = bincode::encode_into_slice(event, body, bincode::config::standard())?;
        inner.publish(at, frame::header(&body[..len]));
        let end = at + (frame::HEADER_LEN + len).next_multiple_of(ALIGN);
        inner.end.store(end as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Its length has to be known before there is a place for it.
    fn append_shared(&mut self, event: &Encoded<'_>) -> Result<()> {
        frame::write_to(event, &mut self.frame);
        let inner = &*self.inner;
        let whole = self.frame.len().next_multiple_of(ALIGN);
        let at = inner.end.fetch_add(whole as u64, Ordering::Relaxed) as usize;
        if at + whole > inner.map.len() {
            return Err("the file is full".into());
        }
        let (header, body) = self.frame.split_first_chunk().ok_or("a frame has a header")?;
        // SAFETY: inside the mapping, and reserved for this frame alone.
        unsafe {
            let place = inner.map.as_mut_ptr().add(at + frame::HEADER_LEN);
            place.copy_from_nonoverlapping(body.as_ptr(), body.len());
        }
        inner.publish(at, u64::from_le_bytes(*header));
        Ok(())
    }
}
