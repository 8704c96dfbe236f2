//! What is known of each segment before its records are read.

use crate::checksum::Salted;
use crate::segment::{Header, Seal, Slot};

#[derive(Clone, Debug)]
pub(super) struct Readable {
    pub(super) header: Header,
    pub(super) salted: Salted,
    pub(super) first_record: u64,
    pub(super) seal: Option<Seal>,
    pub(super) size: u64,
    /// Damaged ranges of the header page.
    pub(super) page_damage: Vec<(u64, u64)>,
    pub(super) slots: Vec<(u32, Option<Slot<'static>>)>,
}

impl Readable {
    pub(super) fn bound(&self) -> u64 {
        self.seal.map_or(self.header.capacity, |seal| seal.end)
    }

    pub(super) fn avail(&self) -> u64 {
        self.bound().min(self.size)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Not there: this number, and maybe numbers behind it.
    Absent,
    Unborn,
    Unreadable {
        size: u64,
    },
    TooNew {
        size: u64,
    },
    Readable(Box<Readable>),
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) content: Content,
    pub(super) limit: u64,
}

impl Segment {
    pub(super) fn file(&self) -> String {
        segment_file(self.number)
    }

    pub(super) fn readable(&self) -> Option<&Readable> {
        match &self.content {
            Content::Readable(readable) => Some(readable),
            _ => None,
        }
    }
}

/// The file name of a segment.
#[must_use]
pub fn segment_file(number: u64) -> String {
    format!("{number}.wal")
}

/// The number of a segment's file name; `None` when it is not one.
#[must_use]
pub fn segment_number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".wal")?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}
