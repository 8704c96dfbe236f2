//! Recorded sessions of Claude Code and Codex: every number that is shown equals a count of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::browser::{Viewer, path};
use crate::counted::{Counted, classes};
use crate::support::{Scene, json, recorded};

fn imported() -> Option<Scene> {
    let scene = Scene::new();
    for (source, folder) in [("claude-code", "claude-code"), ("codex", "codex")] {
        let folder = recorded(folder)?;
        scene.run(&["import", source, folder.to_str().unwrap()]).fine();
    }
    Some(scene)
}

fn of_list<'a>(rows: &'a [Value], key: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[key]).collect()
}

#[test]
fn every_number_equals_an_independent_count() {
    let Some(scene) = imported() else { return };
    let viewer = Viewer::start(&scene, &[]);
    let list = viewer.json("api/sessions");
    let sessions = list["sessions"].as_array().unwrap();
    assert!(sessions.len() >= 6, "{}", sessions.len());
    let mut spans = 0;
    for row in sessions {
        let id = row["id"].as_str().unwrap();
        let counted = Counted::of(&scene.run(&["events", id]).fine());
        let summary = viewer.json(&format!("{}/summary", path(id)));
        summary_is(&summary, row, &counted);
        spans_are(&viewer, &scene, id, &summary, &counted);
        log_is(&viewer, &scene, id, &counted);
        chat_is(&viewer, id, &counted);
        spans += counted.others().len();
    }
    println!("{} sessions, {spans} spans compared", sessions.len());
}

fn summary_is(summary: &Value, row: &Value, counted: &Counted) {
    let failed = counted.others().iter().filter(|span| span.failed).count();
    let expected = serde_json::json!({
        "spans": counted.others().len() + 1,
        "generations": counted.of_kind("generation").len(),
        "tools": counted.of_kind("tool").len(),
        "errors": failed,
        "interrupted": 0,
        "running": 0,
        "events": counted.events.len(),
    });
    assert_eq!(summary["counts"], expected);
    assert_eq!(summary["errorsTotal"], failed);
    assert_eq!(summary["errors"].as_array().unwrap().len(), failed.min(100));
    for key in ["spans", "generations", "tools", "events"] {
        assert_eq!(row[key], expected[key], "{key} in the list");
    }
    let mut tokens = [0; 5];
    for span in counted.others() {
        tokens.iter_mut().zip(span.tokens.unwrap_or_default()).for_each(|(sum, more)| *sum += more);
    }
    assert_eq!(classes(&row["tokens"]), tokens);
    assert_eq!(classes(&summary["summary"]["tokens"]), tokens);

    let by_model: BTreeMap<String, (u64, u64, [u64; 5])> = summary["byModel"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let (calls, errors) = (of["calls"].as_u64().unwrap(), of["errors"].as_u64().unwrap());
            (of["model"].as_str().unwrap().to_owned(), (calls, errors, classes(&of["tokens"])))
        })
        .collect();
    let expected = counted.by_model();
    let without_times: BTreeMap<_, _> =
        expected.iter().map(|(model, of)| (model.clone(), (of.0, of.1, of.2))).collect();
    assert_eq!(by_model, without_times);
    for of in summary["byModel"].as_array().unwrap() {
        let (_, _, _, duration) = expected[of["model"].as_str().unwrap()];
        assert!((of["duration"].as_f64().unwrap() - duration).abs() < 0.01, "{of}");
    }
    let by_tool: BTreeMap<String, (u64, u64)> = summary["byTool"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let (calls, errors) = (of["calls"].as_u64().unwrap(), of["errors"].as_u64().unwrap());
            (of["tool"].as_str().unwrap().to_owned(), (calls, errors))
        })
        .collect();
    assert_eq!(by_tool, counted.by_tool());

    let sum = |series: &Value| series.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let over_time = &summary["overTime"];
    assert_eq!(sum(&over_time["input"]), tokens[0] + tokens[3] + tokens[4]);
    assert_eq!(sum(&over_time["output"]), tokens[1] + tokens[2]);
    assert!(over_time["input"].as_array().unwrap().len() <= 201);

    let quiet: Vec<(f64, f64)> = summary["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| (gap["from"].as_f64().unwrap(), gap["to"].as_f64().unwrap()))
        .collect();
    let mut expected = counted.quiet();
    expected.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)));
    expected.truncate(50);
    expected.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(quiet, expected);

    let input = |span: &&crate::counted::Span, key: &str| {
        span.input.as_ref().and_then(|input| input.get(key)).filter(|value| !value.is_null()).cloned()
    };
    let tools = counted.of_kind("tool");
    let shells = ["Bash", "shell", "shell_command", "exec_command"];
    let commands: Vec<Value> = tools
        .iter()
        .filter(|span| shells.contains(&span.name.as_str()))
        .filter_map(|span| input(span, "command").or(input(span, "cmd")))
        .collect();
    assert_eq!(summary["commandsTotal"], commands.len());
    assert_eq!(summary["commands"].as_array().unwrap().len(), commands.len().min(500));
    let touched: Vec<String> = tools
        .iter()
        .filter_map(|span| input(span, "file_path"))
        .map(|path| path.as_str().unwrap().to_owned())
        .collect();
    let files: BTreeSet<&String> = touched.iter().collect();
    let shown = summary["files"].as_array().unwrap();
    // Patches name files in their text.
    let named = shown.iter().filter(|file| touched.iter().any(|path| file["path"] == **path)).count();
    assert_eq!(named, files.len());
    let uses = |file: &&Value| file["reads"].as_u64().unwrap() + file["writes"].as_u64().unwrap();
    let uses: u64 =
        shown.iter().filter(|file| files.iter().any(|path| file["path"] == **path)).map(|f| uses(&f)).sum();
    assert_eq!(uses, u64::try_from(touched.len()).unwrap());
    // The loops are those of the canonical JSON, each with as many spans as it says.
    let loops = |list: &Value| -> Vec<(Value, Value)> {
        let list = list.as_array().into_iter().flatten();
        list.map(|found| (found["tool"].clone(), found["count"].clone())).collect()
    };
    assert_eq!(loops(&summary["loops"]), loops(&summary["summary"]["loops"]));
    for found in summary["loops"].as_array().unwrap() {
        assert_eq!(found["count"], found["spans"].as_array().unwrap().len());
    }
}

