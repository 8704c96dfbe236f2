//! How much of the evidence is kept, and how much is shown (SPEC.md section 11.9): the first, the last, and the newest of what matters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Pieces that are shown of one incident.
pub(crate) const SHOWN: usize = 24;
const FIRST: usize = 8;
const LAST: usize = 5;
/// Anchors that are kept with their neighbours: as many as there may be room for besides the first.
const ANCHORS: usize = SHOWN - FIRST;

/// A piece of evidence, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its sequence number. `None`: a crash slot.
    pub seq: Option<u64>,
    /// What it says, or the type of the event.
    pub event: &'static str,
    /// The tool concerned.
    pub tool: Option<Arc<str>>,
    /// It may be a cause, or is about closing and putting away.
    pub(crate) is_anchor: bool,
}

impl Piece {
    /// Where it stands. A slot stands behind everything.
    fn place(&self) -> u64 {
        self.seq.unwrap_or(u64::MAX)
    }
}

/// The pieces of one attempt, or of a run as a whole: bounded, however many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    total: u64,
    first: Vec<Piece>,
    last: VecDeque<Piece>,
    /// The piece before, the anchor, the piece behind.
    anchors: VecDeque<(Option<Piece>, Piece, Option<Piece>)>,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Piece) {
        self.total += 1;
        let before = self.last.back();
        if let (Some(true), Some((_, _, behind @ None))) =
            (before.map(|before| before.is_anchor), self.anchors.back_mut())
        {
            *behind = Some(piece.clone());
        }
        if piece.is_anchor {
            self.anchors.push_back((before.cloned(), piece.clone(), None));
            if self.anchors.len() > ANCHORS {
                self.anchors.pop_front();
            }
        }
        if self.first.len() < FIRST {
            self.first.push(piece.clone());
        }
        self.last.push_back(piece);
        if self.last.len() > LAST {
            self.last.pop_front();
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    fn kept(&self) -> impl Iterator<Item = &Piece> {
        let anchors = self.anchors.iter();
        let anchors = anchors.flat_map(|(before, anchor, behind)| {
            before.iter().chain(std::iter::once(anchor)).chain(behind.iter())
        });
        self.first.iter().chain(&self.last).chain(anchors)
    }
}

/// What is shown of the pieces of an attempt and of its run, those of the run only from `since` on; and how many are not. `of_run` is how
/// many of the run's there are since then.
pub(crate) fn shown(
    cause: Option<&Piece>,
    attempt: Option<&Pieces>,
    run: &Pieces,
    since: u64,
    of_run: u64,
) -> (Vec<Piece>, u64) {
    let mut all: BTreeMap<u64, &Piece> = BTreeMap::new();
    let of_attempt = attempt.into_iter().flat_map(Pieces::kept);
    all.extend(run.kept().filter(|piece| piece.place() >= since).map(|piece| (piece.place(), piece)));
    all.extend(of_attempt.chain(cause).map(|piece| (piece.place(), piece)));
    let kept: Vec<&Piece> = all.into_values().collect();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let cause = cause.and_then(|cause| kept.iter().position(|piece| piece.place() == cause.place()));
    chosen.extend(cause);
    chosen.extend(0..kept.len().min(FIRST));
    chosen.extend(kept.len().saturating_sub(LAST)..kept.len());
    for (at, _) in kept.iter().enumerate().rev().filter(|(_, piece)| piece.is_anchor) {
        for near in [Some(at), at.checked_sub(1), Some(at + 1)].into_iter().flatten() {
            if chosen.len() < SHOWN && near < kept.len() {
                chosen.insert(near);
            }
        }
    }
    let pieces: Vec<Piece> =
        chosen.into_iter().filter_map(|at| kept.get(at).map(|piece| (*piece).clone())).collect();
    let total = attempt.map_or(0, Pieces::total).saturating_add(of_run);
    let omitted = total.saturating_sub(u64::try_from(pieces.len()).unwrap_or(u64::MAX));
    (pieces, omitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(seq: u64, is_anchor: bool) -> Piece {
        Piece { seq: Some(seq), event: "other", tool: None, is_anchor }
    }

    fn pieces(total: u64, anchors: &[u64]) -> Pieces {
        let mut pieces = Pieces::default();
        (1..=total).for_each(|seq| pieces.push(piece(seq, anchors.contains(&seq))));
        pieces
    }

    fn seqs(shown: &[Piece]) -> Vec<u64> {
        shown.iter().filter_map(|piece| piece.seq).collect()
    }

    #[test]
    fn all_are_shown_when_there_are_few() {
        let (shown, omitted) = shown(None, Some(&pieces(13, &[9])), &Pieces::default(), 0, 0);
        assert_eq!((seqs(&shown), omitted), ((1..=13).collect(), 0));
    }

    #[test]
    fn first_last_and_anchors_with_their_neighbours() {
        let (shown, omitted) = shown(None, Some(&pieces(1000, &[100, 500])), &Pieces::default(), 0, 0);
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 99, 100, 101, 499, 500, 501, 996, 997, 998, 999, 1000];
        assert_eq!(seqs(&shown), expected);
        assert_eq!(omitted, 1000 - 19);
    }

    #[test]
    fn newest_anchors_come_before_older_ones_and_the_cause_always() {
        let anchors: Vec<u64> = (1..=9).map(|n| n * 100).collect();
        let pieces = pieces(1000, &anchors);
        let cause = piece(100, true);
        let (shown, omitted) = shown(Some(&cause), Some(&pieces), &Pieces::default(), 0, 0);
        // 24 − 8 − 5 − the cause: three anchors with both neighbours, and one more alone.
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 100, 600, 699, 700, 701, 799, 800, 801, 899, 900, 901];
        let expected: Vec<u64> = expected.into_iter().chain(996..=1000).collect();
        assert_eq!(seqs(&shown), expected);
        assert_eq!((shown.len(), omitted), (SHOWN, 1000 - 24));
    }

    #[test]
    fn nothing_but_anchors_stays_bounded() {
        let anchors: Vec<u64> = (1..=10_000).collect();
        let pieces = pieces(10_000, &anchors);
        assert!(pieces.kept().count() <= FIRST + LAST + 3 * ANCHORS);
        let (shown, omitted) = shown(None, Some(&pieces), &Pieces::default(), 0, 0);
        assert_eq!(seqs(&shown), (1..=8).chain(9985..=10_000).collect::<Vec<_>>());
        assert_eq!(omitted, 10_000 - 24);
    }

    #[test]
    fn two_lists_are_joined_in_the_order_of_the_log() {
        let mut run = Pieces::default();
        [5, 15, 21].into_iter().for_each(|seq| run.push(piece(seq, true)));
        let mut attempt = Pieces::default();
        (10..=20).filter(|seq| *seq != 15).for_each(|seq| attempt.push(piece(seq, false)));
        let (shown, omitted) = shown(None, Some(&attempt), &run, 10, 2);
        assert_eq!((seqs(&shown), omitted), ((10..=21).collect(), 0));
    }
}
