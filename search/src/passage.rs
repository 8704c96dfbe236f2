//! What is searched as one text: a value of an event, or a stretch of the text that a span streamed. And where it stands in the log.

use tracewal::event::Metadata;
use tracewal::{Entry, Event, Log};

use crate::text::Text;

/// Where a record stands: the number of its segment, and its offset there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl Place {
    pub(crate) fn of(entry: &Entry<'_>) -> Self {
        Place { segment: entry.segment, offset: entry.offset }
    }
}

macro_rules! fields {
    ($($(#[$meta:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        /// What of a session a text is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field { $($(#[$meta])* $variant,)* }

        impl Field {
            /// Its name in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            pub(crate) fn number(self) -> u8 {
                match self { $(Field::$variant => $number,)* }
            }

            pub(crate) fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Field::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    /// The session's title.
    Title = 0 "title",
    /// What was asked.
    Prompt = 1 "prompt",
    /// What went into a span.
    Input = 2 "input",
    /// What came out of it.
    Output = 3 "output",
    /// What it streamed.
    Text = 4 "text",
    /// The message of its error.
    Message = 5 "message",
    /// Its attributes.
    Attributes = 6 "attributes",
    /// What an embedder noted.
    Note = 7 "note",
    /// The error that the session ended with, or a piece of evidence.
    Error = 8 "error",
    /// Why it crashed.
    Crash = 9 "crash",
}

/// A text, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) field: Field,
    /// The record that opened its span.
    pub(crate) start: Option<Place>,
    /// The records that it stands in, in order: one, but for streamed text.
    pub(crate) places: Vec<Place>,
    /// So many bytes of the text, at its beginning, are the end of the passage before it.
    pub(crate) overlap: usize,
}

impl Field {
    /// What an event has to be searched, without streamed text.
    pub(crate) fn of(event: &Event<'_>) -> &'static [Field] {
        match event {
            Event::SessionStarted(_) | Event::Metadata(_) => &[Field::Title, Field::Prompt],
            Event::SpanStarted(_) => &[Field::Input, Field::Attributes],
            Event::SpanAttributes(_) => &[Field::Attributes],
            Event::SpanEnded(_) => &[Field::Output, Field::Message, Field::Attributes],
            Event::Span(_) => &[Field::Input, Field::Output, Field::Message, Field::Attributes],
            Event::Evidence(_) | Event::SessionEnded(_) => &[Field::Error],
            Event::Note(_) => &[Field::Note],
            Event::Crashed(_) => &[Field::Crash],
            _ => &[],
        }
    }

    /// The text of this field in an event; empty if it has none.
    pub(crate) fn text(self, event: &Event<'_>) -> String {
        let mut text = Text::default();
        match (event, self) {
            (Event::SessionStarted(e), _) => {
                if let Some(metadata) = &e.metadata {
                    self.metadata(metadata, &mut text);
                }
            }
            (Event::Metadata(metadata), _) => self.metadata(metadata, &mut text),
            (Event::SpanStarted(e), Field::Input) => value(&mut text, e.input.as_ref()),
            (Event::SpanStarted(e), Field::Attributes) => value(&mut text, e.attributes.as_ref()),
            (Event::SpanAttributes(e), Field::Attributes) => text.value(&e.attributes),
            (Event::SpanEnded(e), Field::Output) => value(&mut text, e.output.as_ref()),
            (Event::SpanEnded(e), Field::Message) => line(&mut text, "", e.status_message.as_deref()),
            (Event::SpanEnded(e), Field::Attributes) => value(&mut text, e.attributes.as_ref()),
            (Event::Span(e), Field::Input) => value(&mut text, e.input.as_ref()),
            (Event::Span(e), Field::Output) => value(&mut text, e.output.as_ref()),
            (Event::Span(e), Field::Message) => line(&mut text, "", e.status_message.as_deref()),
            (Event::Span(e), Field::Attributes) => value(&mut text, e.attributes.as_ref()),
            (Event::SessionEnded(e), Field::Error) => line(&mut text, "", e.error.as_deref()),
            (Event::Evidence(e), Field::Error) => {
                if let Some(error) = &e.error {
                    line(&mut text, "name", error.name.as_deref());
                    line(&mut text, "code", error.code.as_deref());
                    line(&mut text, "", error.message.as_deref());
                }
            }
            // What is in the notes of an import is a state of its own, or what could not be understood.
            (Event::Note(e), Field::Note) if e.name != "import.state" => {
                value(&mut text, e.data.as_ref());
            }
            (Event::Crashed(e), Field::Crash) => {
                text.line("", &e.reason);
                if let Some(exception) = &e.exception {
                    text.line("", &exception.r#type);
                    text.line("", &exception.message);
                    line(&mut text, "", exception.stack.as_deref());
                }
            }
            _ => {}
        }
        if text.is_empty() { String::new() } else { text.into_string() }
    }

    fn metadata(self, metadata: &Metadata<'_>, to: &mut Text) {
        match self {
            Field::Title => line(to, "", metadata.title.as_deref()),
            Field::Prompt => line(to, "", metadata.prompt.as_deref()),
            _ => {}
        }
    }
}

fn value(to: &mut Text, payload: Option<&tracewal::Payload<'_>>) {
    if let Some(payload) = payload {
        to.value(payload);
    }
}

fn line(to: &mut Text, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        to.line(key, text);
    }
}

/// The id of the span that an event is about.
pub(crate) fn span_id<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::SessionStarted(e) => e.root_span_id.as_deref(),
        Event::SpanStarted(e) => Some(&e.span_id),
        Event::SpanText(e) => Some(&e.span_id),
        Event::SpanAttributes(e) => Some(&e.span_id),
        Event::SpanEnded(e) => Some(&e.span_id),
        Event::Span(e) => Some(&e.span_id),
        _ => None,
    }
}

impl Passage {
    /// Its text, read from the log. `None`: it does not stand there.
    pub(crate) fn read(&self, log: &mut Log) -> std::io::Result<Option<String>> {
        let mut streamed = Vec::new();
        for place in &self.places {
            let Some(entry) = log.entry_at(place.segment, place.offset)? else { return Ok(None) };
            let Some(Ok(event)) = entry.event() else { return Ok(None) };
            match (self.field, &event) {
                (Field::Text, Event::SpanText(piece)) => streamed.extend_from_slice(&piece.text.0.bytes),
                (Field::Text, _) => return Ok(None),
                (field, event) => return Ok(Some(field.text(event))),
            }
        }
        Ok(Some(String::from_utf8_lossy(&streamed).into_owned()))
    }
}
