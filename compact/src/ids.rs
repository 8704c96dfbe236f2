//! The span ids of a log, each kept once.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

/// A span by its number: the order in which its id was first met, be it only as somebody's parent.
pub(crate) type SpanNo = u32;

/// A number of a span or a run as a position in a list.
pub(crate) fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The ids, one behind the other: a byte that says how an id is kept, and its bytes. They are hashed with a random key, so
/// that no choice of ids makes lookups slow; nothing that is written depends on that order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<SpanNo>,
    hasher: RandomState,
}

impl Ids {
    /// The id's number. `None` only beyond 2^32 − 2 ids.
    pub(crate) fn intern(&mut self, id: &str) -> Option<SpanNo> {
        let packed = Packed::of(id);
        let hash = self.hasher.hash_one(packed.parts());
        if let Some(known) = self.find_packed(&packed, hash) {
            return Some(known);
        }
        let number = SpanNo::try_from(self.ends.len()).ok().filter(|n| *n < SpanNo::MAX - 1)?;
        let (tag, rest) = packed.parts();
        self.bytes.push(tag);
        self.bytes.extend_from_slice(rest);
        self.ends.push(self.bytes.len());
        let Ids { bytes, ends, table, hasher } = self;
        table.insert_unique(hash, number, |n| hasher.hash_one(kept(bytes, ends, *n)));
        Some(number)
    }

    pub(crate) fn find(&self, id: &str) -> Option<SpanNo> {
        let packed = Packed::of(id);
        self.find_packed(&packed, self.hasher.hash_one(packed.parts()))
    }

    fn find_packed(&self, packed: &Packed<'_>, hash: u64) -> Option<SpanNo> {
        self.table.find(hash, |n| kept(&self.bytes, &self.ends, *n) == packed.parts()).copied()
    }

    pub(crate) fn text(&self, number: SpanNo) -> Cow<'_, str> {
        match kept(&self.bytes, &self.ends, number) {
            (TEXT, text) => Cow::Borrowed(std::str::from_utf8(text).unwrap_or_default()),
            (_, uuid) => Cow::Owned(uuid_text(uuid)),
        }
    }
}

const TEXT: u8 = 0;
const UUID: u8 = 1;

fn kept<'a>(bytes: &'a [u8], ends: &[usize], number: SpanNo) -> (u8, &'a [u8]) {
    let number = at(number);
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let entry = ends.get(number).and_then(|end| bytes.get(start..*end));
    entry.and_then(<[u8]>::split_first).map_or((TEXT, &[]), |(tag, rest)| (*tag, rest))
}

/// An id as it is kept. Most ids are UUIDs, which take 16 bytes and not 36.
enum Packed<'a> {
    Text(&'a str),
    Uuid([u8; 16]),
}

impl<'a> Packed<'a> {
    fn of(id: &'a str) -> Self {
        uuid_bytes(id).map_or(Packed::Text(id), Packed::Uuid)
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Packed::Text(text) => (TEXT, text.as_bytes()),
            Packed::Uuid(bytes) => (UUID, bytes),
        }
    }
}

/// How many bytes stand before each hyphen, and behind the last.
const GROUPS: [usize; 5] = [4, 2, 2, 2, 6];

/// The bytes of a UUID that is spelled in the usual way, in lower case.
fn uuid_bytes(id: &str) -> Option<[u8; 16]> {
    if id.len() != 36 {
        return None;
    }
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut uuid = [0; 16];
    let mut to = uuid.iter_mut();
    let mut groups = id.as_bytes().split(|byte| *byte == b'-');
    for length in GROUPS {
        let group = groups.next().filter(|group| group.len() == 2 * length)?;
        for pair in group.chunks_exact(2) {
            let [high, low] = *pair.first_chunk()?;
            *to.next()? = nibble(high)? << 4 | nibble(low)?;
        }
    }
    groups.next().is_none().then_some(uuid)
}

fn uuid_text(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for length in GROUPS {
        if !text.is_empty() {
            text.push('-');
        }
        let (group, rest) = bytes.split_at_checked(length).unwrap_or_default();
        for nibble in group.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            text.extend(char::from_digit(nibble.into(), 16));
        }
        bytes = rest;
    }
    text
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
    fn a_uuid_is_kept_exactly_and_nothing_else_is_taken_for_one() {
        let mut ids = Ids::default();
        let all = [
            "01902f3a-9b7c-7def-8abc-0123456789ab",
            "01902F3A-9b7c-7def-8abc-0123456789ab",
            "01902f3a-9b7c-7def-8abc-0123456789-b",
            "01902f3a9-b7c-7def-8abc-0123456789ab",
            "01902f3a-9b7c-7def-8abc-0123456789é",
            "01902f3a-9b7c-7def-8abc0-123456789ab",
            "\u{1}\u{2}/:\u{90}\u{2f}:\u{9b}|}\u{8a}\u{bc}",
        ];
        for (number, id) in (0..).zip(all) {
            assert_eq!(ids.intern(id), Some(number));
            assert_eq!(ids.text(number), id);
        }
        assert!((0..).zip(all).all(|(number, id)| ids.find(id) == Some(number)));
        assert_eq!(ids.bytes.len(), all.iter().map(|id| id.len() + 1).sum::<usize>() - 20);
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
