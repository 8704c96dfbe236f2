//! Events as JSON lines, in and out, and free-form JSON checked and compacted (SPEC.md section 8).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::{Event, Gap, Payload};
use crate::log::{Entry, Loss, LossKind, SlotEntry};
use crate::segment::NUMBER_MAX;
use crate::time::{self, Time};
use crate::wire::{Field, FieldError};

/// How deep free-form JSON may nest arrays and objects; deeper counts as invalid.
pub const NESTING_LIMIT: usize = 512;

/// Why a line of JSON is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventError {
    /// It is not a JSON object.
    NotAnObject(String),
    /// It has no `type`.
    NoType,
    /// There is no such type.
    UnknownType(String),
    /// The type has no such key.
    UnknownKey(String),
    /// The key stands there twice.
    DuplicateKey(String),
    /// The key is required.
    MissingKey(&'static str),
    /// The key's value is not what it has to be.
    WrongType {
        /// The key, with the keys around it: `model.modelId`.
        key: String,
        /// What it has to be.
        expected: &'static str,
    },
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventError::NotAnObject(why) => write!(f, "not a JSON object: {why}"),
            EventError::NoType => write!(f, "no key \"type\""),
            EventError::UnknownType(name) => write!(f, "unknown type \"{name}\""),
            EventError::UnknownKey(key) => write!(f, "unknown key \"{key}\""),
            EventError::DuplicateKey(key) => write!(f, "key \"{key}\" stands there twice"),
            EventError::MissingKey(key) => write!(f, "key \"{key}\" is missing"),
            EventError::WrongType { key, expected } => write!(f, "key \"{key}\" has to be {expected}"),
        }
    }
}

impl std::error::Error for EventError {}

impl EventError {
    fn inside(self, outer: &str) -> Self {
        match self {
            EventError::UnknownKey(key) => EventError::UnknownKey(format!("{outer}.{key}")),
            EventError::DuplicateKey(key) => EventError::DuplicateKey(format!("{outer}.{key}")),
            EventError::MissingKey(_) => {
                EventError::WrongType { key: outer.to_owned(), expected: "complete" }
            }
            EventError::WrongType { key, expected } => {
                EventError::WrongType { key: format!("{outer}.{key}"), expected }
            }
            other => other,
        }
    }
}

/// The members of a JSON object that have not been used yet.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, EventError> {
        let fields: Self = serde_json::from_str(text).map_err(|e| EventError::NotAnObject(e.to_string()))?;
        // An event has a few keys; an object with thousands of them has unknown ones, which `finish` refuses.
        let members = fields.0.get(..64).unwrap_or(&fields.0);
        for (at, (key, _)) in members.iter().enumerate() {
            if members.iter().take(at).any(|(earlier, _)| earlier == key) {
                return Err(EventError::DuplicateKey(key.clone().into_owned()));
            }
        }
        Ok(fields)
    }

    fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(crate) fn required<T: Field<'a>>(&mut self, key: &'static str) -> Result<T, EventError> {
        let raw = self.take(key).ok_or(EventError::MissingKey(key))?;
        read(key, raw)
    }

    pub(crate) fn optional<T: Field<'a>>(&mut self, key: &'static str) -> Result<Option<T>, EventError> {
        match self.take(key) {
            Some(raw) if raw.get() == "null" && (T::NULL_IS_ABSENT || key == "attributes") => Ok(None),
            Some(raw) => read(key, raw).map(Some),
            None => Ok(None),
        }
    }

    /// Fails when a member is left: it was not known, or stood there twice.
    pub(crate) fn finish(&self) -> Result<(), EventError> {
        let Some((key, _)) = self.0.first() else {
            return Ok(());
        };
        Err(EventError::UnknownKey(key.clone().into_owned()))
    }
}

