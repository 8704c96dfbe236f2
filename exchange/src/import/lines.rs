//! A log as JSON lines: what `tracewal events` and `tracewal export events` print.
//!
//! Lines that only the engine may write (`run-started`, `run-ended`) are handed on, so that runs stay apart, and kept as notes, because a
//! log says for itself who writes it. Lines that speak of another log (`lost`), or that are no event, become notes which hold the line.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use tracewal_format::event::{Crashed, Event, Note, Payload};
use tracewal_format::json::{EventError, parse_event};
use tracewal_format::time::Time;

use super::{ImportError, Sink};
use crate::json::{Members, object};

/// Longer lines are refused: no event is so long.
const LINE_LIMIT_BYTES: u64 = 1 << 30;

/// What was found in the lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines {
    /// How many there are.
    pub lines: u64,
    /// Of these, kept as notes.
    pub notes: u64,
}

/// Imports the lines of one session.
///
/// # Errors
/// See [`ImportError`].
pub fn lines<R: BufRead, E>(mut from: R, session: &str, sink: Sink<'_, E>) -> Result<Lines, ImportError<E>> {
    let (mut found, mut line, mut now) = (Lines::default(), Vec::new(), Time::default());
    let mut slots = HashSet::new();
    loop {
        line.clear();
        let read = (&mut from).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line);
        if read.map_err(ImportError::Read)? == 0 {
            return Ok(found);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        found.lines += 1;
        let text = std::str::from_utf8(&line).ok().map(str::trim_ascii_end);
        let mended = text.and_then(mended);
        let parsed = mended.as_deref().or(text).and_then(|text| parse_event(text).ok());
        if let Some((Some(time), _)) = &parsed {
            now = *time;
        }
        match parsed {
            // Runs and slots are counted by each log for itself. A slot and the record that stands for it are one crash.
            Some((_, Event::Crashed(crash))) => {
                let named = crash.run.zip(crash.slot);
                if named.is_none_or(|named| slots.insert(named)) {
                    sink(session, now, Crashed { run: None, slot: None, ..crash }.into())?;
                }
            }
            Some((_, event)) if event.is_embedders() => sink(session, now, event)?,
            other => {
                if let Some((_, event)) = &other {
                    sink(session, now, event.clone())?;
                }
                let name = match other {
                    Some((_, event)) => format!("import.{}", event.name()),
                    None => note_name(text).to_owned(),
                };
                found.notes += 1;
                let data = text.map_or_else(|| Payload::string(&line), Payload::string);
                sink(session, now, Note { data: Some(data), ..Note::new(name.as_str()) }.into())?;
            }
        }
    }
}

/// The line with its attributes as the fold shows them, where they are no object: an embedder may append what a line may not say.
fn mended(line: &str) -> Option<String> {
    let Err(EventError::WrongType { key, .. }) = parse_event(line) else { return None };
    let members = Members::parse(line).filter(|_| key == "attributes")?;
    let mut again = Vec::with_capacity(line.len() + 64);
    object(&mut again, |to| {
        for (key, value) in members.iter() {
            if key == "attributes" {
                to.object(key, |attributes| {
                    attributes.plain("tracewal.attributes", value);
                    attributes.plain("tracewal.invalid", "[\"attributes\"]");
                });
            } else {
                to.plain(key, value);
            }
        }
    });
    String::from_utf8(again).ok()
}

fn note_name(text: Option<&str>) -> &'static str {
    match text.and_then(Members::parse) {
        Some(members) if members.get("lost").is_some() => "import.lost",
        _ => "import.invalid-line",
    }
}
