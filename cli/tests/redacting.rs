//! `tracewal redact`, and `--redact` on the way in and out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use support::{Scene, flip, json, recorded};

/// Put together here, so that no secret stands in a file.
fn token() -> String {
    format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6")
}

const PASSWORD: &str = "tr0ub4dor&3";

fn events() -> String {
    let token = token();
    let (one, two) = token.split_at(11);
    let lines = [
        format!(
            r#"{{"type":"session-started","metadata":{{"title":"with {token}","prompt":"ask me@example.org"}}}}"#
        ),
        r#"{"type":"span-started","spanId":"a","kind":"generation","name":"chat"}"#.to_owned(),
        format!(r#"{{"type":"span-text","spanId":"a","text":"it is {one}"}}"#),
        format!(r#"{{"type":"span-text","spanId":"a","text":"{two}, and"}}"#),
        format!(
            r#"{{"type":"span-ended","spanId":"a","output":{{"env":"DB_PASSWORD={PASSWORD}\n","n":1.50}}}}"#
        ),
    ];
    lines.map(|line| line + "\n").concat()
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], events()).fine();
    // A listing keeps titles and prompts.
    scene.run(&["ls"]).fine();
    scene
}

/// Which files below hold any of these.
fn files_with(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, secrets));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |secret: &&&str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        found.extend(secrets.iter().find(has).map(|secret| format!("{}: {secret}", path.display())));
    }
    found
}

