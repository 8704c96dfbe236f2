//! Trials: the same case many times, counted; and again without the guard that makes it come out right.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tempfile::TempDir;

#[cfg(feature = "fault-injection")]
const GUARDS_OFF: &str = "TRACEWAL_TEST_GUARDS_OFF";
const CASE: &str = "TRACEWAL_TEST_CASE";
const TRIALS: &str = "TRACEWAL_TRIALS";

/// One row of the incident record. Each of its cases is tried many times, and must come out right each time.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    wrong: Vec<String>,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        take_guards_away();
        Row { name, wrong: Vec::new() }
    }

    /// Runs a case `trials` times, `at_once` of them at a time. A trial that panics came out wrong.
    pub(crate) fn case(&mut self, case: &str, trials: u64, at_once: u64, trial: impl Fn(u64) + Sync) {
        if std::env::var(CASE).is_ok_and(|only| only != case) {
            return;
        }
        let trials = std::env::var(TRIALS).map_or(trials, |most| trials.min(most.parse().unwrap()));
        let begun = Instant::now();
        let (next, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..at_once.min(trials) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= trials {
                            return;
                        }
                        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| trial(number))) {
                            wrong.lock().unwrap().push((number, text_of(panic.as_ref())));
                        }
                    }
                });
            }
        });
        let wrong = wrong.into_inner().unwrap();
        let first = wrong.iter().min().map_or_else(String::new, |(number, text)| {
            format!(": trial {number}: {}", text.replace('\n', " "))
        });
        println!(
            "{}: {trials} trials, {} wrong ({case}; {:.1} s){first}",
            self.name,
            wrong.len(),
            begun.elapsed().as_secs_f64()
        );
        if !wrong.is_empty() {
            self.wrong.push(format!("{case}{first}"));
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.wrong.is_empty(), "{}: {:#?}", self.name, self.wrong);
        }
    }
}

/// What a panic says.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "a panic".into())
}

/// The result of a thread of a trial, or its panic.
pub(crate) fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// An empty folder: in memory where there is room, because nothing here is about the device. (What a killed process has stored is the
/// kernel's there as it is elsewhere.)
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if has_room(memory) { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn has_room(folder: &Path) -> bool {
    let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
    // SAFETY: all zeros is a valid structure, which the call fills; the path ends in NUL.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        libc::statvfs(path.as_ptr(), &raw mut found) == 0 && found.f_bavail * found.f_frsize > 2 << 30
    }
}

/// Takes the guards away that the environment names, in this process.
#[cfg(feature = "fault-injection")]
pub(crate) fn take_guards_away() {
    let Ok(names) = std::env::var(GUARDS_OFF) else { return };
    for name in names.split(',') {
        tracewal_engine::guard::Guard::named(name).expect("a guard").take_away();
    }
}

/// Without the feature every guard stands.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn take_guards_away() {}

/// Runs one case of the test `row` again, in a process of its own and without `guards`, and asserts that it comes out wrong, and how.
#[cfg(feature = "fault-injection")]
pub(crate) fn without(
    guards: &[tracewal_engine::guard::Guard],
    row: &str,
    case: &str,
    trials: u64,
    wrong: &str,
) {
    let names: Vec<String> = guards.iter().map(|guard| format!("{guard:?}")).collect();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([row, "--exact", "--nocapture", "--test-threads=1"])
        .env(GUARDS_OFF, names.join(","))
        .env(CASE, case)
        .env(TRIALS, trials.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let marker = format!("({case}; ");
    let line = said.lines().find(|line| line.contains(&marker)).unwrap_or_else(|| {
        panic!("{row} has no case {case:?}: {said}{}", String::from_utf8_lossy(&output.stderr))
    });
    println!("without {}: {line}", names.join(" and "));
    assert!(!output.status.success(), "{row} does not notice that {names:?} is missing: {line}");
    assert!(line.contains(wrong), "{row} without {names:?} says {line:?}, and not {wrong:?}");
}
