//! Recorded transcripts against counts made here, straight over the lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Facts, import_file, import_more, recorded};
use serde_json::Value;
use tracewal_cli::import::{Report, Source};
use tracewal_format::event::SpanKind;

const SOURCES: [Source; 2] = [Source::ClaudeCode, Source::Codex];
const DAY: &str = "fa812bfe-b295-4cca-9c2f-fdf01028cb46";

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sums(facts: &Facts) -> [u64; 5] {
    let mut sums = [0; 5];
    for tokens in facts.spans.values().filter_map(|span| span.tokens) {
        for (sum, tokens) in sums.iter_mut().zip(tokens) {
            *sum += tokens;
        }
    }
    sums
}

fn check_shape(path: &Path, facts: &Facts, report: &Report) {
    let what = path.display();
    let roots: Vec<_> = facts.of_kind(SpanKind::Session).map(|(id, _)| id).collect();
    assert_eq!(roots, [&report.session_id], "{what}");
    for (id, span) in &facts.spans {
        assert!(span.kind.is_some(), "{what}: {id} was never started");
        if let Some(parent) = &span.parent {
            assert!(facts.spans.contains_key(parent), "{what}: parent {parent}");
        }
    }
    assert!(report.is_strict(), "{what}: {:?}", report.invalid);
    assert_eq!(report.represented, report.lines, "{what}");
    assert_eq!(facts.started, 1, "{what}");
    assert_eq!(facts.ended.len(), 1, "{what}");
    let totals = &report.totals;
    assert_eq!(
        sums(facts),
        [
            totals.tokens.input,
            totals.tokens.output,
            totals.tokens.reasoning,
            totals.tokens.cache_read,
            totals.tokens.cache_write
        ],
        "{what}"
    );
    let count = |kind| u64::try_from(facts.of_kind(kind).count()).unwrap();
    assert_eq!(totals.generations, count(SpanKind::Generation), "{what}");
    assert_eq!(totals.tools, count(SpanKind::Tool), "{what}");
    let failed = facts.of_kind(SpanKind::Tool).filter(|(_, span)| span.failed);
    assert_eq!(totals.failed_tools, u64::try_from(failed.count()).unwrap(), "{what}");
}

#[test]
fn claude_code_totals_and_calls() {
    for path in recorded(Source::ClaudeCode) {
        let (facts, report) = import_file(Source::ClaudeCode, &path);
        check_shape(&path, &facts, &report);
        let mut usage = BTreeMap::new();
        let (mut calls, mut failed, mut thinking, mut said) = (BTreeMap::new(), 0, 0, 0);
        for line in lines(&path) {
            let message = &line["message"];
            if line["type"] == "assistant" {
                let id = message["id"].as_str().unwrap().to_owned();
                usage.insert(id.clone(), message["usage"].clone());
                for block in message["content"].as_array().unwrap() {
                    match block["type"].as_str().unwrap() {
                        "tool_use" => {
                            calls.insert(
                                block["id"].as_str().unwrap().to_owned(),
                                (id.clone(), block.clone()),
                            );
                        }
                        "thinking" => thinking += 1,
                        "text" => said += 1,
                        other => panic!("{other}"),
                    }
                }
            }
            if line["type"] == "user" && message["content"].is_array() {
                for block in message["content"].as_array().unwrap() {
                    if block["type"] != "tool_result" {
                        continue;
                    }
                    let id = block["tool_use_id"].as_str().unwrap();
                    let span = &facts.spans[id];
                    let output: Value = serde_json::from_str(span.output.as_ref().unwrap()).unwrap();
                    assert_eq!(output, block["content"], "{id}");
                    assert_eq!(span.failed, block["is_error"] == true, "{id}");
                    if span.failed {
                        failed += 1;
                        assert_eq!(span.message.as_deref(), block["content"].as_str(), "{id}");
                    }
                    if let Some(result) = line.get("toolUseResult") {
                        let kept: Value = serde_json::from_str(&span.attributes["toolUseResult"]).unwrap();
                        assert_eq!(kept, *result, "{id}");
                    }
                }
            }
        }
        let sum = |key: &str| usage.values().map(|u| u[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!(
            sums(&facts),
            [
                sum("input_tokens"),
                sum("output_tokens"),
                0,
                sum("cache_read_input_tokens"),
                sum("cache_creation_input_tokens")
            ],
            "{}",
            path.display()
        );
        assert_eq!(facts.of_kind(SpanKind::Generation).count(), usage.len());
        assert_eq!(facts.of_kind(SpanKind::Tool).count(), calls.len());
        for (id, (generation, block)) in &calls {
            let span = &facts.spans[id];
            assert_eq!(span.parent.as_ref(), Some(generation), "{id}");
            assert_eq!(span.name, block["name"].as_str().unwrap(), "{id}");
            let input: Value = serde_json::from_str(span.input.as_ref().unwrap()).unwrap();
            assert_eq!(input, block["input"], "{id}");
        }
        assert_eq!(report.totals.failed_tools, failed);
        let generations = || facts.of_kind(SpanKind::Generation).map(|(_, span)| span);
        let is_thinking = |key: &&String| *key == "thinking" || key.starts_with("thinking.");
        assert_eq!(
            generations().flat_map(|span| span.attributes.keys()).filter(is_thinking).count(),
            thinking
        );
        assert_eq!(generations().map(|span| span.text.len()).sum::<usize>(), said);
    }
}

#[test]
fn the_working_day_has_its_known_numbers() {
    let Some(path) = recorded(Source::ClaudeCode)
        .into_iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem == DAY))
    else {
        return;
    };
    let (facts, report) = import_file(Source::ClaudeCode, &path);
    assert_eq!(report.session_id, DAY);
    assert_eq!((report.lines, report.totals.generations), (1881, 157));
    assert_eq!((report.totals.tools, report.totals.failed_tools), (197, 8));
    assert_eq!(sums(&facts), [1_502, 36_256, 0, 15_373_675, 260_212]);
    assert_eq!(facts.model.as_deref(), Some("claude-opus-4-6"));
    assert_eq!(facts.version.as_deref(), Some("2.1.39"));
    assert_eq!(facts.spans[DAY].attributes["gitBranch"], "\"spotter-a0y\"");
    assert!(facts.prompt.unwrap().starts_with("Work on bead spotter-a0y."));
    assert!(facts.title.unwrap().chars().count() <= 80);
}

