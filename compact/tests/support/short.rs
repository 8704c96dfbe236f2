//! Logs in shorthand, for tables: `start a; text; input bash; drop; error`. And what is derived from them, as short.
//!
//! | word | event |
//! |---|---|
//! | `start`, `done`, `progress`, `text`, `reasoning`, `retry`, `recover`, `clean` | evidence; an attempt's id may follow, as `start a` |
//! | `input T`, `whole T`, `call T`, `exec T EFFECT`, `ok T`, `fail T`, `cut T` | of a tool; `T@a` is of attempt a |
//! | `drop`, `setup`, `cancel`, `api KIND`, `dog connect` or `dog silent`, `other CAUSE` | what stops an attempt; `drop a` is of attempt a, `drop! ` of none that is terminal |
//! | `clean-cut T`, `clean-fail T`, `clean-drop` | what clean-up says |
//! | `gen G`, `gen G under P`, `gtext G`, `gend G`, `gerr G MESSAGE`, `tool S NAME`, `tool S NAME under P`, `tend S`, `terr S MESSAGE` | spans |
//! | `begin ID KIND`, `end ID` | a lifecycle action |
//! | `completed`, `error`, `error TEXT`, `closed`, `crash signal`, `crash panic`, `crash gone`, `crash memory`, `crash said`, `crash gone of RUN` | endings |
//! | `slot`, `claimed`, `run`, `lost`, `note` | a crash slot, the next run, a gap, a note |

use tracewal_compact::Summary;
use tracewal_compact::incident::{Incident, Phase};
use tracewal_format::event::{
    Crashed, EndStatus, Event, Evidence, Exception, FoundBy, Gap, LifecycleBegun, LifecycleEnded, Note,
    Origin, RunEndReason, RunEnded, SessionEnded, SpanEnded, SpanKind, SpanStarted, SpanStatus, SpanText,
    Text, VisibleOutput, Watchdog,
};
use tracewal_format::segment::SlotState;
use tracewal_format::time::Time;

use super::{Log, fold_of, slot};

/// How the times of a log run. They say nothing, so nothing may depend on it.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    Forward,
    Backward,
    Still,
    Absurd,
}

impl Times {
    pub const ALL: [Times; 4] = [Times::Forward, Times::Backward, Times::Still, Times::Absurd];

    fn of(self, at: usize) -> Time {
        let at = i64::try_from(at).unwrap();
        match self {
            Times::Forward => Time::from_ms(1_000 + at),
            Times::Backward => Time::from_ms(1_000_000 - at),
            Times::Still => Time::from_ms(5),
            Times::Absurd => Time::from_ns(if at % 2 == 0 { i128::MAX } else { i128::from(at) - (1 << 100) }),
        }
    }
}

fn evidence<'a>(source: &'a str, event: &'a str, id: Option<&'a str>) -> Evidence<'a> {
    Evidence { attempt_id: id.map(Into::into), ..Evidence::new(source, event) }
}

fn of_tool<'a>(source: &'a str, event: &'a str, words: &[&'a str]) -> Evidence<'a> {
    let (tool, id) = words[1].split_once('@').map_or((words[1], None), |(tool, id)| (tool, Some(id)));
    Evidence {
        tool: Some(tool.into()),
        effect: words.get(2).map(|effect| (*effect).into()),
        ..evidence(source, event, id)
    }
}

fn started<'a>(words: &[&'a str], kind: SpanKind, name: &'a str) -> Event<'a> {
    let parent = words.iter().position(|word| *word == "under").map(|at| words[at + 1].into());
    SpanStarted { parent_span_id: parent, ..SpanStarted::new(words[1], kind, name) }.into()
}

fn failed<'a>(words: &[&'a str], step: &'a str) -> Event<'a> {
    let message = step.splitn(3, ' ').nth(2).map(Into::into);
    SpanEnded { status: Some(SpanStatus::Error), status_message: message, ..SpanEnded::new(words[1]) }.into()
}

