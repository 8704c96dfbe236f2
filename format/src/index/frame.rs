//! The records of which an index's files are made.

use super::row::Row;
use super::{Bytes, put_text};
use crate::checksum::crc;

/// Bytes in front of a record's kind: length and checksum.
pub const HEAD: usize = 8;

/// No record is longer, without its head.
pub const FRAME_MAX: usize = 32 << 10;

const ROW: u8 = 1;
const UNKNOWN: u8 = 2;
const MARK: u8 = 3;

/// Says that the index was complete: every session that was in the folder of sessions when that looked so is in the index, or had
/// an owner entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// When the folder of sessions last changed, in nanoseconds since the epoch.
    pub changed_ns: i64,
    /// The folder's inode.
    pub inode: u64,
    /// The machine's boot id at that time. A power cut may have taken what was written to the index before.
    pub boot_id: u128,
    /// The version of the fold that all rows are of.
    pub fold_version: u32,
    /// In a tail: the [identity](super::BaseHeader::identity) of the base that it was added to. With another base it says nothing.
    pub base: u32,
}

impl Mark {
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        to.extend(self.changed_ns.to_le_bytes());
        to.extend(self.inode.to_le_bytes());
        to.extend(self.boot_id.to_le_bytes());
        to.extend(self.fold_version.to_le_bytes());
        to.extend(self.base.to_le_bytes());
    }

    pub(super) fn take(bytes: &mut super::Bytes<'_>) -> Option<Self> {
        Some(Mark {
            changed_ns: bytes.i64()?,
            inode: bytes.u64()?,
            boot_id: bytes.u128()?,
            fold_version: bytes.u32()?,
            base: bytes.u32()?,
        })
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A session.
    Row(Box<Row>),
    /// A session of this name changed, or went away, and nothing else is known.
    Unknown(String),
    /// The index was complete.
    Mark(Mark),
}

impl Frame {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        match self {
            Frame::Row(row) => {
                bytes.push(ROW);
                row.put(&mut bytes);
            }
            Frame::Unknown(name) => {
                bytes.push(UNKNOWN);
                put_text(&mut bytes, name);
            }
            Frame::Mark(mark) => {
                bytes.push(MARK);
                mark.put(&mut bytes);
            }
        }
        let body = bytes.get(HEAD..).unwrap_or_default();
        let (len, sum) = (u32::try_from(body.len()).unwrap_or(0).to_le_bytes(), crc(body).to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(len.into_iter().chain(sum)) {
            *to = from;
        }
        bytes
    }

    /// The record at the front of `bytes`, and its length. `None`: there is no whole one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let body = body_of(bytes)?;
        let len = HEAD + body.len();
        let mut body = Bytes(body);
        let frame = match body.u8()? {
            ROW => Frame::Row(Box::new(Row::take(&mut body)?)),
            UNKNOWN => Frame::Unknown(take_name(&mut body)?.to_owned()),
            MARK => Frame::Mark(Mark::take(&mut body)?),
            _ => return None,
        };
        body.is_used_up().then_some((frame, len))
    }

    /// The name in the record at the front of `bytes`, if it is a whole one about a session. Cheaper than [`decode`](Self::decode).
    #[must_use]
    pub fn name_in(bytes: &[u8]) -> Option<&str> {
        let mut body = Bytes(body_of(bytes)?);
        matches!(body.u8()?, ROW | UNKNOWN).then(|| take_name(&mut body))?
    }

    /// The name of the session that it is about.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Frame::Row(row) => Some(&row.name),
            Frame::Unknown(name) => Some(name),
            Frame::Mark(_) => None,
        }
    }
}

fn body_of(bytes: &[u8]) -> Option<&[u8]> {
    let mut head = Bytes(bytes);
    let (len, sum) = (usize::try_from(head.u32()?).ok()?, head.u32()?);
    let body = head.0.get(..len).filter(|_| len <= FRAME_MAX)?;
    (crc(body) == sum).then_some(body)
}

/// A name that is not that of a session's folder would lead elsewhere.
pub(super) fn take_name<'a>(bytes: &mut Bytes<'a>) -> Option<&'a str> {
    bytes.text().filter(|name| !name.is_empty() && !name.contains(['.', '/', '\\', '\0']))
}

/// The records in a file, from its beginning to its end or to the first bytes that are none.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Frames { rest: bytes }
    }

    /// Whether what is left, once nothing more comes, is not a record.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let (frame, len) = Frame::decode(self.rest)?;
        self.rest = self.rest.get(len..).unwrap_or_default();
        Some(frame)
    }
}
