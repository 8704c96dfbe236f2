//! What holds for every log: later evidence changes no cause, times change nothing at all, what is told is bounded, and nothing private is
//! told, whatever field it came in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use proptest::prelude::*;
use serde_json::Value;
use support::short::{Times, segments, summary};
use support::{Log, fold_of, view_of};
use tracewal_compact::incident::{Incident, advice_sentence, close_json, incidents_json, sentence};
use tracewal_compact::{Incidents, Summary};
use tracewal_format::event::{
    Crashed, EndStatus, ErrorInfo, Event, Evidence, Exception, LifecycleBegun, LifecycleEnded, Metadata,
    Model, Note, Origin, Payload, RunStarted, SessionEnded, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanKind, SpanStarted, SpanStatus, SpanText, Text,
};
use tracewal_format::time::Time;

/// `INCIDENT_CASES=100000` for more of them.
fn config() -> ProptestConfig {
    let cases = std::env::var("INCIDENT_CASES").map_or(1000, |cases| cases.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

/// Evidence of one attempt after another, and of their tools.
const EVIDENCE: &[&str] = &[
    "start a",
    "start b",
    "start",
    "text",
    "text a",
    "reasoning b",
    "progress",
    "input bash",
    "whole bash",
    "call bash",
    "exec bash read-only",
    "exec bash local-process",
    "exec grep",
    "ok bash",
    "ok grep",
    "fail bash",
    "cut bash",
    "done a",
    "done",
    "retry a",
    "recover",
    "clean",
    "clean-cut bash",
    "drop a",
    "api 429",
    "drop?",
    "begin A shutdown",
    "begin B timeout",
    "end A",
    "end B",
    "note",
];

/// With agents side by side, losses, and other processes.
const ANYTHING: &[&str] = &[
    "gen g",
    "gen h under p",
    "gen i under q",
    "gtext g",
    "gtext h",
    "gend g",
    "gend h",
    "gerr g ECONNRESET",
    "gerr i no",
    "tool t bash under g",
    "tool u grep",
    "tend t",
    "terr t no",
    "terr u interrupted: x",
    "start g",
    "drop g",
    "start h#2",
    "lost",
    "run",
    "completed",
    "error",
    "closed",
    "crash gone",
    "crash gone of 1",
    "error-under A",
    "other",
    "other crash",
    "setup b",
    "dog silent",
    "cancel",
    "fail! grep",
    "clean-drop",
    "clean-fail bash",
    "input bash#1@h",
];

/// What stops the newest attempt, for certain.
const STRONG: &[&str] = &["drop", "api rate-limit", "api 500", "setup", "dog silent", "cancel"];

/// What may come behind it without making it good. None of it is about an attempt that had not been stopped.
const LATER: &[&str] = &[
    "drop",
    "api 401",
    "setup",
    "dog connect",
    "cancel",
    "text",
    "reasoning",
    "progress",
    "input bash",
    "whole bash",
    "call bash",
    "exec bash local-process",
    "ok bash",
    "fail bash",
    "fail! bash",
    "cut bash",
    "clean",
    "clean-cut bash",
    "clean-fail bash",
    "clean-drop",
    "done",
    "begin X instance-reload",
    "begin Y shutdown",
    "note",
    "other tool-execution-failure",
];

const ENDINGS: &[&str] = &["error", "error 402 quota", "closed", "crash gone", "crash panic", "slot"];

/// What may come behind an ending in the same run.
const BEHIND: &[&str] = &[
    "drop",
    "api 401",
    "start a",
    "start z",
    "text z",
    "recover",
    "recover a",
    "retry a",
    "done",
    "fail! bash",
    "exec bash local-process",
    "clean",
    "clean-cut bash",
    "begin Z shutdown",
    "end A",
    "gen zz",
    "gtext zz",
    "note",
];

fn log_of(parts: &[&[&str]]) -> String {
    parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<_>>().join("; ")
}

/// Why, and where.
fn cause(summary: &Summary) -> Option<(String, Option<String>, Option<u64>, Option<String>)> {
    let incident = summary.incidents.terminal.as_ref()?;
    let phase = incident.phase.map(|phase| phase.as_str().to_owned());
    Some((incident.cause.as_str().to_owned(), incident.kind.clone(), incident.seq, phase))
}

fn all_of(incidents: &Incidents) -> impl Iterator<Item = &Incident> {
    incidents.terminal.iter().chain(&incidents.later).chain(&incidents.recovered)
}

/// Everything that is told of how a session stopped.
fn told(summary: &Summary) -> String {
    let mut all = vec![incidents_json(&summary.incidents).unwrap_or_default()];
    all.extend(summary.close.as_ref().map(close_json));
    for incident in all_of(&summary.incidents) {
        all.push(sentence(incident));
        all.extend(advice_sentence(incident));
    }
    all.join("\n")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn later_evidence_changes_no_cause(
        before in prop::collection::vec(pick(EVIDENCE), 0..20),
        strong in pick(STRONG),
        later in prop::collection::vec(pick(LATER), 0..60),
        ending in pick(ENDINGS),
    ) {
        let short = summary(&log_of(&[&before, &[strong], &[ending]]), Times::Forward);
        let long = summary(&log_of(&[&before, &[strong], &later, &[ending]]), Times::Forward);
        prop_assert_eq!(cause(&short), cause(&long), "{}", log_of(&[&before, &[strong], &later, &[ending]]));
        prop_assert!(short.incidents.terminal.is_some());
        // Advice can only become more careful.
        let is_free = |summary: &Summary| {
            let recovery = summary.incidents.terminal.as_ref().and_then(|incident| incident.recovery);
            recovery.is_some_and(|recovery| recovery.advice.as_str() == "auto-retry")
        };
        prop_assert!(is_free(&short) || !is_free(&long));
    }

    #[test]
    fn what_comes_behind_the_ending_changes_no_cause(
        before in prop::collection::vec(pick(EVIDENCE), 0..20),
        ending in pick(&["completed", "error", "error 402 quota", "closed", "crash gone", "crash panic"]),
        behind in prop::collection::vec(pick(BEHIND), 0..20),
    ) {
        let short = summary(&log_of(&[&before, &[ending]]), Times::Forward);
        let long = summary(&log_of(&[&before, &[ending], &behind]), Times::Forward);
        prop_assert_eq!(cause(&short), cause(&long), "{}", log_of(&[&before, &[ending], &behind]));
    }

    #[test]
    fn times_change_nothing_and_what_is_told_is_bounded(
        steps in prop::collection::vec(prop_oneof![pick(EVIDENCE), pick(ANYTHING), pick(STRONG)], 0..80),
    ) {
        let steps = log_of(&[&steps]);
        let forward = told(&summary(&steps, Times::Forward));
        for times in Times::ALL {
            prop_assert_eq!(&forward, &told(&summary(&steps, times)), "{}", steps);
        }
        let segments = segments(&steps, Times::Forward);
        for incident in all_of(&fold_of(&segments).summary().incidents) {
            prop_assert!(incident.evidence.len() <= 24);
            prop_assert!(incident.evidence.iter().any(|piece| piece.seq == incident.seq), "{}", steps);
            prop_assert!(incident.evidence.is_sorted_by_key(|piece| piece.seq.unwrap_or(u64::MAX)));
            prop_assert!(incident.is_complete() || incident.facts.missing.names().next().is_some());
            // Fail closed: never without asking when anything is missing, was shown, or ran.
            if incident.recovery.is_some_and(|recovery| recovery.advice.as_str() == "auto-retry") {
                prop_assert!(incident.is_complete(), "{}", steps);
                prop_assert_eq!(incident.facts.shown(), "none");
                prop_assert_eq!(incident.facts.execution.as_str(), "none");
            }
        }
        let view: Value = serde_json::from_str(&view_of(&segments)).unwrap();
        prop_assert_eq!(view.get("incidents").is_some(), forward.starts_with('{'));
    }
}

/// What nobody may see. In every form in which it could slip through.
const CANARIES: &[&str] = &[
    "/home/canary/notes.txt",
    "C:\\Users\\canary",
    "https://canary.example.org/?q=1",
    "canary@example.org",
    "sk-canary",
    "canary7f3a9c2b4d51e8",
    "tell the canary: \"hello\"",
    "canary\u{7}",
    "~canary",
    "429, canary",
    "canary\u{e9}",
];

fn canary() -> impl Strategy<Value = &'static str> {
    pick(CANARIES)
}

/// Evidence in which every text is a canary, but for what makes it evidence.
fn private_evidence(c: &'static str, event: &'static str) -> Event<'static> {
    Evidence {
        attempt_id: Some(c.into()),
        terminal: Some(true),
        cause: Some(c.into()),
        phase: Some(c.into()),
        tool: Some(c.into()),
        effect: Some(c.into()),
        error: Some(ErrorInfo {
            name: Some(c.into()),
            code: Some(c.into()),
            message: Some(format!("read ECONNRESET {c}").into()),
            ..ErrorInfo::new()
        }),
        ..Evidence::new(c, event)
    }
    .into()
}

