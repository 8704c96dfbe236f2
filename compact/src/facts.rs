//! What one event says about a span.

use tracewal_format::event::{Event, Model, Payload, SpanKind, SpanStatus, Tokens};
use tracewal_format::time::Time;

/// That a span began.
#[derive(Debug)]
pub struct Start<'e> {
    /// When.
    pub time: Time,
    /// What it is.
    pub kind: SpanKind,
    /// Its name.
    pub name: &'e str,
    /// The span around it, if that was given.
    pub parent: Option<&'e str>,
    /// The model.
    pub model: Option<&'e Model<'e>>,
    /// What went in.
    pub input: Option<&'e Payload<'e>>,
    /// The id of a tool call.
    pub call_id: Option<&'e str>,
}

/// That a span ended.
#[derive(Debug)]
pub struct End<'e> {
    /// When.
    pub time: Time,
    /// How.
    pub status: SpanStatus,
    /// The error's text.
    pub message: Option<&'e str>,
    /// Why the model stopped.
    pub finish_reason: Option<&'e str>,
    /// What it used.
    pub tokens: Option<&'e Tokens<'e>>,
    /// US dollars.
    pub cost: Option<f64>,
    /// What came out.
    pub output: Option<&'e Payload<'e>>,
    /// How long it ran, when that was said.
    pub duration_ns: Option<i64>,
}

/// What one event says about a span.
#[derive(Debug)]
pub struct Facts<'e> {
    /// Which span.
    pub span_id: &'e str,
    /// It began.
    pub start: Option<Start<'e>>,
    /// It ended.
    pub end: Option<End<'e>>,
    /// A piece of streamed text.
    pub text: Option<&'e Payload<'e>>,
    /// Attributes to be merged.
    pub attributes: Option<&'e Payload<'e>>,
}

impl<'e> Facts<'e> {
    /// Of an event recorded at `time`. `None`: it is not about a span.
    #[must_use]
    pub fn of(event: &'e Event<'e>, time: Time) -> Option<Self> {
        let facts = |span_id| Facts { span_id, start: None, end: None, text: None, attributes: None };
        Some(match event {
            Event::SpanStarted(e) => Facts {
                start: Some(Start {
                    time,
                    kind: e.kind,
                    name: &e.name,
                    parent: e.parent_span_id.as_deref(),
                    model: e.model.as_ref(),
                    input: e.input.as_ref(),
                    call_id: e.call_id.as_deref(),
                }),
                attributes: e.attributes.as_ref(),
                ..facts(&e.span_id)
            },
            Event::SpanText(e) => Facts { text: Some(&e.text.0), ..facts(&e.span_id) },
            Event::SpanAttributes(e) => Facts { attributes: Some(&e.attributes), ..facts(&e.span_id) },
            Event::SpanEnded(e) => Facts {
                end: Some(End {
                    time,
                    status: e.status.unwrap_or(SpanStatus::Ok),
                    message: e.status_message.as_deref(),
                    finish_reason: e.finish_reason.as_deref(),
                    tokens: e.tokens.as_ref(),
                    cost: e.cost,
                    output: e.output.as_ref(),
                    duration_ns: e.duration_ms.map(|d| d.0),
                }),
                attributes: e.attributes.as_ref(),
                ..facts(&e.span_id)
            },
            Event::Span(e) => Facts {
                start: Some(Start {
                    time: e.start_time,
                    kind: e.kind,
                    name: &e.name,
                    parent: e.parent_span_id.as_deref(),
                    model: e.model.as_ref(),
                    input: e.input.as_ref(),
                    call_id: e.call_id.as_deref(),
                }),
                end: Some(End {
                    time: e.end_time,
                    status: e.status.unwrap_or(SpanStatus::Ok),
                    message: e.status_message.as_deref(),
                    finish_reason: e.finish_reason.as_deref(),
                    tokens: e.tokens.as_ref(),
                    cost: e.cost,
                    output: e.output.as_ref(),
                    duration_ns: e.duration_ms.map(|d| d.0),
                }),
                attributes: e.attributes.as_ref(),
                ..facts(&e.span_id)
            },
            _ => return None,
        })
    }
}
