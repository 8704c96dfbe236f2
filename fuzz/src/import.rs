//! What both importers have to keep.

use std::convert::Infallible;
use std::io::BufReader;

use tracewal_cli::import::{Lines, Source, Transcript, convert};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::Event;
use tracewal_format::time::Time;

use crate::{check_view, header};

/// Imports `bytes`, and looks at what has become of them.
pub fn check(source: Source, bytes: &[u8]) {
    let mut lines = Lines::new(BufReader::new(bytes));
    let transcript = Transcript::identify(source, "stem", &mut lines).expect("memory can be read");
    let mut segment = SegmentBuilder::new(header(1, 1, 1));
    let mut sink = |time: Time, event: Event<'_>| {
        segment.event(time, &event);
        Ok::<(), Infallible>(())
    };
    let report =
        convert(&transcript, Lines::new(BufReader::new(bytes)), None, &mut sink).expect("nothing to refuse");
    assert!(report.represented <= report.lines, "no line counts twice");
    check_view(&[(1, segment.finish(64).as_slice())]);
}
