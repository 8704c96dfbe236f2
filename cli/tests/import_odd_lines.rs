//! Lines that no tool should write, and some that tools do write now and then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Facts, import, import_more};
use tracewal_cli::import::{Checkpoint, ImportError, Lines, Source, Transcript, convert, discover};
use tracewal_format::event::{Event, SpanKind};
use tracewal_format::time::Time;

const CLAUDE: &str = r#"{"type":"file-history-snapshot","messageId":"m0","snapshot":{}}
{"type":"user","uuid":"u1","parentUuid":null,"sessionId":"s1","cwd":"/w","version":"2.1","isSidechain":false,"timestamp":"2026-03-15T10:00:00.000Z","message":{"role":"user","content":"Count the files\nplease"}}
{"type":"assistant","uuid":"a1","sessionId":"s1","cwd":"/w","version":"2.1","requestId":"r1","timestamp":"2026-03-15T10:00:01.000Z","message":{"id":"msg_1","model":"m-1","role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"}],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1,"cache_read_input_tokens":10,"cache_creation_input_tokens":20}}}
{"type":"assistant","uuid":"a2","sessionId":"s1","cwd":"/elsewhere","version":"2.1","requestId":"r1","timestamp":"2026-03-15T10:00:02.000Z","message":{"id":"msg_1","model":"m-1","role":"assistant","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls","n":1.0}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":9,"cache_read_input_tokens":10,"cache_creation_input_tokens":20}}}
{"type":"user","uuid":"u2","sessionId":"s1","timestamp":"2026-03-15T10:00:03.000Z","toolUseResult":"Error: no","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"no"}]}]}}
{"type":"assistant","uuid":"a3","sessionId":"s1","timestamp":"2026-03-15T10:00:04.000Z","message":{"id":"msg_2","model":"m-1","role":"assistant","content":[{"type":"text","text":"None."}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}}
"#;

const CODEX: &str = r#"{"timestamp":"2026-03-15T10:00:00.000Z","type":"session_meta","payload":{"id":"c1","cwd":"/w","cli_version":"0.1","model_provider":"p","git":{"branch":"b"}}}
{"timestamp":"2026-03-15T10:00:00.100Z","type":"turn_context","payload":{"model":"g","effort":"high"}}
{"timestamp":"2026-03-15T10:00:00.200Z","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"Count"}]}}
{"timestamp":"2026-03-15T10:00:00.300Z","type":"event_msg","payload":{"type":"user_message","message":"Count"}}
{"timestamp":"2026-03-15T10:00:01.000Z","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{\"cmd\": [\"ls\"]}","call_id":"k1"}}
{"timestamp":"2026-03-15T10:00:02.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":5,"total_tokens":120}}}}
{"timestamp":"2026-03-15T10:00:03.000Z","type":"response_item","payload":{"type":"function_call_output","call_id":"k1","output":"{\"output\":\"boom\",\"metadata\":{\"exit_code\":2}}"}}
{"timestamp":"2026-03-15T10:00:04.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":5,"total_tokens":120}}}}
{"timestamp":"2026-03-15T10:00:05.000Z","type":"response_item","payload":{"type":"message","role":"assistant","phase":"final","content":[{"type":"output_text","text":"None"}]}}
{"timestamp":"2026-03-15T10:00:06.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":30,"cached_input_tokens":0,"output_tokens":4,"reasoning_output_tokens":0,"total_tokens":34}}}}
"#;

fn claude(text: impl AsRef<[u8]>) -> (Facts, tracewal_cli::import::Report) {
    import(Source::ClaudeCode, "stem", text.as_ref())
}

/// Seconds after 2026-03-15T10:00:00Z.
fn after(seconds: &str) -> Option<Time> {
    Some(Time::from_ms((1_773_568_800 + seconds.parse::<i64>().unwrap()) * 1000))
}

