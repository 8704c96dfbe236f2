//! The segment that a session appends to: reserving room, encoding into it, publishing in order (SPEC.md section 9).

use std::cmp::Ordering as CmpOrdering;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tracewal_format::checksum::Salted;
use tracewal_format::record::{Body, Frame, RECORD_HEADER, Stamp, VOID, align, write_record};
use tracewal_format::segment::{HEADER_COPY_AT, HEADER_PAGE, Header, SEAL_AT, Seal};
use tracewal_format::time::Time;

use crate::ahead::{self, Next, Recipe, STEP, WINDOW, WORTH_IT};
use crate::clock;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::filesystem::{Promise, file_len};
use crate::guard::Guard;
use crate::mapping::{Mapping, Pages};
use crate::reservation::{Mark, Reservation, Room};
use crate::store::lock;

/// Kept at the end of every segment for endings, crash records and marks, so that a full disk does not silence them.
pub(crate) const RESERVE: u64 = 4096;

/// A wait of this many looks is longer than filling a record takes: 2 to 4 microseconds.
const LONG_WAIT: u32 = 128;
/// After one, this many appends take turns.
const QUEUED: u32 = 1 << 17;

/// How many bytes a sync writes ahead of the last record.
const AHEAD: u64 = 256 << 10;

/// How much of a mapping is let go at once before it is synced.
const LET_GO: usize = 256 << 10;

/// From how many bytes a second on huge pages are used.
const FAST: u64 = 16 << 20;

/// How much is made ready at once.
fn step(pages: Pages) -> u64 {
    if pages == Pages::Huge { pages.len() } else { STEP }
}

/// And in multiples of what.
fn grain(pages: Pages) -> u64 {
    if pages == Pages::Huge { pages.len() } else { 4096 }
}

/// What is to be appended.
pub(crate) struct Append<F> {
    pub(crate) kind: u8,
    /// Now, if it has none of its own.
    pub(crate) time: Option<Time>,
    pub(crate) body_len: usize,
    /// Events take a sequence number; records of the log do not.
    pub(crate) is_event: bool,
    /// Whether it may use the reserve.
    pub(crate) is_last_word: bool,
    /// Writes the body.
    pub(crate) fill: F,
}

/// Writes a body of the length that was said, or as much of it as it can: then there is a void record.
pub(crate) trait Fill: Fn(&mut Body<'_>) -> Option<()> {}

impl<F: Fn(&mut Body<'_>) -> Option<()>> Fill for F {}

/// Why a segment did not take a record.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It has no room for it, or no further record may be appended.
    Full,
    Failed(Error),
}

#[derive(Debug)]
enum Medium {
    Mapped(Mapping),
    /// With the buffer in which one record is put together before it is written.
    Written(File, Mutex<Vec<u8>>),
}

/// A segment of the run that this process writes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    path: Mutex<PathBuf>,
    salted: Salted,
    marks: Reservation,
    /// How many more appends take turns.
    queueing: AtomicU32,
    line: Mutex<()>,
    /// The offset up to which it has been synced.
    synced: AtomicU64,
    medium: Medium,
    /// The offset up to which its blocks have been written, and not only allocated.
    written: AtomicU64,
    /// The offset up to which pages are ready to be stored into.
    ready: AtomicU64,
    /// The offset from which on more is to be prepared: an append that ends behind it asks, once.
    ask_at: AtomicU64,
    /// Held while pages are made ready, and while the blocks behind the end are given back: what has been given back is not made ready again.
    readying: Mutex<()>,
    /// The segment behind it, and how it is made.
    next: Next,
    recipe: OnceLock<Recipe>,
    pages: Pages,
    /// Whether its pages have become too large: a sync found less than half of one stored.
    is_wasteful: AtomicBool,
    /// Itself, for the thread that prepares.
    me: Weak<Segment>,
}

/// A segment's file before it has a header: its blocks are there.
#[derive(Debug)]
pub(crate) struct Blank {
    file: File,
    path: PathBuf,
    medium: Option<Mapping>,
    capacity: u64,
    /// How much of it is ready to be stored into.
    ready: u64,
    pages: Pages,
}

