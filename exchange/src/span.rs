//! One span of a canonical trace, and the parts of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use tracewal_format::event::SpanKind;
use tracewal_format::time::{Time, parse_ms};

/// A span as the canonical JSON has it. Free-form values are the JSON text that stands there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Its id.
    pub span_id: String,
    /// The span around it; `None`: it is the root.
    pub parent_span_id: Option<String>,
    /// Its name.
    pub name: String,
    /// `session`, `generation`, `tool`, `text`, `span` or `user-message`.
    pub kind: String,
    /// When it began.
    #[serde(rename = "startTime", deserialize_with = "time")]
    pub start: Time,
    /// When it ended; `None`: it is open.
    #[serde(rename = "endTime", default, deserialize_with = "some_time")]
    pub end: Option<Time>,
    /// `ok` or `error`.
    #[serde(default)]
    pub status: String,
    /// The error's text.
    pub status_message: Option<String>,
    /// It was closed because its run was over.
    #[serde(default)]
    pub interrupted: bool,
    /// The model of a generation.
    pub model: Option<Model>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// What a model call used.
    pub tokens: Option<Tokens>,
    /// US dollars.
    pub cost: Option<f64>,
    /// What only tools have.
    pub tool: Option<Tool>,
    /// What went in.
    #[serde(default, deserialize_with = "some_value")]
    pub input: Option<Box<RawValue>>,
    /// What came out.
    #[serde(default, deserialize_with = "some_value")]
    pub output: Option<Box<RawValue>>,
    /// An object of anything else.
    #[serde(default, deserialize_with = "some_value")]
    pub attributes: Option<Box<RawValue>>,
}

/// Which model a generation used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Its id.
    pub model_id: Option<String>,
    /// Who serves it.
    pub provider_id: Option<String>,
    /// Reasoning effort, or another variant.
    pub variant: Option<String>,
}

/// Tokens of one model call, in classes that do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tokens {
    /// Input that was not cached.
    pub input: u64,
    /// Output that is not reasoning.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
}

/// What only tools have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// The id of the call.
    pub call_id: Option<String>,
    /// How long it ran, in milliseconds.
    pub duration_ms: Option<Box<RawValue>>,
}

impl Span {
    /// Reads the JSON object of a span.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// What it is; what is unknown is a span.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        SpanKind::ALL.iter().copied().find(|kind| kind.as_str() == self.kind).unwrap_or(SpanKind::Span)
    }

    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status == "error"
    }

    /// The id of its model.
    #[must_use]
    pub fn model_id(&self) -> Option<&str> {
        self.model.as_ref()?.model_id.as_deref()
    }

    /// The id of the tool call.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.tool.as_ref()?.call_id.as_deref()
    }
}

impl Tokens {
    /// All input, cached or not.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// All output, reasoning included.
    #[must_use]
    pub fn completion(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }
}

/// Of the event, whose classes are the same.
impl From<&tracewal_format::event::Tokens<'_>> for Tokens {
    fn from(of: &tracewal_format::event::Tokens<'_>) -> Self {
        Tokens {
            input: of.input,
            output: of.output,
            reasoning: of.reasoning,
            cache_read: of.cache_read,
            cache_write: of.cache_write,
        }
    }
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    let ns = parse_ms(raw.get()).ok_or_else(|| D::Error::custom("a time is not a number of milliseconds"))?;
    Ok(Time::from_ns(ns))
}

fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    time(from).map(Some)
}

/// `null` is a value.
fn some_value<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

/// Whether a value is a JSON string.
#[must_use]
pub fn is_string(json: &str) -> bool {
    json.starts_with('"')
}

/// The text of a JSON string, a lone surrogate in it as U+FFFD. `None`: it is no string.
#[must_use]
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    struct Bytes;
    impl<'de> Visitor<'de> for Bytes {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
            Ok(text_of(Cow::Borrowed(bytes)))
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(text_of(Cow::Owned(bytes.to_owned())))
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
            Ok(text_of(Cow::Owned(bytes)))
        }
    }
    if !is_string(json) {
        return None;
    }
    // Asked for bytes, the decoder lets lone surrogates through; asked for a string it refuses them.
    serde_json::Deserializer::from_str(json).deserialize_bytes(Bytes).ok()
}

/// A lone surrogate comes as the three bytes that UTF-8 would have for it, which become one U+FFFD.
fn text_of(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(replaced(bytes)),
        },
        Cow::Owned(bytes) => {
            Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| replaced(error.as_bytes())))
        }
    }
}

fn replaced(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        if let [0xED, 0xA0..=0xBF, 0x80..=0xBF, behind @ ..] = rest {
            text.push('\u{FFFD}');
            rest = behind;
            continue;
        }
        let (known, behind) = match std::str::from_utf8(rest) {
            Ok(all) => (all, &[][..]),
            Err(error) => {
                let (valid, behind) = rest.split_at_checked(error.valid_up_to()).unwrap_or((&[], rest));
                (std::str::from_utf8(valid).unwrap_or_default(), behind)
            }
        };
        text.push_str(known);
        if known.is_empty() {
            text.push('\u{FFFD}');
            rest = rest.get(1..).unwrap_or_default();
        } else {
            rest = behind;
        }
    }
    text
}

/// A value as text for people: a string as it is, anything else as its JSON.
#[must_use]
pub fn shown(json: &str) -> Cow<'_, str> {
    string(json).unwrap_or(Cow::Borrowed(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_is_one_replacement() {
        assert_eq!(
            string(r#""a\ud800b\udc00\ud83d\ude00é\u0000""#).unwrap(),
            "a\u{FFFD}b\u{FFFD}\u{1F600}é\0"
        );
        assert_eq!(string("12"), None);
        assert_eq!(shown(r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn a_span_is_read_with_its_values_as_they_are_spelled() {
        let span = Span::parse(
            br#"{"spanId":"a","parentSpanId":null,"name":"n","kind":"tool","startTime":1.5,"status":"ok","input":{"b":1e400,"b":"\ud800"}}"#,
        )
        .unwrap();
        assert_eq!((span.start.as_ns(), span.end, span.kind()), (1_500_000, None, SpanKind::Tool));
        assert_eq!(span.input.unwrap().get(), r#"{"b":1e400,"b":"\ud800"}"#);
    }
}
