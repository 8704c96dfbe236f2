//! What stands around the spans: metadata before them, and behind them what may still change.

use tracewal_format::event::{EndStatus, Metadata};
use tracewal_format::json::{write_loss, write_str};
use tracewal_format::time::write_f64;

use crate::FOLD_VERSION;
use crate::incident::incident_json::{write_close, write_incidents};
use crate::members::{array, date, key, ms, number, text};
use crate::narrative::narrative;
use crate::span_json::write_classes;
use crate::spans::classes;
use crate::summary::{Crash, Run, RunEnding, Summary};
use crate::tools::ToolUses;

/// The most tools that are listed, and that are named in the narrative.
const TOP_TOOLS: usize = 10;
const NAMED_TOOLS: usize = 3;

pub(crate) fn write_metadata(metadata: &Metadata<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
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
        text(name, value.as_deref(), out);
    }
    if let Some(tags) = &metadata.tags {
        key("tags", out);
        array(tags, out, |tag, out| write_str(tag, out));
    }
    out.push(b'}');
}

/// `metadata` as it stands in a view, on its own.
#[must_use]
pub fn metadata_json(metadata: &Metadata<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_metadata(metadata, &mut out);
    out
}

/// What stands behind the spans in a view (`endedAt`, `summary`, `runs`, `crash`, `close`, `incidents`, `wal`), as an object of its own.
/// `uses` are the calls of all tools, in the order of the spans.
#[must_use]
pub fn rest_json(summary: &Summary, uses: &ToolUses) -> Vec<u8> {
    let mut out = vec![b'{'];
    write_rest(summary, uses, &mut out);
    out.push(b'}');
    out
}

/// Everything behind the spans.
pub(crate) fn write_rest(summary: &Summary, uses: &ToolUses, out: &mut Vec<u8>) {
    date("endedAt", summary.ended_at, out);
    write_summary(summary, uses, out);
    key("runs", out);
    array(&summary.runs, out, write_run);
    if let Some(crash) = &summary.crash {
        write_crash(crash, summary.crashes, out);
    }
    write_close(summary.close.as_ref(), out);
    write_incidents(&summary.incidents, out);
    write_wal(summary, out);
}

fn write_summary(summary: &Summary, uses: &ToolUses, out: &mut Vec<u8>) {
    key("summary", out);
    out.push(b'{');
    number("totalTokens", summary.tokens.total(), out);
    key("totalCost", out);
    write_f64(summary.total_cost, out);
    number("totalToolCalls", summary.tool_calls, out);
    number("totalGenerations", summary.generations, out);
    ms("duration", summary.duration_ns(), out);
    text("status", Some(summary.status.as_str()), out);
    text("error", summary.error.as_deref(), out);
    key("tokens", out);
    out.push(b'{');
    write_classes(classes(&summary.tokens), out);
    out.push(b'}');
    if uses.loops().len() > 0 {
        key("loops", out);
        array(uses.loops(), out, |(found, tool), out| {
            let hash = format!("{:08x}", found.input_crc);
            out.push(b'{');
            text("tool", Some(tool), out);
            text("inputHash", Some(&hash), out);
            number("count", found.count, out);
            let description = format!("{tool} called {} times with same input (hash: {hash})", found.count);
            text("description", Some(&description), out);
            out.push(b'}');
        });
    }
    let top = uses.top(TOP_TOOLS);
    let names: Vec<&str> = top.iter().take(NAMED_TOOLS).map(|tool| tool.name.as_str()).collect();
    let narrative = narrative(summary, uses.distinct(), &names, uses.loops().len());
    text("narrative", narrative.as_deref(), out);
    if !top.is_empty() {
        key("topTools", out);
        array(top, out, |tool, out| {
            out.push(b'{');
            text("name", Some(&tool.name), out);
            number("count", tool.count, out);
            ms("totalDuration", tool.duration_ns, out);
            out.push(b'}');
        });
    }
    out.push(b'}');
}

fn write_run(run: &Run, out: &mut Vec<u8>) {
    out.push(b'{');
    number("run", run.number, out);
    date("startedAt", run.started_at, out);
    date("endedAt", run.ended_at, out);
    match &run.ending {
        None => (),
        Some(RunEnding::Crashed(reason)) => {
            text("ending", Some("crashed"), out);
            text("reason", Some(reason), out);
        }
        Some(RunEnding::SessionEnded(end)) => {
            text("ending", Some("session-ended"), out);
            text("status", Some(end.status.as_str()), out);
            text("reason", end.error.as_deref().filter(|_| end.status == EndStatus::Error), out);
        }
        Some(RunEnding::RunEnded(reason)) => {
            text("ending", Some("run-ended"), out);
            text("reason", Some(reason.as_str()), out);
        }
    }
    if let Some(pid) = run.pid {
        number("pid", pid, out);
    }
    text("host", run.host.as_deref(), out);
    number("events", run.events, out);
    out.push(b'}');
}

fn write_crash(crash: &Crash, count: u64, out: &mut Vec<u8>) {
    key("crash", out);
    out.push(b'{');
    text("reason", Some(&crash.reason), out);
    text("signal", crash.signal.as_deref(), out);
    if let Some((class, message, stack)) = &crash.exception {
        key("exception", out);
        out.push(b'{');
        text("type", Some(class), out);
        text("message", Some(message), out);
        text("stack", stack.as_deref(), out);
        out.push(b'}');
    }
    if let Some(pid) = crash.pid {
        number("pid", pid, out);
    }
    ms("time", crash.time.as_ns(), out);
    text("foundBy", crash.found_by.map(|by| by.as_str()), out);
    if let Some(time) = crash.found_time {
        ms("foundTime", time.as_ns(), out);
    }
    number("run", crash.run, out);
    if let Some(slot) = crash.slot {
        number("slot", slot, out);
    }
    if count > 1 {
        number("count", count, out);
    }
    out.push(b'}');
}

fn write_wal(summary: &Summary, out: &mut Vec<u8>) {
    key("wal", out);
    out.push(b'{');
    number("lastSeq", summary.last_seq, out);
    number("events", summary.events, out);
    number("generation", summary.generation, out);
    number("foldVersion", FOLD_VERSION, out);
    if !summary.losses.is_empty() {
        key("damage", out);
        array(&summary.losses, out, write_loss);
    }
    out.push(b'}');
}
