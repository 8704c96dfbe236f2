//! `tracewal record`: what is acknowledged is there, whatever happens to the process or comes in its input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead, BufReader, Write};

use serde_json::Value;
use support::{Scene, json, notes};

fn events(scene: &Scene, session: &str) -> Vec<Value> {
    scene.run(&["events", session]).fine().lines().map(json).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_killed_recorder_keeps_every_event_that_it_acknowledged() {
    let scene = Scene::new();
    let mut child = scene.spawn(&["record", "--session", "s", "--ack"]);
    let mut input = child.stdin.take().unwrap();
    let mut acks = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = 0;
    // Each line waits for its acknowledgement: it is given though no further input comes.
    for n in 0..50 {
        writeln!(input, "{{\"type\":\"note\",\"name\":\"n\",\"data\":{n}}}").unwrap();
        let mut ack = String::new();
        acks.read_line(&mut ack).unwrap();
        acknowledged = json(&ack)["seq"].as_u64().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let events = events(&scene, "s");
    assert_eq!(acknowledged, 52);
    for n in 0..50 {
        assert_eq!(events[n + 2]["data"], n);
    }
    assert_eq!(scene.status("s"), "crashed");
    assert_eq!(events.last().unwrap()["type"], "crashed");
}

#[test]
fn what_is_acknowledged_durably_is_marked_durable() {
    let scene = Scene::new();
    let acks = scene.record(&["--session", "s", "--ack", "--durable"], notes(2_000)).fine();
    assert_eq!(acks.lines().count(), 2_000);
    assert_eq!(acks.lines().last(), Some("{\"seq\":2002}"));
}

#[test]
fn the_first_line_says_what_the_session_is_about() {
    let scene = Scene::new();
    let first = r#"{"type":"session-started","time":1000,"traceId":"t","rootSpanId":"r","name":"n","metadata":{"title":"T","tags":["x"]},"scopes":["a"]}"#;
    let acks = scene.record(&["--session", "s", "--ack"], format!("{first}\n{}", notes(1))).fine();
    assert_eq!(acks, "{\"seq\":1}\n{\"seq\":3}\n");
    let events = scene.run(&["events", "s"]).fine();
    let expected = first.replacen(
        "{\"type\":\"session-started\",\"time\":1000",
        "{\"seq\":1,\"time\":1000,\"type\":\"session-started\"",
        1,
    );
    assert_eq!(events.lines().next(), Some(expected.as_str()));
}

#[test]
fn a_bad_line_is_refused_by_number_and_key_and_what_came_before_stays() {
    let scene = Scene::new();
    let input = format!("{}{{\"type\":\"note\",\"nmae\":\"x\"}}\n{}", notes(2), notes(1));
    let refused = scene.record(&["--session", "s", "--ack"], input);
    assert_eq!(refused.out.lines().count(), 2);
    let said = refused.failed(1);
    assert!(said.contains("line 3") && said.contains("name"), "{said}");
    assert_eq!(types(&events(&scene, "s")), ["session-started", "run-started", "note", "note", "run-ended"]);
}

#[test]
fn what_the_engine_writes_itself_and_what_is_no_text_is_refused() {
    let scene = Scene::new();
    let engines = scene.record(&["--session", "s"], r#"{"type":"run-ended","reason":"closed"}"#).failed(1);
    assert!(engines.contains("written by the engine"), "{engines}");
    let bytes = scene.record(&["--session", "s"], b"\xff\xfe\n").failed(1);
    assert!(bytes.contains("line 1") && bytes.contains("UTF-8"), "{bytes}");
    scene.run(&["events", "s"]).failed(4);
}

#[test]
fn rejected_lines_are_kept_as_notes_where_that_is_asked_for() {
    let scene = Scene::new();
    let ran = scene.record(
        &["--session", "s", "--keep-going"],
        b"{\"a\":1}\n\n\xff\n{\"type\":\"note\",\"name\":\"n\"}\n",
    );
    assert!(ran.err.contains("line 1") && ran.err.contains("line 3"), "{ran:?}");
    ran.fine();
    let events = events(&scene, "s");
    assert_eq!(events[2]["name"], "tracewal.rejected");
    assert_eq!(events[2]["data"], "{\"a\":1}");
    assert_eq!(events[3]["data"], "\u{fffd}");
    assert_eq!(events[4]["name"], "n");
}

#[test]
fn input_that_ends_leaves_a_session_that_can_be_resumed() {
    let scene = Scene::new();
    scene.record(&["--session", "s"], notes(1)).fine();
    assert_eq!(scene.status("s"), "running");
    assert_eq!(events(&scene, "s").last().unwrap()["reason"], "stdin-end");
    scene.record(&["--session", "s", "--end", "completed"], notes(1)).fine();
    assert_eq!(scene.status("s"), "completed");
    scene
        .record(&["--session", "s"], "{\"type\":\"session-ended\",\"status\":\"error\",\"error\":\"no\"}")
        .fine();
    assert_eq!(scene.status("s"), "error");
    let all = events(&scene, "s");
    assert_eq!(types(&all).iter().filter(|kind| **kind == "run-started").count(), 3);
}

#[test]
fn events_behind_the_ending_are_kept() {
    let scene = Scene::new();
    let input = format!("{{\"type\":\"session-ended\",\"status\":\"completed\"}}\n{}", notes(1));
    scene.record(&["--session", "s", "--end", "error"], input).fine();
    assert_eq!(scene.status("s"), "completed");
    assert_eq!(types(&events(&scene, "s")), ["session-started", "run-started", "session-ended", "note"]);
}

#[test]
fn a_session_that_another_process_records_is_busy() {
    let scene = Scene::new();
    let mut child = scene.spawn(&["record", "--session", "s", "--ack"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(notes(1).as_bytes()).unwrap();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let said = scene.record(&["--session", "s"], notes(1)).failed(5);
    assert!(said.contains(&child.id().to_string()), "{said}");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_new_session_is_named_on_standard_error() {
    let scene = Scene::new();
    let ran = scene.record(&["--end", "completed"], notes(1));
    let id = ran.err.trim().strip_prefix("session ").unwrap().to_owned();
    assert_eq!(scene.status(&id), "completed");
}

#[test]
fn an_event_log_can_be_recorded_again() {
    let scene = Scene::new();
    let input = r#"{"type":"span","time":5,"spanId":"a","kind":"tool","name":"x","startTime":1.5,"endTime":3,"input":{"k":[1, 2]},"tokens":{"input":1,"output":2,"reasoning":3,"cacheRead":4,"cacheWrite":5}}"#;
    scene.record(&["--session", "one", "--end", "completed"], input).fine();
    let log = scene.run(&["events", "one"]).fine();
    let embedders: Vec<&str> = log.lines().filter(|line| !line.contains("\"run-started\"")).collect();
    scene.record(&["--session", "two"], embedders.join("\n")).fine();
    assert_eq!(scene.run(&["events", "two"]).fine().lines().nth(2), log.lines().nth(2));
    assert_eq!(scene.show("one")["spans"][1], scene.show("two")["spans"][1]);
}
