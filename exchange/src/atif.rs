//! Agent Trajectory Interchange Format.
//!
//! A step is what the user said or one model call, together with the tools that it called and what they returned: a tool belongs to the
//! generation that is its parent, else to the last one before it with the same parent. A tool without one is a step of its own.

use std::collections::HashMap;
use std::io;

use serde_json::value::RawValue;
use tracewal_compact::{RenderError, Summary, write_date};
use tracewal_format::event::SpanKind;
use tracewal_format::log::LogSource;
use tracewal_format::time::{Time, write_f64};

use crate::json::{Object, is_deep, object};
use crate::otlp::carried::metadata;
use crate::span::{Span, Tokens, shown};
use crate::trace::Trace;

/// The version of the format that is written.
pub const ATIF_VERSION: &str = "ATIF-v1.7";

/// 0001-01-01 and 9999-12-31T23:59:59, in nanoseconds: readers know no other years.
const YEARS_NS: std::ops::Range<i128> = -62_135_596_800_000_000_000..253_402_300_799_000_000_000;

pub(crate) fn write<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let summary = trace.summary();
    let plan = Plan::of(trace)?;
    let mut buffer = Vec::new();
    head(summary, &mut buffer);
    let mut steps = 0_u64;
    for at in 0..plan.owner.len() {
        if plan.owner.get(at) != Some(&None) {
            continue;
        }
        let Some(span) = trace.span_at(at)? else { continue };
        if span.kind() == SpanKind::Session && span.input.is_none() {
            continue;
        }
        steps += 1;
        let own = [at];
        let tools = if span.kind() == SpanKind::Tool { &own[..] } else { plan.tools(at) };
        begin_step(steps, &span, &mut buffer);
        calls(trace, tools, &mut buffer, out)?;
        end_step(&span, &mut buffer);
        out.write_all(&buffer).map_err(RenderError::Write)?;
        buffer.clear();
    }
    if steps == 0 {
        // There has to be a step.
        steps = 1;
        buffer.extend_from_slice(br#"{"step_id":1,"source":"system","message":""}"#);
    }
    foot(summary, steps, &mut buffer);
    out.write_all(&buffer).map_err(RenderError::Write)
}

/// Which tools belong to which model call.
struct Plan {
    /// The model call that a span is shown with, by position.
    owner: Vec<Option<usize>>,
    /// Owner and tool, in the order of the owners.
    owned: Vec<(usize, usize)>,
    tools: Vec<usize>,
}

impl Plan {
    fn of<S: LogSource>(trace: &mut Trace<'_, S>) -> Result<Self, RenderError<S::Error>> {
        let hash = |id: &str| crate::ids::span_id("", id);
        let (mut generations, mut last_of) = (HashMap::new(), HashMap::new());
        let mut owner: Vec<Option<usize>> = Vec::new();
        trace.spans(|span| {
            let at = owner.len();
            let parent = span.parent_span_id.as_deref().map(hash);
            let mut belongs_to = None;
            match span.kind() {
                SpanKind::Generation => {
                    generations.insert(hash(&span.span_id), at);
                    last_of.insert(parent, at);
                }
                SpanKind::Tool => {
                    let called_by = parent.and_then(|parent| generations.get(&parent));
                    belongs_to = called_by.or_else(|| last_of.get(&parent)).copied();
                }
                _ => {}
            }
            owner.push(belongs_to);
            Ok(())
        })?;
        let mut owned: Vec<(usize, usize)> =
            owner.iter().enumerate().filter_map(|(tool, owner)| Some(((*owner)?, tool))).collect();
        owned.sort_unstable();
        let tools = owned.iter().map(|(_, tool)| *tool).collect();
        Ok(Plan { owner, owned, tools })
    }

    fn tools(&self, owner: usize) -> &[usize] {
        let from = self.owned.partition_point(|(of, _)| *of < owner);
        let to = self.owned.partition_point(|(of, _)| *of <= owner);
        self.tools.get(from..to).unwrap_or_default()
    }
}

