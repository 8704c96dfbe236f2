//! An event in a few words.

use tracewal::Event;
use tracewal::event::{ErrorInfo, Payload, Str};

use crate::text::{one_line, prefix, preview};

/// What an event says besides its type, on one line of at most so many characters.
pub(crate) fn line(event: &Event<'_>, characters: usize) -> String {
    let parts = parts(event, characters);
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    one_line(&parts.join("  "), characters)
}

/// A payload on one line.
pub(crate) fn payload(payload: &Payload<'_>, characters: usize) -> String {
    // No character takes more than 12 bytes of JSON.
    let most = characters.saturating_mul(12).saturating_add(2);
    let bytes = payload.bytes.get(..most).unwrap_or(&payload.bytes);
    let text = String::from_utf8_lossy(bytes);
    if payload.encoding == Payload::JSON { preview(&text, characters) } else { one_line(&text, characters) }
}

fn parts(event: &Event<'_>, characters: usize) -> Vec<String> {
    let short = |text: &str| prefix(text, characters.saturating_mul(4)).to_owned();
    let text = |text: &Option<Str<'_>>| text.as_deref().map_or_else(String::new, short);
    let value = |value: &Option<Payload<'_>>| {
        value.as_ref().map_or_else(String::new, |value| payload(value, characters))
    };
    match event {
        Event::SessionStarted(e) => {
            let title = e.metadata.as_ref().and_then(|metadata| metadata.title.as_deref());
            vec![text(&e.name), title.map_or_else(String::new, short)]
        }
        Event::RunStarted(e) => vec![format!("process {}", e.pid), text(&e.reason)],
        Event::RunEnded(e) => vec![e.reason.as_str().to_owned()],
        Event::Metadata(e) => vec![text(&e.title), text(&e.model), text(&e.prompt)],
        Event::SpanStarted(e) => vec![e.kind.as_str().to_owned(), short(&e.name), value(&e.input)],
        Event::SpanText(e) => vec![payload(&e.text.0, characters)],
        Event::SpanAttributes(e) => vec![payload(&e.attributes, characters)],
        Event::SpanEnded(e) => {
            let status = e.status.map_or("ok", |status| status.as_str()).to_owned();
            vec![status, text(&e.status_message), value(&e.output)]
        }
        Event::Span(e) => {
            let status = e.status.map_or("ok", |status| status.as_str()).to_owned();
            let said = if e.output.is_some() { value(&e.output) } else { value(&e.input) };
            vec![e.kind.as_str().to_owned(), short(&e.name), status, text(&e.status_message), said]
        }
        Event::LifecycleBegun(e) => vec![short(&e.kind), short(&e.action_id), text(&e.request)],
        Event::LifecycleEnded(e) => vec![short(&e.action_id)],
        Event::Evidence(e) => {
            let error = e.error.as_ref().map_or_else(String::new, |error| short(&error_text(error)));
            vec![short(&e.source), short(&e.event), text(&e.tool), text(&e.cause), error]
        }
        Event::Note(e) => vec![short(&e.name), value(&e.data)],
        Event::SessionEnded(e) => vec![e.status.as_str().to_owned(), text(&e.error)],
        Event::Crashed(e) => vec![short(&e.reason), text(&e.signal)],
    }
}

fn error_text(error: &ErrorInfo<'_>) -> String {
    let parts = [&error.name, &error.code, &error.message];
    let parts: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
    parts.join(" ")
}
