//! What the fold of 1,000,000 spans, 1 GB of payload, and the writing of its view take in memory: anonymous, and under a limit.
//!
//! `cargo bench --bench memory`; `TRACEWAL_MEMORY_SPANS` for another number of spans. With cgroups (version 1 or 2) at hand, `-- --limit`
//! runs each in one of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracewal::fold::{Fold, open_spans};
use tracewal::{Access, Reading};

/// Megabytes that each may take.
const CASES: [(&str, u64); 3] = [("fold", 64), ("open spans", 64), ("materialise", 100)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        return measured(&arguments[at + 1], Path::new(&arguments[at + 2]));
    }
    let spans = std::env::var("TRACEWAL_MEMORY_SPANS").map_or(1_000_000, |n| n.parse().unwrap());
    let folder = support::scratch();
    record(&folder.path().join("store"), spans);
    let limited = arguments.iter().any(|argument| argument == "--limit");
    println!("{spans} spans with 1,000 bytes each");
    for (case, most) in CASES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--case", case]).arg(folder.path().join("store"));
        let group = limited.then(|| Group::new(most << 20));
        let child = child.spawn().unwrap();
        group.iter().for_each(|group| group.add(child.id()));
        assert!(child.wait_with_output().unwrap().status.success(), "{case} did not come to its end");
    }
}

/// A session that is closed without an ending.
fn record(path: &Path, spans: u64) {
    let store = tracewal::Options::without_views().open(path).unwrap();
    let session = store.session("s").start().unwrap();
    support::append_spans(&session, 0..spans, &support::text(900));
    session.close(tracewal::event::RunEndReason::Closed).unwrap();
}

/// Runs one case and prints the most anonymous memory that it had, looked at every millisecond.
fn measured(case: &str, path: &Path) {
    static MOST: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    let idle = status("RssAnon");
    let watch = std::thread::spawn(|| {
        while !DONE.load(Ordering::Acquire) {
            MOST.fetch_max(status("RssAnon"), Ordering::AcqRel);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let begun = Instant::now();
    run(case, path);
    let took = begun.elapsed();
    DONE.store(true, Ordering::Release);
    watch.join().unwrap();
    let most = MOST.load(Ordering::Acquire);
    let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
    println!(
        "{case}: {:.1} MB anonymous at most, {:.1} MB before; VmHWM {:.1} MB; {took:.2?}",
        mb(most),
        mb(idle),
        mb(status("VmHWM")),
    );
    let (_, bound) = CASES.iter().find(|(name, _)| *name == case).unwrap();
    assert!(mb(most) < *bound as f64, "{case} takes more than {bound} MB");
}

fn run(case: &str, path: &Path) {
    if case == "materialise" {
        let store = tracewal::options_with(tracewal::Compaction::OnDemand).open(path).unwrap();
        let view = store.materialise(&store.find("s").unwrap()).unwrap().unwrap();
        println!("view of {} bytes", fs::metadata(view.path).unwrap().len());
        return;
    }
    let store =
        tracewal::options_with(tracewal::Compaction::OnDemand).access(Access::Read).open(path).unwrap();
    let mut log = store.read(&store.find("s").unwrap(), Reading::Whole).unwrap();
    let fold = Fold::of(&mut log).unwrap();
    if case == "open spans" {
        assert!(open_spans(&fold, &mut log, 20).unwrap().is_empty());
    }
    assert_eq!(fold.summary().tokens.output, fold.summary().generations * 20);
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A control group with a limit on memory, the page cache of what it reads and writes included.
struct Group(PathBuf);

impl Group {
    fn new(bytes: u64) -> Self {
        let (root, limit) = if Path::new("/sys/fs/cgroup/memory").is_dir() {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            ("/sys/fs/cgroup", "memory.max")
        };
        let group = Path::new(root).join(format!("tracewal-{}", std::process::id()));
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join(limit), bytes.to_string()).unwrap();
        Group(group)
    }

    fn add(&self, process: u32) {
        fs::write(self.0.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
