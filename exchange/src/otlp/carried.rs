//! What no convention has a name for, as attributes that begin with `tracewal.`, so that an import makes the same span of it again.

use tracewal_compact::Summary;
use tracewal_format::event::{Metadata, SpanKind};

use super::attributes::List;
use super::conventions::{Convention, Marks};
use crate::json::{Object, object};
use crate::span::Span;

/// Of the resource: which session the spans are of.
pub(crate) const SESSION_ID: &str = "tracewal.session.id";

/// Writes what the convention has left out.
pub(crate) fn carry(
    convention: Convention,
    span: &Span,
    name: &str,
    marks: &Marks,
    summary: &Summary,
    to: &mut List,
) {
    to.text("tracewal.span.id", &span.span_id);
    to.some_text("tracewal.span.parent_id", span.parent_span_id.as_deref());
    to.text("tracewal.span.kind", &span.kind);
    if name != span.name {
        to.text("tracewal.span.name", &span.name);
    }
    to.flag("tracewal.span.open", span.end.is_none());
    to.flag("tracewal.span.interrupted", span.interrupted);
    if !span.failed() {
        to.some_text("tracewal.status_message", span.status_message.as_deref());
    }
    if let Some(model) = &span.model {
        to.some_text("tracewal.model.id", model.model_id.as_deref());
        to.some_text("tracewal.model.provider_id", model.provider_id.as_deref());
        to.some_text("tracewal.model.variant", model.variant.as_deref());
    }
    if let Some(tool) = &span.tool {
        to.some_text("tracewal.tool.call_id", tool.call_id.as_deref());
        to.some_text("tracewal.tool.duration_ms", tool.duration_ms.as_ref().map(|raw| raw.get()));
    }
    if span.kind() != SpanKind::Generation {
        to.some_text("tracewal.finish_reason", span.finish_reason.as_deref());
    }
    if let Some(tokens) = &span.tokens
        && i64::try_from(tokens.prompt().max(tokens.completion())).is_err()
    {
        let counts = [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write];
        let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
        to.texts("tracewal.tokens", counts.iter().map(String::as_str));
    }
    if let (Convention::GenAi, Some(cost)) = (convention, span.cost) {
        to.number("tracewal.cost", cost);
    }
    to.some_text("tracewal.attributes", span.attributes.as_ref().map(|raw| raw.get()));
    to.texts("tracewal.plain", marks.plain.iter().copied());
    to.texts("tracewal.wrapped", marks.wrapped.iter().copied());
    for (key, time) in [("tracewal.start_ns", Some(span.start)), ("tracewal.end_ns", span.end)] {
        if let Some(time) = time.filter(|time| u64::try_from(time.as_ns()).is_err()) {
            to.text(key, time.as_ns().to_string());
        }
    }
    if span.parent_span_id.is_none() {
        session(summary, to);
    }
}

/// What the session says, on its root.
fn session(summary: &Summary, to: &mut List) {
    to.text("tracewal.trace.id", &summary.trace_id);
    to.text("tracewal.session.status", summary.status.as_str());
    to.some_text("tracewal.session.error", summary.error.as_deref());
    to.text("tracewal.session.ended_ns", summary.ended_at.as_ns().to_string());
    let mut json = Vec::new();
    object(&mut json, |members| metadata(&summary.metadata, members));
    to.text("tracewal.metadata", String::from_utf8(json).unwrap_or_default());
}

/// Writes metadata as the members that the canonical JSON has.
pub(crate) fn metadata(metadata: &Metadata<'_>, to: &mut Object<'_>) {
    for (name, value) in [
        ("title", &metadata.title),
        ("model", &metadata.model),
        ("providerId", &metadata.provider_id),
        ("agent", &metadata.agent),
        ("variant", &metadata.variant),
        ("prompt", &metadata.prompt),
        ("userId", &metadata.user_id),
        ("environment", &metadata.environment),
        ("version", &metadata.version),
    ] {
        to.some_text(name, value.as_deref());
    }
    if let Some(tags) = &metadata.tags {
        let out = to.key("tags");
        out.extend_from_slice(&serde_json::to_vec(tags).unwrap_or_default());
    }
}
