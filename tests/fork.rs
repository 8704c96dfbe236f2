//! A forked child inherits its parent's sessions, locks and handlers, and must not use them: whatever it does, its parent goes on, and
//! when the parent is killed, a child that lives on does not keep its session.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::board::Board;
use support::child::{self, Child, Part, STAGE};
use support::log::{What, look, names, read, status_in};
use support::words::Lane;
use tracewal::crash::{Capture, install};
use tracewal::{Compaction, Durability, Error, Options, Reading, Session, Store};

/// The fork has been made, and its child is gone or stays, as the part says.
const FORKED: u64 = 2;
/// Words of the board: the parent may go on; how the child ended, plus one; its pid.
const GO_ON: u64 = 1;
const CHILD_STATUS: u64 = 2;
const CHILD_PID: u64 = 3;

/// Events before the fork, and as many behind it.
const EVENTS: u64 = 10;
/// What a child exits with to say that an append gave something else than `Forked`.
const APPENDED: i32 = 99;
/// Recovery has to wait for nothing here. (A holder that seems to be on its way out is waited for up to 10 s.)
const PROMPTLY: Duration = Duration::from_secs(4);

/// The ways in which a child ends, and the wait status that shows it.
const ENDS: &[(&str, i32)] = &[
    ("_exit", 0),
    ("exit", 0),
    ("abort", libc::SIGABRT),
    ("kill", libc::SIGKILL),
    ("null pointer", libc::SIGSEGV),
    ("drop", 0),
    ("complete", 0),
    ("panic", 0),
    ("own session", 0),
];

fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 64 << 10)
}

// The parts.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    match part.name.as_str() {
        "fork under load" => fork_under_load(&part),
        "leave a child" => leave_a_child(&part, || {
            // SAFETY: the child does nothing but wait.
            unsafe { libc::fork() }
        }),
        // Past the handlers of pthread_atfork: as a fork by another library, or by another language, may be.
        "leave a child by a raw call" => leave_a_child(&part, || {
            // SAFETY: a fork; the child does nothing but wait.
            unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }.try_into().unwrap()
        }),
        end => fork_and_go_on(&part, end),
    }
}

fn append(board: &Board, session: &Session, lane: &Lane, from: u64) {
    for n in from..from + EVENTS {
        board.begin(0, n);
        board.acknowledge(0, n, session.append(lane.event(n)).unwrap());
    }
}

/// Forks a child that ends in this way, sees it off, and goes on when it may.
fn fork_and_go_on(part: &Part, end: &str) {
    let (end, is_captured) = end.strip_suffix(", captured").map_or((end, false), |end| (end, true));
    let lane = Lane::whole(0);
    let store = options().open(&part.store).unwrap();
    if is_captured {
        install(&store, Capture::default()).unwrap();
    }
    let session = store.session("s").start().unwrap();
    append(&part.board, &session, &lane, 0);
    // SAFETY: the child runs code of the test alone, and leaves by a way that does not come back here.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        end_in_child(part, end, store, session, &lane);
    }
    let mut status = 0;
    // SAFETY: the status lives through the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    part.board.set(CHILD_STATUS, u64::try_from(status).unwrap() + 1);
    part.board.set(STAGE, FORKED);
    while part.board.get(GO_ON) == 0 {
        std::thread::yield_now();
    }
    append(&part.board, &session, &lane, EVENTS);
    assert_eq!(session.complete().unwrap().status.as_str(), "completed");
    drop(store);
}

fn end_in_child(part: &Part, end: &str, store: Store, session: Session, lane: &Lane) -> ! {
    let forked = |error: Option<Error>| {
        if !matches!(error, Some(Error::Forked)) {
            eprintln!("{end}: {error:?} in a child");
            // SAFETY: ends the child.
            unsafe { libc::_exit(APPENDED) }
        }
    };
    forked(session.append(lane.event(77)).err());
    forked(session.append_durable(lane.event(78)).err());
    forked(session.sync().err());
    forked(store.session("another").start().err());
    match end {
        "exit" => {
            // SAFETY: runs the handlers of atexit, which are part of what is tested.
            unsafe { libc::exit(0) }
        }
        "abort" => std::process::abort(),
        "kill" => {
            // SAFETY: ends the child.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        "null pointer" => {
            // SAFETY: none. A fault is what is wanted.
            unsafe { std::ptr::null_mut::<u32>().write_volatile(1) };
        }
        "drop" => {
            drop(session);
            drop(store);
        }
        "complete" => forked(session.complete().err()),
        "panic" => {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _dropped_in_panic = (store, session);
                panic!("on purpose, in a child");
            }));
            assert!(panicked.is_err());
        }
        "own session" => {
            let own = options().open(&part.store).unwrap();
            let session = own.session("of the child").start().unwrap();
            session.append(lane.event(0)).unwrap();
            assert_eq!(session.complete().unwrap().status.as_str(), "completed");
        }
        _ => {}
    }
    // SAFETY: ends the child, without destructors.
    unsafe { libc::_exit(0) }
}

