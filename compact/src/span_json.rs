//! One span as JSON, but for what is streamed into it.

use tracewal_format::event::SpanKind;
use tracewal_format::time::{Time, write_f64};

use crate::members::{key, ms, number, text};
use crate::span_view::SpanView;
use crate::spans::Row;

/// What a span begins with.
pub(crate) struct Head<'a> {
    pub(crate) id: &'a str,
    /// `None`: it is the root.
    pub(crate) parent: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
}

impl Head<'_> {
    pub(crate) fn write(&self, start_time: Time, out: &mut Vec<u8>) {
        out.push(b'{');
        text("spanId", Some(self.id), out);
        match self.parent {
            Some(parent) => text("parentSpanId", Some(parent), out),
            None => out.extend_from_slice(b",\"parentSpanId\":null"),
        }
        text("name", Some(self.name), out);
        text("kind", Some(self.kind.as_str()), out);
        ms("startTime", start_time.as_ns(), out);
    }
}

/// How long a tool ran: what was said, else from its start to its end. `None`: nobody said that it ended.
pub(crate) fn tool_duration(view: &SpanView, row: &Row) -> Option<i128> {
    let measured = || {
        let end = view.end_time.filter(|_| row.end().is_some())?;
        Some((end.as_ns() - view.start_time.as_ns()).max(0))
    };
    view.duration_ns.map(i128::from).or_else(measured)
}

pub(crate) fn write_tool(view: &SpanView, row: &Row, out: &mut Vec<u8>) {
    let duration_ns = tool_duration(view, row);
    if view.call_id.is_none() && duration_ns.is_none() {
        return;
    }
    key("tool", out);
    out.push(b'{');
    text("callId", view.call_id.as_deref(), out);
    if let Some(duration_ns) = duration_ns {
        ms("durationMs", duration_ns, out);
    }
    out.push(b'}');
}

/// Attributes, and among them which of the span's fields were not what they said they were.
pub(crate) fn write_attributes(view: &mut SpanView, invalid_text: bool, out: &mut Vec<u8>) {
    let invalid_output = invalid_text || view.output.as_ref().is_some_and(|value| !value.valid);
    let invalid: Vec<&str> = [
        ("input", view.input.as_ref().is_some_and(|value| !value.valid)),
        ("attributes", view.attributes.is_broken()),
        ("output", invalid_output),
    ]
    .into_iter()
    .filter_map(|(name, is_invalid)| is_invalid.then_some(name))
    .collect();
    let start = out.len();
    key("attributes", out);
    if !view.attributes.write(&invalid, out) {
        out.truncate(start);
    }
}

pub(crate) fn write_end(view: &SpanView, interrupted: bool, out: &mut Vec<u8>) {
    if let Some(time) = view.end_time {
        ms("endTime", time.as_ns(), out);
    }
    text("status", Some(if view.failed { "error" } else { "ok" }), out);
    text("statusMessage", view.message.as_deref(), out);
    if interrupted {
        out.extend_from_slice(b",\"interrupted\":true");
    }
    text("finishReason", view.finish_reason.as_deref(), out);
}

pub(crate) fn write_usage(view: &SpanView, out: &mut Vec<u8>) {
    if let Some(tokens) = view.tokens {
        key("tokens", out);
        out.push(b'{');
        write_classes(tokens, out);
        let total = tokens.into_iter().fold(0, u64::saturating_add);
        number("total", total, out);
        out.push(b'}');
    }
    if let Some(cost) = view.cost {
        key("cost", out);
        write_f64(cost, out);
    }
}

/// The five classes of tokens as members.
pub(crate) fn write_classes(tokens: [u64; 5], out: &mut Vec<u8>) {
    let names = ["input", "output", "reasoning", "cacheRead", "cacheWrite"];
    for (name, count) in names.into_iter().zip(tokens) {
        number(name, count, out);
    }
}
