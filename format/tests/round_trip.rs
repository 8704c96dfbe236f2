//! Every event, with every optional field there and not there, through the wire form and through JSON; and what any damage to a
//! small log does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::Event;
use tracewal_format::json::{parse_event, write_event, write_loss, write_slot};
use tracewal_format::log::{Item, LogReader, Memory, Reading};
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

/// One line per kind with everything, and one with nothing that may be left out.
const LINES: &str = include_str!("every_event.jsonl");

fn header(number: u64, first_seq: u64) -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number,
        run: 1,
        pid: 10,
        first_seq,
        salt: 11 + number,
        wall_base_ns: 1_773_568_800_000_000_000,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    }
}

fn lines(segments: Vec<(u64, &[u8])>) -> Vec<String> {
    let Ok(mut log) = LogReader::new(Memory::new(segments), Reading::Whole);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        match log.next() {
            Ok(None) => return lines,
            Ok(Some(Item::Event(entry))) => write_event(&entry, &mut line),
            Ok(Some(Item::Slot(slot))) => write_slot(&slot, &mut line),
            Ok(Some(Item::Loss(loss))) => write_loss(&loss, &mut line),
            Ok(Some(Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_))) => continue,
        }
        lines.push(String::from_utf8(line).unwrap());
    }
}

fn log_of(lines: &str) -> Vec<u8> {
    let mut segment = SegmentBuilder::new(header(1, 1));
    for line in lines.lines() {
        let (time, event) = parse_event(line).unwrap();
        segment.event(time.unwrap_or(Time::from_ms(1_773_568_800_000)), &event);
    }
    segment.finish(256)
}

#[test]
fn every_event_comes_back_as_it_went_in() {
    for line in LINES.lines() {
        let (_, event) = parse_event(line).unwrap();
        let mut body = vec![0; event.encoded_len()];
        assert_eq!(event.encode_into(&mut body), Ok(body.len()), "{line}");
        assert_eq!(Event::decode(event.kind(), &body), Some(Ok(event)), "{line}");
    }
    let written = lines(vec![(1, &log_of(LINES))]);
    assert_eq!(written.len(), LINES.lines().count());
    for (at, (line, expected)) in written.iter().zip(LINES.lines()).enumerate() {
        let expected = expected.strip_prefix('{').unwrap();
        assert_eq!(line, &format!("{{\"seq\":{},{expected}", at + 1));
    }
}

#[test]
fn every_kind_is_covered_by_the_lines() {
    for (_, name) in Event::NAMES {
        let of_kind = LINES.lines().filter(|line| line.contains(&format!("\"type\":\"{name}\"")));
        assert!(of_kind.count() >= 1, "{name}");
    }
}

#[test]
fn a_body_cut_anywhere_is_malformed_and_no_panic() {
    for line in LINES.lines() {
        let (_, event) = parse_event(line).unwrap();
        let mut body = vec![0; event.encoded_len()];
        event.encode_into(&mut body).unwrap();
        for len in 0..body.len() {
            assert!(matches!(Event::decode(event.kind(), &body[..len]), Some(Err(_))), "{line} cut to {len}");
        }
        body.push(0);
        assert!(matches!(Event::decode(event.kind(), &body), Some(Err(_))), "{line} with a byte more");
    }
}

/// I9, I11: whatever bit flips, either nothing changes or something is reported, and no event is made up.
#[test]
fn any_flipped_bit_reads_the_same_or_is_reported() {
    let sound = log_of(LINES);
    let expected = lines(vec![(1, &sound)]);
    for at in 0..sound.len() * 8 {
        let mut damaged = sound.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        let read = lines(vec![(1, &damaged)]);
        if read == expected {
            continue;
        }
        assert!(read.iter().any(|l| l.starts_with("{\"file\"")), "bit {at} changed the log without a report");
        for line in read.iter().filter(|l| l.starts_with("{\"seq\"")) {
            assert!(expected.contains(line), "bit {at} made up {line}");
        }
        let events = read.iter().filter(|l| l.starts_with("{\"seq\"")).count();
        assert!(events + 1 >= expected.len(), "bit {at} lost {} events", expected.len() - events);
    }
}

#[test]
fn any_truncation_reads_the_same_or_is_reported() {
    let sound = log_of(LINES);
    let expected = lines(vec![(1, &sound)]);
    for len in 0..sound.len() {
        let read = lines(vec![(1, &sound[..len])]);
        assert!(
            read == expected
                || len == 0
                || read.iter().any(|l| l.starts_with("{\"file\""))
                || read.is_empty(),
            "{len}"
        );
    }
}
