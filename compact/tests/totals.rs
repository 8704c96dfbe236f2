//! Totals, tools, loops and the narrative.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{part, span, view};
use tracewal_format::event::{SpanEnded, Tokens};

fn tool(id: &str, name: &str, start: u32, end: u32, more: &str) -> String {
    format!(
        "{{\"type\":\"span\",\"spanId\":\"{id}\",\"kind\":\"tool\",\"name\":\"{name}\",\"startTime\":{start},\"endTime\":{end}{more}}}\n"
    )
}

#[test]
fn tools_by_count_and_then_by_first_appearance() {
    let lines = [
        tool("1", "a", 0, 5, ""),
        tool("2", "b", 9, 5, ""),
        tool("3", "c", 0, 1, ",\"durationMs\":0.5"),
        tool("4", "c", 0, 1, ""),
        "{\"type\":\"span-started\",\"spanId\":\"5\",\"kind\":\"tool\",\"name\":\"d\"}\n".to_owned(),
        "{\"type\":\"session-ended\",\"status\":\"completed\"}".to_owned(),
    ];
    assert_eq!(
        part(&view(&lines.concat()), "\"narrative\":", "},\"runs\""),
        concat!(
            r#""narrative":"Completed in 5ms using 4 tools (c, a, b). Total cost: $0.0000.","#,
            r#""topTools":[{"name":"c","count":2,"totalDuration":1.5},{"name":"a","count":1,"totalDuration":5},"#,
            r#"{"name":"b","count":1,"totalDuration":0},{"name":"d","count":1,"totalDuration":0}]"#
        )
    );
}

#[test]
fn at_most_ten_tools_are_listed() {
    let lines: String = (0..12).map(|n| tool(&n.to_string(), &format!("t{n}"), 0, 1, "")).collect();
    assert_eq!(part(&view(&lines), "\"topTools\"", "\"runs\"").matches("\"name\"").count(), 10);
}

#[test]
fn a_tool_called_in_a_circle_is_a_loop() {
    let call = |id: u32, input: &str| tool(&id.to_string(), "bash", 0, 1, &format!(",\"input\":{input}"));
    let lines = [
        call(1, "{\"a\" : 1}"),
        call(2, "{\"a\":1 }"),
        call(3, "{\"a\":2}"),
        call(4, "{\"a\":1}"),
        "{\"type\":\"crashed\",\"reason\":\"x\"}".to_owned(),
    ];
    let view = view(&lines.concat());
    // The checksum of {"a":1}.
    assert_eq!(
        part(&view, "\"loops\":", ",\"topTools\""),
        concat!(
            r#""loops":[{"tool":"bash","inputHash":"561bacaf","count":3,"#,
            r#""description":"bash called 3 times with same input (hash: 561bacaf)"}],"#,
            r#""narrative":"Crashed after 4ms using 1 tools (bash). Warning: 1 loop(s) detected. Total cost: $0.0000.""#
        )
    );
}

#[test]
fn a_failed_tool_shows_its_message_as_output() {
    let lines = [
        tool("a", "t", 0, 1, r#","status":"error","statusMessage":"no \"x\"""#),
        tool("b", "t", 0, 1, r#","status":"error","statusMessage":"no","output":1"#),
        tool("c", "t", 0, 1, r#","status":"error""#),
    ];
    let view = view(&lines.concat());
    assert!(
        span(&view, "a")
            .ends_with(r#""status":"error","statusMessage":"no \"x\"","output":{"error":"no \"x\""}}"#)
    );
    assert!(span(&view, "b").ends_with(r#""statusMessage":"no","output":1}"#));
    assert!(span(&view, "c").ends_with(r#""status":"error"}"#));
}

#[test]
fn the_roots_own_amounts_count_only_when_no_other_span_has_any() {
    let session = "{\"type\":\"session-started\",\"rootSpanId\":\"r\"}\n";
    let ended = |id: &str, count: u32| {
        format!(
            "{{\"type\":\"span-ended\",\"spanId\":\"{id}\",\"tokens\":{{\"input\":{count},\"output\":0,\"reasoning\":0,\"cacheRead\":0,\"cacheWrite\":0}},\"cost\":{count}.5}}\n"
        )
    };
    let totals = |view: &str| part(view, "\"totalTokens\"", ",\"totalToolCalls\"").to_owned();
    assert_eq!(totals(&view(&[session, &ended("r", 7)].concat())), "\"totalTokens\":7,\"totalCost\":7.5");
    assert_eq!(
        totals(&view(&[session, &ended("r", 7), &ended("a", 1), &ended("b", 2)].concat())),
        "\"totalTokens\":3,\"totalCost\":4"
    );
}

#[test]
fn absurd_amounts_are_limited() {
    let mut log = support::Log::new();
    for (id, cost) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", 0.25)] {
        let end = SpanEnded {
            tokens: Some(Tokens::new(u64::MAX, 1_u64, 0_u64, 0_u64, 0_u64)),
            cost: Some(cost),
            ..SpanEnded::new(id)
        };
        log.event(&end.into());
    }
    let view = log.view();
    assert!(view.contains("\"totalTokens\":18446744073709551615,\"totalCost\":0.25,"));
    assert!(span(&view, "a").ends_with("\"total\":18446744073709551615},\"cost\":0}"));
}
