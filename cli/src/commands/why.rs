//! `tracewal why`: a post-mortem.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;
use tracewal::event::FoundBy;
use tracewal::fold::{OpenSpan, Summary, open_spans};
use tracewal::{Error, Event, Item, ProcessState, SessionName, Status, Store};
use tracewal_compact::incident::{
    Close, Incident, Provenance, advice_sentence, close_json, incidents_json, sentence,
};
use tracewal_compact::summary::{Crash, RunEnding};
use tracewal_format::json::write_event;

use super::tail_line;
use crate::account::{self, Account, reading};
use crate::args::Why;
use crate::failure::{Failure, Result};
use crate::output::{BOLD, DIM, Out};
use crate::{output, stores, text};

/// No more of a value than this is shown.
const VALUE_COLUMNS: usize = 400;
/// No more open spans than this are shown, the newest.
const OPEN_SPANS: usize = 20;
/// The number of a `run-started` event.
const RUN_STARTED: u8 = 2;

/// What is known about an ending.
struct PostMortem {
    account: Account,
    open: Vec<OpenSpan>,
    /// The last events, for people and for programs.
    last: VecDeque<(String, Box<RawValue>)>,
    process: ProcessState,
}

pub(crate) fn run(folder: &Path, args: &Why) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    let found = examine(&store, &session, args.last)?;
    if args.json.json {
        return output::json(&Report::of(&session, &found));
    }
    let mut out = output::people();
    print(&session, &found, &mut out)?;
    Ok(out.flush()?)
}

fn examine(store: &Store, session: &SessionName, last: usize) -> Result<PostMortem> {
    let mut account = Account::of(store, session)?;
    let open = open_spans(&account.fold, &mut account.log, OPEN_SPANS)
        .map_err(|error| Failure::error(format!("{error}; try again")))?;
    let run = account.summary().crash.as_ref().map(|crash| crash.run);
    let failed = |source| Error::Io { doing: "read", path: store.folder(session), source };
    let mut log = store.read(session, reading(account.live))?;
    let (mut lines, mut process) = (VecDeque::new(), ProcessState::Unknown);
    while let Some(item) = log.next().map_err(failed)? {
        let Item::Event(entry) = item else { continue };
        if entry.kind == RUN_STARTED
            && run.is_none_or(|run| run == entry.run)
            && let Some(Ok(Event::RunStarted(started))) = entry.event()
        {
            process = ProcessState::of(&started);
        }
        // Only the last ones are put into words.
        if entry.seq.saturating_add(u64::try_from(last).unwrap_or(u64::MAX)) > account.summary().last_seq {
            let mut json = Vec::new();
            write_event(&entry, &mut json);
            let json = RawValue::from_string(String::from_utf8_lossy(&json).into_owned());
            lines.push_back((tail_line::entry(&entry), json.unwrap_or_else(|_| RawValue::NULL.to_owned())));
        }
    }
    Ok(PostMortem { account, open, last: lines, process })
}

/// What happened, in a sentence.
fn verdict(found: &PostMortem) -> String {
    let summary = found.account.summary();
    match (summary.status, &summary.crash) {
        (Status::Crashed, Some(crash)) => format!("It crashed{}: {}.", during(summary), crash.reason),
        (Status::Completed, _) => "It ended in order, as completed.".to_owned(),
        (Status::Error, _) => {
            format!("It ended in order, with an error: {}.", summary.error.as_deref().unwrap_or("unknown"))
        }
        _ if found.account.is_unrecorded_crash() => {
            "Its process is gone without an ending. That is not recorded yet: the store is open for reading only."
                .to_owned()
        }
        _ if found.account.live => "It has not ended: its process writes to it now.".to_owned(),
        _ => "It has not ended: its process closed it in order, to go on later.".to_owned(),
    }
}

/// The lifecycle action that was going on.
fn during(summary: &Summary) -> String {
    let cover = summary.close.as_ref().and_then(|close| close.cover.as_ref());
    let action = cover.and_then(|cover| cover.action.as_ref());
    action.map_or_else(String::new, |action| format!(" during {}", action.kind))
}

/// How the ending is known.
fn evidence(found: &PostMortem) -> String {
    let summary = found.account.summary();
    let Some(crash) = &summary.crash else {
        return match summary.runs.last().and_then(|run| run.ending.as_ref()) {
            Some(RunEnding::SessionEnded(end)) => {
                format!("Event {} says so; it was durable before the view said it.", end.seq)
            }
            Some(RunEnding::RunEnded(reason)) => {
                format!("The process wrote that it stops writing: {}.", reason.as_str())
            }
            _ => "The log has no ending.".to_owned(),
        };
    };
    let how = match crash.found_by {
        Some(FoundBy::Handler) => "A signal handler of the process recorded it while the process died.",
        Some(FoundBy::PanicHook) => {
            "The panic hook recorded it: nobody caught the panic, and the process died of it."
        }
        Some(FoundBy::ExitHook) => "The exit hook recorded it while the process exited.",
        Some(FoundBy::Caller) => "The program itself recorded it.",
        Some(FoundBy::Recovery) => {
            "Recovery recorded it: the process is gone, and left neither an ending nor a word from a signal handler or an exit hook. \
             So it was killed (SIGKILL, out of memory), left by _exit, had no crash capture, or was lost with its machine."
        }
        None => "A crash record says so.",
    };
    format!("{how}{}", found_later(crash))
}

