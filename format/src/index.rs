//! The index of a store (SPEC.md section 17): what listing has to know of sessions that nobody has open, so that it opens no log.
//! A view, like the JSON files: nothing depends on it, and whatever does not check is made again from the logs.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | the records of which its files are made |
//! | [`row`] | what is kept of a session |
//! | [`base`] | the sorted part |

pub mod base;
pub mod frame;
pub mod row;

pub use base::{BaseHeader, KEY_LEN, Key, name_sum};
pub use frame::{Frame, Frames, Mark};
pub use row::{FilesStamp, Row};

/// Reads fixed and counted values from the front of bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn i128(&mut self) -> Option<i128> {
        self.array().map(i128::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.u32()?).ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    // A row is bounded long before this, and a name by the file system.
    to.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    if u32::try_from(text.len()).is_ok() {
        to.extend(text.as_bytes());
    }
}
