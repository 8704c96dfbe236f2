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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_spec() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc(b""), 0);
        assert_eq!(Salted::new(7).crc(b"a", b"b"), crc(b"\x07\0\0\0\0\0\0\0ab"));
    }
}
