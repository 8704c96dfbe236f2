//! Sessions that are hostile, damaged, crashed, interrupted, or cannot be written to.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::browser::{Viewer, path};
use crate::support::{self, Scene, copy_folder, flip};

/// What breaks pages.
pub const HOSTILE: &[&str] = &[
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "-->]]>",
    "\u{2028}\u{2029}\u{0}\u{7f}\u{feff}\u{fffe}",
    "\r\n\u{b}\u{85}",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "\u{202e}gnp.exe",
    "&lt;&#60;%3C\\u003c\\\"'`${alert(1)}",
    "__proto__",
];

/// A session with hostile text in every field that takes one; the lines that were recorded.
pub fn hostile_lines() -> Vec<Value> {
    let all = HOSTILE.concat();
    let mut lines = vec![json!({"type": "session-started", "name": all, "metadata": {
        "title": all, "model": all, "agent": all, "prompt": all, "tags": [all], "environment": all,
    }})];
    for (n, text) in HOSTILE.iter().enumerate() {
        let id = |kind: &str| format!("{kind}{n}{text}");
        let mut attributes = serde_json::Map::new();
        attributes.insert((*text).to_owned(), json!({*text: text}));
        attributes.insert("thinking".into(), json!(text));
        lines.push(json!({"type": "span-started", "spanId": id("g"), "kind": "generation", "name": text, "model": {"modelId": text}, "attributes": attributes}));
        lines.push(json!({"type": "span-text", "spanId": id("g"), "text": text}));
        lines.push(json!({"type": "span", "spanId": id("t"), "parentSpanId": id("g"), "kind": "tool", "name": text, "startTime": 1, "endTime": 2, "status": "error", "statusMessage": text, "input": {"command": text, "file_path": text}, "output": [text]}));
        lines.push(json!({"type": "span-ended", "spanId": id("g"), "finishReason": text}));
        lines.push(json!({"type": "note", "name": "hostile", "data": {*text: text}}));
    }
    lines.push(json!({"type": "session-ended", "status": "error", "error": all}));
    lines
}

pub fn record_hostile(scene: &Scene) -> String {
    let input: String = hostile_lines().iter().map(|line| format!("{line}\n")).collect();
    scene.record(&["--session", "</script><!--"], input).fine();
    "</script><!--".to_owned()
}

#[test]
fn hostile_text_comes_out_as_it_went_in_and_as_nothing_else() {
    let scene = Scene::new();
    let id = record_hostile(&scene);
    let viewer = Viewer::start(&scene, &[]);
    let session = path(&id);
    let summary = viewer.json(&format!("{session}/summary"));
    let all = HOSTILE.concat();
    assert_eq!((&summary["title"], &summary["prompt"]), (&json!(all), &json!(all)));
    assert_eq!(summary["counts"]["generations"], HOSTILE.len());
    assert_eq!(summary["counts"]["errors"], HOSTILE.len());
    let rows = viewer.chunks(&session, "rows", "rows");
    let names: Vec<&str> =
        rows.iter().filter(|row| row["kind"] == "tool").map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names[..HOSTILE.len()], *HOSTILE);
    let spans = viewer.chunks(&session, "spans", "spans");
    let tool =
        |text: &str| spans.iter().find(|span| span["kind"] == "tool" && span["name"] == *text).unwrap();
    for text in HOSTILE {
        assert_eq!(tool(text)["input"]["command"], **text);
        assert_eq!(tool(text)["output"], json!([text]));
    }
    let messages = viewer.chunks(&session, "chat", "messages");
    let said: Vec<&Value> = messages.iter().filter(|message| message["role"] == "assistant").collect();
    for (message, text) in said.iter().zip(HOSTILE) {
        assert_eq!((&message["text"], &message["reasoning"]), (&json!(text), &json!(text)));
    }
    // No document has a raw control character, or is anything but JSON.
    for document in
        ["summary", "rows/0", "chat/0", "log/0", "raw/0", "spans/0", "span/1", "search?q=%3Cscript"]
    {
        let response = viewer.ask(&format!("{session}/{document}"));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert!(response.body.iter().all(|byte| *byte >= 0x20), "{document}");
    }
    let text = viewer.ask(&format!("{session}/text/1/output"));
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    for query in ["%3C%2Fscript%3E", "%E2%80%A8", "%22", "%5C", "(", "%00"] {
        let found = viewer.json(&format!("{session}/search?q={query}"));
        assert!(found["hits"].is_array());
    }
    let found = viewer.json(&format!("{session}/search?q=%3C%2FSCRIPT%3E"));
    assert!(found["hits"].as_array().unwrap().len() >= 4, "{found}");
}

