//! What a span of OTLP means.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tracewal_format::event::SpanKind;
use tracewal_format::json::{compact, write_str};
use tracewal_format::time::Time;

use super::fit;
use crate::ids::to_hex;
use crate::json::{Members, elements};
use crate::otlp::attributes::Found;
use crate::otlp::conventions::{INPUT, OUTPUT};
use crate::otlp::foreign::{KEPT, Kept};
use crate::span::{Model, Span, Tokens, Tool};

pub(super) fn at(ns: u64) -> Time {
    Time::from_ns(i128::from(ns))
}

/// When a span that tracewal exported began and ended.
pub(super) fn times(span: &OtlpSpan, found: &Found<'_>) -> (Time, Option<Time>) {
    let exact = |key: &str| found.text(key).and_then(|ns| ns.parse().ok()).map(Time::from_ns);
    let start = exact("tracewal.start_ns").unwrap_or_else(|| at(span.start_time_unix_nano));
    let end = exact("tracewal.end_ns").unwrap_or_else(|| at(span.end_time_unix_nano));
    (start, Some(end).filter(|_| !found.flag("tracewal.span.open")))
}

/// A span that tracewal exported.
pub(super) fn own(span: &OtlpSpan) -> Span {
    let found = Found(&span.attributes);
    let owned = |key: &str| found.text(key).map(str::to_owned);
    let status = span.status.clone().unwrap_or_default();
    let failed = status.code() == StatusCode::Error;
    let (start, end) = times(span, &found);
    let model = Model {
        model_id: owned("tracewal.model.id"),
        provider_id: owned("tracewal.model.provider_id"),
        variant: owned("tracewal.model.variant"),
    };
    let has_model = model.model_id.is_some() || model.provider_id.is_some() || model.variant.is_some();
    let tool = Tool {
        call_id: owned("tracewal.tool.call_id"),
        duration_ms: found.text("tracewal.tool.duration_ms").and_then(raw),
    };
    let kind = owned("tracewal.span.kind").unwrap_or_else(|| "span".to_owned());
    let is_open_inference = found.text("openinference.span.kind").is_some();
    let key = |part: &str| match (is_open_inference, kind.as_str()) {
        (true, _) => format!("{part}.value"),
        (false, "session" | "generation") => format!("gen_ai.{part}.messages"),
        (false, "tool") if part == INPUT => "gen_ai.tool.call.arguments".to_owned(),
        (false, "tool") => "gen_ai.tool.call.result".to_owned(),
        (false, _) => format!("tracewal.{part}"),
    };
    let value = |part: &str| {
        let (key, text) = (key(part), found.text(&key(part))?);
        let is_plain = found.texts("tracewal.plain").contains(&part);
        let is_wrapped = is_plain || found.texts("tracewal.wrapped").contains(&part);
        match (key.ends_with(".messages") && is_wrapped, is_plain) {
            (true, _) => raw(unwrapped(text)?),
            (false, true) => Some(quoted(text)),
            (false, false) => raw(text).or_else(|| Some(quoted(text))),
        }
    };
    let finish = found.texts("gen_ai.response.finish_reasons");
    Span {
        span_id: owned("tracewal.span.id").unwrap_or_else(|| to_hex(&span.span_id)),
        parent_span_id: owned("tracewal.span.parent_id"),
        name: owned("tracewal.span.name").unwrap_or_else(|| span.name.clone()),
        start,
        end,
        status: if failed { "error" } else { "ok" }.to_owned(),
        status_message: match failed {
            true => Some(status.message).filter(|message| !message.is_empty()),
            false => owned("tracewal.status_message"),
        },
        interrupted: found.flag("tracewal.span.interrupted"),
        model: has_model.then_some(model),
        finish_reason: owned("tracewal.finish_reason")
            .or_else(|| finish.first().map(|reason| (*reason).to_owned()))
            .or_else(|| owned("llm.finish_reason")),
        tokens: own_tokens(&found),
        cost: found.number("tracewal.cost").or_else(|| found.number("llm.cost.total")),
        tool: Some(tool),
        input: value(INPUT),
        output: value(OUTPUT),
        attributes: found.text("tracewal.attributes").and_then(raw),
        kind,
    }
}

fn own_tokens(found: &Found<'_>) -> Option<Tokens> {
    let counts: Vec<u64> =
        found.texts("tracewal.tokens").iter().filter_map(|count| count.parse().ok()).collect();
    match counts.as_slice() {
        [input, output, reasoning, cache_read, cache_write] => Some(Tokens {
            input: *input,
            output: *output,
            reasoning: *reasoning,
            cache_read: *cache_read,
            cache_write: *cache_write,
        }),
        _ => tokens(found),
    }
}

/// Tokens in either convention: both count what was cached as input, and reasoning as output.
fn tokens(found: &Found<'_>) -> Option<Tokens> {
    let any = |keys: &[&str]| keys.iter().find_map(|key| found.count(key));
    let prompt = any(&["gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens"]);
    let completion =
        any(&["gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens"]);
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let cache_read =
        any(&["gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"]);
    let cache_write =
        any(&["gen_ai.usage.cache_creation.input_tokens", "llm.token_count.prompt_details.cache_write"]);
    let reasoning =
        any(&["gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning"]);
    let (cache_read, cache_write) = (cache_read.unwrap_or(0), cache_write.unwrap_or(0));
    let reasoning = reasoning.unwrap_or(0);
    Some(Tokens {
        input: prompt.unwrap_or(0).saturating_sub(cache_read).saturating_sub(cache_write),
        output: completion.unwrap_or(0).saturating_sub(reasoning),
        reasoning,
        cache_read,
        cache_write,
    })
}

