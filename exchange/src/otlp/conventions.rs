//! Which attribute holds what, in either convention.

use tracewal_compact::Summary;
use tracewal_format::event::SpanKind;

use super::attributes::List;
use crate::json::{Members, elements, has_surrogate};
use crate::span::{Span, is_string, string};

/// Which attributes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// OpenTelemetry's semantic conventions for generative AI.
    GenAi,
    /// OpenInference.
    OpenInference,
}

/// Which of a span's values do not stand in their attribute as the JSON that they are.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Strings, as the text that they are.
    pub(crate) plain: Vec<&'static str>,
    /// Values inside a message that was put around them.
    pub(crate) wrapped: Vec<&'static str>,
}

/// The parts of a span that have a payload.
pub(crate) const INPUT: &str = "input";
pub(crate) const OUTPUT: &str = "output";

/// What a part of a message is called that holds JSON which is no message.
pub(crate) const JSON_PART: &str = "tracewal.json";

/// Writes what the convention has names for.
pub(crate) fn describe(convention: Convention, span: &Span, summary: &Summary, to: &mut List) -> Marks {
    match convention {
        Convention::GenAi => gen_ai(span, summary, to),
        Convention::OpenInference => open_inference(span, summary, to),
    }
}

/// The name that the convention gives a span.
pub(crate) fn name(convention: Convention, span: &Span, summary: &Summary) -> String {
    if convention == Convention::OpenInference {
        return span.name.clone();
    }
    let with = |operation: &str, what: Option<&str>| match what {
        Some(what) => format!("{operation} {what}"),
        None => operation.to_owned(),
    };
    match span.kind() {
        SpanKind::Session => with("invoke_agent", summary.metadata.agent.as_deref()),
        SpanKind::Generation => with("chat", span.model_id()),
        SpanKind::Tool => with("execute_tool", Some(&span.name)),
        _ => span.name.clone(),
    }
}

fn gen_ai(span: &Span, summary: &Summary, to: &mut List) -> Marks {
    let mut marks = Marks::default();
    let (input, output) = payloads(span);
    match span.kind() {
        SpanKind::Session => {
            to.text("gen_ai.operation.name", "invoke_agent");
            provider(span, summary, to);
            to.some_text("gen_ai.agent.name", summary.metadata.agent.as_deref());
            to.some_text("gen_ai.request.model", summary.metadata.model.as_deref());
            messages("gen_ai.input.messages", INPUT, input, None, to, &mut marks);
        }
        SpanKind::Generation => {
            to.text("gen_ai.operation.name", "chat");
            provider(span, summary, to);
            to.some_text("gen_ai.request.model", span.model_id());
            to.texts("gen_ai.response.finish_reasons", span.finish_reason.as_deref());
            messages("gen_ai.input.messages", INPUT, input, None, to, &mut marks);
            let reason =
                span.finish_reason.as_deref().unwrap_or(if span.failed() { "error" } else { "stop" });
            messages("gen_ai.output.messages", OUTPUT, output, Some(reason), to, &mut marks);
        }
        SpanKind::Tool => {
            to.text("gen_ai.operation.name", "execute_tool");
            to.text("gen_ai.tool.name", &span.name);
            to.some_text("gen_ai.tool.call.id", span.call_id());
            plain("gen_ai.tool.call.arguments", INPUT, input, to, &mut marks);
            plain("gen_ai.tool.call.result", OUTPUT, output, to, &mut marks);
        }
        _ => {
            plain("tracewal.input", INPUT, input, to, &mut marks);
            plain("tracewal.output", OUTPUT, output, to, &mut marks);
        }
    }
    to.text("gen_ai.conversation.id", &summary.session_id);
    if let Some(tokens) = &span.tokens {
        to.count("gen_ai.usage.input_tokens", tokens.prompt());
        to.count("gen_ai.usage.output_tokens", tokens.completion());
        to.count("gen_ai.usage.reasoning.output_tokens", tokens.reasoning);
        to.count("gen_ai.usage.cache_read.input_tokens", tokens.cache_read);
        to.count("gen_ai.usage.cache_creation.input_tokens", tokens.cache_write);
    }
    if span.failed() {
        to.text("error.type", "_OTHER");
    }
    marks
}

/// The convention demands a provider.
fn provider(span: &Span, summary: &Summary, to: &mut List) {
    let own = span.model.as_ref().and_then(|model| model.provider_id.as_deref());
    let name = own.or(summary.metadata.provider_id.as_deref()).unwrap_or("unknown");
    to.text("gen_ai.provider.name", name);
}

