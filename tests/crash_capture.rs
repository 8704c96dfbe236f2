//! What a dying process says about itself. Each case is a child process that dies, or does not; then its store is looked at.
//!
//! This test has a `main` of its own: a panic that leaves `main`, an exit status and an allocator that refuses are part of the cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use tracewal::crash::{Capture, install};
use tracewal::{Event, Item, Reading, Session, Store};

/// A thread that may not allocate any more; 0 = none.
static FORBIDDEN: AtomicI32 = AtomicI32::new(0);
const ALLOCATED: i32 = 77;

struct Refusing;

// SAFETY: the system's allocator, behind a question.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let forbidden = FORBIDDEN.load(Ordering::Relaxed);
        // SAFETY: gettid and _exit have no preconditions; the layout is the caller's.
        unsafe {
            if forbidden != 0 && libc::gettid() == forbidden {
                libc::_exit(ALLOCATED);
            }
            System.alloc(layout)
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let forbidden = FORBIDDEN.load(Ordering::Relaxed);
        // SAFETY: as above; pointer and layout are the caller's.
        unsafe {
            if forbidden != 0 && libc::gettid() == forbidden {
                libc::_exit(ALLOCATED);
            }
            System.dealloc(pointer, layout);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

const CASE: &str = "TRACEWAL_CRASH_CASE";
const STORE: &str = "TRACEWAL_CRASH_STORE";

type Play = fn(&Store);
type Check = for<'s> fn(&'s Seen) -> &'s Seen;

/// Name, what the child does, what must be found.
const CASES: &[(&str, Play, Check)] = &[
    ("a null pointer", null_pointer, |seen| seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")),
    ("a null pointer with plain writes", null_pointer_plain, |seen| {
        seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
    }),
    ("a null pointer in a thread", null_pointer_in_thread, |seen| {
        seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
    }),
    ("a stack overflow", stack_overflow, |seen| seen.killed_by(libc::SIGABRT).crashed("SIGSEGV", "handler")),
    (
        "abort",
        |s| {
            let _kept = open(s, "s");
            std::process::abort()
        },
        |seen| seen.killed_by(libc::SIGABRT).crashed("SIGABRT", "handler"),
    ),
    (
        "SIGILL",
        |s| raise_in(s, libc::SIGILL),
        |seen| seen.killed_by(libc::SIGILL).crashed("SIGILL", "handler"),
    ),
    (
        "SIGFPE",
        |s| raise_in(s, libc::SIGFPE),
        |seen| seen.killed_by(libc::SIGFPE).crashed("SIGFPE", "handler"),
    ),
    (
        "SIGBUS",
        |s| raise_in(s, libc::SIGBUS),
        |seen| seen.killed_by(libc::SIGBUS).crashed("SIGBUS", "handler"),
    ),
    (
        "SIGTRAP",
        |s| raise_in(s, libc::SIGTRAP),
        |seen| seen.killed_by(libc::SIGTRAP).crashed("SIGTRAP", "handler"),
    ),
    (
        "SIGSYS",
        |s| raise_in(s, libc::SIGSYS),
        |seen| seen.killed_by(libc::SIGSYS).crashed("SIGSYS", "handler"),
    ),
    (
        "SIGTERM",
        |s| raise_in(s, libc::SIGTERM),
        |seen| seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler"),
    ),
    (
        "SIGINT",
        |s| raise_in(s, libc::SIGINT),
        |seen| seen.killed_by(libc::SIGINT).crashed("SIGINT", "handler"),
    ),
    (
        "SIGHUP",
        |s| raise_in(s, libc::SIGHUP),
        |seen| seen.killed_by(libc::SIGHUP).crashed("SIGHUP", "handler"),
    ),
    (
        "SIGQUIT",
        |s| raise_in(s, libc::SIGQUIT),
        |seen| seen.killed_by(libc::SIGQUIT).crashed("SIGQUIT", "handler"),
    ),
    (
        "SIGXCPU",
        |s| raise_in(s, libc::SIGXCPU),
        |seen| seen.killed_by(libc::SIGXCPU).crashed("SIGXCPU", "handler"),
    ),
    ("a handled SIGINT that is survived", handled_and_survived, |seen| seen.exited(0).is("completed")),
    ("a handled SIGINT before SIGKILL", handled_and_killed, |seen| {
        seen.killed_by(libc::SIGKILL).crashed("SIGINT", "recovery")
    }),
    ("an ignored SIGINT", ignored, |seen| seen.exited(0).is("completed")),
    ("a panic that leaves main", panic_in_main, |seen| {
        seen.exited(101).crashed("panic: it broke", "panic-hook")
    }),
    ("a panic that unwinds the last handle", panic_drops, |seen| {
        seen.exited(101).crashed("panic: it broke", "panic-hook")
    }),
    ("a panic that is caught", caught_panic, |seen| {
        seen.exited(0).is("completed").has("\"source\":\"panic-hook\"")
    }),
    ("a caught panic, then an exit", caught_panic_then_exit, |seen| {
        seen.exited(0).is("running").has("process-exit")
    }),
    (
        "exit with an open session",
        |s| {
            keep(open(s, "s"));
            std::process::exit(3)
        },
        |seen| seen.exited(3).is("running").has("process-exit"),
    ),
    (
        "returning from main with an open session",
        |s| keep(open(s, "s")),
        |seen| seen.exited(0).is("running").has("process-exit"),
    ),
    (
        "_exit",
        |s| {
            let _s = open(s, "s");
            unsafe { libc::_exit(0) }
        },
        |seen| seen.exited(0).recovered("process vanished", "recovery"),
    ),
    ("fifty sessions", fifty_sessions, |seen| seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler")),
    ("no allocation in the handler", no_allocation, |seen| {
        seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler")
    }),
    ("a second fatal signal in a handler", fatal_in_handler, |seen| {
        seen.killed_by(libc::SIGBUS).crashed("SIGSEGV", "handler")
    }),
    ("a crash behind the ending", crash_behind_ending, |seen| {
        seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
    }),
    ("a session that was closed before", closed_before, |seen| seen.killed_by(libc::SIGSEGV).is("completed")),
];

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

fn raise_in(store: &Store, signal: i32) {
    let _session = open(store, "s");
    raise(signal);
    unreachable!("the signal was survived");
}

fn crash() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

fn null_pointer(store: &Store) {
    let _session = open(store, "s");
    crash();
}

fn null_pointer_plain(_: &Store) {
    let path = std::env::var(STORE).unwrap();
    let store = tracewal::options().plain_writes(true).open(path).unwrap();
    install(&store, patient()).unwrap();
    null_pointer(&store);
}

fn null_pointer_in_thread(store: &Store) {
    let _session = open(store, "s");
    std::thread::spawn(crash).join().unwrap();
}

fn stack_overflow(store: &Store) {
    fn deeper(n: u64) -> u64 {
        let frame = std::hint::black_box([n; 128]);
        if n == u64::MAX { 0 } else { deeper(n + 1) + frame[7] }
    }
    let _session = open(store, "s");
    std::process::exit(i32::try_from(deeper(0) % 2).unwrap());
}

extern "C" fn do_nothing(_: i32) {}

extern "C" fn bus_error(_: i32) {
    raise(libc::SIGBUS);
}

fn handle(signal: i32, action: libc::sighandler_t) {
    // SAFETY: a function of this program that is async-signal-safe, or a constant.
    unsafe { libc::signal(signal, action) };
}

/// A case of its own sets up its signals before crash capture is installed: see `main`.
fn before_install(case: &str) {
    #[allow(clippy::as_conversions)]
    let (nothing, bus) =
        (do_nothing as extern "C" fn(i32) as usize, bus_error as extern "C" fn(i32) as usize);
    match case {
        "a handled SIGINT that is survived" | "a handled SIGINT before SIGKILL" => {
            handle(libc::SIGINT, nothing)
        }
        "an ignored SIGINT" => handle(libc::SIGINT, libc::SIG_IGN),
        "a second fatal signal in a handler" => handle(libc::SIGSEGV, bus),
        _ => {}
    }
}

fn handled_and_survived(store: &Store) {
    let session = open(store, "s");
    raise(libc::SIGINT);
    session.note("after", None).unwrap();
    session.complete().unwrap();
}

fn handled_and_killed(store: &Store) {
    let _session = open(store, "s");
    raise(libc::SIGINT);
    raise(libc::SIGKILL);
}

fn ignored(store: &Store) {
    let session = open(store, "s");
    raise(libc::SIGINT);
    session.complete().unwrap();
}

fn panic_in_main(store: &Store) {
    keep(open(store, "s"));
    panic!("it broke");
}

fn panic_drops(store: &Store) {
    let _session = open(store, "s");
    panic!("it broke");
}

fn caught_panic(store: &Store) {
    let session = open(store, "s");
    assert!(std::panic::catch_unwind(|| panic!("it broke")).is_err());
    session.complete().unwrap();
}

fn caught_panic_then_exit(store: &Store) {
    keep(open(store, "s"));
    assert!(std::panic::catch_unwind(|| panic!("it broke")).is_err());
}

fn fifty_sessions(store: &Store) {
    let sessions: Vec<Session> =
        (0..49).map(|n| open(store, &format!("s{n}"))).chain([open(store, "s")]).collect();
    raise(libc::SIGTERM);
    drop(sessions);
}

fn no_allocation(store: &Store) {
    let _session = open(store, "s");
    // SAFETY: gettid has no preconditions.
    FORBIDDEN.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    raise(libc::SIGTERM);
}

fn fatal_in_handler(store: &Store) {
    let _session = open(store, "s");
    raise(libc::SIGSEGV);
}

fn crash_behind_ending(store: &Store) {
    let session = open(store, "s");
    session.append(tracewal::event::SessionEnded::new(tracewal::event::EndStatus::Completed)).unwrap();
    crash();
}

fn closed_before(store: &Store) {
    open(store, "s").complete().unwrap();
    crash();
}

/// What is left of a child.
struct Seen {
    case: &'static str,
    status: ExitStatus,
    /// The view before anybody opened the store again, and after.
    first_view: String,
    view: String,
    /// The log's events, as lines.
    lines: Vec<String>,
    sessions: usize,
    crashed: usize,
}

impl Seen {
    #[track_caller]
    fn killed_by(&self, signal: i32) -> &Self {
        assert_eq!(self.status.signal(), Some(signal), "{}: {}", self.case, self.status);
        self
    }

    #[track_caller]
    fn exited(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{}: {}", self.case, self.status);
        self
    }

    #[track_caller]
    fn is(&self, status: &str) -> &Self {
        assert!(self.view.contains(&format!("\"status\":\"{status}\"")), "{}: {}", self.case, self.view);
        self
    }

    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(self.lines.iter().any(|line| line.contains(text)), "{}: {:#?}", self.case, self.lines);
        self
    }

    /// Crashed, for this reason, already in the view that the dying process left.
    #[track_caller]
    fn crashed(&self, reason: &str, found_by: &str) -> &Self {
        if found_by != "recovery" {
            let first = format!("\"status\":\"crashed\",\"error\":\"{reason}\"");
            assert!(self.first_view.contains(&first), "{}: {}", self.case, self.first_view);
        }
        self.recovered(reason, found_by)
    }

    #[track_caller]
    fn recovered(&self, reason: &str, found_by: &str) -> &Self {
        assert!(
            self.view.contains(&format!("\"status\":\"crashed\",\"error\":\"{reason}\"")),
            "{}: {}",
            self.case,
            self.view
        );
        let record = |line: &&String| line.contains("\"type\":\"crashed\"");
        let first =
            self.lines.iter().find(record).unwrap_or_else(|| panic!("{}: {:#?}", self.case, self.lines));
        assert!(first.contains(&format!("\"reason\":\"{reason}\"")), "{}: {first}", self.case);
        assert!(first.contains(&format!("\"foundBy\":\"{found_by}\"")), "{}: {first}", self.case);
        assert_eq!(self.crashed, self.sessions, "{}: every session has its own record", self.case);
        self
    }
}

fn look(case: &'static str, status: ExitStatus, folder: &Path) -> Seen {
    let view = folder.join("traces/s.json");
    let first_view = std::fs::read_to_string(&view).unwrap_or_default();
    let store = tracewal::open(folder).unwrap();
    let session = store.find("s").unwrap();
    let mut log = store.read(&session, Reading::Whole).unwrap();
    let mut lines = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => {
                let mut line = Vec::new();
                tracewal::write_event(&entry, &mut line);
                lines.push(String::from_utf8(line).unwrap());
            }
            Item::Loss(loss) => panic!("{case}: {loss:?}"),
            _ => {}
        }
    }
    let sessions = store.sessions().unwrap();
    let is_crashed = |name| {
        let mut log = store.read(name, Reading::Whole).unwrap();
        while let Some(item) = log.next().unwrap() {
            if let Item::Event(entry) = item
                && let Some(Ok(Event::Crashed(_))) = entry.event()
            {
                return true;
            }
        }
        false
    };
    Seen {
        case,
        status,
        first_view,
        view: std::fs::read_to_string(&view).unwrap(),
        lines,
        sessions: sessions.len(),
        crashed: sessions.iter().filter(|name| is_crashed(name)).count(),
    }
}

fn child(case: &str) {
    let (_, play, _) = CASES.iter().find(|(name, ..)| *name == case).unwrap();
    // A core file of each case is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    before_install(case);
    let store = tracewal::open(std::env::var(STORE).unwrap()).unwrap();
    install(&store, patient()).unwrap();
    play(&store);
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
    let mut passed = 0;
    for (case, _, check) in CASES {
        if filter.as_ref().is_some_and(|filter| !case.contains(filter.as_str())) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .env(CASE, case)
            .env(STORE, folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        check(&look(case, status, folder.path()));
        println!("test {case} ... ok");
        passed += 1;
    }
    println!("\ntest result: ok. {passed} passed; 0 failed");
}