fn crashed<'a>(words: &[&'a str]) -> Event<'a> {
    let run = words.iter().position(|word| *word == "of").map(|at| words[at + 1].parse().unwrap());
    let crashed = match words[1] {
        "signal" => Crashed {
            signal: Some("SIGTERM".into()),
            found_by: Some(FoundBy::Handler),
            ..Crashed::new("SIGTERM")
        },
        "panic" => Crashed {
            exception: Some(Exception::new("panic", "at the disco")),
            found_by: Some(FoundBy::PanicHook),
            ..Crashed::new("panic: at the disco")
        },
        "gone" => Crashed { found_by: Some(FoundBy::Recovery), ..Crashed::new("process vanished") },
        "memory" => {
            Crashed { found_by: Some(FoundBy::Caller), ..Crashed::new("JavaScript heap out of memory") }
        }
        "said" => Crashed { found_by: Some(FoundBy::Caller), ..Crashed::new("it broke") },
        other => panic!("crash {other}"),
    };
    Crashed { run, ..crashed }.into()
}

/// The event of a step. `None`: it is none.
pub fn event(step: &str) -> Option<Event<'_>> {
    let words: Vec<&str> = step.split(' ').collect();
    let id = words.get(1).copied();
    let said = |event| evidence("runtime", event, id).into();
    Some(match words[0] {
        "start" => said("attempt-started"),
        "done" => said("attempt-completed"),
        "progress" => said("provider-progress"),
        "text" => {
            Evidence { output: Some(VisibleOutput::Text), ..evidence("provider", "visible-output", id) }
                .into()
        }
        "reasoning" => {
            Evidence { output: Some(VisibleOutput::Reasoning), ..evidence("provider", "visible-output", id) }
                .into()
        }
        "retry" => said("retry"),
        "recover" => said("recovery"),
        "clean" => evidence("clean-up", "clean-up", id).into(),
        "input" => of_tool("tool", "tool-input-started", &words).into(),
        "whole" => of_tool("tool", "tool-input-completed", &words).into(),
        "call" => of_tool("tool", "tool-call-materialised", &words).into(),
        "exec" => of_tool("tool", "tool-execution-started", &words).into(),
        "ok" => of_tool("tool", "tool-execution-completed", &words).into(),
        "fail" => of_tool("tool", "tool-execution-failed", &words).into(),
        "fail!" => {
            Evidence { terminal: Some(true), ..of_tool("tool", "tool-execution-failed", &words) }.into()
        }
        "cut" => of_tool("tool", "tool-execution-interrupted", &words).into(),
        "clean-cut" => of_tool("clean-up", "tool-execution-interrupted", &words).into(),
        "clean-fail" => {
            Evidence { terminal: Some(true), ..of_tool("clean-up", "tool-execution-failed", &words) }.into()
        }
        "clean-drop" => evidence("clean-up", "transport-failure", id).into(),
        "drop" => evidence("transport", "transport-failure", id).into(),
        "drop?" => {
            Evidence { terminal: Some(false), ..evidence("transport", "transport-failure", id) }.into()
        }
        "drop-in" => {
            Evidence { phase: id.map(Into::into), ..evidence("transport", "transport-failure", None) }.into()
        }
        "setup" => said("setup-failure"),
        "cancel" => said("user-cancel"),
        "dog" => Evidence {
            watchdog: match id {
                Some("connect") => Some(Watchdog::Connect),
                Some("silent") => Some(Watchdog::SilentStream),
                _ => None,
            },
            ..evidence("watchdog", "watchdog", None)
        }
        .into(),
        "api" => {
            let status = id.and_then(|word| word.parse().ok());
            let retryable = words.get(2).map(|word| *word == "retryable");
            let cause = id.filter(|_| status.is_none()).map(Into::into);
            let said = evidence("provider", "provider-api-error", None);
            Evidence { cause, http_status: status, retryable, ..said }.into()
        }
        "other" => Evidence {
            terminal: Some(true),
            cause: id.map(Into::into),
            ..evidence("runtime", "something", None)
        }
        .into(),
        "gen" => started(&words, SpanKind::Generation, "chat"),
        "tool" => started(&words, SpanKind::Tool, words[2]),
        "gtext" => SpanText::new(words[1], Text::new("said")).into(),
        "gend" | "tend" => SpanEnded::new(words[1]).into(),
        "gerr" | "terr" => failed(&words, step),
        "begin" => LifecycleBegun {
            origin: Some(Origin::new("server-handler")),
            ..LifecycleBegun::new(words[1], words[2])
        }
        .into(),
        "end" => LifecycleEnded::new(words[1]).into(),
        "completed" => SessionEnded::new(EndStatus::Completed).into(),
        "error" => SessionEnded {
            error: step.split_once(' ').map(|(_, text)| text.into()),
            ..SessionEnded::new(EndStatus::Error)
        }
        .into(),
        "error-under" => {
            SessionEnded { action_id: id.map(Into::into), ..SessionEnded::new(EndStatus::Error) }.into()
        }
        "closed" => RunEnded::new(RunEndReason::Closed).into(),
        "crash" => crashed(&words),
        "note" => Note::new("n").into(),
        "slot" | "claimed" | "run" | "lost" => return None,
        other => panic!("what is {other:?}?"),
    })
}

