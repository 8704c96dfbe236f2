//! `search` finds what the logs say, whatever became of its index.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json as value};
use support::{Scene, copy_folder, flip, json};

fn line(event: Value) -> String {
    format!("{event}\n")
}

/// A session that was asked something, ran a tool and failed.
fn story(prompt: &str, command: &str, output: &str, error: &str) -> String {
    [
        value!({"type": "session-started", "time": 1000, "rootSpanId": "root", "name": "run",
                "metadata": {"title": "a story", "prompt": prompt, "model": "claude-opus-4-6", "agent": "build"}}),
        value!({"type": "span-started", "time": 2000, "spanId": "t1", "kind": "tool", "name": "bash",
                "input": {"command": command, "timeout": 120}}),
        value!({"type": "span-ended", "time": 3000, "spanId": "t1", "status": "error", "output": output,
                "statusMessage": error}),
    ]
    .map(line)
    .concat()
}

fn search(scene: &Scene, args: &[&str]) -> Value {
    json(&scene.run(&[&["search", "--json"][..], args].concat()).fine())
}

/// Session, span and field of each hit.
fn found(scene: &Scene, args: &[&str]) -> Vec<String> {
    let hits = search(scene, args);
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap_or("-").to_owned();
    let one =
        |hit: &Value| format!("{} {} {}", text(hit, "sessionId"), text(hit, "spanId"), text(hit, "field"));
    hits["hits"].as_array().unwrap().iter().map(one).collect()
}

fn index(scene: &Scene) -> PathBuf {
    scene.store().join("search/sessions.sqlite")
}

#[test]
fn prompts_inputs_outputs_and_errors_are_found() {
    let scene = Scene::new();
    let events = story("Why does CI fail?", "make \"test\"", "1 test failed\nin 3 s", "exit status 2");
    scene.record(&["--session", "one", "--end", "error"], events).fine();
    assert_eq!(found(&scene, &["why does ci"]), ["one root prompt"]);
    assert_eq!(found(&scene, &["MAKE \"TEST\""]), ["one t1 input"]);
    assert_eq!(found(&scene, &["timeout: 120"]), ["one t1 input"]);
    assert_eq!(found(&scene, &["failed\nin"]), ["one t1 output"]);
    assert_eq!(found(&scene, &["exit status"]), ["one t1 message"]);
    assert_eq!(found(&scene, &["a story"]), ["one root title"]);
    assert_eq!(found(&scene, &["--regex", "^in \\d s$"]), ["one t1 output"]);
    assert_eq!(found(&scene, &["--regex", "exit (code|status) [0-9]"]), ["one t1 message"]);
    assert_eq!(found(&scene, &["2"]), ["one t1 input", "one t1 message"], "too short for the index");
    assert!(found(&scene, &["no such thing"]).is_empty());
    assert!(found(&scene, &["--regex", "EXIT STATUS"]).is_empty(), "an expression says itself what case is");
    let hit = &search(&scene, &["test FAILED"])["hits"][0];
    assert_eq!(
        (&hit["before"], &hit["match"], &hit["after"]),
        (&value!("1 "), &value!("test failed"), &value!("\nin 3 s"))
    );
    assert_eq!((&hit["kind"], &hit["name"], &hit["seq"]), (&value!("tool"), &value!("bash"), &value!(4)));
    let shown = scene.run(&["search", "exit status"]).fine();
    assert!(shown.contains("tool bash message") && shown.contains("exit status 2"), "{shown}");
    assert!(shown.contains("1 hit in 1 session") && shown.contains("tracewal show one"), "{shown}");
    assert!(shown.contains("tracewal view one opens it"), "{shown}");
}

