//! A page of a log's mapping goes away under a live writer: somebody cuts the file, or the device cannot read the page back. Both are a
//! SIGBUS, and with crash capture installed neither ends the process: the append that met it is not acknowledged, nor is any later one of
//! that session, what was acknowledged before the cut and lies below it is recovered, and no other session hears of it (I3, I7, I8).
//!
//! (Without crash capture the process dies of it, which costs no more of the log: `tests/faults.rs`.)
//!
//! `TRACEWAL_SESSIONS` sets how many sessions one process has open at once (10,000 for the whole hazard).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::board::{Board, LANE_EVENTS};
use support::child::{self, Child, Part, QUIET};
use support::log::{Contents, names, read, record_ends, views};
use support::seccomp;
use support::small_disk::{Kind, SmallDisk, in_memory};
use support::words::Lane;
use tracewal::crash::{Capture, install};
use tracewal::{Compaction, Durability, Error, Options, Reading, Session, Store};

/// Words of the board: where the file was cut; how many events lay below the cut.
const CUT_AT: u64 = 1;
const BELOW: u64 = 2;
/// How many sessions a child has to open.
const SESSIONS: u64 = 3;
/// The file has been cut.
const IS_CUT: u64 = 4;

/// Appenders of the session that is cut; one more appends to another session.
const APPENDERS: u64 = 4;
const OTHER: u64 = APPENDERS;
/// Events in each lane before the cut.
const BEFORE: u64 = 500;

const NEVER: Durability = Durability::Interval(Duration::from_secs(36_000));

/// One segment for everything: the one that is cut is the one that is written.
fn options(durability: Durability) -> Options {
    tracewal::options_with(Compaction::OnDemand).durability(durability).segment_sizes(16 << 20, 16 << 20)
}

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, ""));
    match name {
        "cut" => cut_under_appenders(&part, argument, NEVER),
        "cut-syncing" => {
            cut_under_appenders(&part, argument, Durability::Interval(Duration::from_millis(1)));
        }
        "roll" => cut_before_a_roll(&part),
        "crash" => cut_and_crash(&part, argument),
        "many" => cut_one_of_many(&part),
        "fork" => cut_in_a_child(&part, argument == "captured"),
        "unreadable" => unreadable_page(&part),
        other => panic!("no part is called {other}"),
    }
}

fn played(part: &str, sessions: u64) -> (tempfile::TempDir, Board, std::process::ExitStatus) {
    let folder = in_memory();
    let board = Board::create(&folder.path().join("board"), APPENDERS + 1);
    board.set(SESSIONS, sessions);
    let child = Child::start_with(part, &folder.path().join("store"), &board, &[QUIET]);
    let status = child.wait();
    (folder, board, status)
}

fn segment(store: &Store, session: &Session) -> PathBuf {
    let folder = store.folder(session.name());
    let last = |name: &String| name.strip_suffix(".wal").and_then(|n| n.parse::<u64>().ok());
    let number = names(&folder).iter().filter_map(last).max().unwrap();
    folder.join(format!("{number}.wal"))
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[track_caller]
fn assert_poisoned<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Poisoned { .. })), "{result:?}");
}

// Four threads at full speed.

/// Where a file of `len` bytes of records is cut.
fn cut_at(place: &str, len: usize) -> u64 {
    let at = match place {
        "everything" => 0,
        "the crash slots" => 2148,
        "the records" => 4096,
        "half a record" => (len / 2) | 1,
        "half the pages" => (len / 2).next_multiple_of(4096),
        "what is not written yet" => len + 100,
        other => panic!("no place is called {other}"),
    };
    u64::try_from(at).unwrap()
}

const PLACES: [&str; 6] = [
    "everything",
    "the crash slots",
    "the records",
    "half a record",
    "half the pages",
    "what is not written yet",
];

