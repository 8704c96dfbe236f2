//! The documents that the page asks for, each made of a [`Trace`](crate::Trace) when it is asked for. docs/viewer.md says what is in them.
//!
//! What is large comes in chunks of a fixed size, by number, so that the page loads what is looked at, and so that the same documents can
//! stand in one file.

mod chat;
mod cost;
pub(crate) mod entries;
mod find;
mod path;
mod rows;
mod search;
pub(crate) mod sessions;
mod skeleton;
mod span;
mod stats;
mod summary;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tracewal_format::time::write_ms;

use crate::error::{Result, ViewError};

pub(crate) use find::Filter;
pub use sessions::SessionRow;
pub(crate) use skeleton::bar_json;
pub use span::TEXT_MAX;

/// How many spans, messages or entries a chunk holds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sizes {
    /// Bars.
    pub skeleton: usize,
    /// Rows of spans.
    pub rows: usize,
    /// Messages.
    pub chat: usize,
    /// Entries of the log, as lines or raw.
    pub log: usize,
    /// Whole spans.
    pub spans: usize,
}

/// The sizes.
pub const SIZES: Sizes = Sizes { skeleton: 4096, rows: 256, chat: 64, log: 256, spans: 64 };

/// Nanoseconds, written as milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ms(pub(crate) i128);

impl From<i64> for Ms {
    fn from(ns: i64) -> Self {
        Ms(ns.into())
    }
}

impl Serialize for Ms {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut text = Vec::new();
        write_ms(self.0, &mut text);
        raw(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// Bytes that are JSON, as they are.
pub(crate) fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    let text = String::from_utf8(json).map_err(|_| ViewError::LogChanged)?;
    Ok(RawValue::from_string(text)?)
}

/// The positions in chunk number `chunk` of so many things. `None`: there is no such chunk.
pub(crate) fn in_chunk(chunk: usize, size: usize, count: usize) -> Option<std::ops::Range<usize>> {
    let from = chunk.checked_mul(size).filter(|from| *from < count || (chunk, count) == (0, 0))?;
    Some(from..from.saturating_add(size).min(count))
}

/// How many chunks it takes: at least one.
pub(crate) fn chunk_count(size: usize, count: usize) -> usize {
    count.div_ceil(size).max(1)
}

/// The tokens of a row, by their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Classes {
    /// Input that was not cached.
    pub input: u64,
    /// Output that is not reasoning.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
}

impl From<[u64; 5]> for Classes {
    fn from([input, output, reasoning, cache_read, cache_write]: [u64; 5]) -> Self {
        Classes { input, output, reasoning, cache_read, cache_write }
    }
}