impl Blank {
    /// Makes a file of `capacity` bytes.
    pub(crate) fn new(
        disk: &Disk,
        path: &Path,
        capacity: u64,
        promise: Promise,
        pages: Pages,
    ) -> Result<Self> {
        let file = disk.create(path)?;
        let made = || {
            if promise == Promise::Written {
                disk.set_len(&file, path, capacity)?;
                return Ok(None);
            }
            disk.allocate(&file, path, capacity)?;
            let len = usize::try_from(capacity).unwrap_or(usize::MAX);
            let mapping = Mapping::new(&file, len).map_err(|e| Error::io("map", path, e))?;
            mapping.use_pages(pages);
            Ok(Some(mapping))
        };
        match made() {
            Ok(medium) => Ok(Blank { file, path: path.to_owned(), medium, capacity, ready: 0, pages }),
            Err(error) => {
                // Half a segment is worth nothing, and its blocks may be what others need.
                let _ = disk.remove_file(path);
                Err(error)
            }
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Makes the first pages ready.
    fn warm_up(&mut self) {
        if let Some(mapping) = &self.medium {
            let ready = step(self.pages).min(self.capacity);
            if mapping.populate(0, ready) {
                self.ready = ready;
            }
        }
    }

    /// It is not needed.
    pub(crate) fn discard(self, disk: &Disk) {
        // What cannot be removed, the next recovery finds.
        let _ = disk.remove_file(&self.path);
    }

    /// Writes the header and its copy. The file still has its temporary name.
    pub(crate) fn begin(self, disk: &Disk, header: Header) -> Result<Segment> {
        let bytes = header.encode();
        let medium = match self.medium {
            Some(mapping) => Medium::Mapped(mapping),
            None => Medium::Written(self.file, Mutex::new(Vec::new())),
        };
        let segment = Segment {
            salted: Salted::new(header.salt),
            header,
            path: Mutex::new(self.path),
            marks: Reservation::new(HEADER_PAGE),
            queueing: AtomicU32::new(0),
            line: Mutex::default(),
            synced: AtomicU64::new(0),
            medium,
            written: AtomicU64::new(0),
            ready: AtomicU64::new(self.ready),
            ask_at: AtomicU64::new(u64::MAX),
            readying: Mutex::default(),
            next: Next::new(),
            recipe: OnceLock::new(),
            pages: self.pages,
            is_wasteful: AtomicBool::new(false),
            me: Weak::new(),
        };
        segment.write_page(disk, 0, &bytes)?;
        segment.write_page(disk, HEADER_COPY_AT, &bytes)?;
        Ok(segment)
    }
}

/// How far a segment is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// Behind the last record.
    pub(crate) offset: u64,
    /// Of the next event.
    pub(crate) next_seq: u64,
}

impl Segment {
    /// How much room a first record of this body needs, with everything around it.
    pub(crate) fn capacity_for(body_len: usize) -> u64 {
        let body = u64::try_from(body_len).unwrap_or(u64::MAX);
        HEADER_PAGE.saturating_add(RESERVE).saturating_add(align(body.saturating_add(64)))
    }

    /// To be shared, at a place of its own.
    pub(crate) fn share(self) -> Arc<Self> {
        Arc::new_cyclic(|me| Segment { me: me.clone(), ..self })
    }

    /// From now on it may be prepared ahead of appends, and the segment behind it made, as the recipe says.
    pub(crate) fn prepare_with(&self, recipe: Recipe) {
        if self.header.capacity >= WORTH_IT
            && matches!(self.medium, Medium::Mapped(_))
            && self.recipe.set(recipe).is_ok()
        {
            // What has been made ready already is being used up; else, not before it is seen that the session goes on.
            let first = if self.ready.load(Ordering::Relaxed) > 0 { 0 } else { self.header.capacity / 8 };
            self.ask_at.store(first, Ordering::Release);
        }
    }

    /// Asks for more to be prepared; not again, until that has been done.
    #[cold]
    fn ask(&self) {
        if self.ask_at.swap(u64::MAX, Ordering::AcqRel) != u64::MAX
            && let Some(me) = self.me.upgrade()
        {
            ahead::ask(me);
        }
    }

