//! The frame for whoever has none of its own: length and CRC-32 (IEEE), four bytes each, little-endian, then the encoded event.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::contender::{Result, Seen};
use crate::event::Encoded;

pub const HEADER_LEN: usize = 8;

/// Replaces what is in `out` by the framed event.
#[inline]
pub fn write_to(event: &Encoded<'_>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; HEADER_LEN]);
    event.write_to(out);
    let header = header(&out[HEADER_LEN..]);
    out[..HEADER_LEN].copy_from_slice(&header.to_le_bytes());
}

/// Length and checksum as one word.
#[inline]
pub fn header(body: &[u8]) -> u64 {
    body.len() as u64 | u64::from(crc32fast::hash(body)) << 32
}

/// The body of the frame at the beginning of `bytes`. `None`: there is no whole, undamaged one.
#[inline]
pub fn body(bytes: &[u8]) -> Option<&[u8]> {
    let header = u64::from_le_bytes(*bytes.first_chunk()?);
    let len = (header & 0xffff_ffff) as usize;
    if len == 0 {
        return None;
    }
    let body = bytes.get(HEADER_LEN..HEADER_LEN + len)?;
    (u64::from(crc32fast::hash(body)) == header >> 32).then_some(body)
}

/// Shows all frames of a file, each beginning at a multiple of `align`. This is the raw scan: mapped, checked, borrowed.
pub fn read_file(path: &Path, align: usize, seen: &mut Seen) -> Result<()> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    // SAFETY: nobody changes the file meanwhile.
    let map = unsafe { Mmap::map(&file)? };
    map.advise(memmap2::Advice::Sequential)?;
    map.advise(memmap2::Advice::PopulateRead).or_else(|_| map.advise(memmap2::Advice::WillNeed))?;
    let mut at = 0;
    while let Some(body) = map.get(at..).and_then(body) {
        seen.encoded(body);
        at += (HEADER_LEN + body.len()).next_multiple_of(align);
    }
    Ok(())
}

/// Checks a framed value of a store that has no checksum of its own, and shows it.
#[inline]
pub fn show(value: &[u8], seen: &mut Seen) -> Result<()> {
    seen.encoded(body(value).ok_or("a value is damaged")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::work::{Size, Work};

    #[test]
    fn a_flipped_bit_or_a_missing_byte_is_noticed() {
        let mut frame = Vec::new();
        write_to(&Work::of(Size::B128).event(7).now(&Clock::System), &mut frame);
        assert_eq!(body(&frame).map(<[u8]>::len), Some(120));
        assert_eq!(body(&frame[..127]), None);
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(body(&frame), None, "bit {bit}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