#[test]
fn half_of_a_surrogate_pair_stays_an_escape_in_json() {
    let scene = Scene::new();
    let lone = r#"{"type":"span","spanId":"l","kind":"tool","name":"n","startTime":1,"endTime":2,"input":{"a":"\ud800","b":"\udfff\ud83d"},"output":"x\ud83d"}"#;
    scene.record(&["--session", "s", "--end", "completed"], format!("{lone}\n")).fine();
    let viewer = Viewer::start(&scene, &[]);
    for document in ["spans/0", "span/1", "raw/0"] {
        let json = viewer.text(&format!("api/s/~s/{document}"));
        assert!(json.contains(r#""a":"\ud800","b":"\udfff\ud83d""#), "{json}");
    }
    assert_eq!(viewer.text("api/s/~s/text/1/output"), "x\u{fffd}");
    assert_eq!(viewer.json("api/s/~s/rows/0")["rows"][1]["preview"], r#"{"a":"\ud800","b":"\udfff\ud83d"}"#);
}

#[test]
fn what_is_lost_is_shown_where_it_was() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(40)).fine();
    let (file, offset, _) = scene.record_of("s", 20);
    flip(&file, offset + 30);
    let viewer = Viewer::start(&scene, &[]);
    let summary = viewer.json("api/s/~s/summary");
    assert_eq!(summary["lostEvents"], 1);
    let lost = summary["lost"].as_array().unwrap();
    assert_eq!(lost.len(), 1);
    let expected = json!({"afterSeq": 19, "first": 20, "last": 20, "kind": "damage"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&lost[0][key], value, "{key}");
    }
    assert!(lost[0]["where"].as_str().unwrap().starts_with("1.wal bytes "), "{}", lost[0]);
    let entries = viewer.chunks("api/s/~s", "log", "entries");
    let at = entries.iter().position(|entry| entry["gap"].is_object()).unwrap();
    assert_eq!((&entries[at - 1]["seq"], &entries[at + 1]["seq"]), (&json!(19), &json!(21)));
    // The summary says besides where it stands among the spans, and between which times.
    for (key, value) in entries[at]["gap"].as_object().unwrap() {
        assert_eq!(&lost[0][key], value, "{key}");
    }
    assert_eq!(lost[0]["afterSpan"], 0);
    assert_eq!((&lost[0]["from"], &lost[0]["to"]), (&entries[at - 1]["time"], &entries[at + 1]["time"]));
    let raw = viewer.chunks("api/s/~s", "raw", "events");
    assert_eq!(raw[at]["lost"]["first"], 20);
    assert_eq!(viewer.ask("api/s/~s/event/20").status, 404);
    assert_eq!(viewer.json("api/s/~s/event/21")["seq"], 21);
    let messages = viewer.chunks("api/s/~s", "chat", "messages");
    let at = messages.iter().position(|message| message["role"] == "gap").unwrap();
    assert_eq!(messages[at]["gap"]["first"], 20);
    assert_eq!(messages[..at].iter().filter(|message| message["role"] == "note").count(), 17);
    let row = &viewer.json("api/sessions")["sessions"][0];
    assert_eq!(row["lostEvents"], 1);
}

#[test]
fn a_crash_says_why_and_what_was_open() {
    let scene = Scene::new();
    let lines = [
        json!({"type": "span-started", "spanId": "g", "kind": "generation", "name": "chat"}),
        json!({"type": "span-started", "spanId": "t", "parentSpanId": "g", "kind": "tool", "name": "bash"}),
        json!({"type": "span", "spanId": "done", "kind": "tool", "name": "read", "startTime": 1, "endTime": 2}),
        json!({"type": "crashed", "reason": "uncaught exception", "exception": {"type": "TypeError", "message": "x is not a function", "stack": "at f"}, "foundBy": "exit-hook"}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    scene.record(&["--session", "s"], input).fine();
    let viewer = Viewer::start(&scene, &["s"]);
    let summary = viewer.json("api/s/~s/summary");
    assert_eq!((&summary["status"], &summary["writer"]), (&json!("crashed"), &json!("dead")));
    let crash = &summary["crash"];
    assert_eq!(crash["reason"], "uncaught exception");
    assert_eq!(
        crash["exception"],
        json!({"type": "TypeError", "message": "x is not a function", "stack": "at f"})
    );
    assert_eq!(crash["foundBy"], "exit-hook");
    assert_eq!(crash["open"], json!([1, 2]));
    assert_eq!(crash["lastEvent"]["seq"], 5);
    assert_eq!(summary["counts"]["errors"], 0);
    assert_eq!(summary["counts"]["interrupted"], 2);
    assert_eq!(viewer.json("api/s/~s/skeleton/0")["status"], json!([2, 2, 2, 0]));
    let canonical = scene.show("s");
    for key in ["close", "runs", "wal"] {
        assert_eq!(summary[key], canonical[key], "{key}");
    }
    let mut terminal = summary["incidents"]["terminal"].clone();
    let said = terminal.as_object_mut().unwrap().remove("sentence").unwrap();
    terminal.as_object_mut().unwrap().remove("advice");
    assert_eq!(terminal, canonical["incidents"]["terminal"]);
    assert_eq!(summary["sentences"]["ending"], said);
}

#[test]
fn a_span_that_something_else_ended_has_not_failed() {
    let scene = Scene::new();
    let lines = [
        json!({"type": "span-started", "spanId": "t", "kind": "tool", "name": "bash"}),
        json!({"type": "span-started", "spanId": "u", "kind": "tool", "name": "bash"}),
        json!({"type": "span-ended", "spanId": "u", "status": "error", "statusMessage": "interrupted: user cancelled"}),
        json!({"type": "session-ended", "status": "error", "error": "cancelled"}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    scene.record(&["--session", "s"], input).fine();
    let viewer = Viewer::start(&scene, &[]);
    let summary = viewer.json("api/s/~s/summary");
    assert_eq!((&summary["counts"]["errors"], &summary["counts"]["interrupted"]), (&json!(0), &json!(2)));
    assert_eq!(viewer.json("api/s/~s/skeleton/0")["status"], json!([1, 2, 2]));
    assert_eq!(summary["byTool"][0]["interrupted"], 2);
    let canonical = scene.show("s");
    assert!(canonical["spans"].as_array().unwrap()[1..].iter().all(|span| span["interrupted"] == true));
}

#[test]
fn the_crash_of_a_store_that_cannot_be_written_is_shown_and_called_unrecorded() {
    let scene = Scene::new();
    let mut child = scene.spawn(&["record", "--session", "s", "--ack"]);
    let mut input = child.stdin.take().unwrap();
    let mut acks = std::io::BufReader::new(child.stdout.take().unwrap());
    let open = r#"{"type":"span-started","spanId":"t","kind":"tool","name":"bash"}"#;
    std::io::Write::write_all(&mut input, format!("{open}\n").as_bytes()).unwrap();
    std::io::BufRead::read_line(&mut acks, &mut String::new()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // A copy of the store, as a colleague would send it, on a medium that cannot be written.
    let copy = Scene::new();
    copy_folder(&scene.store(), &copy.store());
    let lock = |mode: u32| {
        for folder in ["", "sessions", "sessions/s", "owners", "writers", "locks", "traces", "index"] {
            let folder = copy.store().join(folder);
            if folder.is_dir() {
                std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)).unwrap();
            }
        }
    };
    lock(0o555);
    if std::fs::write(copy.store().join("probe"), "").is_ok() {
        println!("skipped: whoever runs this may write anywhere");
        std::fs::remove_file(copy.store().join("probe")).unwrap();
        lock(0o755);
        return;
    }
    let viewer = Viewer::start(&copy, &[]);
    let summary = viewer.json("api/s/~s/summary");
    lock(0o755);
    assert_eq!((&summary["status"], &summary["unrecorded"]), (&json!("crashed"), &json!(true)));
    assert_eq!(summary["crash"]["open"], json!([1]));
    assert_eq!(viewer.json("api/s/~s/skeleton/0")["status"], json!([2, 2]));
}

#[test]
fn texts_that_are_too_long_are_cut_and_given_as_a_whole_when_asked_for() {
    let scene = Scene::new();
    let long = "é\"".repeat(300_000);
    let lines = [
        json!({"type": "span-started", "spanId": "t", "kind": "tool", "name": "bash", "input": {"text": long, "n": 1}}),
        json!({"type": "span-text", "spanId": "t", "text": long}),
        json!({"type": "span-text", "spanId": "t", "text": "end"}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    scene.record(&["--session", "s", "--end", "completed"], input).fine();
    let viewer = Viewer::start(&scene, &[]);
    let document = viewer.json("api/s/~s/span/1");
    let cut = document["cut"].as_array().unwrap();
    assert_eq!(cut.iter().map(|cut| &cut["field"]).collect::<Vec<_>>(), ["input", "output"]);
    let shown = document["span"]["output"].as_str().unwrap();
    assert!(long.starts_with(shown) && shown.len() > 150_000 && shown.len() <= 256 << 10);
    assert_eq!(document["span"]["input"]["n"], 1);
    assert_eq!(viewer.text("api/s/~s/text/1/output"), format!("{long}end"));
    assert_eq!(support::json(&viewer.text("api/s/~s/text/1/input"))["text"], long);
    let row = &viewer.json("api/s/~s/rows/0")["rows"][1];
    assert!(row["preview"].as_str().unwrap().chars().count() <= 200);
}

#[test]
fn a_session_that_goes_or_is_repaired_while_it_is_looked_at_is_not_mixed_up() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(40)).fine();
    let (file, offset, _) = scene.record_of("s", 20);
    flip(&file, offset + 30);
    let viewer = Viewer::start(&scene, &[]);
    let before = viewer.json("api/s/~s/summary");
    let mut stream = viewer.listen(&format!("api/s/~s/live?version={}", before["version"]));
    stream.next();
    scene.run(&["repair", "s"]).fine();
    let (_, change) = stream.next();
    assert_eq!(change["reset"], true);
    assert_eq!(viewer.json("api/s/~s/summary")["lost"][0]["kind"], "repaired");
    assert_eq!(viewer.chunks("api/s/~s", "raw", "events").len(), before["logEntries"]);
    scene.record(&["--session", "kept", "--end", "completed"], support::notes(1)).fine();
    scene.run(&["prune", "--keep", "1"]).fine();
    loop {
        let (name, _) = stream.next();
        if name == "gone" {
            break;
        }
    }
    assert_eq!(viewer.ask("api/s/~s/summary").status, 404);
    assert_eq!(viewer.ask("api/s/~kept/summary").status, 200);
}