    /// Makes pages ready, up to a window ahead of the last record; and, when the window has reached the end, the segment behind. In the
    /// thread for that.
    pub(crate) fn prepare(&self) {
        let (Medium::Mapped(mapping), Some(recipe)) = (&self.medium, self.recipe.get()) else { return };
        let (mut ready, step) = (self.ready.load(Ordering::Relaxed), step(self.pages));
        loop {
            if self.marks.is_closed() {
                return;
            }
            let written = self.published().offset;
            if ready >= self.header.capacity || ready >= written + WINDOW {
                break;
            }
            // Whoever has overtaken us is touching these pages himself: further on we are not in each other's way.
            let from = if ready < written {
                (written + STEP / 4).next_multiple_of(grain(self.pages))
            } else {
                ready
            };
            let to = (from + step).min(self.header.capacity);
            if from < to && !self.make_ready(mapping, from, to) {
                // It is closed; or the kernel cannot, or somebody has cut the file: nobody asks again.
                return;
            }
            ready = to;
            self.ready.store(ready, Ordering::Relaxed);
        }
        if ready >= self.header.capacity {
            self.next.make(|| {
                let mut blank = recipe.make(self.pages_behind(recipe.capacity))?;
                blank.warm_up();
                Ok(blank)
            });
        } else {
            self.ask_at.store(ready.saturating_sub(WINDOW / 2), Ordering::Release);
        }
    }

    /// What suits the segment behind it, if it goes on like this. The smallest segments are not worth a thought.
    pub(crate) fn pages_behind(&self, capacity: u64) -> Pages {
        match (capacity.cmp(&WORTH_IT), self.is_filled_fast()) {
            (CmpOrdering::Less, _) | (CmpOrdering::Equal, true) => Pages::AsTheyCome,
            (CmpOrdering::Greater, true) => Pages::Huge,
            (_, false) => Pages::Small,
        }
    }

    /// Whether so much is appended that a sync finds more than some huge pages full, and nobody waits for single records to be synced.
    fn is_filled_fast(&self) -> bool {
        let age_ns = clock::now_ns().saturating_sub(self.header.wall_base_ns);
        let age_ns = u64::try_from(age_ns).unwrap_or(u64::MAX);
        self.published().offset > age_ns / (1_000_000_000 / FAST) && self.written.load(Ordering::Relaxed) == 0
    }

    /// Whether it had better be left for one with small pages.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.is_wasteful.load(Ordering::Relaxed)
    }

    /// Makes pages ready, unless no further record will come.
    fn make_ready(&self, mapping: &Mapping, from: u64, to: u64) -> bool {
        let _readying = lock(&self.readying);
        !self.marks.is_closed() && mapping.populate(from, to)
    }

    /// The segment behind it, if that has been made and has this capacity. From now on none is made.
    pub(crate) fn take_next(&self, disk: &Disk, needed: u64) -> Option<Blank> {
        self.next.take(disk, needed)
    }

    pub(crate) fn path(&self) -> PathBuf {
        lock(&self.path).clone()
    }

    /// Its folder has another name now.
    pub(crate) fn moved_to(&self, folder: &Path) {
        let mut path = lock(&self.path);
        if let Some(moved) = path.file_name().map(|file| folder.join(file)) {
            *path = moved;
        }
    }

