//! Events that come twice, too late, or for spans that nobody started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{ids, part, span, view};

#[test]
fn an_event_for_a_span_never_started_opens_it() {
    let view = view(
        r#"{"type":"span-text","spanId":"a","text":"x"}
           {"type":"span-attributes","spanId":"b","attributes":{"k":1}}
           {"type":"span-ended","spanId":"c","output":null}"#,
    );
    assert_eq!(
        span(&view, "a"),
        r#"{"spanId":"a","parentSpanId":"root","name":"","kind":"span","startTime":1000,"status":"ok","output":"x"}"#
    );
    assert_eq!(
        span(&view, "b"),
        r#"{"spanId":"b","parentSpanId":"root","name":"","kind":"span","startTime":1001,"attributes":{"k":1},"status":"ok"}"#
    );
    assert_eq!(
        span(&view, "c"),
        r#"{"spanId":"c","parentSpanId":"root","name":"","kind":"span","startTime":1002,"endTime":1002,"status":"ok","output":null}"#
    );
}

#[test]
fn a_start_that_comes_late_says_what_the_span_is_and_when_it_began() {
    let view = view(
        r#"{"type":"span-attributes","spanId":"a","attributes":{"early":1}}
           {"type":"span-text","spanId":"a","text":"x"}
           {"type":"span-started","spanId":"b","kind":"text","name":"second"}
           {"type":"span-started","time":900,"spanId":"a","kind":"tool","name":"bash","input":1,"attributes":{"late":2}}"#,
    );
    assert_eq!(ids(&view), ["root", "a", "b"]);
    assert_eq!(
        span(&view, "a"),
        r#"{"spanId":"a","parentSpanId":"root","name":"bash","kind":"tool","startTime":900,"input":1,"attributes":{"early":1,"late":2},"status":"ok","output":"x"}"#
    );
}

#[test]
fn a_second_start_fills_in_what_the_first_left_out() {
    let view = view(
        r#"{"type":"span-started","spanId":"a","kind":"tool","name":"bash","callId":"first"}
           {"type":"span-started","spanId":"a","kind":"text","name":"other","parentSpanId":"p","model":{"modelId":"m"},"input":1,"callId":"second"}
           {"type":"span-started","spanId":"a","kind":"text","name":"other","parentSpanId":"q","model":{"modelId":"n"},"input":2}
           {"type":"span-started","spanId":"p","kind":"span","name":""}"#,
    );
    assert_eq!(
        span(&view, "a"),
        r#"{"spanId":"a","parentSpanId":"p","name":"bash","kind":"tool","startTime":1000,"model":{"modelId":"m"},"input":1,"tool":{"callId":"first"},"status":"ok"}"#
    );
}

