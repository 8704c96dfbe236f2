//! `tracewal export`, and `tracewal import` of what it writes: what comes back is what was there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "../../exchange/tests/support/torture.rs"]
mod torture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{Ran, Scene, command_on, json, recorded, run_on};

/// A member of an object, as it is spelled: values may be what no parser holds.
type Members = BTreeMap<String, Box<serde_json::value::RawValue>>;

fn members(json: &str) -> Members {
    serde_json::from_str(json).unwrap()
}

fn elements(json: &str) -> Vec<Members> {
    serde_json::from_str(json).unwrap()
}

/// A trace, without what speaks of its log.
fn trace(store: &Path, session: &str) -> (Members, Vec<Members>) {
    let mut document = members(&run_on(store, &["show", "--json", "--", session]).fine());
    for key in ["runs", "wal", "close", "incidents", "crash"] {
        document.remove(key);
    }
    let spans = elements(document.remove("spans").unwrap().get());
    (document, spans)
}

fn same(what: &str, a: &Members, b: &Members) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}");
    for (key, value) in a {
        assert_eq!(value.get(), b[key].get(), "{what}: {key}");
    }
}

fn export(store: &Path, format: &str, session: &str, to: &Path) {
    run_on(store, &["export", format, "-o", to.to_str().unwrap(), "--", session]).fine();
}

fn import(store: &Path, format: &str, from: &Path) -> Ran {
    run_on(store, &["import", format, "--json", from.to_str().unwrap()])
}

/// The store, its folder beside it for files, and all of its sessions.
fn stores() -> Vec<(Scene, Vec<String>)> {
    let torture = Scene::new();
    torture::make(&torture.store(), 300, 100_000);
    let mut stores = vec![(torture, vec![torture::ID.to_owned()])];
    for source in ["claude-code", "codex"] {
        if let Some(folder) = recorded(source) {
            let scene = Scene::new();
            scene.run(&["import", source, folder.to_str().unwrap()]).fine();
            let listed = json(&scene.run(&["ls", "--all", "--json"]).fine());
            let ids = listed.as_array().unwrap().iter();
            let ids = ids.map(|row| row["sessionId"].as_str().unwrap().to_owned()).collect();
            stores.push((scene, ids));
        }
    }
    stores
}

/// Spans of a run that has ended, which nobody ended: their tools have no duration, and get one when they are imported as ended.
fn without_duration(spans: &mut [Members]) {
    for span in spans.iter_mut().filter(|span| span.contains_key("interrupted")) {
        span.remove("tool");
    }
}

#[test]
fn what_is_exported_and_imported_again_is_what_it_was() {
    for (scene, sessions) in stores() {
        let is_torture = sessions[0] == torture::ID;
        for session in &sessions {
            for (format, as_format, name) in [
                ("json", "json", "x.json"),
                ("otlp", "otlp", "y.json"),
                ("otlp-proto", "otlp", "z.pb"),
                ("openinference", "otlp", "o.json"),
            ] {
                let dir = tempfile::tempdir().unwrap();
                let (copy, file) = (dir.path().join("copy"), dir.path().join(name));
                export(&scene.store(), format, session, &file);
                import(&copy, as_format, &file).fine();
                let (mut a, mut spans_a) = trace(&scene.store(), session);
                let (mut b, mut spans_b) = trace(&copy, session);
                assert_eq!(spans_a.len(), spans_b.len(), "{format} {session}");
                if is_torture {
                    // What follows from the durations of interrupted tools, and from an end to the nanosecond.
                    without_duration(&mut spans_a);
                    without_duration(&mut spans_b);
                    let [a, b] = [&mut a, &mut b].map(|of| members(of.remove("summary").unwrap().get()));
                    for key in ["status", "error", "tokens", "totalCost", "totalToolCalls"] {
                        assert_eq!(a[key].get(), b[key].get(), "{format} {key}");
                    }
                }
                same(&format!("{format} {session}"), &a, &b);
                for (a, b) in spans_a.iter().zip(&spans_b) {
                    same(&format!("{format} {session} {}", a["spanId"].get()), a, b);
                }
                if !is_torture {
                    let again = dir.path().join("again");
                    export(&copy, format, session, &again);
                    if format != "json" {
                        assert!(std::fs::read(&file).unwrap() == std::fs::read(&again).unwrap(), "{format}");
                    }
                }
                // Once more changes nothing.
                let before = run_on(&copy, &["events", "--", session]).fine();
                let again = json(&import(&copy, as_format, &file).fine());
                assert_eq!(again[0]["result"], "unchanged");
                assert_eq!(run_on(&copy, &["events", "--", session]).fine(), before);
            }
        }
    }
}

/// The events of an embedder, without their numbers and without the notes of an import.
fn embedders(lines: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines.lines() {
        let event = members(line);
        let kind = event.get("type").map_or("", |kind| kind.get());
        let name = event.get("name").map_or("", |name| name.get());
        let is_imports = kind == "\"note\"" && name.starts_with("\"import.");
        if event.contains_key("lost") || kind.starts_with("\"run-") || is_imports {
            continue;
        }
        // An embedder may append attributes that are no object, which a line may not say.
        let broken = event.get("attributes").is_some_and(|attributes| {
            !attributes.get().starts_with('{') || attributes.get().contains("tracewal.attributes")
        });
        let of_log = |key: &str| ["seq", "run", "slot"].contains(&key) || (broken && key == "attributes");
        let kept: Vec<String> = event
            .iter()
            .filter(|(key, _)| !of_log(key))
            .map(|(key, value)| format!("{key}={}", value.get()))
            .collect();
        found.push(kept.join(" "));
    }
    found
}