fn cut_under_appenders(part: &Part, place: &str, durability: Durability) {
    let store = options(durability).open(&part.store).unwrap();
    install(&store, Capture::default()).unwrap();
    let (session, other) = (store.session("cut").start().unwrap(), store.session("whole").start().unwrap());
    let board = &part.board;
    std::thread::scope(|scope| {
        for lane in 0..APPENDERS {
            let session = &session;
            scope.spawn(move || {
                let texts = Lane::whole(lane);
                let refused = (0..LANE_EVENTS).find_map(|n| {
                    // On a busy machine the one who cuts may come late.
                    while n > LANE_EVENTS / 2 && board.get(IS_CUT) == 0 {
                        std::thread::yield_now();
                    }
                    board.begin(lane, n);
                    session.append(texts.event(n)).map(|seq| board.acknowledge(lane, n, seq)).err()
                });
                assert_poisoned(Err::<(), _>(refused.expect("the cut is noticed")));
            });
        }
        scope.spawn(|| append_lane(board, &other, OTHER, BEFORE));
        while (0..APPENDERS).any(|lane| board.begun(lane) < BEFORE) {
            std::thread::yield_now();
        }
        let path = segment(&store, &session);
        let ends = record_ends(&fs::read(&path).unwrap());
        let at = cut_at(place, ends.last().unwrap().1);
        let below = ends.iter().filter(|(kind, end)| *kind < 224 && u64::try_from(*end).unwrap() <= at);
        board.set(BELOW, u64::try_from(below.count()).unwrap());
        cut(&path, at);
        board.set(CUT_AT, at);
        board.set(IS_CUT, 1);
    });
    // Whatever is asked of it now: nothing is acknowledged, and everybody hears the same.
    let known = session.durable_seq();
    assert_poisoned(session.append(Lane::new(0, 1).event(0)));
    assert_poisoned(session.append_durable(Lane::new(0, 1).event(0)));
    assert_poisoned(session.sync());
    assert_poisoned(session.crash("it broke"));
    assert_poisoned(session.clone().complete());
    assert_eq!(session.durable_seq(), known);
    let poisoned = store.health().poisoned;
    assert_eq!(poisoned.len(), 1);
    let said = format!("{poisoned:?}");
    assert!(said.contains("cut it") && said.contains("1.wal"), "{said}");
    // Another one goes on, and new ones begin.
    other.sync().unwrap();
    assert_eq!(other.complete().unwrap().status.as_str(), "completed");
    let new = store.session("new").start().unwrap();
    new.append_durable(Lane::new(0, 1).event(0)).unwrap();
    assert_eq!(new.complete().unwrap().status.as_str(), "completed");
}

fn append_lane(board: &Board, session: &Session, lane: u64, events: u64) {
    let texts = Lane::new(lane, events);
    for n in 0..events {
        board.begin(lane, n);
        board.acknowledge(lane, n, session.append(texts.event(n)).unwrap());
    }
}

/// What the next process finds of the session that was cut, if anything of it is left.
fn found(path: &Path, id: &str) -> Option<Contents> {
    let store = options(NEVER).open(path).unwrap();
    assert_eq!(store.health().failed_recoveries, vec![]);
    store.find(id).ok().map(|session| read(&store, &session, Reading::Whole))
}

fn four_appenders(part: &str) {
    for place in PLACES {
        let (folder, board, status) = played(&format!("{part} {place}"), 0);
        assert!(status.success(), "{place}: {status}");
        let path = folder.path().join("store");
        let (at, below) = (board.get(CUT_AT), board.get(BELOW));
        match found(&path, "cut") {
            // Of an empty file nothing is known. The process that had it open was told.
            Some(contents) if at == 0 => assert_eq!(contents.events, vec![], "{place}"),
            None => panic!("{place}: the session is gone"),
            Some(contents) => {
                let lanes: Vec<_> = (0..APPENDERS).map(|lane| (lane, &board, lane)).collect();
                contents.check_lanes_through(below, &lanes);
                let events = u64::try_from(contents.events.len()).unwrap();
                assert!(events >= below, "{place}: {events} of {below} events below the cut are left");
                let said = contents.losses.iter().any(|loss| loss.file == "1.wal");
                assert!(said, "{place}: that it was cut is reported: {:?}", contents.losses);
                assert_eq!(contents.status(), "crashed", "{place}");
            }
        }
        let whole = found(&path, "whole").unwrap();
        whole.check_lanes(&[(OTHER, &board, OTHER)]);
        assert_eq!((whole.losses.len(), whole.status()), (0, "completed"));
        let views = views(&path);
        assert_eq!((views["whole"].as_str(), views["new"].as_str()), ("completed", "completed"));
    }
}

#[test]
fn a_cut_under_four_appenders_is_an_error_and_not_a_death() {
    four_appenders("cut");
}

#[test]
fn a_cut_under_four_appenders_and_a_syncing_thread_is_an_error_and_not_a_death() {
    four_appenders("cut-syncing");
}

// What else is stored into a mapping.

