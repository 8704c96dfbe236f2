//! The storage folder of opencode: a file for each session, message and part of a message.
//!
//! ```text
//! storage/session/<project>/<session>.json    storage/message/<session>/<message>.json    storage/part/<message>/<part>.json
//! ```
//!
//! A message of the user becomes a user message; one of the assistant becomes a generation, and each tool in it a tool. Ids grow with time,
//! so files are read in the order of their names. Nothing is dropped: members that have no place of their own go into attributes as they
//! are spelled, and a file that is not a JSON object becomes a note. One file is in memory at a time, and the text of one message.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracewal_format::event::{
    EndStatus, Metadata, Model, Note, Payload, SessionEnded, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanKind, SpanStarted, SpanStatus, Tokens,
};
use tracewal_format::time::{Time, parse_ms};

use super::{ImportError, Sink, fit};
use crate::json::{Members, object};
use crate::span::string;

/// A session in a storage folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    folder: PathBuf,
    file: PathBuf,
}

impl Storage {
    /// The sessions that a path names: a storage folder, one that holds it, or the file of a session in one.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn find(path: &Path) -> io::Result<Vec<Storage>> {
        if path.is_file() {
            let folder = path.ancestors().nth(3).map(Path::to_owned);
            return Ok(folder.map(|folder| Storage { folder, file: path.to_owned() }).into_iter().collect());
        }
        let folder = if path.join("storage").is_dir() { path.join("storage") } else { path.to_owned() };
        let mut found = Vec::new();
        for project in sorted(&folder.join("session"))? {
            if project.is_dir() {
                let files = sorted(&project)?.into_iter().filter(|file| is_json(file));
                found.extend(files.map(|file| Storage { folder: folder.clone(), file }));
            }
        }
        Ok(found)
    }

    /// The file of the session.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// What is in a folder, by name; nothing when there is no folder.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Imports a session. Returns its id.
///
/// # Errors
/// See [`ImportError`].
pub fn opencode<E>(storage: &Storage, sink: Sink<'_, E>) -> Result<String, ImportError<E>> {
    let text = fs::read_to_string(&storage.file).map_err(ImportError::Read)?;
    let Some(session) = Members::parse(&text).filter(|session| session.text("id").is_some()) else {
        return Err(ImportError::Format("not a session of opencode".to_owned()));
    };
    let raw_id = session.text("id").unwrap_or_default().into_owned();
    let id = fit(&raw_id);
    let time = session.object("time").unwrap_or_default();
    let started = ms(&time, "created").unwrap_or_default();
    let mut import = Import { id: &id, now: started, sink, prompted: false };
    let parent = session.text("parentID");
    let about = Metadata {
        title: session.text("title"),
        agent: Some("opencode".into()),
        version: session.text("version"),
        tags: parent.map(|parent| vec![format!("parent:{parent}").into()]),
        ..Metadata::new()
    };
    let first = SessionStarted {
        root_span_id: Some(id.as_str().into()),
        name: Some("opencode".into()),
        metadata: Some(about),
        ..SessionStarted::new()
    };
    import.event(first)?;
    if let Some(rest) = session.without(&["id", "title", "version"]) {
        import.event(SpanAttributes::new(id.as_str(), Payload::owned_json(rest)))?;
    }
    for file in sorted(&storage.folder.join("message").join(&raw_id)).map_err(ImportError::Read)? {
        if !is_json(&file) {
            continue;
        }
        let bytes = fs::read(&file).map_err(ImportError::Read)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parts = sorted(&storage.folder.join("part").join(&stem)).map_err(ImportError::Read)?;
        let parts: Vec<PathBuf> = parts.into_iter().filter(|part| is_json(part)).collect();
        match std::str::from_utf8(&bytes).ok().and_then(Members::parse) {
            Some(message) => import.message(&stem, &message, &parts)?,
            None => import.invalid(&bytes)?,
        }
    }
    let ended = ms(&time, "updated").unwrap_or(import.now).max(import.now);
    import.now = ended;
    import.event(SessionEnded::new(EndStatus::Completed))?;
    Ok(id)
}

fn ms(of: &Members<'_>, key: &str) -> Option<Time> {
    of.get(key).and_then(parse_ms).map(Time::from_ns)
}

