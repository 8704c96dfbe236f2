//! What is searched of a value: its strings and numbers, as a person would read them.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use tracewal::Payload;

/// No more of one value than this is searched.
pub const VALUE_MAX_BYTES: usize = 4 << 20;

/// A longer run of letters and digits is data (an image, a key, a checksum of checksums), and not what anybody looks for.
pub const WORD_MAX_BYTES: usize = 2_048;

/// So much of such a run is searched.
const WORD_SHOWN_BYTES: usize = 64;

/// Text that is put together.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// A value: a string as it is; JSON as a line for each of its strings, numbers and truths, behind their keys. What is no JSON is text.
    pub(crate) fn value(&mut self, payload: &Payload<'_>) {
        if payload.encoding == Payload::JSON {
            let before = self.0.len();
            let mut from = serde_json::Deserializer::from_slice(&payload.bytes);
            let flat = Lines { out: self, key: "" };
            if flat.deserialize(&mut from).and_then(|()| from.end()).is_ok() {
                return;
            }
            self.0.truncate(before);
        }
        self.line("", &String::from_utf8_lossy(&payload.bytes));
    }

    /// A line of its own, behind its key.
    pub(crate) fn line(&mut self, key: &str, text: &str) {
        if self.0.len() >= VALUE_MAX_BYTES {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        if !key.is_empty() {
            self.0.push_str(start_of(key, WORD_MAX_BYTES));
            self.0.push_str(": ");
        }
        let room = VALUE_MAX_BYTES.saturating_sub(self.0.len());
        without_data(start_of(text, room), &mut self.0);
    }
}

/// As much of it as fits into so many bytes.
fn start_of(text: &str, bytes: usize) -> &str {
    text.get(..border_before(text, bytes)).unwrap_or(text)
}

/// The last border between characters at or before this place.
pub(crate) fn border_before(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..4).filter_map(|back| at.checked_sub(back)).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Long runs of letters and digits are cut.
fn without_data(text: &str, to: &mut String) {
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    let mut rest = text;
    let mut kept = 0;
    let mut at = 0;
    while let Some(tail) = rest.as_bytes().get(at..).filter(|tail| !tail.is_empty()) {
        let run = tail.iter().take_while(|byte| is_data(byte)).count();
        if run > WORD_MAX_BYTES {
            to.push_str(rest.get(kept..at + WORD_SHOWN_BYTES).unwrap_or_default());
            to.push('…');
            kept = at + run;
        }
        at += run;
        // Up to the next one: any other byte stands where a run cannot.
        at += rest.as_bytes().get(at..).unwrap_or_default().iter().take_while(|byte| !is_data(byte)).count();
    }
    rest = rest.get(kept..).unwrap_or_default();
    to.push_str(rest);
}

/// Writes a JSON value as lines.
struct Lines<'t> {
    out: &'t mut Text,
    key: &'t str,
}

impl<'de> DeserializeSeed<'de> for Lines<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lines<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.out.line(self.key, text);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.out.line(self.key, if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.out.line(self.key, &value.to_string());
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.out.line(self.key, &value.to_string());
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.out.line(self.key, &value.to_string());
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Lines { out: &mut *self.out, key: self.key })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let of = Lines { out: &mut *self.out, key: &key };
            map.next_value_seed(of).map_err(|error| A::Error::custom(error.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: Payload<'_>) -> String {
        let mut text = Text::default();
        text.value(&payload);
        text.into_string()
    }

    #[test]
    fn json_is_read_as_a_person_would() {
        let json = r#"{"command":"ls \"a\\b\"\n\u00e9","timeout":120,"flags":["-l",true,null,{"x":1.5}]}"#;
        assert_eq!(
            of(Payload::json(json)),
            "command: ls \"a\\b\"\né\ntimeout: 120\nflags: -l\nflags: true\nx: 1.5"
        );
        assert_eq!(of(Payload::string("{\"not\": json}")), "{\"not\": json}");
    }

    #[test]
    fn what_is_no_json_is_text() {
        for broken in ["{\"a\":\"b\"", "{\"a\":\"b\"}}", "nul", "\"\\ud800\""] {
            assert_eq!(of(Payload::json(broken)), broken);
        }
        let deep = "[".repeat(400) + &"]".repeat(400);
        assert_eq!(of(Payload::json(&deep)), deep);
        assert_eq!(of(Payload::json(&[b'"', 0xff, b'"'])), "\"\u{fffd}\"");
    }

    #[test]
    fn data_is_cut_and_prose_is_not() {
        let data = "iVBORw0KGgo+/".repeat(400);
        let text = of(Payload::string(&format!("before {data} after {data}")));
        assert_eq!(text.len(), "before  after ".len() + 2 * (WORD_SHOWN_BYTES + '…'.len_utf8()));
        assert!(text.starts_with("before iVBOR") && text.contains("… after iVBOR"), "{text}");
        let prose = "long prose, é and 日本語 too. ".repeat(1_000);
        assert_eq!(of(Payload::string(&prose)), prose);
    }

    #[test]
    fn a_value_of_any_size_is_bounded() {
        let long = "word ".repeat(VALUE_MAX_BYTES);
        assert!(of(Payload::string(&long)).len() <= VALUE_MAX_BYTES);
        let many = format!("[{}0]", "1234567890,".repeat(VALUE_MAX_BYTES / 4));
        assert!(of(Payload::json(&many)).len() <= VALUE_MAX_BYTES + 16);
    }
}
