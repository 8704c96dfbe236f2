//! The span ids of a log, told apart by 96-bit keyed hashes: an id is any 255 bytes, and there may be millions of them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

/// A span by its number: the order in which its id was first met, be it only as somebody's parent.
pub(crate) type SpanNo = u32;

/// A number of a span or a run as a position in a list.
pub(crate) fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The ids, each as 12 bytes. The text of an id is in the log, in every record about its span.
///
/// The hashes have a random key, so no choice of ids makes lookups slow or two ids one, and nothing that is written depends on
/// them. Two of a million ids are taken for one with a probability of 10^-17; whoever reads a span's records again compares the text,
/// and then says that the log has to be folded again, which takes another key.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    hashes: Vec<[u8; 12]>,
    table: HashTable<SpanNo>,
    first: RandomState,
    second: RandomState,
}

impl Ids {
    /// The id's number. `None` only beyond 2^32 − 2 ids.
    pub(crate) fn intern(&mut self, id: &str) -> Option<SpanNo> {
        let hash = self.hash(id);
        if let Some(known) = self.find_hash(hash) {
            return Some(known);
        }
        let number = SpanNo::try_from(self.hashes.len()).ok().filter(|n| *n < SpanNo::MAX - 1)?;
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.table.insert_unique(short(&hash), number, |n| short(hashes.get(at(*n)).unwrap_or(&hash)));
        Some(number)
    }

    pub(crate) fn find(&self, id: &str) -> Option<SpanNo> {
        self.find_hash(self.hash(id))
    }

    fn hash(&self, id: &str) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = self.first.hash_one(id).to_le_bytes();
        let [i, j, k, l, ..] = self.second.hash_one(id).to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    fn find_hash(&self, hash: [u8; 12]) -> Option<SpanNo> {
        self.table.find(short(&hash), |n| self.hashes.get(at(*n)) == Some(&hash)).copied()
    }
}

/// The part of a hash that the table is ordered by.
fn short(hash: &[u8; 12]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number() {
        let mut ids = Ids::default();
        let numbers: Vec<_> = ["a", "", "ab", "a", "b", ""].iter().map(|id| ids.intern(id)).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(0), Some(3), Some(1)]);
        assert_eq!(ids.find("ab"), Some(2));
        assert_eq!(ids.find("c"), None);
    }

    #[test]
    fn many_ids_are_found_again() {
        let mut ids = Ids::default();
        for n in 0..10_000 {
            assert_eq!(ids.intern(&format!("span-{n}")), Some(n));
        }
        assert!((0..10_000).all(|n| ids.find(&format!("span-{n}")) == Some(n)));
    }
}