#[test]
fn what_was_streamed_in_pieces_is_one_text() {
    let scene = Scene::new();
    let words = "The quick brown fox jumps over the lazy dog, ünïcödé. ";
    let text = words.repeat(6_000) + "a needle at the very end";
    let mut events =
        line(value!({"type": "span-started", "spanId": "g", "kind": "generation", "name": "chat"}));
    for piece in text.as_bytes().chunks(997) {
        let piece = String::from_utf8_lossy(piece);
        events += &line(value!({"type": "span-text", "spanId": "g", "text": piece}));
    }
    scene.record(&["--session", "long"], &events).fine();
    assert_eq!(found(&scene, &["needle at the very"]), ["long g text"]);
    // Each of them once, wherever the text is cut for the index.
    let matches = |args: &[&str]| -> u64 {
        search(&scene, args)["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["matches"].as_u64().unwrap())
            .sum()
    };
    let count = matches(&["quick brown fox jumps over"]);
    let cut = text
        .as_bytes()
        .chunks(997)
        .map(|piece| String::from_utf8_lossy(piece).into_owned())
        .collect::<String>();
    assert_eq!(count, u64::try_from(cut.matches("quick brown fox jumps over").count()).unwrap());
}

#[test]
fn case_is_that_of_all_languages() {
    let scene = Scene::new();
    let events = story("STRASSE und Straße", "GRÜSSE ΣΊΣΥΦΟΣ", "日本語のテスト", "Ошибка: ДОСТУП");
    scene.record(&["--session", "one"], events).fine();
    for (text, field) in [
        ("straße", "prompt"),
        ("grüsse", "input"),
        ("σίσυφος", "input"),
        ("本語の", "output"),
        ("日本", "output"),
        ("ошибка: доступ", "message"),
    ] {
        let hits = found(&scene, &[text]);
        assert!(hits.iter().any(|hit| hit.ends_with(field)), "{text}: {hits:?}");
    }
}

#[test]
fn filters_are_those_of_ls() {
    let scene = Scene::new();
    scene.record(&["--session", "bad", "--end", "error"], story("x needle", "a", "b", "c")).fine();
    scene.record(&["--session", "good", "--end", "completed"], story("y needle", "a", "b", "c")).fine();
    let all = ["bad root prompt", "good root prompt"];
    let mut both = found(&scene, &["needle"]);
    both.sort();
    assert_eq!(both, all);
    assert_eq!(found(&scene, &["needle", "--status", "error"]), ["bad root prompt"]);
    assert_eq!(found(&scene, &["needle", "--model", "claude", "--agent", "build"]).len(), 2);
    assert!(found(&scene, &["needle", "--model", "gpt"]).is_empty());
    assert!(found(&scene, &["needle", "--since", "1h"]).is_empty(), "they began in 1970");
    assert_eq!(found(&scene, &["needle", "--until", "1970-01-02"]).len(), 2);
    assert_eq!(found(&scene, &["needle", "--limit", "1"]).len(), 1);
    assert_eq!(search(&scene, &["needle", "--limit", "1"])["limitReached"], true);
    assert_eq!(search(&scene, &["needle", "--limit", "2"])["limitReached"], false);
}

#[test]
fn what_changed_since_is_found() {
    let scene = Scene::new();
    scene.record(&["--session", "one"], story("first", "a", "b", "c")).fine();
    assert_eq!(found(&scene, &["first"]).len(), 1);
    let more = line(value!({"type": "note", "name": "n", "data": "a second thought"}));
    scene.record(&["--session", "one"], &more).fine();
    scene.record(&["--session", "two"], story("another first", "a", "b", "c")).fine();
    assert_eq!(found(&scene, &["second thought"]), ["one - note"]);
    assert_eq!(found(&scene, &["first"]).len(), 2);
    scene.run(&["prune", "--keep", "0"]).fine();
    assert!(found(&scene, &["first"]).is_empty());
    scene.record(&["--session", "one"], story("reborn", "a", "b", "c")).fine();
    assert_eq!(found(&scene, &["reborn"]), ["one root prompt"]);
    assert!(found(&scene, &["first"]).is_empty());
}

#[test]
fn a_session_that_is_open_is_searched_up_to_now() {
    let scene = Scene::new();
    scene.record(&["--session", "done"], story("needle", "a", "b", "c")).fine();
    let mut child = scene.spawn(&["record", "--session", "open", "--ack"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut acknowledge = |text: &str| {
        stdin.write_all(line(value!({"type": "note", "name": "n", "data": text})).as_bytes()).unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 9]).unwrap();
    };
    acknowledge("a needle");
    assert_eq!(found(&scene, &["needle"]).len(), 2);
    acknowledge("a haystack");
    assert_eq!(found(&scene, &["haystack"]), ["open - note"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found(&scene, &["haystack"]), ["open - note"], "and afterwards");
}

#[test]
fn whatever_is_in_the_way_of_the_index_nothing_is_missed() {
    let scene = Scene::new();
    for id in ["one", "two", "three"] {
        scene
            .record(&["--session", id], story(&format!("needle {id}"), "ls", "some output", "no error"))
            .fine();
    }
    let all = found(&scene, &["needle"]);
    assert_eq!(all.len(), 3);
    let file = index(&scene);
    let whole = std::fs::read(&file).unwrap();
    let put = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap();
    // Garbage, nothing, a half, another database, a version that is not known.
    for bytes in [&b"garbage"[..], b"", &[0; 4096], &whole[..whole.len() / 2], &whole[..100], &[0xff; 70_000]]
    {
        put(bytes);
        assert_eq!(found(&scene, &["needle"]), all, "{} bytes", bytes.len());
        assert_eq!(found(&scene, &["needle"]), all, "{} bytes, again", bytes.len());
    }
    let mut newer = std::fs::read(&file).unwrap();
    newer[63] ^= 2;
    put(&newer);
    assert_eq!(found(&scene, &["needle"]), all, "of another version");
    std::fs::write(file.with_file_name("sessions.sqlite-journal"), b"not a journal").unwrap();
    assert_eq!(found(&scene, &["needle"]), all, "beside a journal that is none");
    std::fs::remove_dir_all(scene.store().join("search")).unwrap();
    assert_eq!(found(&scene, &["needle"]), all, "removed");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(found(&scene, &["needle"]), all, "a folder in its place");
    std::fs::remove_dir_all(scene.store().join("search")).unwrap();
    std::fs::write(scene.store().join("search"), b"a file").unwrap();
    let ran = scene.run(&["search", "needle", "--json"]);
    assert!(ran.err.contains("there is no index, so every log is read"), "{ran:?}");
    assert_eq!(json(&ran.fine())["hits"].as_array().unwrap().len(), 3);
}

/// Each page of the index damaged in turn: what is found is true, and after one more search (or a removal) nothing is missing.
#[test]
fn a_damaged_index_makes_nothing_up() {
    let scene = Scene::new();
    for n in 0..8 {
        let id = format!("session-{n}");
        scene
            .record(&["--session", &id], story(&format!("needle {n}"), "ls", &"words ".repeat(3_000), ""))
            .fine();
    }
    let all = found(&scene, &["needle"]);
    let file = index(&scene);
    let whole = std::fs::read(&file).unwrap();
    for page in 0..whole.len() / 4_096 {
        for at in [0, 7, 2_000, 4_090] {
            let mut damaged = whole.clone();
            damaged[page * 4_096 + at] ^= 0x55;
            std::fs::write(&file, &damaged).unwrap();
            let hits = found(&scene, &["needle"]);
            assert!(hits.iter().all(|hit| all.contains(hit)), "page {page} at {at}: {hits:?}");
        }
    }
    std::fs::remove_dir_all(scene.store().join("search")).unwrap();
    assert_eq!(found(&scene, &["needle"]), all);
}

#[test]
fn two_at_once_and_one_that_is_killed_find_the_same() {
    let scene = Scene::new();
    for n in 0..40 {
        let id = format!("s{n}");
        scene
            .record(
                &["--session", &id],
                story(&format!("needle {n}"), "ls", &format!("{n} words ").repeat(20_000), ""),
            )
            .fine();
    }
    let spawn = || {
        scene
            .command(&["search", "needle", "--json", "--all"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Killed as soon as there is a folder, a lock, a file, something in it, and a journal of what is being written.
    let folder = scene.store().join("search");
    for sign in ["", "lock", "sessions.sqlite", "sessions.sqlite-journal"] {
        let mut child = spawn();
        while !folder.join(sign).exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert_eq!(found(&scene, &["needle", "--all"]).len(), 40);
    std::fs::remove_dir_all(scene.store().join("search")).unwrap();
    let children: Vec<_> = (0..4).map(|_| spawn()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let hits = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(hits["hits"].as_array().unwrap().len(), 40);
    }
    assert_eq!(found(&scene, &["needle", "--all"]).len(), 40);
}

#[test]
fn a_damaged_session_is_searched_as_far_as_it_can_be_read() {
    let scene = Scene::new();
    let note = |n: u32| line(value!({"type": "note", "name": "n", "data": format!("needle {n}")}));
    scene.record(&["--session", "hurt", "--end", "completed"], (0..100).map(note).collect::<String>()).fine();
    scene.record(&["--session", "gone"], note(0)).fine();
    std::fs::write(scene.store().join("sessions/gone/1.wal"), [b'x'; 9_000]).unwrap();
    let (file, offset, length) = scene.record_of("hurt", 50);
    flip(&file, offset + 24 + length - 1);
    assert_eq!(found(&scene, &["needle", "--all"]).len(), 99);
    scene.run(&["repair", "hurt"]).fine();
    assert_eq!(found(&scene, &["needle", "--all"]).len(), 99);
}

#[test]
fn hostile_text_and_patterns_do_no_harm() {
    let scene = Scene::new();
    let nasty = "\u{1b}[31m\u{202e}evil\u{0}\" OR 1=1; -- * ( NEAR \r\n\t'";
    scene.record(&["--session", "a/b\u{1b}c"], story(nasty, nasty, nasty, nasty)).fine();
    assert_eq!(found(&scene, &["\" OR 1=1; -- * ( NEAR"]).len(), 4);
    let shown = scene.run(&["search", "evil"]).fine();
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    for regex in ["x*", "", "^$", "(|a)*", "[^\\x00-\\x{10FFFF}]", "(?s).*", "a{0}", "\\b\\B"] {
        let hits = found(&scene, &["--regex", regex]);
        assert!(hits.len() <= 20, "{regex}: {hits:?}");
    }
    assert!(found(&scene, &["--regex", "^$"]).is_empty(), "a match of nothing is none");
    for (args, code) in [(&["search", "--regex", "("][..], 1), (&["search", ""], 1)] {
        scene.run(args).failed(code);
    }
    assert_eq!(scene.run(&["search"]).code, 2);
    assert_eq!(scene.run(&["search", "a", "--regex", "b"]).code, 2);
}

#[test]
fn a_huge_value_is_searched_in_its_beginning() {
    let scene = Scene::new();
    let words = "many words and no data, ".repeat((9 << 20) / 24);
    let huge = format!("early needle {words} late needle");
    let data = "QUJD".repeat(1 << 20);
    let events = [
        line(value!({"type": "note", "name": "huge", "data": huge})),
        line(
            value!({"type": "note", "name": "data", "data": {"png": data, "caption": "a picture of a cat"}}),
        ),
    ];
    scene.record(&["--session", "huge"], events.concat()).fine();
    assert_eq!(found(&scene, &["early needle"]), ["huge - note"]);
    assert!(found(&scene, &["late needle"]).is_empty());
    assert_eq!(found(&scene, &["picture of a cat"]), ["huge - note"]);
    let size = std::fs::metadata(index(&scene)).unwrap().len();
    assert!(size < 2 << 20, "{size}");
}

#[cfg(unix)]
#[test]
fn a_store_that_may_not_be_written_has_its_index_elsewhere() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let scene = Scene::new();
    scene.record(&["--session", "one"], story("needle", "a", "b", "c")).fine();
    let (copy, cache) = (scene.dir.path().join("copy"), scene.dir.path().join("cache"));
    copy_folder(&scene.store(), &copy);
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(scene.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Rights do not stop root: then somebody else searches.
    let somebody = (std::fs::metadata(&copy).unwrap().uid() == 0).then_some(65_534);
    let mut all = vec![copy.clone(), cache.clone()];
    while let Some(path) = all.pop() {
        if path.is_dir() {
            all.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        chown(&path, somebody, somebody).unwrap();
        let mode = if path.starts_with(&cache) { 0o700 } else { 0o500 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let search = |cache: &std::path::Path| {
        let mut command = support::command_on(&copy, &["search", "needle", "--json"]);
        command.env("XDG_CACHE_HOME", cache).stdin(Stdio::null());
        if let Some(id) = somebody {
            command.uid(id).gid(id);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let hits = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(hits["hits"].as_array().unwrap().len(), 1);
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!((search(&cache), search(&cache)), (String::new(), String::new()));
    assert!(!copy.join("search").exists());
    let kept = std::fs::read_dir(cache.join("tracewal/search")).unwrap().next().unwrap().unwrap().path();
    assert!(kept.join("sessions.sqlite").exists());
    assert_eq!(std::fs::metadata(kept.join("sessions.sqlite")).unwrap().mode() & 0o777, 0o600);
    // And nowhere, where there is no place for it.
    assert!(search(&copy.join("nowhere")).contains("so every log is read"));
    for folder in [&copy, &copy.join("sessions"), &copy.join("sessions/one")] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}
