//! A fatal signal comes while every lock that the process has is held, by threads that will never give it back. The handler takes none
//! of them: the crash record is in the log, and the process ends with the status that it should, within a second.
//!
//! What is held: the file locks of sessions that are being started and materialised, the lock of a session's segments (in a roll), that of the
//! store's entries (in their sync), standard output and error of Rust and C, Rust's environment, its panic hook, the dynamic
//! loader, the allocator. With the feature `fault-injection` also every other mutex of the store, of its sessions and of crash capture:
//!
//! ```text
//! cargo test -p tracewal --features fault-injection --test locks_held
//! ```
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::cell::Cell;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::board::Board;
use support::child::{self, Child, Part, QUIET, STAGE};
use support::door::{Door, renames_view};
use support::log::{names, read};
use support::small_disk::in_memory;
use tracewal::crash::{Capture, install};
use tracewal::disk::Step;
use tracewal::event::Note;
use tracewal::{Compaction, Durability, Options, Reading, Session, Store};

/// Everything is held; and in front of it, what is not.
const HELD: u64 = 2;
/// Word of the board: records are written with calls.
const PLAIN: u64 = 1;

/// How long views are waited for. They cannot be written.
const GRACE: Duration = Duration::from_millis(200);
const IN_TIME: Duration = Duration::from_secs(1);

fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(36_000)))
        .segment_sizes(16 << 10, 64 << 10)
}

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let part: &'static Part = Box::leak(Box::new(part));
    // A core file is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    hold_everything(part);
}

// Threads that hold something, each for ever.

/// How many threads hold what they were to hold.
static HOLDING: AtomicU64 = AtomicU64::new(0);

/// What a thread holds now, it holds for ever. No lock is needed to wait here.
fn hold_for_ever() -> ! {
    HOLDING.fetch_add(1, Ordering::AcqRel);
    loop {
        std::thread::park();
    }
}

/// A thread that comes to `hold_for_ever` while it holds something. Returns when it has.
fn holder(hold: impl FnOnce() + Send + 'static) {
    let before = HOLDING.load(Ordering::Acquire);
    std::thread::spawn(hold);
    while HOLDING.load(Ordering::Acquire) == before {
        std::thread::yield_now();
    }
}

thread_local! {
    /// The step at which this thread stays for ever, with the locks that it has there.
    static STAY_AT: Cell<Option<fn(&Step<'_>) -> bool>> = const { Cell::new(None) };
    /// In the middle of a fork.
    static STAY_IN_FORK: Cell<bool> = const { Cell::new(false) };
}

fn hold_at(step: fn(&Step<'_>) -> bool, act: impl FnOnce() + Send + 'static) {
    holder(move || {
        STAY_AT.set(Some(step));
        act();
    });
}

fn hold_files_and_sessions(store: &Store) {
    let session = store.session("viewed").start().unwrap();
    hold_at(renames_view, move || drop(session.flush()));
    let session = store.session("rolling").start().unwrap();
    hold_at(
        |step| matches!(step, Step::Create(path) if path.ends_with("2.wal.tmp")),
        move || while session.append(Note::new("x".repeat(100))).is_ok() {},
    );
    let starting = store.clone();
    hold_at(
        |step| matches!(step, Step::Rename(_, to) if to.ends_with("sessions/starting")),
        move || drop(starting.session("starting").start()),
    );
    let session = store.session("syncing").start().unwrap();
    hold_at(|step| matches!(step, Step::Sync(path) if path.ends_with("STORE")), move || drop(session.sync()));
}

extern "C" fn before_fork() {
    if STAY_IN_FORK.get() {
        hold_for_ever();
    }
}

extern "C" fn in_loader(_: *mut libc::dl_phdr_info, _: usize, _: *mut libc::c_void) -> i32 {
    hold_for_ever();
}

unsafe extern "C" {
    fn flockfile(file: *mut libc::FILE);
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
}

fn hold_what_is_not_ours() {
    holder(|| {
        let _out = std::io::stdout().lock();
        let _error = std::io::stderr().lock();
        hold_for_ever();
    });
    holder(|| {
        // SAFETY: the files that every process has.
        unsafe {
            flockfile(stdout);
            flockfile(stderr);
        }
        hold_for_ever();
    });
    // With a closure to run in the child, a command forks; and it has the environment locked meanwhile.
    // SAFETY: a function of this program that does nothing in other threads.
    unsafe { libc::pthread_atfork(Some(before_fork), None, None) };
    holder(|| {
        STAY_IN_FORK.set(true);
        // SAFETY: the closure does nothing.
        drop(unsafe { Command::new("/nobody").pre_exec(|| Ok(())).spawn() });
    });
    // The hook that runs is locked against being replaced.
    std::panic::set_hook(Box::new(|_| hold_for_ever()));
    holder(|| panic!("holds the hook"));
    // SAFETY: the callback does not return.
    holder(|| unsafe {
        libc::dl_iterate_phdr(Some(in_loader), std::ptr::null_mut());
    });
}

// The allocator's lock is taken inside of it alone: a thread is stopped there by a signal.

/// Which attempt is being made; its threads were made beforehand, because in the end nobody can make one.
static ATTEMPT: AtomicU64 = AtomicU64::new(0);
static VICTIM: AtomicI32 = AtomicI32::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
const ATTEMPTS: u64 = 40;
/// In a child's environment: one arena for all threads, so that its lock is everybody's.
const ONE_ARENA: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1");

extern "C" fn stop_here(_: i32) {
    STOPPED.store(true, Ordering::Release);
    loop {
        // SAFETY: it waits.
        unsafe { libc::pause() };
    }
}

fn allocate(bytes: usize) {
    // SAFETY: what is allocated is freed.
    unsafe { libc::free(std::hint::black_box(libc::malloc(std::hint::black_box(bytes)))) };
}

fn nap(ms: i32) {
    // SAFETY: it waits.
    unsafe { libc::poll(std::ptr::null_mut(), 0, ms) };
}

fn await_attempt(number: u64) {
    while ATTEMPT.load(Ordering::Acquire) != number {
        nap(1);
    }
}

fn hold_allocator() {
    #[allow(clippy::as_conversions)]
    let stop = stop_here as extern "C" fn(i32) as usize;
    // SAFETY: a function of this program that never returns to what it interrupted.
    unsafe { libc::signal(libc::SIGUSR1, stop) };
    let small = || std::thread::Builder::new().stack_size(64 << 10);
    for number in 1..=ATTEMPTS {
        let victim = move || {
            await_attempt(number * 2);
            // SAFETY: gettid has no preconditions.
            VICTIM.store(unsafe { libc::gettid() }, Ordering::Release);
            loop {
                // Too large for what a thread keeps to itself, too small for pages of its own.
                allocate(20_000);
            }
        };
        let prober = move || {
            await_attempt(number * 2 + 1);
            allocate(20_000);
            ALLOCATED.store(number, Ordering::Release);
        };
        small().spawn(victim).unwrap();
        small().spawn(prober).unwrap();
    }
    for number in 1..=ATTEMPTS {
        VICTIM.store(0, Ordering::Release);
        STOPPED.store(false, Ordering::Release);
        ATTEMPT.store(number * 2, Ordering::Release);
        while VICTIM.load(Ordering::Acquire) == 0 {
            nap(1);
        }
        nap(2);
        // SAFETY: a signal to a thread of this process that lives.
        unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), VICTIM.load(Ordering::Acquire), libc::SIGUSR1)
        };
        while !STOPPED.load(Ordering::Acquire) {
            nap(1);
        }
        ATTEMPT.store(number * 2 + 1, Ordering::Release);
        for _ in 0..100 {
            nap(2);
            if ALLOCATED.load(Ordering::Acquire) == number {
                break;
            }
        }
        if ALLOCATED.load(Ordering::Acquire) != number {
            return;
        }
    }
    // Nobody was stopped with the allocator's lock. (A panic would wait for one.)
    std::process::abort();
}

