//! The attributes of a span, merged from the events that brought some, as JSON text: nothing is reordered or spelled anew.

use std::collections::HashMap;

use tracewal_format::event::Payload;
use tracewal_format::json::{write_payload, write_str};

use crate::text::Unescaped;

/// Attribute under which stands what should have been an object of attributes, and is not.
const NO_OBJECT: &str = "tracewal.attributes";
/// Attribute that names the fields which were not what they said they were.
const INVALID: &str = "tracewal.invalid";

/// The attributes of one span. They are in memory while the span is written.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    /// The only piece so far: it stands as it is, with duplicate keys if it has some.
    only: Option<Vec<u8>>,
    members: Vec<(Vec<u8>, Vec<u8>)>,
    /// Position of each key, by its characters.
    positions: HashMap<Vec<u8>, usize>,
    broken: bool,
}

impl Attributes {
    /// What the next event in the order of the log brought.
    pub(crate) fn add(&mut self, payload: &Payload<'_>) {
        let mut json = Vec::new();
        let valid = write_payload(payload, &mut json);
        if !valid || !json.starts_with(b"{") {
            self.broken = true;
            let mut object = b"{".to_vec();
            write_str(NO_OBJECT, &mut object);
            object.push(b':');
            object.append(&mut json);
            object.push(b'}');
            json = object;
        }
        if self.only.is_none() && self.members.is_empty() {
            self.only = Some(json);
            return;
        }
        self.merge_only();
        self.merge(&json);
    }

    /// Whether anything brought was not an object.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Appends them as an object, with the names of the fields that were invalid. Returns false, and appends nothing, when there
    /// are none.
    pub(crate) fn write(&mut self, invalid: &[&str], out: &mut Vec<u8>) -> bool {
        if !invalid.is_empty() {
            let mut object = b"{".to_vec();
            write_str(INVALID, &mut object);
            for (at, name) in invalid.iter().enumerate() {
                object.extend_from_slice(if at == 0 { b":[" } else { b"," });
                write_str(name, &mut object);
            }
            object.extend_from_slice(b"]}");
            self.merge_only();
            self.merge(&object);
        }
        if let Some(only) = &self.only {
            out.extend_from_slice(only);
            return true;
        }
        for (at, (key, value)) in self.members.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(key);
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value);
        }
        if !self.members.is_empty() {
            out.push(b'}');
        }
        !self.members.is_empty()
    }

    fn merge_only(&mut self) {
        if let Some(only) = self.only.take() {
            self.merge(&only);
        }
    }

    fn merge(&mut self, object: &[u8]) {
        for (key, value) in Members::of(std::str::from_utf8(object).unwrap_or_default()) {
            let position = *self.positions.entry(identity(key)).or_insert(self.members.len());
            match self.members.get_mut(position) {
                Some((_, old)) => value.as_bytes().clone_into(old),
                None => self.members.push((key.into(), value.into())),
            }
        }
    }
}

/// What a key is compared by: its characters, or its spelling where it has an escape that is no character.
fn identity(spelled: &str) -> Vec<u8> {
    match Unescaped::of(spelled).collect::<Option<String>>() {
        Some(text) => text.into_bytes(),
        // No text begins with this byte.
        None => [b"\xFF", spelled.as_bytes()].concat(),
    }
}

/// The members of an object in compact, valid JSON: keys without their quotes, and values, as they are spelled.
struct Members<'a>(&'a str);

impl<'a> Members<'a> {
    fn of(object: &'a str) -> Self {
        Members(object.strip_prefix('{').unwrap_or_default())
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.strip_prefix(',').unwrap_or(self.0);
        let rest = rest.strip_prefix('"')?;
        let (key, rest) = rest.split_at_checked(string_len(rest.as_bytes()))?;
        let rest = rest.strip_prefix("\":")?;
        let (value, rest) = rest.split_at_checked(value_len(rest.as_bytes()))?;
        self.0 = rest;
        Some((key, value))
    }
}

/// The length of what stands before the quote that ends a string.
fn string_len(bytes: &[u8]) -> usize {
    let mut escaped = false;
    let end = bytes.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(bytes.len())
}

/// The length of the value that an object's member begins with.
fn value_len(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += 1 + string_len(bytes.get(at + 1..).unwrap_or_default()),
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => (),
        }
        at += 1;
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(pieces: &[&str], invalid: &[&str]) -> Option<String> {
        let (mut attributes, mut out) = (Attributes::default(), Vec::new());
        pieces.iter().for_each(|piece| attributes.add(&Payload::json(*piece)));
        attributes.write(invalid, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_piece_stands_as_it_is() {
        assert_eq!(merged(&[r#" {"a":1.0, "a" : 1e+2}"#], &[]).as_deref(), Some(r#"{"a":1.0,"a":1e+2}"#));
        assert_eq!(merged(&["{}"], &[]).as_deref(), Some("{}"));
        assert_eq!(merged(&[], &[]), None);
    }

    #[test]
    fn later_values_win_at_the_place_of_the_first() {
        assert_eq!(
            merged(&[r#"{"a":1,"b":{"x":[1,"}"]}}"#, r#"{"c":"\"}","\u0061":2.50}"#, r#"{"b":null}"#], &[])
                .as_deref(),
            Some(r#"{"a":2.50,"b":null,"c":"\"}"}"#)
        );
        assert_eq!(merged(&["{}", r#"{"a":1}"#], &[]).as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn lone_surrogates_are_keys_of_their_own() {
        assert_eq!(
            merged(&[r#"{"\ud800":1}"#, r#"{"\ud801":2,"\ufffd":3}"#], &[]).as_deref(),
            Some(r#"{"\ud800":1,"\ud801":2,"\ufffd":3}"#)
        );
    }

    #[test]
    fn what_is_no_object_is_kept() {
        assert_eq!(merged(&["[1]"], &[]).as_deref(), Some(r#"{"tracewal.attributes":[1]}"#));
        assert_eq!(
            merged(&["{", "{\"a\":1}"], &["attributes"]).as_deref(),
            Some(r#"{"tracewal.attributes":"{","a":1,"tracewal.invalid":["attributes"]}"#)
        );
    }
}
