//! `tracewal why`: how a session ended, and how that is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{Read, Write};

use support::{Scene, json};

const OPEN: &str = r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat"}
{"type":"span-text","spanId":"g","text":"Let me look"}
{"type":"span-started","spanId":"t","parentSpanId":"g","kind":"tool","name":"bash","input":{"command":"make test"}}
"#;

/// A recorder with a tool call open, and what ends it.
fn ended_by(signal: i32) -> Scene {
    let scene = Scene::new();
    let mut recorder = scene.spawn(&["record", "--session", "s", "--ack"]);
    recorder.stdin.as_mut().unwrap().write_all(OPEN.as_bytes()).unwrap();
    // All three are safe when the third acknowledgement has come.
    recorder.stdout.as_mut().unwrap().read_exact(&mut [0; 30]).unwrap();
    let pid = i32::try_from(recorder.id()).unwrap();
    let killed =
        std::process::Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
    assert!(killed.success());
    recorder.wait().unwrap();
    scene
}

#[test]
fn a_signal_is_named_with_what_was_open() {
    let scene = ended_by(15);
    let text = scene.run(&["why", "s"]).fine();
    for part in [
        "It crashed: SIGTERM.",
        "A signal handler of the process recorded it",
        "open at that moment",
        "generation chat",
        "Let me look",
        "tool bash",
        r#"{"command":"make test"}"#,
        "the last events",
        "nothing",
        "tracewal record --session s",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let report = json(&scene.run(&["why", "s", "--json"]).fine());
    assert_eq!(report["status"], "crashed");
    assert_eq!(report["crash"]["signal"], "SIGTERM");
    assert_eq!(report["crash"]["foundBy"], "handler");
    assert_eq!(report["crash"]["process"], "gone");
    assert_eq!(report["openSpans"].as_array().unwrap().len(), 2);
    assert_eq!(report["openSpans"][1]["input"]["command"], "make test");
    assert_eq!(report["openSpans"][1]["interrupted"], true);
}

#[test]
fn what_no_handler_sees_is_said_to_be_that() {
    let scene = ended_by(9);
    let text = scene.run(&["why", "s", "--last", "2"]).fine();
    assert!(text.contains("It crashed: process vanished."), "{text}");
    assert!(text.contains("So it was killed (SIGKILL, out of memory)"), "{text}");
    assert!(text.contains("after the last event."), "{text}");
    assert_eq!(
        json(&scene.run(&["why", "s", "--json", "--last", "2"]).fine())["lastEvents"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn an_orderly_end_is_no_crash() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], OPEN).fine();
    let text = scene.run(&["why", "s"]).fine();
    assert!(text.contains("It ended in order, as completed."), "{text}");
    assert!(text.contains("it was durable before the view said it"), "{text}");
}
