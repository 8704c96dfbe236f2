//! Trace Event JSON, as the viewers of Perfetto and Chrome open it.
//!
//! A span is a complete event (`ph` `X`). Times are microseconds since the earliest span began, because a viewer's numbers do not hold
//! nanoseconds since 1970; that moment stands in `otherData`. A value longer than [`VALUE_CHARACTERS`] is cut.

use std::collections::HashMap;
use std::io;

use tracewal_compact::{RenderError, Summary, write_date};
use tracewal_format::event::SpanKind;
use tracewal_format::log::LogSource;
use tracewal_format::time::{Time, write_f64};

use crate::json::{Object, object};
use crate::lanes::{Stretch, lanes};
use crate::span::{Span, shown};
use crate::trace::Trace;

/// How much of an input, an output or attributes is shown.
const VALUE_CHARACTERS: usize = 4096;
/// A year before the session began, and a century behind: a viewer counts nanoseconds in 63 bits, so one absurd time would push the others
/// out of its sight.
const BEFORE_NS: i128 = 365 * 86_400 * 1_000_000_000;
const BEHIND_NS: i128 = 100 * BEFORE_NS;
/// There is one process.
const PID: u32 = 1;

pub(crate) fn write<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let summary = trace.summary();
    let last = summary.ended_at.as_ns();
    let stretches = stretches(trace, summary.started_at.as_ns(), last)?;
    let base = stretches.iter().map(|stretch| stretch.start).min().unwrap_or(last);
    let lane_of = lanes(&stretches);
    let mut buffer = Vec::new();
    head(summary, base, &lane_of, &mut buffer);
    let mut at = 0;
    trace.spans(|span| {
        if let (Some(stretch), Some(lane)) = (stretches.get(at), lane_of.get(at)) {
            buffer.push(b',');
            complete(&span, stretch, base, *lane, &mut buffer);
        }
        at += 1;
        out.write_all(&buffer)?;
        buffer.clear();
        Ok(())
    })?;
    if let Some(crash) = &summary.crash {
        buffer.push(b',');
        object(&mut buffer, |event| {
            event.text("name", &format!("crashed: {}", crash.reason));
            event.text("ph", "i");
            event.text("s", "g");
            time("ts", crash.time.as_ns().clamp(base, base + BEHIND_NS) - base, event);
            event.plain("pid", PID);
            event.plain("tid", 1);
        });
    }
    buffer.extend_from_slice(b"]}\n");
    out.write_all(&buffer).map_err(RenderError::Write)
}

/// When each span begins and ends: what is open lasts until the last that is known.
fn stretches<S: LogSource>(
    trace: &mut Trace<'_, S>,
    started: i128,
    last: i128,
) -> Result<Vec<Stretch>, RenderError<S::Error>> {
    let (mut stretches, mut positions) = (Vec::new(), HashMap::new());
    let mut later: Vec<(usize, [u8; 8])> = Vec::new();
    trace.spans(|span| {
        let known = |ns: i128| ns.clamp(started - BEFORE_NS, started + BEHIND_NS);
        let start = known(span.start.as_ns());
        let end = known(span.end.map_or(last, Time::as_ns)).max(start);
        let at = stretches.len();
        positions.insert(crate::ids::span_id("", &span.span_id), at);
        if let Some(parent) = &span.parent_span_id {
            later.push((at, crate::ids::span_id("", parent)));
        }
        stretches.push(Stretch { start, end, parent: None });
        Ok(())
    })?;
    for (at, parent) in later {
        if let Some(stretch) = stretches.get_mut(at) {
            stretch.parent = positions.get(&parent).copied();
        }
    }
    Ok(stretches)
}

fn head(summary: &Summary, base: i128, lane_of: &[u32], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"displayTimeUnit\":\"ms\",\"otherData\":");
    object(out, |other| {
        other.text("producer", concat!("tracewal ", env!("CARGO_PKG_VERSION")));
        other.text("sessionId", &summary.session_id);
        other.text("traceId", &summary.trace_id);
        other.text("status", summary.status.as_str());
        write_date(Time::from_ns(base), other.key("begins"));
        other.text("beginsUnixNano", &base.to_string());
    });
    out.extend_from_slice(b",\"traceEvents\":[");
    let title = summary.metadata.title.as_deref().unwrap_or(&summary.session_id);
    named("process_name", 0, title, out);
    for lane in 0..lane_of.iter().max().map_or(0, |lane| lane.saturating_add(1)) {
        out.push(b',');
        named("thread_name", lane + 1, &format!("track {}", lane + 1), out);
    }
}

fn named(what: &str, tid: u32, name: &str, out: &mut Vec<u8>) {
    object(out, |event| {
        event.text("name", what);
        event.text("ph", "M");
        event.plain("pid", PID);
        event.plain("tid", tid);
        event.object("args", |args| args.text("name", name));
    });
}

fn complete(span: &Span, stretch: &Stretch, base: i128, lane: u32, out: &mut Vec<u8>) {
    object(out, |event| {
        event.text("name", if span.name.is_empty() { "(no name)" } else { &span.name });
        event.text("cat", &span.kind);
        event.text("ph", "X");
        time("ts", stretch.start - base, event);
        time("dur", stretch.end - stretch.start, event);
        event.plain("pid", PID);
        event.plain("tid", lane + 1);
        match (span.failed(), span.kind()) {
            (true, _) => event.text("cname", "terrible"),
            (false, SpanKind::Generation) => event.text("cname", "thread_state_running"),
            (false, _) => {}
        }
        event.object("args", |args| arguments(span, args));
    });
}

fn arguments(span: &Span, to: &mut Object<'_>) {
    to.text("spanId", &span.span_id);
    to.some_text("parentSpanId", span.parent_span_id.as_deref());
    to.text("status", &span.status);
    to.some_text("statusMessage", span.status_message.as_deref());
    if span.end.is_none() {
        to.plain("open", true);
    }
    if span.interrupted {
        to.plain("interrupted", true);
    }
    to.some_text("model", span.model_id());
    to.some_text("finishReason", span.finish_reason.as_deref());
    to.some_text("callId", span.call_id());
    if let Some(tokens) = &span.tokens {
        for (key, count) in [
            ("inputTokens", tokens.input),
            ("outputTokens", tokens.output),
            ("reasoningTokens", tokens.reasoning),
            ("cacheReadTokens", tokens.cache_read),
            ("cacheWriteTokens", tokens.cache_write),
        ] {
            to.plain(key, count);
        }
    }
    if let Some(cost) = span.cost {
        write_f64(cost, to.key("costUsd"));
    }
    for (key, value) in [("input", &span.input), ("output", &span.output), ("attributes", &span.attributes)] {
        if let Some(json) = value {
            to.text(key, &beginning(&shown(json.get())));
        }
    }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS) {
        Some((end, _)) => {
            format!("{}… ({} bytes in all)", text.get(..end).unwrap_or_default(), text.len())
        }
        None => text.to_owned(),
    }
}

/// Nanoseconds as microseconds.
fn time(key: &str, ns: i128, to: &mut Object<'_>) {
    let (whole, rest) = (ns / 1000, ns % 1000);
    if rest == 0 {
        to.plain(key, whole);
    } else {
        to.plain(key, format_args!("{whole}.{rest:03}"));
    }
}