fn spans_are(viewer: &Viewer, scene: &Scene, id: &str, summary: &Value, counted: &Counted) {
    let session = path(id);
    let base = summary["startedAt"].as_f64().unwrap();
    let skeleton = viewer.json(&format!("{session}/skeleton/0"));
    let column = |key: &str| -> Vec<f64> {
        skeleton[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
    };
    let (start, end, parent) = (column("start"), column("end"), column("parent"));
    let rows = viewer.chunks(&session, "rows", "rows");
    assert_eq!(rows.len(), counted.others().len() + 1);
    let ids = of_list(&rows, "id");
    for (at, span) in counted.others().iter().enumerate() {
        let (at, row) = (at + 1, &rows[at + 1]);
        assert_eq!((&row["id"], &row["kind"]), (&span.id.as_str().into(), &span.kind.as_str().into()));
        assert_eq!(row["name"], span.name);
        assert!((start[at] - (span.start - base)).abs() < 0.001, "{row}");
        let expected_end = span.end.map_or(-1.0, |end| end - base);
        assert!((end[at] - expected_end).abs() < 0.001, "{row}: {} {expected_end}", end[at]);
        assert_eq!(row["status"], u64::from(span.failed));
        let known = span.parent.as_ref().and_then(|parent| ids.iter().position(|id| **id == **parent));
        assert!((parent[at] - f64::from(u32::try_from(known.unwrap_or(0)).unwrap())).abs() < 0.1);
        assert_eq!(row.get("tokens").map(classes), span.tokens);
    }
    // Byte for byte what the canonical JSON has.
    #[derive(serde::Deserialize)]
    struct Canonical {
        spans: Vec<Box<RawValue>>,
        summary: Box<RawValue>,
    }
    let canonical: Canonical = serde_json::from_str(&scene.run(&["show", id, "--json"]).fine()).unwrap();
    let text = viewer.text(&format!("{session}/summary"));
    assert!(text.contains(canonical.summary.get()), "the summary of {id}");
    let count = summary["chunks"]["spans"].as_u64().unwrap();
    let chunks: Vec<String> =
        (0..count).map(|chunk| viewer.text(&format!("{session}/spans/{chunk}"))).collect();
    #[derive(serde::Deserialize)]
    struct Chunk {
        spans: Vec<Box<RawValue>>,
    }
    let spans: Vec<Box<RawValue>> =
        chunks.iter().flat_map(|chunk| serde_json::from_str::<Chunk>(chunk).unwrap().spans).collect();
    assert_eq!(spans.len(), canonical.spans.len());
    for (at, (shown, canonical)) in spans.iter().zip(&canonical.spans).enumerate() {
        assert_eq!(shown.get(), canonical.get(), "span {at} of {id}");
    }
    let step = (spans.len() / 25).max(1);
    for at in (0..spans.len()).step_by(step) {
        let shown = viewer.json(&format!("{session}/span/{at}"));
        if shown["cut"].as_array().unwrap().is_empty() {
            assert_eq!(shown["span"], json(canonical.spans[at].get()));
        }
        let children: Vec<usize> =
            (1..spans.len()).filter(|child| parent[*child].to_string() == at.to_string()).collect();
        assert_eq!(shown["children"], serde_json::json!(children));
        let siblings: Vec<usize> =
            (0..spans.len()).filter(|s| at > 0 && parent[*s].to_string() == parent[at].to_string()).collect();
        let here = siblings.iter().position(|s| *s == at);
        let previous = here.and_then(|here| here.checked_sub(1)).map(|before| siblings[before]);
        let next = here.and_then(|here| siblings.get(here + 1)).copied();
        assert_eq!(shown["siblings"], serde_json::json!({"previous": previous, "next": next}));
    }
}

fn log_is(viewer: &Viewer, scene: &Scene, id: &str, counted: &Counted) {
    let session = path(id);
    let lines = scene.run(&["events", id]).fine();
    let raw = viewer.chunks(&session, "raw", "events");
    assert_eq!(raw, counted.events);
    let entries = viewer.chunks(&session, "log", "entries");
    assert_eq!(of_list(&entries, "seq"), of_list(&counted.events, "seq"));
    assert_eq!(of_list(&entries, "type"), of_list(&counted.events, "type"));
    let position = |id: &str| counted.others().iter().position(|span| span.id == id).map(|at| at + 1);
    for (entry, event) in entries.iter().zip(&counted.events) {
        let expected = event["spanId"].as_str().map(|id| position(id).unwrap_or(0));
        assert_eq!(entry.get("span").and_then(Value::as_u64), expected.map(|at| u64::try_from(at).unwrap()));
        assert!(entry["text"].as_str().unwrap().chars().count() <= 200);
    }
    for (line, event) in lines.lines().zip(&counted.events).step_by(40) {
        assert_eq!(viewer.text(&format!("{session}/event/{}", event["seq"])), line);
    }
}

fn chat_is(viewer: &Viewer, id: &str, counted: &Counted) {
    let messages = viewer.chunks(&path(id), "chat", "messages");
    let said: Vec<&Value> = messages.iter().filter(|message| message["role"] == "assistant").collect();
    let generations = counted.of_kind("generation");
    assert_eq!(said.len(), generations.len());
    for (message, generation) in said.iter().zip(&generations) {
        if generation.output.is_none() && !generation.text.is_empty() {
            assert_eq!(message["text"], generation.text, "{message}");
        }
        let tools: Vec<&str> = message["tools"]
            .as_array()
            .map_or(Vec::new(), |tools| tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect());
        let called = counted.of_kind("tool");
        let called = called.iter().filter(|tool| tool.parent.as_ref() == Some(&generation.id));
        assert_eq!(tools, called.map(|tool| tool.name.as_str()).collect::<Vec<_>>());
    }
    let users = counted.of_kind("user-message").len();
    assert_eq!(messages.iter().filter(|message| message["role"] == "user").count(), users);
}

#[test]
fn what_is_searched_for_is_found_in_its_span() {
    let Some(scene) = imported() else { return };
    let viewer = Viewer::start(&scene, &["55604662"]);
    assert!(viewer.rest.starts_with("#/s/55604662-"), "{}", viewer.rest);
    let id = viewer.json("api/meta")["session"].as_str().unwrap().to_owned();
    let counted = Counted::of(&scene.run(&["events", &id]).fine());
    let found = viewer.json(&format!("{}/search?q=PHX.server", path(&id)));
    let hits = found["hits"].as_array().unwrap();
    assert!(!hits.is_empty() && found["more"] == false);
    for hit in hits.iter().filter(|hit| hit["span"] != 0) {
        let at = usize::try_from(hit["span"].as_u64().unwrap()).unwrap();
        let all = format!("{:?}", counted.events).to_lowercase();
        assert!(all.contains("phx.server"));
        assert_eq!(hit["match"].as_str().unwrap().to_lowercase(), "phx.server");
        assert!(at <= counted.others().len());
    }
}
