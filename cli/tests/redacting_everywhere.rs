//! Secrets of every kind in a session: whatever leaves a store or enters one with `--redact` has none of them, in any format; and after
//! `tracewal redact --delete-original` none is in any file of the store, in any view of it, or in anything made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../redact/tests/support/mod.rs"]
mod canaries;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use aho_corasick::AhoCorasick;
use canaries::{Canary, canaries, files_with};
use serde_json::{Value, json as object};
use support::{Scene, json, run_on};

/// What a session is exported in.
const FORMATS: [&str; 11] = [
    "json",
    "events",
    "html",
    "otlp",
    "otlp-proto",
    "openinference",
    "perfetto",
    "atif",
    "markdown",
    "csv",
    "events-of-the-command",
];

/// The places in which a canary stands alone.
const PLACES: usize = 12;

/// The halves of a secret, between two pieces of streamed text. The first of them may be what every key of a vendor begins with.
fn halves(canary: &Canary) -> (&str, &str) {
    let at = canary.text.find(&canary.secret).unwrap() + canary.secret.len() / 2;
    canary.text.split_at(at)
}

/// A session in which each canary stands in one place, which is another one for another `shift`.
fn session(canaries: &[Canary], shift: usize) -> String {
    let mut lines = Vec::new();
    let of = |place: usize| {
        let at = |(index, _): &(usize, &Canary)| (index + shift) % PLACES == place;
        canaries.iter().enumerate().filter(at).map(|(_, canary)| canary).collect::<Vec<_>>()
    };
    let joined =
        |place: usize| of(place).iter().map(|canary| canary.text.as_str()).collect::<Vec<_>>().join("\n");
    lines.push(object!({"type": "session-started", "name": joined(0), "metadata": {
        "title": joined(1), "prompt": joined(2), "tags": of(3).iter().map(|canary| &canary.text).collect::<Vec<_>>()}}));
    let mut number = 0;
    let mut span = |lines: &mut Vec<Value>, kind: &str, end: Value| {
        number += 1;
        let id = format!("span-{number}");
        lines.push(object!({"type": "span-started", "spanId": id, "kind": kind, "name": "bash"}));
        let mut ended = object!({"type": "span-ended", "spanId": id});
        ended.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        lines.push(ended);
        id
    };
    for canary in of(4) {
        let id = span(&mut lines, "tool", object!({"output": {"stdout": canary.text, "code": 0}}));
        assert!(id.starts_with("span-"));
    }
    for canary in of(5) {
        span(&mut lines, "tool", object!({"status": "error", "statusMessage": canary.text}));
    }
    for canary in of(6) {
        span(&mut lines, "tool", object!({"attributes": {"env": canary.text, "more": [{"deep": 1}]}}));
    }
    for (index, canary) in of(7).into_iter().enumerate() {
        let id = format!("tool-{index}");
        // As tools are called: JSON in a string of JSON.
        let within = object!({"arguments": object!({"command": canary.text}).to_string()});
        lines.push(
            object!({"type": "span-started", "spanId": id, "kind": "tool", "name": "sh", "input": within}),
        );
        lines.push(object!({"type": "span-ended", "spanId": id}));
    }
    for (index, canary) in of(8).into_iter().enumerate() {
        let id = format!("said-{index}");
        let (one, two) = halves(canary);
        lines.push(object!({"type": "span-started", "spanId": id, "kind": "generation", "name": "chat"}));
        lines.push(object!({"type": "span-text", "spanId": id, "text": format!("it is {one}")}));
        lines.push(object!({"type": "note", "name": "between"}));
        lines.push(object!({"type": "span-text", "spanId": id, "text": format!("{two}\nand more")}));
        lines.push(object!({"type": "span-ended", "spanId": id}));
    }
    for canary in of(9) {
        lines.push(object!({"type": "note", "name": "n", "data": {"found": [canary.text]}}));
    }
    for canary in of(10) {
        lines.push(object!({"type": "evidence", "source": "http", "event": "failed",
            "error": {"name": "E", "message": canary.text}}));
    }
    lines.push(object!({"type": "session-ended", "status": "error", "error": joined(11)}));
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// Finds secrets, and what is long enough of their halves.
struct Finder {
    needles: Vec<String>,
    finder: AhoCorasick,
}

impl Finder {
    fn of(canaries: &[Canary]) -> Self {
        let mut needles: BTreeSet<String> = canaries.iter().map(|canary| canary.secret.clone()).collect();
        for canary in canaries {
            let (one, two) = canary.secret.split_at(canary.secret.len() / 2);
            // Not what the keys of a vendor have in common, nor so short that it may be there by chance.
            needles.extend([one, two].into_iter().filter(|half| half.len() >= 16).map(str::to_owned));
        }
        let needles: Vec<String> = needles.into_iter().collect();
        Finder { finder: AhoCorasick::new(&needles).unwrap(), needles }
    }

    /// What is in these bytes; in the strings that they hold as JSON, in those as JSON again, and so on; in what Markdown escapes.
    fn found(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.note(bytes, &mut found);
        let text = String::from_utf8_lossy(bytes);
        self.note(text.replace('\\', "").as_bytes(), &mut found);
        self.note(text.replace("&amp;", "&").replace("&quot;", "\"").as_bytes(), &mut found);
        self.strings(&text, &mut found);
        for line in text.lines() {
            self.strings(line, &mut found);
        }
        for document in text.split("<script type=\"application/json\"").skip(1) {
            let document = &document[document.find('>').unwrap() + 1..document.find("</script>").unwrap()];
            // Some are lines of JSON, as the log has them.
            let parsed = self.strings(document, &mut found);
            assert!(parsed || document.lines().all(|line| self.strings(line, &mut found)), "{document:.200}");
        }
        found
    }

    fn note<'f>(&'f self, bytes: &[u8], found: &mut BTreeSet<&'f str>) {
        found.extend(self.finder.find_overlapping_iter(bytes).map(|at| self.needles[at.pattern()].as_str()));
    }

    /// Whether it was JSON.
    fn strings<'f>(&'f self, text: &str, found: &mut BTreeSet<&'f str>) -> bool {
        let Ok(value) = serde_json::from_str(text) else { return false };
        // What is in pieces, as a reader puts them together.
        let mut all = String::new();
        self.walk(&value, &mut all, found);
        self.note(all.as_bytes(), found);
        true
    }

    fn walk<'f>(&'f self, value: &Value, all: &mut String, found: &mut BTreeSet<&'f str>) {
        match value {
            Value::String(text) => {
                all.push_str(text);
                self.note(text.as_bytes(), found);
                if text.starts_with(['{', '[', '"']) {
                    self.strings(text, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.walk(value, all, found)),
            Value::Object(members) => {
                for (key, value) in members {
                    self.note(key.as_bytes(), found);
                    self.walk(value, all, found);
                }
            }
            _ => {}
        }
    }
}

