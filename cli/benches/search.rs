//! Searching a large store of recorded sessions: the first search, which makes the index; the second; and what an append in another process pays
//! for an index that is being made.
//!
//! `cargo bench -p tracewal-cli --bench search` does all of it; behind ` -- ` one step can be named: `make`, `first`, `second`, `append`, `remove`. The
//! store, of `TRACEWAL_SEARCH_MB` megabytes (1,000 unless set), is made of copies of the recorded sessions with ids of their own and some words changed. It is in
//! `$TRACEWAL_BENCH_DIR`, else in the target folder, and stays there until `remove`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracewal::event::{Note, RunEndReason};
use tracewal::{Event, Item, Options, Payload, Reading, SessionName, Store};

/// Looked for in every search that is measured: a few hits, many, none, too short for the index, and expressions.
const PATTERNS: &[&[&str]] = &[
    &["connection refused"],
    &["subagent"],
    &["no such words anywhere"],
    &["--regex", "fn [a-z_]+\\(&self"],
    &["--regex", "error\\[E[0-9]{4}\\]"],
    &["the"],
    &["if"],
];
/// Of each search.
const TIMES: usize = 11;
/// Of appends beside an index that is being made, and beside one that waits.
const TURNS: usize = 80;
/// What is appended in one go.
const APPENDS: u64 = 100_000;
const EVENT_BYTES: usize = 256;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        None => ["make", "first", "second", "append", "remove"].into_iter().for_each(step),
        Some(one) => step(one),
    }
}

