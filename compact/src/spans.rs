//! The spans of a log: per span where its records stand, and small numbers. About 50 bytes each, and 12 more with a cost.

use tracewal_format::event::{SpanKind, SpanStatus, Tokens};

use crate::changes::Changes;
use crate::facts::Facts;
use crate::ids::{Ids, SpanNo, at};
use crate::places::{KeptPlace, Place, Trail};
use crate::text::TextCheck;
use crate::usage::Usage;

/// No span, or no entry of a side table.
pub(crate) const NONE: u32 = u32::MAX;

/// Something that a span may have or be.
#[derive(Clone, Copy)]
pub(crate) struct Flag(u16);

impl Flag {
    /// An event said that it began.
    pub(crate) const STARTED: Flag = Flag(1);
    pub(crate) const INPUT: Flag = Flag(2);
    pub(crate) const MODEL: Flag = Flag(4);
    pub(crate) const CALL_ID: Flag = Flag(8);
    pub(crate) const OUTPUT: Flag = Flag(16);
    pub(crate) const FINISH_REASON: Flag = Flag(32);
    /// Its first end says that it failed.
    pub(crate) const FAILED: Flag = Flag(64);
    /// It is its own ancestor.
    pub(crate) const IN_CYCLE: Flag = Flag(128);
    /// Marks of the search for cycles.
    pub(crate) const WALKED: Flag = Flag(256);
    pub(crate) const DONE: Flag = Flag(512);
    pub(crate) const TOKENS: Flag = Flag(1024);
    pub(crate) const COST: Flag = Flag(2048);
    /// It was somebody's parent before there was an event about it, which came since the changes were last forgotten.
    pub(crate) const LATE: Flag = Flag(1 << 15);
}

/// The bits of the flags in which the kind stands.
const KIND_AT: u32 = 12;
const KIND: u16 = 7 << KIND_AT;

/// One span, in 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The parent that was given, known or not; [`NONE`] when none was.
    pub(crate) parent: SpanNo,
    /// Position of its own run: the last that said anything about it other than attributes, or else the first.
    pub(crate) run: u32,
    extra: u32,
    start: KeptPlace,
    end: KeptPlace,
    flags: u16,
}

impl Row {
    const MENTIONED: Row =
        Row { parent: NONE, run: NONE, extra: NONE, start: KeptPlace::NONE, end: KeptPlace::NONE, flags: 0 };

    /// Its first start; until there is one, its first event. `None`: only somebody's parent so far.
    pub(crate) fn start(&self) -> Option<Place> {
        self.start.get()
    }

    /// Its first end.
    pub(crate) fn end(&self) -> Option<Place> {
        self.end.get()
    }

    pub(crate) fn kind(&self) -> SpanKind {
        let number = usize::from((self.flags & KIND) >> KIND_AT);
        SpanKind::ALL.get(number).copied().unwrap_or(SpanKind::Span)
    }

    fn set_kind(&mut self, kind: SpanKind) {
        let number = SpanKind::ALL.iter().position(|other| *other == kind);
        let number = number.and_then(|number| u16::try_from(number).ok()).unwrap_or(0);
        self.flags = (self.flags & !KIND) | (number << KIND_AT);
    }

    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.flags & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Flag) {
        self.flags |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Flag) {
        self.flags &= !flag.0;
    }
}

/// What few spans have: records other than the first start and the first end.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Its first event, when that was not its start.
    first: KeptPlace,
    /// A later start, when the first one brought none of these.
    pub(crate) parent: KeptPlace,
    pub(crate) input: KeptPlace,
    pub(crate) model: KeptPlace,
    pub(crate) call_id: KeptPlace,
    /// A later end, which replaces what earlier ones brought of these.
    pub(crate) output: KeptPlace,
    pub(crate) finish_reason: KeptPlace,
    pub(crate) tokens: KeptPlace,
    pub(crate) cost: KeptPlace,
    /// Other events that brought attributes.
    pub(crate) attributes: Trail,
    /// Streamed text.
    pub(crate) text: Trail,
    pub(crate) text_check: TextCheck,
}

/// The five classes of tokens, in the order in which they are written.
pub(crate) fn classes(tokens: &Tokens<'_>) -> [u64; 5] {
    [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write]
}

/// What an event added to a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) span: SpanNo,
    /// Its first start.
    pub(crate) started: bool,
    /// Its first end.
    pub(crate) ended: bool,
}

/// All spans of a log.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) ids: Ids,
    rows: Vec<Row>,
    /// Spans that an event is about, in the order of their first events.
    pub(crate) order: Vec<SpanNo>,
    extras: Vec<Extra>,
    pub(crate) usage: Usage,
    pub(crate) changes: Changes,
    /// The root, as far as it is known.
    root: SpanNo,
    /// Somebody may have become its own ancestor, or no longer be it.
    pub(crate) relinked: bool,
}

