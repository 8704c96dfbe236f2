//! Any line as an event: refused with a reason, or read, and then written as a line that is written the same when it is read again.
//! (Not the first time: a time with more digits than a number of JSON has loses them when it is written.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::json::{parse_event, write_event};
use tracewal_format::log::{Item, LogReader, Memory, Reading};
use tracewal_format::time::Time;
use tracewal_fuzz::segment;

fn written(line: &str) -> String {
    let (time, event) = parse_event(line).expect("what is written can be read");
    let log = segment([(time.unwrap_or(Time::from_ms(0)), event)]);
    let Ok(mut reader) = LogReader::new(Memory::new(vec![(1, log.as_slice())]), Reading::Whole);
    let Ok(Some(Item::Event(entry))) = reader.next() else { panic!("it was appended") };
    let mut out = Vec::new();
    write_event(&entry, &mut out);
    String::from_utf8(out).expect("lines are UTF-8")
}

fuzz_target!(|line: &str| {
    if parse_event(line).is_ok() {
        let second = written(&written(line));
        assert_eq!(second, written(&second));
    }
});
