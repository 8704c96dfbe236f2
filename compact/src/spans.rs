//! The spans of a log: per span where its records stand, and small numbers. About 65 bytes and its id each, and 28 more with
//! tokens or cost.

use std::collections::HashMap;

use tracewal_format::event::{SpanKind, SpanStatus, Tokens};

use crate::facts::Facts;
use crate::ids::{Ids, SpanNo, at};
use crate::places::{Place, Trail};
use crate::text::TextCheck;

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
}

/// One span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its first start; until there is one, its first event. `None`: only somebody's parent so far.
    pub(crate) start: Option<Place>,
    /// Its first end.
    pub(crate) end: Option<Place>,
    /// The parent that was given, known or not; [`NONE`] when none was.
    pub(crate) parent: SpanNo,
    /// Position of its own run: the last that said anything about it other than attributes, or else the first.
    pub(crate) run: u32,
    extra: u32,
    usage: u32,
    pub(crate) kind: SpanKind,
    flags: u16,
}

impl Row {
    const MENTIONED: Row = Row {
        start: None,
        end: None,
        parent: NONE,
        run: NONE,
        extra: NONE,
        usage: NONE,
        kind: SpanKind::Span,
        flags: 0,
    };

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
    pub(crate) first: Option<Place>,
    /// A later start, when the first one brought none of these.
    pub(crate) input: Option<Place>,
    pub(crate) model: Option<Place>,
    pub(crate) call_id: Option<Place>,
    /// A later end, which replaces what earlier ones brought of these.
    pub(crate) output: Option<Place>,
    pub(crate) finish_reason: Option<Place>,
    /// Other events that brought attributes.
    pub(crate) attributes: Trail,
    /// Streamed text.
    pub(crate) text: Trail,
    pub(crate) text_check: TextCheck,
}

/// Tokens and cost of a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) tokens: Option<[u64; 5]>,
    pub(crate) cost: Option<f64>,
}

/// A [`Usage`] as it is kept, in 28 bytes. The row's flags say which of it there is.
#[derive(Clone, Copy, Debug, Default)]
struct KeptUsage {
    tokens: [u32; 5],
    cost: [u8; 8],
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
#[derive(Debug, Default)]
pub(crate) struct Spans {
    pub(crate) ids: Ids,
    rows: Vec<Row>,
    /// Spans that an event is about, in the order of their first events.
    pub(crate) order: Vec<SpanNo>,
    extras: Vec<Extra>,
    usages: Vec<KeptUsage>,
    /// Tokens that do not fit, by the position of the usage.
    large_tokens: HashMap<u32, [u64; 5]>,
}

impl Spans {
    pub(crate) fn row(&self, span: SpanNo) -> Option<&Row> {
        self.rows.get(at(span))
    }

    pub(crate) fn row_mut(&mut self, span: SpanNo) -> Option<&mut Row> {
        self.rows.get_mut(at(span))
    }

    pub(crate) fn extra(&self, row: &Row) -> Option<&Extra> {
        self.extras.get(at(row.extra))
    }

    pub(crate) fn usage(&self, row: &Row) -> Option<Usage> {
        let kept = self.usages.get(at(row.usage))?;
        let large = || self.large_tokens.get(&row.usage).copied();
        Some(Usage {
            tokens: row.has(Flag::TOKENS).then(|| large().unwrap_or(kept.tokens.map(u64::from))),
            cost: row.has(Flag::COST).then(|| f64::from_le_bytes(kept.cost)),
        })
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
        self.extra(row).and_then(|extra| extra.first).or(row.start)
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
        later: impl Fn(&Extra) -> Option<Place>,
        first: Option<Place>,
    ) -> Option<Place> {
        if !row.has(flag) {
            return None;
        }
        self.extra(row).and_then(later).or(first)
    }

    pub(crate) fn input(&self, row: &Row) -> Option<Place> {
        self.part(row, Flag::INPUT, |e| e.input, row.start)
    }

    pub(crate) fn output(&self, row: &Row) -> Option<Place> {
        self.part(row, Flag::OUTPUT, |e| e.output, row.end)
    }

    /// The number of an id; a span that nothing is known of, if it is new.
    pub(crate) fn intern(&mut self, id: &str) -> Option<SpanNo> {
        let span = self.ids.intern(id)?;
        if at(span) >= self.rows.len() {
            self.rows.push(Row::MENTIONED);
        }
        Some(span)
    }

