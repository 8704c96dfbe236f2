//! What an import found, and why it stopped.

use std::{fmt, io};

use super::checkpoint::Checkpoint;
use super::out::Totals;

/// How many invalid lines a report lists; the others are only counted.
const LISTED_LINES: usize = 1000;

/// What an import found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The tool's own id for the session.
    pub session_id: String,
    /// Lines in the file, with a torn last one.
    pub lines: u64,
    /// Lines that events carry. Less than `lines` would be a bug here.
    pub represented: u64,
    /// Of these, lines that are kept as notes.
    pub notes: u64,
    /// Lines that hold nothing but white space: represented by nothing.
    pub blank: u64,
    /// Lines that were kept without being understood: not JSON, or too long. The first thousand.
    pub invalid: Vec<InvalidLine>,
    /// How many such lines there are.
    pub invalid_lines: u64,
    /// What the session adds up to, over all lines.
    pub totals: Totals,
    /// Where the file ended.
    pub checkpoint: Checkpoint,
    /// Whether anything was new.
    pub added: bool,
}

impl Report {
    /// Whether every line was understood: what `--strict` asks for.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.invalid_lines == 0 && self.represented == self.lines
    }

    /// The last line is kept as a note, without being understood.
    pub(super) fn invalid(&mut self, reason: String) {
        self.represented += 1;
        self.notes += 1;
        self.invalid_lines += 1;
        if self.invalid.len() < LISTED_LINES {
            self.invalid.push(InvalidLine { line: self.lines, reason });
        }
    }
}

/// A line that was kept without being understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why an import stopped.
#[derive(Debug)]
pub enum ImportError<E> {
    /// The file could not be read.
    Read(io::Error),
    /// The sink refused an event.
    Sink(E),
    /// The lines that were imported before are not the ones that the file has now. Nothing has been handed on.
    Changed {
        /// How many lines were to be the same.
        lines: u64,
    },
}

impl<E: fmt::Display> fmt::Display for ImportError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Read(error) => write!(f, "{error}"),
            ImportError::Sink(error) => write!(f, "{error}"),
            ImportError::Changed { lines } => write!(
                f,
                "the first {lines} lines are not the ones that were imported before: only files that grow can be imported \
                 again; to take the file as it is now, prune the session first"
            ),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for ImportError<E> {}

impl<E> From<E> for ImportError<E> {
    fn from(error: E) -> Self {
        ImportError::Sink(error)
    }
}