/// Every event, with a canary in every field that takes a text.
fn private() -> impl Strategy<Value = Event<'static>> {
    let events: &[&str] = &[
        "attempt-started",
        "tool-call-materialised",
        "tool-execution-started",
        "tool-execution-failed",
        "tool-execution-interrupted",
        "transport-failure",
        "provider-api-error",
        "user-cancel",
        "recovery",
        "clean-up",
        "canary-event",
    ];
    let kind = prop::sample::select(vec![SpanKind::Generation, SpanKind::Tool, SpanKind::Span]);
    prop_oneof![
        8 => (canary(), pick(events)).prop_map(|(c, event)| private_evidence(c, event)),
        2 => canary().prop_map(|c| LifecycleBegun {
            scopes: Some(vec![c.into()]),
            origin: Some(Origin { operation: Some(c.into()), reason: Some(c.into()), ..Origin::new(c) }),
            parent_action_id: Some(c.into()),
            request: Some(c.into()),
            ..LifecycleBegun::new(c, c)
        }.into()),
        1 => canary().prop_map(|c| LifecycleEnded::new(c).into()),
        2 => (canary(), kind.clone()).prop_map(|(c, kind)| SpanStarted {
            parent_span_id: Some(c.into()),
            model: Some(Model { model_id: Some(c.into()), provider_id: Some(c.into()), ..Model::new() }),
            input: Some(Payload::string(c)),
            attributes: Some(Payload::owned_json(format!("{{\"x\":{c:?}}}"))),
            call_id: Some(c.into()),
            ..SpanStarted::new(c, kind, c)
        }.into()),
        2 => canary().prop_map(|c| SpanEnded {
            status: Some(SpanStatus::Error),
            status_message: Some(c.into()),
            finish_reason: Some(c.into()),
            output: Some(Payload::string(c)),
            ..SpanEnded::new(c)
        }.into()),
        1 => (canary(), kind).prop_map(|(c, kind)| Span {
            status: Some(SpanStatus::Error),
            status_message: Some(c.into()),
            input: Some(Payload::string(c)),
            ..Span::new(c, kind, c, Time::from_ms(1), Time::from_ms(2))
        }.into()),
        1 => canary().prop_map(|c| SpanText::new(c, Text::new(c)).into()),
        1 => canary().prop_map(|c| SpanAttributes::new(c, Payload::string(c)).into()),
        1 => canary().prop_map(|c| Note { data: Some(Payload::string(c)), ..Note::new(c) }.into()),
        1 => canary().prop_map(|c| RunStarted {
            host: Some(c.into()),
            exe: Some(c.into()),
            reason: Some(c.into()),
            ..RunStarted::new(7_u32)
        }.into()),
        1 => canary().prop_map(|c| SessionStarted {
            trace_id: Some(c.into()),
            name: Some(c.into()),
            metadata: Some(Metadata { prompt: Some(c.into()), user_id: Some(c.into()), ..Metadata::new() }),
            scopes: Some(vec![c.into()]),
            ..SessionStarted::new()
        }.into()),
    ]
}

