//! An event on one line, for people.

use tracewal::event::{ErrorInfo, Payload, Str};
use tracewal::{Entry, Event, Time};

use crate::text;

/// No more of a value than this is shown.
const VALUE_COLUMNS: usize = 120;

/// `17  10:00:00.123  span-ended  tool-1  ok  "1 test failed"`.
pub(crate) fn entry(entry: &Entry<'_>) -> String {
    match entry.event() {
        Some(Ok(event)) => line(&entry.seq.to_string(), entry.time, &event),
        Some(Err(_)) => put_together(&entry.seq.to_string(), entry.time, "malformed", Vec::new()),
        None => {
            put_together(&entry.seq.to_string(), entry.time, "unknown", vec![format!("kind {}", entry.kind)])
        }
    }
}

/// The same for an event without a sequence number.
pub(crate) fn line(seq: &str, time: Time, event: &Event<'_>) -> String {
    put_together(seq, time, event.name(), parts(event))
}

fn put_together(seq: &str, time: Time, name: &str, parts: Vec<String>) -> String {
    let parts: Vec<String> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| text::one_line(part)).collect();
    let line = format!("{seq:>6}  {}  {name:<15}  {}", text::time_of_day(time), parts.join("  "));
    line.trim_end().to_owned()
}

fn parts(event: &Event<'_>) -> Vec<String> {
    let text = |text: &Option<Str<'_>>| {
        text.as_ref().map_or_else(String::new, |text| text::cut(text, VALUE_COLUMNS))
    };
    let value = |value: &Option<Payload<'_>>| {
        value.as_ref().map_or_else(String::new, |value| text::payload(value, VALUE_COLUMNS))
    };
    match event {
        Event::SessionStarted(e) => {
            vec![
                text(&e.name),
                e.metadata.as_ref().map_or_else(String::new, |metadata| text(&metadata.title)),
            ]
        }
        Event::RunStarted(e) => vec![format!("process {}", e.pid), text(&e.reason)],
        Event::RunEnded(e) => vec![e.reason.as_str().to_owned()],
        Event::Metadata(e) => vec![text(&e.title), text(&e.model), text(&e.prompt)],
        Event::SpanStarted(e) => {
            vec![e.span_id.to_string(), e.kind.as_str().to_owned(), e.name.to_string(), value(&e.input)]
        }
        Event::SpanText(e) => vec![e.span_id.to_string(), text::payload(&e.text.0, VALUE_COLUMNS)],
        Event::SpanAttributes(e) => vec![e.span_id.to_string(), text::payload(&e.attributes, VALUE_COLUMNS)],
        Event::SpanEnded(e) => {
            let status = e.status.map_or("ok", |status| status.as_str()).to_owned();
            vec![e.span_id.to_string(), status, text(&e.status_message), value(&e.output)]
        }
        Event::Span(e) => {
            let status = e.status.map_or("ok", |status| status.as_str()).to_owned();
            vec![
                e.kind.as_str().to_owned(),
                e.name.to_string(),
                status,
                text(&e.status_message),
                value(&e.output),
            ]
        }
        Event::LifecycleBegun(e) => vec![e.action_id.to_string(), e.kind.to_string(), text(&e.request)],
        Event::LifecycleEnded(e) => vec![e.action_id.to_string()],
        Event::Evidence(e) => {
            let error = e.error.as_ref().map_or_else(String::new, error);
            vec![e.source.to_string(), e.event.to_string(), text(&e.cause), error]
        }
        Event::Note(e) => vec![e.name.to_string(), value(&e.data)],
        Event::SessionEnded(e) => vec![e.status.as_str().to_owned(), text(&e.error)],
        Event::Crashed(e) => vec![text::cut(&e.reason, VALUE_COLUMNS), text(&e.signal)],
    }
}

fn error(error: &ErrorInfo<'_>) -> String {
    let parts = [&error.name, &error.code, &error.message];
    let parts: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
    text::cut(&parts.join(" "), VALUE_COLUMNS)
}
