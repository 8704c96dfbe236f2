//! A session's JSON file is a view: it can be deleted and comes back byte for byte, here and elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Scene, copy_folder, json, notes, recorded, run_on};

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn scene() -> Scene {
    let scene = Scene::new();
    let text = r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat"}
{"type":"span-text","spanId":"g","text":"hello"}
"#;
    scene.record(&["--session", "ended", "--end", "completed"], text).fine();
    scene.record(&["--session", "open"], notes(3)).fine();
    let mut killed = scene.spawn(&["record", "--session", "killed", "--ack"]);
    std::io::Write::write_all(killed.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
    std::io::Read::read_exact(killed.stdout.as_mut().unwrap(), &mut [0; 20]).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(scene.run(&["recover"]).fine().contains("killed  crashed"));
    if let Some(file) = recorded("claude-code/short.jsonl") {
        scene.run(&["import", "claude-code", file.to_str().unwrap()]).fine();
    }
    scene
}

#[test]
fn deleted_views_come_back_byte_for_byte() {
    let scene = scene();
    let traces = scene.store().join("traces");
    let before = files(&traces);
    assert!(before.len() >= 3);
    std::fs::remove_dir_all(&traces).unwrap();
    let paths = scene.run(&["materialize"]).fine();
    assert_eq!(paths.lines().count(), before.len());
    assert_eq!(files(&traces), before);
    for (name, view) in &before {
        let id = json(std::str::from_utf8(view).unwrap())["sessionId"].as_str().unwrap().to_owned();
        let shown = scene.run(&["show", &id, "--json"]).fine();
        assert_eq!(shown.as_bytes(), view, "{name}");
    }
}

#[test]
fn a_copy_of_the_logs_gives_the_same_views() {
    let scene = scene();
    let copy = scene.dir.path().join("copy");
    copy_folder(&scene.store().join("sessions"), &copy.join("sessions"));
    run_on(&copy, &["materialize"]).fine();
    assert_eq!(files(&copy.join("traces")), files(&scene.store().join("traces")));
}

#[test]
fn a_session_that_died_elsewhere_is_recovered_where_its_log_was_copied_to() {
    let scene = Scene::new();
    let mut child = scene.spawn(&["record", "--session", "s", "--ack"]);
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), notes(1).as_bytes()).unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 9]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Without an owner entry, nothing but the log tells.
    let copy = scene.dir.path().join("copy");
    copy_folder(&scene.store().join("sessions"), &copy.join("sessions"));
    assert!(run_on(&copy, &["show", "s"]).fine().contains("crashed, not yet recorded"));
    let view = run_on(&copy, &["materialize", "s"]).fine();
    assert_eq!(json(&std::fs::read_to_string(view.trim()).unwrap())["summary"]["status"], "crashed");
}

#[test]
fn path_names_a_file_that_is_there() {
    let scene = scene();
    std::fs::remove_dir_all(scene.store().join("traces")).unwrap();
    let path = scene.run(&["path", "ended"]).fine();
    assert_eq!(json(&std::fs::read_to_string(path.trim()).unwrap())["sessionId"], "ended");
    let log = scene.run(&["path", "ended", "--log"]).fine();
    assert!(Path::new(log.trim()).join("1.wal").exists());
}

/// `tracewal materialize | head -1`: who stops listening does not stop the work.
#[test]
fn views_are_written_although_nobody_listens() {
    let scene = scene();
    let traces = scene.store().join("traces");
    let before = files(&traces);
    std::fs::remove_dir_all(&traces).unwrap();
    let mut command = scene.command(&["materialize"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(files(&traces), before);
}
