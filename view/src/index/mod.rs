//! What is kept of a log beside its fold, so that any part of it can be shown without reading the rest: small numbers for every span and
//! event, and no payloads.

pub(crate) mod chat;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod names;
pub(crate) mod row;

use std::collections::HashMap;

use tracewal::fold::Fold;
use tracewal::{Entry, Event, Item, Time};
use tracewal_compact::CallInput;
use tracewal_compact::facts::{End, Facts, Start};
use tracewal_format::event::{SpanKind, SpanStatus, Tokens};
use tracewal_format::json::write_payload;

use chat::Chat;
use entries::Entries;
use files::Files;
use names::Names;
use row::{Row, ToolCall, Usage};

/// The last event of a run, up to its crash record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LastEvent {
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) name: &'static str,
    /// A crash record came behind it: what comes then is not what it died of.
    is_last: bool,
}

/// Where among the spans something is lost: what the events around it say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LostAt {
    /// The span that was the last to be first met before it.
    pub(crate) after_span: Option<u32>,
    /// The time of the event before it, and of the one behind it.
    pub(crate) from: Option<Time>,
    pub(crate) to: Option<Time>,
}

/// What is kept of a log.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By the numbers of the spans.
    rows: Vec<Row>,
    pub(crate) names: Names,
    pub(crate) models: Names,
    usage: Vec<Usage>,
    calls: Vec<ToolCall>,
    pub(crate) entries: Entries,
    pub(crate) chat: Chat,
    pub(crate) files: Files,
    pub(crate) last_events: HashMap<u32, LastEvent>,
    /// The generation that said something last.
    pub(crate) last_answer: Option<u32>,
    /// For each loss, in their order.
    pub(crate) lost_at: Vec<LostAt>,
    last_span: Option<u32>,
    last_time: Option<Time>,
}

impl Index {
    /// What has been read before the log's end is read anew at each of its ends.
    pub(crate) fn begin_to_read(&mut self) {
        self.entries.forget_slots();
        self.chat.forget_slots();
    }

    /// Takes in what `fold` has just taken in.
    pub(crate) fn add(&mut self, fold: &Fold, item: &Item<'_>) {
        match item {
            Item::Event(entry) => self.add_entry(fold, entry),
            Item::Loss(loss) => {
                if loss.missing.is_some() {
                    self.chat.gap(self.entries.len());
                }
                self.entries.push_loss(loss.clone());
                self.lost_at.push(LostAt { after_span: self.last_span, from: self.last_time, to: None });
            }
            Item::Slot(slot) => {
                self.chat.slot(self.entries.len());
                self.entries.push_slot(slot.clone());
            }
            Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => {}
        }
    }

    pub(crate) fn row(&self, number: u32) -> Row {
        usize::try_from(number).ok().and_then(|at| self.rows.get(at)).copied().unwrap_or_default()
    }

    pub(crate) fn usage(&self, row: &Row) -> Option<&Usage> {
        self.usage.get(usize::try_from(row.usage?.get() - 1).ok()?)
    }

    pub(crate) fn call(&self, row: &Row) -> Option<&ToolCall> {
        self.calls.get(usize::try_from(row.call?.get() - 1).ok()?)
    }

    fn add_entry(&mut self, fold: &Fold, entry: &Entry<'_>) {
        let at = self.entries.len();
        self.entries.push(entry.segment, entry.offset, entry.seq);
        self.lost_at
            .iter_mut()
            .rev()
            .take_while(|lost| lost.to.is_none())
            .for_each(|lost| lost.to = Some(entry.time));
        self.last_time = Some(entry.time);
        let event = match entry.event() {
            Some(Ok(event)) => event,
            _ => return,
        };
        self.note_last(entry, &event);
        let Some(facts) = Facts::of(&event, entry.time) else {
            self.chat.event(at, &event);
            return;
        };
        let Some(number) = fold.span_number(facts.span_id) else { return };
        let before = self.row(number);
        if !before.is_known {
            self.last_span = Some(number);
        }
        let row = self.add_span(number, before, &facts, entry.time);
        self.put(number, row);
        if row.is_started && !before.is_started {
            let parent = facts.start.as_ref().and_then(|start| start.parent);
            let parent = parent.and_then(|id| fold.span_number(id));
            let text = facts.start.as_ref().and_then(|start| start.input);
            self.chat.span(number, parent, row.kind, text);
        }
    }

