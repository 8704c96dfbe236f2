//! What one event says about a span.

use tracewal_format::event::{Event, Model, Payload, SpanKind, SpanStatus, Tokens};
use tracewal_format::time::Time;

/// That a span began.
pub(crate) struct Start<'e> {
    pub(crate) time: Time,
    pub(crate) kind: SpanKind,
    pub(crate) name: &'e str,
    pub(crate) parent: Option<&'e str>,
    pub(crate) model: Option<&'e Model<'e>>,
    pub(crate) input: Option<&'e Payload<'e>>,
    pub(crate) call_id: Option<&'e str>,
}

/// That a span ended.
pub(crate) struct End<'e> {
    pub(crate) time: Time,
    pub(crate) status: SpanStatus,
    pub(crate) message: Option<&'e str>,
    pub(crate) finish_reason: Option<&'e str>,
    pub(crate) tokens: Option<&'e Tokens<'e>>,
    pub(crate) cost: Option<f64>,
    pub(crate) output: Option<&'e Payload<'e>>,
    pub(crate) duration_ns: Option<i64>,
}

/// What one event says about a span.
pub(crate) struct Facts<'e> {
    pub(crate) span_id: &'e str,
    pub(crate) start: Option<Start<'e>>,
    pub(crate) end: Option<End<'e>>,
    pub(crate) text: Option<&'e Payload<'e>>,
    pub(crate) attributes: Option<&'e Payload<'e>>,
}

impl<'e> Facts<'e> {
    /// Of an event recorded at `time`. `None`: it is not about a span.
    pub(crate) fn of(event: &'e Event<'e>, time: Time) -> Option<Self> {
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
