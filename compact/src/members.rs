//! Members of JSON objects, and where the text goes.

use std::{fmt, io};

use tracewal_format::json::write_str;
use tracewal_format::time::{Time, write_ms};

use crate::rfc3339;

/// Begins a member of an object: the comma, unless it is the first, and the key.
pub(crate) fn key(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write_str(name, out);
    out.push(b':');
}

pub(crate) fn text(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        key(name, out);
        write_str(value, out);
    }
}

pub(crate) fn number(name: &str, value: impl fmt::Display, out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(value.to_string().as_bytes());
}

pub(crate) fn ms(name: &str, ns: i128, out: &mut Vec<u8>) {
    key(name, out);
    write_ms(ns, out);
}

pub(crate) fn date(name: &str, time: Time, out: &mut Vec<u8>) {
    key(name, out);
    rfc3339::write(time, out);
}

/// Appends the elements of an array, separated.
pub(crate) fn array<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// How much is collected before it is written, in bytes.
const FLUSH_AT: usize = 256 * 1024;

/// What is written, counted.
pub(crate) struct Counted<'w, W> {
    pub(crate) out: &'w mut W,
    pub(crate) written: u64,
}

impl<W: io::Write> Counted<'_, W> {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.out.write_all(bytes)
    }
}

/// The document on its way out.
pub(crate) struct Sink<'w, W> {
    pub(crate) buffer: Vec<u8>,
    pub(crate) out: Counted<'w, W>,
}

impl<'w, W: io::Write> Sink<'w, W> {
    pub(crate) fn new(out: &'w mut W) -> Self {
        Sink { buffer: Vec::new(), out: Counted { out, written: 0 } }
    }

    /// How long the document is so far.
    pub(crate) fn position(&self) -> u64 {
        self.out.written + u64::try_from(self.buffer.len()).unwrap_or(u64::MAX)
    }

    /// Empties the buffer when there is much in it. Never right behind a `{`: in an empty buffer, `key` puts a comma.
    pub(crate) fn flush(buffer: &mut Vec<u8>, out: &mut Counted<'_, W>) -> io::Result<()> {
        if buffer.len() < FLUSH_AT {
            return Ok(());
        }
        Self::empty(buffer, out)
    }

    /// Empties the buffer.
    pub(crate) fn empty(buffer: &mut Vec<u8>, out: &mut Counted<'_, W>) -> io::Result<()> {
        out.write_all(buffer)?;
        if buffer.capacity() > 4 * FLUSH_AT {
            *buffer = Vec::new();
        }
        buffer.clear();
        Ok(())
    }
}
