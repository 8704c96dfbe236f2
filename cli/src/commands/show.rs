//! `tracewal show`: what happened in a session.

use std::io::Write;
use std::path::Path;

use tracewal::fold::Summary;
use tracewal::{SessionName, Store};
use tracewal_compact::incident::sentence;
use tracewal_compact::summary::{Crash, Run, RunEnding};

use super::span_tree;
use crate::account::{self, Account};
use crate::args::Show;
use crate::cost::{self, SessionCost};
use crate::failure::Result;
use crate::output::{BOLD, DIM, Out};
use crate::{output, span_stream, stores, text};

/// No more of a value than this is shown.
const VALUE_COLUMNS: usize = 400;

pub(crate) fn run(folder: &Path, args: &Show) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    let mut account = Account::of(&store, &session)?;
    if args.json {
        let mut out = output::programs();
        account.render(&mut out)?;
        return Ok(out.flush()?);
    }
    let mut out = output::people();
    let prices = cost::prices();
    let mut cost = SessionCost::new(&prices, account.summary());
    let mut spans: Vec<span_tree::SpanLine> = Vec::new();
    span_stream::each(&mut account, |span: span_tree::SpanLine| {
        cost.add(span.spent());
        spans.push(span);
    })?;
    header(&store, &session, &account, &cost, &mut out)?;
    out.flush()?;
    span_tree::print(&spans, &mut out)?;
    losses(account.summary(), &mut out)?;
    Ok(out.flush()?)
}

fn header(
    store: &Store,
    session: &SessionName,
    account: &Account,
    cost: &SessionCost,
    out: &mut Out,
) -> Result<()> {
    let (summary, metadata) = (account.summary(), &account.summary().metadata);
    let title = metadata.title.as_deref().unwrap_or(session.id());
    writeln!(out, "{BOLD}{}{BOLD:#}", text::one_line(title))?;
    let style = output::status_style(account.status());
    let live = if account.live { ", being written now" } else { "" };
    writeln!(out, "{DIM}status   {DIM:#}{style}{}{style:#}{live}", account.status())?;
    let mut facts = vec![("session", session.id().to_owned())];
    if let Some(ending) = ending(summary) {
        facts.push(("because", ending));
    }
    facts.extend(summary.incidents.terminal.as_ref().map(|incident| ("why", sentence(incident))));
    for (name, value) in [
        ("model", &metadata.model),
        ("agent", &metadata.agent),
        ("user", &metadata.user_id),
        ("prompt", &metadata.prompt),
    ] {
        facts.extend(value.as_ref().map(|value| (name, text::cut(value, VALUE_COLUMNS))));
    }
    facts.push(("started", text::local(summary.started_at)));
    facts.push(("took", text::duration(summary.duration_ns())));
    facts.push(("totals", totals(summary, cost)));
    if summary.runs.len() > 1 {
        facts.extend(runs(&summary.runs).into_iter().map(|run| ("run", run)));
    }
    facts.push(("json", store.view(session).display().to_string()));
    for (name, value) in facts {
        writeln!(out, "{DIM}{name:<9}{DIM:#}{}", text::one_line(&value))?;
    }
    Ok(writeln!(out)?)
}

fn totals(summary: &Summary, cost: &SessionCost) -> String {
    let tokens = &summary.tokens;
    let classes = [
        ("input", tokens.input),
        ("output", tokens.output),
        ("reasoning", tokens.reasoning),
        ("cache read", tokens.cache_read),
        ("cache write", tokens.cache_write),
    ];
    let classes: Vec<String> = classes
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", text::grouped(*count)))
        .collect();
    let detail = if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
    format!(
        "{}, {}, {}, {} tokens{detail}, {}",
        text::count(summary.events, "event"),
        text::count(summary.generations, "generation"),
        text::count(summary.tool_calls, "tool call"),
        text::grouped(tokens.total()),
        cost.in_words()
    )
}

/// Why it ended as it did, where there is a reason.
fn ending(summary: &Summary) -> Option<String> {
    match &summary.crash {
        Some(crash) => Some(crash_line(crash, summary.crashes)),
        None => summary.error.clone(),
    }
}

fn crash_line(crash: &Crash, crashes: u64) -> String {
    let pid = crash.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
    let found = crash.found_by.map_or_else(String::new, |found| format!(", found by {}", found.as_str()));
    let more = if crashes > 1 { format!(", {crashes} crash records in all") } else { String::new() };
    format!("{} at {}{pid}{found}{more}", crash.reason, text::local(crash.time))
}

fn runs(runs: &[Run]) -> Vec<String> {
    runs.iter()
        .map(|run| {
            let how = match &run.ending {
                None => "no ending".to_owned(),
                Some(RunEnding::Crashed(reason)) => format!("crashed: {reason}"),
                Some(RunEnding::SessionEnded(end)) => end.status.as_str().to_owned(),
                Some(RunEnding::RunEnded(reason)) => format!("closed ({})", reason.as_str()),
            };
            format!(
                "{}, {}, {}, {how}",
                run.number,
                text::local(run.started_at),
                text::count(run.events, "event")
            )
        })
        .collect()
}

fn losses(summary: &Summary, out: &mut Out) -> Result<()> {
    let style = output::status_style("error");
    for loss in &summary.losses {
        writeln!(out, "{style}{}{style:#}", text::one_line(&account::loss(loss)))?;
    }
    Ok(())
}
