//! Writes a whole segment to a file, for recovery and repair: under a temporary name, complete, sealed and synced before it gets its
//! own.

use std::fs::File;
use std::path::{Path, PathBuf};

use tracewal_format::checksum::Salted;
use tracewal_format::event::{Event, Gap};
use tracewal_format::record::{
    DURABLE_MARK, FIRST_LOG_KIND, Frame, GAP, RECORD_HEADER, Stamp, VOID, align, write_record,
};
use tracewal_format::segment::{HEADER_COPY_AT, HEADER_PAGE, Header, SEAL_AT, Seal};
use tracewal_format::time::Time;

use crate::disk::Disk;
use crate::error::{Error, Result};

const BUFFER: usize = 1 << 20;

/// A segment that is being written from its first record to its last.
#[derive(Debug)]
pub(crate) struct SegmentWriter<'d> {
    disk: &'d Disk,
    file: File,
    path: PathBuf,
    header: Header,
    salted: Salted,
    /// Records that are not in the file yet; they begin at `flushed`.
    buffer: Vec<u8>,
    flushed: u64,
    next_seq: u64,
}

impl<'d> SegmentWriter<'d> {
    /// Begins a segment in this file, which is created or emptied. The header's capacity is set at the end.
    pub(crate) fn new(disk: &'d Disk, path: &Path, header: Header) -> Result<Self> {
        let file = disk.create(path)?;
        let (salted, next_seq) = (Salted::new(header.salt), header.first_seq);
        let path = path.to_owned();
        Ok(SegmentWriter {
            disk,
            file,
            path,
            header,
            salted,
            buffer: Vec::new(),
            flushed: HEADER_PAGE,
            next_seq,
        })
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Its length so far in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.flushed + u64::try_from(self.buffer.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn event(&mut self, time: Time, event: &Event<'_>) -> Result<u64> {
        let mut body = vec![0; event.encoded_len()];
        event.encode_into(&mut body).map_err(|_| self.invalid())?;
        self.body(time, event.kind(), 0, &body)
    }

    /// Writes an event as it was, with the number `seq`; numbers between are void.
    pub(crate) fn copy(&mut self, seq: u64, time: Time, kind: u8, flags: u8, body: &[u8]) -> Result<()> {
        while self.next_seq < seq {
            self.body(time, kind, VOID, &[])?;
        }
        self.body(time, kind, flags, body).map(|_| ())
    }

    pub(crate) fn gap(&mut self, gap: &Gap<'_>) -> Result<()> {
        let body = gap.encode_body().map_err(|_| self.invalid())?;
        let base = Time::from_ns(i128::from(self.header.wall_base_ns));
        while self.next_seq < gap.first && gap.first <= gap.last {
            self.body(base, 13, VOID, &[])?;
        }
        self.body(base, GAP, 0, &body)?;
        if gap.first <= gap.last {
            self.next_seq = self.next_seq.max(gap.last + 1);
        }
        Ok(())
    }

    /// Says that everything up to the last event is durable: true once the file has its name.
    pub(crate) fn durable_mark(&mut self) -> Result<()> {
        let base = Time::from_ns(i128::from(self.header.wall_base_ns));
        self.body(base, DURABLE_MARK, 0, &(self.next_seq - 1).to_le_bytes()).map(|_| ())
    }

    fn body(&mut self, time: Time, kind: u8, flags: u8, body: &[u8]) -> Result<u64> {
        let stamp = Stamp::new(time, self.header.wall_base_ns);
        let (offset, start) = (self.len(), self.buffer.len());
        self.buffer.resize(start + RECORD_HEADER + stamp.body_len() + body.len(), 0);
        let seq_delta = u32::try_from(self.next_seq - self.header.first_seq).map_err(|_| self.invalid())?;
        let frame = Frame { salted: &self.salted, offset, kind, flags, seq_delta, stamp };
        let room = self.buffer.get_mut(start..).unwrap_or_default();
        let word = write_record(room, &frame, body.len(), |to| to.write(body));
        match (word, room.get_mut(..8)) {
            (Some(word), Some(to)) => to.copy_from_slice(&word),
            _ => return Err(self.invalid()),
        }
        let end = usize::try_from(align(self.len()) - self.flushed).unwrap_or(usize::MAX);
        self.buffer.resize(end, 0);
        let seq = self.next_seq;
        if kind < FIRST_LOG_KIND {
            self.next_seq += 1;
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(seq)
    }

    fn flush(&mut self) -> Result<()> {
        self.disk.write_at(&self.file, &self.path, &self.buffer, self.flushed)?;
        self.flushed = self.len();
        self.buffer.clear();
        Ok(())
    }

    /// Seals it, writes its header, syncs it, and gives it its name. The folder is the caller's to sync.
    pub(crate) fn finish(mut self, name: &Path) -> Result<()> {
        let end = self.len();
        self.flush()?;
        self.header.capacity = end.next_multiple_of(4096);
        self.disk.set_len(&self.file, &self.path, self.header.capacity)?;
        let seal = Seal { count: self.next_seq - self.header.first_seq, last_seq: self.next_seq - 1, end };
        let header = self.header.encode();
        for (bytes, offset) in
            [(header.as_slice(), 0), (&header, HEADER_COPY_AT), (&seal.encode(&self.salted), SEAL_AT)]
        {
            self.disk.write_at(&self.file, &self.path, bytes, offset)?;
        }
        self.disk.sync(&self.file, &self.path)?;
        self.disk.rename(&self.path, name)
    }

    fn invalid(&self) -> Error {
        Error::io("encode an event for", &self.path, std::io::ErrorKind::InvalidData.into())
    }
}