#[test]
fn what_is_found_is_counted_and_never_shown() {
    let scene = scene();
    let token = token();
    let before = scene.run(&["events", "s"]).fine();
    let dry = scene.run(&["redact", "s", "--dry-run", "--list"]).fine();
    assert!(dry.contains("s: would replace 2 github-token, 1 password"), "{dry}");
    assert!(dry.contains("1 session-started title at 5: github-token, 40 bytes, behind \"with \""), "{dry}");
    assert!(!dry.contains(&token) && !dry.contains(PASSWORD), "{dry}");
    assert_eq!(scene.run(&["events", "s"]).fine(), before, "nothing was done");
    assert!(!scene.store().join("redaction.key").exists());

    let report = json(&scene.run(&["redact", "s", "--json"]).fine());
    assert_eq!(report["found"]["github-token"], 2);
    assert_eq!(report["changed"], true);
    let kept = report["kept"].as_str().unwrap().to_owned();
    assert!(kept.ends_with("s.original-0"), "{kept}");
    assert!(!files_with(Path::new(&kept), &[&token]).is_empty(), "the original is kept");
    let after = scene.run(&["events", "s"]).fine();
    assert_eq!(after.lines().count(), before.lines().count());
    assert!(after.contains("DB_PASSWORD=[redacted:password:"), "{after}");
    assert!(after.contains(r#""n":1.50"#), "what is no string stays as it was spelled");
    assert!(after.contains("me@example.org"), "nobody asked for it");
    assert_eq!(scene.run(&["verify"]).fine(), "");

    let second = scene.run(&["redact", "s"]).fine();
    assert_eq!(second, "s: nothing found\n");
    let gone = scene.run(&["redact", "--all", "--delete-original"]).fine();
    assert_eq!(gone, "s: nothing found; 1 older log removed\n");
    assert_eq!(files_with(&scene.store(), &[&token, &token[..11], PASSWORD]), [""; 0]);
    assert!(scene.run(&["ls"]).fine().contains("with [redacted:github-token:"));
    assert_eq!(scene.run(&["events", "s"]).fine(), after);
}

#[test]
fn equal_secrets_have_equal_markers_in_a_store_and_other_ones_in_another() {
    let marker = |scene: &Scene| {
        scene.run(&["redact", "--all"]).fine();
        let shown = scene.run(&["events", "s"]).fine();
        let from = shown.find("[redacted:github-token:").unwrap();
        let marker = &shown[from..from + "[redacted:github-token:0123456789ab]".len()];
        assert_eq!(shown.matches(marker).count(), 2, "{shown}");
        marker.to_owned()
    };
    assert_ne!(marker(&scene()), marker(&scene()));
}

#[test]
fn addresses_and_own_rules_are_found_when_asked_for() {
    let scene = scene();
    let rules = scene.dir.path().join("rules.toml");
    std::fs::write(&rules, "[[rules]]\nid = \"my-rule\"\nregex = '''and$'''\n").unwrap();
    let rules = rules.to_str().unwrap();
    let found =
        json(&scene.run(&["redact", "s", "--email", "--rules", rules, "--json"]).fine())["found"].clone();
    assert_eq!((found["email"].as_u64(), found["my-rule"].as_u64()), (Some(1), Some(1)), "{found}");
    assert!(!scene.run(&["events", "s"]).fine().contains("example.org"));
    std::fs::write(rules, "[[rules]]\nid = \"my-rule\"\nregex = '''(and'''\n").unwrap();
    let said = scene.run(&["redact", "s", "--rules", rules]).failed(1);
    assert!(said.contains("my-rule") && said.contains("unclosed"), "{said}");
}

#[test]
fn a_session_that_is_open_is_refused_and_the_others_are_not() {
    let scene = scene();
    let mut open = scene.spawn(&["record", "--session", "open", "--ack"]);
    let first = events().lines().next().unwrap().to_owned() + "\n";
    open.stdin.as_mut().unwrap().write_all(first.as_bytes()).unwrap();
    let mut acknowledged = String::new();
    BufReader::new(open.stdout.as_mut().unwrap()).read_line(&mut acknowledged).unwrap();
    let ran = scene.run(&["redact", "--all"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("is open in process"), "{ran:?}");
    assert!(ran.out.contains("s: replaced 2 github-token"), "{ran:?}");
    // Its events can be had without secrets all the same.
    let shown = scene.run(&["events", "open", "--redact"]).fine();
    assert!(shown.contains("with [redacted:github-token:") && !shown.contains(&token()), "{shown}");
    drop(open.stdin.take());
    open.wait().unwrap();
}

#[test]
fn what_is_lost_stays_told() {
    let scene = scene();
    let (file, offset, length) = scene.record_of("s", 3);
    flip(&file, offset + 24 + length - 1);
    let told = |text: &str| text.lines().filter(|line| line.contains("1 event is lost (3)")).count();
    assert_eq!(told(&scene.run(&["verify"]).out), 1);
    scene.run(&["redact", "s", "--delete-original"]).fine();
    assert_eq!(files_with(&scene.store(), &[&token(), PASSWORD]), [""; 0]);
    assert_eq!(told(&scene.run(&["show", "s"]).fine()), 1, "{}", scene.run(&["show", "s"]).fine());
    let events = scene.run(&["events", "s"]).fine();
    assert!(events.contains(r#""was":"damage""#), "{events}");
}

#[test]
fn an_import_leaves_secrets_behind_and_goes_on_later() {
    let Some(folder) = recorded("claude-code") else { return };
    let scene = Scene::new();
    let token = token();
    let from = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let from = from
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .min_by_key(|path| path.metadata().unwrap().len());
    let from = from.unwrap();
    let path = scene.dir.path().join(from.file_name().unwrap());
    // What somebody has said is another thing now.
    let text = std::fs::read_to_string(&from).unwrap();
    let planted = text.replacen("\"text\":\"", &format!("\"text\":\"{token} "), 1).replacen(
        "\"content\":\"",
        &format!("\"content\":\"DB_PASSWORD={PASSWORD} "),
        1,
    );
    assert_ne!(text, planted, "there is nothing to plant a secret in");
    std::fs::write(&path, &planted).unwrap();
    let import = || {
        let ran = scene.run(&["import", "claude-code", path.to_str().unwrap(), "--redact", "--json"]);
        json(&ran.fine())[0].clone()
    };
    let first = import();
    assert_eq!(first["result"], "imported");
    assert_eq!(files_with(&scene.store(), &[&token, PASSWORD]), [""; 0]);
    assert_eq!(import()["result"], "unchanged");
    let view = scene.show(first["sessionId"].as_str().unwrap()).to_string();
    assert!(view.contains("[redacted:github-token:"), "{view}");
    // It says with what it goes.
    let said = scene.run(&["import", "claude-code", path.to_str().unwrap(), "--email"]);
    assert_eq!(said.code, 2, "{said:?}");
}
