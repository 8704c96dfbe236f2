//! Free-form JSON that is not what it says it is, and text that was cut anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{Log, span};
use tracewal_format::event::{
    Event, Payload, SpanAttributes, SpanEnded, SpanKind, SpanStarted, SpanText, Text,
};

fn started(input: Payload<'static>) -> Event<'static> {
    SpanStarted { input: Some(input), ..SpanStarted::new("a", SpanKind::Tool, "t") }.into()
}

fn ended(output: Payload<'static>) -> Event<'static> {
    SpanEnded { output: Some(output), ..SpanEnded::new("a") }.into()
}

fn text(bytes: &'static [u8]) -> Event<'static> {
    SpanText::new("a", Text::new(bytes)).into()
}

fn spelled(json: &'static str) -> Event<'static> {
    SpanText::new("a", Text(Payload::json(json))).into()
}

fn attributes(payload: Payload<'static>) -> Event<'static> {
    SpanAttributes::new("a", payload).into()
}

/// Span `a` of a log of these events, from its start time on.
fn span_of(events: &[Event<'_>]) -> String {
    let mut log = Log::new();
    for event in events {
        log.event(event);
    }
    let view = log.view();
    serde_json::from_str::<Json>(&view).unwrap();
    let span = span(&view, "a");
    span[span.find("\"startTime\"").unwrap()..].to_owned()
}

/// Any JSON, without reading strings as text: an escape that is half a character is valid JSON.
type Json = Box<serde_json::value::RawValue>;

#[test]
fn white_space_goes_and_spelling_stays() {
    let events = [
        started(Payload::json(" { \"a b\" : [ 1.0 , 1e+2 ] , \"a b\" : \"\\u0041\" } ")),
        ended(Payload::json("null")),
    ];
    assert_eq!(
        span_of(&events),
        r#""startTime":0,"input":{"a b":[1.0,1e+2],"a b":"\u0041"},"tool":{"durationMs":0},"endTime":0,"status":"ok","output":null}"#
    );
}

#[test]
fn invalid_payloads_become_strings_and_are_named() {
    let events = [started(Payload::json("{\"a\":")), ended(Payload::string(b"x\xFFy"))];
    assert_eq!(
        span_of(&events),
        r#""startTime":0,"input":"{\"a\":","tool":{"durationMs":0},"attributes":{"tracewal.invalid":["input","output"]},"endTime":0,"status":"ok","output":"x�y"}"#
    );
    let events = [started(Payload::json("01")), attributes(Payload::json(r#"{"k":1}"#))];
    assert_eq!(
        span_of(&events),
        r#""startTime":0,"input":"01","attributes":{"k":1,"tracewal.invalid":["input"]},"status":"ok"}"#
    );
}

#[test]
fn attributes_that_are_no_object_are_kept_under_a_name_of_ours() {
    let events = [attributes(Payload::json("[1]")), attributes(Payload::json(r#"{"k":1}"#))];
    assert_eq!(
        span_of(&events),
        r#""startTime":0,"attributes":{"tracewal.attributes":[1],"k":1,"tracewal.invalid":["attributes"]},"status":"ok"}"#
    );
}

#[test]
fn text_cut_inside_a_character_is_whole_and_valid() {
    let events = [text(b"a\xF0\x9F"), text(b"\x98"), text(b"\x80\"\n")];
    assert_eq!(span_of(&events), "\"startTime\":0,\"status\":\"ok\",\"output\":\"a\u{1F600}\\\"\\n\"}");
}

#[test]
fn text_that_is_not_text_is_replaced_and_named() {
    let invalid = r#""startTime":0,"attributes":{"tracewal.invalid":["output"]},"status":"ok","output":"#;
    assert_eq!(span_of(&[text(b"a\xF0\x9F"), text(b"b")]), format!("{invalid}\"a\u{FFFD}b\"}}"));
    assert_eq!(span_of(&[text(b"a\xF0\x9F")]), format!("{invalid}\"a\u{FFFD}\"}}"));
    let cut = [text(b"\xE2\x82"), spelled("\"z\""), text(b"\xAC")];
    assert_eq!(span_of(&cut), format!("{invalid}\"\u{FFFD}z\u{FFFD}\"}}"));
    let cut = [text(b"\xE2"), spelled("\"z\"")];
    assert_eq!(span_of(&cut), format!("{invalid}\"\u{FFFD}z\"}}"));
    assert_eq!(span_of(&[spelled("no string")]), format!("{invalid}\"no string\"}}"));
}

#[test]
fn text_spelled_as_json_stays_as_spelled() {
    let events = [spelled(r#""a\ud83d""#), spelled(r#""\ude00""#), text(b"z")];
    assert_eq!(span_of(&events), r#""startTime":0,"status":"ok","output":"a\ud83d\ude00z"}"#);
}

#[test]
fn an_output_that_was_given_outranks_streamed_text() {
    let events = [text(b"\xFF"), ended(Payload::json("1"))];
    assert_eq!(span_of(&events), r#""startTime":0,"endTime":0,"status":"ok","output":1}"#);
}

#[test]
fn reserved_encodings_are_strings_and_named() {
    let reserved = Payload { encoding: 2, bytes: b"zip".as_slice().into() };
    assert_eq!(
        span_of(&[started(reserved)]),
        r#""startTime":0,"input":"zip","attributes":{"tracewal.invalid":["input"]},"status":"ok"}"#
    );
}

#[test]
fn text_larger_than_any_buffer_is_streamed_whole() {
    let piece: &'static [u8] = Box::leak("é{\"".repeat(50_000).into_bytes().into_boxed_slice());
    let events = [text(piece), text(piece), ended(Payload::json("{}"))];
    let output = "é{\\\"".repeat(100_000);
    assert_eq!(span_of(&events[..2]), format!("\"startTime\":0,\"status\":\"ok\",\"output\":\"{output}\"}}"));
}

#[test]
fn events_of_newer_versions_and_malformed_ones_are_counted_and_skipped() {
    let mut log = Log::new();
    let now = log.now;
    log.last().body(now, 99, 0, b"?").body(now, 5, 0, b"\xFF");
    let view = log.view();
    assert!(view.contains(r#""wal":{"lastSeq":2,"events":2,"#));
    assert_eq!(support::ids(&view), ["root"]);
}