/// The seal of a full segment goes into its header page, which nobody has appended to for a while.
fn cut_before_a_roll(part: &Part) {
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    install(&store, Capture::default()).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 1000);
    let rolls = record_ends(&fs::read(segment(&store, &session)).unwrap()).last().unwrap().1;
    assert!(rolls < 8192, "the first records stand in the page behind the header");
    let mut last = 0;
    // Up to where the segment has no room for one more, which its size tells.
    let mut room = (16 << 10) - 4096 - rolls;
    for n in 0.. {
        let needed = texts.text(n).len() + 64;
        if room < needed {
            break;
        }
        last = session.append(texts.event(n)).unwrap();
        room =
            (16 << 10) - 4096 - record_ends(&fs::read(segment(&store, &session)).unwrap()).last().unwrap().1;
    }
    session.sync().unwrap();
    assert_eq!(session.durable_seq(), last);
    cut(&segment(&store, &session), 0);
    // These only roll, and seal what was full.
    let refused = (0..3).find_map(|n| session.append(texts.event(n)).err());
    assert_poisoned(Err::<(), _>(refused.expect("the cut is noticed")));
    assert_poisoned(session.append(texts.event(0)));
}

#[test]
fn a_cut_that_meets_the_seal_of_a_full_segment() {
    let (_folder, _, status) = played("roll", 0);
    assert!(status.success(), "{status}");
}

/// The same session in the same process, opened again.
#[test]
fn a_session_that_was_cut_can_be_resumed() {
    let folder = in_memory();
    let store = options(NEVER).open(folder.path()).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 40);
    for n in 0..20 {
        session.append_durable(texts.event(n)).unwrap();
    }
    cut(&segment(&store, &session), 8192);
    // The page of the cut first, which takes what it is given; then the next one.
    let refused = (20..).find_map(|_| session.append(texts.event(20)).err());
    assert_poisoned(Err::<(), _>(refused.unwrap()));
    drop(session);
    let session = store.session("s").resume().unwrap();
    for n in 0..10 {
        session.append_durable(texts.event(n)).unwrap();
    }
    let name = session.name().clone();
    session.complete().unwrap();
    let contents = read(&store, &name, Reading::Whole);
    let notes = contents.notes();
    assert!(notes[..20].iter().enumerate().all(|(n, note)| *note == texts.text(u64::try_from(n).unwrap())));
    let new = &notes[notes.len() - 10..];
    assert!(new.iter().enumerate().all(|(n, note)| *note == texts.text(u64::try_from(n).unwrap())));
    assert!(contents.losses.iter().any(|loss| loss.file == "1.wal"), "{:?}", contents.losses);
}

// A crash afterwards.

/// Nobody can ask whether a page is there: then it is found out by a signal in the handler.
fn forget_how_to_ask() {
    let invalid = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EINVAL).unwrap();
    seccomp::refuse(libc::SYS_rt_sigprocmask, Some((0, u32::MAX)), invalid);
}

/// Two signals at once, and the frames of a debug build, take more than Rust gives a thread.
fn have_a_large_signal_stack() {
    let memory: &'static mut [u8] = vec![0; 1 << 16].leak();
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory is nobody else's, for ever.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
}

/// A process whose log has lost its crash slots dies of something else.
fn cut_and_crash(part: &Part, how: &str) {
    // A core file is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    if how == "unasked" {
        forget_how_to_ask();
        have_a_large_signal_stack();
    }
    let store = options(NEVER).open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let sessions: Vec<Session> =
        ["cut", "s", "cut too", "t"].iter().map(|id| store.session(*id).start().unwrap()).collect();
    for session in &sessions {
        session.append(Lane::new(0, 1).event(0)).unwrap();
    }
    for session in &sessions {
        if session.id().starts_with("cut") {
            cut(&segment(&store, session), 0);
        }
    }
    if how.contains("thread") {
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let _ = small.spawn(crash).unwrap().join();
    }
    crash();
}

fn crash() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

#[test]
fn a_crash_of_a_process_whose_crash_slots_were_cut_away() {
    for how in ["", "in a thread", "unasked"] {
        let (folder, _, status) = played(&format!("crash {how}"), 0);
        assert_eq!(status.signal(), Some(libc::SIGSEGV), "{how}: {status}");
        let path = folder.path().join("store");
        let first = views(&path);
        let said = |id: &str| first.get(id).map(String::as_str);
        assert_eq!((said("s"), said("t")), (Some("crashed"), Some("crashed")), "{how}");
        let store = options(NEVER).open(&path).unwrap();
        let mut failed: Vec<String> =
            store.health().failed_recoveries.into_iter().map(|(id, _)| id).collect();
        failed.sort();
        assert_eq!(failed, ["cut", "cut too"], "{how}: of which nothing is left");
        for id in ["s", "t"] {
            let contents = read(&store, &store.find(id).unwrap(), Reading::Whole);
            assert_eq!((contents.losses.len(), contents.status()), (0, "crashed"), "{how}");
        }
    }
}

