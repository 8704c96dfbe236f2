//! The spans of a session, from the canonical JSON as it is made: the document itself is never held as a whole.

use std::fmt;
use std::io::{BufReader, Write};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

use crate::account::Account;
use crate::failure::{Failure, Result};

/// Hands on each span, in the order of the document: the root first.
pub(crate) fn each<T: DeserializeOwned>(account: &mut Account, mut take: impl FnMut(T)) -> Result<()> {
    let (read, write) = std::io::pipe()?;
    let (parsed, rendered) = std::thread::scope(|scope| {
        let rendering = scope.spawn(move || {
            let mut to = std::io::BufWriter::with_capacity(64 << 10, write);
            let rendered = account.render(&mut to);
            rendered.and_then(|()| Ok(to.flush()?))
        });
        let mut from = Deserializer::from_reader(BufReader::with_capacity(64 << 10, read));
        let document = Document { take: &mut take, of: PhantomData };
        let parsed = serde::Deserializer::deserialize_map(&mut from, document);
        // Closes the pipe: whoever renders does not wait for a reader that has given up.
        drop(from);
        (parsed, rendering.join())
    });
    match (parsed, rendered) {
        (Ok(()), _) => Ok(()),
        (_, Ok(Err(failure @ Failure::Said(..)))) => Err(failure),
        (Err(error), _) => {
            Err(Failure::error(format!("the session's JSON: {error}; look at it with show --json")))
        }
    }
}

/// The document, of which only the spans are of interest.
struct Document<'t, T, F: FnMut(T)> {
    take: &'t mut F,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(T)> Visitor<'de> for Document<'_, T, F> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a trace")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "spans" {
                map.next_value_seed(Spans { take: &mut *self.take, of: PhantomData })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Spans<'t, T, F: FnMut(T)> {
    take: &'t mut F,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned, F: FnMut(T)> DeserializeSeed<'de> for Spans<'_, T, F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T)> Visitor<'de> for Spans<'_, T, F> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("spans")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut spans: A) -> std::result::Result<(), A::Error> {
        while let Some(span) = spans.next_element()? {
            (self.take)(span);
        }
        Ok(())
    }
}
