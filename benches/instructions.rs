//! How many instructions an append takes: the one figure of speed that is the same on a busy machine.
//!
//! `cargo bench --bench instructions` counts them with valgrind's callgrind, and compares them with `benches/instructions.txt`: a change of
//! over 3 % is an error, as long as the compiler and the architecture are those of the record. `-- --record` writes the record anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use tracewal::event::SpanEnded;
use tracewal::{Compaction, Durability, Payload};

/// What is counted: a name, and the length of the payload that makes a record of about that size.
const WORK: &[(&str, usize)] = &[("append 128 B", 64), ("append 512 B", 440), ("append 4 KiB", 4016)];
/// A change of more than this part is an error.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("--child") => {
            append(&arguments[1], arguments[2].parse().unwrap(), arguments[3].parse().unwrap());
            ExitCode::SUCCESS
        }
        Some("--record") => {
            let counts = WORK.iter().map(|(name, payload)| (*name, count(*payload))).collect();
            fs::write(record(), text(&counts)).unwrap();
            print!("{}", text(&counts));
            ExitCode::SUCCESS
        }
        _ => check(),
    }
}

/// What runs under callgrind.
fn append(folder: &str, payload: usize, events: u64) {
    let never = Durability::Interval(std::time::Duration::from_secs(3600));
    let options = tracewal::options_with(Compaction::OnDemand).durability(never);
    let store = options.segment_sizes(64 << 20, 64 << 20).open(folder).unwrap();
    let session = store.session("instructions").start().unwrap();
    let output = format!("{{\"a\":\"{}\"}}", "x".repeat(payload - 8));
    for _ in 0..events {
        let event = SpanEnded {
            output: Some(Payload::json(&output)),
            finish_reason: Some("stop".into()),
            ..SpanEnded::new("0123456789abcdef")
        };
        session.append(event).unwrap();
    }
    // Without closing: that is not counted.
    std::process::exit(0);
}

/// Instructions per event: the difference between two runs, one of which appends more.
fn count(payload: usize) -> u64 {
    const FEWER: u64 = 2_000;
    const MORE: u64 = 6_000;
    (of_a_run(payload, MORE) - of_a_run(payload, FEWER)) / (MORE - FEWER)
}

fn of_a_run(payload: usize, events: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(std::env::current_exe().unwrap()).arg("--child").arg(folder.path().join("store"));
    let output = valgrind.args([payload.to_string(), events.to_string()]).output();
    let output = output.expect("valgrind cannot be run: install it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(out).unwrap();
    let total =
        text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    total.expect("callgrind wrote no total").trim().parse().unwrap()
}

fn check() -> ExitCode {
    let recorded = fs::read_to_string(record()).unwrap();
    let is_comparable = recorded.starts_with(&machine());
    let recorded: BTreeMap<&str, u64> = recorded
        .lines()
        .filter_map(|line| {
            line.split_once(": ")?.1.parse().ok().map(|n| (line.split_once(": ").unwrap().0, n))
        })
        .collect();
    let mut as_recorded = true;
    for (name, payload) in WORK {
        let (now, then) = (count(*payload), recorded[name]);
        #[allow(clippy::as_conversions, clippy::cast_precision_loss)]
        let change = now as f64 / then as f64 - 1.0;
        println!("{name}: {now} instructions, recorded {then} ({:+.1} %)", 100.0 * change);
        as_recorded &= change.abs() <= TOLERANCE;
    }
    if !is_comparable {
        println!(
            "recorded with another compiler or on another architecture: nothing is compared; this is {}",
            machine()
        );
        return ExitCode::SUCCESS;
    }
    if !as_recorded {
        println!("a change of over 3 %: if it is meant, `cargo bench --bench instructions -- --record`");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn text(counts: &BTreeMap<&str, u64>) -> String {
    let lines: Vec<String> = counts.iter().map(|(name, count)| format!("{name}: {count}\n")).collect();
    format!("{}\n{}", machine(), lines.concat())
}

fn machine() -> String {
    let version = Command::new("rustc").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    format!("{} {}", version.trim(), std::env::consts::ARCH)
}

fn record() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}