/// From here on this process does nothing that needs a lock.
fn hold_everything(part: &'static Part) {
    let gate = Door::new(|step| {
        if STAY_AT.get().is_some_and(|stay| stay(&step)) {
            hold_for_ever();
        }
        Ok(())
    });
    let options = options().plain_writes(part.board.get(PLAIN) == 1).gate(gate);
    let [in_use, other] = [part.store.clone(), other(&part.store)].map(|path| {
        let store = options.clone().open(path).unwrap();
        install(&store, Capture { grace: GRACE, ..Capture::default() }).unwrap();
        store
    });
    let sessions: Vec<Session> = ["s", "t"].iter().map(|id| other.session(*id).start().unwrap()).collect();
    hold_files_and_sessions(&in_use);
    hold_what_is_not_ours();
    #[cfg(feature = "fault-injection")]
    tracewal_engine::crash::hold_every_lock(&other);
    hold_allocator();
    std::mem::forget(sessions);
    part.board.set(STAGE, HELD);
    loop {
        nap(1000);
    }
}

/// A second store, of which no thread is in the middle of anything: all of its locks can be taken.
fn other(path: &Path) -> PathBuf {
    path.with_file_name("other")
}

#[test]
fn a_fatal_signal_while_every_lock_is_held() {
    for plain in [0, 1] {
        for (signal, name) in
            [(libc::SIGSEGV, "SIGSEGV"), (libc::SIGTERM, "SIGTERM"), (libc::SIGABRT, "SIGABRT")]
        {
            let folder = in_memory();
            let path = folder.path().join("store");
            let board = Board::create(&folder.path().join("board"), 0);
            board.set(PLAIN, plain);
            let mut child = Child::start_with("hold", &path, &board, &[QUIET, ONE_ARENA]);
            child.reach(HELD);
            let begun = Instant::now();
            // SAFETY: a signal to a child that has not been waited for.
            unsafe { libc::kill(libc::pid_t::try_from(child.pid()).unwrap(), signal) };
            let status = child.wait();
            let took = begun.elapsed();
            assert_eq!(status.signal(), Some(signal), "{status}");
            assert!(took < IN_TIME, "{name}: it took {took:?}");
            assert!(took >= GRACE, "{name}: the views could not be written, and were waited for");
            check(&path, &["viewed", "rolling", "syncing"], name);
            check(&other(&path), &["s", "t"], name);
        }
    }
}

/// The word of the handler itself, in every session that was live, and not what recovery would say.
fn check(path: &Path, sessions: &[&str], reason: &str) {
    let store = options().open(path).unwrap();
    assert_eq!(store.health().failed_recoveries, vec![]);
    assert_eq!(names(store.traces()).len(), sessions.len(), "{reason}");
    for id in sessions {
        let session = store.find(id).unwrap();
        let contents = read(&store, &session, Reading::Whole);
        assert_eq!((contents.losses.len(), contents.status()), (0, "crashed"), "{id}");
        let view = std::fs::read(store.view(&session)).unwrap();
        let view: serde_json::Value = serde_json::from_slice(&view).unwrap();
        let crash = (&view["crash"]["reason"], &view["crash"]["foundBy"]);
        assert_eq!((crash.0.as_str(), crash.1.as_str()), (Some(reason), Some("handler")), "{id}");
    }
}