// Many sessions.

fn cut_one_of_many(part: &Part) {
    let count = part.board.get(SESSIONS);
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    let session = |n: u64| store.session(format!("s{n}")).start().unwrap();
    let mut sessions: Vec<Session> = (0..count / 2).map(session).collect();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    sessions.extend((count / 2..count).map(session));
    // Places that are given back and taken again.
    for n in 0..100 {
        sessions.swap_remove(n * 3).complete().unwrap();
    }
    sessions.extend((count..count + 100).map(session));
    let texts = Lane::new(0, 2);
    for nth in [0, sessions.len() / 2, sessions.len() - 1] {
        cut(&segment(&store, &sessions[nth]), 4096);
        assert_poisoned(sessions[nth].append(texts.event(0)));
    }
    let refused = sessions.iter().filter(|session| session.append(texts.event(1)).is_err());
    assert_eq!(refused.count(), 3);
    assert_eq!(store.health().poisoned.len(), 3);
    // The rest is for the next process: this has as many sessions as it is about.
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

#[test]
fn one_of_many_sessions_is_cut() {
    let sessions = std::env::var("TRACEWAL_SESSIONS").map_or(600, |count| count.parse().unwrap());
    let (_folder, _, status) = played("many", sessions);
    assert!(status.success(), "{status}");
}

// Children.

/// A child has its parent's table. What it maps itself may lie where its parent's mappings lay.
fn cut_in_a_child(part: &Part, is_captured: bool) {
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let parents: Vec<Session> = (0..50).map(|n| store.session(format!("p{n}")).start().unwrap()).collect();
    // SAFETY: the child runs code of the test alone, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let own = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(part.store.join("child")).unwrap();
        if is_captured {
            install(&own, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
        }
        let sessions: Vec<Session> = (0..50).map(|n| own.session(format!("c{n}")).start().unwrap()).collect();
        for session in &sessions[..25] {
            cut(&segment(&own, session), 4096);
            assert_poisoned(session.append(Lane::new(0, 1).event(0)));
        }
        for session in &sessions[25..] {
            session.append_durable(Lane::new(0, 1).event(0)).unwrap();
        }
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
    let mut status = 0;
    // SAFETY: the status lives through the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status & 0x7F, if is_captured { 0 } else { libc::SIGBUS }, "how the child ended");
    assert_eq!(status >> 8, 0, "what the child found");
    for session in &parents {
        session.append_durable(Lane::new(0, 1).event(0)).unwrap();
    }
    for session in parents {
        session.complete().unwrap();
    }
}

/// Without a call of its own a child's SIGBUS is what it is anywhere: taking it over is asked for, in each process.
#[test]
fn a_cut_in_a_forked_child() {
    for part in ["fork captured", "fork"] {
        let (folder, _, status) = played(part, 0);
        assert!(status.success(), "{part}: {status}");
        let views = views(&folder.path().join("store"));
        assert_eq!(views.values().filter(|status| *status == "completed").count(), 50, "{part}");
    }
}

// A device that cannot read.

/// Takes a mapped file's pages out of memory: the next use of one asks the device.
fn forget_pages(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        let (from, to) = (number(from), number(to));
        // SAFETY: pages of a shared mapping stay in the file.
        let done = unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), to - from, libc::MADV_DONTNEED)
        };
        assert_eq!(done, 0);
    }
    // SAFETY: a call on an open descriptor.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) }, 0);
}

fn unreadable_page(part: &Part) {
    let store = options(NEVER).segment_sizes(64 << 10, 64 << 10).open(&part.store).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 50);
    for n in 0..20 {
        session.append(texts.event(n)).unwrap();
    }
    session.sync().unwrap();
    forget_pages(&segment(&store, &session));
    // The device is a file that is cut behind its first megabyte: what lay there cannot be read.
    cut(&part.store.parent().unwrap().with_file_name("image"), 1 << 20);
    assert_poisoned(session.append(texts.event(20)));
    assert_poisoned(session.append(texts.event(21)));
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

#[test]
fn a_page_that_the_device_cannot_read() {
    let Some(disk) = SmallDisk::mount(Kind::Ext4, 32) else { return };
    let folder = in_memory();
    let board = Board::create(&folder.path().join("board"), 0);
    let status = Child::start("unreadable", &disk.path().join("store"), &board).wait();
    assert!(status.success(), "{status}");
}
