//! A sound log, damaged as the fuzzer says (or any bytes at all): reading ends, invents nothing, and the view is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Event, Note};
use tracewal_format::log::{Item, LogReader, Memory, Reading};
use tracewal_format::time::Time;
use tracewal_fuzz::{check_view, header};

fuzz_target!(|bytes: &[u8]| {
    let mut one = SegmentBuilder::new(header(1, 1, 1));
    let mut two = SegmentBuilder::new(header(2, 9, 2));
    for n in 1..=16_u64 {
        let segment = if n < 9 { &mut one } else { &mut two };
        segment.event(Time::from_ms(i64::try_from(n).unwrap()), &Event::from(Note::new(format!("event {n}"))));
    }
    one.seal();
    let mut segments = [one.finish(64), two.finish(64)];
    // Each 4 bytes: which segment, where (in units of 1/65536 of it), and what is put there.
    for patch in bytes.chunks_exact(4) {
        let segment = &mut segments[usize::from(patch[0] & 1)];
        let place = usize::from(u16::from_le_bytes([patch[1], patch[2]])) * segment.len() / 65536;
        segment[place] = patch[3];
    }
    let sound = [(1, segments[0].as_slice()), (2, segments[1].as_slice())];
    let any = [(1, bytes)];
    for (log, is_ours) in [(&sound[..], true), (&any[..], false)] {
        let Ok(mut reader) = LogReader::new(Memory::new(log.to_vec()), Reading::Whole);
        let mut last = 0;
        while let Ok(Some(item)) = reader.next() {
            if let Item::Event(entry) = item {
                assert!(entry.seq > last, "in order, and exactly once");
                last = entry.seq;
                if is_ours && let Some(Ok(Event::Note(note))) = entry.event() {
                    assert_eq!(note.name, format!("event {}", entry.seq), "nothing is made up (I3)");
                }
            }
        }
        check_view(log);
    }
});