    /// Whether something is published, here or in the header page, that has not been synced.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.published().offset
    }

    /// Gives it its final name.
    pub(crate) fn rename(&self, disk: &Disk, path: &Path) -> Result<()> {
        disk.rename(&self.path(), path)?;
        path.clone_into(&mut lock(&self.path));
        Ok(())
    }

    /// The same, where no file may have that name.
    pub(crate) fn rename_new(&self, disk: &Disk, path: &Path) -> Result<()> {
        disk.rename_new(&self.path(), path)?;
        path.clone_into(&mut lock(&self.path));
        Ok(())
    }

    #[inline]
    pub(crate) fn published(&self) -> Published {
        let mark = self.marks.published();
        Published { offset: mark.offset(), next_seq: self.header.first_seq + mark.seq_delta() }
    }

    /// Appends one record and returns the sequence number that it took (or, of a log record, that the next event takes). When
    /// this returns, the record survives SIGKILL (I1).
    #[inline]
    pub(crate) fn append(&self, append: &Append<impl Fill>) -> Result<u64, Refused> {
        let stamp = match append.time {
            None => Stamp::near(clock::now_ns(), self.header.wall_base_ns),
            Some(time) => Stamp::new(time, self.header.wall_base_ns),
        };
        let len = RECORD_HEADER + stamp.body_len() + append.body_len;
        match &self.medium {
            Medium::Mapped(mapping) => self.append_mapped(mapping, append, stamp, len),
            Medium::Written(file, buffer) => self.append_written(file, buffer, append, stamp, len),
        }
    }

    #[inline]
    fn reserve<F>(&self, append: &Append<F>, len: usize) -> Result<Room, Refused> {
        let usable = self.header.capacity - if append.is_last_word { 0 } else { RESERVE };
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.marks.reserve(len, usable, append.is_event).ok_or(Refused::Full)
    }

    #[inline]
    fn append_mapped(
        &self,
        mapping: &Mapping,
        append: &Append<impl Fill>,
        stamp: Stamp,
        len: usize,
    ) -> Result<u64, Refused> {
        let _line = self.queue();
        let room = self.reserve(append, len)?;
        let start = room.start;
        let offset = usize::try_from(start.offset()).unwrap_or(usize::MAX);
        // SAFETY: the range was just reserved by this thread, and nobody else gets it: reservations only move forward.
        let bytes = unsafe { mapping.exclusive(offset..offset + len) };
        let word = bytes.and_then(|bytes| self.encode(bytes, append, stamp, start));
        #[cfg(feature = "fault-injection")]
        if let (Some(word), Some(fault)) = (word, crate::fault::chosen()) {
            self.publish_wrongly(fault, mapping, word, room, offset..offset + len);
            return Ok(self.header.first_seq + start.seq_delta());
        }
        if self.marks.await_turn(start) > LONG_WAIT {
            self.queueing.store(QUEUED, Ordering::Relaxed);
        }
        if let Some(word) = word.filter(|_| !Guard::PublishedBeforeReturn.is_off()) {
            mapping.publish(offset, word);
        }
        self.marks.publish(room);
        self.check_mapping().map_err(Refused::Failed)?;
        if room.end.offset() > self.ask_at.load(Ordering::Relaxed) {
            self.ask();
        }
        match word {
            Some(_) => Ok(self.header.first_seq + start.seq_delta()),
            None => Err(Refused::Failed(unencodable(&self.path()))),
        }
    }

    /// Threads fill their records at the same time as long as none of them has to wait for long. When one did, the thread before it had
    /// been taken off its processor in the middle; and as each waits for the one before, that happens to all of them again and again. Then they
    /// take turns for a while: who waits for a lock uses no processor, and who has one can append more than one record.
    #[inline]
    fn queue(&self) -> Option<MutexGuard<'_, ()>> {
        if self.queueing.load(Ordering::Relaxed) == 0 { None } else { Some(self.stand_in_line()) }
    }

    #[cold]
    fn stand_in_line(&self) -> MutexGuard<'_, ()> {
        let line = lock(&self.line);
        self.queueing.store(self.queueing.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        line
    }

    #[cfg(feature = "fault-injection")]
    fn publish_wrongly(
        &self,
        fault: crate::fault::Fault,
        mapping: &Mapping,
        word: [u8; 8],
        room: Room,
        range: std::ops::Range<usize>,
    ) {
        match fault {
            crate::fault::Fault::WordFirst => {
                let behind_word = range.start + 8..range.end;
                // SAFETY: the range is still this thread's alone, as in `append_mapped`.
                let Some(rest) = (unsafe { mapping.exclusive(behind_word) }) else { return };
                let whole = rest.to_vec();
                rest.fill(0);
                self.marks.await_turn(room.start);
                mapping.publish(range.start, word);
                std::thread::yield_now();
                rest.copy_from_slice(&whole);
                self.marks.publish(room);
            }
            crate::fault::Fault::OutOfTurn => {
                if room.start.offset().is_multiple_of(64) {
                    std::thread::yield_now();
                }
                mapping.publish(range.start, word);
                self.marks.publish_out_of_turn(room);
            }
        }
    }

    /// Encodes into `room`, or, if that fails, a void record of the same length: room that was reserved is never left a hole.
    #[inline]
    fn encode(
        &self,
        room: &mut [u8],
        append: &Append<impl Fill>,
        stamp: Stamp,
        start: Mark,
    ) -> Option<[u8; 8]> {
        let frame = Frame {
            salted: &self.salted,
            offset: start.offset(),
            kind: append.kind,
            flags: 0,
            seq_delta: u32::try_from(start.seq_delta()).ok()?,
            stamp,
        };
        write_record(room, &frame, append.body_len, &append.fill)
            .or_else(|| write_void(room, frame, append.body_len))
    }

    fn append_written(
        &self,
        file: &File,
        buffer: &Mutex<Vec<u8>>,
        append: &Append<impl Fill>,
        stamp: Stamp,
        len: usize,
    ) -> Result<u64, Refused> {
        let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock there is one writer: what is reserved here is given back if it can't be written.
        let room = self.reserve(append, len)?;
        let start = room.start;
        buffer.clear();
        buffer.resize(len, 0);
        let written = match self.encode(&mut buffer, append, stamp, start) {
            Some(word) => {
                if let Some(to) = buffer.get_mut(..8) {
                    to.copy_from_slice(&word);
                }
                write_at(file, &buffer, start.offset()).map_err(|e| Error::io("append to", &self.path(), e))
            }
            None => Err(unencodable(&self.path())),
        };
        if buffer.capacity() > 1 << 20 {
            *buffer = Vec::new();
        }
        if let Err(error) = written {
            // What was written in part is not published to our readers, and the next record overwrites it.
            let _ = write_at(file, &[0; 8], start.offset());
            self.marks.give_back(room);
            return Err(Refused::Failed(error));
        }
        self.marks.publish(room);
        Ok(self.header.first_seq + start.seq_delta())
    }

    /// Lets nobody reserve any more, waits for those who have, and returns how far it is published then.
    pub(crate) fn close(&self) -> Published {
        let last = self.marks.close();
        if let Medium::Written(_, buffer) = &self.medium {
            // Whoever reserved holds the lock until it is published or given back.
            drop(buffer.lock().unwrap_or_else(PoisonError::into_inner));
        } else {
            self.marks.await_turn(last);
        }
        self.published()
    }

    /// Takes back `close`, when what was to come after it failed.
    pub(crate) fn reopen(&self) {
        self.marks.reopen();
    }

    #[cfg(feature = "fault-injection")]
    pub(crate) fn hold_lock(&self) {
        if let Medium::Written(_, buffer) = &self.medium {
            std::mem::forget(buffer.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Says in the file that no further record will come.
    pub(crate) fn seal(&self, disk: &Disk) -> Result<()> {
        let Published { offset, next_seq } = self.published();
        let seal = Seal { count: next_seq - self.header.first_seq, last_seq: next_seq - 1, end: offset };
        let bytes = seal.encode(&self.salted);
        match (&self.medium, usize::try_from(SEAL_AT), bytes.split_first_chunk()) {
            // The magic last: a process that is killed on the way leaves no seal, and no damaged one either.
            (Medium::Mapped(mapping), Ok(at), Some((magic, rest))) => {
                self.write_page(disk, SEAL_AT + 8, rest)?;
                mapping.publish(at, *magic);
                Ok(())
            }
            _ => self.write_page(disk, SEAL_AT, &bytes),
        }
    }

    /// Gives unused blocks back. Only when it is sealed.
    pub(crate) fn punch(&self, disk: &Disk) {
        let _readying = lock(&self.readying);
        let from = self.published().offset.next_multiple_of(4096);
        match &self.medium {
            // The descriptor was closed after mapping: ten thousand sessions must fit in a thousand descriptors.
            Medium::Mapped(_) => {
                if let Ok(file) = std::fs::OpenOptions::new().write(true).open(self.path()) {
                    disk.punch(&file, from, self.header.capacity);
                }
            }
            Medium::Written(file, _) => disk.punch(file, from, self.header.capacity),
        }
    }

    /// Syncs everything that is published; `ahead` says that many more syncs will follow. A closed segment gives its memory back then.
    pub(crate) fn sync(&self, disk: &Disk, ahead: bool) -> Result<()> {
        let closed = self.marks.is_closed();
        let end = self.published().offset;
        match &self.medium {
            Medium::Mapped(mapping) => {
                // The page in which the last sync ended is not whole in it. Closing has written the header page again.
                let from = if closed { 0 } else { self.synced.load(Ordering::Acquire) & !4095 };
                let to = if ahead && !closed { self.write_ahead(mapping, end) } else { end };
                let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(usize::MAX);
                // Else the kernel takes each page out of the mapping by itself, and interrupts every processor for it. The last is not full.
                if range.len() > LET_GO {
                    mapping.let_go(range.start..usize::try_from(end & !4095).unwrap_or(0));
                }
                disk.before(crate::disk::Step::Sync(&self.path()))
                    .and_then(|()| mapping.sync(range))
                    .map_err(|e| Error::io("sync", &self.path(), e))?;
            }
            Medium::Written(file, _) => disk.sync(file, &self.path())?,
        }
        self.check_mapping()?;
        self.note_synced(end)
    }

    /// Everything up to `end` has been synced, if the file is still there.
    pub(crate) fn note_synced(&self, end: u64) -> Result<()> {
        self.check_file().map_err(|e| Error::io("look for", &self.path(), e))?;
        let before = self.synced.fetch_max(end, Ordering::AcqRel);
        let closed = self.marks.is_closed();
        match &self.medium {
            Medium::Mapped(mapping) if closed && !self.is_unsynced() => mapping.let_go(0..mapping.len()),
            // The first sync of a segment may come at its very beginning.
            Medium::Mapped(_) if !closed && before > 0 && self.header.capacity >= WORTH_IT => {
                let is_wasteful =
                    end.saturating_sub(before) < self.pages.len() / 2 && self.pages != Pages::Small;
                self.is_wasteful.fetch_or(is_wasteful, Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(())
    }

    /// Up to where to sync. A sync that meets blocks which have only been allocated also commits the file system's journal: half as much
    /// again, and twice the bytes. So one of them in many writes blocks ahead for the others.
    fn write_ahead(&self, mapping: &Mapping, end: u64) -> u64 {
        if end <= self.written.load(Ordering::Relaxed) {
            return end;
        }
        if self.written.load(Ordering::Relaxed) == 0 {
            mapping.use_pages(Pages::Small);
        }
        let to = (end + AHEAD).next_multiple_of(4096).min(self.header.capacity);
        if !self.make_ready(mapping, end & !4095, to) {
            return end;
        }
        self.written.fetch_max(to, Ordering::Relaxed);
        to
    }

    /// I8: what was stored into a mapping that has lost its file is nowhere.
    #[inline]
    pub(crate) fn check_mapping(&self) -> Result<()> {
        match &self.medium {
            Medium::Mapped(mapping) if mapping.is_lost() => Err(lost(&self.path())),
            _ => Ok(()),
        }
    }

    /// A file without a name, or one that was cut, syncs as well as any other, and nothing in it is durable (I8).
    fn check_file(&self) -> io::Result<()> {
        if file_len(&self.path())? < self.header.capacity {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "somebody has cut it"));
        }
        Ok(())
    }

    /// Writes into the header page, outside the records.
    fn write_page(&self, disk: &Disk, offset: u64, bytes: &[u8]) -> Result<()> {
        match &self.medium {
            Medium::Mapped(mapping) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                // SAFETY: header, seal and slots have one writer each, which holds the roll lock or has not shared this segment yet.
                if let Some(to) = unsafe { mapping.exclusive(from..from.saturating_add(bytes.len())) } {
                    to.copy_from_slice(bytes);
                }
                Ok(())
            }
            Medium::Written(file, _) => disk.write_at(file, &self.path(), bytes, offset),
        }
    }
}

/// What stands where a body could not be written.
#[cold]
fn write_void(room: &mut [u8], frame: Frame<'_>, body_len: usize) -> Option<[u8; 8]> {
    let frame = Frame { flags: frame.flags | VOID, ..frame };
    write_record(room, &frame, body_len, |body| (0..body_len).try_for_each(|_| body.write(&[0])))
}

#[cold]
fn lost(path: &Path) -> Error {
    let why = "a page of it is gone: somebody has cut it, or its device cannot read it";
    Error::io("store into", path, io::Error::new(io::ErrorKind::UnexpectedEof, why))
}

#[cold]
fn unencodable(path: &Path) -> Error {
    Error::io("encode an event for", path, io::Error::from(io::ErrorKind::InvalidData))
}

/// The append path of file systems that do not promise a block for every mapped page. It does not go through the door: a test
/// that wants it to fail fills the disk.
#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
