//! One whole view, written by hand: the order of keys, and every part once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{log, reader, view, view_of};
use tracewal_compact::{Fold, Status, render};

const SESSION: &str = r#"
{"type":"session-started","time":1773568800000,"traceId":"t","rootSpanId":"r","name":"fix it","metadata":{"title":"T","prompt":"do \"it\"","tags":["a","b"]}}
{"type":"run-started","pid":7,"host":"h"}
{"type":"span-started","spanId":"g","kind":"generation","name":"model","model":{"modelId":"m","providerId":"p"}}
{"type":"span-text","spanId":"g","text":"I will "}
{"type":"span-text","spanId":"g","text":"look"}
{"type":"span-ended","spanId":"g","finishReason":"tool_calls","tokens":{"input":10,"output":5,"reasoning":1,"cacheRead":3,"cacheWrite":2},"cost":0.015}
{"type":"metadata","model":"m"}
{"type":"span","spanId":"b","parentSpanId":"g","kind":"tool","name":"bash","startTime":1773568800010,"endTime":1773568800110.5,"callId":"c","input":{"command" : "ls"},"attributes":{"exit":0},"output":"a\nb"}
{"type":"span-started","spanId":"h","kind":"generation","name":"model"}
{"type":"span-ended","spanId":"h","output":"done"}
{"type":"session-ended","time":1773568812800,"status":"completed"}
"#;

#[test]
fn every_part_stands_where_it_belongs() {
    let expected = concat!(
        r#"{"version":2,"traceId":"t","sessionId":"s","startedAt":"2026-03-15T10:00:00.000Z","#,
        r#""metadata":{"title":"T","model":"m","prompt":"do \"it\"","tags":["a","b"]},"spans":["#,
        r#"{"spanId":"r","parentSpanId":null,"name":"fix it","kind":"session","startTime":1773568800000,"#,
        r#""input":"do \"it\"","endTime":1773568812800,"status":"ok","#,
        r#""output":"2 generations, 1 tool calls, 21 tokens, $0.0150"},"#,
        r#"{"spanId":"g","parentSpanId":"r","name":"model","kind":"generation","startTime":1773568800002,"#,
        r#""model":{"modelId":"m","providerId":"p"},"endTime":1773568800005,"status":"ok","#,
        r#""finishReason":"tool_calls","tokens":{"input":10,"output":5,"reasoning":1,"cacheRead":3,"cacheWrite":2,"#,
        r#""total":21},"cost":0.015,"output":"I will look"},"#,
        r#"{"spanId":"b","parentSpanId":"g","name":"bash","kind":"tool","startTime":1773568800010,"#,
        r#""input":{"command":"ls"},"tool":{"callId":"c","durationMs":100.5},"attributes":{"exit":0},"#,
        r#""endTime":1773568800110.5,"status":"ok","output":"a\nb"},"#,
        r#"{"spanId":"h","parentSpanId":"r","name":"model","kind":"generation","startTime":1773568800008,"#,
        r#""input":"[bash] a b","endTime":1773568800009,"status":"ok","output":"done"}"#,
        r#"],"endedAt":"2026-03-15T10:00:12.800Z","#,
        r#""summary":{"totalTokens":21,"totalCost":0.015,"totalToolCalls":1,"totalGenerations":2,"duration":12800,"#,
        r#""status":"completed","tokens":{"input":10,"output":5,"reasoning":1,"cacheRead":3,"cacheWrite":2},"#,
        r#""narrative":"Completed in 12.8s. Made 2 LLM calls using 1 tools (bash). Total cost: $0.0150.","#,
        r#""topTools":[{"name":"bash","count":1,"totalDuration":100.5}]},"#,
        r#""runs":[{"run":1,"startedAt":"2026-03-15T10:00:00.000Z","endedAt":"2026-03-15T10:00:12.800Z","#,
        r#""ending":"session-ended","status":"completed","pid":7,"host":"h","events":11}],"#,
        r#""wal":{"lastSeq":11,"events":11,"generation":0,"foldVersion":2}}"#,
        "\n"
    );
    assert_eq!(view(SESSION), expected);
}

/// I10.
#[test]
fn the_same_log_gives_the_same_bytes() {
    let segments = log(SESSION).finish();
    assert_eq!(view_of(&segments), view_of(&segments.clone()));
    let mut reader = reader(&segments);
    let Ok(fold) = Fold::of(&mut reader);
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    render(&fold, &mut reader, &mut once).unwrap();
    render(&fold, &mut reader, &mut twice).unwrap();
    assert_eq!(once, twice);
}

#[test]
fn a_log_without_anything_has_a_view() {
    let expected = concat!(
        r#"{"version":2,"traceId":"000000000000000000000000000000ab","sessionId":"s","#,
        r#""startedAt":"1970-01-01T00:00:00.000Z","metadata":{},"spans":["#,
        r#"{"spanId":"root","parentSpanId":null,"name":"s","kind":"session","startTime":0,"status":"ok"}],"#,
        r#""endedAt":"1970-01-01T00:00:00.000Z","summary":{"totalTokens":0,"totalCost":0,"totalToolCalls":0,"#,
        r#""totalGenerations":0,"duration":0,"status":"running","tokens":{"input":0,"output":0,"reasoning":0,"#,
        r#""cacheRead":0,"cacheWrite":0}},"runs":[],"#,
        r#""wal":{"lastSeq":0,"events":0,"generation":0,"foldVersion":2}}"#,
        "\n"
    );
    assert_eq!(view(""), expected);
    assert!(view_of(&[]).contains(r#""sessionId":"""#));
}

#[test]
fn the_summary_says_what_the_view_says() {
    let segments = log(SESSION).finish();
    let fold = support::fold_of(&segments);
    let summary = fold.summary();
    assert_eq!(summary.status, Status::Completed);
    assert_eq!(summary.tokens.total(), 21);
    assert_eq!((summary.tool_calls, summary.generations, summary.spans, summary.open_spans), (1, 2, 4, 0));
    assert_eq!(summary.metadata.title.as_deref(), Some("T"));
    assert_eq!(summary.last_seq, 11);
}

#[test]
fn a_log_that_has_changed_since_it_was_folded_is_an_error() {
    let segments = log(SESSION).finish();
    let fold = support::fold_of(&segments);
    let other = log(r#"{"type":"note","name":"n"}"#).finish();
    let result = render(&fold, &mut reader(&other), &mut Vec::new());
    assert!(
        matches!(result, Err(tracewal_compact::RenderError::LogChanged { segment: 1, .. })),
        "{result:?}"
    );
}

#[test]
fn losses_stand_in_the_wal() {
    let mut segments = log(SESSION).finish();
    let done = segments[0].windows(4).position(|bytes| bytes == b"done").unwrap();
    segments[0][done] = b'D';
    let view = view_of(&segments);
    assert!(
        view.contains(
            r#"{"lastSeq":11,"events":10,"generation":0,"foldVersion":2,"damage":[{"file":"1.wal","#
        )
    );
    assert!(view.ends_with("\"kind\":\"damage\",\"first\":10,\"last\":10}]}}\n"));
}
