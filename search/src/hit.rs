//! A place where something was found.

use tracewal::event::SpanKind;
use tracewal::{Event, Log, Time};

use crate::passage::{Field, Passage, span_id};
use crate::text::border_before;

/// So much of the text before and behind a match is shown.
const AROUND_BYTES: usize = 120;
/// No more of a match than this.
const MATCH_BYTES: usize = 400;

/// A text of a session that holds what was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What of the session it is.
    pub field: Field,
    /// The span that it belongs to, if it belongs to one.
    pub span_id: Option<String>,
    /// What that is, and its name; `None`: its beginning is lost, or there is no span.
    pub span: Option<(SpanKind, String)>,
    /// The sequence number of the event.
    pub seq: u64,
    /// When it was recorded.
    pub time: Time,
    /// How often it is in this text, not overlapping.
    pub matches: u64,
    /// What stands before the first match,
    pub before: String,
    /// the match,
    pub text: String,
    /// and what stands behind it.
    pub after: String,
}

impl Hit {
    /// What was found in a passage at these places. `None`: its record is not there any more.
    pub(crate) fn of(
        passage: &Passage,
        text: &str,
        first: (usize, usize),
        matches: u64,
        log: &mut Log,
    ) -> std::io::Result<Option<Hit>> {
        let Some(place) = passage.places.first() else { return Ok(None) };
        let Some(entry) = log.entry_at(place.segment, place.offset)? else { return Ok(None) };
        let Some(Ok(event)) = entry.event() else { return Ok(None) };
        let (seq, time) = (entry.seq, entry.time);
        let span_id = span_id(&event).map(str::to_owned);
        let mut span = None;
        if let Some(start) = passage.start
            && let Some(entry) = log.entry_at(start.segment, start.offset)?
        {
            span = match entry.event() {
                Some(Ok(Event::SpanStarted(e))) => Some((e.kind, e.name.into_owned())),
                Some(Ok(Event::Span(e))) => Some((e.kind, e.name.into_owned())),
                Some(Ok(Event::SessionStarted(e))) => {
                    Some((SpanKind::Session, e.name.unwrap_or_default().into_owned()))
                }
                _ => None,
            };
        }
        let (start, end) = first;
        let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
        Ok(Some(Hit {
            field: passage.field,
            span_id,
            span,
            seq,
            time,
            matches,
            before: cut(border_before(text, start.saturating_sub(AROUND_BYTES)), start),
            text: cut(start, border_before(text, end.min(start + MATCH_BYTES))),
            after: cut(end, border_before(text, end.saturating_add(AROUND_BYTES))),
        }))
    }
}
