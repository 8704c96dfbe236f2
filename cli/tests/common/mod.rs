//! A fold of imported events that is just enough to ask what spans there are, and the recorded transcripts.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use tracewal_cli::import::{Checkpoint, ImportError, Lines, Report, Source, Transcript, convert};
use tracewal_format::event::{Event, Metadata, Payload, SpanKind, SpanStatus, Tokens};
use tracewal_format::time::Time;

/// What is known of a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    pub kind: Option<SpanKind>,
    pub name: String,
    pub parent: Option<String>,
    pub start: Option<Time>,
    pub end: Option<Time>,
    pub failed: bool,
    pub message: Option<String>,
    pub finish_reason: Option<String>,
    pub tokens: Option<[u64; 5]>,
    pub input: Option<String>,
    pub output: Option<String>,
    pub text: Vec<String>,
    pub attributes: BTreeMap<String, String>,
}

/// What a session's events say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub spans: BTreeMap<String, Fact>,
    pub notes: Vec<(String, String)>,
    pub title: Option<String>,
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub version: Option<String>,
    pub tags: Vec<String>,
    pub root: Option<String>,
    pub started: usize,
    pub ended: Vec<Time>,
    pub events: usize,
}

pub fn text_of(payload: &Payload<'_>) -> String {
    String::from_utf8_lossy(&payload.bytes).into_owned()
}

fn merge(into: &mut BTreeMap<String, String>, attributes: Option<&Payload<'_>>) {
    let Some(attributes) = attributes else { return };
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(&attributes.bytes).expect("attributes are an object");
    into.extend(members.into_iter().map(|(key, value)| (key, value.get().to_owned())));
}

fn tokens_of(tokens: &Tokens<'_>) -> [u64; 5] {
    [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write]
}

impl Facts {
    pub fn of_kind(&self, kind: SpanKind) -> impl Iterator<Item = (&String, &Fact)> {
        self.spans.iter().filter(move |(_, span)| span.kind == Some(kind))
    }

    pub fn notes_named(&self, name: &str) -> Vec<&str> {
        let named = self.notes.iter().filter(|(n, _)| n == name);
        named.map(|(_, data)| data.as_str()).collect()
    }

    fn metadata(&mut self, metadata: &Metadata<'_>) {
        let set = |to: &mut Option<String>, from: &Option<std::borrow::Cow<'_, str>>| {
            if let Some(value) = from {
                *to = Some(value.clone().into_owned());
            }
        };
        set(&mut self.title, &metadata.title);
        set(&mut self.prompt, &metadata.prompt);
        set(&mut self.model, &metadata.model);
        set(&mut self.version, &metadata.version);
        for tag in metadata.tags.iter().flatten() {
            self.tags.push(tag.clone().into_owned());
        }
    }

    fn span(&mut self, id: &str) -> &mut Fact {
        self.spans.entry(id.to_owned()).or_default()
    }

    fn take(&mut self, time: Time, event: &Event<'_>) {
        // What no record could hold, no importer may hand on.
        let mut body = vec![0; event.encoded_len()];
        event.encode_into(&mut body).expect("the event can be written");
        self.events += 1;
        match event {
            Event::SessionStarted(e) => {
                self.started += 1;
                let root = e.root_span_id.clone().expect("a root").into_owned();
                self.span(&root).kind = Some(SpanKind::Session);
                self.root = Some(root);
                self.metadata(e.metadata.as_ref().expect("metadata"));
            }
            Event::Metadata(e) => self.metadata(e),
            Event::SpanStarted(e) => {
                let span = self.span(&e.span_id);
                span.kind = Some(e.kind);
                span.name = e.name.clone().into_owned();
                span.start = span.start.or(Some(time));
                span.parent = e.parent_span_id.clone().map(Into::into);
                span.input = e.input.as_ref().map(text_of);
                merge(&mut span.attributes, e.attributes.as_ref());
            }
            Event::SpanText(e) => self.span(&e.span_id).text.push(text_of(&e.text.0)),
            Event::SpanAttributes(e) => merge(&mut self.span(&e.span_id).attributes, Some(&e.attributes)),
            Event::SpanEnded(e) => {
                let span = self.span(&e.span_id);
                if span.end.is_none() {
                    span.end = Some(time);
                    span.failed = e.status == Some(SpanStatus::Error);
                    span.message = e.status_message.clone().map(Into::into);
                }
                if let Some(tokens) = &e.tokens {
                    span.tokens = Some(tokens_of(tokens));
                }
                if let Some(reason) = &e.finish_reason {
                    span.finish_reason = Some(reason.clone().into_owned());
                }
                if let Some(output) = &e.output {
                    span.output = Some(text_of(output));
                }
                merge(&mut span.attributes, e.attributes.as_ref());
            }
            Event::Span(e) => {
                let span = self.span(&e.span_id);
                span.kind = Some(e.kind);
                span.name = e.name.clone().into_owned();
                (span.start, span.end) = (Some(e.start_time), Some(e.end_time));
                span.parent = e.parent_span_id.clone().map(Into::into);
                span.input = e.input.as_ref().map(text_of);
                merge(&mut span.attributes, e.attributes.as_ref());
            }
            Event::Note(e) => {
                let data = e.data.as_ref().map(text_of).unwrap_or_default();
                self.notes.push((e.name.clone().into_owned(), data));
            }
            Event::SessionEnded(_) => self.ended.push(time),
            other => panic!("an importer does not write {}", other.name()),
        }
    }

    /// The checkpoint of the last import, as a command reads it back.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let state = self.notes_named(tracewal_cli::import::STATE_NOTE);
        Some(Checkpoint::from_json(state.last()?).expect("a checkpoint").1)
    }
}

/// Imports `bytes` on top of what is known already.
pub fn import_more(
    source: Source,
    stem: &str,
    bytes: &[u8],
    facts: &mut Facts,
) -> Result<Report, ImportError<Infallible>> {
    let transcript = Transcript::identify(source, stem, &mut Lines::new(bytes)).unwrap();
    let already = facts.checkpoint();
    convert(&transcript, Lines::new(bytes), already, &mut |time, event| {
        facts.take(time, &event);
        Ok(())
    })
}

pub fn import(source: Source, stem: &str, bytes: &[u8]) -> (Facts, Report) {
    let mut facts = Facts::default();
    let report = import_more(source, stem, bytes, &mut facts).unwrap();
    (facts, report)
}

/// The recorded transcripts of a tool, or none and a word about it where they are not there.
pub fn recorded(source: Source) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(source.as_str());
    if !directory.is_dir() {
        eprintln!("skipped: {} is not there", directory.display());
        return Vec::new();
    }
    tracewal_cli::import::discover(&[directory]).unwrap()
}

pub fn import_file(source: Source, path: &Path) -> (Facts, Report) {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    import(source, stem, &std::fs::read(path).unwrap())
}
