//! What a fold knows without reading the log again: how the session stands.

use std::borrow::Cow;

pub use tracewal_engine::Status;
use tracewal_engine::guard::Guard;
use tracewal_format::event::{EndStatus, Metadata, SpanKind, Str, Tokens};
use tracewal_format::log::Loss;
use tracewal_format::time::Time;

pub use crate::crashes::Crash;
use crate::ids::SpanNo;
use crate::incident::{Close, Incidents};
pub use crate::runs::{Run, RunEnding, SessionEnd};
use crate::spans::Spans;

/// How a session stands, and what it did in numbers.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The session's id; empty when no segment of the log can be read.
    pub session_id: String,
    /// The trace's id.
    pub trace_id: String,
    /// The root span's id.
    pub root_span_id: String,
    /// The root span's name.
    pub name: String,
    /// What the session is about.
    pub metadata: Metadata<'static>,
    /// How it stands.
    pub status: Status,
    /// The sequence number of the ending that decided the status, if one did.
    pub ending_seq: Option<u64>,
    /// The error that it ended with, or the reason of the crash.
    pub error: Option<String>,
    /// Time of the first event.
    pub started_at: Time,
    /// Time of the record that decided the status, else of the last event.
    pub ended_at: Time,
    /// Tokens of all spans.
    pub tokens: Tokens<'static>,
    /// US dollars.
    pub total_cost: f64,
    /// Spans of kind tool.
    pub tool_calls: u64,
    /// Spans of kind generation.
    pub generations: u64,
    /// Spans, the root included.
    pub spans: u64,
    /// Spans that have not ended and whose run still goes on, without the root.
    pub open_spans: u64,
    /// Under which lifecycle action it ended, if that is to be explained.
    pub close: Option<Close>,
    /// Why it stopped.
    pub incidents: Incidents,
    /// The first crash record.
    pub crash: Option<Crash>,
    /// How many crash records there are.
    pub crashes: u64,
    /// The processes that wrote to it.
    pub runs: Vec<Run>,
    /// Events with a sequence number.
    pub events: u64,
    /// The highest sequence number that the log has used, be its event there, lost or given up.
    pub last_seq: u64,
    /// Raised by repair and redaction.
    pub generation: u32,
    /// What is lost.
    pub losses: Vec<Loss>,
}

impl Default for Summary {
    fn default() -> Self {
        Summary {
            session_id: String::new(),
            trace_id: String::new(),
            root_span_id: String::new(),
            name: String::new(),
            metadata: Metadata::new(),
            status: Status::Running,
            ending_seq: None,
            error: None,
            started_at: Time::default(),
            ended_at: Time::default(),
            tokens: Tokens::new(0_u64, 0_u64, 0_u64, 0_u64, 0_u64),
            total_cost: 0.0,
            tool_calls: 0,
            generations: 0,
            spans: 1,
            open_spans: 0,
            close: None,
            incidents: Incidents::default(),
            crash: None,
            crashes: 0,
            runs: Vec::new(),
            events: 0,
            last_seq: 0,
            generation: 0,
            losses: Vec::new(),
        }
    }
}

impl Summary {
    /// From the first event to the ending, in nanoseconds; never negative.
    #[must_use]
    pub fn duration_ns(&self) -> i128 {
        (self.ended_at.as_ns() - self.started_at.as_ns()).max(0)
    }

    /// Sets what follows from how the runs ended: the one place where the status is decided (I5).
    pub(crate) fn decide(&mut self, crash: Option<&Crash>, end: Option<&SessionEnd>, last_event: Time) {
        let crash = crash.filter(|_| end.is_none() || !Guard::CrashOutranks.is_off());
        self.crash = crash.cloned();
        self.ending_seq = end.filter(|_| crash.is_none()).map(|end| end.seq);
        (self.status, self.error, self.ended_at) = match (crash, end) {
            (Some(crash), _) => (Status::Crashed, Some(crash.reason.clone()), crash.time),
            (None, Some(end)) => match end.status {
                EndStatus::Completed => (Status::Completed, None, end.time),
                EndStatus::Error => (Status::Error, end.error.clone(), end.time),
            },
            (None, None) if Guard::RunningUntilEnded.is_off() => (Status::Completed, None, last_event),
            (None, None) => (Status::Running, None, last_event),
        };
    }

    /// Counts the spans.
    pub(crate) fn count(&mut self, spans: &Spans, root: SpanNo, is_open: impl Fn(u32) -> bool) {
        (self.spans, self.tool_calls, self.generations, self.open_spans) = (1, 0, 0, 0);
        for (_, row) in spans.iter().filter(|(span, _)| *span != root) {
            self.spans += 1;
            self.tool_calls += u64::from(row.kind() == SpanKind::Tool);
            self.generations += u64::from(row.kind() == SpanKind::Generation);
            self.open_spans += u64::from(row.end().is_none() && is_open(row.run));
        }
    }
}

/// Replaces the fields that are present.
pub(crate) fn merge_metadata(to: &mut Metadata<'static>, from: &Metadata<'_>) {
    fn replace(to: &mut Option<Str<'static>>, from: &Option<Str<'_>>) {
        if let Some(text) = from {
            *to = Some(Cow::Owned(text.clone().into_owned()));
        }
    }
    replace(&mut to.title, &from.title);
    replace(&mut to.model, &from.model);
    replace(&mut to.provider_id, &from.provider_id);
    replace(&mut to.agent, &from.agent);
    replace(&mut to.variant, &from.variant);
    replace(&mut to.prompt, &from.prompt);
    replace(&mut to.user_id, &from.user_id);
    replace(&mut to.environment, &from.environment);
    replace(&mut to.version, &from.version);
    if let Some(tags) = &from.tags {
        to.tags = Some(tags.iter().map(|tag| Cow::Owned(tag.clone().into_owned())).collect());
    }
}
