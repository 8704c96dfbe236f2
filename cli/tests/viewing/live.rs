//! A session that is recorded while somebody looks, and killed.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::browser::{Stream, Viewer};
use crate::support::{Scene, json};

/// A recorder that is told event by event, and says when each is safe.
struct Recorder {
    child: Child,
    input: std::process::ChildStdin,
    acks: BufReader<std::process::ChildStdout>,
}

impl Recorder {
    fn start(scene: &Scene) -> Self {
        let mut child = scene.spawn(&["record", "--session", "live", "--ack"]);
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Recorder { child, input, acks: BufReader::new(output) }
    }

    /// Its sequence number.
    fn write(&mut self, event: &str) -> u64 {
        writeln!(self.input, "{event}").unwrap();
        let mut ack = String::new();
        self.acks.read_line(&mut ack).unwrap();
        json(&ack)["seq"].as_u64().unwrap()
    }
}

/// Reads changes until one is as wanted.
fn until(stream: &mut Stream, seen: &mut Vec<Value>, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let (name, change) = stream.next();
        assert_eq!(name, "changed");
        seen.push(change.clone());
        if wanted(&change) {
            return change;
        }
    }
}

#[test]
fn what_is_recorded_comes_by_itself_and_a_killed_writer_is_known_within_a_second() {
    let scene = Scene::new();
    let mut recorder = Recorder::start(&scene);
    recorder.write(r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat"}"#);
    let viewer = Viewer::start(&scene, &[]);
    let summary = viewer.json("api/s/~live/summary");
    assert_eq!((&summary["status"], &summary["writer"]), (&"running".into(), &"alive".into()));
    assert_eq!(summary["crash"], Value::Null);
    let mut stream =
        viewer.listen(&format!("api/s/~live/live?version={}", summary["version"].as_u64().unwrap()));
    let mut seen = Vec::new();
    until(&mut stream, &mut seen, |_| true);

    let begun = Instant::now();
    recorder.write(r#"{"type":"span-started","spanId":"t","parentSpanId":"g","kind":"tool","name":"bash","input":{"command":"make"}}"#);
    let change = until(&mut stream, &mut seen, |change| change["spans"] == 3);
    let seen_after = begun.elapsed();
    let bars: Vec<&Value> = change["skeleton"].as_array().unwrap().iter().collect();
    assert!(bars.iter().any(|bar| (bar[0] == 2) && bar[1] == 1 && bar[4] == 2 && bar[5] == 3), "{bars:?}");
    recorder.write(r#"{"type":"span-ended","spanId":"t","output":"ok"}"#);
    let last = recorder.write(r#"{"type":"span-text","spanId":"g","text":"half a sen"}"#);
    until(&mut stream, &mut seen, |change| change["logEntries"] == last);

    let killed = Instant::now();
    recorder.child.kill().unwrap();
    let change = until(&mut stream, &mut seen, |change| change["status"] == "crashed");
    let known_after = killed.elapsed();
    recorder.child.wait().unwrap();
    assert_eq!(change["writer"], "dead");
    let crashed = change;
    // What is known at once is recorded then.
    if crashed["unrecorded"] == true {
        until(&mut stream, &mut seen, |change| change["unrecorded"] == false);
    }
    // Nothing has to be loaded again: what was open is interrupted now, and no more has changed.
    assert!(seen.iter().all(|change| change["reset"] == false), "{seen:?}");
    let bars: Vec<(u64, u64)> = crashed["skeleton"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| (bar[0].as_u64().unwrap(), bar[5].as_u64().unwrap()))
        .collect();
    assert_eq!(bars, [(0, 2), (1, 2)]);
    let versions: Vec<u64> = seen.iter().map(|change| change["version"].as_u64().unwrap()).collect();
    assert!(versions.is_sorted(), "{versions:?}");

    let summary = viewer.json("api/s/~live/summary");
    let crash = &summary["crash"];
    assert_eq!(crash["open"], serde_json::json!([1]));
    assert_eq!(crash["lastEvent"]["seq"], last);
    assert_eq!(crash["lastEvent"]["type"], "span-text");
    assert_eq!(crash["foundBy"], "recovery");
    assert_eq!(summary["counts"]["errors"], 0);
    assert_eq!(summary["counts"]["interrupted"], 1);
    assert!(summary["sentences"]["ending"].as_str().unwrap().contains("vanished"), "{summary}");
    println!(
        "an event was seen after {} ms, the death of its writer known after {} ms, after {} changes",
        seen_after.as_millis(),
        known_after.as_millis(),
        seen.len()
    );
    assert!(known_after < Duration::from_secs(1), "{known_after:?}");
    assert_eq!(scene.status("live"), "crashed");
}

#[test]
fn the_list_says_what_comes_and_changes_and_goes() {
    let scene = Scene::new();
    let mut recorder = Recorder::start(&scene);
    recorder.write(r#"{"type":"note","name":"n"}"#);
    let viewer = Viewer::start(&scene, &[]);
    let list = viewer.json("api/sessions");
    assert_eq!(list["sessions"][0]["status"], "running");
    assert_eq!(list["sessions"][0]["live"], true);
    let mut stream = viewer.listen(&format!("api/live?version={}", list["version"]));
    scene.record(&["--session", "other", "--end", "completed"], crate::support::notes(1)).fine();
    let mut rows: Vec<Value> = Vec::new();
    let mut read_until = |wanted: &dyn Fn(&Value) -> bool| loop {
        let (name, change) = stream.next();
        assert_eq!(name, "sessions");
        rows.extend(change["changed"].as_array().unwrap().iter().cloned());
        if wanted(&change) {
            return rows.clone();
        }
    };
    let has = |change: &Value, id: &str, status: &str| {
        let rows = change["changed"].as_array().unwrap();
        rows.iter().any(|row| row["id"] == *id && row["status"] == *status)
    };
    read_until(&|change| has(change, "other", "completed"));
    recorder.child.kill().unwrap();
    recorder.child.wait().unwrap();
    read_until(&|change| has(change, "live", "crashed"));
    scene.run(&["prune", "--keep", "1"]).fine();
    read_until(&|change| !change["gone"].as_array().unwrap().is_empty());
}

#[test]
fn a_writer_that_closes_or_ends_is_not_called_dead_and_one_that_comes_back_is_followed() {
    let scene = Scene::new();
    let first = r#"{"type":"note","name":"first"}"#;
    scene.record(&["--session", "live"], format!("{first}\n")).fine();
    let viewer = Viewer::start(&scene, &[]);
    let summary = viewer.json("api/s/~live/summary");
    assert_eq!((&summary["status"], &summary["writer"]), (&"running".into(), &"none".into()));
    let mut stream = viewer.listen("api/s/~live/live");
    let mut seen = Vec::new();
    until(&mut stream, &mut seen, |change| change["writer"] == "none");
    let mut recorder = Recorder::start(&scene);
    recorder.write(first);
    until(&mut stream, &mut seen, |change| change["writer"] == "alive");
    recorder.write(r#"{"type":"session-ended","status":"completed"}"#);
    drop(recorder.input);
    recorder.child.wait().unwrap();
    let change = until(&mut stream, &mut seen, |change| change["writer"] == "none");
    assert_eq!(change["status"], "completed");
    assert!(seen.iter().all(|change| change["reset"] == false), "{seen:?}");
}
