//! Any sequence of events, one a line: the view is valid JSON, always the same, with one root and every parent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::json::parse_event;
use tracewal_format::time::Time;
use tracewal_fuzz::{check_view, segment};

fuzz_target!(|text: &str| {
    let events = text.lines().filter_map(|line| parse_event(line).ok());
    let log = segment(events.map(|(time, event)| (time.unwrap_or(Time::from_ms(0)), event)));
    check_view(&[(1, log.as_slice())]);
});
