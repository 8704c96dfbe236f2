//! The sessions in a file of OTLP.
//!
//! A span that tracewal has exported becomes the span that it was. Of other producers' spans each trace is a session, whose id is the
//! trace's: what the GenAI and the OpenInference conventions have names for becomes a generation or a tool, and everything that a session
//! has no place for stays in the span's attribute `otlp`, from which an export makes the same span again. The file is read twice: which
//! sessions there are, and their spans.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tracewal_format::event::{
    Crashed, EndStatus, Metadata, Payload, SessionEnded, SessionStarted, SpanAttributes,
};
use tracewal_format::time::Time;

use super::otlp_file::read;
use super::otlp_spans::{as_attributes, at, foreign, own, times};
use super::spans::{hand_on, hand_on_root, metadata};
use super::{ImportError, Sink, fit};
use crate::ids::to_hex;
use crate::otlp::attributes::Found;
use crate::otlp::carried::SESSION_ID;
use crate::otlp::foreign::{Group, KeptOnRoot};

/// Imports the sessions of a file. Returns their ids.
///
/// # Errors
/// See [`ImportError`].
pub fn otlp<E>(path: &Path, sink: Sink<'_, E>) -> Result<Vec<String>, ImportError<E>> {
    let mut sessions: BTreeMap<String, Head> = BTreeMap::new();
    let mut heads: BTreeMap<(usize, Vec<u8>), Head> = BTreeMap::new();
    let never = |error: ImportError<Infallible>| match error {
        ImportError::Read(error) => ImportError::Read(error),
        ImportError::Format(what) => ImportError::Format(what),
        ImportError::Sink(never) => match never {},
    };
    // First by trace and group, because the group is known only behind its spans.
    let groups = read::<Infallible>(path, &mut |number, span| {
        heads.entry((number, span.trace_id.clone())).or_default().add(&span);
        Ok(())
    })
    .map_err(never)?;
    for ((number, trace), head) in heads {
        let Some(group) = groups.get(number) else { continue };
        let (id, is_own) = session_of(group, &trace);
        let service = Found(group.resource.as_ref().map_or(&[], |of| &of.attributes)).text("service.name");
        let known = sessions.entry(id).or_insert_with(|| Head { is_own, ..Head::default() });
        known.merge(head, service);
        if !is_own {
            known.groups.push(number);
        }
    }
    if sessions.is_empty() {
        return Err(ImportError::Format("there is no span in it".to_owned()));
    }
    for (id, head) in &mut sessions {
        head.begin(id, &groups, sink)?;
    }
    read(path, &mut |number, span| {
        let Some(group) = groups.get(number) else { return Ok(()) };
        let (id, is_own) = session_of(group, &span.trace_id);
        let Some(head) = sessions.get(&id) else { return Ok(()) };
        if !is_own {
            let number = head.groups.binary_search(&number).unwrap_or(usize::MAX);
            return hand_on(&id, &foreign(span, number), sink);
        }
        let span = own(&span);
        if span.parent_span_id.is_none() {
            hand_on_root(&id, &span, head.has_prompt, sink)
        } else {
            hand_on(&id, &span, sink)
        }
    })?;
    for (id, head) in &sessions {
        head.end(id, sink)?;
    }
    Ok(sessions.into_keys().collect())
}

/// Which session a span is of, and whether tracewal exported it.
fn session_of(group: &Group, trace_id: &[u8]) -> (String, bool) {
    let attributes = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    match Found(attributes).text(SESSION_ID) {
        Some(id) => (fit(id), true),
        None => (fit(&to_hex(trace_id)), false),
    }
}

/// What is known of a session before its spans are handed on.
#[derive(Default)]
struct Head {
    is_own: bool,
    has_prompt: bool,
    trace_id: Option<String>,
    root_id: Option<String>,
    name: Option<String>,
    service: Option<String>,
    metadata: Option<String>,
    status: Option<String>,
    error: Option<String>,
    /// Of another producer: what its spans have in common, in the order of the file.
    groups: Vec<usize>,
    /// When the session ended, as it says.
    ended: Option<Time>,
    first: Option<u64>,
    last: Option<u64>,
    started: Option<Time>,
}