#[test]
fn a_small_session_is_told_in_full() {
    let (facts, report) = claude(CLAUDE);
    assert!(report.is_strict());
    assert_eq!(report.session_id, "s1");
    assert_eq!(facts.title.as_deref(), Some("Count the files"));
    assert_eq!(facts.prompt.as_deref(), Some("Count the files\nplease"));
    assert_eq!(facts.notes_named("claude-code.file-history-snapshot").len(), 1);
    let generation = &facts.spans["msg_1"];
    assert_eq!(generation.tokens, Some([3, 9, 0, 10, 20]));
    assert_eq!((generation.start, generation.end), (after("1"), after("2")));
    assert_eq!(generation.finish_reason.as_deref(), Some("tool_use"));
    assert_eq!(generation.attributes["thinking"], "\"hm\"");
    assert_eq!(generation.attributes["thinkingBlock"], r#"{"signature":"sig"}"#);
    assert!(!generation.attributes.contains_key("cwd"));
    let tool = &facts.spans["t1"];
    assert_eq!(tool.input.as_deref(), Some(r#"{"command":"ls","n":1.0}"#));
    assert_eq!(tool.attributes["cwd"], "\"/elsewhere\"");
    assert_eq!(
        (tool.attributes["uuid"].as_str(), tool.attributes["result.uuid"].as_str()),
        ("\"a2\"", "\"u2\"")
    );
    assert_eq!((tool.failed, tool.message.as_deref()), (true, Some("no")));
    assert_eq!(facts.spans["msg_2"].text, ["\"None.\""]);
    assert_eq!(facts.ended, [after("4").unwrap()]);
}

#[test]
fn lines_that_are_no_json_are_kept_and_not_strict() {
    let mut text = CLAUDE.as_bytes().to_vec();
    text.extend_from_slice(b"{\"type\": oops}\n\xff\xfe\n{\"a\":1} trailing\n");
    let (facts, report) = claude(&text);
    assert!(!report.is_strict());
    assert_eq!(report.invalid.iter().map(|i| i.line).collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!((report.represented, report.lines), (9, 9));
    assert_eq!(facts.notes_named("import.invalid-line")[0], "{\"type\": oops}");
}

#[test]
fn json_that_says_nothing_known_is_a_note() {
    let odd = [
        "42",
        "null",
        "[1,{}]",
        "\"text\"",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"assistant"}"#,
        r#"{"type":"user","message":null}"#,
        r#"{"type":"user","message":{"content":[]}}"#,
        r#"{"\ud800":1,"type":"user"}"#,
    ];
    let text = odd.join("\n") + "\n";
    let (facts, report) = claude(&text);
    assert!(report.is_strict());
    let notes = facts.notes.iter().map(|(_, data)| data.as_str());
    assert_eq!(notes.take(odd.len()).collect::<Vec<_>>(), odd);
}

#[test]
fn wrong_types_are_kept_as_they_are() {
    let (facts, report) = claude(
        r#"{"type":"assistant","uuid":5,"message":{"id":{},"model":[],"content":[null,7,"plain",{"type":"text","text":9},{"type":"tool_use","id":"","input":[1]},{"type":"tool_result"},{"type":"image","source":1}],"usage":"much"}}
{"type":"assistant","uuid":"a2","message":{"id":"m","content":"just text","usage":{"input_tokens":-1,"output_tokens":1.5,"cache_read_input_tokens":"3"}}}
{"type":"user","uuid":"u","message":{"content":[{"type":"tool_result","tool_use_id":"nobody","content":{"odd":1}},{"type":"text","text":"said"}]},"toolUseResult":[1]}
{"type":"user","uuid":"v","message":{"content":17}}
"#,
    );
    assert!(report.is_strict());
    let generation = &facts.spans["line-1"];
    assert_eq!(generation.text, ["\"plain\""]);
    assert_eq!(generation.attributes["content.4"], r#"{"type":"text","text":9}"#);
    assert_eq!(generation.attributes["content.2"], "7");
    assert_eq!(facts.spans["line-1#1-4"].kind, Some(SpanKind::Tool));
    assert_eq!(facts.notes_named("claude-code.tool_result").len(), 1);
    assert_eq!(facts.spans["m"].text, ["\"just text\""]);
    assert_eq!(facts.spans["m"].tokens, Some([0; 5]));
    assert_eq!(facts.spans["nobody"].output.as_deref(), Some(r#"{"odd":1}"#));
    assert_eq!(facts.spans["nobody"].kind, Some(SpanKind::Tool));
    assert_eq!(facts.spans["u"].input.as_deref(), Some("\"said\""));
    assert_eq!(facts.spans["v"].input.as_deref(), Some("[17]"));
}

#[test]
fn lone_surrogates_keep_their_spelling() {
    let (facts, report) = claude(
        r#"{"type":"user","uuid":"u\ud800","message":{"content":"cut \ud83d"}}
{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"half \ud83d"},{"type":"tool_use","id":"t","name":"B\udc00","input":{"k\ud800":"\udfff"}}]}}
"#,
    );
    assert!(report.is_strict());
    assert_eq!(facts.spans["m"].text, [r#""half \ud83d""#]);
    assert_eq!(facts.spans["t"].input.as_deref(), Some(r#"{"k\ud800":"\udfff"}"#));
    assert!(facts.spans["t"].name.starts_with('B'));
    assert!(facts.prompt.unwrap().starts_with("cut \u{fffd}"));
}

#[test]
fn the_last_usage_counts_also_when_calls_alternate() {
    let line = |id: &str, output: u64| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","content":[{{"type":"text","text":"{id}{output}"}}],"usage":{{"output_tokens":{output}}}}}}}"#
        )
    };
    let text = [line("a", 1), line("b", 10), line("a", 2), line("b", 20), line("a", 2)].join("\n");
    let (facts, report) = claude(text + "\n");
    assert_eq!(facts.spans["a"].tokens, Some([0, 2, 0, 0, 0]));
    assert_eq!(facts.spans["b"].tokens, Some([0, 20, 0, 0, 0]));
    assert_eq!((report.totals.generations, report.totals.tokens.total()), (2, 22));
    assert_eq!(facts.spans["a"].text, ["\"a1\"", "\"a2\"", "\"a2\""]);
}

#[test]
fn an_id_used_twice_is_one_call() {
    let call =
        r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"A"}]}}"#;
    let result = r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":"x"}]}}"#;
    let (_, report) = claude([call, result, result, call, result].join("\n") + "\n");
    assert_eq!((report.totals.tools, report.totals.failed_tools), (1, 1));
}

#[test]
fn ids_that_no_event_can_hold_stay_apart() {
    let long = "é".repeat(300);
    let line =
        |end: &str| format!(r#"{{"type":"assistant","message":{{"id":"{long}{end}","content":"x"}}}}"#);
    let (facts, _) = claude([line("1"), line("2")].join("\n") + "\n");
    let ids: Vec<_> = facts.of_kind(SpanKind::Generation).map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.len() <= 255));
}

