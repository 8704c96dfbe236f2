//! A sound log, damaged as the fuzzer says (or any bytes at all): reading ends, invents nothing, and the view is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::event::Event;
use tracewal_format::log::{Item, LogReader, Memory, Reading};
use tracewal_fuzz::{check_view, patched};

fuzz_target!(|bytes: &[u8]| {
    let segments = patched(bytes);
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
