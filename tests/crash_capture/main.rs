//! What a dying process says about itself. Each case is a child process that dies, or does not; then its store is looked at.
//!
//! This test has a `main` of its own: a panic that leaves `main`, an exit status and an allocator that refuses are part of the cases.
//! `cargo test -p tracewal --test crash_capture -- SIGINT` runs those whose name has that in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

mod dispositions;
mod endings;
mod faults;
mod handler;
mod leaving;
mod panics;
#[path = "../support/seccomp.rs"]
mod seccomp;
mod seen;

use std::os::unix::process::ExitStatusExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use seen::{Seen, look};
use tracewal::crash::{Capture, install};
use tracewal::{Session, Store};

const CASE: &str = "TRACEWAL_CRASH_CASE";
const STORE: &str = "TRACEWAL_CRASH_STORE";
/// Set: crash capture is not installed.
const CONTROL: &str = "TRACEWAL_CRASH_CONTROL";

/// After these a process cannot go on.
const FATAL: [(i32, &str); 7] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGSYS, "SIGSYS"),
];
/// These ask it to end.
const ORDERLY: [(i32, &str); 5] = [
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGXCPU, "SIGXCPU"),
];

/// What a child does, and what must be found.
struct Case {
    name: String,
    /// What it does before crash capture is installed.
    before: Box<dyn Fn()>,
    play: Box<dyn Fn(&Store)>,
    check: Box<dyn Fn(&Seen)>,
    /// It ends as it would without crash capture, to the last bit of its wait status; and may leave a core file.
    like_without: bool,
}

impl Case {
    fn new(
        name: impl Into<String>,
        play: impl Fn(&Store) + 'static,
        check: impl Fn(&Seen) -> &Seen + 'static,
    ) -> Self {
        Case {
            name: name.into(),
            before: Box::new(|| ()),
            play: Box::new(play),
            check: Box::new(move |seen| {
                check(seen);
            }),
            like_without: false,
        }
    }

    fn after(mut self, before: impl Fn() + 'static) -> Self {
        self.before = Box::new(before);
        self
    }

    fn like_without(mut self) -> Self {
        self.like_without = true;
        self
    }
}

fn cases() -> Vec<Case> {
    [
        faults::cases(),
        dispositions::cases(),
        handler::cases(),
        endings::cases(),
        panics::cases(),
        leaving::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

// What the cases share.

/// On a machine that has much else to do, views take their time.
fn patient() -> Capture {
    Capture { grace: std::time::Duration::from_secs(20), ..Capture::default() }
}

fn open(store: &Store, id: &str) -> Session {
    let session = store.session(id).start().unwrap();
    session.note("before", None).unwrap();
    session
}

/// Keeps a handle until the process has gone.
fn keep(session: Session) {
    static KEPT: OnceLock<std::sync::Mutex<Vec<Session>>> = OnceLock::new();
    KEPT.get_or_init(Default::default).lock().unwrap().push(session);
}

fn raise(signal: i32) {
    // SAFETY: a signal to this thread.
    unsafe { libc::raise(signal) };
}

fn null_pointer() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

fn handle(signal: i32, action: libc::sighandler_t) {
    // SAFETY: a function of this program that is async-signal-safe, or a constant.
    unsafe { libc::signal(signal, action) };
}

extern "C" fn do_nothing(_: i32) {}

/// A handler that does nothing, as a disposition.
#[allow(clippy::as_conversions)]
fn nothing() -> libc::sighandler_t {
    do_nothing as extern "C" fn(i32) as usize
}

// Running them.

fn child(name: &str) {
    let all = cases();
    let case = all.iter().find(|case| case.name == name).unwrap();
    limit_core_files(case.like_without);
    // Whoever runs the tests may ignore these (nohup, a shell's background job), and children inherit that.
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        handle(signal, libc::SIG_DFL);
    }
    (case.before)();
    let store = tracewal::open(std::env::var(STORE).unwrap()).unwrap();
    if std::env::var_os(CONTROL).is_none() {
        install(&store, patient()).unwrap();
    }
    (case.play)(&store);
}

/// As large as it may be, where that it is left is part of the case; else none, which would be of no use to anybody.
fn limit_core_files(are_wanted: bool) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: limits of this process; the structure lives through the calls.
    unsafe {
        if are_wanted {
            libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
            limit.rlim_cur = limit.rlim_max;
        }
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
    }
}

fn run(case: &Case, folder: &Path, control: bool) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(CASE, &case.name).env(STORE, folder.join("store")).current_dir(folder);
    if control {
        command.env(CONTROL, "1");
    }
    command.stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

fn main() {
    if let Ok(case) = std::env::var(CASE) {
        return child(&case);
    }
    // What the test runner is asked for, as far as it concerns a test without its harness.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let (mut passed, mut failed) = (0, 0);
    for case in cases() {
        if filter.as_ref().is_some_and(|filter| !case.name.contains(filter.as_str())) {
            continue;
        }
        // What is wrong has been printed by the panic itself.
        let is_right = std::panic::catch_unwind(AssertUnwindSafe(|| try_case(&case))).is_ok();
        println!("test {} ... {}", case.name, if is_right { "ok" } else { "FAILED" });
        *(if is_right { &mut passed } else { &mut failed }) += 1;
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed",
        if failed == 0 { "ok" } else { "FAILED" }
    );
    if failed > 0 {
        std::process::exit(101);
    }
}

/// In memory, if there is such a place: nothing here is about the device.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn try_case(case: &Case) {
    let folder = folder();
    let status = run(case, folder.path(), false);
    (case.check)(&look(&case.name, status, &folder.path().join("store")));
    if case.like_without {
        let control = run(case, self::folder().path(), true);
        assert_eq!(status.into_raw(), control.into_raw(), "{}: {status}, not {control}", case.name);
    }
}
