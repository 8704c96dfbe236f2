//! CRC-32/IEEE (the one of zlib; *not* CRC-32C): check value over `123456789` is `0xCBF43926`.

use crc32fast::Hasher;

/// The checksum of `bytes`.
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Checksums that begin with a segment's salt, so that bytes of another segment never check.
#[derive(Clone, Debug)]
pub struct Salted {
    salted: Hasher,
    plain: Hasher,
}

impl Salted {
    /// Checksums under this salt.
    #[must_use]
    pub fn new(salt: u64) -> Self {
        let plain = Hasher::new();
        let mut salted = plain.clone();
        salted.update(&salt.to_le_bytes());
        Salted { salted, plain }
    }

    /// The checksum of salt, then `prefix`, then `bytes`.
    #[must_use]
    pub fn crc(&self, prefix: &[u8], bytes: &[u8]) -> u32 {
        let mut hasher = self.salted.clone();
        hasher.update(prefix);
        hasher.update(bytes);
        hasher.finalize()
    }

    /// The checksum of salt, then three numbers and half a one, little-endian: what [`crc`](Self::crc) says of their bytes.
    #[must_use]
    #[inline]
    pub(crate) fn words(&self, words: [u64; 3], last: u32) -> u32 {
        let [first, second, third] = words;
        let state = sixteen(!self.salted.clone().finalize(), first, second);
        !twelve(state, third, last)
    }

    /// The checksum of `bytes`, without the salt.
    #[must_use]
    #[inline]
    pub(crate) fn plain_crc(&self, bytes: &[u8]) -> u32 {
        let mut sum = self.plain();
        sum.update(bytes);
        sum.finalize()
    }

    /// A sum of nothing, without a salt: that a processor can do it fast has been found out once.
    #[inline]
    pub(crate) fn plain(&self) -> Hasher {
        self.plain.clone()
    }
}

/// `TABLES[n][b]` is what the byte `b` adds to the checksum when `n` bytes follow it (Kounavis and Berry, "Novel Table Lookup-Based
/// Algorithms for High-Performance CRC Generation", 2008). For the few bytes of a header, which come from registers: the crate's way
/// reads memory that would first have to be written.
static TABLES: [[u32; 256]; 16] = tables();

#[allow(clippy::indexing_slicing, clippy::as_conversions, clippy::cast_possible_truncation)] // Evaluated by the compiler.
const fn tables() -> [[u32; 256]; 16] {
    /// The polynomial 0x04C11DB7, reflected.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut behind = 1;
    while behind < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[behind - 1][byte];
            tables[behind][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
}

/// What a byte with `BEHIND` others behind it adds.
#[inline]
#[allow(clippy::indexing_slicing)] // 256 entries, and a byte.
fn byte<const BEHIND: usize>(byte: u8) -> u32 {
    TABLES[BEHIND][usize::from(byte)]
}

#[inline]
fn sixteen(state: u32, first: u64, second: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = (first ^ u64::from(state)).to_le_bytes();
    let [i, j, k, l, m, n, o, p] = second.to_le_bytes();
    byte::<15>(a)
        ^ byte::<14>(b)
        ^ byte::<13>(c)
        ^ byte::<12>(d)
        ^ byte::<11>(e)
        ^ byte::<10>(f)
        ^ byte::<9>(g)
        ^ byte::<8>(h)
        ^ byte::<7>(i)
        ^ byte::<6>(j)
        ^ byte::<5>(k)
        ^ byte::<4>(l)
        ^ byte::<3>(m)
        ^ byte::<2>(n)
        ^ byte::<1>(o)
        ^ byte::<0>(p)
}

#[inline]
fn twelve(state: u32, first: u64, last: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = (first ^ u64::from(state)).to_le_bytes();
    let [i, j, k, l] = last.to_le_bytes();
    byte::<11>(a)
        ^ byte::<10>(b)
        ^ byte::<9>(c)
        ^ byte::<8>(d)
        ^ byte::<7>(e)
        ^ byte::<6>(f)
        ^ byte::<5>(g)
        ^ byte::<4>(h)
        ^ byte::<3>(i)
        ^ byte::<2>(j)
        ^ byte::<1>(k)
        ^ byte::<0>(l)
}

/// The same checksum, byte by byte: slow, and with next to no stack. A signal handler has 8 KiB, and crc32fast's vector code, not optimised,
/// takes half of it.
#[derive(Clone, Copy, Debug)]
pub struct SmallSum(u32);

impl SmallSum {
    /// A checksum that begins with this salt.
    #[must_use]
    pub fn salted(salt: u64) -> Self {
        let mut sum = SmallSum(u32::MAX);
        sum.add(&salt.to_le_bytes());
        sum
    }

    /// Goes on with `bytes`.
    pub fn add(&mut self, bytes: &[u8]) {
        for next in bytes {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ byte::<0>(low ^ next);
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_spec() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc(b""), 0);
        assert_eq!(Salted::new(7).crc(b"a", b"b"), crc(b"\x07\0\0\0\0\0\0\0ab"));
        let mut small = SmallSum::salted(7);
        small.add(b"ab");
        assert_eq!(small.finish(), crc(b"\x07\0\0\0\0\0\0\0ab"));
    }

    #[test]
    fn words_are_their_bytes() {
        let salted = Salted::new(0x0123_4567_89AB_CDEF);
        let mut bytes = [0; 28];
        for round in 0..10_000_u64 {
            let number = |n: u64| (round * 7 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            let words = [number(1), number(2), number(3)];
            let [last, ..] = number(4).to_le_bytes();
            let last = u32::from(last) << 24 | 5;
            for (to, word) in bytes.chunks_mut(8).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
            bytes[24..].copy_from_slice(&last.to_le_bytes());
            assert_eq!(salted.words(words, last), salted.crc(&[], &bytes));
        }
    }
}
