//! Where records stand in the log, in 5 bytes each, or in about one byte each for records in a row.

use std::num::NonZeroU64;

/// Where a record stands. Places compare in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(NonZeroU64);

/// The highest place: 8 TiB of log.
const LAST: u64 = (1 << 40) - 1;
/// How far apart two records of a stretch may begin, in steps of 8 bytes: what lies between them takes up places.
const FAR: u64 = 1 << 20;

/// A place, if there is one, as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptPlace([u8; 5]);

impl KeptPlace {
    pub(crate) const NONE: KeptPlace = KeptPlace([0; 5]);

    pub(crate) fn get(self) -> Option<Place> {
        let [a, b, c, d, e] = self.0;
        NonZeroU64::new(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])).map(Place)
    }
}

impl From<Place> for KeptPlace {
    fn from(place: Place) -> Self {
        let [a, b, c, d, e, ..] = place.0.get().to_le_bytes();
        KeptPlace([a, b, c, d, e])
    }
}

/// Records of one segment that stand near each other.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Place, segment and offset of the first one.
    place: u64,
    segment: u64,
    offset: u64,
}

/// The stretches of the log, in its order.
#[derive(Debug, Default)]
pub(crate) struct Places {
    stretches: Vec<Stretch>,
    last: u64,
}

impl Places {
    /// The place of a record; records are given in the order of the log. `None` beyond the last place.
    pub(crate) fn place(&mut self, segment: u64, offset: u64) -> Option<Place> {
        let near = |stretch: &Stretch| {
            let from = (segment == stretch.segment).then(|| offset.checked_sub(stretch.offset))??;
            let place = stretch.place + from / 8;
            (place > self.last && place - self.last <= FAR).then_some(place)
        };
        let place = match self.stretches.last().and_then(near) {
            Some(place) => place,
            None => {
                let place = self.last + 1;
                self.stretches.push(Stretch { place, segment, offset });
                place
            }
        };
        self.last = place;
        NonZeroU64::new(place).filter(|_| place <= LAST).map(Place)
    }

    /// Segment and offset of a record.
    pub(crate) fn locate(&self, place: Place) -> Option<(u64, u64)> {
        let place = place.0.get();
        let behind = self.stretches.partition_point(|stretch| stretch.place <= place);
        let stretch = self.stretches.get(behind.checked_sub(1)?)?;
        Some((stretch.segment, stretch.offset + (place - stretch.place) * 8))
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

    const AT: [(u64, u64); 9] = [
        (1, 4096),
        (1, 4128),
        (2, 4096),
        (9, 4096),
        (9, 1 << 41),
        (9, 1 << 42),
        (9, (1 << 42) + 24),
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
            assert_eq!(KeptPlace::from(*place).get(), Some(*place));
        }
        assert_eq!(KeptPlace::NONE.get(), None);
    }

    #[test]
    fn behind_the_last_place_there_is_none() {
        let mut places = Places { last: LAST - 1, ..Places::default() };
        assert!(places.place(1, 4096).is_some());
        assert!(places.place(1, 4128).is_none());
    }

    #[test]
    fn a_trail_gives_back_its_places() {
        let (mut places, mut trail) = (Places::default(), Trail::default());
        let all: Vec<Place> = AT.iter().map(|(s, o)| places.place(*s, *o).unwrap()).collect();
        all.iter().for_each(|place| trail.push(*place));
        assert_eq!(trail.iter().collect::<Vec<_>>(), all);
    }
}
