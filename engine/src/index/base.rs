//! The sorted file, as it is read.

use std::fs::File;
use std::io;

use tracewal_format::checksum::crc;
use tracewal_format::index::frame::{FRAME_MAX, HEAD};
use tracewal_format::index::{BaseHeader, KEY_LEN, Key, Mark};

/// The keys of more sessions than this are not read into memory (I11): then there is no index.
const KEYS_MAX: usize = 1 << 30;

/// What is read ahead of a record whose neighbour has been read.
const WINDOW: usize = 256 << 10;

/// An open base.
#[derive(Debug)]
pub(super) struct Base {
    file: File,
    header: BaseHeader,
    keys: Vec<u8>,
}

impl Base {
    /// `None`: it is not a whole one.
    pub(super) fn open(file: File) -> Option<Self> {
        let len = file.metadata().ok()?.len();
        let header = BaseHeader::decode(&read(&file, 0, BaseHeader::LEN).ok()?)?;
        let keys_len = header.keys_len().filter(|len| *len <= KEYS_MAX)?;
        let front = u64::try_from(BaseHeader::LEN + keys_len).ok()?;
        if front.checked_add(header.rows_len)? != len {
            return None;
        }
        let keys = read(&file, u64::try_from(BaseHeader::LEN).ok()?, keys_len).ok()?;
        (crc(&keys) == header.keys_sum).then_some(Base { file, header, keys })
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.header.mark
    }

    pub(super) fn identity(&self) -> u32 {
        self.header.identity()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.keys.chunks_exact(KEY_LEN).filter_map(Key::decode)
    }

    /// The bytes of a record. `None`: it is not there.
    pub(super) fn record(&self, key: &Key) -> Option<Vec<u8>> {
        let (at, len) = self.place(key)?;
        read(&self.file, at, len).ok()
    }

    /// The bytes of a record, through a window that is good for reading on.
    pub(super) fn record_in<'w>(&self, key: &Key, window: &'w mut Window) -> Option<&'w [u8]> {
        let (at, len) = self.place(key)?;
        let is_inside = |window: &Window| {
            let from = usize::try_from(at.checked_sub(window.at)?).ok()?;
            (from + len <= window.bytes.len()).then_some(from)
        };
        if is_inside(window).is_none() {
            let rest = self.end().saturating_sub(at);
            window.bytes = read(&self.file, at, WINDOW.max(len).min(usize::try_from(rest).ok()?)).ok()?;
            window.at = at;
        }
        let from = is_inside(window)?;
        window.bytes.get(from..from + len)
    }

    fn end(&self) -> u64 {
        let front = u64::try_from(BaseHeader::LEN + self.keys.len()).unwrap_or(u64::MAX);
        front.saturating_add(self.header.rows_len)
    }

    fn place(&self, key: &Key) -> Option<(u64, usize)> {
        let at = self.end().checked_sub(self.header.rows_len)?.checked_add(key.at)?;
        let len = usize::try_from(key.len).ok().filter(|len| *len <= HEAD + FRAME_MAX)?;
        (at.checked_add(u64::from(key.len))? <= self.end()).then_some((at, len))
    }
}

/// What has been read of a base's records.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    at: u64,
}

#[cfg(unix)]
fn read(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, at)?;
    Ok(bytes)
}

#[cfg(not(unix))]
fn read(_file: &File, _at: u64, _len: usize) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}
