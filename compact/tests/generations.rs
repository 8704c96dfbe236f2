//! Inputs and outputs of generations that were given none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{span, view};

fn generation(id: &str) -> String {
    format!("{{\"type\":\"span-started\",\"spanId\":\"{id}\",\"kind\":\"generation\",\"name\":\"m\"}}\n")
}

fn within(parent: &str, line: &str) -> String {
    line.replacen("\"kind\"", &format!("\"parentSpanId\":\"{parent}\",\"kind\""), 1)
}

/// A tool that is over, with more fields.
fn tool(id: &str, name: &str, more: &str) -> String {
    format!(
        "{{\"type\":\"span\",\"spanId\":\"{id}\",\"kind\":\"tool\",\"name\":\"{name}\",\"startTime\":1,\"endTime\":2{more}}}\n"
    )
}

fn member(view: &str, id: &str, name: &str) -> Option<String> {
    let span = span(view, id);
    let json: serde_json::Value = serde_json::from_str(&span).unwrap();
    json.get(name).map(|value| value.as_str().unwrap_or("not a string").to_owned())
}

fn input(lines: &[String], id: &str) -> Option<String> {
    member(&view(&lines.concat()), id, "input")
}

fn output(lines: &[String], id: &str) -> Option<String> {
    member(&view(&lines.concat()), id, "output")
}

#[test]
fn the_input_is_what_tools_said_since_the_previous_generation() {
    let lines = [
        tool("t0", "zero", r#","output":"before""#),
        generation("g1"),
        within("g1", &tool("t1", "bash", r#","output":"a\nb""#)),
        tool("t2", "read", r#","output":{"x" : [1]}"#),
        generation("g2"),
        generation("g3"),
    ];
    assert_eq!(input(&lines, "g1").unwrap(), "[zero] before");
    assert_eq!(input(&lines, "g2").unwrap(), "[bash] a b\n[read] {\"x\":[1]}");
    assert_eq!(input(&lines, "g3"), None);
}

#[test]
fn an_input_that_was_given_stays_and_still_ends_the_window() {
    let given = generation("g1").replace("\"name\"", "\"input\":null,\"name\"");
    let lines = [tool("t", "bash", ""), given, generation("g2")];
    assert_eq!(input(&lines, "g1").unwrap(), "not a string");
    assert_eq!(input(&lines, "g2"), None);
}

#[test]
fn results_come_in_the_order_of_the_ends_and_only_of_tools_that_ended() {
    let open = |id: &str| {
        tool(id, id, "").replace("\"span\"", "\"span-started\"").replace(",\"startTime\":1,\"endTime\":2", "")
    };
    let end = |id: &str| format!("{{\"type\":\"span-ended\",\"spanId\":\"{id}\",\"output\":\"{id}\"}}\n");
    let lines = [
        open("a"),
        open("b"),
        open("c"),
        end("b"),
        end("a"),
        generation("g"),
        end("b"),
        end("c"),
        generation("h"),
    ];
    assert_eq!(input(&lines, "g").unwrap(), "[b] b\n[a] a");
    assert_eq!(input(&lines, "h").unwrap(), "[c] c");
}

#[test]
fn a_failure_says_so() {
    let lines = [
        tool("a", "a", r#","status":"error","statusMessage":"m","output":"o""#),
        tool("b", "b", r#","status":"error","output":"o""#),
        tool("c", "c", r#","status":"error""#),
        tool("d", "d", ""),
        generation("g"),
    ];
    assert_eq!(input(&lines, "g").unwrap(), "[a] error: m\n[b] error: o\n[c] error: \n[d] ");
}

#[test]
fn a_result_is_cut_at_200_code_points() {
    let long = "\\ud83d\\ude00é".repeat(150);
    let streamed = "é".repeat(150);
    let text = format!("{{\"type\":\"span-text\",\"spanId\":\"b\",\"text\":\"{streamed}\"}}\n");
    let lines = [
        tool("a", "a", &format!(",\"output\":\"{long}\"")),
        text.clone(),
        text,
        tool("b", "b", ""),
        generation("g"),
    ];
    let expected = format!("[a] {}\n[b] {}", "\u{1F600}é".repeat(100), "é".repeat(200));
    assert_eq!(input(&lines, "g").unwrap(), expected);
}

#[test]
fn agents_side_by_side_do_not_get_each_others_results() {
    let task = |id: &str| {
        within(
            "g0",
            &tool(id, "task", r#","output":"done""#)
                .replace("\"span\"", "\"span-started\"")
                .replace(",\"startTime\":1,\"endTime\":2,\"output\":\"done\"", ""),
        )
    };
    let lines = [
        generation("g0"),
        task("x"),
        task("y"),
        within("x", &generation("x1")),
        within("y", &generation("y1")),
        within("x1", &tool("tx", "read", "")),
        within("y", &tool("ty", "write", "")),
        within("tx", &tool("deep", "grep", "")),
        within("x", &generation("x2")),
        within("x2", &tool("late", "never seen", "")),
        within("y", &generation("y2")),
        "{\"type\":\"span-ended\",\"spanId\":\"x\",\"output\":\"done\"}\n".to_owned(),
        generation("g1"),
    ];
    assert_eq!(input(&lines, "x2").unwrap(), "[read] \n[grep] ");
    assert_eq!(input(&lines, "y1"), None);
    assert_eq!(input(&lines, "y2").unwrap(), "[write] ");
    assert_eq!(input(&lines, "g1").unwrap(), "[task] done");
}

#[test]
fn the_output_is_the_text_or_the_calls() {
    let text = |id: &str| format!("{{\"type\":\"span-text\",\"spanId\":\"{id}\",\"text\":\"hi\"}}\n");
    let lines = [
        generation("text"),
        text("text"),
        within("text", &tool("t1", "bash", "")),
        generation("calls"),
        within("calls", &tool("t2", "re\\\"ad", "")),
        within("calls", &tool("t3", "bash", "")),
        generation("neither"),
        tool("streaming", "bash", ""),
        text("streaming"),
    ];
    assert_eq!(output(&lines, "text").unwrap(), "hi");
    assert_eq!(output(&lines, "calls").unwrap(), "[tool calls: re\"ad, bash]");
    assert_eq!(output(&lines, "neither"), None);
    assert_eq!(output(&lines, "streaming").unwrap(), "hi");
}