fn read<'a, T: Field<'a>>(key: &'static str, raw: &'a RawValue) -> Result<T, EventError> {
    T::read_json(raw).map_err(|error| match error {
        FieldError::Type => EventError::WrongType { key: key.to_owned(), expected: T::EXPECTED },
        FieldError::Inside(inner) => inner.inside(key),
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Fields(members))
            }
        }
        from.deserialize_map(Members)
    }
}

/// Reads one event from a line of JSON, with its time if it has one.
///
/// # Errors
/// What is wrong with the line, naming the key.
pub fn parse_event(line: &str) -> Result<(Option<Time>, Event<'_>), EventError> {
    let mut fields = Fields::parse(line)?;
    let name = fields.take("type").ok_or(EventError::NoType)?;
    let name = crate::wire::string(name)
        .map_err(|_| EventError::WrongType { key: "type".into(), expected: "a string" })?;
    let time = fields.optional("time")?;
    let _seq: Option<u64> = fields.optional("seq")?;
    let event = match Event::read_json_fields(&name, &mut fields) {
        Some(event) => event?,
        None => return Err(EventError::UnknownType(name.into_owned())),
    };
    fields.finish()?;
    check_attributes(&event)?;
    Ok((time, event))
}

fn check_attributes(event: &Event<'_>) -> Result<(), EventError> {
    let attributes = match event {
        Event::SpanStarted(e) => e.attributes.as_ref(),
        Event::SpanAttributes(e) => Some(&e.attributes),
        Event::SpanEnded(e) => e.attributes.as_ref(),
        Event::Span(e) => e.attributes.as_ref(),
        _ => None,
    };
    match attributes {
        Some(payload) if !payload.bytes.starts_with(b"{") => {
            Err(EventError::WrongType { key: "attributes".into(), expected: "an object" })
        }
        _ => Ok(()),
    }
}

/// Appends one event as a line of JSON, without the line feed.
pub fn write_event(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"seq\":");
    out.extend_from_slice(entry.seq.to_string().as_bytes());
    match entry.event() {
        Some(Ok(event)) => write_known(entry.time, &event, entry.is_redacted(), out),
        other => {
            out.extend_from_slice(b",\"time\":");
            time::write_ms(entry.time.as_ns(), out);
            let name = if other.is_none() { "unknown" } else { "malformed" };
            out.extend_from_slice(format!(",\"type\":\"{name}\"").as_bytes());
            if entry.is_redacted() {
                out.extend_from_slice(b",\"redacted\":true");
            }
            out.extend_from_slice(format!(",\"kind\":{},\"body\":\"", entry.kind).as_bytes());
            for byte in entry.body {
                out.extend_from_slice(format!("{byte:02x}").as_bytes());
            }
            out.push(b'"');
        }
    }
    out.push(b'}');
}

/// Appends what a crash slot says, as a line of JSON without the line feed.
pub fn write_slot(slot: &SlotEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"run\":{},\"slot\":{}", slot.run, slot.slot).as_bytes());
    write_known(slot.time, &slot.event(), false, out);
    out.push(b'}');
}

fn write_known(at: Time, event: &Event<'_>, redacted: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"time\":");
    time::write_ms(at.as_ns(), out);
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(event.name().as_bytes());
    out.push(b'"');
    if redacted {
        out.extend_from_slice(b",\"redacted\":true");
    }
    event.write_json_fields(out);
}

/// Appends a loss as a JSON object: what stands inside `{"lost":...}`, and in the view's `wal.damage`.
pub fn write_loss(loss: &Loss, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":");
    write_str(&loss.file, out);
    out.extend_from_slice(
        format!(",\"offset\":{},\"length\":{},\"kind\":", loss.offset, loss.length).as_bytes(),
    );
    write_str(loss.kind.as_str(), out);
    if let Some(was) = &loss.was {
        out.extend_from_slice(b",\"was\":");
        write_str(was, out);
    }
    if let Some((first, last)) = loss.missing {
        out.extend_from_slice(format!(",\"first\":{first},\"last\":{last}").as_bytes());
    }
    out.push(b'}');
}