fn step(name: &str) {
    let around = std::env::var_os("TRACEWAL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let store = around.join("search-bench.store");
    match name {
        "make" => make(&store),
        "first" => first(&store),
        "second" => second(&store),
        "append" => append(&store),
        "remove" => fs::remove_dir_all(&store).unwrap(),
        other => panic!("no step is called {other}"),
    }
}

fn tracewal(store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracewal"));
    command.arg("--store").arg(store).args(args).stdin(Stdio::null());
    command
}

fn search(store: &Path, pattern: &[&str]) -> (Duration, String) {
    let began = Instant::now();
    let output = tracewal(store, &[&["search", "--json"], pattern].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (began.elapsed(), String::from_utf8(output.stdout).unwrap())
}

/// Blocks of the logs, or of whatever is in a folder.
fn size(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let found = entry.metadata().unwrap();
        bytes += if found.is_dir() { size(&entry.path()) } else { allocated(&found) };
    }
    bytes
}

#[cfg(unix)]
fn allocated(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn allocated(file: &fs::Metadata) -> u64 {
    file.len()
}

fn make(path: &Path) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    assert!(data.is_dir(), "there are no recorded sessions at {}", data.display());
    let seeds = path.with_extension("seeds");
    let (_, _) = (fs::remove_dir_all(path), fs::remove_dir_all(&seeds));
    for tool in ["claude-code", "codex"] {
        assert!(
            tracewal(&seeds, &["import", tool, data.join(tool).to_str().unwrap()])
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let wanted = std::env::var("TRACEWAL_SEARCH_MB").map_or(1_000, |text| text.parse().unwrap()) * 1_000_000;
    let seeds_store = tracewal::open(&seeds).unwrap();
    // Views would only take room.
    let store = Options::without_views().open(path).unwrap();
    let lines: Vec<(SessionName, Vec<String>)> = seeds_store
        .sessions()
        .unwrap()
        .into_iter()
        .map(|session| {
            let lines = lines(&seeds_store, &session);
            (session, lines)
        })
        .collect();
    let (mut copies, mut sessions) = (0, 0);
    while size(&path.join("sessions")) < wanted {
        for (session, lines) in &lines {
            copy(&store, &format!("{}-{copies}", session.id()), lines, copies);
            sessions += 1;
        }
        copies += 1;
    }
    drop((store, seeds_store));
    fs::remove_dir_all(&seeds).unwrap();
    println!("made      {sessions} sessions, {} MB of logs", size(&path.join("sessions")) / 1_000_000);
}

/// A log as lines, without what the engine writes itself.
fn lines(store: &Store, session: &SessionName) -> Vec<String> {
    let mut log = store.read(session, Reading::Whole).unwrap();
    let mut lines = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item
            && !matches!(entry.event(), Some(Ok(Event::RunStarted(_) | Event::RunEnded(_))))
        {
            let mut line = Vec::new();
            tracewal::write_event(&entry, &mut line);
            lines.push(String::from_utf8(line).unwrap());
        }
    }
    lines
}

fn copy(store: &Store, id: &str, lines: &[String], number: u64) {
    let the = format!("the{number:x} ");
    let mut session = None;
    for line in lines {
        let line = line.replace("the ", &the);
        let line = line.replacen(&format!("\"seq\":{},", seq(&line)), "", 1);
        let (time, event) = tracewal::parse_event(&line).unwrap();
        let time = time.unwrap();
        if let Event::SessionStarted(_) = event {
            session = Some(store.session(id).time(time).start().unwrap());
            continue;
        }
        session.as_ref().unwrap().append_at(time, event).unwrap();
    }
    session.unwrap().close(RunEndReason::Closed).unwrap();
}

fn seq(line: &str) -> u64 {
    let text = line.strip_prefix("{\"seq\":").unwrap();
    text[..text.find(',').unwrap()].parse().unwrap()
}

fn first(path: &Path) {
    let _ = fs::remove_dir_all(path.join("search"));
    let (took, _) = search(path, PATTERNS[0]);
    let (logs, index) = (size(&path.join("sessions")), size(&path.join("search")));
    let speed = logs as f64 / took.as_secs_f64() / 1e6;
    println!(
        "first     {:.1} s for {} MB of logs, {speed:.0} MB/s; the index has {} MB",
        took.as_secs_f64(),
        logs / 1_000_000,
        index / 1_000_000
    );
}

fn second(path: &Path) {
    let mut found = Vec::new();
    for pattern in PATTERNS {
        let mut all: Vec<(Duration, String)> = (0..TIMES).map(|_| search(path, pattern)).collect();
        all.sort();
        let hits: serde_json::Value = serde_json::from_str(&all[0].1).unwrap();
        let (median, slowest) = (all[TIMES / 2].0, all[TIMES - 1].0);
        println!(
            "second    {:>6.1} ms median, {:>6.1} ms slowest of {TIMES}, {:>2} hits: {}",
            median.as_secs_f64() * 1e3,
            slowest.as_secs_f64() * 1e3,
            hits["hits"].as_array().unwrap().len(),
            pattern.join(" ")
        );
        found.push(all.swap_remove(0).1);
    }
    if std::env::var_os("TRACEWAL_SEARCH_AGAIN").is_some() {
        fs::remove_dir_all(path.join("search")).unwrap();
        for (pattern, before) in PATTERNS.iter().zip(&found) {
            assert_eq!(&search(path, pattern).1, before, "{pattern:?}");
        }
        println!("removed   and made anew, the index gives the same");
    }
}

/// Appends while an index is being made in another process, which is stopped and goes on in turns: each window is compared with its
/// neighbour, so that whatever else the machine does falls on both.
fn append(path: &Path) {
    let store = Options::without_views().open(path).unwrap();
    let text = "x".repeat(EVENT_BYTES);
    let (mut full, mut paced) = (Vec::new(), Vec::new());
    let mut indexing = begin(path);
    for turn in 0..TURNS {
        let session = store.new_session().start().unwrap();
        let go = |appends: u64| {
            let began = Instant::now();
            for _ in 0..appends {
                session.append(Note { data: Some(Payload::string(&text)), ..Note::new("n") }).unwrap();
            }
            began.elapsed().as_nanos() as f64 / appends as f64
        };
        let window = |is_indexing: bool| {
            signal(&indexing, if is_indexing { "-CONT" } else { "-STOP" });
            let fast = go(APPENDS);
            let began = Instant::now();
            let mut ticks: Vec<f64> = Vec::new();
            for tick in 1..=50 {
                std::thread::sleep(
                    (began + Duration::from_millis(tick)).saturating_duration_since(Instant::now()),
                );
                ticks.push(go(16));
            }
            ticks.sort_by(f64::total_cmp);
            (fast, ticks[ticks.len() / 2])
        };
        go(APPENDS / 4);
        // Each first in every other turn.
        let first = window(turn % 2 == 0);
        let second = window(turn % 2 == 1);
        let (beside, alone) = if turn % 2 == 0 { (first, second) } else { (second, first) };
        full.push((alone.0, beside.0));
        paced.push((alone.1, beside.1));
        signal(&indexing, "-CONT");
        let name = SessionName::of(session.id(), session.id());
        session.close(RunEndReason::Closed).unwrap();
        store.remove(&name).unwrap();
        if indexing.try_wait().unwrap().is_some() {
            indexing = begin(path);
        }
    }
    indexing.kill().unwrap();
    indexing.wait().unwrap();
    for (what, pairs) in [("at full speed", full), ("16 every ms", paced)] {
        let quartiles = |of: &dyn Fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f64> = pairs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            [all[all.len() / 4], all[all.len() / 2], all[all.len() * 3 / 4]]
        };
        let ratio = quartiles(&|pair| pair.1 / pair.0);
        println!(
            "append    {what}: {:.1} ns alone, {:.1} ns while an index is made; ratio of {} neighbours: median {:.3}, quartiles {:.3} and {:.3}",
            quartiles(&|pair| pair.0)[1],
            quartiles(&|pair| pair.1)[1],
            pairs.len(),
            ratio[1],
            ratio[0],
            ratio[2]
        );
    }
    let _ = fs::remove_dir_all(path.join("search"));
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// A search that makes an index, when it has begun to.
fn begin(path: &Path) -> Child {
    let _ = fs::remove_dir_all(path.join("search"));
    let child =
        tracewal(path, &["search", "anything"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !path.join("search/sessions.sqlite-journal").exists() {
        std::thread::yield_now();
    }
    child
}
