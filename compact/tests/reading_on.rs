//! I10: a fold that follows a log as it grows says the same as one that reads it from the beginning.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use support::header;
use tracewal_compact::{Fold, render};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::json::parse_event;
use tracewal_format::log::{LogReader, LogSource, Reading};
use tracewal_format::segment::SlotState;
use tracewal_format::time::Time;

const LINES: &str = r#"
{"type":"session-started","rootSpanId":"r","metadata":{"prompt":"p"}}
{"type":"span-started","spanId":"a","parentSpanId":"b","kind":"generation","name":"m"}
{"type":"span-text","spanId":"a","text":"x"}
{"type":"span-started","spanId":"b","parentSpanId":"a","kind":"tool","name":"t","input":1}
{"type":"span-ended","spanId":"b","output":"o"}
{"type":"span-started","spanId":"root","kind":"generation","name":"m"}
{"type":"span-ended","spanId":"a","tokens":{"input":1,"output":2,"reasoning":0,"cacheRead":0,"cacheWrite":0},"cost":0.5}
{"type":"run-ended","reason":"closed"}
run
{"type":"run-started","pid":2}
{"type":"span-attributes","spanId":"a","attributes":{"k":1}}
{"type":"span-text","spanId":"root","text":"more"}
{"type":"span-started","spanId":"c","kind":"span","name":""}
{"type":"session-ended","status":"error","error":"no"}
{"type":"crashed","reason":"why","run":1}
"#;

const SIZE: usize = 8192;

/// A log at each moment of its life, and which moment it is.
struct Growing {
    moments: Rc<Vec<Vec<Vec<u8>>>>,
    now: Rc<Cell<usize>>,
    selected: usize,
}

impl LogSource for Growing {
    type Error = Infallible;

    fn segments(&mut self) -> Result<Vec<u64>, Infallible> {
        Ok((1..).zip(&self.moments[self.now.get()]).map(|(number, _)| number).collect())
    }

    fn select(&mut self, number: u64) -> Result<Option<u64>, Infallible> {
        self.selected = usize::try_from(number).unwrap() - 1;
        let segment = self.moments[self.now.get()].get(self.selected);
        Ok(segment.map(|bytes| u64::try_from(bytes.len()).unwrap()))
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Infallible> {
        let bytes = &self.moments[self.now.get()][self.selected];
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(&bytes[from..(from + len).min(bytes.len())])
    }
}

fn padded(segments: &[SegmentBuilder]) -> Vec<Vec<u8>> {
    let spare = |segment: &SegmentBuilder| SIZE - usize::try_from(segment.end()).unwrap();
    segments.iter().map(|segment| segment.clone().finish(spare(segment))).collect()
}

fn moments() -> Vec<Vec<Vec<u8>>> {
    let mut segments = vec![SegmentBuilder::new(header(1, 1, 1))];
    let mut moments = Vec::new();
    for (at, line) in (0..).zip(LINES.trim().lines()) {
        if line == "run" {
            let first = segments.last().unwrap().next_seq();
            segments.last_mut().unwrap().seal();
            segments.push(SegmentBuilder::new(header(2, 2, first)));
        } else {
            segments.last_mut().unwrap().event(Time::from_ms(at), &parse_event(line).unwrap().1);
        }
        moments.push(padded(&segments));
    }
    moments
}

/// Folds at every moment with one reader that goes on, and with a new one, and compares what they say.
fn follow(moments: Vec<Vec<Vec<u8>>>, reading: Reading) -> Fold {
    let moments = Rc::new(moments);
    let now = Rc::new(Cell::new(0));
    let open = || {
        let source = Growing { moments: moments.clone(), now: now.clone(), selected: 0 };
        let Ok(log) = LogReader::new(source, reading);
        log
    };
    let view = |fold: &Fold, log: &mut LogReader<Growing>| {
        let mut out = Vec::new();
        render(fold, log, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (mut following, mut log) = (Fold::default(), open());
    for moment in 0..moments.len() {
        now.set(moment);
        let Ok(()) = log.refresh();
        let Ok(()) = following.read_on(&mut log);
        let mut other = open();
        let Ok(fold) = Fold::of(&mut other);
        assert_eq!(view(&following, &mut log), view(&fold, &mut other), "at moment {moment}");
    }
    following
}

#[test]
fn a_fold_that_follows_a_log_says_what_a_new_one_says() {
    let fold = follow(moments(), Reading::Live);
    assert_eq!(fold.summary().events, 14);
}

#[test]
fn a_crash_slot_is_forgotten_when_an_event_names_it() {
    let mut segments = vec![SegmentBuilder::new(header(1, 1, 1))];
    let started = r#"{"type":"span-started","spanId":"a","kind":"span","name":""}"#;
    segments[0].event(Time::from_ms(1), &parse_event(started).unwrap().1);
    segments[0].slot(&support::slot(11, SlotState::Crash, 5)).seal();
    let dying = padded(&segments);
    segments.push(SegmentBuilder::new(header(2, 2, 2)));
    let found = r#"{"type":"crashed","reason":"found","run":1,"slot":0}"#;
    segments[1].event(Time::from_ms(5), &parse_event(found).unwrap().1);
    let fold = follow(vec![dying, padded(&segments)], Reading::Whole);
    assert_eq!(fold.summary().error.as_deref(), Some("found"));
    assert_eq!(fold.summary().crashes, 1);
}