impl Loss {
    /// The loss that a gap record speaks of.
    #[must_use]
    pub fn of_gap(gap: &Gap<'_>) -> Self {
        Loss {
            file: gap.file.clone().into_owned(),
            offset: gap.offset,
            length: gap.length,
            kind: LossKind::from_name(&gap.kind),
            was: gap.was.as_ref().map(|was| was.clone().into_owned()),
            missing: (gap.first..=NUMBER_MAX).contains(&gap.last).then_some((gap.first, gap.last)),
        }
    }
}

/// Turns the `,"key":value` members appended since `start` into an object.
pub(crate) fn close_object(out: &mut Vec<u8>, start: usize) {
    close(out, start, b'{', b'}');
}

/// Turns the `,value` elements appended since `start` into an array.
pub(crate) fn close_array(out: &mut Vec<u8>, start: usize) {
    close(out, start, b'[', b']');
}

fn close(out: &mut Vec<u8>, start: usize, open: u8, end: u8) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(end);
}

/// Appends `text` as a JSON string.
pub fn write_str(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_str_inside(text, out);
    out.push(b'"');
}

/// Appends `text` as a part of a JSON string, without quotes around it.
pub fn write_str_inside(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let (clean, behind) = rest.split_at_checked(clean_len(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((byte, behind)) = behind.split_first() else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = behind;
    }
}

/// How many bytes stand before the first one that has to be escaped: eight at a time, as a number.
fn clean_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let escaped = escaped_bytes(u64::from_le_bytes(*word));
        if escaped != 0 {
            return at * 8 + usize::try_from(escaped.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let is_escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(is_escaped).unwrap_or(rest.len())
}

/// The highest bit of the first byte that has to be escaped is set, and none below it. What stands above it may be wrong: a borrow goes
/// up (Anderson, "Bit Twiddling Hacks": determine if a word has a byte less than n).
fn escaped_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & HIGH;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | is(b'"') | is(b'\\')
}

/// Appends `bytes` as a JSON string; every maximal part that is not UTF-8 becomes U+FFFD.
pub fn write_lossy(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_str(text, out),
        Err(_) => write_str(&String::from_utf8_lossy(bytes), out),
    }
}

/// Appends a payload as JSON: compact when it is valid, else as a string. Returns whether it was what it said it was.
pub fn write_payload(payload: &Payload<'_>, out: &mut Vec<u8>) -> bool {
    match payload.encoding {
        Payload::JSON => {
            if let Ok(text) = std::str::from_utf8(&payload.bytes)
                && compact(text, out)
            {
                return true;
            }
            write_lossy(&payload.bytes, out);
            false
        }
        encoding => match std::str::from_utf8(&payload.bytes) {
            Ok(text) => {
                write_str(text, out);
                encoding == Payload::STRING
            }
            Err(_) => {
                write_lossy(&payload.bytes, out);
                false
            }
        },
    }
}

/// Appends streamed text as a JSON string.
pub(crate) fn write_text(text: &Payload<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    if text.encoding == Payload::JSON
        && text.bytes.trim_ascii_start().starts_with(b"\"")
        && write_payload(text, out)
    {
        return;
    }
    out.truncate(start);
    write_lossy(&text.bytes, out);
}

