//! Looking for the next thing in bytes that are mostly zeros.

use super::LogSource;
use crate::checksum::Salted;
use crate::record::{RECORD_HEADER, RecordHeader, align};

const SEARCH_WINDOW: usize = 64 * 1024;

/// The first offset from `from` on, in steps of 8, at which a header checks.
pub(super) fn find_header<S: LogSource>(
    source: &mut S,
    from: u64,
    avail: u64,
    salted: &Salted,
) -> Result<Option<u64>, S::Error> {
    let mut base = align(from);
    loop {
        base = source.next_data(base)?.max(base) & !7;
        if base.saturating_add(24) > avail {
            return Ok(None);
        }
        let window = super::usize_of_u64((avail - base).min(super::wide(SEARCH_WINDOW)));
        let bytes = source.read(base, window)?;
        if bytes.len() < RECORD_HEADER {
            return Ok(None);
        }
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + RECORD_HEADER) {
            // A kind of 0 is not a record; most of what is searched is zeros.
            if header.get(4) == Some(&0) {
                at += 8;
                continue;
            }
            let q = base + super::wide(at);
            if RecordHeader::decode(header, salted, q).is_some_and(|header| header.end(q) <= avail) {
                return Ok(Some(q));
            }
            at += 8;
        }
        base += super::wide(at);
    }
}

/// Whether every byte from `from` on is zero.
pub(super) fn is_zero<S: LogSource>(source: &mut S, from: u64) -> Result<bool, S::Error> {
    let mut base = from;
    loop {
        base = source.next_data(base)?.max(base);
        let bytes = source.read(base, SEARCH_WINDOW)?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if bytes.iter().any(|b| *b != 0) {
            return Ok(false);
        }
        base += super::wide(bytes.len());
    }
}

/// Where the last byte at or behind `from` is that is not zero; `from` when there is none.
pub(super) fn last_nonzero<S: LogSource>(source: &mut S, from: u64) -> Result<u64, S::Error> {
    let (mut base, mut last) = (from, from);
    loop {
        base = source.next_data(base)?.max(base);
        let bytes = source.read(base, SEARCH_WINDOW)?;
        if bytes.is_empty() {
            return Ok(last);
        }
        if let Some(at) = bytes.iter().rposition(|b| *b != 0) {
            last = base + super::wide(at);
        }
        base += super::wide(bytes.len());
    }
}
