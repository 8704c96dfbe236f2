//! What stands where a secret stood: `[redacted:github-token:1a2b3c4d5e6f]`.
//!
//! The last part is the beginning of an HMAC-SHA-256 of the secret, under a key that the store keeps and never hands on: in one store
//! equal secrets have equal markers, and whoever holds an export or a view alone can neither test a guess nor link two stores. Whoever
//! holds the store as well can test guesses. Against a key of a vendor that is hopeless. A password may be guessed; so its marker has
//! 16 bits only: of the guesses in a list one in 65,536 fits by chance, and a guess that fits is no proof. docs/redaction.md has more.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const BEGIN: &[u8] = b"[redacted:";
/// No marker is longer: a rule's name is at most 64 bytes.
const MARKER_MAX: usize = 100;
/// The name of the file that holds a store's key.
const KEY_FILE: &str = "redaction.key";
const KEY_LEN: usize = 32;

/// How much of the fingerprint is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fingerprint {
    /// 12 digits: for what nobody can guess.
    Long,
    /// 4 digits: for what somebody may have thought up.
    Short,
}

/// The key of a store's markers.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_LEN]) -> Self {
        // HMAC fills a short key up with zeros to the hash's block.
        let mut block = [0; 64];
        for (to, from) in std::iter::zip(&mut block, bytes) {
            *to = *from;
        }
        Key(Hmac::new(&block.into()))
    }

    /// A key that nobody has had and that is kept nowhere: markers under it are equal within one use alone.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn fresh() -> io::Result<Self> {
        Ok(Key::new(&random()?))
    }

    /// The key in this store's folder, which is made if it is not there. Removing the file `redaction.key` makes sure that no guess can ever
    /// be tested against the markers that are there.
    ///
    /// # Errors
    /// When it can be neither read nor written.
    pub fn of_store(store: &Path) -> io::Result<Self> {
        let path = store.join(KEY_FILE);
        if let Some(key) = Key::read(&path)? {
            return Ok(key);
        }
        let mut file = tempfile::Builder::new().prefix(".redaction-").tempfile_in(store)?;
        file.write_all(&random()?)?;
        file.as_file().sync_all()?;
        // Whoever comes second takes the key of the first.
        match file.persist_noclobber(&path) {
            Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => return Err(e.error),
            _ => {}
        }
        fs::File::open(store)?.sync_all()?;
        Key::read(&path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => match <&[u8; KEY_LEN]>::try_from(bytes.as_slice()) {
                Ok(bytes) => Ok(Some(Key::new(bytes))),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is not a key of {KEY_LEN} bytes; remove it to have one made", path.display()),
                )),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What stands where this secret stood.
    pub(crate) fn marker(&self, rule: &str, secret: &[u8], fingerprint: Fingerprint) -> String {
        let mut mac = self.0.clone();
        mac.update(secret);
        let sum = mac.finalize().into_bytes();
        let len = match fingerprint {
            Fingerprint::Long => 6,
            Fingerprint::Short => 2,
        };
        let mut marker = format!("[redacted:{rule}:");
        for byte in sum.iter().take(len) {
            for digit in [byte >> 4, byte & 15] {
                marker.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        marker.push(']');
        marker
    }
}

fn random() -> io::Result<[u8; KEY_LEN]> {
    let mut bytes = [0; KEY_LEN];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Where markers stand in a text, in order.
pub(crate) fn markers(text: &[u8], finder: &aho_corasick::AhoCorasick) -> Vec<(usize, usize)> {
    let is_inside =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b':');
    finder
        .find_iter(text)
        .filter_map(|found| {
            let end = crate::bytes::run_end(text, found.end(), MARKER_MAX, is_inside);
            (text.get(end) == Some(&b']')).then_some((found.start(), end + 1))
        })
        .collect()
}

/// What finds the beginnings of markers.
pub(crate) fn finder() -> Result<aho_corasick::AhoCorasick, aho_corasick::BuildError> {
    aho_corasick::AhoCorasick::new([BEGIN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_equal_for_equal_secrets_under_one_key_alone() {
        let (one, other) = (Key::new(&[1; 32]), Key::new(&[2; 32]));
        let marker = one.marker("password", b"hunter2", Fingerprint::Short);
        assert_eq!(marker.len(), "[redacted:password:1234]".len());
        assert_eq!(marker, one.marker("password", b"hunter2", Fingerprint::Short));
        assert_ne!(marker, one.marker("password", b"hunter3", Fingerprint::Short));
        let long = |key: &Key| key.marker("jwt", b"eyJ", Fingerprint::Long);
        assert_ne!(long(&one), long(&other));
        let text = format!("a {marker} b {} [redacted:no", long(&one));
        let found = markers(text.as_bytes(), &finder().unwrap());
        assert_eq!(found.len(), 2);
        assert_eq!(&text[found[0].0..found[0].1], marker);
    }

    #[test]
    fn a_store_has_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let marker = |key: Key| key.marker("x", b"secret", Fingerprint::Long);
        let first = marker(Key::of_store(folder.path()).unwrap());
        assert_eq!(first, marker(Key::of_store(folder.path()).unwrap()));
        assert_ne!(first, marker(Key::fresh().unwrap()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        assert!(Key::of_store(folder.path()).is_err());
    }
}