struct Import<'i, 's, E> {
    id: &'i str,
    now: Time,
    sink: Sink<'s, E>,
    /// The prompt is known.
    prompted: bool,
}

/// What the parts of a message add up to.
#[derive(Default)]
struct Said {
    /// The text, as the inside of a JSON string.
    text: Vec<u8>,
    any_text: bool,
    /// Parts that have no other place, as a JSON array without its end.
    others: Vec<u8>,
    finish_reason: Option<String>,
}

impl<E> Import<'_, '_, E> {
    fn event<'e>(&mut self, event: impl Into<tracewal_format::event::Event<'e>>) -> Result<(), E> {
        (self.sink)(self.id, self.now, event.into())
    }

    fn invalid(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.event(Note { data: Some(Payload::string(bytes)), ..Note::new("import.invalid-file") })
    }

    fn message(
        &mut self,
        stem: &str,
        message: &Members<'_>,
        parts: &[PathBuf],
    ) -> Result<(), ImportError<E>> {
        let id = fit(&message.text("id").unwrap_or_else(|| stem.into()));
        let time = message.object("time").unwrap_or_default();
        let start = ms(&time, "created").unwrap_or(self.now);
        self.now = start;
        if message.text("role").as_deref() == Some("assistant") {
            return self.generation(&id, ms(&time, "completed"), message, parts);
        }
        let said = self.parts(&id, parts)?;
        let rest = attributes(message, &["id", "sessionID", "role"], &said);
        let input = said.payload();
        if let (false, Some(prompt)) = (self.prompted, &input) {
            let prompt = std::str::from_utf8(&prompt.bytes).ok().and_then(string);
            self.prompted = true;
            self.event(Metadata { prompt, ..Metadata::new() })?;
        }
        let span =
            Span { input, attributes: rest, ..Span::new(id, SpanKind::UserMessage, "user", start, start) };
        Ok(self.event(span)?)
    }

    fn generation(
        &mut self,
        id: &str,
        end: Option<Time>,
        message: &Members<'_>,
        parts: &[PathBuf],
    ) -> Result<(), ImportError<E>> {
        let model = Model {
            model_id: message.text("modelID"),
            provider_id: message.text("providerID"),
            variant: message.text("variant"),
            ..Model::new()
        };
        self.event(SpanStarted {
            model: Some(model),
            ..SpanStarted::new(id, SpanKind::Generation, "generation")
        })?;
        let said = self.parts(id, parts)?;
        let known =
            ["id", "sessionID", "role", "modelID", "providerID", "tokens", "cost", "finish", "variant"];
        let rest = attributes(message, &known, &said);
        let error = message.object("error");
        let Some(end) = end.or_else(|| error.as_ref().map(|_| self.now)) else {
            if let Some(rest) = rest {
                self.event(SpanAttributes::new(id, rest))?;
            }
            return Ok(());
        };
        self.now = end;
        let tokens = message.object("tokens").map(|tokens| {
            let cache = tokens.object("cache").unwrap_or_default();
            Tokens::new(
                count(&tokens, "input"),
                count(&tokens, "output"),
                count(&tokens, "reasoning"),
                count(&cache, "read"),
                count(&cache, "write"),
            )
        });
        let ended = SpanEnded {
            status: error.is_some().then_some(SpanStatus::Error),
            status_message: error.as_ref().map(error_text).map(Into::into),
            finish_reason: message.text("finish").or_else(|| said.finish_reason.clone().map(Into::into)),
            tokens,
            cost: message.get("cost").and_then(|cost| cost.parse().ok()),
            output: said.payload(),
            attributes: rest,
            ..SpanEnded::new(id)
        };
        Ok(self.event(ended)?)
    }

    /// Reads the parts of a message, and hands on the tools among them.
    fn parts(&mut self, message: &str, parts: &[PathBuf]) -> Result<Said, ImportError<E>> {
        let mut said = Said::default();
        for file in parts {
            let bytes = fs::read(file).map_err(ImportError::Read)?;
            let text = std::str::from_utf8(&bytes).ok();
            let Some((json, part)) = text.and_then(|text| Some((text, Members::parse(text)?))) else {
                self.invalid(&bytes)?;
                continue;
            };
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            match part.text("type").as_deref() {
                Some("text") => said.text(&part, json),
                Some("tool") => self.tool(message, &stem, &part)?,
                kind => {
                    if kind == Some("step-finish") {
                        said.finish_reason = part.text("reason").map(|reason| reason.into_owned());
                    }
                    said.other(json);
                }
            }
        }
        Ok(said)
    }

    fn tool(&mut self, message: &str, stem: &str, part: &Members<'_>) -> Result<(), E> {
        let id = fit(&part.text("id").unwrap_or_else(|| stem.into()));
        let state = part.object("state").unwrap_or_default();
        let time = state.object("time").unwrap_or_default();
        let start = ms(&time, "start").unwrap_or(self.now);
        let name = part.text("tool").unwrap_or_default();
        let mut json = Vec::new();
        object(&mut json, |to| {
            for (key, value) in part.iter().filter(|(key, _)| !PART_KNOWN.contains(key)) {
                to.plain(key, value);
            }
            for (key, value) in state.iter().filter(|(key, _)| !STATE_KNOWN.contains(key)) {
                to.plain(&format!("state.{key}"), value);
            }
        });
        let rest = Some(json).filter(|json| json != b"{}").map(Payload::owned_json);
        let call_id = part.text("callID").filter(|id| !id.is_empty()).map(|id| fit(&id).into());
        let input = state.get("input").map(Payload::json);
        let Some(end) = ms(&time, "end") else {
            self.now = start;
            let started = SpanStarted {
                parent_span_id: Some(message.into()),
                input,
                attributes: rest,
                call_id,
                ..SpanStarted::new(id, SpanKind::Tool, name)
            };
            return self.event(started);
        };
        self.now = end;
        let failed = state.text("status").as_deref() == Some("error");
        let span = Span {
            parent_span_id: Some(message.into()),
            input,
            attributes: rest,
            call_id,
            status: failed.then_some(SpanStatus::Error),
            status_message: state.text("error"),
            output: state.get("output").map(Payload::json),
            ..Span::new(id, SpanKind::Tool, name, start, end)
        };
        self.event(span)
    }
}

