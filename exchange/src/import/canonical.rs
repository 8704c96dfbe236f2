//! The canonical JSON, schema version 2.
//!
//! The file is read twice: for what stands around the spans, and for the spans, one at a time.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tracewal_format::event::{
    Crashed, EndStatus, Exception, FoundBy, Note, Payload, SessionEnded, SessionStarted,
};
use tracewal_format::time::{Time, parse_ms};

use super::spans::{hand_on, hand_on_root, metadata};
use super::{ImportError, Sink, fit};
use crate::json::{Members, object};
use crate::span::Span;

/// Imports the session of a file. Returns its id.
///
/// # Errors
/// See [`ImportError`].
pub fn canonical<E>(path: &Path, sink: Sink<'_, E>) -> Result<String, ImportError<E>> {
    let head: Head = serde_json::from_reader(open(path)?).map_err(in_json)?;
    if head.version != 2 {
        return Err(ImportError::Format(format!("schema version {} is not known; 2 is", head.version)));
    }
    let session = fit(&head.session_id);
    let (about, unknown) = head.metadata.as_deref().map_or_else(Default::default, |raw| metadata(raw.get()));
    let mut root: Option<Ending> = None;
    let (mut failed, mut last) = (None, Time::default());
    let mut each = |span: Span| {
        let is_first = root.is_none();
        if is_first {
            let started = SessionStarted {
                trace_id: Some(head.trace_id.as_str().into()),
                root_span_id: Some(fit(&span.span_id).into()),
                name: Some(span.name.as_str().into()),
                metadata: Some(about.clone()),
                ..SessionStarted::new()
            };
            sink(&session, span.start, started.into())?;
            hand_on_root(&session, &span, about.prompt.is_some(), sink)?;
            root = Some(Ending { end: span.end, message: span.status_message.clone() });
        } else {
            hand_on(&session, &span, sink)?;
        }
        last = span.end.unwrap_or(span.start);
        Ok(())
    };
    let mut document = serde_json::Deserializer::from_reader(open(path)?);
    let read = document.deserialize_map(Document(&mut Each { each: &mut each, failed: &mut failed }));
    if let Some(error) = failed {
        return Err(ImportError::Sink(error));
    }
    read.map_err(in_json)?;
    let Some(root) = root else {
        return Err(ImportError::Format("there is no span in it; a session has one, its root".to_owned()));
    };
    for (name, json) in [("import.metadata", unknown), ("import.canonical", head.rest())] {
        if let Some(json) = json {
            let note = Note { data: Some(Payload::owned_json(json)), ..Note::new(name) };
            sink(&session, last, note.into())?;
        }
    }
    end(&session, &head, &root, last, sink)?;
    Ok(session)
}

struct Ending {
    end: Option<Time>,
    message: Option<String>,
}

fn end<E>(session: &str, head: &Head, root: &Ending, last: Time, sink: Sink<'_, E>) -> Result<(), E> {
    let summary = head.summary.as_deref().and_then(|raw| Members::parse(raw.get())).unwrap_or_default();
    let error = summary.text("error").map(|text| text.into_owned()).or_else(|| root.message.clone());
    let time = root.end.unwrap_or(last);
    match summary.text("status").as_deref() {
        Some("completed") => sink(session, time, SessionEnded::new(EndStatus::Completed).into()),
        Some("error") => {
            let ended = SessionEnded { error: error.map(Into::into), ..SessionEnded::new(EndStatus::Error) };
            sink(session, time, ended.into())
        }
        Some("crashed") => {
            let crash = head.crash.as_deref().and_then(|raw| Members::parse(raw.get())).unwrap_or_default();
            let at = |key| crash.get(key).and_then(parse_ms).map(Time::from_ns);
            let exception = crash.object("exception").map(|of| Exception {
                stack: of.text("stack"),
                ..Exception::new(of.text("type").unwrap_or_default(), of.text("message").unwrap_or_default())
            });
            let found_by = crash.text("foundBy");
            let crashed = Crashed {
                signal: crash.text("signal"),
                exception,
                pid: crash.get("pid").and_then(|pid| pid.parse().ok()),
                found_by: FoundBy::ALL.iter().copied().find(|by| Some(by.as_str()) == found_by.as_deref()),
                found_time: at("foundTime"),
                ..Crashed::new(error.unwrap_or_else(|| "unknown".to_owned()))
            };
            sink(session, root.end.or(at("time")).unwrap_or(last), crashed.into())
        }
        _ => Ok(()),
    }
}

fn open<E>(path: &Path) -> Result<BufReader<File>, ImportError<E>> {
    Ok(BufReader::with_capacity(256 << 10, File::open(path).map_err(ImportError::Read)?))
}

fn in_json<E>(error: serde_json::Error) -> ImportError<E> {
    if error.is_io() {
        ImportError::Read(error.into())
    } else {
        ImportError::Format(format!("not a canonical trace: {error}"))
    }
}

/// What stands around the spans.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    version: u64,
    trace_id: String,
    session_id: String,
    metadata: Option<Box<RawValue>>,
    summary: Option<Box<RawValue>>,
    crash: Option<Box<RawValue>>,
    runs: Option<Box<RawValue>>,
    close: Option<Box<RawValue>>,
    incidents: Option<Box<RawValue>>,
    wal: Option<Box<RawValue>>,
}

impl Head {
    /// What an import cannot make again, because it speaks of another log.
    fn rest(&self) -> Option<String> {
        let mut out = Vec::new();
        object(&mut out, |to| {
            for (key, value) in [
                ("runs", &self.runs),
                ("crash", &self.crash),
                ("close", &self.close),
                ("incidents", &self.incidents),
                ("wal", &self.wal),
            ] {
                if let Some(raw) = value {
                    to.plain(key, raw.get());
                }
            }
        });
        String::from_utf8(out).ok().filter(|json| json != "{}")
    }
}

/// Takes each span, and keeps the error that stopped it.
struct Each<'a, E> {
    each: &'a mut dyn FnMut(Span) -> Result<(), E>,
    failed: &'a mut Option<E>,
}

struct Document<'e, 'a, E>(&'e mut Each<'a, E>);

impl<'de, E> Visitor<'de> for Document<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trace")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "spans" {
                map.next_value_seed(Spans(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Spans<'e, 'a, E>(&'e mut Each<'a, E>);

impl<'de, E> DeserializeSeed<'de> for Spans<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, E> Visitor<'de> for Spans<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of spans")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(span) = seq.next_element::<Span>()? {
            if let Err(error) = (self.0.each)(span) {
                *self.0.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
