//! A span as events.

use std::borrow::Cow;

use tracewal_format::event::{
    DurationNs, Event, Metadata, Model, Payload, Span as Whole, SpanAttributes, SpanEnded, SpanKind,
    SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::time::{Time, parse_ms};

use super::{Sink, fit};
use crate::json::Members;
use crate::span::{Span, is_string, string};

/// Hands on a span that is not the root.
pub(super) fn hand_on<E>(session: &str, span: &Span, sink: Sink<'_, E>) -> Result<(), E> {
    match span.end {
        Some(end) => sink(session, end, whole(span, end).into()),
        None => open(session, span, sink),
    }
}

/// Hands on what the root says besides what the session says.
pub(super) fn hand_on_root<E>(
    session: &str,
    span: &Span,
    has_prompt: bool,
    sink: Sink<'_, E>,
) -> Result<(), E> {
    let input = span.input.as_ref().filter(|_| !has_prompt);
    if span.model.is_some() || input.is_some() {
        let started = SpanStarted {
            model: model(span),
            input: input.map(|json| payload(json.get())),
            ..SpanStarted::new(fit(&span.span_id), SpanKind::Session, span.name.as_str())
        };
        sink(session, span.start, started.into())?;
    }
    if let Some(json) = &span.attributes {
        let attributes = SpanAttributes::new(fit(&span.span_id), payload(json.get()));
        sink(session, span.start, attributes.into())?;
    }
    if span.tokens.is_some() || span.cost.is_some() || span.finish_reason.is_some() {
        let ended = SpanEnded {
            tokens: tokens(span),
            cost: span.cost,
            finish_reason: text(span.finish_reason.as_ref()),
            ..SpanEnded::new(fit(&span.span_id))
        };
        sink(session, span.end.unwrap_or(span.start), ended.into())?;
    }
    Ok(())
}

fn whole(span: &Span, end: Time) -> Whole<'_> {
    let tool = span.tool.as_ref();
    let duration_ns = tool.and_then(|tool| parse_ms(tool.duration_ms.as_ref()?.get()));
    // What follows from the times is not said again.
    let duration_ns = duration_ns.filter(|ns| *ns != (end.as_ns() - span.start.as_ns()).max(0));
    Whole {
        parent_span_id: span.parent_span_id.as_deref().map(|id| fit(id).into()),
        model: model(span),
        input: span.input.as_ref().map(|json| payload(json.get())),
        attributes: span.attributes.as_ref().map(|json| payload(json.get())),
        call_id: span.call_id().map(|id| fit(id).into()),
        status: span.failed().then_some(SpanStatus::Error),
        status_message: text(span.status_message.as_ref()),
        finish_reason: text(span.finish_reason.as_ref()),
        tokens: tokens(span),
        cost: span.cost,
        output: span.output.as_ref().map(|json| payload(json.get())),
        duration_ms: duration_ns.and_then(|ns| i64::try_from(ns).ok()).map(DurationNs),
        ..Whole::new(fit(&span.span_id), span.kind(), span.name.as_str(), span.start, end)
    }
}

fn open<E>(session: &str, span: &Span, sink: Sink<'_, E>) -> Result<(), E> {
    let started = SpanStarted {
        parent_span_id: span.parent_span_id.as_deref().map(|id| fit(id).into()),
        model: model(span),
        input: span.input.as_ref().map(|json| payload(json.get())),
        attributes: span.attributes.as_ref().map(|json| payload(json.get())),
        call_id: span.call_id().map(|id| fit(id).into()),
        ..SpanStarted::new(fit(&span.span_id), span.kind(), span.name.as_str())
    };
    sink(session, span.start, started.into())?;
    // An open span has no output but what has been streamed.
    let Some(json) = span.output.as_ref().filter(|json| is_string(json.get())) else { return Ok(()) };
    let piece = SpanText::new(fit(&span.span_id), Text(payload(json.get())));
    sink(session, span.start, Event::from(piece))
}

fn payload(json: &str) -> Payload<'_> {
    Payload::json(json)
}

fn text(value: Option<&String>) -> Option<Cow<'_, str>> {
    value.map(|text| text.as_str().into())
}

fn model(span: &Span) -> Option<Model<'_>> {
    let of = span.model.as_ref()?;
    Some(Model {
        model_id: text(of.model_id.as_ref()),
        provider_id: text(of.provider_id.as_ref()),
        variant: text(of.variant.as_ref()),
        ..Model::new()
    })
}

fn tokens(span: &Span) -> Option<Tokens<'static>> {
    let of = span.tokens.as_ref()?;
    Some(Tokens::new(of.input, of.output, of.reasoning, of.cache_read, of.cache_write))
}

/// The metadata in a JSON object, and what else stands in it.
pub(super) fn metadata(json: &str) -> (Metadata<'static>, Option<String>) {
    let Some(members) = Members::parse(json) else { return (Metadata::new(), None) };
    let text = |key: &str| members.text(key).map(|text| Cow::Owned(text.into_owned()));
    let tags = members.get("tags").and_then(crate::json::elements);
    let metadata = Metadata {
        title: text("title"),
        model: text("model"),
        provider_id: text("providerId"),
        agent: text("agent"),
        variant: text("variant"),
        prompt: text("prompt"),
        user_id: text("userId"),
        environment: text("environment"),
        version: text("version"),
        tags: tags.map(|tags| {
            tags.into_iter().filter_map(string).map(|tag| Cow::Owned(tag.into_owned())).collect()
        }),
        ..Metadata::new()
    };
    let known = [
        "title",
        "model",
        "providerId",
        "agent",
        "variant",
        "prompt",
        "userId",
        "environment",
        "version",
        "tags",
    ];
    (metadata, members.without(&known))
}
