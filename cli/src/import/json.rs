//! Lines of JSON whose values keep their spelling.
//!
//! A transcript's numbers, escapes and key order are evidence, so values are handed on as the text that stood in the line.
//! Only what an event holds as a string (names, ids, a prompt) is decoded.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tracewal_format::checksum;
use tracewal_format::event::Payload;
use tracewal_format::json::write_str;

/// How long an id may be, in bytes.
const ID_LIMIT_BYTES: usize = 255;

/// The members of a JSON object, in the order of the text.
#[derive(Default)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None` when the text is not an object, or has a key that no string can hold (a lone surrogate).
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of a key. Of duplicates the last counts, as for most readers of JSON; `null` counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rfind(|(k, _)| k == key)?;
        (value.get() != "null").then_some(*value)
    }

    /// The members of an object.
    pub(super) fn object(&self, key: &str) -> Option<Members<'a>> {
        Members::parse(self.get(key)?.get())
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        text(self.get(key)?)
    }

    /// An id: a string that is not empty, fit for an event.
    pub(super) fn id(&self, key: &str) -> Option<String> {
        id(self.get(key)?)
    }

    /// A count; 0 when it is not a number that counts something.
    pub(super) fn count(&self, key: &str) -> u64 {
        self.get(key).and_then(|raw| raw.get().parse().ok()).unwrap_or(0)
    }

    /// Whether the value is `true`.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|raw| raw.get() == "true")
    }

    /// All members that are not `null`.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().filter(|(_, value)| value.get() != "null").map(|(key, value)| (key.as_ref(), *value))
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

/// The elements of an array.
pub(super) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether the value is a string.
pub(super) fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// A string, decoded; a lone surrogate in it becomes U+FFFD. `None` when it is no string.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    struct Bytes;
    impl<'de> Visitor<'de> for Bytes {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
            Ok(String::from_utf8_lossy(bytes))
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
        }
    }
    if !is_string(raw) {
        return None;
    }
    // Asked for bytes, the decoder lets lone surrogates through; asked for a string it refuses them.
    serde_json::Deserializer::from_str(raw.get()).deserialize_bytes(Bytes).ok()
}

/// A string as an id; `None` when it is empty or no string. An id that no event could hold is cut and gets its checksum, so
/// that two long ids stay two.
pub(super) fn id(raw: &RawValue) -> Option<String> {
    let id = text(raw)?;
    (!id.is_empty()).then(|| bounded_id(&id))
}

/// See [`id`].
pub(super) fn bounded_id(id: &str) -> String {
    if id.len() <= ID_LIMIT_BYTES {
        return id.to_owned();
    }
    let suffix = format!("~{:08x}", checksum::crc(id.as_bytes()));
    let mut end = ID_LIMIT_BYTES - suffix.len();
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    id.get(..end).unwrap_or_default().to_owned() + &suffix
}

/// A JSON object in the making.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        write_str(key, &mut self.0);
        self.0.push(b':');
    }

    /// A member whose value is JSON text, exactly as it came in.
    pub(super) fn put(&mut self, key: &str, value: &RawValue) {
        self.put_json(key, value.get());
    }

    /// A member whose value is JSON text.
    fn put_json(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A member whose value is JSON text, if there is one.
    pub(super) fn put_some(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.put_json(key, &value);
        }
    }

    /// A member whose value is a string.
    pub(super) fn put_text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_str(value, &mut self.0);
    }

    /// Every member that is not in `known`, its key behind `prefix`.
    pub(super) fn put_rest(&mut self, prefix: &str, members: &Members<'_>, known: &[&str]) {
        for (key, value) in members.iter() {
            if !known.contains(&key) {
                self.put(&format!("{prefix}{key}"), value);
            }
        }
    }

    /// The object; `None` when it has no members.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.push(b'}');
        // Only JSON text and escaped strings went in.
        String::from_utf8(self.0).ok()
    }

    /// The object as a payload.
    pub(super) fn payload(self) -> Option<Payload<'static>> {
        self.finish().map(Payload::owned_json)
    }
}

/// The key of the n-th value of its kind: `thinking`, `thinking.2`, `thinking.3`.
pub(super) fn nth_key(key: &str, n: u32) -> String {
    if n <= 1 { key.to_owned() } else { format!("{key}.{n}") }
}