impl Default for Spans {
    fn default() -> Self {
        Spans {
            ids: Ids::default(),
            rows: Vec::new(),
            order: Vec::new(),
            extras: Vec::new(),
            usage: Usage::default(),
            changes: Changes::default(),
            root: NONE,
            relinked: false,
        }
    }
}

impl Spans {
    pub(crate) fn row(&self, span: SpanNo) -> Option<&Row> {
        self.rows.get(at(span))
    }

    pub(crate) fn row_mut(&mut self, span: SpanNo) -> Option<&mut Row> {
        self.rows.get_mut(at(span))
    }

    /// The root, as far as it is known.
    pub(crate) fn root(&self) -> SpanNo {
        self.root
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn rows_mut(&mut self) -> &mut [Row] {
        &mut self.rows
    }

    pub(crate) fn extra(&self, row: &Row) -> Option<&Extra> {
        self.extras.get(at(row.extra))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The spans with their rows, in the order of their first events.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SpanNo, &Row)> {
        self.order.iter().filter_map(|span| Some((*span, self.row(*span)?)))
    }

    /// The place of a span's first event.
    pub(crate) fn first(&self, row: &Row) -> Option<Place> {
        self.extra(row).and_then(|extra| extra.first.get()).or(row.start())
    }

    /// Whether text was streamed to it.
    pub(crate) fn has_text(&self, row: &Row) -> bool {
        self.extra(row).is_some_and(|extra| !extra.text.is_empty())
    }

    /// Where a span's part stands: in a later record, or, when the flag says that it has one, in its first start or end.
    pub(crate) fn part(
        &self,
        row: &Row,
        flag: Flag,
        later: impl Fn(&Extra) -> KeptPlace,
        first: Option<Place>,
    ) -> Option<Place> {
        if !row.has(flag) {
            return None;
        }
        self.extra(row).and_then(|extra| later(extra).get()).or(first)
    }

    /// Where the parent was given.
    pub(crate) fn parent_part(&self, row: &Row) -> Option<Place> {
        let first = row.start().filter(|_| row.parent != NONE)?;
        self.extra(row).and_then(|extra| extra.parent.get()).or(Some(first))
    }

    pub(crate) fn input(&self, row: &Row) -> Option<Place> {
        self.part(row, Flag::INPUT, |e| e.input, row.start())
    }

    pub(crate) fn output(&self, row: &Row) -> Option<Place> {
        self.part(row, Flag::OUTPUT, |e| e.output, row.end())
    }

    pub(crate) fn tokens(&self, row: &Row) -> Option<Place> {
        self.part(row, Flag::TOKENS, |e| e.tokens, row.end())
    }

    /// The number of an id; a span that nothing is known of, if it is new.
    fn intern(&mut self, id: &str) -> Option<SpanNo> {
        let span = self.ids.intern(id)?;
        if at(span) >= self.rows.len() {
            self.rows.push(Row::MENTIONED);
        }
        Some(span)
    }

    /// The span with this id is the root.
    pub(crate) fn set_root(&mut self, id: &str) -> SpanNo {
        let root = self.intern(id).unwrap_or(self.root);
        self.relinked |= root != self.root;
        self.root = root;
        root
    }

    /// Takes in what an event at `place`, of the run at position `run`, says about a span, and tells what was new in it.
    pub(crate) fn add(&mut self, place: Place, run: u32, facts: &Facts<'_>) -> Option<Added> {
        let met = self.rows.len();
        let span = self.intern(facts.span_id)?;
        let parent = facts.start.as_ref().and_then(|start| start.parent);
        let parent = parent.and_then(|id| self.intern(id)).unwrap_or(NONE);
        let mut row = self.row(span).copied()?;
        let (started, ended) = (row.has(Flag::STARTED), row.end().is_some());
        let is_known = at(span) < met;
        if span != self.root {
            self.first(&row).into_iter().for_each(|first| self.changes.note(first));
        }
        if row.start().is_none() {
            row.start = place.into();
            row.run = run;
            self.order.push(span);
            if is_known && span != self.root {
                row.set(Flag::LATE);
                (self.changes.late, self.relinked) = (true, true);
            }
        }
        if facts.start.is_some() || facts.end.is_some() || facts.text.is_some() {
            row.run = run;
        }
        self.add_start(&mut row, place, facts);
        if row.parent == NONE && parent != NONE {
            row.parent = parent;
            // A span that nobody knew can be nobody's parent yet.
            self.relinked |= is_known || parent == span;
            if row.start() != Some(place) {
                self.extra_mut(&mut row, |extra| extra.parent = place.into());
            }
        }
        self.add_end(span, &mut row, place, facts);
        let is_deciding = (facts.start.is_some() && row.start() == Some(place)) || row.end() == Some(place);
        if facts.attributes.is_some() && !is_deciding {
            self.extra_mut(&mut row, |extra| extra.attributes.push(place));
        }
        if let Some(text) = facts.text {
            self.extra_mut(&mut row, |extra| {
                extra.text.push(place);
                extra.text_check.push(text);
            });
        }
        if let Some(to) = self.row_mut(span) {
            *to = row;
        }
        let (started, ended) = (!started && row.has(Flag::STARTED), !ended && row.end().is_some());
        Some(Added { span, started, ended })
    }

    fn add_start(&mut self, row: &mut Row, place: Place, facts: &Facts<'_>) {
        let Some(start) = &facts.start else { return };
        if !row.has(Flag::STARTED) {
            row.set(Flag::STARTED);
            row.set_kind(start.kind);
            if row.start() != Some(place) {
                let first = std::mem::replace(&mut row.start, place.into());
                self.extra_mut(row, |extra| extra.first = first);
            }
        }
        // A later start fills in what the first one left out.
        let is_first = row.start() == Some(place);
        let mut fill = |flag, brought: bool, later: fn(&mut Extra) -> &mut KeptPlace| {
            if brought && !row.has(flag) {
                row.set(flag);
                if !is_first {
                    self.extra_mut(row, |extra| *later(extra) = place.into());
                }
            }
        };
        fill(Flag::INPUT, start.input.is_some(), |extra| &mut extra.input);
        fill(Flag::MODEL, start.model.is_some(), |extra| &mut extra.model);
        fill(Flag::CALL_ID, start.call_id.is_some(), |extra| &mut extra.call_id);
    }

    fn add_end(&mut self, span: SpanNo, row: &mut Row, place: Place, facts: &Facts<'_>) {
        let Some(end) = &facts.end else { return };
        if row.end().is_none() {
            row.end = place.into();
            if end.status == SpanStatus::Error {
                row.set(Flag::FAILED);
            }
        }
        if let Some(tokens) = end.tokens {
            self.usage.add_tokens(classes(tokens), self.tokens(row));
        }
        if let Some(cost) = end.cost {
            self.usage.add_cost(span, cost);
        }
        // A later end replaces what earlier ones brought: a model call is often reported again, more complete.
        let is_first = row.end() == Some(place);
        let mut replace = |flag, brought: bool, later: fn(&mut Extra) -> &mut KeptPlace| {
            if brought {
                row.set(flag);
                if !is_first {
                    self.extra_mut(row, |extra| *later(extra) = place.into());
                }
            }
        };
        replace(Flag::OUTPUT, end.output.is_some(), |extra| &mut extra.output);
        replace(Flag::FINISH_REASON, end.finish_reason.is_some(), |extra| &mut extra.finish_reason);
        replace(Flag::TOKENS, end.tokens.is_some(), |extra| &mut extra.tokens);
        replace(Flag::COST, end.cost.is_some(), |extra| &mut extra.cost);
    }

    fn extra_mut(&mut self, row: &mut Row, change: impl FnOnce(&mut Extra)) {
        if row.extra == NONE {
            let Ok(number) = u32::try_from(self.extras.len()) else { return };
            self.extras.push(Extra::default());
            row.extra = number;
        }
        if let Some(extra) = self.extras.get_mut(at(row.extra)) {
            change(extra);
        }
    }

    /// Roughly how many bytes they take.
    pub(crate) fn footprint(&self) -> usize {
        self.rows.capacity() * (size_of::<Row>() + 40) + self.extras.capacity() * (size_of::<Extra>() + 64)
    }

    /// Puts the costs into the order of their spans.
    pub(crate) fn settle_costs(&mut self) {
        let Spans { rows, extras, usage, .. } = self;
        usage.settle(|span| {
            let row = rows.get(at(span))?;
            extras.get(at(row.extra)).and_then(|extra| extra.first.get()).or(row.start())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_span_is_small() {
        assert_eq!(size_of::<Row>(), 24);
        // With its number in `order`, its hash, 10 bytes of the table, and its cost.
        assert!(size_of::<Row>() + 4 + 12 + 10 + 12 <= 62);
    }

    #[test]
    fn a_row_keeps_its_kind_beside_its_flags() {
        let mut row = Row::MENTIONED;
        for kind in SpanKind::ALL {
            row.set(Flag::COST);
            row.set(Flag::LATE);
            row.set_kind(*kind);
            assert_eq!(row.kind(), *kind);
            assert!(row.has(Flag::COST) && row.has(Flag::LATE) && !row.has(Flag::TOKENS));
        }
    }
}
