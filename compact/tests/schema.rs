//! `docs/trace.schema.json` says what a view is: checked against the logs under `tests/golden/` and the logs of the tables. (Random logs
//! are checked in `random_logs.rs`, imported transcripts and recorded sessions by the command's tests.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod schema_check;
mod support;

use std::path::Path;

use schema_check::{assert_valid, faults};
use serde_json::{Value, json};
use support::short::{Times, segments};
use support::{view, view_of};

fn parsed(view: &str) -> Value {
    serde_json::from_str(view).unwrap()
}

#[test]
fn golden_logs() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut seen = 0;
    for folder in std::fs::read_dir(golden).unwrap() {
        let folder = folder.unwrap().path();
        let numbered =
            (1..).map(|n| folder.join(format!("{n}.wal"))).map_while(|path| std::fs::read(path).ok());
        assert_valid(&folder.display().to_string(), &parsed(&view_of(&numbered.collect::<Vec<_>>())));
        seen += 1;
    }
    assert!(seen >= 4);
    assert_valid("no log", &parsed(&view_of(&[])));
}

/// Each kind of ending, with and without incidents and actions.
const STORIES: &[&str] = &[
    "",
    "note",
    "start; text; drop; error",
    "start a; drop a; start b; api 429; retry b; text b; done b; completed",
    "start; begin A shutdown; begin B instance-dispose; crash gone",
    "start; call bash; exec bash local-process; fail! bash; crash panic; run; start; dog; error",
    "gen g; tool t bash under g; terr t ECONNRESET; gerr g 429; error-under Z",
    "gen g; gtext g; lost; closed; run; slot",
    "claimed",
    "start; begin /home/alice shutdown; cut bash; closed",
];

#[test]
fn stories() {
    for story in STORIES {
        for times in Times::ALL {
            assert_valid(story, &parsed(&view_of(&segments(story, times))));
        }
    }
}

/// The schema would notice: each of these makes a valid view invalid.
#[test]
fn the_schema_sees_what_is_wrong() {
    let valid = parsed(&view_of(&segments("start; text; begin A shutdown; drop; error", Times::Forward)));
    assert_valid("the view to be broken", &valid);
    let broken = |pointer: &str, value: Value| {
        let mut view = valid.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        view.pointer_mut(parent).unwrap()[key] = value;
        view
    };
    for (pointer, value) in [
        ("/version", json!(1)),
        ("/surprise", json!(1)),
        ("/startedAt", json!("yesterday")),
        ("/spans", json!([])),
        ("/summary/status", json!("dead")),
        ("/summary/tokens/total", json!(1)),
        ("/close/provenance", json!("unknown_scope_close")),
        ("/close/actionId", json!("/home/alice")),
        ("/incidents/terminal/cause", json!("gremlins")),
        ("/incidents/terminal/kind", json!(null)),
        ("/incidents/terminal/message", json!("read /etc/passwd")),
        ("/incidents/terminal/missing", json!(["everything"])),
        ("/incidents/terminal/recovery/advice", json!("auto-retry")),
        ("/incidents/terminal/evidence/0/event", json!("rumour")),
        ("/incidents/recoveredIncidents", json!([])),
        ("/wal/foldVersion", json!(1)),
    ] {
        assert!(!faults(&broken(pointer, value)).is_empty(), "{pointer} may be anything");
    }
}

#[test]
fn a_view_with_everything_once() {
    let log = r#"
    {"type":"session-started","traceId":"t","rootSpanId":"r","metadata":{"title":"T","tags":["a"]}}
    {"type":"run-started","pid":7,"host":"h"}
    {"type":"span-started","spanId":"g","kind":"generation","name":"chat","model":{"modelId":"m"}}
    {"type":"span-ended","spanId":"g","finishReason":"stop","tokens":{"input":1,"output":2,"reasoning":0,"cacheRead":0,"cacheWrite":0},"cost":0.5}
    {"type":"span","spanId":"a","kind":"tool","name":"bash","startTime":1,"endTime":2,"callId":"c","input":{"x":1},"attributes":{"y":2}}
    {"type":"span","spanId":"b","kind":"tool","name":"bash","startTime":1,"endTime":2,"input":{"x":1}}
    {"type":"span","spanId":"c","kind":"tool","name":"bash","startTime":1,"endTime":2,"input":{"x":1}}
    {"type":"span-started","spanId":"d","kind":"session","name":"not the root"}
    {"type":"crashed","reason":"panic","exception":{"type":"E","message":"m","stack":"s"},"pid":7,"foundBy":"recovery","foundTime":2.5,"run":1}
    crash slot"#;
    assert_valid("everything", &parsed(&view(log)));
}
