//! How long one append takes when a million events a second are offered: measured from when each was to begin, so that a stall is
//! counted for every event that it keeps waiting.
//!
//! `cargo bench --bench latency -- [SECONDS]` takes turns with a raw loop: a mapped, preallocated file whose pages another thread makes
//! ready ahead, the bytes copied and summed, the next file every 64 MiB. Prints percentiles, and how many stalls of over a millisecond
//! there were.
#![allow(clippy::unwrap_used, clippy::as_conversions, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memmap2::{Advice, MmapMut, MmapOptions};
use tracewal::event::SpanEnded;
use tracewal::{Compaction, Payload};

/// Offered a second.
const RATE: u64 = 1_000_000;
/// Seconds before the other has its turn.
const TURN: u64 = 5;
const FILE: usize = 64 << 20;
const PAYLOAD: &str = r#"{"output":"sixty-four bytes of what some tool had to say about it"}"#;

#[derive(Default)]
struct Result {
    times: Option<Histogram<u64>>,
    stalls: u64,
}

impl Result {
    fn add(&mut self, other: Histogram<u64>, stalls: u64) {
        self.stalls += stalls;
        match &mut self.times {
            Some(times) => times.add(other).unwrap(),
            None => self.times = Some(other),
        }
    }

    fn print(&self, name: &str) {
        let times = self.times.as_ref().unwrap();
        let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
        println!(
            "{name:10} {} events: p50 {:?}, p99 {:?}, p99.9 {:?}, p99.99 {:?}, p99.999 {:?}, longest {:?}; {} stalls over 1 ms",
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.9999),
            at(0.99999),
            Duration::from_nanos(times.max()),
            self.stalls
        );
    }
}

/// Calls `append` a million times a second. The times from when each was to begin, and how often one call took over a millisecond.
fn offer(seconds: u64, mut append: impl FnMut()) -> (Histogram<u64>, u64) {
    let (mut times, mut stalls) = (Histogram::new(3).unwrap(), 0);
    let began = Instant::now();
    for number in 0..seconds * RATE {
        let due = number * (1_000_000_000 / RATE);
        let mut now = began.elapsed().as_nanos() as u64;
        while now < due {
            std::hint::spin_loop();
            now = began.elapsed().as_nanos() as u64;
        }
        append();
        let done = began.elapsed().as_nanos() as u64;
        stalls += u64::from(done - now > 1_000_000);
        times.record(done - due).unwrap();
    }
    (times, stalls)
}

/// Files that are ready to be stored into, made by another thread.
fn files(folder: PathBuf) -> Receiver<MmapMut> {
    let (send, receive) = sync_channel(1);
    std::thread::spawn(move || {
        for number in 0.. {
            let path = folder.join(number.to_string());
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
            // SAFETY: a call on an open descriptor, without pointers.
            assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, FILE as i64) }, 0);
            // SAFETY: nobody else has the file.
            let map = unsafe { MmapOptions::new().len(FILE).map_mut(&file) }.unwrap();
            map.advise(Advice::PopulateWrite).unwrap();
            if send.send(map).is_err() {
                return;
            }
            std::fs::remove_file(path).unwrap();
        }
    });
    receive
}

fn raw(folder: &Path, seconds: u64) -> (Histogram<u64>, u64) {
    let files = files(folder.to_owned());
    let (mut file, mut at) = (files.recv().unwrap(), 0);
    let mut number = 0_u64;
    offer(seconds, || {
        let len = 24 + 32 + PAYLOAD.len();
        if at + len > file.len() {
            (file, at) = (files.recv().unwrap(), 0);
        }
        let record = &mut file[at..at + len];
        record[24..56].copy_from_slice(b"0123456789abcdefsome thing, stop");
        record[56..].copy_from_slice(PAYLOAD.as_bytes());
        let sum = crc32fast::hash(PAYLOAD.as_bytes());
        record[8..16].copy_from_slice(&number.to_le_bytes());
        record[..8].copy_from_slice(&u64::from(sum).to_le_bytes());
        number += 1;
        at += len.next_multiple_of(8);
    })
}

fn ours(folder: &Path, seconds: u64) -> (Histogram<u64>, u64) {
    let store = tracewal::options_with(Compaction::OnDemand).open(folder).unwrap();
    let session = store.session("latency").start().unwrap();
    let measured = offer(seconds, || {
        let event = SpanEnded {
            output: Some(Payload::json(PAYLOAD)),
            finish_reason: Some("stop".into()),
            ..SpanEnded::new("0123456789abcdef")
        };
        session.append(event).unwrap();
    });
    let name = session.name().clone();
    drop(session);
    store.remove(&name).unwrap();
    measured
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let seconds: u64 = arguments.next().map_or(60, |text| text.parse().unwrap());
    let around = std::env::var_os("TRACEWAL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    std::fs::create_dir_all(&around).unwrap();
    let (mut of_raw, mut of_us) = (Result::default(), Result::default());
    let mut left = seconds;
    while left > 0 {
        let turn = left.min(TURN);
        for (is_ours, result) in [(false, &mut of_raw), (true, &mut of_us)] {
            let folder = tempfile::tempdir_in(&around).unwrap();
            let (times, stalls) = if is_ours { ours(folder.path(), turn) } else { raw(folder.path(), turn) };
            result.add(times, stalls);
        }
        left -= turn;
    }
    of_raw.print("raw loop");
    of_us.print("tracewal");
}