fn found_later(crash: &Crash) -> String {
    match crash.found_time {
        Some(found) if found > crash.time => {
            let age = text::duration(found.as_ns() - crash.time.as_ns());
            format!(" It was found at {}, {age} after the last event.", text::local(found))
        }
        _ => String::new(),
    }
}

fn process_state(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "still running",
        ProcessState::Gone => "gone",
        ProcessState::Reused => "gone; its number belongs to another process now",
        ProcessState::Unknown => "on another machine, or before this one was started",
    }
}

/// What a person may do next.
fn advice(session: &SessionName, found: &PostMortem) -> Vec<String> {
    let summary = found.account.summary();
    let id = session.id();
    let mut advice = Vec::new();
    if summary.losses.iter().any(account::is_damage) {
        advice.push(format!(
            "`tracewal repair {id}` makes the log sound again; the events that are lost stay lost"
        ));
    }
    advice.extend(summary.incidents.terminal.as_ref().and_then(advice_sentence));
    match summary.status {
        Status::Crashed => advice.push(format!(
            "resume it with `tracewal record --session {id}`; it will go on saying that it crashed"
        )),
        Status::Running if found.account.live => {
            advice.push(format!("follow it with `tracewal tail -f {id}`"))
        }
        Status::Running => advice.push(format!("resume it with `tracewal record --session {id}`")),
        Status::Completed | Status::Error => {}
    }
    advice.push(format!("see everything with `tracewal show {id}`"));
    advice
}

fn print(session: &SessionName, found: &PostMortem, out: &mut Out) -> Result<()> {
    let summary = found.account.summary();
    let style = output::status_style(found.account.status());
    let title = summary.metadata.title.as_deref().unwrap_or(session.id());
    writeln!(out, "{BOLD}{}{BOLD:#}", text::one_line(title))?;
    writeln!(out, "{style}{}{style:#}", text::one_line(&verdict(found)))?;
    if let Some(incident) = &summary.incidents.terminal {
        writeln!(out, "{}", text::one_line(&sentence(incident)))?;
    }
    writeln!(out, "{}", text::one_line(&evidence(found)))?;
    if let Some((class, message, stack)) = summary.crash.as_ref().and_then(|crash| crash.exception.as_ref()) {
        writeln!(out, "{}", text::one_line(&format!("{class}: {message}")))?;
        for line in stack.iter().flat_map(|stack| stack.lines()) {
            writeln!(out, "  {}", text::one_line(line))?;
        }
    }
    for (name, value) in facts(found) {
        writeln!(out, "{DIM}{name:<10}{DIM:#}{}", text::one_line(&value))?;
    }
    if !found.open.is_empty() {
        writeln!(out, "\n{BOLD}open at that moment{BOLD:#}")?;
        found.open.iter().try_for_each(|span| open_span(span, out))?;
    }
    if !found.last.is_empty() {
        writeln!(out, "\n{BOLD}the last events{BOLD:#}")?;
        found.last.iter().try_for_each(|(line, _)| writeln!(out, "{line}"))?;
    }
    writeln!(out, "\n{BOLD}lost{BOLD:#}")?;
    if summary.losses.is_empty() {
        writeln!(out, "nothing")?;
    }
    for loss in &summary.losses {
        writeln!(out, "{}", text::one_line(&account::loss(loss)))?;
    }
    writeln!(out, "\n{BOLD}what to do{BOLD:#}")?;
    for line in advice(session, found) {
        writeln!(out, "{}", text::one_line(&line))?;
    }
    Ok(())
}

fn facts(found: &PostMortem) -> Vec<(&'static str, String)> {
    let summary = found.account.summary();
    let crash = summary.crash.as_ref();
    let mut facts = vec![("status", found.account.status().to_owned())];
    let run_of = |number: u32| summary.runs.iter().find(|run| run.number == number);
    if let Some(run) = crash.map_or(summary.runs.last(), |crash| run_of(crash.run)) {
        let pid = run.pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
        let host = run.host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
        facts.push(("process", format!("{pid}{host}, {}", process_state(found.process))));
        let events = text::count(run.events, "event");
        let (from, to) = (text::local(run.started_at), text::local(run.ended_at));
        facts.push(("wrote", format!("{events}, from {from} to {to}")));
    }
    facts.extend(crash.and_then(|crash| crash.signal.clone()).map(|signal| ("signal", signal)));
    facts.extend(summary.close.iter().flat_map(close));
    facts.extend(summary.incidents.terminal.iter().flat_map(incident));
    let recovered = summary.incidents.recovered.len();
    if recovered > 0 {
        facts.push((
            "got over",
            text::count(u64::try_from(recovered).unwrap_or(u64::MAX), "earlier incident"),
        ));
    }
    if summary.crashes > 1 {
        facts.push(("records", format!("{} crash records; the first is shown", summary.crashes)));
    }
    facts
}

