//! What the spans of OTLP mean.
//!
//! A span that tracewal has exported becomes the span that it was. Of other producers' spans each trace is a session, whose id is the
//! trace's: what the GenAI and the OpenInference conventions have names for becomes a generation or a tool, and everything that a session
//! has no place for stays in the span's attribute `otlp`, from which an export makes the same span again. The file is read twice: which
//! sessions there are, and their spans.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::value::RawValue;
use tracewal_format::event::{
    Crashed, EndStatus, Metadata, Payload, SessionEnded, SessionStarted, SpanAttributes, SpanKind,
};
use tracewal_format::json::{compact, write_str};
use tracewal_format::time::Time;

use super::otlp_file::read;
use super::spans::{hand_on, hand_on_root, metadata};
use super::{ImportError, Sink, fit};
use crate::ids::to_hex;
use crate::json::{Members, elements};
use crate::otlp::attributes::Found;
use crate::otlp::carried::SESSION_ID;
use crate::otlp::conventions::{INPUT, OUTPUT};
use crate::otlp::foreign::{Group, KEPT, Kept};
use crate::span::{Model, Span, Tokens, Tool};

/// Imports the sessions of a file. Returns their ids.
///
/// # Errors
/// See [`ImportError`].
pub fn otlp<E>(path: &Path, sink: Sink<'_, E>) -> Result<Vec<String>, ImportError<E>> {
    let mut sessions: BTreeMap<String, Head> = BTreeMap::new();
    let mut heads: Vec<(usize, Vec<u8>, Head)> = Vec::new();
    let never = |error: ImportError<Infallible>| match error {
        ImportError::Read(error) => ImportError::Read(error),
        ImportError::Format(what) => ImportError::Format(what),
        ImportError::Sink(never) => match never {},
    };
    // First by trace and group, because the group is known only behind its spans.
    let groups = read::<Infallible>(path, &mut |number, span| {
        let known = heads.iter_mut().rfind(|(group, trace, _)| *group == number && *trace == span.trace_id);
        match known {
            Some((_, _, head)) => head.add(&span),
            None => {
                let mut head = Head::default();
                head.add(&span);
                heads.push((number, span.trace_id.clone(), head));
            }
        }
        Ok(())
    })
    .map_err(never)?;
    for (number, trace, head) in heads {
        let group = groups.get(number).cloned().unwrap_or_default();
        let (id, is_own) = session_of(&group, &trace);
        let service = Found(group.resource.as_ref().map_or(&[], |of| &of.attributes)).text("service.name");
        let known = sessions.entry(id).or_insert_with(|| Head { is_own, ..Head::default() });
        known.merge(head, service);
    }
    if sessions.is_empty() {
        return Err(ImportError::Format("there is no span in it".to_owned()));
    }
    for (id, head) in &mut sessions {
        head.begin(id, sink)?;
    }
    read(path, &mut |number, span| {
        let group = groups.get(number).cloned().unwrap_or_default();
        let (id, is_own) = session_of(&group, &span.trace_id);
        if is_own {
            let span = own(&span);
            return if span.parent_span_id.is_none() {
                let has_prompt = sessions.get(&id).is_some_and(|head| head.has_prompt);
                hand_on_root(&id, &span, has_prompt, sink)
            } else {
                hand_on(&id, &span, sink)
            };
        }
        hand_on(&id, &foreign(span, group), sink)
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

    fn begin<E>(&mut self, id: &str, sink: Sink<'_, E>) -> Result<(), E> {
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
        let kept = Kept { synthetic: true, ..Kept::default() };
        sink(id, started, SpanAttributes::new(root_id, as_attributes(&kept)).into())
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

fn at(ns: u64) -> Time {
    Time::from_ns(i128::from(ns))
}

/// When a span that tracewal exported began and ended.
fn times(span: &OtlpSpan, found: &Found<'_>) -> (Time, Option<Time>) {
    let exact = |key: &str| found.text(key).and_then(|ns| ns.parse().ok()).map(Time::from_ns);
    let start = exact("tracewal.start_ns").unwrap_or_else(|| at(span.start_time_unix_nano));
    let end = exact("tracewal.end_ns").unwrap_or_else(|| at(span.end_time_unix_nano));
    (start, Some(end).filter(|_| !found.flag("tracewal.span.open")))
}

/// A span that tracewal exported.
fn own(span: &OtlpSpan) -> Span {
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
fn foreign(mut span: OtlpSpan, group: Group) -> Span {
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
    let kept = Kept { synthetic: false, open, input: input_key, output: output_key, span: Some(span), group };
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
        attributes: String::from_utf8(as_attributes(&kept).bytes.into_owned())
            .ok()
            .and_then(|json| raw(&json)),
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

fn as_attributes(kept: &Kept) -> Payload<'static> {
    let mut json = Vec::new();
    crate::json::object(&mut json, |to| {
        to.key(KEPT).extend_from_slice(&serde_json::to_vec(kept).unwrap_or_default());
    });
    Payload::owned_json(json)
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