/// Appends valid JSON without the white space outside its strings. Appends nothing and returns false when `text` is not one
/// valid JSON value, or nests deeper than [`NESTING_LIMIT`].
pub fn compact(text: &str, out: &mut Vec<u8>) -> bool {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return false;
    }
    let start = out.len();
    let bytes = text.as_bytes();
    let (mut clean, mut at, mut depth) = (0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                // The text is valid, so every string ends, and a backslash has something behind it.
                while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
                    at += found;
                    if bytes.get(at) == Some(&b'"') {
                        break;
                    }
                    at += 2;
                }
            }
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.extend_from_slice(bytes.get(clean..at).unwrap_or_default());
                clean = at + 1;
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > NESTING_LIMIT {
                    out.truncate(start);
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    out.extend_from_slice(bytes.get(clean..).unwrap_or_default());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compacted(text: &str) -> Option<String> {
        let mut out = b"x".to_vec();
        let valid = compact(text, &mut out);
        assert!(valid || out == b"x");
        valid.then(|| String::from_utf8(out.split_off(1)).unwrap())
    }

    #[test]
    fn what_has_to_be_escaped_is_wherever_it_stands() {
        for length in 0..70 {
            for at in 0..length {
                for byte in (0..0x20).chain([b'"', b'\\', b'x', 0x7F]) {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let text = String::from_utf8(text).unwrap();
                    let mut out = Vec::new();
                    write_str(&text, &mut out);
                    assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
                    assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn compact_keeps_strings_numbers_and_duplicates() {
        assert_eq!(
            compacted(" { \"a b\" : [ 1.0 , 1e+2, \"x \\\" y\\\\\" ], \"a b\":\n{ } } ").as_deref(),
            Some(r#"{"a b":[1.0,1e+2,"x \" y\\"],"a b":{}}"#)
        );
        assert_eq!(compacted("\"\\ud800\"").as_deref(), Some("\"\\ud800\""));
        assert_eq!(compacted("1 2"), None);
        assert_eq!(compacted("NaN"), None);
        assert_eq!(compacted("01"), None);
        assert_eq!(compacted("\"\u{1}\""), None);
        assert_eq!(compacted(""), None);
        assert_eq!(compacted("1e999").as_deref(), Some("1e999"));
    }

    #[test]
    fn nesting_has_a_limit_and_no_recursion() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(compacted(&nested(512)).is_some());
        assert!(compacted(&nested(513)).is_none());
        assert!(compacted(&nested(1_000_000)).is_none());
        assert!(compacted(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn a_bad_line_names_the_key() {
        let error = |line: &str| parse_event(line).unwrap_err().to_string();
        assert_eq!(error("[]").split(':').next(), Some("not a JSON object"));
        assert_eq!(error("{}"), "no key \"type\"");
        assert_eq!(error(r#"{"type":"spam"}"#), "unknown type \"spam\"");
        assert_eq!(error(r#"{"type":"note","name":"n","dta":1}"#), "unknown key \"dta\"");
        assert_eq!(error(r#"{"type":"note"}"#), "key \"name\" is missing");
        assert_eq!(error(r#"{"type":"note","name":1}"#), "key \"name\" has to be a string");
        assert_eq!(
            error(r#"{"type":"note","name":"n","time":"x"}"#),
            "key \"time\" has to be a number of milliseconds"
        );
        assert!(error(r#"{"type":"note","name":"a","name":"b"}"#).contains("\"name\" stands there twice"));
        assert_eq!(
            error(r#"{"type":"span-started","spanId":"s","kind":"tool","name":"t","model":{"id":"x"}}"#),
            "unknown key \"model.id\""
        );
        assert_eq!(
            error(r#"{"type":"span-started","spanId":"s","kind":"tool","name":"t","attributes":[1]}"#),
            "key \"attributes\" has to be an object"
        );
    }

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        for number in ["1.2e+28", "0.1", "5e-324", "1.7976931348623157e+308", "123456789.12345679"] {
            let line = format!(r#"{{"type":"span-ended","spanId":"s","cost":{number}}}"#);
            let mut out = Vec::new();
            parse_event(&line).unwrap().1.write_json_fields(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!(r#","spanId":"s","cost":{number}"#));
        }
        for number in ["1e999", "\"1\"", "true"] {
            assert!(
                parse_event(&format!(r#"{{"type":"span-ended","spanId":"s","cost":{number}}}"#)).is_err()
            );
        }
    }

    #[test]
    fn a_lone_surrogate_in_streamed_text_is_kept_as_spelled() {
        let (_, event) = parse_event(r#"{"type":"span-text","spanId":"s","text":"a\ud83d"}"#).unwrap();
        let mut out = Vec::new();
        event.write_json_fields(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#","spanId":"s","text":"a\ud83d""#);
    }
}
