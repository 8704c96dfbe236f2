//! Why a session stopped, as `why`, `ls --cause` and `show` tell it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Scene, json};

/// The connection breaks while a tool's input is streaming; clean-up then says that a tool was interrupted.
const BROKEN: &str = r#"{"type":"evidence","attemptId":"a","source":"runtime","event":"attempt-started"}
{"type":"evidence","attemptId":"a","source":"tool","event":"tool-input-started","tool":"bash"}
{"type":"evidence","attemptId":"a","source":"transport","event":"transport-failure","error":{"message":"read ECONNRESET 10.0.0.7"}}
{"type":"evidence","attemptId":"a","source":"clean-up","event":"tool-execution-interrupted","tool":"bash"}
{"type":"session-ended","status":"error","error":"tool execution failed"}
"#;

const DISPOSED: &str = r#"{"type":"evidence","attemptId":"a","source":"runtime","event":"attempt-started"}
{"type":"evidence","attemptId":"a","source":"provider","event":"visible-output","output":"text"}
{"type":"lifecycle-begun","actionId":"lifecycle:instance-dispose-all:mf3k9x2a:1","kind":"instance-dispose-all","origin":{"source":"server-handler","operation":"instance.disposeAll"}}
{"type":"lifecycle-begun","actionId":"lifecycle:instance-dispose:mf3k9x2b:2","kind":"instance-dispose","parentActionId":"lifecycle:instance-dispose-all:mf3k9x2a:1","origin":{"source":"server-handler","operation":"instance.disposeAll"}}
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.record(&["--session", "broken"], BROKEN).fine();
    scene.record(&["--session", "disposed"], DISPOSED).fine();
    scene.record(&["--session", "fine", "--end", "completed"], "").fine();
    scene
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn what_broke_first_is_the_cause() {
    let scene = scene();
    assert_has(
        &scene.run(&["why", "broken", "--last", "0"]).fine(),
        &[
            "It ended in order, with an error: tool execution failed.",
            "The connection to the provider broke while a tool's input was streaming; no tool ran.",
            "provider-transport-disconnect, confidence high",
            "it may be tried again without asking (nothing-shown-no-tool-ran)",
        ],
    );
    let report = json(&scene.run(&["why", "broken", "--json"]).fine());
    let terminal = &report["incidents"]["terminal"];
    assert_eq!(terminal["cause"], "provider-transport-disconnect");
    assert_eq!(terminal["phase"], "during-tool-input");
    assert_eq!(terminal["error"], "connection-lost");
    assert_eq!(terminal["recovery"]["advice"], "auto-retry");
    assert_eq!(report["close"]["provenance"], "incident");
    let view = json(&scene.run(&["show", "broken", "--json"]).fine());
    assert_eq!(view["incidents"], report["incidents"]);
    assert_eq!(view["close"], report["close"]);
    assert_has(&scene.run(&["show", "broken"]).fine(), &["The connection to the provider broke"]);
}

#[test]
fn a_lifecycle_action_is_named_with_what_it_is_a_part_of() {
    let scene = scene();
    assert_has(
        &scene.run(&["why", "disposed", "--last", "0"]).fine(),
        &[
            "It was closed by instance-dispose (server-handler, instance.disposeAll) while the model was streaming; no tool ran.",
            "lifecycle:instance-dispose:mf3k9x2b:2",
            "lifecycle:instance-dispose-all:mf3k9x2a:1",
            "offer to go on from where it stopped (visible-output)",
        ],
    );
}

#[test]
fn sessions_are_listed_by_cause() {
    let scene = scene();
    let ids = |args: &[&str]| -> Vec<String> {
        let listed = json(&scene.run(args).fine());
        let mut ids: Vec<String> =
            listed.as_array().unwrap().iter().map(|s| s["sessionId"].as_str().unwrap().into()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&["ls", "--json"]), ["broken", "disposed", "fine"]);
    assert_eq!(ids(&["ls", "--json", "--cause"]), ["broken", "disposed", "fine"]);
    assert_eq!(ids(&["ls", "--json", "--cause=local-lifecycle-close"]), ["disposed"]);
    assert_eq!(ids(&["ls", "--json", "--cause=instance-dispose"]), ["disposed"]);
    assert_eq!(ids(&["ls", "--json", "--cause=provider-transport-disconnect"]), ["broken"]);
    assert_eq!(ids(&["ls", "--json", "--cause=crash"]), [""; 0]);
    let table = scene.run(&["ls", "--cause"]).fine();
    assert_has(
        &table,
        &["CAUSE", "local-lifecycle-close: instance-dispose", "provider-transport-disconnect"],
    );
    assert!(!scene.run(&["ls"]).fine().contains("CAUSE"));
}
