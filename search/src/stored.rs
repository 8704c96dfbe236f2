//! Passages as bytes in the index.

use crate::passage::{Field, Passage, Place};

/// Appends a passage.
pub(crate) fn put(passage: &Passage, to: &mut Vec<u8>) {
    to.push(passage.field.number());
    let start = passage.start.unwrap_or_default();
    put_number(start.segment, to);
    put_number(start.offset, to);
    put_number(count(passage.overlap), to);
    put_number(count(passage.places.len()), to);
    let mut before = Place::default();
    for place in &passage.places {
        // Most stand in the same segment, close together.
        put_number(place.segment.wrapping_sub(before.segment), to);
        let from = if place.segment == before.segment { before.offset } else { 0 };
        put_number(place.offset.wrapping_sub(from), to);
        before = *place;
    }
}

/// The passages in these bytes. `None`: they are damaged.
pub(crate) fn all(mut bytes: &[u8]) -> Option<Vec<Passage>> {
    let mut passages = Vec::new();
    while let Some((field, rest)) = bytes.split_first() {
        bytes = rest;
        let field = Field::from_number(*field)?;
        let start = Place { segment: number(&mut bytes)?, offset: number(&mut bytes)? };
        let overlap = usize::try_from(number(&mut bytes)?).ok()?;
        let places = number(&mut bytes)?;
        // Each takes two bytes at least: more is damage, and no reason to take memory.
        if places > count(bytes.len()) / 2 {
            return None;
        }
        let mut passage = Passage {
            field,
            start: (start != Place::default()).then_some(start),
            places: Vec::new(),
            overlap,
        };
        let mut before = Place::default();
        for _ in 0..places {
            let segment = before.segment.wrapping_add(number(&mut bytes)?);
            let from = if segment == before.segment { before.offset } else { 0 };
            before = Place { segment, offset: from.wrapping_add(number(&mut bytes)?) };
            passage.places.push(before);
        }
        passages.push(passage);
    }
    Some(passages)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_number(mut n: u64, to: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(n & 0x7f).unwrap_or_default();
        n >>= 7;
        if n == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages() -> Vec<Passage> {
        let place = |segment, offset| Place { segment, offset };
        vec![
            Passage { field: Field::Title, start: None, places: vec![place(1, 4096)], overlap: 0 },
            Passage {
                field: Field::Text,
                start: Some(place(1, 5000)),
                places: vec![place(1, 6000), place(1, 6040), place(2, 4096), place(3, u64::MAX), place(3, 8)],
                overlap: 4321,
            },
        ]
    }

    #[test]
    fn they_come_back() {
        let mut bytes = Vec::new();
        passages().iter().for_each(|passage| put(passage, &mut bytes));
        assert_eq!(all(&bytes), Some(passages()));
    }

    #[test]
    fn damage_is_no_passage_and_takes_no_memory() {
        let mut bytes = Vec::new();
        passages().iter().for_each(|passage| put(passage, &mut bytes));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Some(read) = all(&damaged) {
                    assert!(read.iter().map(|passage| passage.places.len()).sum::<usize>() <= bytes.len());
                }
            }
            let _ = all(&bytes[..at]);
        }
        assert_eq!(all(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None);
    }
}