fn exported(store: &Path, format: &str, session: &str, redact: bool) -> Vec<u8> {
    let mut args = match format {
        "events-of-the-command" => vec!["events", session],
        _ => vec!["export", format, session],
    };
    args.extend(redact.then_some("--redact"));
    let done = support::command_on(store, &args).output().unwrap();
    assert!(done.status.success(), "{format}: {done:?}");
    done.stdout
}

#[test]
fn nothing_goes_out_and_nothing_is_left() {
    let canaries = canaries();
    let finder = Finder::of(&canaries);
    let secrets: Vec<String> = finder.needles.clone();
    let step = if std::env::var_os("TRACEWAL_CANARIES").is_some() { 1 } else { 5 };
    for shift in (0..PLACES).step_by(step) {
        let scene = Scene::new();
        let store = scene.store();
        scene.record(&["--session", "s"], session(&canaries, shift)).fine();
        // A listing, an index of texts and views are there when it is redacted.
        scene.run(&["ls"]).fine();
        scene.run(&["search", "found"]).fine();
        assert!(!files_with(&store.join("sessions"), &secrets).is_empty());
        let mut files = Vec::new();
        for format in FORMATS {
            let open = exported(&store, format, "s", false);
            // What looks for secrets here sees them: most formats carry most places.
            assert!(finder.found(&open).len() > 20, "{format}: {:?}", finder.found(&open));
            let shut = exported(&store, format, "s", true);
            assert_eq!(finder.found(&shut), BTreeSet::new(), "{format}, {shift}");
            assert!(String::from_utf8_lossy(&shut).contains("[redacted:"), "{format}");
            files.push((format, open));
        }
        let whole = exported(&store, "events", "s", false);
        assert!(canaries.iter().all(|canary| finder.found(&whole).contains(canary.secret.as_str()) || {
            let (one, _) = canary.secret.split_at(canary.secret.len() / 2);
            whole.windows(one.len()).any(|window| window == one.as_bytes())
        }));
        for (format, as_format, name) in [
            ("json", "json", "s.json"),
            ("events", "events", "s.jsonl"),
            ("otlp", "otlp", "t.json"),
            ("otlp-proto", "otlp", "t.pb"),
            ("openinference", "otlp", "o.json"),
        ] {
            let (_, bytes) = files.iter().find(|(of, _)| *of == format).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let (file, copy) = (folder.path().join(name), folder.path().join("copy"));
            fs::write(&file, bytes).unwrap();
            let import = || {
                json(
                    &run_on(&copy, &["import", as_format, "--redact", "--json", file.to_str().unwrap()])
                        .fine(),
                )
            };
            assert_eq!(import()[0]["result"], "imported", "{format}");
            run_on(&copy, &["ls"]).fine();
            run_on(&copy, &["search", "found"]).fine();
            assert_eq!(files_with(&copy, &secrets), [""; 0], "{format}, {shift}");
            assert!(run_on(&copy, &["export", "json", "s"]).fine().contains("[redacted:"), "{format}");
            assert_eq!(import()[0]["result"], "unchanged", "{format}");
        }
        scene.run(&["redact", "--all", "--delete-original"]).fine();
        nothing_is_left(&scene, &finder, "s");
    }
}

