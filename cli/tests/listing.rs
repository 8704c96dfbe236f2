//! `ls` with the store's index, without it, and with one that has to be made anew: it says the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{Read, Write};

use serde_json::Value;
use support::{Scene, flip, json, notes};

const FILTERS: [&str; 4] = ["running", "completed", "error", "crashed"];

/// Sessions of every kind: ended in each way, killed and found, damaged, unreadable, with an id that is no name, and one that is open.
fn every_kind(scene: &Scene) -> std::process::Child {
    for (id, end) in [("done", "completed"), ("a/b.c", "completed"), ("failed", "error")] {
        scene.record(&["--session", id, "--end", end], notes(3)).fine();
    }
    let title =
        "{\"type\":\"session-started\",\"metadata\":{\"title\":\"a \\\"title\\\"\",\"agent\":\"build\"}}\n";
    scene.record(&["--session", "closed"], title).fine();
    let crashed = "{\"type\":\"crashed\",\"reason\":\"out of luck\",\"time\":1000}\n";
    scene.record(&["--session", "crashed"], crashed).fine();
    scene.record(&["--session", "hurt", "--end", "completed"], notes(100)).fine();
    let (file, offset, length) = scene.record_of("hurt", 50);
    flip(&file, offset + 24 + length - 1);
    scene.record(&["--session", "gone"], notes(1)).fine();
    std::fs::write(scene.store().join("sessions/gone/1.wal"), [b'x'; 9_000]).unwrap();
    let mut killed = held(scene, "killed");
    killed.kill().unwrap();
    killed.wait().unwrap();
    scene.run(&["recover"]).fine();
    held(scene, "open")
}

/// A session of which an event has been acknowledged.
fn held(scene: &Scene, id: &str) -> std::process::Child {
    let mut child = scene.spawn(&["record", "--session", id, "--ack"]);
    child.stdin.as_mut().unwrap().write_all(notes(1).as_bytes()).unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 9]).unwrap();
    child
}

fn listed(scene: &Scene, more: &[&str]) -> Value {
    let args = [&["ls", "--json", "--all"][..], more].concat();
    json(&scene.run(&args).fine())
}

#[test]
fn it_says_the_same_with_and_without_its_index() {
    let scene = Scene::new();
    let mut open = every_kind(&scene);
    let without = |more: &[&str]| {
        let _ = std::fs::remove_dir_all(scene.store().join("index"));
        listed(&scene, more)
    };
    let all = without(&[]);
    assert_eq!(all.as_array().unwrap().len(), 9);
    let of = |id: &str| all.as_array().unwrap().iter().find(|line| line["sessionId"] == id).unwrap();
    assert_eq!((&of("hurt")["lostEvents"], &of("gone")["status"]), (&1.into(), &"?".into()));
    assert_eq!((&of("open")["live"], &of("closed")["title"]), (&true.into(), &"a \"title\"".into()));
    assert_eq!(of("crashed")["error"], "out of luck");
    assert_eq!(of("killed")["status"], "crashed");
    assert_eq!(listed(&scene, &[]), all, "from the index");
    assert_eq!(listed(&scene, &["--fresh"]), all);
    assert_eq!(listed(&scene, &[]), all, "from one that was made anew");
    for status in FILTERS {
        let wanted = ["--status", status];
        let expected: Vec<&Value> =
            all.as_array().unwrap().iter().filter(|line| line["status"] == status).collect();
        assert!(!expected.is_empty());
        assert_eq!(serde_json::to_value(&expected).unwrap(), listed(&scene, &wanted), "{status}");
        assert_eq!(without(&wanted), listed(&scene, &wanted), "{status}");
    }
    let table = scene.run(&["ls"]).fine();
    assert!(table.contains("completed, 1 lost") && table.contains("a/b.c"), "{table}");
    open.kill().unwrap();
    open.wait().unwrap();
}

#[test]
fn a_damaged_index_is_made_anew_and_nobody_is_told() {
    let scene = Scene::new();
    for id in ["one", "two", "three"] {
        scene.record(&["--session", id, "--end", "completed"], notes(2)).fine();
    }
    let all = listed(&scene, &[]);
    let index = scene.store().join("index");
    for file in std::fs::read_dir(&index).unwrap().map(|file| file.unwrap().path()) {
        for at in [0, 9, 40, 90, 200, std::fs::metadata(&file).unwrap().len() - 1] {
            let whole = std::fs::read(&file).unwrap();
            flip(&file, at.min(u64::try_from(whole.len()).unwrap() - 1));
            assert_eq!(listed(&scene, &[]), all, "{} at {at}", file.display());
            if !file.exists() {
                break;
            }
        }
    }
    assert_eq!(listed(&scene, &["--status", "completed"]), all);
}
