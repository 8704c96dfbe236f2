//! Runs that ended or died with spans still open, and what a resume makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{fold_of, log, part, span, view};

const OPEN: &str = r#"{"type":"run-started","pid":1}
    {"type":"span-started","spanId":"a","kind":"tool","name":"bash"}
    {"type":"note","name":"last"}
"#;

fn open_then(lines: &str) -> String {
    view(&format!("{OPEN}{lines}"))
}

/// What stands behind the start of span `a`.
fn ending(view: &str) -> String {
    span(view, "a").split_once("\"startTime\":1001,").unwrap().1.to_owned()
}

#[test]
fn a_span_of_a_run_that_goes_on_is_open() {
    let view = open_then("");
    assert_eq!(ending(&view), "\"status\":\"ok\"}");
    assert_eq!(
        part(&view, "\"runs\":", ",\"wal\""),
        r#""runs":[{"run":1,"startedAt":"1970-01-01T00:00:01.000Z","endedAt":"1970-01-01T00:00:01.002Z","pid":1,"events":3}]"#
    );
}

#[test]
fn a_span_is_closed_at_the_last_event_of_its_run_with_the_reason() {
    let closed = |time: u32, reason: &str| {
        format!(
            "\"endTime\":{time},\"status\":\"error\",\"statusMessage\":\"interrupted: {reason}\",\"interrupted\":true,\
             \"output\":{{\"error\":\"interrupted: {reason}\"}}}}"
        )
    };
    for (lines, time, reason) in [
        (r#"{"type":"run-ended","reason":"stdin-end"}"#, 1003, "run ended"),
        (r#"{"type":"session-ended","status":"completed"}"#, 1003, "session ended"),
        (r#"{"type":"crashed","reason":"SIGSEGV"}"#, 1003, "SIGSEGV"),
        ("crash slot", 1002, "SIGTERM"),
        // The crash is recorded later, by another process.
        (
            "run\n{\"type\":\"crashed\",\"reason\":\"SIGKILL\",\"run\":1,\"foundBy\":\"recovery\"}",
            1002,
            "SIGKILL",
        ),
        // Another process went on, and how this one ended is lost.
        ("run\n{\"type\":\"run-started\",\"pid\":2}", 1002, "unknown"),
    ] {
        assert_eq!(ending(&open_then(lines)), closed(time, reason), "{lines}");
    }
}

#[test]
fn a_real_end_after_a_resume_replaces_the_interruption() {
    let view = open_then(
        r#"{"type":"crashed","reason":"SIGSEGV"}
           run
           {"type":"run-started","pid":2}
           {"type":"span-ended","spanId":"a"}"#,
    );
    assert_eq!(ending(&view), "\"tool\":{\"durationMs\":4},\"endTime\":1005,\"status\":\"ok\"}");
    assert!(view.contains("\"status\":\"crashed\""));
}

#[test]
fn a_span_that_another_run_goes_on_with_is_open_again() {
    let text = open_then(
        r#"{"type":"run-ended","reason":"closed"}
           run
           {"type":"span-text","spanId":"a","text":"more"}"#,
    );
    assert_eq!(ending(&text), "\"status\":\"ok\",\"output\":\"more\"}");
    let annotated = open_then(
        r#"{"type":"run-ended","reason":"closed"}
           run
           {"type":"span-attributes","spanId":"a","attributes":{}}"#,
    );
    assert!(ending(&annotated).contains("\"interrupted\":true"));
}

#[test]
fn every_run_shows_its_own_ending() {
    let view = view(
        r#"{"type":"run-started","pid":1,"host":"h"}
           {"type":"note","name":"n"}
           run
           {"type":"crashed","reason":"SIGKILL","run":1,"foundBy":"recovery"}
           run
           {"type":"run-started","pid":3}
           {"type":"session-ended","status":"error","error":"no"}
           {"type":"run-ended","reason":"closed"}
           run
           {"type":"run-started","pid":4}
           {"type":"run-ended","reason":"process-exit"}
           run
           {"type":"run-started","pid":5}"#,
    );
    // The second process did nothing but record the crash of the first.
    assert_eq!(
        part(&view, "\"runs\":", ",\"crash\""),
        concat!(
            r#""runs":[{"run":1,"startedAt":"1970-01-01T00:00:01.000Z","endedAt":"1970-01-01T00:00:01.001Z","ending":"crashed","reason":"SIGKILL","pid":1,"host":"h","events":2},"#,
            r#"{"run":3,"startedAt":"1970-01-01T00:00:01.003Z","endedAt":"1970-01-01T00:00:01.005Z","ending":"session-ended","status":"error","reason":"no","pid":3,"events":3},"#,
            r#"{"run":4,"startedAt":"1970-01-01T00:00:01.006Z","endedAt":"1970-01-01T00:00:01.007Z","ending":"run-ended","reason":"process-exit","pid":4,"events":2},"#,
            r#"{"run":5,"startedAt":"1970-01-01T00:00:01.008Z","endedAt":"1970-01-01T00:00:01.008Z","pid":5,"events":1}]"#
        )
    );
    assert!(view.contains(r#""wal":{"lastSeq":9,"events":9,"#));
}

#[test]
fn open_spans_are_counted_for_the_run_that_goes_on() {
    let fold = fold_of(
        &log(&format!(
            "{OPEN}run\n{}",
            r#"{"type":"span-started","spanId":"b","kind":"span","name":""}
               {"type":"span-started","spanId":"c","kind":"span","name":""}
               {"type":"span-ended","spanId":"c"}"#
        ))
        .finish(),
    );
    assert_eq!(fold.summary().open_spans, 1);
    assert_eq!(fold.summary().spans, 4);
}

#[test]
fn a_guard_that_was_dropped_says_that_its_span_was_interrupted() {
    let view = open_then(
        r#"{"type":"span-ended","spanId":"a","status":"error","statusMessage":"interrupted: dropped without an end"}"#,
    );
    assert!(
        ending(&view)
            .contains("\"statusMessage\":\"interrupted: dropped without an end\",\"interrupted\":true")
    );
    let view = open_then(r#"{"type":"span-ended","spanId":"a","status":"error","statusMessage":"exit 1"}"#);
    assert!(!ending(&view).contains("interrupted"));
}