/// No file of the store has a secret, no command shows one, and none is found.
fn nothing_is_left(scene: &Scene, finder: &Finder, session: &str) {
    let check = |what: &str| assert_eq!(files_with(&scene.store(), &finder.needles), [""; 0], "{what}");
    check("redacted");
    for format in FORMATS {
        let bytes = exported(&scene.store(), format, session, false);
        assert_eq!(finder.found(&bytes), BTreeSet::new(), "{format}");
    }
    for args in [
        &["ls", "--json"][..],
        &["ls"],
        &["show", session, "--json"],
        &["show", session],
        &["why", session, "--json"],
        &["why", session],
        &["stats", "--by", "tool", "--json"],
        &["search", "redacted", "--json", "--all"],
        &["search", "--regex", "[A-Za-z0-9]{8}", "--json", "--all"],
        &["verify"],
    ] {
        let ran = scene.run(args);
        assert!(ran.err.is_empty(), "{args:?}: {ran:?}");
        assert_eq!(finder.found(ran.out.as_bytes()), BTreeSet::new(), "{args:?}");
    }
    let escaped = |needle: &String| {
        let letters = needle.chars().map(|letter| {
            if letter.is_ascii_alphanumeric() { letter.to_string() } else { format!("\\{letter}") }
        });
        letters.collect::<String>()
    };
    let any = finder.needles.iter().map(escaped).collect::<Vec<_>>().join("|");
    assert_eq!(json(&scene.run(&["search", "--json", "--regex", &any]).fine())["hits"], object!([]));
    check("looked at");
}

