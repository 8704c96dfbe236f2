//! A file of canonical JSON from somebody else: shown without a store, and not left behind.

use serde_json::json;

use crate::browser::Viewer;
use crate::support::Scene;

/// A session that crashed while a tool ran, as a file; and a folder for what is temporary.
fn file_of_a_crash() -> (Scene, String, std::path::PathBuf) {
    let scene = Scene::new();
    let lines = [
        json!({"type": "session-started", "metadata": {"title": "From a colleague", "prompt": "why?"}}),
        json!({"type": "span-started", "spanId": "g", "kind": "generation", "name": "chat"}),
        json!({"type": "span", "spanId": "done", "parentSpanId": "g", "kind": "tool", "name": "read", "startTime": 1, "endTime": 2}),
        json!({"type": "span-started", "spanId": "t", "parentSpanId": "g", "kind": "tool", "name": "bash"}),
        json!({"type": "crashed", "reason": "killed", "foundBy": "exit-hook"}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    scene.record(&["--session", "s"], input).fine();
    let folder = scene.store().parent().unwrap().to_owned();
    let (file, temporary) = (folder.join("trace.json"), folder.join("temporary"));
    std::fs::create_dir(&temporary).unwrap();
    scene.run(&["export", "json", "s", "-o", file.to_str().unwrap()]).fine();
    (scene, file.to_str().unwrap().to_owned(), temporary)
}

#[test]
fn a_file_is_looked_at_without_a_store_and_nothing_of_it_is_left_behind() {
    let (scene, file, temporary) = file_of_a_crash();
    std::fs::remove_dir_all(scene.store()).unwrap();
    let mut command = scene.command(&["view", "--no-open", &file]);
    command.env("TMPDIR", &temporary);
    let viewer = Viewer::of(command);
    assert_eq!(viewer.rest, "#/s/s/summary");
    let summary = viewer.json("api/s/~s/summary");
    assert_eq!((&summary["title"], &summary["prompt"]), (&json!("From a colleague"), &json!("why?")));
    assert_eq!((&summary["status"], &summary["crash"]["reason"]), (&json!("crashed"), &json!("killed")));
    assert_eq!((&summary["counts"]["spans"], &summary["counts"]["interrupted"]), (&json!(4), &json!(2)));
    let rows = viewer.chunks("api/s/~s", "rows", "rows");
    let names: Vec<&str> = rows.iter().skip(1).map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["chat", "read", "bash"]);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
    assert!(viewer.end().success());
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!scene.store().exists());
}

#[test]
fn a_session_of_the_store_comes_before_a_file_and_what_is_no_trace_is_named() {
    let (scene, file, temporary) = file_of_a_crash();
    let folder = temporary.parent().unwrap();
    std::fs::rename(&file, folder.join("s")).unwrap();
    let mut command = scene.command(&["view", "--no-open", "s"]);
    command.env("TMPDIR", &temporary).current_dir(folder);
    let viewer = Viewer::of(command);
    assert_eq!(viewer.json("api/meta")["store"], scene.store().to_str().unwrap());
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    let other = folder.join("other.json");
    std::fs::write(&other, "{\"version\": 9}").unwrap();
    let said = scene.run(&["view", "--no-open", other.to_str().unwrap()]).failed(1);
    assert!(said.contains("other.json"), "{said}");
}