#[test]
fn events_come_back_in_runs_of_their_own() {
    for (scene, sessions) in stores() {
        for session in &sessions {
            let dir = tempfile::tempdir().unwrap();
            let (copy, file) = (dir.path().join("copy"), dir.path().join("copied.jsonl"));
            export(&scene.store(), "events", session, &file);
            let lines = std::fs::read_to_string(&file).unwrap();
            assert_eq!(lines, run_on(&scene.store(), &["events", "--", session]).fine());
            import(&copy, "events", &file).fine();
            let again = run_on(&copy, &["events", "copied"]).fine();
            assert_eq!(embedders(&again), embedders(&lines));
            let runs = |lines: &str| lines.matches("\"type\":\"run-started\"").count();
            let noted = again.matches("import.run-started").count();
            assert_eq!((runs(&again), noted), (runs(&lines), runs(&lines)));
            let (_, spans) = trace(&scene.store(), session);
            let (_, spans_again) = trace(&copy, "copied");
            assert_eq!(spans.len(), spans_again.len());
            for (a, b) in spans.iter().zip(&spans_again).filter(|(a, _)| a.contains_key("interrupted")) {
                // Open when their run ended, they ended with it, and not with the import.
                for key in ["endTime", "statusMessage", "interrupted"] {
                    assert_eq!(a[key].get(), b[key].get(), "{}", a["spanId"].get());
                }
            }
            let status = |store: &Path, session: &str| {
                let (document, _) = trace(store, session);
                members(document["summary"].get())["status"].get().to_owned()
            };
            assert_eq!(status(&scene.store(), session), status(&copy, "copied"));
            // Once more changes nothing; a file of the same name with more in it is another session's.
            assert_eq!(json(&import(&copy, "events", &file).fine())[0]["result"], "unchanged");
            std::fs::write(&file, lines + "{\"type\":\"note\",\"name\":\"more\"}\n").unwrap();
            assert_eq!(import(&copy, "events", &file).code, 1);
        }
    }
}

#[test]
fn a_file_that_is_wrong_in_the_middle_leaves_nothing_behind() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(3)).fine();
    let at = |name: &str| scene.dir.path().join(name);
    for (format, as_format, name) in
        [("json", "json", "a.json"), ("otlp", "otlp", "b.json"), ("otlp-proto", "otlp", "c.pb")]
    {
        export(&scene.store(), format, "s", &at(name));
        let whole = std::fs::read(at(name)).unwrap();
        for cut in [whole.len() / 2, whole.len() - 3] {
            std::fs::write(at(name), &whole[..cut]).unwrap();
            let copy = at("copy");
            assert_eq!(import(&copy, as_format, &at(name)).code, 1, "{name} cut at {cut}");
            assert_eq!(json(&run_on(&copy, &["ls", "--all", "--json"]).fine()).as_array().unwrap().len(), 0);
        }
    }
    std::fs::write(at("d.json"), r#"{"version":1,"traceId":"t","sessionId":"s","spans":[]}"#).unwrap();
    assert!(import(&at("copy"), "json", &at("d.json")).err.contains("schema version 1"));
}

#[test]
fn a_session_of_somebody_else_is_not_touched() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(3)).fine();
    let file = scene.dir.path().join("s.json");
    export(&scene.store(), "json", "s", &file);
    let before = scene.run(&["events", "s"]).fine();
    assert_eq!(import(&scene.store(), "json", &file).code, 1);
    assert_eq!(scene.run(&["events", "s"]).fine(), before);
}

#[test]
fn a_file_is_there_as_a_whole_or_not_at_all() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(3)).fine();
    let folder = scene.dir.path().join("out");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("t.csv");
    std::fs::write(&file, "old").unwrap();
    scene.run(&["export", "csv", "nobody", "-o", file.to_str().unwrap()]).failed(4);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    // A folder where the file should be: nothing is left of the attempt.
    let taken = folder.join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("x"), "x").unwrap();
    let error = scene.run(&["export", "csv", "s", "-o", taken.to_str().unwrap()]).failed(1);
    assert!(error.contains("taken"), "{error}");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [file.clone(), taken]);
    // A link stays, and leads to the new file.
    #[cfg(unix)]
    {
        let link = folder.join("link.csv");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        scene.run(&["export", "csv", "s", "-o", link.to_str().unwrap()]).fine();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("session_id,"));
        // What is no file is written to as it is.
        scene.run(&["export", "csv", "s", "-o", "/dev/null"]).fine();
    }
    assert_eq!(scene.run(&["export", "csv", "s", "-o", "-"]).fine(), std::fs::read_to_string(&file).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_no_binary() {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], support::notes(3)).fine();
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    let mut command = command_on(&scene.store(), &["export", "otlp-proto", "s"]);
    let ran = command.stdin(Stdio::null()).stdout(terminal).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("-o FILE"));
    let piped = command.stdout(Stdio::piped()).output().unwrap();
    assert!(piped.status.success() && piped.stdout.first() == Some(&0x0A));
}

#[test]
fn a_session_that_is_being_written_is_exported_as_it_stands() {
    let scene = Scene::new();
    let mut child = scene.spawn(&["record", "--session", "live", "--ack"]);
    let started = r#"{"type":"span-started","spanId":"a","kind":"tool","name":"bash"}"#;
    {
        use std::io::{BufRead, BufReader, Write};
        let stdin = child.stdin.as_mut().unwrap();
        writeln!(stdin, "{started}").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("seq"));
    }
    let otlp = json(&scene.run(&["export", "otlp", "live"]).fine());
    let spans = otlp["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    assert!(spans[1]["attributes"].to_string().contains("tracewal.span.open"));
    let traced = json(&scene.run(&["export", "perfetto", "live"]).fine());
    assert!(traced["traceEvents"].to_string().contains("\"open\":true"));
    drop(child.stdin.take());
    child.wait().unwrap();
}