#[test]
fn times_that_are_missing_or_absurd() {
    let (facts, _) = claude(
        r#"{"type":"user","uuid":"before","message":{"content":"a"}}
{"type":"user","uuid":"first","timestamp":"2026-03-15T10:00:05Z","message":{"content":"a"}}
{"type":"user","uuid":"none","message":{"content":"a"}}
{"type":"user","uuid":"absurd","timestamp":"yesterday","message":{"content":"a"}}
{"type":"user","uuid":"number","timestamp":1773568806000,"message":{"content":"a"}}
{"type":"user","uuid":"earlier","timestamp":"2026-03-15T10:00:01Z","message":{"content":"a"}}
"#,
    );
    let start = |id: &str| facts.spans[id].start;
    assert_eq!(
        ["before", "first", "none", "absurd", "number", "earlier"].map(start),
        ["5", "5", "5", "5", "6", "1"].map(after)
    );
    assert_eq!(facts.spans["absurd"].attributes["timestamp"], "\"yesterday\"");
    assert!(!facts.spans["number"].attributes.contains_key("timestamp"));
}

#[test]
fn an_error_in_the_place_of_an_answer_is_an_error() {
    let (facts, _) = claude(
        r#"{"type":"assistant","isApiErrorMessage":true,"message":{"id":"m","model":"<synthetic>","content":[{"type":"text","text":"Overloaded"}]}}
"#,
    );
    let span = &facts.spans["m"];
    assert_eq!((span.failed, span.message.as_deref()), (true, Some("Overloaded")));
    assert_eq!(facts.model, None);
}

