//! Where the entries of a log stand: its events, what is lost between them, and behind them the crash slots.

use std::collections::BTreeMap;

use tracewal::Loss;
use tracewal_format::log::SlotEntry;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) enum At<'a> {
    Event { segment: u64, offset: u64 },
    Loss(&'a Loss),
    Slot(&'a SlotEntry),
}

/// The entries, by their position.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// 0 stands for a loss.
    offsets: Vec<u64>,
    /// From which entry on they stand in which segment.
    segments: Vec<(usize, u64)>,
    /// From which entry on the sequence numbers go up one by one, and the first of them.
    stretches: Vec<(usize, u64)>,
    losses: BTreeMap<usize, Loss>,
    slots: Vec<SlotEntry>,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() + self.slots.len()
    }

    pub(crate) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn push(&mut self, segment: u64, offset: u64, seq: u64) {
        let at = self.offsets.len();
        if self.segments.last().is_none_or(|(_, last)| *last != segment) {
            self.segments.push((at, segment));
        }
        if self.next_seq() != Some(seq) {
            self.stretches.push((at, seq));
        }
        self.offsets.push(offset);
    }

    /// The sequence number that goes on from the last entry. `None`: that is not an event.
    fn next_seq(&self) -> Option<u64> {
        let (from, first) = *self.stretches.last()?;
        let is_event = self.losses.last_key_value().is_none_or(|(at, _)| at + 1 != self.offsets.len());
        let passed = u64::try_from(self.offsets.len() - from).ok()?;
        is_event.then_some(first + passed)
    }

    pub(crate) fn push_loss(&mut self, loss: Loss) {
        self.losses.insert(self.offsets.len(), loss);
        self.offsets.push(0);
    }

    pub(crate) fn push_slot(&mut self, slot: SlotEntry) {
        self.slots.push(slot);
    }

    pub(crate) fn at(&self, position: usize) -> Option<At<'_>> {
        if let Some(slot) = position.checked_sub(self.offsets.len()) {
            return self.slots.get(slot).map(At::Slot);
        }
        if let Some(loss) = self.losses.get(&position) {
            return Some(At::Loss(loss));
        }
        let behind = self.segments.partition_point(|(from, _)| *from <= position);
        let (_, segment) = *self.segments.get(behind.checked_sub(1)?)?;
        Some(At::Event { segment, offset: *self.offsets.get(position)? })
    }

    /// The position of the event with this sequence number.
    pub(crate) fn of_seq(&self, seq: u64) -> Option<usize> {
        let behind = self.stretches.partition_point(|(_, first)| *first <= seq);
        let (from, first) = *self.stretches.get(behind.checked_sub(1)?)?;
        let position = from + usize::try_from(seq - first).ok()?;
        let end = self.stretches.get(behind).map_or(self.offsets.len(), |(next, _)| *next);
        (position < end && !self.losses.contains_key(&position)).then_some(position)
    }

    /// What is lost, with the position of each loss.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (usize, &Loss)> {
        self.losses.iter().map(|(at, loss)| (*at, loss))
    }

    /// The sequence number of the last event before a position; 0 when there is none.
    pub(crate) fn seq_before(&self, position: usize) -> u64 {
        let behind = self.stretches.partition_point(|(from, _)| *from < position);
        let Some((from, first)) = behind.checked_sub(1).and_then(|at| self.stretches.get(at)) else {
            return 0;
        };
        let before = (*from..position).rev().find(|at| !self.losses.contains_key(at));
        before.and_then(|at| u64::try_from(at - from).ok()).map_or(0, |passed| first + passed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracewal::LossKind;

    use super::*;

    #[test]
    fn entries_are_found_by_position_and_by_number() {
        let loss = Loss {
            file: "1.wal".into(),
            offset: 1,
            length: 2,
            kind: LossKind::Damage,
            was: None,
            missing: Some((3, 4)),
        };
        let mut entries = Entries::default();
        for (segment, offset, seq) in [(1, 4096, 1), (1, 4128, 2)] {
            entries.push(segment, offset, seq);
        }
        entries.push_loss(loss);
        for (segment, offset, seq) in [(1, 5000, 5), (2, 4096, 6), (2, 4200, 8)] {
            entries.push(segment, offset, seq);
        }
        let all: Vec<Option<usize>> = (0..10).map(|seq| entries.of_seq(seq)).collect();
        assert_eq!(all, [None, Some(0), Some(1), None, None, Some(3), Some(4), None, Some(5), None]);
        assert!(matches!(entries.at(2), Some(At::Loss(_))));
        assert!(matches!(entries.at(4), Some(At::Event { segment: 2, offset: 4096 })));
        let before: Vec<u64> = (0..7).map(|at| entries.seq_before(at)).collect();
        assert_eq!(before, [0, 1, 2, 2, 5, 6, 8]);
    }
}
