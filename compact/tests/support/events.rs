//! Random events.

use proptest::prelude::*;
use tracewal_engine::evidence::What;
use tracewal_format::event::{
    Crashed, EndStatus, ErrorInfo, Event, Evidence, LifecycleBegun, LifecycleEnded, Metadata, Note, Payload,
    RunEndReason, RunEnded, RunStarted, SessionEnded, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::time::Time;

pub const IDS: [&str; 7] = ["a", "b", "c", "root", "root-2", "", "\u{1F600}\""];

pub fn time() -> impl Strategy<Value = Time> {
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
fn evidence(ids: &'static [&'static str]) -> impl Strategy<Value = Event<'static>> {
    use prop::option::of;
    let id = move || prop::sample::select(ids.to_vec());
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

/// Any event, about spans with these ids.
pub fn event(ids: &'static [&'static str]) -> impl Strategy<Value = Event<'static>> {
    use prop::option::of;
    let id = move || prop::sample::select(ids.to_vec());
    let kind = || prop::sample::select(SpanKind::ALL.to_vec());
    let status = || of(prop::sample::select(SpanStatus::ALL.to_vec()));
    let started = move || (id(), kind(), of(id()), of(payload()), of(payload()), of(Just("m")));
    let ended = move || {
        (id(), status(), of(tokens()), of(any::<f64>()), of(payload()), of(payload()), of(Just("why")))
    };
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
        6 => evidence(ids),
        1 => prop::sample::select(EndStatus::ALL.to_vec()).prop_map(|status| SessionEnded::new(status).into()),
        1 => of(0_u32..5).prop_map(|run| Crashed { run, ..Crashed::new("why") }.into()),
    ]
}