#[test]
fn a_sub_agent_is_linked_both_ways() {
    let files = recorded(Source::ClaudeCode);
    let agents =
        files.iter().filter(|path| path.parent().is_some_and(|directory| directory.ends_with("subagents")));
    for agent in agents {
        let (facts, report) = import_file(Source::ClaudeCode, agent);
        assert_eq!(Some(report.session_id.as_str()), agent.file_stem().unwrap().to_str());
        assert_eq!(facts.tags, [format!("parent:{DAY}")]);
        let root = &facts.spans[&report.session_id];
        assert_eq!(root.attributes["parentSession"], format!("\"{DAY}\""));
        let parent = files.iter().find(|path| path.file_stem().unwrap() == DAY).unwrap();
        let (parent, _) = import_file(Source::ClaudeCode, parent);
        let link = format!("\"{}\"", report.session_id);
        let calls: Vec<_> = parent
            .of_kind(SpanKind::Tool)
            .filter(|(_, span)| span.attributes.get("subagentSession") == Some(&link))
            .map(|(_, span)| span.name.as_str())
            .collect();
        assert_eq!(calls, ["Task"], "{link}");
    }
}

#[test]
fn codex_totals_are_the_last_that_codex_wrote() {
    for path in recorded(Source::Codex) {
        let (facts, report) = import_file(Source::Codex, &path);
        check_shape(&path, &facts, &report);
        let (mut totals, mut calls, mut outputs) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut id = None;
        for line in lines(&path) {
            let payload = &line["payload"];
            let kind = payload["type"].as_str().unwrap_or_default();
            if line["type"] == "session_meta" {
                id = payload["id"].as_str().map(str::to_owned);
            }
            if kind == "token_count" && payload["info"].is_object() {
                totals.push(payload["info"]["total_token_usage"].clone());
            }
            if kind.ends_with("_call") && payload["call_id"].is_string() {
                calls.insert(payload["call_id"].as_str().unwrap().to_owned());
            }
            if kind.ends_with("_call_output") {
                outputs.insert(payload["call_id"].as_str().unwrap().to_owned());
            }
        }
        totals.dedup();
        let last = totals.last().unwrap();
        let part = |key: &str| last[key].as_u64().unwrap();
        let [input, output, reasoning, cached, written] = sums(&facts);
        assert_eq!(input + output + reasoning + cached + written, part("total_tokens"));
        assert_eq!(report.totals.tokens.total(), part("total_tokens"));
        assert_eq!((input + cached, output + reasoning), (part("input_tokens"), part("output_tokens")));
        assert_eq!((cached, reasoning), (part("cached_input_tokens"), part("reasoning_output_tokens")));
        assert_eq!(facts.of_kind(SpanKind::Generation).count(), totals.len());
        assert_eq!(Some(report.session_id), id);
        for call in &calls {
            let span = &facts.spans[call];
            assert_eq!(span.kind, Some(SpanKind::Tool));
            assert!(span.parent.as_ref().is_some_and(|parent| parent.starts_with("generation-")));
            assert_eq!(span.output.is_some(), outputs.contains(call), "{call}");
        }
    }
}