fn head(summary: &Summary, out: &mut Vec<u8>) {
    out.push(b'{');
    let about = &summary.metadata;
    let mut members = Vec::new();
    object(&mut members, |to| {
        to.text("schema_version", ATIF_VERSION);
        to.text("session_id", &summary.session_id);
        to.text("trajectory_id", &summary.trace_id);
        to.object("agent", |agent| {
            agent.text("name", about.agent.as_deref().unwrap_or("unknown"));
            agent.text("version", about.version.as_deref().unwrap_or("unknown"));
            agent.some_text("model_name", about.model.as_deref());
        });
    });
    // What follows belongs to the same object.
    out.extend_from_slice(members.get(1..members.len() - 1).unwrap_or_default());
    out.extend_from_slice(b",\"steps\":[");
}

fn foot(summary: &Summary, steps: u64, out: &mut Vec<u8>) {
    let tokens = Tokens::from(&summary.tokens);
    out.extend_from_slice(b"],\"final_metrics\":");
    object(out, |to| {
        to.plain("total_prompt_tokens", tokens.prompt());
        to.plain("total_completion_tokens", tokens.completion());
        to.plain("total_cached_tokens", tokens.cache_read);
        write_f64(summary.total_cost, to.key("total_cost_usd"));
        to.plain("total_steps", steps);
    });
    out.extend_from_slice(b",\"extra\":");
    object(out, |to| {
        to.text("status", summary.status.as_str());
        to.some_text("error", summary.error.as_deref());
        write_date(summary.started_at, to.key("started_at"));
        write_date(summary.ended_at, to.key("ended_at"));
        to.object("metadata", |to| metadata(&summary.metadata, to));
    });
    out.extend_from_slice(b"}\n");
}

/// Everything of a step that stands before its tool calls.
fn begin_step(number: u64, span: &Span, out: &mut Vec<u8>) {
    if number > 1 {
        out.push(b',');
    }
    let (input, output) = (text(span.input.as_deref()), text(span.output.as_deref()));
    let (source, message) = match span.kind() {
        SpanKind::Session => ("user", input),
        SpanKind::UserMessage => ("user", input.or(output)),
        SpanKind::Generation => ("agent", output),
        SpanKind::Text => ("agent", output.or(input)),
        SpanKind::Tool => ("agent", None),
        SpanKind::Span => ("system", Some(span.name.clone())),
    };
    object(out, |to| {
        to.plain("step_id", number);
        if YEARS_NS.contains(&span.start.as_ns()) {
            write_date(span.start, to.key("timestamp"));
        }
        to.text("source", source);
        to.text("message", &message.unwrap_or_default());
        if source != "agent" {
            return;
        }
        match span.kind() {
            SpanKind::Generation => to.plain("llm_call_count", 1),
            SpanKind::Tool => to.plain("llm_call_count", 0),
            _ => {}
        }
        to.some_text("model_name", span.model_id());
        to.some_text("reasoning_effort", span.model.as_ref().and_then(|model| model.variant.as_deref()));
        if span.kind() != SpanKind::Tool && (span.tokens.is_some() || span.cost.is_some()) {
            to.object("metrics", |metrics| write_metrics(span, metrics));
        }
    });
    // The step goes on.
    out.pop();
}

fn write_metrics(span: &Span, to: &mut Object<'_>) {
    if let Some(tokens) = &span.tokens {
        to.plain("prompt_tokens", tokens.prompt());
        to.plain("completion_tokens", tokens.completion());
        to.plain("cached_tokens", tokens.cache_read);
    }
    if let Some(cost) = span.cost {
        write_f64(cost, to.key("cost_usd"));
    }
    if let Some(tokens) = &span.tokens {
        to.object("extra", |extra| {
            extra.plain("reasoning_tokens", tokens.reasoning);
            extra.plain("cache_write_tokens", tokens.cache_write);
        });
    }
}

