//! What stands in a generation's input and output when none was given: what its tools said, and which it called.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, DefaultHasher, Hasher};

use tracewal_format::event::SpanKind;

use crate::fold::Fold;
use crate::ids::{SpanNo, at};
use crate::places::{KeptPlace, Place};
use crate::spans::{Flag, NONE};

/// Pairs of a generation and a tool, in the order of the generations, and a position in them.
#[derive(Debug, Default)]
pub(crate) struct ToolsOf {
    pairs: Vec<(SpanNo, SpanNo)>,
    next: usize,
    /// Of the pairs before the position.
    hasher: DefaultHasher,
}

/// Which pairs stand before a position: how many, and their keyed hash.
pub(crate) type Taken = (usize, u64);

impl ToolsOf {
    pub(crate) fn none() -> Self {
        ToolsOf { pairs: Vec::new(), next: 0, hasher: DefaultHasher::new() }
    }

    /// Sorted by the generations' first events; the tools of one stay in their order.
    fn sorted(fold: &Fold, key: &RandomState, mut pairs: Vec<(SpanNo, SpanNo)>) -> Self {
        pairs.sort_by_key(|(generation, _)| begun(fold, *generation));
        ToolsOf { pairs, next: 0, hasher: key.build_hasher() }
    }

    /// The tools of a generation. Generations are asked for in the order of their first events.
    pub(crate) fn take(&mut self, generation: SpanNo) -> Vec<SpanNo> {
        let rest = self.pairs.iter().skip(self.next);
        let tools: Vec<SpanNo> = rest.take_while(|(g, _)| *g == generation).map(|(_, tool)| *tool).collect();
        self.go_to(self.next + tools.len());
        tools
    }

    /// The tools of a generation, whichever was asked for before. What stands before the position is no longer known.
    pub(crate) fn find(&mut self, fold: &Fold, generation: SpanNo) {
        let first = begun(fold, generation);
        self.next = self.pairs.partition_point(|(g, _)| begun(fold, *g) < first);
    }

    fn go_to(&mut self, position: usize) {
        let passed = self.pairs.iter().take(position).skip(self.next);
        for (generation, tool) in passed {
            self.hasher.write_u64(u64::from(*generation) << 32 | u64::from(*tool));
        }
        self.next = position.min(self.pairs.len());
    }

    /// What stands before the position.
    pub(crate) fn taken(&self) -> Taken {
        (self.next, self.hasher.finish())
    }

    /// The position, to come back to.
    pub(crate) fn mark(&self) -> (usize, DefaultHasher) {
        (self.next, self.hasher.clone())
    }

    pub(crate) fn back_to(&mut self, mark: (usize, DefaultHasher)) {
        (self.next, self.hasher) = mark;
    }

    /// Goes on to where `taken` stood before. False: other tools stand there now for the generations that had begun at `behind`.
    pub(crate) fn go_on_behind(&mut self, taken: Taken, behind: Place, fold: &Fold) -> bool {
        self.go_to(taken.0);
        let next = self.pairs.get(self.next).and_then(|(generation, _)| begun(fold, *generation));
        self.taken() == taken && next.is_none_or(|next| next > behind)
    }
}

fn begun(fold: &Fold, span: SpanNo) -> Option<Place> {
    fold.spans.row(span).and_then(|row| fold.spans.first(row))
}

/// The tools that each generation without an output called: its children, in the order of their first events.
pub(crate) fn called(fold: &Fold, key: &RandomState) -> ToolsOf {
    let mut pairs = Vec::new();
    for (tool, _) in
        fold.spans.iter().filter(|(span, row)| *span != fold.root && row.kind() == SpanKind::Tool)
    {
        let parent = fold.spans.parent(tool, fold.root);
        let is_silent = |generation| {
            let row = fold.spans.row(generation)?;
            Some(row.kind() == SpanKind::Generation && !row.has(Flag::OUTPUT) && !fold.spans.has_text(row))
        };
        if parent != fold.root && is_silent(parent) == Some(true) {
            pairs.push((parent, tool));
        }
    }
    ToolsOf::sorted(fold, key, pairs)
}

/// The tools whose results each generation without an input was given: those that ended since the previous generation of the
/// same parent, in the order of their ends.
///
/// A tool's results go to the generations of the nearest span around it that has generations in it. So each result is
/// given once, and many agents side by side do not get each other's.
pub(crate) fn results(fold: &Fold, key: &RandomState) -> ToolsOf {
    let mut scopes = Scopes::of(fold);
    let mut events: Vec<(SpanNo, KeptPlace, SpanNo)> = Vec::new();
    for (span, row) in fold.spans.iter().filter(|(span, _)| *span != fold.root) {
        let event = match row.kind() {
            SpanKind::Generation => Some((fold.spans.parent(span, fold.root), fold.spans.first(row))),
            SpanKind::Tool => scopes.around(span).map(|scope| (scope, row.end())),
            _ => None,
        };
        if let Some((scope, Some(place))) = event {
            events.push((scope, place.into(), span));
        }
    }
    drop(scopes);
    events.sort_unstable_by_key(|(scope, place, span)| (*scope, place.get(), *span));
    let (mut pairs, mut waiting, mut current) = (Vec::new(), Vec::new(), NONE);
    for (scope, _, span) in events {
        if scope != current {
            waiting.clear();
            current = scope;
        }
        match fold.spans.row(span) {
            Some(row) if row.kind() == SpanKind::Tool => waiting.push(span),
            Some(row) if !row.has(Flag::INPUT) => pairs.extend(waiting.drain(..).map(|tool| (span, tool))),
            _ => waiting.clear(),
        }
    }
    ToolsOf::sorted(fold, key, pairs)
}

/// For each span, the nearest around it that has generations in it, found by climbing each step once.
struct Scopes<'f> {
    fold: &'f Fold,
    has_generations: Vec<bool>,
    /// The nearest such span, the span itself included.
    nearest: Vec<SpanNo>,
}

/// There is no such span around it.
const NOWHERE: SpanNo = NONE - 1;

impl<'f> Scopes<'f> {
    fn of(fold: &'f Fold) -> Self {
        let mut has_generations = vec![false; fold.spans.len()];
        for (span, row) in fold.spans.iter() {
            if row.kind() == SpanKind::Generation
                && span != fold.root
                && let Some(parent) = has_generations.get_mut(at(fold.spans.parent(span, fold.root)))
            {
                *parent = true;
            }
        }
        Scopes { fold, has_generations, nearest: vec![NONE; fold.spans.len()] }
    }

    fn around(&mut self, span: SpanNo) -> Option<SpanNo> {
        let root = self.fold.root;
        let from = self.fold.spans.parent(span, root);
        let mut climb = from;
        let found = loop {
            match self.nearest.get(at(climb)).copied() {
                Some(NONE) if self.has_generations.get(at(climb)) == Some(&true) => break climb,
                Some(NONE) if climb != root => climb = self.fold.spans.parent(climb, root),
                Some(NONE) | None => break NOWHERE,
                Some(known) => break known,
            }
        };
        let mut climb = from;
        while let Some(nearest) = self.nearest.get_mut(at(climb)).filter(|nearest| **nearest == NONE) {
            *nearest = found;
            if climb == found || climb == root {
                break;
            }
            climb = self.fold.spans.parent(climb, root);
        }
        (found != NOWHERE).then_some(found)
    }
}
