//! The shape of a document: up to which spans it can be taken over into the next one, and what has to be known to go on from there.

use std::collections::hash_map::RandomState;

use crate::changes::Unchanged;
use crate::defaults::{Taken, ToolsOf};
use crate::fold::Fold;
use crate::places::Place;
use crate::tools::ToolUses;

/// At least so many bytes lie between two checkpoints, but for the last.
const STEP: u64 = 64 * 1024;
/// A head that is longer is not kept to be compared.
const HEAD_MOST: usize = 64 * 1024;
/// A checkpoint that would hold more tools than this is not made: it is what it costs to copy them.
const TOOLS_MOST: usize = 4096;

/// A point behind a span.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    /// The next span, by its position among those that events are about.
    pub(crate) next: usize,
    /// The first event of the last span before it.
    pub(crate) behind: Place,
    /// How long the document is up to here.
    pub(crate) end: u64,
    pub(crate) results: Taken,
    pub(crate) called: Taken,
    pub(crate) uses: ToolUses,
}

/// The shape of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Everything up to the root and with it, if it is short; and how long it is.
    pub(crate) head: Vec<u8>,
    head_len: u64,
    /// Ascending; the nearer to the end, the denser: what changes is mostly there.
    checkpoints: Vec<Checkpoint>,
    /// Of the whole document.
    pub(crate) length: u64,
    /// For hashes that nobody can foresee.
    pub(crate) key: RandomState,
}

impl Shape {
    /// The last checkpoint up to which nothing has changed. The tools are left there, or where they were.
    pub(crate) fn go_on(
        &self,
        unchanged: Unchanged,
        fold: &Fold,
        results: &mut ToolsOf,
        called: &mut ToolsOf,
    ) -> Option<usize> {
        let holds = |checkpoint: &Checkpoint, results: &mut ToolsOf, called: &mut ToolsOf| {
            unchanged.covers(checkpoint.behind)
                && results.go_on_behind(checkpoint.results, checkpoint.behind, fold)
                && called.go_on_behind(checkpoint.called, checkpoint.behind, fold)
        };
        let mut last = None;
        for (at, checkpoint) in self.checkpoints.iter().enumerate() {
            let before = (results.mark(), called.mark());
            if !holds(checkpoint, results, called) {
                results.back_to(before.0);
                called.back_to(before.1);
                break;
            }
            last = Some(at);
        }
        last
    }

    /// Becomes the shape of a document with this head, that goes on from a checkpoint of the one before. Returns how long the head was
    /// before, and the checkpoint.
    pub(crate) fn begin(
        &mut self,
        head_len: u64,
        head: &[u8],
        again: Option<usize>,
    ) -> Option<(u64, &Checkpoint)> {
        let before = std::mem::replace(&mut self.head_len, head_len);
        self.head.clear();
        self.head.extend_from_slice(if head.len() <= HEAD_MOST { head } else { &[] });
        self.checkpoints.truncate(again.map_or(0, |at| at + 1));
        for checkpoint in &mut self.checkpoints {
            checkpoint.end = checkpoint.end - before + head_len;
        }
        self.checkpoints.last().map(|checkpoint| (before, checkpoint))
    }

    /// Whether the last checkpoint lies so far back that there should be another one.
    pub(crate) fn is_far(&self, position: u64) -> bool {
        let last = self.checkpoints.last().map_or(self.head_len, |checkpoint| checkpoint.end);
        position - last >= STEP
    }

    /// Adds one behind the others, and leaves out of these what has become too dense: about two are left for every doubling of the
    /// distance from the end.
    pub(crate) fn add(&mut self, checkpoint: Checkpoint) {
        if checkpoint.uses.size() > TOOLS_MOST {
            return;
        }
        let end = checkpoint.end;
        self.checkpoints.push(checkpoint);
        let mut at = self.checkpoints.len().saturating_sub(2);
        while at > 0 {
            let ends = |at: usize| self.checkpoints.get(at).map_or(0, |checkpoint| checkpoint.end);
            if ends(at + 1) - ends(at - 1) <= (end - ends(at + 1)) / 2 {
                self.checkpoints.remove(at);
            }
            at -= 1;
        }
    }

    /// Roughly how many bytes it takes.
    pub(crate) fn footprint(&self) -> usize {
        let tools: usize = self.checkpoints.iter().map(|checkpoint| checkpoint.uses.size()).sum();
        self.head.capacity() + self.checkpoints.len() * size_of::<Checkpoint>() + tools * 200
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::cell::RefCell;
    use std::convert::Infallible;

    use tracewal_format::build::SegmentBuilder;
    use tracewal_format::event::{Payload, Span, SpanEnded, SpanKind, SpanStarted};
    use tracewal_format::log::{LogReader, LogSource, Reading};
    use tracewal_format::segment::Header;
    use tracewal_format::time::Time;

    use super::*;
    use crate::render::{render, render_again};

    /// One segment that grows.
    struct Growing<'a> {
        bytes: &'a RefCell<Vec<u8>>,
        read: Vec<u8>,
    }

    impl LogSource for Growing<'_> {
        type Error = Infallible;

        fn segments(&mut self) -> Result<Vec<u64>, Infallible> {
            Ok(vec![1])
        }

        fn select(&mut self, _number: u64) -> Result<Option<u64>, Infallible> {
            Ok(u64::try_from(self.bytes.borrow().len()).ok())
        }

        fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Infallible> {
            let bytes = self.bytes.borrow();
            let from = usize::try_from(offset).unwrap().min(bytes.len());
            self.read = bytes[from..(from + len).min(bytes.len())].to_vec();
            Ok(&self.read)
        }
    }

    struct Session<'a> {
        segment: SegmentBuilder,
        bytes: &'a RefCell<Vec<u8>>,
        log: LogReader<Growing<'a>>,
        fold: Fold,
        view: Vec<u8>,
        drawn: Option<(Shape, crate::changes::Standing)>,
    }

    impl<'a> Session<'a> {
        fn new(bytes: &'a RefCell<Vec<u8>>) -> Self {
            let header = Header {
                compatible: 0,
                generation: 0,
                session_uid: 1,
                writer: 2,
                boot_id: 3,
                number: 1,
                run: 1,
                pid: 4,
                first_seq: 1,
                salt: 5,
                wall_base_ns: 0,
                monotonic_base_ns: 0,
                capacity: 0,
                run_first_segment: 1,
                session_id: "s".into(),
            };
            let segment = SegmentBuilder::new(header);
            *bytes.borrow_mut() = segment.clone().finish(4096);
            let Ok(log) = LogReader::new(Growing { bytes, read: Vec::new() }, Reading::Live);
            Session { segment, bytes, log, fold: Fold::default(), view: Vec::new(), drawn: None }
        }

        fn span(&mut self, n: u32) {
            let output = Some(Payload::owned_string("x".repeat(1000)));
            let kind = if n % 5 == 4 { SpanKind::Generation } else { SpanKind::Tool };
            let span =
                Span { output, ..Span::new(n.to_string(), kind, "t", Time::from_ms(1), Time::from_ms(2)) };
            self.segment.event(Time::from_ms(0), &span.into());
        }

        /// Writes the view again, and returns how many bytes of it were copied from the one before.
        fn draw(&mut self) -> u64 {
            *self.bytes.borrow_mut() = self.segment.clone().finish(4096);
            let Ok(()) = self.log.refresh();
            let Ok(()) = self.fold.read_on(&mut self.log);
            let (old, mut copied) = (std::mem::take(&mut self.view), 0);
            let before = self.drawn.take();
            let before = before.map(|(shape, standing)| (shape, self.fold.unchanged_since(&standing)));
            let shape =
                render_again(&self.fold, &mut self.log, &mut self.view, before, |to, from, length| {
                    copied = length;
                    let from = usize::try_from(from).unwrap();
                    to.extend_from_slice(&old[from..from + usize::try_from(length).unwrap()]);
                    Ok(())
                });
            self.drawn = Some((shape.unwrap(), self.fold.forget_changes()));
            let mut whole = Vec::new();
            render(&self.fold, &mut self.log, &mut whole).unwrap();
            assert!(self.view == whole, "not what it is as a whole");
            copied
        }
    }

    #[test]
    fn what_is_behind_the_last_change_is_written_and_what_is_before_it_copied() {
        let bytes = RefCell::default();
        let mut session = Session::new(&bytes);
        (0..2000).for_each(|n| session.span(n));
        session.segment.event(Time::from_ms(0), &SpanStarted::new("open", SpanKind::Tool, "t").into());
        (2000..2020).for_each(|n| session.span(n));
        assert_eq!(session.draw(), 0);
        let length = u64::try_from(session.view.len()).unwrap();
        // New spans: all of the old ones are taken over.
        (2020..2030).for_each(|n| session.span(n));
        assert!(session.draw() > length - 2000);
        // A change a little before the end: about so much more is written.
        session.segment.event(Time::from_ms(0), &SpanEnded::new("open").into());
        assert!(session.draw() > length - 200_000);
        // A change near the beginning: next to nothing is left.
        let late = SpanEnded { cost: Some(1.0), ..SpanEnded::new("10") };
        session.segment.event(Time::from_ms(0), &late.into());
        assert!(session.draw() < 200_000);
        assert!(session.draw() > length - 2000);
    }

    #[test]
    fn a_span_that_becomes_its_own_ancestor_by_the_link_of_another_is_written_again() {
        let bytes = RefCell::default();
        let mut session = Session::new(&bytes);
        let start = |id: &'static str, parent: Option<&'static str>| {
            let parent_span_id = parent.map(Into::into);
            SpanStarted { parent_span_id, ..SpanStarted::new(id, SpanKind::Span, "n") }.into()
        };
        session.segment.event(Time::from_ms(0), &start("a", Some("b")));
        (0..100).for_each(|n| session.span(n));
        session.segment.event(Time::from_ms(0), &start("b", None));
        session.draw();
        session.segment.event(Time::from_ms(0), &start("b", Some("a")));
        assert_eq!(session.draw(), 0);
    }

    #[test]
    fn checkpoints_are_few_and_dense_near_the_end() {
        let mut places = crate::places::Places::default();
        let behind = places.place(1, 4096).unwrap();
        let mut shape = Shape::default();
        for n in 1..=10_000_u64 {
            let end = n * STEP;
            let uses = ToolUses::default();
            shape.add(Checkpoint { next: 0, behind, end, results: (0, 0), called: (0, 0), uses });
            assert!(shape.checkpoints.len() < 64);
            let ends: Vec<u64> = shape.checkpoints.iter().map(|checkpoint| checkpoint.end).collect();
            // From wherever the change is, at most about twice the way to the end has to be gone.
            for pair in ends.windows(2) {
                assert!(pair[1] - pair[0] <= STEP + (end - pair[1]), "{pair:?} of {end}");
            }
        }
    }
}
