//! One row per span, as RFC 4180 says, safe to open in a spreadsheet.
//!
//! A text that begins with `=`, `+`, `-`, `@`, a tab, a carriage return or a line feed gets an apostrophe in front, because a spreadsheet
//! would take it for a formula. U+0000 becomes U+2400, because many readers end a text there. Numbers are ours and stay as they are.

use std::io;

use tracewal_compact::{RenderError, Summary, write_date};
use tracewal_format::log::LogSource;
use tracewal_format::time::{Time, write_f64, write_ms};

use crate::span::{Span, shown};
use crate::trace::Trace;

const COLUMNS: [&str; 28] = [
    "session_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start",
    "end",
    "start_ms",
    "end_ms",
    "duration_ms",
    "status",
    "status_message",
    "interrupted",
    "model",
    "provider",
    "variant",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
    "tool_call_id",
    "tool_duration_ms",
    "input",
    "output",
    "attributes",
];

pub(crate) fn write<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let summary = trace.summary();
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    table.write_record(COLUMNS).map_err(|error| RenderError::Write(error.into()))?;
    trace.spans(|span| Ok(table.write_record(row(&span, summary))?))?;
    table.flush().map_err(RenderError::Write)
}

fn row(span: &Span, summary: &Summary) -> [String; COLUMNS.len()] {
    let model = span.model.clone().unwrap_or_default();
    let tool = span.tool.clone().unwrap_or_default();
    let tokens = |class: fn(&crate::span::Tokens) -> u64| {
        span.tokens.as_ref().map_or_else(String::new, |tokens| class(tokens).to_string())
    };
    let value = |json: &Option<Box<serde_json::value::RawValue>>| {
        json.as_ref().map_or_else(String::new, |json| text(&shown(json.get())))
    };
    let duration = span.end.map(|end| (end.as_ns() - span.start.as_ns()).max(0));
    [
        text(&summary.session_id),
        text(&span.span_id),
        some(span.parent_span_id.as_deref()),
        text(&span.name),
        text(&span.kind),
        date(span.start),
        span.end.map_or_else(String::new, date),
        ms(span.start.as_ns()),
        span.end.map_or_else(String::new, |end| ms(end.as_ns())),
        duration.map_or_else(String::new, ms),
        text(&span.status),
        some(span.status_message.as_deref()),
        if span.interrupted { "true".to_owned() } else { String::new() },
        some(model.model_id.as_deref()),
        some(model.provider_id.as_deref()),
        some(model.variant.as_deref()),
        some(span.finish_reason.as_deref()),
        tokens(|tokens| tokens.input),
        tokens(|tokens| tokens.output),
        tokens(|tokens| tokens.reasoning),
        tokens(|tokens| tokens.cache_read),
        tokens(|tokens| tokens.cache_write),
        span.cost.map_or_else(String::new, |cost| ascii(|out| write_f64(cost, out))),
        some(tool.call_id.as_deref()),
        tool.duration_ms.map_or_else(String::new, |raw| raw.get().to_owned()),
        value(&span.input),
        value(&span.output),
        value(&span.attributes),
    ]
}

fn some(value: Option<&str>) -> String {
    value.map_or_else(String::new, text)
}

/// A text that no spreadsheet takes for a formula.
fn text(value: &str) -> String {
    let value = value.replace('\0', "\u{2400}");
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{value}") } else { value }
}

fn ascii(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn ms(ns: i128) -> String {
    ascii(|out| write_ms(ns, out))
}

fn date(time: Time) -> String {
    ascii(|out| write_date(time, out)).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_a_spreadsheet_would_compute_is_text() {
        assert_eq!(text("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(text("\tx"), "'\tx");
        assert_eq!(text("a=b\0"), "a=b\u{2400}");
    }
}