/// Every string of a line stands in some event: cut out of the line, it is looked for in what was handed on.
#[test]
fn nothing_that_a_line_says_is_lost() {
    for (source, path) in SOURCES.into_iter().flat_map(|s| recorded(s).into_iter().map(move |p| (s, p))) {
        let (facts, report) = import_file(source, &path);
        let mut kept = format!("{} {:?} {:?}", report.session_id, facts.model, facts.version);
        kept.push_str(&format!("{:?}", facts.tags));
        for (id, span) in &facts.spans {
            kept.push_str(&format!(" {id} {} {:?}", span.name, span.finish_reason));
            for text in span.text.iter().chain(&span.input).chain(&span.output) {
                kept.push_str(text);
            }
            for (key, value) in &span.attributes {
                kept.push_str(&format!(" {key} {value}"));
            }
        }
        for (_, data) in &facts.notes {
            kept.push_str(data);
        }
        let words: BTreeSet<&str> = kept.split(is_separator).collect();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut value: Value = serde_json::from_str(line).unwrap();
            // Carried in a typed form, or by what the event is.
            let typed = ["timestamp", "type", "role", "model"];
            value.as_object_mut().unwrap().retain(|key, _| !typed.contains(&key.as_str()));
            let mut strings = Vec::new();
            collect(&value, &typed, &mut strings);
            for string in strings {
                // The text of a function's arguments is not kept with the escapes of the string around it.
                for word in string.split(is_separator).filter(|word| word.len() > 3) {
                    assert!(words.contains(word), "{}: {word} of {line}", path.display());
                }
            }
        }
    }
}

fn is_separator(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn collect<'v>(value: &'v Value, typed: &[&str], strings: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if !text.contains(['\\', '\n', '\t', '\u{1b}']) => strings.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, typed, strings)),
        Value::Object(members) => {
            for (key, value) in members {
                if !typed.contains(&key.as_str()) {
                    collect(value, typed, strings);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_file_imported_in_parts_gives_what_it_gives_as_a_whole() {
    for (source, path) in SOURCES.into_iter().flat_map(|s| recorded(s).into_iter().map(move |p| (s, p))) {
        let bytes = std::fs::read(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let (whole, _) = import_file(source, &path);
        let ends: Vec<usize> =
            bytes.iter().enumerate().filter_map(|(at, b)| (*b == b'\n').then_some(at + 1)).collect();
        let step = (ends.len() / 12).max(1);
        // Before a line names the session, a file that somebody renamed is taken for another one.
        let named = bytes.windows(11).position(|at| at == b"\"sessionId\"").unwrap_or(0);
        let ends: Vec<usize> = ends.into_iter().filter(|end| *end > named).collect();
        for first in (0..step.min(3)).map(|offset| offset * step / 3) {
            let mut facts = Facts::default();
            let mut cuts: Vec<usize> = ends.iter().copied().skip(first).step_by(step).collect();
            cuts.push(bytes.len());
            for cut in &cuts {
                import_more(source, stem, &bytes[..*cut], &mut facts).unwrap();
            }
            let events = facts.events;
            let report = import_more(source, stem, &bytes, &mut facts).unwrap();
            assert_eq!((report.added, facts.events), (false, events), "added something again");
            compare(&whole, facts, &path);
        }
    }
}

fn compare(whole: &Facts, mut parts: Facts, path: &Path) {
    parts.notes.retain(|(name, _)| name != "import.state");
    let mut whole = whole.clone();
    whole.notes.retain(|(name, _)| name != "import.state");
    for (id, span) in &mut parts.spans {
        // A model call that was cut in two ends where the first part did.
        let in_whole = &whole.spans[id];
        if span.kind == Some(SpanKind::Generation) && span.end < in_whole.end {
            span.end = in_whole.end;
        }
        assert_eq!(span, in_whole, "{}: {id}", path.display());
    }
    assert_eq!(parts.spans.len(), whole.spans.len());
    assert_eq!(parts.notes, whole.notes, "{}", path.display());
    assert_eq!((&parts.title, &parts.prompt), (&whole.title, &whole.prompt));
    assert_eq!((&parts.model, &parts.version, parts.started), (&whole.model, &whole.version, 1));
    assert_eq!(parts.ended.last(), whole.ended.last());
}