/// The lifecycle action, or that none is known.
fn close(close: &Close) -> Vec<(&'static str, String)> {
    let Some(cover) = &close.cover else {
        let unknown = (close.provenance == Provenance::Unknown).then(|| close.provenance.as_str().to_owned());
        return unknown.into_iter().map(|unknown| ("closed by", unknown)).collect();
    };
    let mut facts = vec![("closed by", cover.id.clone())];
    if let Some(action) = &cover.action {
        let origin = [action.source, action.operation.as_deref(), action.reason.as_deref()];
        let origin: Vec<&str> = origin.into_iter().flatten().collect();
        facts.push(("origin", if origin.is_empty() { "unknown".to_owned() } else { origin.join(", ") }));
        facts.extend(action.parent.clone().map(|parent| ("part of", parent)));
    }
    facts
}

/// How sure the cause is, and what it rests on.
fn incident(incident: &Incident) -> Vec<(&'static str, String)> {
    let kind = incident.kind.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
    let seqs = incident.evidence.iter().filter_map(|piece| piece.seq).map(|seq| seq.to_string());
    let seqs = seqs.collect::<Vec<_>>().join(", ");
    let more = if incident.omitted > 0 { format!(" and {} more", incident.omitted) } else { String::new() };
    let mut facts = vec![
        ("cause", format!("{}{kind}, confidence {}", incident.cause.as_str(), incident.confidence.as_str())),
        ("events", format!("{seqs}{more}")),
    ];
    let missing: Vec<&str> = incident.facts.missing.names().collect();
    if !missing.is_empty() {
        facts.push(("missing", missing.join(", ")));
    }
    facts
}

fn open_span(span: &OpenSpan, out: &mut Out) -> std::io::Result<()> {
    let name = text::one_line(&format!("{} {}", span.kind.as_str(), span.name));
    let since = text::time_of_day(span.start_time);
    writeln!(out, "{name}  {DIM}{} since {since}{DIM:#}", text::one_line(&span.span_id))?;
    for (label, value) in [("in ", &span.input), ("out", &span.text)] {
        if let Some(value) = value {
            writeln!(out, "  {DIM}{label}{DIM:#} {}", text::json(value, VALUE_COLUMNS))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    session_id: &'a str,
    status: &'static str,
    verdict: String,
    evidence: String,
    /// Why, in a sentence.
    why: Option<String>,
    crash: Option<CrashReport>,
    close: Option<Box<RawValue>>,
    incidents: Option<Box<RawValue>>,
    open_spans: Vec<OpenReport<'a>>,
    last_events: Vec<&'a RawValue>,
    damage: Vec<Box<RawValue>>,
    advice: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CrashReport {
    reason: String,
    signal: Option<String>,
    pid: Option<u32>,
    found_by: Option<&'static str>,
    process: &'static str,
    run: u32,
    records: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenReport<'a> {
    span_id: &'a str,
    kind: &'static str,
    name: &'a str,
    input: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
    interrupted: bool,
}

impl<'a> Report<'a> {
    fn of(session: &'a SessionName, found: &'a PostMortem) -> Self {
        let summary: &Summary = found.account.summary();
        let raw = |json: &Option<String>| json.clone().and_then(|json| RawValue::from_string(json).ok());
        let crash = |crash: &Crash| CrashReport {
            reason: crash.reason.clone(),
            signal: crash.signal.clone(),
            pid: crash.pid,
            found_by: crash.found_by.map(FoundBy::as_str),
            process: process_state(found.process),
            run: crash.run,
            records: summary.crashes,
        };
        let open = |span: &'a OpenSpan| OpenReport {
            span_id: &span.span_id,
            kind: span.kind.as_str(),
            name: &span.name,
            input: raw(&span.input),
            text: raw(&span.text),
            interrupted: span.interrupted,
        };
        Report {
            session_id: session.id(),
            status: found.account.status(),
            verdict: verdict(found),
            evidence: evidence(found),
            why: summary.incidents.terminal.as_ref().map(sentence),
            crash: summary.crash.as_ref().map(crash),
            close: raw(&summary.close.as_ref().map(close_json)),
            incidents: raw(&incidents_json(&summary.incidents)),
            open_spans: found.open.iter().map(open).collect(),
            last_events: found.last.iter().map(|(_, json)| &**json).collect(),
            damage: summary.losses.iter().filter_map(account::loss_json).collect(),
            advice: advice(session, found),
        }
    }
}
