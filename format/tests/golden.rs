//! Logs of format version 1, committed under `tests/golden/`: they open for ever, and say what they said.
//!
//! `TRACEWAL_WRITE_GOLDEN=1 cargo test -p tracewal-format --test golden` writes those that are missing; none is ever overwritten.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Event, FoundBy, Gap, Note, SessionEnded, SessionStarted};
use tracewal_format::json::{parse_event, write_event, write_loss, write_slot};
use tracewal_format::log::{Item, LogReader, Memory, Reading, segment_file, segment_number};
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn header(number: u64, first_seq: u64, run: u32) -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF,
        writer: 0xA0A1_A2A3_A4A5_A6A7_A8A9_AAAB_ACAD_AEAF + u128::from(run),
        boot_id: 0xB0B1_B2B3_B4B5_B6B7_B8B9_BABB_BCBD_BEBF,
        number,
        run,
        pid: 4711,
        first_seq,
        salt: 0x0102_0304_0506_0708 + number,
        wall_base_ns: 1_773_568_800_000_000_000,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: number,
        session_id: "worked/example".into(),
    }
}

fn at(ms: i64) -> Time {
    Time::from_ms(1_773_568_800_000 + ms)
}

fn worked_example() -> Vec<Vec<u8>> {
    let mut segment = SegmentBuilder::new(header(1, 1, 1));
    let started = SessionStarted {
        trace_id: Some("t".into()),
        root_span_id: Some("r".into()),
        ..SessionStarted::new()
    };
    segment.event(at(0), &started.into());
    segment.event(at(250), &Note { data: Some("hi".into()), ..Note::new("n") }.into());
    segment.event(at(1000), &SessionEnded::new(tracewal_format::event::EndStatus::Completed).into());
    segment.durable_mark(3).seal();
    let spare = 8192 - usize::try_from(segment.end()).unwrap();
    vec![segment.finish(spare)]
}

fn every_event() -> Vec<Vec<u8>> {
    let mut segment = SegmentBuilder::new(header(1, 1, 1));
    for line in include_str!("every_event.jsonl").lines() {
        let (time, event) = parse_event(line).unwrap();
        segment.event(time.unwrap(), &event);
    }
    let last = segment.next_seq() - 1;
    segment.durable_mark(last).seal();
    vec![segment.finish(0)]
}

/// Killed, recovered, resumed, crashed with a full slot, and repaired once.
fn long_story() -> Vec<Vec<u8>> {
    let line = |text: &'static str| parse_event(text).unwrap().1;
    let mut one = SegmentBuilder::new(header(1, 1, 1));
    one.event(at(0), &line(r#"{"type":"session-started","traceId":"t","rootSpanId":"r","metadata":{"title":"A long story"}}"#));
    one.event(at(0), &line(r#"{"type":"run-started","pid":4711}"#));
    one.durable_mark(2);
    one.event(at(10), &line(r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat"}"#));
    one.event(at(20), &line(r#"{"type":"span-text","spanId":"g","text":"superseded by its copy"}"#));
    let mut recovered = SegmentBuilder::new(Header { run_first_segment: 1, ..header(2, 3, 1) });
    recovered
        .event(at(10), &line(r#"{"type":"span-started","spanId":"g","kind":"generation","name":"chat"}"#));
    recovered.event(at(20), &line(r#"{"type":"span-text","spanId":"g","text":"superseded by its copy"}"#));
    recovered.event(at(20), &line(r#"{"type":"crashed","reason":"process vanished","pid":4711,"foundBy":"recovery","foundTime":1773568900000,"run":1}"#));
    recovered.durable_mark(5).seal();
    let mut two = SegmentBuilder::new(header(3, 6, 2));
    two.event(at(5000), &line(r#"{"type":"run-started","pid":4712,"reason":"resume"}"#));
    two.event(at(5010), &line(r#"{"type":"span-ended","spanId":"g","output":"done"}"#));
    two.gap(&Gap {
        was: Some("damage".into()),
        ..Gap::new(8_u64, 9_u64, "3.wal", 4300_u64, 64_u64, "repaired")
    });
    two.event(at(5020), &line(r#"{"type":"note","name":"after the gap"}"#));
    two.body(at(5030), 200, 0, b"an event of a newer version").body(at(5040), 13, 0, &[9, 9]);
    two.slot(&Slot {
        found_by: FoundBy::Handler,
        state: SlotState::Crash,
        signal: 11,
        signal_code: 1,
        pid: 4712,
        tid: 4713,
        address: 0,
        time_ns: 1_773_568_805_500_000_000,
        last_seq: 12,
        text: "".into(),
    });
    vec![one.finish(512), recovered.finish(0), two.finish(512)]
}

fn damaged() -> Vec<Vec<u8>> {
    let mut segments = every_event();
    let middle = (4096 + segments[0].len()) / 2;
    segments[0][middle] ^= 0x10;
    segments
}

fn lines(folder: &Path) -> String {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if let Some(number) = segment_number(entry.file_name().to_str().unwrap()) {
            files.push((number, fs::read(entry.path()).unwrap()));
        }
    }
    let segments = files.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
    let Ok(mut log) = LogReader::new(Memory::new(segments), Reading::Whole);
    let mut out = Vec::new();
    loop {
        match log.next() {
            Ok(None) => return String::from_utf8(out).unwrap(),
            Ok(Some(Item::Event(entry))) => write_event(&entry, &mut out),
            Ok(Some(Item::Slot(slot))) => write_slot(&slot, &mut out),
            Ok(Some(Item::Loss(loss))) => {
                out.extend_from_slice(b"{\"lost\":");
                write_loss(&loss, &mut out);
                out.push(b'}');
            }
            Ok(Some(_)) => continue,
        }
        out.push(b'\n');
    }
}

fn check(name: &str, make: fn() -> Vec<Vec<u8>>) {
    let folder = golden().join(name);
    let expected = folder.join("events.jsonl");
    if std::env::var_os("TRACEWAL_WRITE_GOLDEN").is_some() && !expected.exists() {
        fs::create_dir_all(&folder).unwrap();
        for (at, bytes) in make().iter().enumerate() {
            fs::write(folder.join(segment_file(u64::try_from(at).unwrap() + 1)), bytes).unwrap();
        }
        fs::write(&expected, lines(&folder)).unwrap();
    }
    assert_eq!(lines(&folder), fs::read_to_string(&expected).unwrap(), "{}", folder.display());
    // What is written today is the same bytes: the format has not changed under its version.
    for (at, bytes) in make().iter().enumerate() {
        let file = folder.join(segment_file(u64::try_from(at).unwrap() + 1));
        assert!(*bytes == fs::read(&file).unwrap(), "{} would be written differently", file.display());
    }
}

#[test]
fn the_worked_example_of_the_specification() {
    check("v1-worked-example", worked_example);
}

#[test]
fn every_kind_of_event() {
    check("v1-every-event", every_event);
}

#[test]
fn killed_recovered_resumed_crashed_and_repaired() {
    check("v1-long-story", long_story);
}

#[test]
fn a_damaged_log() {
    check("v1-damaged", damaged);
}

#[test]
fn kinds_have_their_numbers_for_ever() {
    let names: Vec<&str> = Event::NAMES.iter().map(|(_, name)| *name).collect();
    assert_eq!(
        Event::NAMES.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        (1..=15).collect::<Vec<u8>>()
    );
    assert_eq!(names[0], "session-started");
    assert_eq!(names[14], "crashed");
}
