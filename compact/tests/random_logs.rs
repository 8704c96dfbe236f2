//! I10, I11: whatever the events are, their view is one valid document in which nothing is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod schema_check;
mod support;

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;
use support::events::{IDS, event, time};
use support::{Log, reader, slot, view_of};
use tracewal_compact::{Fold, Spans};
use tracewal_format::event::Event;
use tracewal_format::segment::SlotState;
use tracewal_format::time::Time;

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Step {
    Event(Time, Event<'static>),
    Run,
    Slot,
    Claim,
    Unknown,
    Malformed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (time(), event(&IDS)).prop_map(|(time, event)| Step::Event(time, event)),
        2 => Just(Step::Run),
        1 => Just(Step::Unknown),
        1 => Just(Step::Malformed),
    ];
    let last = prop_oneof![8 => Just(None), 1 => Just(Some(Step::Slot)), 1 => Just(Some(Step::Claim))];
    (prop::collection::vec(step, 0..60), last).prop_map(|(mut steps, last)| {
        steps.extend(last);
        steps
    })
}

fn segments(steps: &[Step]) -> Vec<Vec<u8>> {
    let mut log = Log::new();
    for step in steps {
        match step {
            Step::Event(time, event) => {
                log.now = *time;
                log.event(event);
            }
            Step::Run => {
                log.run();
            }
            Step::Slot => {
                log.last().slot(&slot(11, SlotState::Crash, 0));
            }
            Step::Claim => {
                log.last().claim();
            }
            Step::Unknown => {
                let now = log.now;
                log.last().body(now, 77, 0, b"x");
            }
            Step::Malformed => {
                let now = log.now;
                log.last().body(now, 8, 0, b"\xFF\xFF");
            }
        }
    }
    log.finish()
}

/// The spans of the view, each rendered on its own, and in no order; and what stands behind them.
fn one_by_one(segments: &[Vec<u8>]) -> String {
    let mut log = reader(segments);
    let Ok(fold) = Fold::of(&mut log);
    let mut spans = Spans::of(&fold);
    let mut rendered = vec![Vec::new(); spans.len()];
    let (even, odd) = ((0..spans.len()).step_by(2), (1..spans.len()).step_by(2));
    for position in odd.chain(even).rev() {
        assert!(spans.render(&fold, &mut log, position, &mut rendered[position]).unwrap());
        let known = spans.known(&fold, position).unwrap();
        assert_eq!(spans.number(position).and_then(|number| spans.position(number)), Some(position));
        assert_eq!(known.parent.is_none(), position == 0);
    }
    assert!(!spans.render(&fold, &mut log, spans.len(), &mut Vec::new()).unwrap());
    let texts: Vec<String> = rendered.into_iter().map(|json| String::from_utf8(json).unwrap()).collect();
    format!(",\"spans\":[{}]", texts.join(","))
}

/// The ids that events are about.
fn mentioned(steps: &[Step]) -> HashSet<&str> {
    let about = |step: &'_ Step| match step {
        Step::Event(_, Event::SpanStarted(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanEnded(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::Span(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanText(e)) => Some(e.span_id.clone()),
        Step::Event(_, Event::SpanAttributes(e)) => Some(e.span_id.clone()),
        _ => None,
    };
    let about: HashSet<String> = steps.iter().filter_map(about).map(|id| id.into_owned()).collect();
    IDS.into_iter().filter(|id| about.contains(*id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_log_has_a_sound_view(steps in steps()) {
        let segments = segments(&steps);
        let view = view_of(&segments);
        prop_assert_eq!(&view, &view_of(&segments), "not deterministic");
        let is_one_line = view.ends_with("}\n") && view.matches('\n').count() == 1;
        prop_assert!(is_one_line);
        let json: Value = serde_json::from_str(&view.replace("1e999", "1")).unwrap();

        prop_assert_eq!(schema_check::faults(&json), [""; 0], "{}", view);
        prop_assert!(view.contains(&one_by_one(&segments)), "spans on their own are others: {}", view);
        let spans = json["spans"].as_array().unwrap();
        let ids: Vec<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
        let known: HashSet<&str> = ids.iter().copied().collect();
        prop_assert_eq!(known.len(), ids.len(), "an id stands there twice");
        for id in mentioned(&steps) {
            prop_assert!(known.contains(id), "span {:?} is lost", id);
        }
        prop_assert_eq!(&spans[0]["kind"], "session");
        prop_assert!(spans[0]["parentSpanId"].is_null());
        for span in &spans[1..] {
            prop_assert!(span["kind"] != "session");
            prop_assert!(known.contains(span["parentSpanId"].as_str().unwrap()));
            // Following the parents leads to the root.
            let (mut at, mut left) = (span, spans.len());
            while let Some(parent) = at["parentSpanId"].as_str() {
                at = &spans[ids.iter().position(|id| *id == parent).unwrap()];
                left -= 1;
                prop_assert!(left > 0, "a cycle");
            }
        }

        let crashed = steps.iter().any(|step| matches!(step, Step::Slot | Step::Claim | Step::Event(_, Event::Crashed(_))));
        prop_assert_eq!(json["summary"]["status"] == "crashed", crashed);
        let events = steps.iter().filter(|step| !matches!(step, Step::Run | Step::Slot | Step::Claim)).count();
        prop_assert_eq!(json["wal"]["events"].as_u64(), Some(u64::try_from(events).unwrap()));
        prop_assert!(json["wal"].get("damage").is_none());
    }
}
