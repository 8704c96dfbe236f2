//! How current the view of a live session is kept, and what that costs in bytes written.
//!
//! `TRACEWAL_WEAR=full` makes the slow sessions as long as they are meant: 5,000 events over 60 s, and 1,000 at 15 a second.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracewal_compact::options;
use tracewal_engine::{Gate, Step, Store};
use tracewal_format::event::{Note, Payload, Span, SpanKind};
use tracewal_format::time::Time;

/// Adds up the sizes of the views that are renamed into place.
#[derive(Default)]
struct Written(AtomicU64);

impl Gate for Written {
    fn before(&self, step: Step<'_>) -> std::io::Result<()> {
        if let Step::Rename(from, to) = step
            && to.extension().is_some_and(|extension| extension == "json")
        {
            self.0.fetch_add(std::fs::metadata(from)?.len(), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn store(path: &Path) -> (Store, Arc<Written>) {
    let written = Arc::new(Written::default());
    (options().gate(written.clone()).open(path).unwrap(), written)
}

fn last_seq(view: &Path) -> u64 {
    let Ok(text) = std::fs::read_to_string(view) else { return 0 };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["wal"]["lastSeq"].as_u64().unwrap()
}

/// The bound on bytes written over a session's life: 10 times the final view, and 1 MiB for every second.
fn assert_wear(written: &Written, view: &Path, lived: Duration) {
    let (written, size) = (written.0.load(Ordering::Relaxed), std::fs::metadata(view).unwrap().len());
    let bound = 10 * size + u64::try_from(lived.as_millis()).unwrap() * (1 << 20) / 1000;
    println!(
        "view {size} B, written {written} B = {:.1} times it, in {lived:?}; bound {bound} B",
        written as f64 / size as f64
    );
    assert!(written <= bound, "{written} bytes written, bound {bound}");
}

fn record(events: u32, pause: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let (store, written) = store(folder.path());
    let began = Instant::now();
    let session = store.session("s").start().unwrap();
    let view = store.view(session.name());
    let data = format!("\"{}\"", "x".repeat(1000));
    for n in 0..events {
        let span =
            session.tool("bash").id(n.to_string()).input(Payload::owned_json(data.clone())).start().unwrap();
        span.ok().unwrap();
        // An event every so often, from the beginning: a slow machine does not make it more.
        let due = began + pause * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    session.complete().unwrap();
    assert_wear(&written, &view, began.elapsed());
}

#[test]
fn a_burst_of_5000_events_does_not_wear_the_disk() {
    record(5000, Duration::ZERO);
}

/// Log and view together, and the time: the recorder that this replaces took 1,056 s.
#[test]
fn a_session_of_20000_events_of_1_kb_writes_12_times_its_view_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let (store, written) = store(folder.path());
    let output = "x".repeat(1000);
    let began = Instant::now();
    let session = store.session("s").start().unwrap();
    for n in 0..20_000 {
        let (start, end) = (Time::from_ms(n), Time::from_ms(n + 1));
        let output = Some(Payload::string(output.as_bytes()));
        session
            .append(Span { output, ..Span::new(n.to_string(), SpanKind::Tool, "bash", start, end) })
            .unwrap();
    }
    let (log, view) = (store.folder(session.name()), session.complete().unwrap().view.unwrap());
    let took = began.elapsed();
    let log =
        std::fs::read_dir(log).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>();
    let (views, size) = (written.0.load(Ordering::Relaxed), std::fs::metadata(view).unwrap().len());
    println!(
        "log {log} B, views {views} B = {:.1} times the view, in {took:?}",
        (log + views) as f64 / size as f64
    );
    assert!(log + views <= 12 * size);
}

fn is_full() -> bool {
    std::env::var_os("TRACEWAL_WEAR").is_some_and(|how| how == "full")
}

#[test]
fn a_slow_session_does_not_wear_the_disk() {
    record(if is_full() { 1000 } else { 75 }, Duration::from_micros(66_667));
}

#[test]
fn a_session_that_goes_on_for_a_minute_does_not_wear_the_disk() {
    record(if is_full() { 5000 } else { 400 }, Duration::from_millis(12));
}

#[test]
fn an_event_of_an_idle_session_is_soon_in_its_view_and_an_ending_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = store(folder.path());
    let session = store.session("s").start().unwrap();
    let view = store.view(session.name());
    let mut worst = Duration::ZERO;
    for n in 0..20 {
        let seq = session.append(Note::new(format!("{n}"))).unwrap();
        let appended = Instant::now();
        while last_seq(&view) < seq {
            assert!(appended.elapsed() < Duration::from_secs(10), "event {seq} never came");
            std::thread::yield_now();
        }
        worst = worst.max(appended.elapsed());
    }
    println!("an event was in the view after {worst:?} at most");
    let ended = session.complete().unwrap();
    let text = std::fs::read_to_string(ended.view.unwrap()).unwrap();
    assert!(text.contains("\"status\":\"completed\""));
}
