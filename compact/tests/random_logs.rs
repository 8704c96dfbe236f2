//! I10, I11: whatever the events are, their view is one valid document in which nothing is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod schema_check;
mod support;

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;
use support::{Log, slot, view_of};
use tracewal_engine::evidence::What;
use tracewal_format::event::{
    Crashed, EndStatus, ErrorInfo, Event, Evidence, LifecycleBegun, LifecycleEnded, Metadata, Note, Payload,
    RunEndReason, RunEnded, RunStarted, SessionEnded, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::segment::SlotState;
use tracewal_format::time::Time;

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Step {
    Event(Time, Event<'static>),
    Run,
    Slot,
    Claim,
    Unknown,
    Malformed,
}

const IDS: [&str; 7] = ["a", "b", "c", "root", "root-2", "", "\u{1F600}\""];

fn id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(IDS.to_vec())
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        6 => (0_i64..5_000).prop_map(Time::from_ms),
        1 => any::<i64>().prop_map(|ns| Time::from_ns(ns.into())),
        1 => any::<i128>().prop_map(Time::from_ns),
    ]
}

fn payload() -> impl Strategy<Value = Payload<'static>> {
    let json = vec![
        "{}",
        "{\"a\" : 1}",
        "{\"a\":{\"b\":[1,2]},\"\\u0061\":2}",
        "null",
        "[1, 2]",
        "\"text\\n\"",
        "1e999",
        "{",
        "",
        " ",
        "{\"tracewal.invalid\":1}",
    ];
    prop_oneof![
        4 => prop::sample::select(json).prop_map(Payload::json),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Payload::owned_json),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Payload::owned_string),
        1 => Just(Payload { encoding: 3, bytes: b"?".as_slice().into() }),
    ]
}

fn tokens() -> impl Strategy<Value = Tokens<'static>> {
    (any::<u64>(), 0_u64..9).prop_map(|(input, output)| Tokens::new(input, output, 1_u64, 0_u64, 0_u64))
}

/// Anything that evidence may say, and things that it may not.
fn evidence() -> impl Strategy<Value = Event<'static>> {
    use prop::option::of;
    const WORDS: [&str; 9] = [
        "",
        "clean-up",
        "local-process",
        "unknown+safe",
        "crash",
        "quota",
        "during-text",
        "429 /x",
        "\u{1F600}",
    ];
    let events: Vec<&str> = What::ALL.iter().map(|what| what.as_str()).chain(["", "other"]).collect();
    let word = || prop::sample::select(WORDS.to_vec());
    let texts = || (of(word()), of(word()), of(word()), of(word()));
    (prop::sample::select(events), word(), of(id()), of(any::<bool>()), texts(), texts(), of(any::<u16>()))
        .prop_map(
            |(
                event,
                source,
                attempt,
                terminal,
                (cause, phase, tool, effect),
                (name, code, message, _),
                status,
            )| {
                Evidence {
                    attempt_id: attempt.map(Into::into),
                    terminal,
                    cause: cause.map(Into::into),
                    phase: phase.map(Into::into),
                    tool: tool.map(Into::into),
                    effect: effect.map(Into::into),
                    http_status: status,
                    retryable: terminal,
                    error: name.map(|name| ErrorInfo {
                        name: Some(name.into()),
                        code: code.map(Into::into),
                        message: message.map(Into::into),
                        ..ErrorInfo::new()
                    }),
                    ..Evidence::new(source, event)
                }
                .into()
            },
        )
}

