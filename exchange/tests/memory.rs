//! What an export takes: memory that does not grow with what is in the trace. One test in its process, because memory is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io;

use tracewal::event::{Span, SpanKind, SpanText, Text};
use tracewal::fold::Fold;
use tracewal::{Compaction, Payload, Reading, Store, Time};
use tracewal_exchange::{Format, Trace, export};

const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Otlp,
    Format::OtlpProto,
    Format::OpenInference,
    Format::Perfetto,
    Format::Atif,
    Format::Markdown,
    Format::Csv,
];

fn kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How much more memory an export had at its highest than before it, in KiB, and how much it wrote.
fn peak(store: &Store, session: &str, format: Format) -> (u64, u64) {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += u64::try_from(bytes.len()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // The highest is counted from now on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = kib("VmRSS:");
    let mut log = store.read(&store.find(session).unwrap(), Reading::Whole).unwrap();
    let fold = Fold::of(&mut log).unwrap();
    let mut out = Count(0);
    export(format, &mut Trace::new(&fold, &mut log), &mut out).unwrap();
    (kib("VmHWM:").saturating_sub(before), out.0)
}

fn fill(store: &Store, id: &str, spans: u64, bytes: usize) {
    let session = store.session(id).start().unwrap();
    let text = "payload with \"quotes\"\n".repeat(bytes / 22);
    for n in 0..spans {
        let kind = if n % 4 == 0 { SpanKind::Generation } else { SpanKind::Tool };
        let at = Time::from_ms(1_700_000_000_000 + i64::try_from(n).unwrap());
        let span = Span {
            parent_span_id: (n % 4 != 0).then(|| format!("span {}", n - n % 4).into()),
            input: Some(Payload::string(&text)),
            output: Some(Payload::string(&text)),
            ..Span::new(format!("span {n}"), kind, "bash", at, at)
        };
        session.append_at(at, span).unwrap();
        session.append_at(at, SpanText::new("streamed", Text::new("a piece"))).unwrap();
    }
    session.complete().unwrap();
}

#[test]
fn memory_does_not_grow_with_what_is_in_the_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = tracewal::options_with(Compaction::OnDemand).open(dir.path().join("store")).unwrap();
    fill(&store, "small", 10, 128 << 10);
    fill(&store, "large", 100, 128 << 10);
    for format in FORMATS {
        // What the allocator keeps for the next is not counted twice.
        peak(&store, "small", format);
        let (small, _) = peak(&store, "small", format);
        let (large, written) = peak(&store, "large", format);
        println!("{format:?}: {small} KiB more for 2.5 MiB, {large} KiB more for 25 MiB, {written} bytes");
        assert!(format == Format::Perfetto || written > 25 << 20, "{format:?} wrote {written} bytes");
        assert!(large < small + 8_192, "{format:?}: {small} KiB, and with ten times as much {large} KiB");
    }
    drop(store);
}
