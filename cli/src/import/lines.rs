//! A file as lines, without ever holding more than [`LINE_LIMIT_BYTES`] of it.

use std::io::{self, BufRead, Read};

/// Longer lines come in pieces of this size. It leaves room for what an event adds to a line before the default record
/// limit of 64 MiB is reached.
pub const LINE_LIMIT_BYTES: usize = 32 << 20;

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// With a line feed (which is not part of the bytes).
    LineFeed,
    /// With the end of the file: the line may still be growing.
    EndOfFile,
    /// It is longer than the limit, and its next piece follows.
    Continues,
}

/// A line, or a piece of a very long one.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its bytes, without the line feed.
    pub bytes: &'a [u8],
    /// How it ends.
    pub end: LineEnd,
}

/// Reads lines into one buffer.
pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    limit_bytes: usize,
}

impl<R: BufRead> Lines<R> {
    /// Lines of `from`.
    pub fn new(from: R) -> Self {
        Self::with_limit(from, LINE_LIMIT_BYTES)
    }

    /// Lines of `from`, in pieces of at most `limit_bytes` (at least 1).
    pub fn with_limit(from: R, limit_bytes: usize) -> Self {
        Lines { from, buffer: Vec::new(), limit_bytes: limit_bytes.max(1) }
    }

    /// The next line; `None` at the end of the file.
    ///
    /// # Errors
    /// What reading says.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let limit = u64::try_from(self.limit_bytes).unwrap_or(u64::MAX);
        (&mut self.from).take(limit).read_until(b'\n', &mut self.buffer)?;
        let end = match self.buffer.last() {
            None => return Ok(None),
            Some(b'\n') => {
                self.buffer.pop();
                LineEnd::LineFeed
            }
            Some(_) if self.buffer.len() < self.limit_bytes => LineEnd::EndOfFile,
            Some(_) => LineEnd::Continues,
        };
        Ok(Some(Line { bytes: &self.buffer, end }))
    }
}
