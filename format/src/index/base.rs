//! The sorted part of an index: a header, a key of fixed size for every session, the newest first, and the records themselves. Who
//! lists reads the keys, and of the records only those that are shown.

use super::Bytes;
use super::frame::{Frame, Mark};
use crate::checksum::crc;
use crate::time::Time;

const MAGIC: [u8; 8] = *b"TWALIDX\x01";

/// Length of a key in bytes.
pub const KEY_LEN: usize = 40;

const HAS_TIME: u8 = 1;
const IS_UNKNOWN: u8 = 2;

/// What is in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseHeader {
    /// How many keys there are.
    pub keys: u64,
    /// The checksum of all keys.
    pub keys_sum: u32,
    /// Length of the records in bytes.
    pub rows_len: u64,
    /// The index was complete.
    pub mark: Option<Mark>,
}

impl BaseHeader {
    /// Its length in bytes.
    pub const LEN: usize = 76;

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(self.rows_len.to_le_bytes());
        bytes.extend(self.keys_sum.to_le_bytes());
        bytes.extend(u32::from(self.mark.is_some()).to_le_bytes());
        self.mark.unwrap_or_default().put(&mut bytes);
        bytes.extend(crc(&bytes).to_le_bytes());
        bytes
    }

    /// By what a mark knows its base: the header's own checksum.
    #[must_use]
    pub fn identity(&self) -> u32 {
        self.encode().split_last_chunk().map_or(0, |(_, sum)| u32::from_le_bytes(*sum))
    }

    /// `None`: it is not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.get(..Self::LEN)?.split_last_chunk()?;
        if crc(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut body = Bytes(body);
        if body.array()? != MAGIC {
            return None;
        }
        let (keys, rows_len, keys_sum, has_mark) = (body.u64()?, body.u64()?, body.u32()?, body.u32()?);
        let mark = Mark::take(&mut body).filter(|_| has_mark == 1);
        Some(BaseHeader { keys, keys_sum, rows_len, mark })
    }

    /// Length of the keys in bytes; `None`: more than can be.
    #[must_use]
    pub fn keys_len(&self) -> Option<usize> {
        usize::try_from(self.keys).ok()?.checked_mul(KEY_LEN)
    }
}

/// By what names are told apart where the records are not read: the checksum, and FNV-1a of 32 bits, which is of another kind.
#[must_use]
pub fn name_sum(name: &str) -> u64 {
    let fnv =
        name.bytes().fold(0x811C_9DC5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(crc(name.as_bytes())) << 32 | u64::from(fnv)
}

/// By what a session is found, filtered and sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Time of its first event, if anything of it can be read.
    pub started_at: Option<Time>,
    /// The [`name_sum`] of its name.
    pub name_sum: u64,
    /// As in its row; `None`: nothing is known of it.
    pub status: Option<u8>,
    /// Where its record begins, from the first one on.
    pub at: u64,
    /// Length of its record in bytes.
    pub len: u32,
}

impl Key {
    /// Of a record about a session, which will stand `at` and take `len` bytes.
    #[must_use]
    pub fn of(frame: &Frame, at: u64, len: u32) -> Option<Self> {
        let name_sum = name_sum(frame.name()?);
        let (started_at, status) = match frame {
            Frame::Row(row) => ((!row.is_unreadable).then_some(row.started_at), Some(row.status)),
            _ => (None, None),
        };
        Some(Key { started_at, name_sum, status, at, len })
    }

    /// Its bytes.
    pub fn put(&self, to: &mut Vec<u8>) {
        to.extend(self.started_at.map_or(0, Time::as_ns).to_le_bytes());
        to.extend(self.at.to_le_bytes());
        to.extend(self.len.to_le_bytes());
        to.extend(self.name_sum.to_le_bytes());
        to.push(self.status.unwrap_or(0));
        to.push(
            u8::from(self.started_at.is_some()) * HAS_TIME + u8::from(self.status.is_none()) * IS_UNKNOWN,
        );
        to.extend([0; 2]);
    }

    /// The key at the front of these bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let time = bytes.i128()?;
        let (at, len, name_sum, status, flags) =
            (bytes.u64()?, bytes.u32()?, bytes.u64()?, bytes.u8()?, bytes.u8()?);
        Some(Key {
            started_at: (flags & HAS_TIME != 0).then(|| Time::from_ns(time)),
            name_sum,
            status: (flags & IS_UNKNOWN == 0).then_some(status),
            at,
            len,
        })
    }
}