#[test]
fn a_later_end_replaces_amounts_and_output_but_not_time_and_status() {
    let view = view(
        r#"{"type":"span-started","spanId":"a","kind":"generation","name":"m"}
           {"type":"span-ended","spanId":"a","status":"error","statusMessage":"first","finishReason":"length","tokens":{"input":1,"output":1,"reasoning":0,"cacheRead":0,"cacheWrite":0},"cost":1,"output":"o","attributes":{"x":1}}
           {"type":"span-ended","spanId":"a","status":"ok","statusMessage":"second","tokens":{"input":5,"output":1,"reasoning":0,"cacheRead":0,"cacheWrite":0},"attributes":{"y":2,"x":3}}
           {"type":"span-ended","spanId":"a","finishReason":"stop","cost":2.5}"#,
    );
    assert_eq!(
        span(&view, "a"),
        r#"{"spanId":"a","parentSpanId":"root","name":"m","kind":"generation","startTime":1000,"attributes":{"x":3,"y":2},"endTime":1001,"status":"error","statusMessage":"first","finishReason":"stop","tokens":{"input":5,"output":1,"reasoning":0,"cacheRead":0,"cacheWrite":0,"total":6},"cost":2.5,"output":"o"}"#
    );
    assert!(view.contains(r#""totalTokens":6,"totalCost":2.5,"#));
}

#[test]
fn a_span_reported_whole_ends_one_that_was_open() {
    let view = view(
        r#"{"type":"span-started","spanId":"a","kind":"tool","name":"bash","input":1}
           {"type":"span","spanId":"a","kind":"tool","name":"other","startTime":5,"endTime":1500,"input":2,"output":3}"#,
    );
    assert_eq!(
        span(&view, "a"),
        r#"{"spanId":"a","parentSpanId":"root","name":"bash","kind":"tool","startTime":1000,"input":1,"tool":{"durationMs":500},"endTime":1500,"status":"ok","output":3}"#
    );
}

#[test]
fn attributes_are_merged_after_the_end_too() {
    let view = view(
        r#"{"type":"span","spanId":"a","kind":"span","name":"n","startTime":1,"endTime":2,"attributes":{"a":1.50,"b":"x"}}
           {"type":"span-attributes","spanId":"a","attributes":{"c":[ ],"\u0061":2e1}}"#,
    );
    assert_eq!(
        part(&span(&view, "a"), "\"attributes\"", ",\"endTime\""),
        r#""attributes":{"a":2e1,"b":"x","c":[]}"#
    );
}

#[test]
fn there_is_one_root_whatever_is_said_about_it() {
    let view = view(
        r#"{"type":"span-started","spanId":"r","parentSpanId":"a","kind":"tool","name":"mine","input":"i","model":{"modelId":"m"}}
           {"type":"span-started","spanId":"a","kind":"session","name":"second session","parentSpanId":"r"}
           {"type":"session-started","rootSpanId":"r"}
           {"type":"span-attributes","spanId":"r","attributes":{"k":1}}
           {"type":"span-ended","spanId":"r","status":"error","statusMessage":"m","output":"o"}"#,
    );
    assert_eq!(ids(&view), ["r", "a"]);
    assert_eq!(
        span(&view, "r"),
        r#"{"spanId":"r","parentSpanId":null,"name":"s","kind":"session","startTime":1000,"model":{"modelId":"m"},"input":"i","attributes":{"k":1},"endTime":1004,"status":"error","statusMessage":"m","output":"o"}"#
    );
    assert!(span(&view, "a").contains(r#""parentSpanId":"r","name":"second session","kind":"span","#));
    assert!(view.contains(r#""totalToolCalls":0,"#));
}

#[test]
fn the_end_of_the_session_outranks_the_end_of_the_root() {
    let view = view(
        r#"{"type":"session-started","rootSpanId":"r","name":"n"}
           {"type":"span-ended","spanId":"r","status":"error","statusMessage":"m","output":"o"}
           {"type":"session-ended","status":"completed"}"#,
    );
    assert_eq!(
        span(&view, "r"),
        r#"{"spanId":"r","parentSpanId":null,"name":"n","kind":"session","startTime":1000,"endTime":1002,"status":"ok","output":"0 generations, 0 tool calls, 0 tokens, $0.0000"}"#
    );
}

#[test]
fn a_root_that_was_not_named_gets_an_id_that_no_span_has() {
    let view = view(
        r#"{"type":"span-started","spanId":"root","kind":"span","name":"a"}
           {"type":"span-started","spanId":"root-2","parentSpanId":"root-3","kind":"span","name":"b"}"#,
    );
    assert_eq!(ids(&view), ["root-3", "root", "root-2"]);
    assert!(span(&view, "root-2").contains(r#""parentSpanId":"root-3""#));
}

#[test]
fn metadata_replaces_only_what_it_brings() {
    let view = view(
        r#"{"type":"session-started","metadata":{"title":"a","agent":"x","tags":["1"]}}
           {"type":"metadata","title":"b","tags":[],"userId":"u"}"#,
    );
    assert!(view.contains(r#""metadata":{"title":"b","agent":"x","userId":"u","tags":[]}"#));
}
