//! The span ids of a log, each kept once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

/// A span by its number: the order in which its id was first met, be it only as somebody's parent.
pub(crate) type SpanNo = u32;

/// A number of a span or a run as a position in a list.
pub(crate) fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The ids, in one string. They are hashed with a random key, so that no choice of ids makes lookups slow; nothing that is
/// written depends on that order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    text: String,
    ends: Vec<usize>,
    table: HashTable<SpanNo>,
    hasher: RandomState,
}

impl Ids {
    /// The id's number. `None` only beyond 2^32 − 1 ids.
    pub(crate) fn intern(&mut self, id: &str) -> Option<SpanNo> {
        if let Some(known) = self.find(id) {
            return Some(known);
        }
        let number = SpanNo::try_from(self.ends.len()).ok().filter(|n| *n != SpanNo::MAX)?;
        self.text.push_str(id);
        self.ends.push(self.text.len());
        let Ids { text, ends, table, hasher } = self;
        table.insert_unique(hasher.hash_one(id), number, |n| hasher.hash_one(slice(text, ends, *n)));
        Some(number)
    }

    pub(crate) fn find(&self, id: &str) -> Option<SpanNo> {
        self.table.find(self.hasher.hash_one(id), |n| self.text(*n) == id).copied()
    }

    pub(crate) fn text(&self, number: SpanNo) -> &str {
        slice(&self.text, &self.ends, number)
    }
}

fn slice<'a>(text: &'a str, ends: &[usize], number: SpanNo) -> &'a str {
    let number = at(number);
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(number).and_then(|end| text.get(start..*end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number() {
        let mut ids = Ids::default();
        let numbers: Vec<_> = ["a", "", "ab", "a", "b", ""].iter().map(|id| ids.intern(id)).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(0), Some(3), Some(1)]);
        assert_eq!(ids.text(2), "ab");
        assert_eq!(ids.text(1), "");
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
