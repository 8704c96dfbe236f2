//! The reader of this crate against the one in `tests/spec/read_log.py`, which was written from SPEC.md alone: for every log,
//! sound or damaged in whatever way, both print the same bytes.
//!
//! `SPEC_READER_MUTATIONS=20000 SPEC_READER_SEED=1 cargo test -p tracewal-format --test spec_reader` looks further.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "spec_reader/damage.rs"]
mod damage;
#[path = "spec_reader/logs.rs"]
mod logs;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use damage::{cut_off, damaged_records, mutated};
use logs::{Log, odd_headers, random_values, sound_logs};
use tracewal_format::event::Event;
use tracewal_format::json::{write_event, write_loss, write_slot};
use tracewal_format::log::{Item, LogReader, Memory, Reading, segment_file};

const MUTATIONS: u64 = 500;
/// How many logs one Python process reads: it takes longer to start than to read a log.
const BATCH: usize = 500;

const DRIVER: &str = r#"
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("read_log", sys.argv[1])
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)
for number in range(int(sys.argv[3])):
    sys.stdout.buffer.write(b"-- %d\n" % number)
    for line in reader.Log(os.path.join(sys.argv[2], str(number))).lines():
        sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
"#;

fn rust_lines(log: &Log) -> Vec<u8> {
    let files = log.files.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
    let Ok(mut reader) = LogReader::new(Memory::new(files), Reading::Whole);
    let mut lines = Vec::new();
    loop {
        match reader.next() {
            Ok(None) => return lines,
            Ok(Some(Item::Event(entry))) => write_event(&entry, &mut lines),
            Ok(Some(Item::Slot(slot))) => write_slot(&slot, &mut lines),
            Ok(Some(Item::Loss(loss))) => {
                lines.extend(b"{\"lost\":");
                write_loss(&loss, &mut lines);
                lines.push(b'}');
            }
            Ok(Some(Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_))) => continue,
        }
        lines.push(b'\n');
    }
}

/// A folder of this process that goes away with it, also when the test fails.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tracewal-spec-reader-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn python_lines(logs: &[Log]) -> Vec<Vec<u8>> {
    let folder = Folder::new();
    for (at, log) in logs.iter().enumerate() {
        let session = folder.0.join(at.to_string());
        fs::create_dir(&session).unwrap();
        for (number, bytes) in &log.files {
            fs::write(session.join(segment_file(*number)), bytes).unwrap();
        }
    }
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/spec/read_log.py");
    let mut python = Command::new("python3");
    python.args(["-B", "-c", DRIVER]).arg(reader).arg(&folder.0).arg(logs.len().to_string());
    let output = python.output().unwrap();
    let mut read = Vec::new();
    for line in output.stdout.split_inclusive(|b| *b == b'\n') {
        match read.last_mut() {
            Some(lines) if line[0] == b'{' => Vec::extend(lines, line),
            _ => read.push(Vec::new()),
        }
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", logs[read.len().saturating_sub(1)].name);
    assert_eq!(read.len(), logs.len());
    read
}

/// Says which log it was when reading one panics.
struct Blame<'a>(&'a str);

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("while at: {}", self.0);
        }
    }
}

/// Panics with the first difference.
fn compare(logs: &[Log]) {
    for (log, python) in logs.iter().zip(python_lines(logs)) {
        let _blame = Blame(&log.name);
        let rust = rust_lines(log);
        if rust == python {
            continue;
        }
        let (rust, python) = (String::from_utf8_lossy(&rust), String::from_utf8_lossy(&python));
        let same = rust.lines().zip(python.lines()).take_while(|(r, p)| r == p).count();
        let mut message = format!("{}: the readers differ from line {} on\n", log.name, same + 1);
        for (reader, lines) in [("format crate", rust), ("read_log.py", python)] {
            writeln!(message, "{reader}, {} lines:", lines.lines().count()).unwrap();
            for line in lines.lines().skip(same).take(3) {
                writeln!(message, "    {line}").unwrap();
            }
        }
        panic!("{message}");
    }
}

fn python_is_here() -> bool {
    let is_here = Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    if !is_here {
        // Not with `println`, which nobody sees of a test that passes.
        std::io::stderr().write_all(b"skipped: python3 is not here\n").unwrap();
    }
    is_here
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// I3, I9: what a log says does not depend on who reads it.
#[test]
fn both_readers_say_the_same_of_every_log() {
    if !python_is_here() {
        return;
    }
    let sound = sound_logs();
    let mut logs = sound.clone();
    for log in &sound {
        for at in 0..log.files.len() {
            logs.push(log.changed(&format!("without {at}"), |files| drop(files.remove(at))));
        }
    }
    for name in ["three segments", "machine restarted", "superseded", "slots", "mark with explicit time"] {
        let log = sound.iter().find(|log| log.name == name).unwrap();
        logs.extend(cut_off(log));
        logs.extend(damaged_records(log));
    }
    logs.extend(odd_headers());
    for batch in logs.chunks(BATCH) {
        compare(batch);
    }
    let first = from_environment("SPEC_READER_SEED").unwrap_or(0);
    let count = from_environment("SPEC_READER_MUTATIONS").unwrap_or(MUTATIONS);
    let seeds: Vec<u64> = (first..first + count).collect();
    for batch in seeds.chunks(BATCH) {
        let mut logs = vec![random_values(batch[0])];
        logs.extend(batch.iter().map(|seed| mutated(&sound, *seed)));
        compare(&logs);
    }
}

/// The logs here would show nothing if no event, no loss and no crash slot came out of them.
#[test]
fn the_logs_hold_events_losses_and_slots() {
    let sound = sound_logs();
    let all: Vec<u8> = (0..200).flat_map(|seed| rust_lines(&mutated(&sound, seed))).collect();
    let all = String::from_utf8(all).unwrap();
    for (_, name) in Event::NAMES {
        assert!(all.contains(&format!("\"type\":\"{name}\"")), "{name}");
    }
    for kind in ["damage", "torn", "unsynced", "repaired", "too-new"] {
        assert!(all.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
    for part in
        ["{\"run\":", "\"type\":\"unknown\"", "\"type\":\"malformed\"", "\"redacted\":true", "\"first\":"]
    {
        assert!(all.contains(part), "{part}");
    }
}