    fn note_last(&mut self, entry: &Entry<'_>, event: &Event<'_>) {
        if let Event::Crashed(crashed) = event {
            if let Some(last) = self.last_events.get_mut(&crashed.run.unwrap_or(entry.run)) {
                last.is_last = true;
            }
        } else if self.last_events.get(&entry.run).is_none_or(|last| !last.is_last) {
            let last = LastEvent { seq: entry.seq, time: entry.time, name: event.name(), is_last: false };
            self.last_events.insert(entry.run, last);
        }
    }

    fn put(&mut self, number: u32, row: Row) {
        let Ok(at) = usize::try_from(number) else { return };
        if at >= self.rows.len() {
            self.rows.resize(at + 1, Row::default());
        }
        if let Some(to) = self.rows.get_mut(at) {
            *to = row;
        }
    }

    fn add_span(&mut self, number: u32, mut row: Row, facts: &Facts<'_>, time: Time) -> Row {
        if !row.is_known {
            row.is_known = true;
            row.start_ns = time.as_ns_i64();
        }
        if let Some(start) = &facts.start {
            self.add_start(number, &mut row, start);
        }
        if facts.text.is_some() {
            self.said(number, &mut row);
        }
        if let Some(end) = &facts.end {
            self.add_end(number, &mut row, end);
        }
        row
    }

    fn add_start(&mut self, number: u32, row: &mut Row, start: &Start<'_>) {
        if !row.is_started {
            row.is_started = true;
            row.start_ns = start.time.as_ns_i64();
            row.kind = start.kind;
            row.name = self.names.number(start.name);
        }
        if let (None, Some(model)) = (row.model, start.model) {
            row.model = self.models.number(model.model_id.as_deref().unwrap_or_default());
        }
        if row.kind == SpanKind::Tool
            && let (false, Some(input)) = (row.has_input, start.input)
        {
            row.has_input = true;
            let mut json = Vec::new();
            write_payload(input, &mut json);
            if let Some(call) = self.call_mut(row) {
                call.input = CallInput::of(&json);
            }
            self.files.called(number, start.name, &json);
        }
    }

    fn add_end(&mut self, number: u32, row: &mut Row, end: &End<'_>) {
        if row.end_ns.is_none() {
            row.end_ns = Some(end.time.as_ns_i64());
            row.is_failed = end.status == SpanStatus::Error;
            row.is_interrupted = row.is_failed
                && end.message.is_some_and(|message| message.starts_with(tracewal_compact::INTERRUPTED));
            if let Some(duration_ns) = end.duration_ns
                && let Some(call) = self.call_mut(row)
            {
                call.duration_ns = Some(duration_ns);
            }
        }
        if end.output.is_some() {
            self.said(number, row);
        }
        if (end.tokens.is_some() || end.cost.is_some())
            && let Some(usage) = self.usage_mut(row)
        {
            usage.tokens = end.tokens.map(classes).or(usage.tokens);
            let finite = |cost: f64| if cost.is_finite() { cost } else { 0.0 };
            usage.cost = end.cost.map(finite).or(usage.cost);
        }
    }

    fn said(&mut self, number: u32, row: &mut Row) {
        row.has_said = true;
        if row.kind == SpanKind::Generation {
            self.last_answer = Some(number);
        }
    }

    fn usage_mut(&mut self, row: &mut Row) -> Option<&mut Usage> {
        if row.usage.is_none() {
            self.usage.push(Usage::default());
            row.usage = row::nth(self.usage.len());
        }
        self.usage.get_mut(usize::try_from(row.usage?.get() - 1).ok()?)
    }

    fn call_mut(&mut self, row: &mut Row) -> Option<&mut ToolCall> {
        if row.call.is_none() {
            self.calls.push(ToolCall::default());
            row.call = row::nth(self.calls.len());
        }
        self.calls.get_mut(usize::try_from(row.call?.get() - 1).ok()?)
    }

    /// Whether a generation said something, rather than only called tools.
    pub(crate) fn has_said(&self, number: u32) -> bool {
        self.row(number).has_said
    }
}

fn classes(tokens: &Tokens<'_>) -> [u64; 5] {
    [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write]
}