fn event() -> impl Strategy<Value = Event<'static>> {
    use prop::option::of;
    let kind = || prop::sample::select(SpanKind::ALL.to_vec());
    let status = || of(prop::sample::select(SpanStatus::ALL.to_vec()));
    let started = || (id(), kind(), of(id()), of(payload()), of(payload()), of(Just("m")));
    let ended =
        || (id(), status(), of(tokens()), of(any::<f64>()), of(payload()), of(payload()), of(Just("why")));
    prop_oneof![
        8 => started().prop_map(|(id, kind, parent, input, attributes, model)| SpanStarted {
            parent_span_id: parent.map(Into::into),
            model: model.map(Into::into),
            input,
            attributes,
            call_id: model.map(Into::into),
            ..SpanStarted::new(id, kind, id)
        }.into()),
        8 => ended().prop_map(|(id, status, tokens, cost, output, attributes, text)| SpanEnded {
            status,
            status_message: text.map(Into::into),
            finish_reason: text.map(Into::into),
            tokens,
            cost,
            output,
            attributes,
            ..SpanEnded::new(id)
        }.into()),
        4 => (started(), ended(), time(), time()).prop_map(|(s, e, start, end)| Span {
            parent_span_id: s.2.map(Into::into),
            input: s.3,
            attributes: s.4,
            status: e.1,
            status_message: e.6.map(Into::into),
            tokens: e.2,
            cost: e.3,
            output: e.4,
            ..Span::new(s.0, s.1, "name", start, end)
        }.into()),
        4 => (id(), payload()).prop_map(|(id, text)| SpanText::new(id, Text(text)).into()),
        2 => (id(), payload()).prop_map(|(id, attributes)| SpanAttributes::new(id, attributes).into()),
        1 => (of(id()), of(id())).prop_map(|(trace, root)| SessionStarted {
            trace_id: trace.map(Into::into),
            root_span_id: root.map(Into::into),
            ..SessionStarted::new()
        }.into()),
        1 => id().prop_map(|title| Metadata { prompt: Some(title.into()), ..Metadata::new() }.into()),
        1 => Just(Note::new("n").into()),
        1 => Just(RunStarted::new(1_u32).into()),
        1 => Just(RunEnded::new(RunEndReason::Closed).into()),
        1 => id().prop_map(|id| LifecycleBegun::new(id, "shutdown").into()),
        1 => id().prop_map(|id| LifecycleEnded::new(id).into()),
        6 => evidence(),
        1 => prop::sample::select(EndStatus::ALL.to_vec()).prop_map(|status| SessionEnded::new(status).into()),
        1 => of(0_u32..5).prop_map(|run| Crashed { run, ..Crashed::new("why") }.into()),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (time(), event()).prop_map(|(time, event)| Step::Event(time, event)),
        2 => Just(Step::Run),
        1 => Just(Step::Unknown),
        1 => Just(Step::Malformed),
    ];
    let last = prop_oneof![8 => Just(None), 1 => Just(Some(Step::Slot)), 1 => Just(Some(Step::Claim))];
    (prop::collection::vec(step, 0..60), last).prop_map(|(mut steps, last)| {
        steps.extend(last);
        steps
    })
}

fn segments(steps: &[Step]) -> Vec<Vec<u8>> {
    let mut log = Log::new();
    for step in steps {
        match step {
            Step::Event(time, event) => {
                log.now = *time;
                log.event(event);
            }
            Step::Run => {
                log.run();
            }
            Step::Slot => {
                log.last().slot(&slot(11, SlotState::Crash, 0));
            }
            Step::Claim => {
                log.last().claim();
            }
            Step::Unknown => {
                let now = log.now;
                log.last().body(now, 77, 0, b"x");
            }
            Step::Malformed => {
                let now = log.now;
                log.last().body(now, 8, 0, b"\xFF\xFF");
            }
        }
    }
    log.finish()
}

/// The ids that events are about.
fn mentioned(steps: &[Step]) -> HashSet<&str> {
    let about = |step: &'_ Step| match step {
        Step::Event(_, Event::SpanStarted(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanEnded(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::Span(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanText(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanAttributes(e)) => Some(e.span_id.clone()),
        _ => None,
    };
    let about: HashSet<String> = steps.iter().filter_map(about).map(|id| id.into_owned()).collect();
    IDS.into_iter().filter(|id| about.contains(*id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_log_has_a_sound_view(steps in steps()) {
        let segments = segments(&steps);
        let view = view_of(&segments);
        prop_assert_eq!(&view, &view_of(&segments), "not deterministic");
        let is_one_line = view.ends_with("}\n") && view.matches('\n').count() == 1;
        prop_assert!(is_one_line);
        let json: Value = serde_json::from_str(&view.replace("1e999", "1")).unwrap();

        prop_assert_eq!(schema_check::faults(&json), [""; 0], "{}", view);
        let spans = json["spans"].as_array().unwrap();
        let ids: Vec<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
        let known: HashSet<&str> = ids.iter().copied().collect();
        prop_assert_eq!(known.len(), ids.len(), "an id stands there twice");
        for id in mentioned(&steps) {
            prop_assert!(known.contains(id), "span {:?} is lost", id);
        }
        prop_assert_eq!(&spans[0]["kind"], "session");
        prop_assert!(spans[0]["parentSpanId"].is_null());
        for span in &spans[1..] {
            prop_assert!(span["kind"] != "session");
            prop_assert!(known.contains(span["parentSpanId"].as_str().unwrap()));
            // Following the parents leads to the root.
            let (mut at, mut left) = (span, spans.len());
            while let Some(parent) = at["parentSpanId"].as_str() {
                at = &spans[ids.iter().position(|id| *id == parent).unwrap()];
                left -= 1;
                prop_assert!(left > 0, "a cycle");
            }
        }

        let crashed = steps.iter().any(|step| matches!(step, Step::Slot | Step::Claim | Step::Event(_, Event::Crashed(_))));
        prop_assert_eq!(json["summary"]["status"] == "crashed", crashed);
        let events = steps.iter().filter(|step| !matches!(step, Step::Run | Step::Slot | Step::Claim)).count();
        prop_assert_eq!(json["wal"]["events"].as_u64(), Some(u64::try_from(events).unwrap()));
        prop_assert!(json["wal"].get("damage").is_none());
    }
}