fn open_inference(span: &Span, summary: &Summary, to: &mut List) -> Marks {
    let mut marks = Marks::default();
    let (input, output) = payloads(span);
    to.text(
        "openinference.span.kind",
        match span.kind() {
            SpanKind::Session => "AGENT",
            SpanKind::Generation => "LLM",
            SpanKind::Tool => "TOOL",
            SpanKind::UserMessage => "HUMAN",
            SpanKind::Span | SpanKind::Text => "CHAIN",
        },
    );
    to.text("session.id", &summary.session_id);
    to.some_text("user.id", summary.metadata.user_id.as_deref());
    let model = span.model.as_ref();
    match span.kind() {
        SpanKind::Session => {
            to.some_text("agent.name", summary.metadata.agent.as_deref());
            to.texts("tag.tags", summary.metadata.tags.iter().flatten().map(AsRef::as_ref));
        }
        SpanKind::Generation => {
            to.some_text("llm.model_name", span.model_id());
            to.some_text("llm.provider", model.and_then(|model| model.provider_id.as_deref()));
            to.some_text("llm.finish_reason", span.finish_reason.as_deref());
        }
        SpanKind::Tool => {
            to.text("tool.name", &span.name);
            to.some_text("tool.id", span.call_id());
        }
        _ => {}
    }
    if let Some(tokens) = &span.tokens {
        to.count("llm.token_count.prompt", tokens.prompt());
        to.count("llm.token_count.completion", tokens.completion());
        to.count("llm.token_count.total", tokens.prompt().saturating_add(tokens.completion()));
        to.count("llm.token_count.completion_details.reasoning", tokens.reasoning);
        to.count("llm.token_count.prompt_details.cache_read", tokens.cache_read);
        to.count("llm.token_count.prompt_details.cache_write", tokens.cache_write);
    }
    if let Some(cost) = span.cost {
        to.number("llm.cost.total", cost);
    }
    for (name, value) in [(INPUT, input), (OUTPUT, output)] {
        if value.is_none() {
            continue;
        }
        plain(&format!("{name}.value"), name, value, to, &mut marks);
        let is_json = !marks.plain.contains(&name);
        to.text(&format!("{name}.mime_type"), if is_json { "application/json" } else { "text/plain" });
    }
    marks
}

/// What went in and what came out. The root's output is a sentence that every reader can make anew.
fn payloads(span: &Span) -> (Option<&str>, Option<&str>) {
    let output = span.output.as_ref().filter(|_| span.kind() != SpanKind::Session);
    (span.input.as_ref().map(|json| json.get()), output.map(|json| json.get()))
}

/// A string as its text, unless it is none; anything else as JSON.
fn plain(key: &str, part: &'static str, json: Option<&str>, to: &mut List, marks: &mut Marks) {
    let Some(json) = json else { return };
    match string(json).filter(|_| !has_lone_surrogate(json)) {
        Some(text) => {
            marks.plain.push(part);
            to.text(key, text);
        }
        None => to.text(key, json),
    }
}

fn has_lone_surrogate(json: &str) -> bool {
    has_surrogate(json) && serde_json::from_str::<String>(json).is_err()
}

/// Messages as JSON: those that are given, or one put around what is given.
fn messages(
    key: &str,
    part: &'static str,
    json: Option<&str>,
    finish_reason: Option<&str>,
    to: &mut List,
    marks: &mut Marks,
) {
    let Some(json) = json else { return };
    if are_messages(json, finish_reason.is_some()) {
        to.text(key, json);
        return;
    }
    let kind = if is_string(json) {
        marks.plain.push(part);
        "text"
    } else {
        marks.wrapped.push(part);
        JSON_PART
    };
    let mut around = Vec::with_capacity(json.len() + 128);
    around.push(b'[');
    crate::json::object(&mut around, |message| {
        message.text("role", if finish_reason.is_some() { "assistant" } else { "user" });
        let parts = message.key("parts");
        parts.push(b'[');
        crate::json::object(parts, |part| {
            part.text("type", kind);
            part.plain("content", json);
        });
        parts.push(b']');
        message.some_text("finish_reason", finish_reason);
    });
    around.push(b']');
    to.text(key, String::from_utf8(around).unwrap_or_default());
}

/// Whether a value is what the convention calls messages.
fn are_messages(json: &str, is_output: bool) -> bool {
    let messages = if json.starts_with('[') { elements(json) } else { None };
    messages.is_some_and(|all| !all.is_empty() && all.into_iter().all(|json| is_message(json, is_output)))
}

fn is_message(json: &str, is_output: bool) -> bool {
    let is_part = |part: &str| Members::parse(part).is_some_and(|part| part.text("type").is_some());
    let Some(message) = Members::parse(json) else { return false };
    message.text("role").is_some()
        && (!is_output || message.text("finish_reason").is_some())
        && message.get("parts").and_then(elements).is_some_and(|parts| parts.into_iter().all(is_part))
}