/// A session of opencode with a canary in each of its parts; what is left of them stands in the last answer.
fn opencode(folder: &Path, canaries: &[Canary]) {
    let write = |name: &str, of: Value| {
        let path = folder.join("storage").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, of.to_string()).unwrap();
    };
    let text = |index: usize| canaries[index].text.as_str();
    write(
        "session/p/ses_1.json",
        object!({"id": "ses_1", "projectID": "p", "directory": text(0), "title": text(1),
        "version": text(2), "time": {"created": 1_700_000_000_000_u64, "updated": 1_700_000_009_000_u64}}),
    );
    write(
        "message/ses_1/msg_1.json",
        object!({"id": "msg_1", "sessionID": "ses_1", "role": "user", "agent": text(3),
        "time": {"created": 1_700_000_001_000_u64}}),
    );
    write(
        "message/ses_1/msg_2.json",
        object!({"id": "msg_2", "sessionID": "ses_1", "role": "assistant", "parentID": "msg_1",
        "modelID": text(4), "providerID": text(5), "mode": text(6), "path": {"cwd": text(7), "root": "/"},
        "tokens": {"input": 10, "output": 5, "reasoning": 3, "cache": {"read": 7, "write": 2}},
        "error": {"name": "E", "data": {"message": text(8)}},
        "time": {"created": 1_700_000_002_000_u64, "completed": 1_700_000_008_000_u64}}),
    );
    let part = |id: &str, message: &str, more: Value| {
        let mut part = object!({"id": id, "sessionID": "ses_1", "messageID": message});
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        write(&format!("part/{message}/{id}.json"), part);
    };
    part("prt_1", "msg_1", object!({"type": "text", "text": text(9)}));
    part(
        "prt_2",
        "msg_1",
        object!({"type": "file", "filename": text(10), "url": text(11), "mime": "text/plain"}),
    );
    part("prt_3", "msg_2", object!({"type": "reasoning", "text": text(12), "time": {"start": 1}}));
    part(
        "prt_4",
        "msg_2",
        object!({"type": "tool", "tool": text(13), "callID": text(14), "state": {
        "status": "completed", "input": {"command": text(15)}, "output": text(16), "title": text(17),
        "metadata": {"exit": 0, "diff": text(18)}, "time": {"start": 1_700_000_003_000_u64, "end": 1_700_000_004_500_u64}}}),
    );
    part(
        "prt_5",
        "msg_2",
        object!({"type": "tool", "tool": "read", "callID": "call_2", "state": {
        "status": "error", "input": {"path": text(19)}, "error": text(20),
        "time": {"start": 1_700_000_005_000_u64, "end": 1_700_000_005_100_u64}}}),
    );
    part("prt_6", "msg_2", object!({"type": "step-finish", "reason": text(21), "snapshot": text(22)}));
    let rest = canaries[24..].iter().map(|canary| canary.text.as_str()).collect::<Vec<_>>().join("\n");
    part("prt_7", "msg_2", object!({"type": "text", "text": rest}));
    // What cannot be understood is kept as a note.
    fs::write(folder.join("storage/part/msg_2/prt_8.json"), format!("{{cut {}", text(23))).unwrap();
}

#[test]
fn opencodes_storage_comes_in_without_secrets() {
    let mut canaries = canaries();
    let finder = Finder::of(&canaries);
    for turn in 0..5 {
        canaries.rotate_left(24 * turn.min(1));
        let scene = Scene::new();
        let folder = scene.dir.path().join("opencode");
        opencode(&folder, &canaries);
        let path = folder.to_str().unwrap();
        run_on(&scene.dir.path().join("open"), &["import", "opencode", path]).fine();
        let open = exported(&scene.dir.path().join("open"), "events", "ses_1", false);
        let seen = finder.found(&open);
        assert!(canaries.iter().filter(|canary| seen.contains(canary.secret.as_str())).count() > 100);
        let import = || json(&scene.run(&["import", "opencode", "--redact", "--json", path]).fine());
        assert_eq!(import()[0]["result"], "imported");
        nothing_is_left(&scene, &finder, "ses_1");
        assert_eq!(import()[0]["result"], "unchanged");
    }
}