impl Head {
    fn add(&mut self, span: &OtlpSpan) {
        let start = span.start_time_unix_nano;
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
        self.last = self.last.max(Some(span.end_time_unix_nano.max(start)));
        self.trace_id.get_or_insert_with(|| to_hex(&span.trace_id));
        if !span.parent_span_id.is_empty() {
            return;
        }
        let found = Found(&span.attributes);
        let owned = |key: &str| found.text(key).map(str::to_owned);
        if self.name.is_none() {
            self.name = owned("tracewal.span.name").or_else(|| Some(span.name.clone()));
        }
        if found.text("tracewal.session.status").is_none() {
            if span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error) {
                self.status = Some("error".to_owned());
                self.error = span.status.as_ref().map(|status| status.message.clone());
            }
            return;
        }
        self.root_id = owned("tracewal.span.id");
        self.trace_id = owned("tracewal.trace.id");
        self.metadata = owned("tracewal.metadata");
        self.status = owned("tracewal.session.status");
        self.error = owned("tracewal.session.error");
        let ended = found.text("tracewal.session.ended_ns").and_then(|ns| ns.parse().ok());
        self.ended = ended.map(Time::from_ns);
        self.started = Some(times(span, &found).0);
    }

    fn merge(&mut self, other: Head, service: Option<&str>) {
        let Head { first, last, .. } = other;
        self.first = match (self.first, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.last = self.last.max(last);
        if other.root_id.is_some() || self.root_id.is_none() {
            self.root_id = other.root_id.or(self.root_id.take());
            self.trace_id = other.trace_id.or(self.trace_id.take());
        }
        self.name = self.name.take().or(other.name);
        self.metadata = self.metadata.take().or(other.metadata);
        self.status = self.status.take().or(other.status);
        self.error = self.error.take().or(other.error);
        self.ended = self.ended.or(other.ended);
        self.started = self.started.or(other.started);
        self.service = self.service.take().or(service.map(str::to_owned));
    }

    fn begin<E>(&mut self, id: &str, groups: &[Group], sink: Sink<'_, E>) -> Result<(), E> {
        let started = self.started.unwrap_or_else(|| at(self.first.unwrap_or(0)));
        let mut about = match &self.metadata {
            Some(json) => metadata(json).0,
            None => Metadata::new(),
        };
        self.has_prompt = about.prompt.is_some();
        if !self.is_own {
            about.agent = self.service.clone().map(Into::into);
            about.title = self.name.clone().map(Into::into);
        }
        let root_id = self.root_id.clone().unwrap_or_else(|| id.to_owned());
        let first = SessionStarted {
            trace_id: self.trace_id.clone().map(|id| fit(&id).into()),
            root_span_id: Some(fit(&root_id).into()),
            name: self.name.clone().map(Into::into),
            metadata: Some(about),
            ..SessionStarted::new()
        };
        sink(id, started, first.into())?;
        if self.is_own {
            return Ok(());
        }
        let groups = self.groups.iter().filter_map(|number| groups.get(*number).cloned()).collect();
        let kept = Payload::owned_json(as_attributes(&KeptOnRoot { groups }));
        sink(id, started, SpanAttributes::new(root_id, kept).into())
    }

    fn end<E>(&self, id: &str, sink: Sink<'_, E>) -> Result<(), E> {
        let time = self.ended.unwrap_or_else(|| at(self.last.unwrap_or(0)));
        let error = self.error.clone();
        match self.status.as_deref() {
            Some("running") => Ok(()),
            Some("crashed") => {
                let reason = error.unwrap_or_else(|| "unknown".to_owned());
                sink(id, time, Crashed::new(reason).into())
            }
            Some("error") => {
                let ended =
                    SessionEnded { error: error.map(Into::into), ..SessionEnded::new(EndStatus::Error) };
                sink(id, time, ended.into())
            }
            _ => sink(id, time, SessionEnded::new(EndStatus::Completed).into()),
        }
    }
}
