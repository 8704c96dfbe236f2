//! Where records stand in the log, in 8 bytes each, or in about one byte each for records in a row.

use std::num::NonZeroU64;

/// Where a record stands. Places compare in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(NonZeroU64);

/// Bits for the offset, in steps of 8 bytes; the others count stretches of the log.
const OFFSET_BITS: u32 = 39;
const STRETCH: u64 = 1 << OFFSET_BITS;

/// The stretches of the log: a segment, or 4 TiB of one.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Segment number, and offset of the stretch's first byte.
    stretches: Vec<(u64, u64)>,
}

impl Places {
    /// The place of a record; records are given in the order of the log. `None` beyond 2^25 stretches.
    pub(crate) fn place(&mut self, segment: u64, offset: u64) -> Option<Place> {
        let fits = |&(number, base): &(u64, u64)| {
            number == segment && offset.checked_sub(base).is_some_and(|from| from / 8 < STRETCH)
        };
        if !self.stretches.last().is_some_and(fits) {
            let base = if offset / 8 < STRETCH { 0 } else { offset };
            self.stretches.push((segment, base));
        }
        let (_, base) = self.stretches.last()?;
        let stretch = u64::try_from(self.stretches.len()).ok()?;
        if stretch >= 1 << (64 - OFFSET_BITS) {
            return None;
        }
        NonZeroU64::new((stretch << OFFSET_BITS) | ((offset - base) / 8)).map(Place)
    }

    /// Segment and offset of a record.
    pub(crate) fn locate(&self, place: Place) -> Option<(u64, u64)> {
        let stretch = usize::try_from(place.0.get() >> OFFSET_BITS).ok()?.checked_sub(1)?;
        let (segment, base) = self.stretches.get(stretch)?;
        Some((*segment, base + (place.0.get() & (STRETCH - 1)) * 8))
    }
}

/// Places in the order of the log, as the distances between them: streamed text comes in thousands of small records.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    distances: Vec<u8>,
    last: u64,
}

impl Trail {
    pub(crate) fn push(&mut self, place: Place) {
        let mut distance = place.0.get().wrapping_sub(self.last);
        self.last = place.0.get();
        loop {
            let [low, ..] = distance.to_le_bytes();
            distance >>= 7;
            if distance == 0 {
                self.distances.push(low & 0x7F);
                return;
            }
            self.distances.push(low | 0x80);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.distances.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        let (mut rest, mut last) = (self.distances.iter(), 0_u64);
        std::iter::from_fn(move || {
            let (mut distance, mut shift) = (0_u64, 0_u32);
            loop {
                let byte = *rest.next()?;
                distance |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            last = last.wrapping_add(distance);
            NonZeroU64::new(last).map(Place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [(u64, u64); 8] = [
        (1, 4096),
        (1, 4128),
        (2, 4096),
        (9, 4096),
        (9, 1 << 41),
        (9, 1 << 42),
        (9, 1 << 63),
        (u64::MAX, 4096),
    ];

    #[test]
    fn places_lead_back_and_keep_the_order_of_the_log() {
        let mut places = Places::default();
        let all: Vec<Place> = AT.iter().map(|(s, o)| places.place(*s, *o).unwrap()).collect();
        assert!(all.is_sorted());
        for (place, at) in all.iter().zip(AT) {
            assert_eq!(places.locate(*place), Some(at));
        }
    }

    #[test]
    fn a_trail_gives_back_its_places() {
        let (mut places, mut trail) = (Places::default(), Trail::default());
        let all: Vec<Place> = AT.iter().map(|(s, o)| places.place(*s, *o).unwrap()).collect();
        all.iter().for_each(|place| trail.push(*place));
        assert_eq!(trail.iter().collect::<Vec<_>>(), all);
    }
}