/// The tool calls of a step, and then what they returned: each tool is read twice, so that one at a time is in memory.
fn calls<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    tools: &[usize],
    buffer: &mut Vec<u8>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    if tools.is_empty() {
        return Ok(());
    }
    buffer.extend_from_slice(b",\"tool_calls\":[");
    for (nth, at) in tools.iter().enumerate() {
        let Some(tool) = trace.span_at(*at)? else { continue };
        if nth > 0 {
            buffer.push(b',');
        }
        call(&tool, buffer);
        out.write_all(buffer).map_err(RenderError::Write)?;
        buffer.clear();
    }
    buffer.extend_from_slice(b"],\"observation\":{\"results\":[");
    for (nth, at) in tools.iter().enumerate() {
        let Some(tool) = trace.span_at(*at)? else { continue };
        if nth > 0 {
            buffer.push(b',');
        }
        object(buffer, |to| {
            to.text("source_call_id", call_id(&tool));
            to.some_text("content", text(tool.output.as_deref()).as_deref());
            to.object("extra", |extra| outcome(&tool, extra));
        });
        out.write_all(buffer).map_err(RenderError::Write)?;
        buffer.clear();
    }
    buffer.extend_from_slice(b"]}");
    Ok(())
}

fn call(tool: &Span, out: &mut Vec<u8>) {
    object(out, |to| {
        to.text("tool_call_id", call_id(tool));
        to.text("function_name", &tool.name);
        match tool.input.as_ref().map(|json| json.get()) {
            Some(json) if json.starts_with('{') && !is_deep(json) => to.clean("arguments", json),
            Some(json) => to.object("arguments", |arguments| arguments.clean("input", json)),
            None => to.object("arguments", |_| ()),
        }
        to.object("extra", |extra| {
            extra.text("span_id", &tool.span_id);
            extra.some_text("parent_span_id", tool.parent_span_id.as_deref());
        });
    });
}

fn call_id(tool: &Span) -> &str {
    tool.call_id().unwrap_or(&tool.span_id)
}

/// What stands behind the tool calls: what the format has no place for.
fn end_step(span: &Span, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"extra\":");
    object(out, |extra| {
        extra.text("span_id", &span.span_id);
        extra.some_text("parent_span_id", span.parent_span_id.as_deref());
        extra.text("kind", &span.kind);
        extra.text("name", &span.name);
        let provider = span.model.as_ref().and_then(|model| model.provider_id.as_deref());
        extra.some_text("provider", provider);
        if span.kind() == SpanKind::Tool {
            return;
        }
        outcome(span, extra);
        let (input, output) = match span.kind() {
            SpanKind::Generation => (&span.input, &None),
            SpanKind::Span => (&span.input, &span.output),
            SpanKind::UserMessage if span.input.is_some() => (&None, &span.output),
            SpanKind::Text if span.output.is_some() => (&span.input, &None),
            _ => (&None, &None),
        };
        for (key, value) in [("input", input), ("output", output)] {
            if let Some(json) = value {
                extra.clean(key, json.get());
            }
        }
    });
    out.push(b'}');
}

/// How a span went.
fn outcome(span: &Span, to: &mut Object<'_>) {
    match span.end.map(Time::as_ns) {
        Some(end) => to.plain("duration_ms", (end - span.start.as_ns()).max(0) / 1_000_000),
        None => to.plain("open", true),
    }
    to.text("status", &span.status);
    to.some_text("status_message", span.status_message.as_deref());
    if span.interrupted {
        to.plain("interrupted", true);
    }
    to.some_text("finish_reason", span.finish_reason.as_deref());
    if let Some(json) = &span.attributes {
        to.clean("attributes", json.get());
    }
}

fn text(json: Option<&RawValue>) -> Option<String> {
    json.map(|json| shown(json.get()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_their_model_call() {
        let plan = Plan { owner: vec![], owned: vec![(1, 2), (1, 4), (3, 5)], tools: vec![2, 4, 5] };
        assert_eq!((plan.tools(1), plan.tools(3), plan.tools(2)), (&[2, 4][..], &[5][..], &[][..]));
    }
}
