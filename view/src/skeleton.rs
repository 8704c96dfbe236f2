//! The spans as bars: parent, start, end, kind and status of each, by its position in the document.

use tracewal::fold::Fold;
use tracewal_compact::{KnownSpan, Spans, Status};
use tracewal_format::event::SpanKind;

use crate::index::Index;
use crate::index::row::Row;

/// How a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanState {
    /// It went well.
    Ok,
    /// It failed.
    Error,
    /// Something else ended it.
    Interrupted,
    /// It goes on.
    Running,
}

impl SpanState {
    /// Its number in a skeleton.
    pub(crate) fn number(self) -> u8 {
        match self {
            SpanState::Ok => 0,
            SpanState::Error => 1,
            SpanState::Interrupted => 2,
            SpanState::Running => 3,
        }
    }
}

/// One span as a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    /// The number of the span, in its fold.
    pub(crate) number: u32,
    /// `u32::MAX`: it is the root.
    pub(crate) parent: u32,
    pub(crate) start_ns: i64,
    /// `None`: it goes on.
    pub(crate) end_ns: Option<i64>,
    pub(crate) kind: SpanKind,
    pub(crate) state: SpanState,
}

/// Whether they look the same.
impl PartialEq for Bar {
    fn eq(&self, other: &Self) -> bool {
        let look = |bar: &Bar| (bar.parent, bar.start_ns, bar.end_ns, bar.kind, bar.state);
        look(self) == look(other)
    }
}

impl Bar {
    /// The number of its kind in a skeleton: 0 the root and what is around others, 1 a generation, 2 a tool, 3 a text.
    pub(crate) fn kind_number(&self) -> u8 {
        match self.kind {
            SpanKind::Session | SpanKind::Span => 0,
            SpanKind::Generation => 1,
            SpanKind::Tool => 2,
            SpanKind::Text | SpanKind::UserMessage => 3,
        }
    }

    pub(crate) fn parent(&self) -> Option<usize> {
        usize::try_from(self.parent).ok().filter(|_| self.parent != u32::MAX)
    }
}

/// All bars of a session, and when each was last another one.
#[derive(Debug, Default)]
pub(crate) struct Skeleton {
    bars: Vec<Bar>,
    changed: Vec<u64>,
}

impl Skeleton {
    pub(crate) fn bars(&self) -> &[Bar] {
        &self.bars
    }

    pub(crate) fn bar(&self, position: usize) -> Option<&Bar> {
        self.bars.get(position)
    }

    /// The positions of the bars that have changed since a version.
    pub(crate) fn changed_since(&self, version: u64) -> impl Iterator<Item = (usize, &Bar)> {
        let changed = self.changed.iter().enumerate().filter(move |(_, changed)| **changed > version);
        changed.filter_map(|(position, _)| Some((position, self.bars.get(position)?)))
    }

    /// Becomes that of a fold that has read on, or of another one that has read the same log and maybe more of it, at this version.
    /// `died_at`: its writer died then, and that has not been recorded. `false`: a position is no longer that of the same span, as far as
    /// numbers of one fold can tell.
    pub(crate) fn update(
        &mut self,
        fold: &Fold,
        spans: &Spans,
        index: &Index,
        version: u64,
        died_at: Option<i64>,
    ) -> bool {
        let mut is_same = spans.len() >= self.bars.len();
        self.bars.truncate(spans.len());
        self.changed.truncate(spans.len());
        for position in 0..spans.len() {
            let (Some(known), Some(number)) = (spans.known(fold, position), spans.number(position)) else {
                continue;
            };
            let row = index.row(number);
            let bar = match known.parent {
                None => root(fold, number, died_at),
                Some(parent) => bar(number, parent, &known, &row, died_at),
            };
            match (self.bars.get_mut(position), self.changed.get_mut(position)) {
                (Some(before), Some(changed)) => {
                    is_same &= before.number == number;
                    if *before != bar {
                        *changed = version;
                    }
                    *before = bar;
                }
                _ => {
                    self.bars.push(bar);
                    self.changed.push(version);
                }
            }
        }
        is_same
    }
}

fn root(fold: &Fold, number: u32, died_at: Option<i64>) -> Bar {
    let summary = fold.summary();
    let state = match summary.status {
        Status::Running if died_at.is_some() => SpanState::Interrupted,
        Status::Running => SpanState::Running,
        Status::Completed => SpanState::Ok,
        Status::Error => SpanState::Error,
        Status::Crashed => SpanState::Interrupted,
    };
    let end_ns = (state != SpanState::Running).then(|| summary.ended_at.as_ns_i64());
    let start_ns = summary.started_at.as_ns_i64();
    Bar { number, parent: u32::MAX, start_ns, end_ns, kind: SpanKind::Session, state }
}

fn bar(number: u32, parent: usize, known: &KnownSpan, row: &Row, died_at: Option<i64>) -> Bar {
    let (end_ns, state) = match (known.interrupted_at, known.is_ended) {
        (Some(at), _) => (Some(at.as_ns_i64()), SpanState::Interrupted),
        (None, false) if died_at.is_some() => (died_at, SpanState::Interrupted),
        (None, false) => (None, SpanState::Running),
        (None, true) if row.is_interrupted => (row.end_ns, SpanState::Interrupted),
        (None, true) if row.is_failed => (row.end_ns, SpanState::Error),
        (None, true) => (row.end_ns, SpanState::Ok),
    };
    let parent = u32::try_from(parent).unwrap_or(0);
    Bar { number, parent, start_ns: row.start_ns, end_ns, kind: known.kind, state }
}
