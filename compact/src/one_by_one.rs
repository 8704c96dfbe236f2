//! The spans of a folded log one by one: what is known of each, and its part of the canonical JSON on its own.
//!
//! A span goes by its position in the document: the root is 0, the others follow in the order of their first events. So a position once
//! given stays, as long as the root does.

use std::collections::hash_map::RandomState;
use std::io;

use tracewal_format::event::SpanKind;
use tracewal_format::log::{LogReader, LogSource};
use tracewal_format::time::Time;

use crate::defaults::{self, ToolsOf};
use crate::fold::Fold;
use crate::ids::{SpanNo, at};
use crate::render::{RenderError, render_one};
use crate::spans::NONE;

/// What a fold knows of a span without reading the log again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSpan {
    /// The position of its parent in the document. `None`: it is the root.
    pub parent: Option<usize>,
    /// What it is.
    pub kind: SpanKind,
    /// Somebody said that it ended.
    pub is_ended: bool,
    /// When it was interrupted: its run is over, and nobody said that it ended.
    pub interrupted_at: Option<Time>,
}

/// The positions of a fold's spans, and what it takes to render any of them. It is of one state of the fold: make another when that has
/// read on.
#[derive(Debug)]
pub struct Spans {
    order: Vec<SpanNo>,
    positions: Vec<u32>,
    /// What the inputs and outputs of generations are made of, once somebody asks for one.
    tools: Option<(ToolsOf, ToolsOf)>,
}

impl Spans {
    /// Of a fold as it stands.
    #[must_use]
    pub fn of(fold: &Fold) -> Self {
        let others = fold.spans.order.iter().copied().filter(|span| *span != fold.root);
        let order: Vec<SpanNo> = std::iter::once(fold.root).chain(others).collect();
        let mut positions = vec![NONE; fold.spans.len()];
        for (position, span) in order.iter().enumerate() {
            if let (Some(to), Ok(position)) = (positions.get_mut(at(*span)), u32::try_from(position)) {
                *to = position;
            }
        }
        Spans { order, positions, tools: None }
    }

    /// How many there are: at least the root.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The position of the span with this number, if an event is about it or it is the root.
    #[must_use]
    pub fn position(&self, number: u32) -> Option<usize> {
        self.positions.get(at(number)).filter(|position| **position != NONE).map(|position| at(*position))
    }

    /// The number of the span at a position.
    #[must_use]
    pub fn number(&self, position: usize) -> Option<u32> {
        self.order.get(position).copied()
    }

    /// What is known of the span at a position.
    #[must_use]
    pub fn known(&self, fold: &Fold, position: usize) -> Option<KnownSpan> {
        let span = *self.order.get(position)?;
        if span == fold.root {
            let is_ended = fold.summary().status != crate::Status::Running;
            return Some(KnownSpan { parent: None, kind: SpanKind::Session, is_ended, interrupted_at: None });
        }
        let row = fold.spans.row(span)?;
        let is_ended = row.end().is_some();
        let interruption = fold.runs.interruption(row.run).filter(|_| !is_ended);
        Some(KnownSpan {
            parent: Some(self.position(fold.spans.parent(span, fold.root)).unwrap_or(0)),
            kind: if row.kind() == SpanKind::Session { SpanKind::Span } else { row.kind() },
            is_ended,
            interrupted_at: interruption.map(|(time, _)| time),
        })
    }

    /// Writes the span at a position as it stands in the document. `false`: there is none.
    ///
    /// # Errors
    /// See [`RenderError`]; what has been written until then is not a whole object.
    pub fn render<S: LogSource, W: io::Write>(
        &mut self,
        fold: &Fold,
        log: &mut LogReader<S>,
        position: usize,
        out: &mut W,
    ) -> Result<bool, RenderError<S::Error>> {
        let Some(span) = self.number(position) else { return Ok(false) };
        let (results, called) = self.tools.get_or_insert_with(|| {
            let key = RandomState::new();
            (defaults::results(fold, &key), defaults::called(fold, &key))
        });
        results.find(fold, span);
        called.find(fold, span);
        render_one(fold, log, span, (results, called), out)?;
        Ok(true)
    }
}

impl Fold {
    /// The number of the span with this id, be it only somebody's parent so far. It stays as long as the fold is only read on.
    #[must_use]
    pub fn span_number(&self, id: &str) -> Option<u32> {
        self.spans.ids.find(id)
    }

    /// The number of the root, as far as it is known when the log has been read to its end.
    #[must_use]
    pub fn root_number(&self) -> u32 {
        self.root
    }
}
