//! I5: the status is a pure function of the log, and a crash record outranks every other ending.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{part, span, view};

const STARTED: &str = r#"{"type":"session-started","rootSpanId":"r"}"#;
const COMPLETED: &str = r#"{"type":"session-ended","status":"completed"}"#;
const FAILED: &str = r#"{"type":"session-ended","status":"error","error":"no"}"#;
const CRASHED: &str = r#"{"type":"crashed","reason":"SIGSEGV"}"#;
const RUN: &str = r#"{"type":"run-started","pid":1}"#;
const RUN_ENDED: &str = r#"{"type":"run-ended","reason":"closed"}"#;
const NOTE: &str = r#"{"type":"note","name":"n"}"#;

fn status(lines: &[&str]) -> String {
    let view = view(&lines.join("\n"));
    let status = part(&view, "\"duration\":", ",\"tokens\"");
    let ended = part(&view, "],\"endedAt\":", "Z\"");
    format!("{} {}", status.split_once("\"status\":").unwrap().1, &ended[ended.len() - 5..])
}

#[test]
fn no_ending_is_running() {
    assert_eq!(status(&[]), "\"running\" 0.000");
    assert_eq!(status(&[STARTED, NOTE]), "\"running\" 1.001");
    assert_eq!(status(&[STARTED, RUN_ENDED]), "\"running\" 1.001");
}

#[test]
fn the_last_ending_of_the_last_run_with_an_event_of_the_embedder_decides() {
    assert_eq!(status(&[STARTED, COMPLETED, NOTE]), "\"completed\" 1.001");
    assert_eq!(status(&[STARTED, COMPLETED, FAILED]), "\"error\",\"error\":\"no\" 1.002");
    assert_eq!(status(&[STARTED, FAILED, COMPLETED]), "\"completed\" 1.002");
    // Opening an ended session and leaving it changes nothing; writing to it does.
    assert_eq!(status(&[STARTED, COMPLETED, "run", RUN, RUN_ENDED]), "\"completed\" 1.001");
    assert_eq!(status(&[STARTED, COMPLETED, "run", RUN, NOTE]), "\"running\" 1.003");
    assert_eq!(status(&[STARTED, COMPLETED, "run", RUN, NOTE, FAILED]), "\"error\",\"error\":\"no\" 1.004");
}

#[test]
fn a_crash_record_outranks_every_ending_wherever_it_stands() {
    let crashed = "\"crashed\",\"error\":\"SIGSEGV\"";
    assert_eq!(status(&[CRASHED, STARTED, COMPLETED]), format!("{crashed} 1.000"));
    assert_eq!(status(&[STARTED, COMPLETED, CRASHED]), format!("{crashed} 1.002"));
    assert_eq!(status(&[STARTED, CRASHED, "run", RUN, NOTE, COMPLETED]), format!("{crashed} 1.001"));
}

#[test]
fn a_crash_slot_is_a_crash_record() {
    assert_eq!(status(&[STARTED, COMPLETED, "crash slot"]), "\"crashed\",\"error\":\"SIGTERM\" 5.000");
    assert_eq!(status(&[STARTED, NOTE, "claimed slot"]), "\"crashed\",\"error\":\"unknown\" 1.001");
    assert_eq!(status(&[STARTED, COMPLETED, "pending slot"]), "\"completed\" 1.001");
}

