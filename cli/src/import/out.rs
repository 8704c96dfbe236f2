//! Where an importer puts its events.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use tracewal_format::event::{Event, Metadata, Note, Payload, SpanAttributes};
use tracewal_format::time::Time;

use super::json::Attributes;
use super::tokens::TokenCounts;

/// Takes the events of one line.
pub(super) struct Out<'s, E> {
    pub(super) sink: &'s mut dyn FnMut(Time, Event<'_>) -> Result<(), E>,
    /// The line was imported before: it is only read to know what came before the next one.
    pub(super) muted: bool,
    /// The time of the line.
    pub(super) now: Time,
    /// The number of the line, from 1.
    pub(super) line: u64,
    /// Whether an event carries what the line says.
    pub(super) represented: bool,
    /// Whether that event is a note.
    pub(super) noted: bool,
}

impl<E> Out<'_, E> {
    /// An event that carries what the line says.
    pub(super) fn emit<'a>(&mut self, event: impl Into<Event<'a>>) -> Result<(), E> {
        self.represented = true;
        self.aside(self.now, event)
    }

    /// An event that follows from the line, but does not stand for it.
    pub(super) fn aside<'a>(&mut self, at: Time, event: impl Into<Event<'a>>) -> Result<(), E> {
        if self.muted {
            return Ok(());
        }
        (self.sink)(at, event.into())
    }

    /// The line as it is.
    pub(super) fn note(&mut self, name: &str, data: Payload<'_>) -> Result<(), E> {
        self.noted = true;
        self.emit(Note { data: Some(data), ..Note::new(name) })
    }

    /// Attributes of a span, if there are any.
    pub(super) fn attributes(&mut self, span_id: &str, attributes: Attributes) -> Result<(), E> {
        match attributes.payload() {
            Some(attributes) => self.emit(SpanAttributes::new(span_id, attributes)),
            None => Ok(()),
        }
    }

    /// Attributes of a span that the line tells in passing.
    pub(super) fn attributes_aside(&mut self, span_id: &str, attributes: Attributes) -> Result<(), E> {
        match attributes.payload() {
            Some(attributes) => self.aside(self.now, SpanAttributes::new(span_id, attributes)),
            None => Ok(()),
        }
    }

    /// What the line says about the whole session.
    pub(super) fn metadata(&mut self, metadata: Metadata<'_>) -> Result<(), E> {
        self.aside(self.now, metadata)
    }
}

/// What a transcript adds up to, as far as it has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Model calls.
    pub generations: u64,
    /// Tool calls.
    pub tools: u64,
    /// Tool calls that failed.
    pub failed_tools: u64,
    /// Tokens.
    pub tokens: TokenCounts,
}

/// What is remembered about every id of a transcript: a few dozen bytes, however long the id and whatever it did. Ids are told
/// apart by a 64-bit hash of them; a collision, should there ever be one, makes a count wrong and no event.
pub(super) struct ById<T>(HashMap<u64, T>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        ById(HashMap::new())
    }
}

impl<T: Default> ById<T> {
    /// The record of an id, and whether it is new.
    pub(super) fn entry(&mut self, id: &str) -> (&mut T, bool) {
        let mut new = false;
        let record = self.0.entry(hash(id)).or_insert_with(|| {
            new = true;
            T::default()
        });
        (record, new)
    }

    /// The record of an id that is known.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.0.get_mut(&hash(id))
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    hasher.finish()
}
