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
    while base + 24 <= avail {
        base = source.next_data(base)?.max(base) & !7;
        if base + 24 > avail {
            break;
        }
        let window = super::usize_of_u64((avail - base).min(super::wide(SEARCH_WINDOW)));
        let bytes = source.read(base, window)?;
        if bytes.len() < RECORD_HEADER {
            break;
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
    Ok(None)
}

pub(super) fn next_nonzero<S: LogSource>(
    source: &mut S,
    from: u64,
    size: u64,
) -> Result<Option<u64>, S::Error> {
    let mut base = from;
    while base < size {
        base = source.next_data(base)?.max(base);
        let bytes = source.read(base, SEARCH_WINDOW)?;
        if bytes.is_empty() {
            break;
        }
        if let Some(at) = bytes.iter().position(|b| *b != 0) {
            return Ok(Some(base + super::wide(at)));
        }
        base += super::wide(bytes.len());
    }
    Ok(None)
}

pub(super) fn last_nonzero<S: LogSource>(source: &mut S, from: u64, size: u64) -> Result<u64, S::Error> {
    let (mut base, mut last) = (from, from);
    while base < size {
        base = source.next_data(base)?.max(base);
        let bytes = source.read(base, SEARCH_WINDOW)?;
        if bytes.is_empty() {
            break;
        }
        if let Some(at) = bytes.iter().rposition(|b| *b != 0) {
            last = base + super::wide(at);
        }
        base += super::wide(bytes.len());
    }
    Ok(last)
}