#[test]
fn an_error_without_a_text_and_a_crash_show_in_the_root() {
    let failed = view(r#"{"type":"session-ended","status":"error"}"#);
    assert!(span(&failed, "root").ends_with(r#""endTime":1000,"status":"error","output":"Error: unknown"}"#));
    let failed = view(FAILED);
    assert!(
        span(&failed, "root").ends_with(r#""status":"error","statusMessage":"no","output":"Error: no"}"#)
    );
    let crashed = view(CRASHED);
    assert!(
        span(&crashed, "root")
            .ends_with(r#""status":"error","statusMessage":"SIGSEGV","output":"Crashed: SIGSEGV"}"#)
    );
    assert!(crashed.contains(r#""narrative":"Crashed after 0ms. Total cost: $0.0000.""#));
    assert!(failed.contains(r#""narrative":"Failed after 0ms. Total cost: $0.0000.""#));
}

#[test]
fn the_first_crash_is_shown_and_the_others_are_counted() {
    let view = view(
        r#"{"type":"crashed","reason":"panic","exception":{"type":"E","message":"m","stack":"at x"},"pid":7,"foundBy":"recovery","foundTime":2000.5,"run":4,"slot":1}
           {"type":"crashed","reason":"other"}
           crash slot"#,
    );
    assert_eq!(
        part(&view, "\"crash\":", ",\"close\""),
        r#""crash":{"reason":"panic","exception":{"type":"E","message":"m","stack":"at x"},"pid":7,"time":1000,"foundBy":"recovery","foundTime":2000.5,"run":4,"slot":1,"count":3}"#
    );
    let slot = support::view("crash slot");
    assert_eq!(
        part(&slot, "\"crash\":", ",\"close\""),
        r#""crash":{"reason":"SIGTERM","signal":"SIGTERM","pid":10,"time":5000,"foundBy":"handler","run":1,"slot":0}"#
    );
}

#[test]
fn times_that_go_back_make_no_negative_duration() {
    let view = view(
        r#"{"type":"note","time":5000,"name":"n"}
           {"type":"session-ended","time":1000.5,"status":"completed"}"#,
    );
    assert!(view.contains(r#""startedAt":"1970-01-01T00:00:05.000Z""#));
    assert!(view.contains(r#""endedAt":"1970-01-01T00:00:01.000Z","summary":"#));
    assert!(view.contains(r#""duration":0,"#));
}

const NAMED: &str = concat!(
    r#""close":{"kind":"session-ended","actionId":"c","provenance":"lifecycle-action","#,
    r#""missing":["lifecycle.begunMissing"]}"#
);
const UNKNOWN: &str = concat!(
    r#""close":{"kind":"crashed","provenance":"unknown_scope_close","#,
    r#""missing":["lifecycle.begunMissing"]}"#
);

#[test]
fn the_ending_says_under_which_lifecycle_action_it_came() {
    let begun = |id: &str| {
        let origin = r#""origin":{"source":"cli","reason":"/secret"}"#;
        format!(r#"{{"type":"lifecycle-begun","actionId":"{id}","kind":"shutdown",{origin}}}"#)
    };
    let by = |kind: &str, id: &str, seq: u32| {
        let origin = r#""origin":{"source":"cli","reason":"redacted"}"#;
        let action = format!(r#""action":{{"kind":"shutdown",{origin},"seq":{seq}}}"#);
        format!(r#""close":{{"kind":"{kind}","actionId":"{id}","provenance":"lifecycle-action",{action}}}"#)
    };
    let close = |lines: &[&str]| {
        let view = view(&lines.join("\n"));
        let until = if view.contains("\"incidents\"") { ",\"incidents\"" } else { ",\"wal\"" };
        view.contains("\"close\"").then(|| part(&view, "\"close\":", until).to_owned())
    };
    assert_eq!(close(&[STARTED, COMPLETED]), None);
    assert_eq!(close(&[&begun("a"), &begun("b"), COMPLETED]).unwrap(), by("session-ended", "b", 2));
    let ended = r#"{"type":"lifecycle-ended","actionId":"b"}"#;
    assert_eq!(close(&[&begun("a"), &begun("b"), ended, CRASHED]).unwrap(), by("crashed", "a", 1));
    let named = r#"{"type":"session-ended","status":"completed","actionId":"c"}"#;
    assert_eq!(close(&[&begun("a"), named]).unwrap(), NAMED);
    // What a process began ends with it, unless the process is the one that crashed.
    assert_eq!(close(&[&begun("a"), "run", RUN, COMPLETED]), None);
    let found = r#"{"type":"crashed","reason":"gone","run":1}"#;
    assert_eq!(close(&[&begun("a"), "run", found]).unwrap(), by("crashed", "a", 1));
    assert_eq!(close(&[&begun("a"), "crash slot"]).unwrap(), by("crashed", "a", 1));
    assert_eq!(close(&[&begun("a"), RUN_ENDED]).unwrap(), by("run-ended", "a", 1));
    // Nothing covers it: a crash that vanished is not explained, and closing when nothing goes on interrupts nothing.
    let vanished = r#"{"type":"crashed","reason":"process vanished","foundBy":"recovery"}"#;
    assert_eq!(close(&[vanished]).unwrap(), UNKNOWN);
    assert_eq!(close(&[CRASHED]).unwrap(), r#""close":{"kind":"crashed","provenance":"incident"}"#);
    assert_eq!(close(&[NOTE, RUN_ENDED]), None);
    assert_eq!(close(&[&begun("a"), NOTE]), None);
}