fn private_ending() -> impl Strategy<Value = Event<'static>> {
    prop_oneof![
        canary().prop_map(|c| SessionEnded {
            error: Some(c.into()),
            action_id: Some(c.into()),
            ..SessionEnded::new(EndStatus::Error)
        }
        .into()),
        canary().prop_map(
            |c| SessionEnded { error: Some(c.into()), ..SessionEnded::new(EndStatus::Error) }.into()
        ),
        canary().prop_map(|c| Crashed {
            signal: Some(c.into()),
            exception: Some(Exception { stack: Some(c.into()), ..Exception::new(c, c) }),
            action_id: Some(c.into()),
            ..Crashed::new(c)
        }
        .into()),
        canary().prop_map(|c| Crashed { signal: Some(c.into()), ..Crashed::new(c) }.into()),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_private_is_told(events in prop::collection::vec(private(), 0..40), ending in private_ending()) {
        let mut log = Log::new();
        for event in events.iter().chain([&ending]) {
            log.event(event);
        }
        let told = told(fold_of(&log.finish()).summary());
        prop_assert!(told.contains("cause"), "nothing is told at all");
        prop_assert!(!told.to_lowercase().contains("canary"), "{}", told);
    }
}

/// A field whose text is a plain word is shown where it is a name, and nowhere else.
#[test]
fn texts_that_look_harmless_are_told_only_as_names() {
    let said = "canary";
    let mut log = Log::new();
    let error = ErrorInfo {
        name: Some(said.into()),
        code: Some(said.into()),
        message: Some(said.into()),
        ..ErrorInfo::new()
    };
    let evidence = |event: &'static str| Evidence {
        attempt_id: Some(said.into()),
        cause: Some(said.into()),
        phase: Some(said.into()),
        error: Some(error.clone()),
        ..Evidence::new(said, event)
    };
    log.event(&evidence("attempt-started").into());
    log.event(&evidence("canary-event").into());
    log.event(&Evidence { tool: Some("bash".into()), ..evidence("tool-call-materialised") }.into());
    log.event(&evidence("provider-api-error").into());
    log.event(&SessionEnded { error: Some(said.into()), ..SessionEnded::new(EndStatus::Error) }.into());
    let told = told(fold_of(&log.finish()).summary());
    assert!(told.contains("bash") && !told.contains("canary"), "{told}");
}