/// What has a place of its own in a tool's span.
const PART_KNOWN: [&str; 7] = ["id", "messageID", "sessionID", "type", "tool", "callID", "state"];
const STATE_KNOWN: [&str; 5] = ["status", "input", "output", "error", "time"];

impl Said {
    fn text(&mut self, part: &Members<'_>, json: &str) {
        let Some(text) = part.get("text").filter(|_| part.get("synthetic") != Some("true")) else {
            return self.other(json);
        };
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
        if self.any_text {
            self.text.extend_from_slice(b"\\n");
        }
        self.any_text = true;
        self.text.extend_from_slice(inside.as_bytes());
        if let Some(rest) = part.without(&["id", "messageID", "sessionID", "type", "text"]) {
            self.other(&rest);
        }
    }

    fn other(&mut self, json: &str) {
        self.others.push(if self.others.is_empty() { b'[' } else { b',' });
        self.others.extend_from_slice(json.as_bytes());
    }

    fn payload(&self) -> Option<Payload<'static>> {
        self.any_text.then(|| Payload::owned_json([b"\"", self.text.as_slice(), b"\""].concat()))
    }
}

/// What a message says besides, and its parts that have no other place.
fn attributes(message: &Members<'_>, known: &[&str], said: &Said) -> Option<Payload<'static>> {
    let mut json = Vec::new();
    object(&mut json, |to| {
        for (key, value) in message.iter().filter(|(key, _)| !known.contains(key)) {
            to.plain(key, value);
        }
        if !said.others.is_empty() {
            let out = to.key("parts");
            out.extend_from_slice(&said.others);
            out.push(b']');
        }
    });
    Some(json).filter(|json| json != b"{}").map(Payload::owned_json)
}

fn count(of: &Members<'_>, key: &str) -> u64 {
    // A count may be spelled as 12.0 or as -1.
    let ns = of.get(key).and_then(parse_ms).unwrap_or(0);
    u64::try_from(ns / 1_000_000).unwrap_or(0)
}

fn error_text(error: &Members<'_>) -> String {
    let message = error.object("data").and_then(|data| data.text("message"));
    let name = error.text("name").unwrap_or_default();
    match message.or_else(|| error.text("message")) {
        Some(message) => format!("{name}: {message}"),
        None => name.into_owned(),
    }
}
