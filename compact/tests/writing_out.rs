//! Where a view goes: in pieces, so that memory is bounded by the largest span and not by the trace; and what is said when it cannot be
//! written, or the log is no longer what it was.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::error::Error;
use std::io::{self, Write};

use support::{Log, fold_of, log, reader, view_of};
use tracewal_compact::{RenderError, render};
use tracewal_format::event::{Event, SpanEnded, SpanKind, SpanStarted};
use tracewal_format::time::Time;

/// A writer that takes so many bytes, and remembers the largest piece.
struct Narrow {
    room: usize,
    largest: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.largest = self.largest.max(bytes.len());
        if self.room == 0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no room"));
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn many_spans(count: u64) -> Vec<Vec<u8>> {
    let mut log = Log::new();
    for n in 0..count {
        log.now = Time::from_ns(i128::from(n));
        let id = format!("span {n}");
        log.event(&Event::from(SpanStarted::new(id.clone(), SpanKind::Tool, "a name that takes some room")));
        log.event(&Event::from(SpanEnded::new(id)));
    }
    log.finish()
}

#[test]
fn a_trace_is_written_in_pieces() {
    let segments = many_spans(10_000);
    let size = view_of(&segments).len();
    let mut out = Narrow { room: usize::MAX, largest: 0 };
    render(&fold_of(&segments), &mut reader(&segments), &mut out).unwrap();
    assert!(size > 1 << 20 && out.largest < size / 4, "{} of {size} bytes at once", out.largest);
}

#[test]
fn an_output_that_takes_no_more_is_an_error_that_says_so() {
    let segments = many_spans(2_000);
    let size = view_of(&segments).len();
    for room in [0, 1, size / 3, size - 1] {
        let mut out = Narrow { room, largest: 0 };
        let error = render(&fold_of(&segments), &mut reader(&segments), &mut out).unwrap_err();
        assert!(matches!(&error, RenderError::Write(e) if e.kind() == io::ErrorKind::StorageFull), "{error}");
        assert_eq!(error.to_string(), "writing the trace: no room");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no room"));
    }
}

#[test]
fn a_log_that_has_changed_since_is_named_by_its_place() {
    let lines = r#"{"type":"span-started","spanId":"a","kind":"tool","name":"n","input":"before"}"#;
    let fold = fold_of(&log(lines).finish());
    let mut changed = log(lines).finish();
    changed[0][4096] ^= 1;
    let error = render(&fold, &mut reader(&changed), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, RenderError::LogChanged { segment: 1, offset: 4096 }));
    assert!(error.to_string().contains("4096 of 1.wal") && error.source().is_none(), "{error}");
}
