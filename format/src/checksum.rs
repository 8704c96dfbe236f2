//! CRC-32/IEEE (the one of zlib; *not* CRC-32C): check value over `123456789` is `0xCBF43926`.

use crc32fast::Hasher;

/// The checksum of `bytes`.
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Checksums that begin with a segment's salt, so that bytes of another segment never check.
#[derive(Clone, Debug)]
pub struct Salted(Hasher);

impl Salted {
    /// Checksums under this salt.
    #[must_use]
    pub fn new(salt: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&salt.to_le_bytes());
        Salted(hasher)
    }

    /// The checksum of salt, then `prefix`, then `bytes`.
    #[must_use]
    pub fn crc(&self, prefix: &[u8], bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(prefix);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The same checksum, bit by bit: slow, and with next to no stack. A signal handler has 8 KiB, and crc32fast's vector code, not optimised,
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
        /// The polynomial 0x04C11DB7, reflected.
        const POLYNOMIAL: u32 = 0xEDB8_8320;
        for byte in bytes {
            self.0 ^= u32::from(*byte);
            for _ in 0..8 {
                self.0 = (self.0 >> 1) ^ (POLYNOMIAL & (self.0 & 1).wrapping_neg());
            }
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
}
