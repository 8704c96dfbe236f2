//! The small text files of a store: `key value` lines behind a first line that says what the file is, and a checksum
//! (SPEC.md section 3).

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use tracewal_format::checksum::crc;

/// A small file's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SmallFile {
    keys: Vec<(String, String)>,
}

impl SmallFile {
    pub(crate) fn set(&mut self, key: &str, value: impl ToString) -> &mut Self {
        // A line break in a value (a host name, a path) must not make a line of its own.
        let value = value.to_string().replace(['\n', '\r'], " ");
        self.keys.push((key.to_owned(), value));
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn encode(&self, kind: &str) -> Vec<u8> {
        let mut text = format!("{kind} 1\n");
        for (key, value) in &self.keys {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key} {value}");
        }
        let checksum = crc(text.as_bytes());
        let _ = writeln!(text, "crc {checksum:08x}");
        text.into_bytes()
    }

    /// `None`: damaged, or of another kind.
    pub(crate) fn decode(bytes: &[u8], kind: &str) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
        let (body, last) = text.split_at_checked(at)?;
        if last.trim_end() != format!("crc {:08x}", crc(body.as_bytes())) {
            return None;
        }
        let mut lines = body.lines();
        let (name, _version) = lines.next()?.split_once(' ')?;
        if name != kind {
            return None;
        }
        let keys = lines
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Some(SmallFile { keys })
    }

    /// Reads a small file. `Ok(None)`: it is not there. `Ok(Some(None))`: it cannot be understood.
    pub(crate) fn read(path: &Path, kind: &str) -> io::Result<Option<Option<Self>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(Self::decode(&bytes, kind))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let mut file = SmallFile::default();
        file.set("pid", 7).set("host", "a b\nc");
        let bytes = file.encode("tracewal-owner");
        let read = SmallFile::decode(&bytes, "tracewal-owner").unwrap();
        assert_eq!((read.get("pid"), read.get("host"), read.get("x")), (Some("7"), Some("a b c"), None));
        assert_eq!(SmallFile::decode(&bytes, "tracewal-writer"), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(SmallFile::decode(&damaged, "tracewal-owner"), None, "byte {at}");
            assert_eq!(SmallFile::decode(&bytes[..at], "tracewal-owner"), None, "cut to {at}");
        }
    }
}
