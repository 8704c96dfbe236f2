//! I11: what grows does not grow with its square. Each of these would take hours if it did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::{Log, fold_of, ids, part, view_of};
use tracewal_format::event::{
    Payload, RunEndReason, RunEnded, Span, SpanAttributes, SpanEnded, SpanKind, SpanStarted, SpanText,
};
use tracewal_format::time::Time;

const MANY: u32 = 200_000;

#[test]
fn a_chain_of_parents_and_a_long_cycle() {
    let mut log = Log::new();
    for n in 0..MANY {
        // The first half is a chain; the second half is a cycle.
        let half = MANY / 2;
        let parent = if n < half { n + 1 } else { half + (n + 1 - half) % half };
        let event = SpanStarted {
            parent_span_id: Some(format!("s{parent}").into()),
            ..SpanStarted::new(format!("s{n}"), SpanKind::Tool, "t")
        };
        log.event(&event.into());
    }
    log.event(&RunEnded::new(RunEndReason::Closed).into());
    let view = view_of(&log.finish());
    assert_eq!(ids(&view).len(), usize::try_from(MANY).unwrap() + 1);
    assert_eq!(view.matches("\"parentSpanId\":\"root\"").count(), usize::try_from(MANY / 2).unwrap());
}

#[test]
fn one_span_with_many_pieces_attributes_and_ends() {
    let mut log = Log::new();
    for n in 0..MANY {
        let attributes = Payload::owned_json(format!("{{\"k{n}\":{n},\"last\":{n}}}"));
        log.event(&SpanText::new("a", "xy").into());
        log.event(&SpanAttributes::new("a", attributes).into());
        log.event(&SpanEnded { cost: Some(1.0), ..SpanEnded::new("a") }.into());
    }
    let view = view_of(&log.finish());
    assert!(view.contains("\"last\":199999,\"k1\":1,"));
    assert!(part(&view, "\"output\":\"", "\"}").len() > usize::try_from(MANY).unwrap() * 2);
}

#[test]
fn many_agents_with_many_tools() {
    let mut log = Log::new();
    let agents = MANY / 4;
    let name = |kind: &str, n: u32| format!("{kind}{n}");
    let span = |id: String, parent: String, kind| Span {
        parent_span_id: Some(parent.into()),
        output: Some(Payload::json("1")),
        ..Span::new(id, kind, "n", Time::from_ms(0), Time::from_ms(1))
    };
    for n in 0..agents {
        log.event(&span(name("agent", n), "root".into(), SpanKind::Span).into());
        log.event(&span(name("tool", n), name("agent", n), SpanKind::Tool).into());
        log.event(&span(name("shared", n), "root".into(), SpanKind::Tool).into());
    }
    for n in 0..agents {
        log.event(&span(name("generation", n), name("agent", n), SpanKind::Generation).into());
    }
    let view = view_of(&log.finish());
    // Each generation gets the result of its own agent's tool.
    assert_eq!(view.matches("\"input\":\"[n] 1\"").count(), usize::try_from(agents).unwrap());
}

#[test]
fn many_runs_with_open_spans() {
    let mut log = Log::new();
    for n in 0..2_000 {
        log.event(&SpanStarted::new(format!("s{n}"), SpanKind::Span, "").into());
        log.run();
    }
    let segments = log.finish();
    assert_eq!(fold_of(&segments).summary().open_spans, 1);
    assert_eq!(view_of(&segments).matches("\"interrupted\":true").count(), 1_999);
}
