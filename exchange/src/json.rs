//! JSON on its way out, and JSON that any parser takes.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tracewal_format::json::write_str;

/// The members of an object.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

/// Appends an object.
pub(crate) fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    members(&mut Object { out, any: false });
    out.push(b'}');
}

impl Object<'_> {
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        write_str(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        write_str(value, self.key(key));
    }

    pub(crate) fn some_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A number, or anything else that is JSON as it is shown.
    pub(crate) fn plain(&mut self, key: &str, value: impl Display) {
        let out = self.key(key);
        out.extend_from_slice(value.to_string().as_bytes());
    }

    pub(crate) fn object(&mut self, key: &str, members: impl FnOnce(&mut Object<'_>)) {
        object(self.key(key), members);
    }

    /// A member whose value is JSON text, made fit for any parser.
    pub(crate) fn clean(&mut self, key: &str, json: &str) {
        clean(json, self.key(key));
    }
}

/// The members of a JSON object, in the order of the text, their values as they are spelled.
#[derive(Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None`: it is no object, or a key in it is no text (a lone surrogate).
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The value of a key, as it is spelled. Of duplicates the last counts.
    pub(crate) fn spelled(&self, key: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rfind(|(known, _)| known == key)?;
        Some(value.get())
    }

    /// The same; `null` counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.spelled(key).filter(|value| *value != "null")
    }

    /// A string.
    pub(crate) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        crate::span::string(self.get(key)?)
    }

    pub(crate) fn object(&self, key: &str) -> Option<Members<'a>> {
        Members::parse(self.get(key)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.get()))
    }

    /// Those whose keys are not among these, as an object; `None` when there are none.
    pub(crate) fn without(&self, known: &[&str]) -> Option<String> {
        let mut out = Vec::new();
        object(&mut out, |to| {
            for (key, value) in self.iter().filter(|(key, _)| !known.contains(key)) {
                to.plain(key, value);
            }
        });
        String::from_utf8(out).ok().filter(|json| json != "{}")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

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
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

/// The elements of an array, as they are spelled.
pub(crate) fn elements(json: &str) -> Option<Vec<&str>> {
    let raw: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(raw.into_iter().map(RawValue::get).collect())
}

/// How deep a value may nest for every parser to take it.
const DEPTH_MAX: usize = 64;

/// Whether a value nests deeper than every parser takes.
pub(crate) fn is_deep(json: &str) -> bool {
    let (bytes, mut at, mut depth) = (json.as_bytes(), 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
        at += 1;
    }
    false
}

/// Appends valid JSON so that parsers which take less than the grammar says take it too: a lone surrogate becomes U+FFFD, a number that no
/// binary64 holds becomes a string, and so does the whole when it is deep.
pub(crate) fn clean(json: &str, out: &mut Vec<u8>) {
    if is_deep(json) {
        return write_str(json, out);
    }
    let bytes = json.as_bytes();
    let (mut at, mut kept) = (0_usize, 0_usize);
    let slice = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let spelled = json.get(at..end).unwrap_or_default();
                if has_surrogate(spelled) {
                    out.extend_from_slice(slice(kept, at));
                    write_str(&crate::span::shown(spelled), out);
                    kept = end;
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let rest = slice(at, bytes.len());
                let is_part = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = at + rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
                let number = json.get(at..end).unwrap_or_default();
                if number.parse::<f64>().is_ok_and(|value| !value.is_finite()) {
                    out.extend_from_slice(slice(kept, at));
                    write_str(number, out);
                    kept = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    out.extend_from_slice(slice(kept, bytes.len()));
}

/// Behind the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether an escape of a surrogate stands in it, alone or not.
pub(crate) fn has_surrogate(spelled: &str) -> bool {
    spelled.match_indices("\\u").any(|(at, _)| {
        spelled.as_bytes().get(at + 2..at + 4).is_some_and(|digits| {
            digits.first().is_some_and(|d| d.eq_ignore_ascii_case(&b'd'))
                && digits.get(1).is_some_and(|d| matches!(d, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(json: &str) -> String {
        let mut out = Vec::new();
        clean(json, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_any_parser_takes_is_left_alone() {
        for json in [r#"{"a":[1,-2.5e-3,true,null,"\\u\"\u00e9"],"b":{}}"#, "12", r#""x""#, "1e308"] {
            assert_eq!(cleaned(json), json);
        }
    }

    #[test]
    fn what_not_every_parser_takes_is_replaced() {
        assert_eq!(
            cleaned(r#"{"\ud800":1e999,"b":["\ud83d\ude00"]}"#),
            "{\"\u{FFFD}\":\"1e999\",\"b\":[\"\u{1F600}\"]}"
        );
        assert_eq!(cleaned(r#"["\\\\ud800","-1e999"]"#), r#"["\\\\ud800","-1e999"]"#);
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(cleaned(&deep), format!("\"{deep}\""));
        assert_eq!(cleaned(&deep[1..129]), deep[1..129]);
    }
}