#[test]
fn what_a_session_is_called() {
    let user = |text: &str| format!(r#"{{"type":"user","message":{{"content":"{text}"}}}}"#);
    let titled = |lines: &[String]| claude(lines.join("\n") + "\n").0;
    let meta = r#"{"type":"user","isMeta":true,"message":{"content":"Caveat"}}"#.to_owned();
    let command = user(
        "<command-message>r is running</command-message>\\n<command-name>/r</command-name>\\n<command-args>42</command-args>",
    );
    let output = user("<local-command-stdout>x</local-command-stdout>");
    let facts = titled(&[meta, output, user("  \\n  Do it  "), user("later")]);
    assert_eq!(facts.title.as_deref(), Some("Do it"));
    assert_eq!(titled(&[command]).title.as_deref(), Some("/r 42"));
    let summary = r#"{"type":"summary","summary":"The summary","leafUuid":"l"}"#.to_owned();
    assert_eq!(titled(&[summary.clone(), user("text")]).title.as_deref(), Some("The summary"));
    assert_eq!(titled(&[user("text"), summary]).title.as_deref(), Some("The summary"));
    let long = titled(&[user(&"ä".repeat(200))]).title.unwrap();
    assert_eq!(long.chars().count(), 80);
}

#[test]
fn directories_are_walked_and_links_to_them_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("b/subagents")).unwrap();
    for name in ["b.jsonl", "b/subagents/agent-1.jsonl", "a.jsonl", "notes.txt"] {
        std::fs::write(at(name), "{}").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(directory.path(), at("b/again")).unwrap();
    let found = discover(&[directory.path().to_owned(), at("a.jsonl"), at("notes.txt")]).unwrap();
    let expected = ["a.jsonl", "b/subagents/agent-1.jsonl", "b.jsonl", "notes.txt"].map(at);
    assert_eq!(found, expected);
    let error = discover(&[at("missing")]).unwrap_err().to_string();
    assert!(error.contains("missing"));
}

#[test]
fn which_session_a_file_holds() {
    let id = |source, stem: &str, text: &str| {
        let transcript = Transcript::identify(source, stem, &mut Lines::new(text.as_bytes())).unwrap();
        (transcript.session_id, transcript.parent)
    };
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let agent = r#"{"type":"user","sessionId":"p","agentId":"x1","isSidechain":true}"#;
    assert_eq!(id(Source::ClaudeCode, "renamed", CLAUDE), ("s1".into(), None));
    assert_eq!(id(Source::ClaudeCode, uuid, CLAUDE), (uuid.into(), None));
    assert_eq!(id(Source::ClaudeCode, "stem", "{}"), ("stem".into(), None));
    assert_eq!(id(Source::ClaudeCode, "", ""), ("unnamed".into(), None));
    let child = ("agent-x1".to_owned(), Some("p".to_owned()));
    assert_eq!(id(Source::ClaudeCode, "agent-x1", agent), child);
    assert_eq!(id(Source::ClaudeCode, "renamed", agent), child);
    assert_eq!(id(Source::Codex, "rollout", CODEX), ("c1".into(), None));
    assert_eq!(id(Source::Codex, "rollout", "{}"), ("rollout".into(), None));
    let spawned = r#"{"type":"session_meta","payload":{"id":"k","source":{"subagent":{"thread_spawn":{"parent_thread_id":"p"}}}}}"#;
    assert_eq!(id(Source::Codex, "rollout", spawned), ("k".into(), Some("p".into())));
}

