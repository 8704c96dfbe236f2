//! `tracewal import`: once, again, grown, cut off, and into the way of others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Scene, json, notes, recorded};

const DAY: &str = "fa812bfe-b295-4cca-9c2f-fdf01028cb46";

fn import(scene: &Scene, path: &Path) -> Value {
    json(&scene.run(&["import", "claude-code", path.to_str().unwrap(), "--strict", "--json"]).fine())
}

/// The beginning of a recorded transcript, under the same name.
fn beginning(scene: &Scene, of: &Path, lines: usize) -> PathBuf {
    let text = std::fs::read_to_string(of).unwrap();
    let path = scene.dir.path().join(of.file_name().unwrap());
    let beginning: Vec<&str> = text.lines().take(lines).collect();
    std::fs::write(&path, beginning.join("\n") + "\n").unwrap();
    path
}

#[test]
fn a_working_day_has_its_known_numbers() {
    let Some(folder) = recorded("claude-code") else { return };
    let scene = Scene::new();
    scene.run(&["import", "claude-code", folder.to_str().unwrap(), "--strict"]).fine();
    let view = scene.show(DAY);
    let spans = view["spans"].as_array().unwrap();
    let of_kind = |kind: &str| spans.iter().filter(|span| span["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("generation").len(), 157);
    assert_eq!(of_kind("tool").len(), 197);
    assert_eq!(of_kind("tool").iter().filter(|tool| tool["status"] == "error").count(), 8);
    let tokens = &view["summary"]["tokens"];
    let classes = ["input", "output", "reasoning", "cacheRead", "cacheWrite"]
        .map(|class| tokens[class].as_u64().unwrap());
    assert_eq!(classes, [1_502, 36_256, 0, 15_373_675, 260_212]);
    assert_eq!(spans.iter().filter(|span| span["parentSpanId"].is_null()).count(), 1);
    let ids: std::collections::HashSet<&str> =
        spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert!(spans.iter().filter_map(|span| span["parentSpanId"].as_str()).all(|parent| ids.contains(parent)));
    assert_eq!(view["summary"]["status"], "completed");
}

#[test]
fn importing_twice_adds_nothing() {
    let Some(folder) = recorded("claude-code") else { return };
    let scene = Scene::new();
    let first = import(&scene, &folder);
    assert!(first.as_array().unwrap().iter().all(|line| line["result"] == "imported"));
    let before = scene.run(&["events", DAY]).fine();
    let second = import(&scene, &folder);
    assert!(second.as_array().unwrap().iter().all(|line| line["result"] == "unchanged"), "{second}");
    assert_eq!(scene.run(&["events", DAY]).fine(), before);
}

#[test]
fn a_file_that_grew_adds_a_run() {
    let Some(whole) = recorded("claude-code/tool_heavy.jsonl") else { return };
    let scene = Scene::new();
    let part = beginning(&scene, &whole, 25);
    let id = import(&scene, &part)[0]["sessionId"].as_str().unwrap().to_owned();
    let before = scene.run(&["events", &id]).fine();
    std::fs::copy(&whole, &part).unwrap();
    assert_eq!(import(&scene, &part)[0]["result"], "extended");
    let after = scene.run(&["events", &id]).fine();
    assert!(after.starts_with(&before));
    assert_eq!(scene.show(&id)["runs"].as_array().unwrap().len(), 2);
    let other = Scene::new();
    import(&other, &whole);
    let count = |scene: &Scene, what: &str| scene.show(&id)["summary"][what].clone();
    for what in ["totalToolCalls", "totalGenerations", "totalTokens", "status"] {
        assert_eq!(count(&scene, what), count(&other, what), "{what}");
    }
}

#[test]
fn a_file_that_is_another_one_now_is_refused() {
    let Some(whole) = recorded("claude-code/tool_heavy.jsonl") else { return };
    let scene = Scene::new();
    let part = beginning(&scene, &whole, 25);
    let id = import(&scene, &part)[0]["sessionId"].as_str().unwrap().to_owned();
    let before = scene.run(&["events", &id]).fine();
    beginning(&scene, &whole, 10);
    let said = scene.run(&["import", "claude-code", part.to_str().unwrap()]).failed(1);
    assert!(said.contains("first 25 lines") && said.contains("prune"), "{said}");
    assert_eq!(scene.run(&["events", &id]).fine(), before);
}

/// An import that was killed: a session that imports alone have written, without a checkpoint.
fn cut_off(scene: &Scene, id: &str, reason: &str) {
    let store = tracewal::open(scene.store()).unwrap();
    let session = store.session(id).reason(reason).start().unwrap();
    session.note("half", None).unwrap();
    session.crash("killed").unwrap();
}

#[test]
fn an_import_that_was_cut_off_is_made_again() {
    let Some(whole) = recorded("claude-code/short.jsonl") else { return };
    let (scene, other) = (Scene::new(), Scene::new());
    let id = import(&other, &whole)[0]["sessionId"].as_str().unwrap().to_owned();
    cut_off(&scene, &id, "import");
    assert_eq!(import(&scene, &whole)[0]["result"], "imported");
    assert_eq!(scene.show(&id)["summary"], other.show(&id)["summary"]);
}

#[test]
fn a_session_that_an_import_did_not_make_is_never_removed() {
    let Some(whole) = recorded("claude-code/short.jsonl") else { return };
    let (scene, other) = (Scene::new(), Scene::new());
    let id = import(&other, &whole)[0]["sessionId"].as_str().unwrap().to_owned();
    cut_off(&scene, &id, "somebody else");
    let before = scene.run(&["events", &id]).fine();
    let said = scene.run(&["import", "claude-code", whole.to_str().unwrap()]).failed(1);
    assert!(said.contains("exists"), "{said}");
    assert_eq!(scene.run(&["events", &id]).fine(), before);
    // Also when an import began it, and somebody went on with it.
    let third = Scene::new();
    cut_off(&third, &id, "import");
    third.record(&["--session", &id], notes(1)).fine();
    third.run(&["import", "claude-code", whole.to_str().unwrap()]).failed(1);
    assert!(third.run(&["events", &id]).fine().contains("\"data\":0"));
}

#[test]
fn strict_says_which_lines_were_not_understood_and_keeps_them() {
    let scene = Scene::new();
    let file = scene.dir.path().join("odd.jsonl");
    std::fs::write(&file, "{\"type\":\"user\",\"sessionId\":\"odd\"}\nnot json\n").unwrap();
    let args = ["import", "claude-code", file.to_str().unwrap()];
    let said = scene.run(&[&args[..], &["--strict"]].concat()).failed(1);
    assert!(said.contains("1 line ") && said.contains("line 2"), "{said}");
    assert!(scene.run(&["events", "odd"]).fine().contains("not json"));
    scene.run(&args).fine();
}

#[test]
fn one_file_that_cannot_be_imported_does_not_keep_the_others_from_it() {
    let scene = Scene::new();
    let folder = scene.dir.path().join("transcripts");
    std::fs::create_dir(&folder).unwrap();
    for id in ["a", "b", "c"] {
        std::fs::write(
            folder.join(format!("{id}.jsonl")),
            format!("{{\"type\":\"user\",\"sessionId\":\"{id}\"}}\n"),
        )
        .unwrap();
    }
    scene.record(&["--session", "b"], notes(1)).fine();
    let said = scene.run(&["import", "claude-code", folder.to_str().unwrap()]).failed(1);
    assert!(said.contains("b.jsonl"), "{said}");
    assert_eq!((scene.status("a").as_str(), scene.status("c").as_str()), ("completed", "completed"));
}

#[test]
fn an_independent_reader_reads_the_same_events() {
    let Some(folder) = recorded("claude-code") else { return };
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/spec/read_log.py");
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let scene = Scene::new();
    scene.run(&["import", "claude-code", folder.to_str().unwrap()]).fine();
    for session in json(&scene.run(&["ls", "--json", "--all"]).fine()).as_array().unwrap() {
        let id = session["sessionId"].as_str().unwrap();
        let log = scene.run(&["path", id, "--log"]).fine();
        let read = Command::new("python3").arg(&reader).arg(log.trim()).output().unwrap();
        assert!(read.status.success());
        assert!(scene.run(&["events", id]).fine().into_bytes() == read.stdout, "{id}");
    }
}
