//! Logs from JSON lines, and their views.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod events;
pub mod short;

use tracewal_compact::{Fold, render};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Event, FoundBy};
use tracewal_format::json::parse_event;
use tracewal_format::log::{LogReader, Memory, Reading};
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;

pub fn header(number: u64, run: u32, first_seq: u64) -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 0xAB,
        writer: 8,
        boot_id: 9,
        number,
        run,
        pid: 10,
        first_seq,
        salt: 11 + number,
        wall_base_ns: 0,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: number,
        session_id: "s".into(),
    }
}

/// A crash slot with a signal, filled at `time` milliseconds.
pub fn slot(signal: i32, state: SlotState, time: i64) -> Slot<'static> {
    Slot {
        found_by: FoundBy::Handler,
        state,
        signal,
        signal_code: 0,
        pid: 10,
        tid: 10,
        address: 0,
        time_ns: time * 1_000_000,
        last_seq: 0,
        text: "".into(),
    }
}

/// A log: one segment for each run.
#[derive(Default)]
pub struct Log {
    segments: Vec<SegmentBuilder>,
    pub now: Time,
}

impl Log {
    pub fn new() -> Self {
        let mut log = Log::default();
        log.run();
        log
    }

    /// The next process goes on.
    pub fn run(&mut self) -> &mut SegmentBuilder {
        let number = self.segments.len() + 1;
        let first = self.segments.last().map_or(1, SegmentBuilder::next_seq);
        let run = u32::try_from(number).unwrap();
        self.segments.push(SegmentBuilder::new(header(u64::from(run), run, first)));
        self.last()
    }

    pub fn last(&mut self) -> &mut SegmentBuilder {
        self.segments.last_mut().unwrap()
    }

    pub fn event(&mut self, event: &Event<'_>) -> &mut Self {
        let now = self.now;
        self.last().event(now, event);
        self
    }

    pub fn finish(self) -> Vec<Vec<u8>> {
        self.segments.into_iter().map(|segment| segment.finish(64)).collect()
    }

    pub fn view(self) -> String {
        view_of(&self.finish())
    }
}

/// A log from JSON lines. A line `run` begins the next run; `crash slot` and `claimed slot` leave one behind. A line
/// without a time is one millisecond later than the line before; the first is at 1000.
pub fn log(lines: &str) -> Log {
    let mut log = Log::new();
    let mut now = 999_000_000;
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        now += 1_000_000;
        log.now = Time::from_ns(now);
        match line {
            "run" => {
                log.run();
                now -= 1_000_000;
            }
            "crash slot" => {
                log.last().slot(&slot(15, SlotState::Crash, 5_000));
            }
            "pending slot" => {
                log.last().slot(&slot(2, SlotState::Pending, 5_000));
            }
            "claimed slot" => {
                log.last().claim();
            }
            line => {
                let (time, event) = parse_event(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if let Some(time) = time {
                    now = time.as_ns();
                    log.now = time;
                }
                log.event(&event);
            }
        }
    }
    log
}

pub fn reader(segments: &[Vec<u8>]) -> LogReader<Memory<'_>> {
    let numbered = (1..).zip(segments).map(|(number, bytes)| (number, bytes.as_slice()));
    let Ok(log) = LogReader::new(Memory::new(numbered.collect()), Reading::Whole);
    log
}

pub fn fold_of(segments: &[Vec<u8>]) -> Fold {
    let Ok(fold) = Fold::of(&mut reader(segments));
    fold
}

pub fn view_of(segments: &[Vec<u8>]) -> String {
    let mut log = reader(segments);
    let Ok(fold) = Fold::of(&mut log);
    let mut out = Vec::new();
    render(&fold, &mut log, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The view of a log given as JSON lines.
pub fn view(lines: &str) -> String {
    log(lines).view()
}

/// A span of a view, as it is written.
pub fn span(view: &str, id: &str) -> String {
    let start =
        view.find(&format!("{{\"spanId\":\"{id}\"")).unwrap_or_else(|| panic!("no span {id} in {view}"));
    let rest = &view[start..];
    let end = [rest[1..].find(",{\"spanId\":").map(|at| at + 1), rest.find("],\"endedAt\":")];
    rest[..end.into_iter().flatten().min().unwrap()].to_owned()
}

/// What stands behind a key of a view, up to `until`.
pub fn part<'v>(view: &'v str, from: &str, until: &str) -> &'v str {
    let start = view.find(from).unwrap_or_else(|| panic!("no {from} in {view}"));
    let rest = &view[start..];
    let end = rest.find(until).unwrap_or_else(|| panic!("no {until} in {rest}"));
    &rest[..end]
}

/// The ids of a view's spans, in order.
pub fn ids(view: &str) -> Vec<&str> {
    view.split("{\"spanId\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}