/// An id that holds a secret would be the name of a folder: the import is refused, says so without it, and leaves nothing.
#[test]
fn a_session_named_for_a_secret_does_not_come_in() {
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let id = format!("about {}", canary.secret);
    let finder = Finder::of(&[canary]);
    let from = Scene::new();
    from.record(&["--session", &id, "--end", "completed"], support::notes(3)).fine();
    for (format, as_format, name) in
        [("json", "json", "x.json"), ("otlp", "otlp", "x.jsonl"), ("events", "events", "")]
    {
        let name = if name.is_empty() { format!("{id}.jsonl") } else { name.to_owned() };
        let file = from.dir.path().join(name);
        fs::write(&file, exported(&from.store(), format, &id, false)).unwrap();
        let scene = Scene::new();
        let ran = scene.run(&["import", as_format, "--redact", file.to_str().unwrap()]);
        assert!(
            ran.code == 1 && ran.err.contains("the session's id holds a secret: [redacted:"),
            "{format}: {ran:?}"
        );
        assert_eq!(files_with(&scene.store(), &finder.needles), [""; 0], "{format}");
        assert_eq!(scene.run(&["ls", "--all", "--json"]).fine().trim(), "[]", "{format}");
        // Out it goes under another id.
        let shut = exported(&from.store(), format, &id, true);
        assert_eq!(finder.found(&shut), BTreeSet::new(), "{format}");
    }
    // And in the store it gets one.
    from.run(&["ls"]).fine();
    from.run(&["search", "n"]).fine();
    from.run(&["redact", "--all", "--delete-original"]).fine();
    let listed = json(&from.run(&["ls", "--json"]).fine());
    let renamed = listed[0]["sessionId"].as_str().unwrap();
    assert!(renamed.starts_with("[redacted:github-token:"), "{listed}");
    nothing_is_left(&from, &finder, renamed);
}

/// OTLP as another producer writes it: a canary in everything that is text, of two sessions in one file.
#[test]
fn what_others_say_in_otlp_comes_in_without_secrets() {
    let mut canaries = canaries();
    let finder = Finder::of(&canaries);
    let scene = Scene::new();
    for turn in 0..canaries.len() / 16 {
        canaries.rotate_left(16);
        let text = |index: usize| canaries[index].text.as_str();
        let attribute = |index: usize| object!({"key": "a", "value": {"stringValue": text(index)}});
        let spans = |trace: usize, from: usize| {
            let trace = format!("{:032x}", 1 + 2 * turn + trace);
            object!([{"traceId": trace, "spanId": "00000000000000a1", "name": text(from), "kind": 3,
                "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000",
                "traceState": text(from + 1),
                "attributes": [attribute(from + 2), {"key": text(from + 3), "value": {"boolValue": true}},
                    {"key": "list", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": [attribute(from + 4)]}}]}}}],
                "events": [{"timeUnixNano": "1700000000000000001", "name": text(from + 5), "attributes": [attribute(from + 6)]}],
                "status": {"code": 2, "message": text(from + 7)}}])
        };
        let file = scene.dir.path().join(format!("{turn}.json"));
        let group = |trace: usize, from: usize| {
            object!({"resource": {"attributes": [attribute(from)]}, "schemaUrl": text(from + 1),
                "scopeSpans": [{"scope": {"name": text(from + 2), "version": text(from + 3)}, "spans": spans(trace, from)}]})
        };
        fs::write(&file, object!({"resourceSpans": [group(0, 0), group(1, 8)]}).to_string()).unwrap();
        let path = file.to_str().unwrap();
        run_on(&scene.dir.path().join("open"), &["import", "otlp", path]).fine();
        let imported = json(&scene.run(&["import", "otlp", "--redact", "--json", path]).fine());
        assert_eq!(imported.as_array().unwrap().len(), 2, "{imported}");
    }
    assert!(!files_with(&scene.dir.path().join("open"), &finder.needles).is_empty());
    for row in json(&scene.run(&["ls", "--all", "--json"]).fine()).as_array().unwrap() {
        nothing_is_left(&scene, &finder, row["sessionId"].as_str().unwrap());
    }
}