/// A log in shorthand.
pub fn segments(steps: &str, times: Times) -> Vec<Vec<u8>> {
    let mut log = Log::new();
    for (at, step) in steps.split(';').map(str::trim).filter(|step| !step.is_empty()).enumerate() {
        log.now = times.of(at);
        match (event(step), step) {
            (Some(event), _) => {
                log.event(&event);
            }
            (None, "slot") => {
                log.last().slot(&slot(15, SlotState::Crash, 5_000));
            }
            (None, "claimed") => {
                log.last().claim();
            }
            (None, "run") => {
                log.run();
            }
            (None, _) => {
                let next = log.last().next_seq();
                log.last().gap(&Gap::new(next, next, "1.wal", 0_u64, 0_u64, "damage"));
            }
        }
    }
    log.finish()
}

/// How a log in shorthand stands.
pub fn summary(steps: &str, times: Times) -> Summary {
    fold_of(&segments(steps, times)).summary().clone()
}

/// An incident, as short: `cause/kind #seq @phase confidence advice(reason) tool=T by=ID ![missing]`.
pub fn told(incident: &Incident) -> String {
    let mut told = incident.cause.as_str().to_owned();
    told.extend(incident.kind.as_ref().map(|kind| format!("/{kind}")));
    let phase = incident.phase.map_or("-", Phase::as_str);
    let seq = incident.seq.map_or("-".to_owned(), |seq| seq.to_string());
    told.push_str(&format!(" #{seq} @{phase} {}", incident.confidence.as_str()));
    told.extend(
        incident.recovery.map(|recovery| format!(" {}({})", recovery.advice.as_str(), recovery.reason)),
    );
    told.extend(incident.tool.as_ref().map(|tool| format!(" tool={tool}")));
    told.extend(incident.action_id.as_ref().map(|id| format!(" by={id}")));
    let missing: Vec<&str> = incident.facts.missing.names().collect();
    if !missing.is_empty() {
        told.push_str(&format!(" ![{}]", missing.join(" ")));
    }
    told
}

/// What is derived: the terminal incident, `later:` and `recovered:` those, as short.
pub fn derived(steps: &str, times: Times) -> String {
    let incidents = summary(steps, times).incidents;
    let mut all = vec![incidents.terminal.as_ref().map_or("none".to_owned(), told)];
    all.extend(incidents.later.iter().map(|incident| format!("later: {}", told(incident))));
    all.extend(incidents.recovered.iter().map(|incident| format!("recovered: {}", told(incident))));
    all.join(" | ")
}
