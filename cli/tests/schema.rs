//! Real sessions against `docs/trace.schema.json`: recorded transcripts through the importers, and sessions through `record`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../compact/tests/schema_check/mod.rs"]
mod schema_check;
mod support;

use common::recorded;
use schema_check::assert_valid;
use serde_json::Value;
use support::{Scene, json};
use tracewal_cli::import::Source;

/// Every session of a scene, as `show --json` prints it, with what its log explains.
fn views(scene: &Scene) -> Vec<(String, Value)> {
    let listed = json(&scene.run(&["ls", "--all", "--json"]).fine());
    let ids =
        listed.as_array().unwrap().iter().map(|session| session["sessionId"].as_str().unwrap().to_owned());
    ids.map(|id| {
        let view = json(&scene.run(&["show", &id, "--json"]).fine());
        (id, view)
    })
    .collect()
}

#[test]
fn imported_transcripts() {
    let mut seen = 0;
    for source in [Source::ClaudeCode, Source::Codex] {
        let scene = Scene::new();
        for path in recorded(source) {
            scene.run(&["import", source.as_str(), path.to_str().unwrap()]).fine();
        }
        for (id, view) in views(&scene) {
            assert_valid(&id, &view);
            // A transcript that was read to its end was not interrupted by anything.
            assert!(view["incidents"].get("terminal").is_none(), "{id}: {}", view["incidents"]);
            seen += 1;
        }
    }
    println!("{seen} imported sessions");
}

const TURN: &str = r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat","model":{"modelId":"m"},"input":{"a":[1,null]}}
{"type":"span-text","spanId":"g","text":"hello"}
{"type":"span-started","spanId":"t","parentSpanId":"g","kind":"tool","name":"bash","callId":"c"}
"#;

#[test]
fn recorded_sessions() {
    let scene = Scene::new();
    scene.record(&["--session", "completed", "--end", "completed"], TURN).fine();
    scene.record(&["--session", "error", "--end", "error"], TURN).fine();
    scene.record(&["--session", "left"], TURN).fine();
    scene.record(&["--session", "resumed"], TURN).fine();
    scene.record(&["--session", "resumed", "--end", "completed"], r#"{"type":"note","name":"n"}"#).fine();
    scene
        .record(&["--session", "crashed"], format!("{TURN}{}", r#"{"type":"crashed","reason":"it broke"}"#))
        .fine();
    let views = views(&scene);
    assert_eq!(views.len(), 5);
    for (id, view) in views {
        assert_valid(&id, &view);
        let terminal = view["incidents"]["terminal"]["cause"].as_str();
        let expected = match id.as_str() {
            "error" => Some("tool-execution-interrupted"),
            "left" => Some("local-lifecycle-close"),
            "crashed" => Some("crash"),
            _ => None,
        };
        assert_eq!(terminal, expected, "{id}: {}", view["incidents"]);
    }
}