/// Forks a child that waits for ever, and appends.
fn leave_a_child(part: &Part, fork: impl Fn() -> libc::pid_t) {
    let lane = Lane::whole(0);
    let store = options().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    append(&part.board, &session, &lane, 0);
    let pid = fork();
    if pid == 0 {
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    part.board.set(CHILD_PID, pid.try_into().unwrap());
    append(&part.board, &session, &lane, EVENTS);
    part.board.set(STAGE, FORKED);
    child::wait_for_the_end();
}

/// Forks again and again, while a thread appends and another syncs.
fn fork_under_load(part: &Part) {
    let lane = Lane::whole(0);
    let store =
        options().durability(Durability::Interval(Duration::from_millis(1))).open(&part.store).unwrap();
    install(&store, Capture::default()).unwrap();
    let session = store.session("s").start().unwrap();
    let forks_are_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !forks_are_done.load(Ordering::Relaxed) && n < support::board::LANE_EVENTS {
                part.board.begin(0, n);
                part.board.acknowledge(0, n, session.append(lane.event(n)).unwrap());
                n += 1;
            }
        });
        part.board.set(STAGE, FORKED);
        for _ in 0..60 {
            // SAFETY: the child calls one append, which takes no lock there, and leaves.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let is_refused = matches!(session.append(lane.event(0)), Err(Error::Forked));
                // SAFETY: ends the child, without destructors.
                unsafe { libc::_exit(if is_refused { 0 } else { APPENDED }) }
            }
            let mut status = 0;
            // SAFETY: the status lives through the call.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0, "an append in a child");
        }
        forks_are_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(session.complete().unwrap().status.as_str(), "completed");
}

// The tests.

/// The session is complete, has what was appended to it and nothing else, and no trace of any child.
fn check_unharmed(store: &Store, board: &Board, what: &str) {
    let session = store.find("s").unwrap();
    let contents = read(store, &session, Reading::Whole);
    contents.check_lanes(&[(0, board, 0)]);
    contents.check_endings();
    assert_eq!((contents.status(), &contents.losses), ("completed", &vec![]), "{what}");
    assert_eq!(contents.count(|seen| *seen == What::Other), 0, "{what}: {:?}", contents.events);
    assert_eq!(status_in(&std::fs::read(store.view(&session)).unwrap()), "completed", "{what}");
    assert_eq!(names(&store.path().join("owners")), Vec::<String>::new(), "{what}");
}

#[test]
fn whatever_a_child_does_its_parent_goes_on() {
    for (end, expected) in ENDS {
        for captured in ["", ", captured"] {
            let what = format!("{end}{captured}");
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            let board = Board::create(&folder.path().join("board"), 1);
            let mut parent = Child::start(&what, &path, &board);
            parent.reach(FORKED);
            let status = i32::try_from(board.get(CHILD_STATUS) - 1).unwrap();
            assert_eq!(status & !0x80, *expected, "{what}: wait status of the child");

            // The child is gone, and its parent still has the session, as everybody else can see.
            let other = options().open(&path).unwrap();
            let Err(Error::Busy { holder, .. }) = other.session("s").resume() else {
                panic!("{what}: the session of a living writer was taken");
            };
            assert_eq!(holder.pid, parent.pid(), "{what}");
            let session = other.find("s").unwrap();
            let contents = read(&other, &session, Reading::Live);
            assert_eq!((contents.notes().len(), contents.status()), (10, "running"), "{what}");
            assert_eq!(contents.events.len(), 12, "{what}: {:?}", contents.events);

            board.set(GO_ON, 1);
            let status = parent.wait();
            assert!(status.success(), "{what}: {status}");
            check_unharmed(&other, &board, &what);
            if *end == "own session" {
                let own = read(&other, &other.find("of the child").unwrap(), Reading::Whole);
                assert_eq!((own.notes().len(), own.status()), (1, "completed"));
            }
        }
    }
}

#[test]
fn forks_while_other_threads_append_harm_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = Board::create(&folder.path().join("board"), 1);
    let mut parent = Child::start("fork under load", &path, &board);
    parent.reach(FORKED);
    assert!(parent.wait().success());
    check_unharmed(&look(&path), &board, "under load");
    println!("{} events appended around 60 forks", board.begun(0));
}

/// A process that is killed when this is dropped: an orphan, which nobody else would end.
struct Orphan(libc::pid_t);

impl Orphan {
    fn lives(&self) -> bool {
        // SAFETY: asks, and sends nothing.
        unsafe { libc::kill(self.0, 0) == 0 }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        // SAFETY: the pid of a child that the test has made, and that nobody has waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

/// Kills a process that has left a child, and takes its session over while the child lives.
fn take_over(part: &str, is_reaped: bool) {
    let what = format!("{part}, {}", if is_reaped { "reaped" } else { "not reaped" });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = Board::create(&folder.path().join("board"), 1);
    let mut parent = Child::start(part, &path, &board);
    parent.reach(FORKED);
    let orphan = Orphan(board.get(CHILD_PID).try_into().unwrap());
    parent.kill_and_leave();
    let zombie = if is_reaped {
        parent.kill();
        None
    } else {
        Some(parent)
    };

    let asked = Instant::now();
    let store = options().open(&path).unwrap();
    let session = store.session("s").resume().unwrap_or_else(|error| panic!("{what}: {error}"));
    let took = asked.elapsed();
    assert!(orphan.lives(), "{what}: the child was to outlive its parent");
    assert!(took < PROMPTLY, "{what}: taken over after {took:?}");
    assert_eq!(session.run(), 2, "{what}");
    session.complete().unwrap();
    drop(zombie);
    let session = store.find("s").unwrap();
    let contents = read(&store, &session, Reading::Whole);
    contents.check_lanes(&[(0, &board, 0)]);
    contents.check_endings();
    assert_eq!((contents.notes().len(), contents.status()), (20, "crashed"), "{what}");
    assert_eq!(contents.losses, vec![], "{what}");
    println!("{what}: taken over in {took:?}");
}

#[test]
fn a_child_that_outlives_its_killed_parent_does_not_keep_the_session() {
    take_over("leave a child", true);
    take_over("leave a child by a raw call", true);
}

/// As under a supervisor that has not called wait yet: the dead process is still listed.
#[test]
fn nor_while_nobody_has_waited_for_the_parent() {
    take_over("leave a child", false);
    take_over("leave a child by a raw call", false);
}