#[test]
fn codex_counts_once_and_starts_again_after_a_reset() {
    let (facts, report) = import(Source::Codex, "stem", CODEX.as_bytes());
    assert!(report.is_strict());
    let (first, second) = (&facts.spans["generation-1"], &facts.spans["generation-2"]);
    assert_eq!(first.tokens, Some([40, 15, 5, 60, 0]));
    assert_eq!(second.tokens, Some([30, 4, 0, 0, 0]));
    assert_eq!(facts.of_kind(SpanKind::Generation).count(), 2);
    assert_eq!(report.totals.tokens.total(), 120 + 34);
    assert_eq!(second.text, ["\"None\""]);
    assert_eq!(second.attributes["message"], r#"{"phase":"final"}"#);
    let tool = &facts.spans["k1"];
    assert_eq!(tool.parent.as_deref(), Some("generation-1"));
    assert_eq!(tool.input.as_deref(), Some(r#"{"cmd": ["ls"]}"#));
    assert_eq!((tool.failed, tool.message.as_deref()), (true, Some("boom")));
    assert_eq!(facts.spans["c1"].attributes["gitBranch"], "\"b\"");
}

#[test]
fn codex_parts_that_are_more_than_the_whole_still_add_up() {
    let total = |input: u64, cached: u64, output: u64, reasoning: u64| {
        format!(
            r#"{{"type":"event_msg","payload":{{"type":"token_count","info":{{"total_token_usage":{{"input_tokens":{input},"cached_input_tokens":{cached},"output_tokens":{output},"reasoning_output_tokens":{reasoning}}}}}}}}}"#
        )
    };
    let text = [total(10, 2, 4, 1), total(20, 18, 6, 1), total(30, 10, 9, 9)].join("\n") + "\n";
    let (facts, report) = import(Source::Codex, "stem", text.as_bytes());
    assert_eq!(report.totals.tokens.total(), 39);
    assert_eq!(facts.spans["generation-2"].tokens, Some([0, 2, 0, 10, 0]));
    assert_eq!(facts.spans["generation-3"].tokens, Some([10, 0, 3, 0, 0]));
}

#[test]
fn codex_calls_without_id_output_or_count() {
    let (facts, report) = import(
        Source::Codex,
        "stem",
        br#"{"type":"response_item","payload":{"type":"web_search_call","status":"failed","action":{"q":1}}}
{"type":"event_msg","payload":{"type":"task_started"}}
{"type":"response_item","payload":{"type":"custom_tool_call","name":"patch","input":"*** {","call_id":"k"}}
{"type":"response_item","payload":{"type":"custom_tool_call_output","call_id":"k","output":{"content":"no","success":false}}}
{"type":"response_item","payload":{"type":"function_call_output","call_id":"orphan","output":7}}
{"type":"response_item","payload":{"type":"function_call_output","output":7}}
{"type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"refusal"},"x"]}}
{"type":"response_item","payload":3}
{"type":"compacted","payload":{"message":"m"}}
"#,
    );
    assert!(report.is_strict());
    assert_eq!(facts.spans["line-1"].name, "web_search");
    assert!(facts.spans["line-1"].failed && facts.spans["line-1"].end.is_some());
    assert_eq!(facts.spans["k"].parent.as_deref(), Some("generation-2"));
    assert_eq!(facts.spans["k"].input.as_deref(), Some("\"*** {\""));
    assert_eq!(facts.spans["k"].message.as_deref(), Some("no"));
    assert_eq!(facts.spans["orphan"].kind, Some(SpanKind::Tool));
    assert_eq!(facts.notes_named("codex.compacted").len(), 1);
    assert_eq!(facts.notes_named("codex.task_started").len(), 1);
    assert_eq!((report.totals.generations, report.totals.failed_tools), (2, 2));
}

#[test]
fn a_line_cut_off_is_read_again_when_it_is_whole() {
    let cut = CLAUDE.len() - 30;
    let mut facts = Facts::default();
    let report = import_more(Source::ClaudeCode, "s", &CLAUDE.as_bytes()[..cut], &mut facts).unwrap();
    assert!(!report.is_strict() && report.added);
    let events = facts.events;
    let report = import_more(Source::ClaudeCode, "s", &CLAUDE.as_bytes()[..cut], &mut facts).unwrap();
    assert_eq!((report.added, facts.events), (false, events));
    let report = import_more(Source::ClaudeCode, "s", CLAUDE.as_bytes(), &mut facts).unwrap();
    assert!(report.is_strict() && report.added);
    assert_eq!(facts.spans, claude(CLAUDE).0.spans);
    // The last line feed alone is nothing new.
    let mut facts = Facts::default();
    import_more(Source::ClaudeCode, "s", CLAUDE.trim_end().as_bytes(), &mut facts).unwrap();
    let report = import_more(Source::ClaudeCode, "s", CLAUDE.as_bytes(), &mut facts).unwrap();
    assert!(!report.added);
}

#[test]
fn a_file_that_grew_by_a_line_adds_only_what_that_line_says() {
    let mut facts = Facts::default();
    import_more(Source::ClaudeCode, "s", CLAUDE.as_bytes(), &mut facts).unwrap();
    let before = facts.events;
    let line = r#"{"type":"user","uuid":"u9","message":{"content":"more"}}"#;
    let grown = format!("{CLAUDE}{line}\n");
    import_more(Source::ClaudeCode, "s", grown.as_bytes(), &mut facts).unwrap();
    // The message, the checkpoint, the end.
    assert_eq!(facts.events - before, 3);
    assert_eq!(facts.started, 1);
}

#[test]
fn a_file_that_is_not_a_longer_version_is_refused_untouched() {
    let changed = CLAUDE.replace("Count the files", "Count the filed");
    let shorter = CLAUDE.lines().next().unwrap().to_owned() + "\n";
    for other in [changed.clone() + CLAUDE, changed, shorter, String::new()] {
        let (mut facts, _) = claude(CLAUDE);
        let before = facts.events;
        let refused = import_more(Source::ClaudeCode, "s", other.as_bytes(), &mut facts);
        assert!(matches!(refused, Err(ImportError::Changed { lines: 6 })));
        assert_eq!(facts.events, before);
    }
}

#[test]
fn a_checkpoint_reads_back_as_it_was_written() {
    for text in ["", CLAUDE, &CLAUDE[..CLAUDE.len() - 9]] {
        let (_, report) = claude(text);
        let json = report.checkpoint.to_json(Source::ClaudeCode);
        assert_eq!(Checkpoint::from_json(&json), Some((Source::ClaudeCode, report.checkpoint)));
    }
    let (_, report) = claude("x\n");
    // What zlib.crc32 of Python says.
    assert_eq!(
        report.checkpoint.to_json(Source::Codex),
        r#"{"source":"codex","lines":1,"bytes":2,"crc":"46ea081f"}"#
    );
    for json in ["", "{}", r#"{"source":"x","lines":1,"bytes":2,"crc":"00"}"#] {
        assert_eq!(Checkpoint::from_json(json), None);
    }
}

#[test]
fn a_line_longer_than_memory_allows_comes_in_pieces() {
    let text = format!("{}\n{}\n", "x".repeat(1000), r#"{"type":"system"}"#);
    for limit in [1, 7, 100, 999, 1000, 1001] {
        let transcript =
            Transcript::identify(Source::ClaudeCode, "s", &mut Lines::new(text.as_bytes())).unwrap();
        let mut kept = Vec::new();
        let lines = Lines::with_limit(text.as_bytes(), limit);
        let report = convert::<_, ()>(&transcript, lines, None, &mut |_, event| {
            if let Event::Note(note) = event
                && note.name == "import.long-line"
            {
                kept.extend_from_slice(&note.data.unwrap().bytes);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!((report.lines, report.represented), (2, 2), "{limit}");
        assert_eq!(usize::try_from(report.checkpoint.bytes()), Ok(text.len()));
        assert!(!report.is_strict());
        if limit < 1001 {
            assert!(kept.starts_with("x".repeat(1000).as_bytes()), "{limit}");
        }
    }
}

#[test]
fn line_feeds_of_windows_and_blank_lines() {
    let text = CLAUDE.replace('\n', "\r\n") + "\r\n\n   \n";
    let (facts, report) = claude(&text);
    assert!(report.is_strict());
    assert_eq!(report.blank, 3);
    assert_eq!(facts.spans, claude(CLAUDE).0.spans);
}

#[test]
fn nesting_does_not_reach_the_stack() {
    let deep = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
    let text = format!(
        r#"{deep}
{{"type":"user","uuid":"u","message":{{"content":{deep}}},"extra":{deep}}}
{{"type":"assistant","message":{{"id":"m","content":[{{"type":"tool_use","id":"t","input":{deep}}}],"usage":{deep}}}}}
"#
    );
    let (facts, report) = claude(&text);
    assert!(report.is_strict());
    assert_eq!(facts.spans["t"].input.as_ref().map(String::len), Some(600_000));
}

#[test]
fn what_is_handed_on_is_not_many_times_what_came_in() {
    // Many calls in one line beside a large member, and many lines of one call.
    let call = r#"{"type":"tool_use","id":"t","name":"A","input":{}}"#;
    let calls = vec![call; 20_000].join(",");
    let large = "y".repeat(1_000_000);
    let one = format!(
        r#"{{"type":"assistant","uuid":"{large}","extra":"{large}","message":{{"id":"m","content":[{calls}]}}}}"#
    );
    let many = vec![r#"{"type":"assistant","message":{"id":"n","content":[{"type":"thinking","thinking":"z"}],"usage":{}}}"#; 50_000].join("\n");
    let text = one + "\n" + &many + "\n";
    let transcript = Transcript::identify(Source::ClaudeCode, "s", &mut Lines::new(text.as_bytes())).unwrap();
    let mut bytes = 0;
    convert::<_, ()>(&transcript, Lines::new(text.as_bytes()), None, &mut |_, event| {
        bytes += event.encoded_len();
        Ok(())
    })
    .unwrap();
    assert!(bytes < 4 * text.len(), "{bytes} of {}", text.len());
}

#[test]
fn a_sink_that_refuses_stops_the_import() {
    let transcript =
        Transcript::identify(Source::ClaudeCode, "s", &mut Lines::new(CLAUDE.as_bytes())).unwrap();
    for last in 0..12 {
        let mut taken = 0;
        let stopped = convert(&transcript, Lines::new(CLAUDE.as_bytes()), None, &mut |_, _| {
            taken += 1;
            if taken > last { Err("full") } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(ImportError::Sink("full"))));
        assert_eq!(taken, last + 1);
    }
}

/// Every byte of the samples replaced, removed and doubled in turn.
#[test]
fn no_byte_makes_it_panic_or_lose_a_line() {
    for (source, sample) in [(Source::ClaudeCode, CLAUDE), (Source::Codex, CODEX)] {
        for at in 0..sample.len() {
            let damaged = [b'"', b'{', b'0', b'\n', 0xff].map(|byte| {
                let mut bytes = sample.as_bytes().to_vec();
                bytes[at] = byte;
                bytes
            });
            let mut removed = sample.as_bytes().to_vec();
            let byte = removed.remove(at);
            let mut doubled = sample.as_bytes().to_vec();
            doubled.insert(at, byte);
            for bytes in damaged.into_iter().chain([removed, doubled]) {
                let (facts, report) = import(source, "stem", &bytes);
                assert_eq!(report.represented, report.lines, "{at}");
                assert_eq!((facts.started, facts.ended.len()), (1, 1), "{at}");
                let invalid = facts.notes_named("import.invalid-line").len();
                assert_eq!(usize::try_from(report.invalid_lines), Ok(invalid), "{at}");
            }
        }
    }
}
