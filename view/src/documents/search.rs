//! `search?q=TEXT`: where a text occurs in a session.

use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;
use tracewal::Item;
use tracewal::event::Payload;
use tracewal_compact::facts::Facts;

use crate::error::{Result, ViewError};
use crate::text::one_line;
use crate::trace::Trace;

/// At most so many are found.
const HITS: usize = 500;
/// At most so many in one value.
const HITS_IN_ONE: usize = 20;
/// So much is shown on either side, in bytes.
const AROUND: usize = 60;
/// A longer text is not looked for, in bytes.
pub(crate) const QUERY_MAX: usize = 1000;

#[derive(Serialize)]
struct Document {
    hits: Vec<Hit>,
    more: bool,
}

#[derive(Serialize)]
struct Hit {
    span: usize,
    field: &'static str,
    before: String,
    r#match: String,
    after: String,
}

impl Trace {
    /// Where a text occurs, whatever its case: in names, inputs, outputs, streamed texts, attributes and messages.
    ///
    /// # Errors
    /// What reading the log met.
    pub fn search(&self, query: &str) -> Result<Vec<u8>> {
        let mut document = Document { hits: Vec::new(), more: false };
        let Some(wanted) = Wanted::of(query) else { return Ok(serde_json::to_vec(&document)?) };
        // Read by itself: the log is read on from where it was.
        let mut log = self.store.read(&self.session, tracewal::Reading::Live)?;
        while let Some(item) = log.next().map_err(ViewError::Log)? {
            let Item::Event(entry) = item else { continue };
            let Some(Ok(event)) = entry.event() else { continue };
            if let Some(facts) = Facts::of(&event, entry.time) {
                let number = self.fold.span_number(facts.span_id);
                let span = number.and_then(|number| self.spans.position(number)).unwrap_or(0);
                wanted.in_facts(span, &facts, &mut document.hits);
            } else if let tracewal::Event::Note(note) = &event {
                wanted.in_text(0, "note", &note.name, &mut document.hits);
                note.data.iter().for_each(|data| wanted.in_payload(0, "note", data, &mut document.hits));
            }
            if document.hits.len() > HITS {
                document.more = true;
                document.hits.truncate(HITS);
                break;
            }
        }
        Ok(serde_json::to_vec(&document)?)
    }
}

/// What is looked for: in texts, and in the JSON of texts.
pub(super) struct Wanted {
    plain: Regex,
    json: Regex,
}

impl Wanted {
    /// `None`: nothing, or too much.
    pub(super) fn of(query: &str) -> Option<Self> {
        if query.is_empty() || query.len() > QUERY_MAX {
            return None;
        }
        let build = |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).build().ok();
        let mut json = String::new();
        for c in query.chars() {
            json.push_str(&in_json(c));
        }
        Some(Wanted { plain: build(&regex::escape(query))?, json: build(&json)? })
    }

    /// Whether it is somewhere in JSON: as it is, or in a text there.
    pub(super) fn is_in(&self, json: &[u8]) -> bool {
        self.plain.is_match(json) || self.json.is_match(json)
    }

    fn in_facts(&self, span: usize, facts: &Facts<'_>, hits: &mut Vec<Hit>) {
        if let Some(start) = &facts.start {
            self.in_text(span, "name", start.name, hits);
            start.input.iter().for_each(|input| self.in_payload(span, "input", input, hits));
        }
        facts.text.iter().for_each(|text| self.in_payload(span, "output", text, hits));
        facts.attributes.iter().for_each(|value| self.in_payload(span, "attributes", value, hits));
        if let Some(end) = &facts.end {
            end.message.iter().for_each(|message| self.in_text(span, "statusMessage", message, hits));
            end.output.iter().for_each(|output| self.in_payload(span, "output", output, hits));
        }
    }

    fn in_text(&self, span: usize, field: &'static str, text: &str, hits: &mut Vec<Hit>) {
        find(&self.plain, span, field, text.as_bytes(), hits);
    }

    fn in_payload(&self, span: usize, field: &'static str, payload: &Payload<'_>, hits: &mut Vec<Hit>) {
        let wanted = if payload.encoding == Payload::JSON { &self.json } else { &self.plain };
        find(wanted, span, field, &payload.bytes, hits);
    }
}

fn find(wanted: &Regex, span: usize, field: &'static str, bytes: &[u8], hits: &mut Vec<Hit>) {
    for found in wanted.find_iter(bytes).take(HITS_IN_ONE) {
        let from = found.start().saturating_sub(AROUND);
        let to = found.end().saturating_add(AROUND).min(bytes.len());
        let text = |range: std::ops::Range<usize>| {
            let text = String::from_utf8_lossy(bytes.get(range).unwrap_or_default());
            // What was cut in the middle of a character.
            one_line(text.trim_matches('\u{fffd}'), usize::MAX)
        };
        hits.push(Hit {
            span,
            field,
            before: text(from..found.start()),
            r#match: text(found.range()),
            after: text(found.end()..to),
        });
        if hits.len() > HITS {
            return;
        }
    }
}

/// A character as a pattern for what it may look like in JSON.
fn in_json(c: char) -> String {
    let mut units = [0; 2];
    let escaped: String = c.encode_utf16(&mut units).iter().map(|unit| format!("\\\\u{unit:04x}")).collect();
    let short = match c {
        '"' => "\\\\\"",
        '\\' => "\\\\\\\\",
        '/' => "\\\\?/",
        '\n' => "\\\\n",
        '\t' => "\\\\t",
        '\r' => "\\\\r",
        c => &regex::escape(c.encode_utf8(&mut [0; 4])),
    };
    if c.is_ascii_alphanumeric() || c == ' ' { short.to_owned() } else { format!("(?:{short}|{escaped})") }
}