/// Another producer's span.
pub(super) fn foreign(mut span: OtlpSpan, group: usize) -> Span {
    let found = Found(&span.attributes);
    let any = |keys: &[&str]| keys.iter().find_map(|key| found.text(key)).map(str::to_owned);
    let operation = found.text("gen_ai.operation.name").unwrap_or_default();
    let kind = match (operation, found.text("openinference.span.kind").unwrap_or_default()) {
        ("chat" | "text_completion" | "generate_content", _) | (_, "LLM") => SpanKind::Generation,
        ("execute_tool", _) | (_, "TOOL") => SpanKind::Tool,
        (_, "HUMAN") => SpanKind::UserMessage,
        _ => SpanKind::Span,
    };
    let model = Model {
        model_id: any(&["gen_ai.request.model", "gen_ai.response.model", "llm.model_name"]),
        provider_id: any(&["gen_ai.provider.name", "gen_ai.system", "llm.provider"]),
        variant: None,
    };
    let has_model = model.model_id.is_some() || model.provider_id.is_some();
    let call_id = any(&["gen_ai.tool.call.id", "tool.id", "tool_call.id"]);
    let finish = found.texts("gen_ai.response.finish_reasons");
    let finish_reason =
        finish.first().map(|reason| (*reason).to_owned()).or_else(|| any(&["llm.finish_reason"]));
    let tokens = tokens(&found);
    let cost = found.number("llm.cost.total").filter(|cost| cost.is_finite());
    let status = span.status.clone().unwrap_or_default();
    let failed = status.code() == StatusCode::Error;
    let name = match (kind, found.text("gen_ai.tool.name").or_else(|| found.text("tool.name"))) {
        (SpanKind::Tool, Some(tool)) => tool.to_owned(),
        _ => span.name.clone(),
    };
    let (start, end) = (at(span.start_time_unix_nano), at(span.end_time_unix_nano));
    let open = span.end_time_unix_nano == 0;
    let (id, parent) = (to_hex(&span.span_id), to_hex(&span.parent_span_id));
    let (input_key, input) = take(
        &mut span.attributes,
        &["gen_ai.input.messages", "gen_ai.tool.call.arguments", "input.value", "gen_ai.prompt"],
    );
    let (output_key, output) = take(
        &mut span.attributes,
        &["gen_ai.output.messages", "gen_ai.tool.call.result", "output.value", "gen_ai.completion"],
    );
    (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 0);
    let kept = Kept { open, input: input_key, output: output_key, span, group };
    Span {
        span_id: fit(&id),
        parent_span_id: Some(parent).filter(|parent| !parent.is_empty()),
        name,
        kind: kind.as_str().to_owned(),
        start,
        end: (!open).then_some(end),
        status: if failed { "error" } else { "ok" }.to_owned(),
        status_message: Some(status.message).filter(|message| failed && !message.is_empty()),
        interrupted: false,
        model: has_model.then_some(model),
        finish_reason,
        tokens,
        cost,
        tool: Some(Tool { call_id, duration_ms: None }),
        input,
        output,
        attributes: raw(&as_attributes(&kept)),
    }
}

/// Takes the text of the first of these attributes that is there, as a value of JSON. What is left behind is its key.
fn take(attributes: &mut [KeyValue], keys: &[&str]) -> (Option<String>, Option<Box<RawValue>>) {
    for key in keys {
        let Some(attribute) = attributes.iter_mut().find(|attribute| attribute.key == *key) else { continue };
        let Some(Value::StringValue(text)) = attribute.value.as_mut().and_then(|value| value.value.as_mut())
        else {
            continue;
        };
        let mut again = Vec::with_capacity(text.len());
        // A structure is taken as such where it is spelled as it would be written again.
        let is_json = text.starts_with(['{', '[']) && compact(text, &mut again) && again == text.as_bytes();
        let value = if is_json { raw(text) } else { Some(quoted(text)) };
        attribute.value = None;
        return (Some((*key).to_owned()), value);
    }
    (None, None)
}

/// What stands in the message that was put around a value.
fn unwrapped(messages: &str) -> Option<&str> {
    let message = Members::parse(elements(messages)?.first()?)?;
    Members::parse(elements(message.get("parts")?)?.first()?)?.spelled("content")
}

/// JSON as it is. `None`: it is none.
fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

/// A text as JSON.
fn quoted(text: &str) -> Box<RawValue> {
    let mut json = Vec::with_capacity(text.len() + text.len() / 8 + 2);
    write_str(text, &mut json);
    let json = String::from_utf8(json).unwrap_or_default();
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The attributes of a span of which this is kept.
pub(super) fn as_attributes(kept: &impl Serialize) -> String {
    let mut json = Vec::new();
    crate::json::object(&mut json, |to| {
        to.key(KEPT).extend_from_slice(&serde_json::to_vec(kept).unwrap_or_default());
    });
    String::from_utf8(json).unwrap_or_default()
}
