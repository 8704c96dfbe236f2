//! What the fuzz targets share. `fuzz/run` builds and runs them; docs/testing.md says what each would catch.

pub mod import;

use tracewal_compact::{Fold, RenderError, render};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Event, Note};
use tracewal_format::log::{LogReader, Memory, Reading};
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

/// A header for a segment that is put together from a fuzzer's bytes.
pub fn header(number: u64, first_seq: u64, run: u32) -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: u128::from(run),
        number,
        run,
        pid: 10,
        first_seq,
        salt: number,
        wall_base_ns: 1_773_568_800_000_000_000,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: number,
        session_id: "fuzz".into(),
    }
}

/// A sound segment of these events.
pub fn segment<'e>(events: impl IntoIterator<Item = (Time, Event<'e>)>) -> Vec<u8> {
    let mut segment = SegmentBuilder::new(header(1, 1, 1));
    for (time, event) in events {
        segment.event(time, &event);
    }
    segment.finish(64)
}

/// A sound log of two segments with 8 notes each, damaged as `bytes` say. Each 4 bytes: which segment, where (in units of 1/65536 of it),
/// and what is put there.
pub fn patched(bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut one = SegmentBuilder::new(header(1, 1, 1));
    let mut two = SegmentBuilder::new(header(2, 9, 2));
    for n in 1..=16_u64 {
        let segment = if n < 9 { &mut one } else { &mut two };
        segment
            .event(Time::from_ms(i64::try_from(n).unwrap()), &Event::from(Note::new(format!("event {n}"))));
    }
    one.seal();
    let mut segments = [one.finish(64), two.finish(64)];
    for patch in bytes.chunks_exact(4) {
        let segment = &mut segments[usize::from(patch[0] & 1)];
        let place = usize::from(u16::from_le_bytes([patch[1], patch[2]])) * segment.len() / 65536;
        segment[place] = patch[3];
    }
    segments
}

/// The canonical JSON of a log: always valid, always the same, exactly one root, every parent there.
pub fn check_view(segments: &[(u64, &[u8])]) {
    let one = view(segments);
    assert_eq!(one, view(segments), "the same log gives the same bytes (I10)");
    let json: serde_json::Value = {
        let mut from = serde_json::Deserializer::from_slice(&one);
        from.disable_recursion_limit();
        serde::de::Deserialize::deserialize(&mut from).expect("the view is valid JSON")
    };
    let spans = json["spans"].as_array().expect("spans");
    let ids: std::collections::HashSet<_> =
        spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert_eq!(spans.iter().filter(|span| span["parentSpanId"].is_null()).count(), 1, "one root");
    for span in spans {
        assert!(
            span["parentSpanId"].as_str().is_none_or(|parent| ids.contains(parent)),
            "every parent is there"
        );
    }
}

fn view(segments: &[(u64, &[u8])]) -> Vec<u8> {
    let Ok(mut log) = LogReader::new(Memory::new(segments.to_vec()), Reading::Whole);
    let Ok(fold) = Fold::of(&mut log);
    let mut out = Vec::new();
    match render(&fold, &mut log, &mut out) {
        Ok(()) => out,
        Err(RenderError::Write(e)) => panic!("{e}"),
        Err(RenderError::LogChanged { .. }) => panic!("the log has not changed"),
    }
}