    /// Takes in what an event at `place`, of the run at position `run`, says about a span, and tells what was new in it.
    pub(crate) fn add(&mut self, place: Place, run: u32, facts: &Facts<'_>) -> Option<Added> {
        let span = self.intern(facts.span_id)?;
        let parent = facts.start.as_ref().and_then(|start| start.parent);
        let parent = parent.and_then(|id| self.intern(id)).unwrap_or(NONE);
        let mut row = self.row(span).copied()?;
        let (started, ended) = (row.has(Flag::STARTED), row.end.is_some());
        if row.start.is_none() {
            row.start = Some(place);
            row.run = run;
            self.order.push(span);
        }
        if facts.start.is_some() || facts.end.is_some() || facts.text.is_some() {
            row.run = run;
        }
        if row.parent == NONE {
            row.parent = parent;
        }
        self.add_start(&mut row, place, facts);
        self.add_end(&mut row, place, facts);
        let is_deciding = (facts.start.is_some() && row.start == Some(place)) || row.end == Some(place);
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
        let (started, ended) = (!started && row.has(Flag::STARTED), !ended && row.end.is_some());
        Some(Added { span, started, ended })
    }

    fn add_start(&mut self, row: &mut Row, place: Place, facts: &Facts<'_>) {
        let Some(start) = &facts.start else { return };
        if !row.has(Flag::STARTED) {
            row.set(Flag::STARTED);
            row.kind = start.kind;
            if row.start != Some(place) {
                let first = row.start.replace(place);
                self.extra_mut(row, |extra| extra.first = first);
            }
        }
        // A later start fills in what the first one left out.
        let is_first = row.start == Some(place);
        let mut fill = |flag, brought: bool, later: fn(&mut Extra) -> &mut Option<Place>| {
            if brought && !row.has(flag) {
                row.set(flag);
                if !is_first {
                    self.extra_mut(row, |extra| *later(extra) = Some(place));
                }
            }
        };
        fill(Flag::INPUT, start.input.is_some(), |extra| &mut extra.input);
        fill(Flag::MODEL, start.model.is_some(), |extra| &mut extra.model);
        fill(Flag::CALL_ID, start.call_id.is_some(), |extra| &mut extra.call_id);
    }

    fn add_end(&mut self, row: &mut Row, place: Place, facts: &Facts<'_>) {
        let Some(end) = &facts.end else { return };
        if row.end.is_none() {
            row.end = Some(place);
            if end.status == SpanStatus::Error {
                row.set(Flag::FAILED);
            }
        }
        // A later end replaces what earlier ones brought: a model call is often reported again, more complete.
        let is_first = row.end == Some(place);
        let mut replace = |flag, brought: bool, later: fn(&mut Extra) -> &mut Option<Place>| {
            if brought {
                row.set(flag);
                if !is_first {
                    self.extra_mut(row, |extra| *later(extra) = Some(place));
                }
            }
        };
        replace(Flag::OUTPUT, end.output.is_some(), |extra| &mut extra.output);
        replace(Flag::FINISH_REASON, end.finish_reason.is_some(), |extra| &mut extra.finish_reason);
        if let Some(tokens) = end.tokens {
            self.set_tokens(row, classes(tokens));
        }
        if let Some(cost) = end.cost {
            row.set(Flag::COST);
            if let Some(kept) = side(&mut self.usages, &mut row.usage) {
                kept.cost = if cost.is_finite() { cost.to_le_bytes() } else { [0; 8] };
            }
        }
    }

    fn set_tokens(&mut self, row: &mut Row, tokens: [u64; 5]) {
        let Some(kept) = side(&mut self.usages, &mut row.usage) else {
            return;
        };
        row.set(Flag::TOKENS);
        kept.tokens = tokens.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if kept.tokens.map(u64::from) == tokens {
            self.large_tokens.remove(&row.usage);
        } else {
            self.large_tokens.insert(row.usage, tokens);
        }
    }

    fn extra_mut(&mut self, row: &mut Row, change: impl FnOnce(&mut Extra)) {
        if let Some(extra) = side(&mut self.extras, &mut row.extra) {
            change(extra);
        }
    }
}

/// A row's entry in a side table, made when it has none yet.
fn side<'t, T: Default>(table: &'t mut Vec<T>, number: &mut u32) -> Option<&'t mut T> {
    if *number == NONE {
        *number = u32::try_from(table.len()).ok()?;
        table.push(T::default());
    }
    table.get_mut(at(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_span_is_small() {
        assert!(size_of::<Row>() <= 40);
        assert!(size_of::<KeptUsage>() <= 28);
        // With its number in `order`, the end of its id, 10 bytes of the table, and 17 bytes of a UUID.
        assert!(size_of::<Row>() + size_of::<KeptUsage>() + 4 + 8 + 10 + 17 <= 110);
    }

    #[test]
    fn tokens_of_any_size_are_kept() {
        let (mut spans, mut row) = (Spans::default(), Row::MENTIONED);
        for tokens in [[1, 2, 3, 4, 5], [u64::MAX, 0, 1 << 32, 0, 0], [5, 4, 3, 2, 1]] {
            spans.set_tokens(&mut row, tokens);
            assert_eq!(spans.usage(&row).and_then(|usage| usage.tokens), Some(tokens));
        }
        assert!(spans.usage(&row).is_some_and(|usage| usage.cost.is_none()));
        assert!(spans.large_tokens.is_empty());
    }
}
