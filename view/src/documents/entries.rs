//! `log/K`, `raw/K` and `event/SEQ`: the log, entry by entry.

use std::io::Write;

use serde::Serialize;
use tracewal::fold::Fold;
use tracewal::{Entry, Event, Loss, Time};
use tracewal_compact::Spans;
use tracewal_compact::facts::Facts;
use tracewal_format::json::{write_event, write_loss, write_slot};

use super::{Ms, SIZES, in_chunk};
use crate::error::{Result, ViewError};
use crate::index::entries::At;
use crate::line::line;
use crate::trace::Trace;

/// No more of an event is shown on its line, in characters.
const LINE: usize = 200;

#[derive(Serialize)]
struct Document {
    from: usize,
    entries: Vec<EntryLine>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EntryLine {
    Event(EventLine),
    Gap { gap: Gap },
}

#[derive(Serialize)]
struct EventLine {
    /// `None`: a crash slot.
    seq: Option<u64>,
    time: Ms,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<usize>,
    text: String,
}

/// What is lost at a place of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gap {
    /// The last event before it.
    pub(crate) after_seq: u64,
    /// The first and last lost event; `None`: none is known to be.
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) kind: &'static str,
    /// File and bytes.
    pub(crate) r#where: String,
    /// Where it stands among the spans.
    #[serde(flatten)]
    pub(crate) place: Option<GapPlace>,
}

/// Where a loss stands among the spans.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GapPlace {
    /// The position of the span that was the last to be met before it.
    pub(crate) after_span: usize,
    /// The times of the events around it.
    pub(crate) from: Option<Ms>,
    pub(crate) to: Option<Ms>,
}

impl Gap {
    pub(crate) fn of(loss: &Loss, after_seq: u64) -> Self {
        let end = loss.offset.saturating_add(loss.length);
        Gap {
            after_seq,
            first: loss.missing.map(|(first, _)| first),
            last: loss.missing.map(|(_, last)| last),
            kind: loss.kind.as_str(),
            r#where: format!("{} bytes {}..{end}", loss.file, loss.offset),
            place: None,
        }
    }
}

impl Trace {
    /// Chunk number `chunk` of the log's entries, a line each.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound), or what reading the log met.
    pub fn log(&mut self, chunk: usize) -> Result<Vec<u8>> {
        let range = in_chunk(chunk, SIZES.log, self.index.entries.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the log")))?;
        let from = range.start;
        let entries = range.map(|at| self.entry_line(at)).collect::<Result<_>>()?;
        Ok(serde_json::to_vec(&Document { from, entries })?)
    }

    /// Writes chunk number `chunk` of the log's entries, as `tracewal events` prints them.
    ///
    /// # Errors
    /// Those of [`log`](Self::log), or what writing met.
    pub fn raw(&mut self, chunk: usize, out: &mut impl Write) -> Result<()> {
        let range = in_chunk(chunk, SIZES.log, self.index.entries.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the log")))?;
        write!(out, "{{\"from\":{},\"events\":[", range.start).map_err(ViewError::Write)?;
        let mut json = Vec::new();
        for at in range.clone() {
            json.clear();
            if at > range.start {
                json.push(b',');
            }
            self.write_entry(at, &mut json)?;
            out.write_all(&json).map_err(ViewError::Write)?;
        }
        out.write_all(b"]}").map_err(ViewError::Write)
    }

    /// One event as `tracewal events` prints it.
    ///
    /// # Errors
    /// Those of [`log`](Self::log).
    pub fn event(&mut self, seq: u64) -> Result<Vec<u8>> {
        let at = self.index.entries.of_seq(seq);
        let at = at.ok_or_else(|| ViewError::no(format!("event {seq}")))?;
        let mut json = Vec::new();
        self.write_entry(at, &mut json)?;
        Ok(json)
    }

    /// An entry as `tracewal events` prints it.
    pub(super) fn write_entry(&mut self, at: usize, json: &mut Vec<u8>) -> Result<()> {
        match self.index.entries.at(at).ok_or(ViewError::LogChanged)? {
            At::Loss(loss) => {
                json.extend_from_slice(b"{\"lost\":");
                write_loss(loss, json);
                json.push(b'}');
            }
            At::Slot(slot) => write_slot(slot, json),
            At::Event { segment, offset } => {
                let entry = self.log.entry_at(segment, offset).map_err(ViewError::Log)?;
                write_event(&entry.ok_or(ViewError::LogChanged)?, json);
            }
        }
        Ok(())
    }

    /// The type of an entry as the log's lines name it, `gap` for a loss, and the position of the span that it is about.
    pub(super) fn entry_told(&mut self, at: usize) -> Result<(&'static str, Option<usize>)> {
        let Trace { index, log, fold, spans, .. } = self;
        Ok(match index.entries.at(at).ok_or(ViewError::LogChanged)? {
            At::Loss(_) => ("gap", None),
            At::Slot(_) => ("crashed", None),
            At::Event { segment, offset } => {
                let entry = log.entry_at(segment, offset).map_err(ViewError::Log)?;
                told(&entry.ok_or(ViewError::LogChanged)?, fold, spans)
            }
        })
    }

    fn entry_line(&mut self, at: usize) -> Result<EntryLine> {
        let Trace { index, log, fold, spans, .. } = self;
        Ok(match index.entries.at(at).ok_or(ViewError::LogChanged)? {
            At::Loss(loss) => EntryLine::Gap { gap: Gap::of(loss, index.entries.seq_before(at)) },
            At::Slot(slot) => EntryLine::Event(EventLine {
                seq: None,
                time: Ms(slot.time.as_ns()),
                r#type: "crashed",
                span: None,
                text: line(&slot.event(), LINE),
            }),
            At::Event { segment, offset } => {
                let entry = log.entry_at(segment, offset).map_err(ViewError::Log)?;
                let entry = entry.ok_or(ViewError::LogChanged)?;
                let (r#type, span) = told(&entry, fold, spans);
                let text = match entry.event() {
                    Some(Ok(event)) => line(&event, LINE),
                    Some(Err(_)) => String::new(),
                    None => format!("kind {}", entry.kind),
                };
                let time = Ms(entry.time.as_ns());
                EntryLine::Event(EventLine { seq: Some(entry.seq), time, r#type, span, text })
            }
        })
    }

    /// Does something with the event, or what a crash slot says, at a position of the log. `None`: there is none that can be read.
    pub(crate) fn with_event<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&Event<'_>, Time) -> T,
    ) -> Result<Option<T>> {
        match self.index.entries.at(at) {
            Some(At::Slot(slot)) => Ok(Some(act(&slot.event(), slot.time))),
            Some(At::Event { segment, offset }) => {
                let entry = self.log.entry_at(segment, offset).map_err(ViewError::Log)?;
                let entry = entry.ok_or(ViewError::LogChanged)?;
                Ok(entry.event().and_then(|event| event.ok()).map(|event| act(&event, entry.time)))
            }
            Some(At::Loss(_)) | None => Ok(None),
        }
    }
}

/// The type of an event, and the position of the span that it is about.
fn told(entry: &Entry<'_>, fold: &Fold, spans: &Spans) -> (&'static str, Option<usize>) {
    match entry.event() {
        Some(Ok(event)) => {
            let facts = Facts::of(&event, entry.time);
            let number = facts.and_then(|facts| fold.span_number(facts.span_id));
            (event.name(), number.and_then(|number| spans.position(number)))
        }
        Some(Err(_)) => ("malformed", None),
        None => ("unknown", None),
    }
}
