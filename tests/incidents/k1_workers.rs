//! K1: a process with workers ends, and nothing of what they recorded is on disk.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::scene::{null_pointer, on_demand, raise, view_of};
use crate::support::board::Board;
use crate::support::child::{self, Child, Part, QUIET};
use crate::support::log::{read, views};
use crate::support::trials::{Row, folder};
use crate::support::words::Lane;
use tracewal::Reading;
use tracewal::crash::{Capture, install};

/// Word of the board: how many workers are at work.
const WORKERS: u64 = 1;

/// How a process with workers ends, what its status is, and what its sessions then are.
const ENDS: [(&str, Result<i32, i32>, &str); 7] = [
    ("SIGINT", Err(libc::SIGINT), "crashed"),
    ("SIGTERM", Err(libc::SIGTERM), "crashed"),
    ("SIGHUP", Err(libc::SIGHUP), "crashed"),
    ("a worker's SIGTERM", Err(libc::SIGTERM), "crashed"),
    ("a worker's SIGSEGV", Err(libc::SIGSEGV), "crashed"),
    ("a panic", Ok(101), "crashed"),
    ("an exit", Ok(3), "running"),
];

/// Four sessions, each written by a worker thread, when the process ends by a signal (from outside or in a worker), an uncaught panic, or
/// an exit. Every event that was acknowledged is there, and the views say how it ended before anybody has opened the store again.
///
/// Guards: `PublishedBeforeReturn` (M2), and `CrashSlots` for the reason and the view.
#[test]
fn k1() {
    let mut row = Row::new("K1");
    row.case("four workers", 105, 4, |n| four_workers(ENDS[usize::try_from(n % 7).unwrap()]));
}

/// The same, when a worker panics and the main thread passes that on: `join().unwrap()`.
#[test]
fn k1_panic_passed_on() {
    let mut row = Row::new("K1");
    row.case("a worker's panic, passed on", 20, 4, |_| {
        four_workers(("a worker's panic, passed on", Ok(101), "crashed"));
    });
}

fn four_workers((end, expected, session_is): (&'static str, Result<i32, i32>, &'static str)) {
    let folder = folder();
    let path = folder.path().join("store");
    let board = Board::create(&folder.path().join("board"), 4);
    let mut child = Child::start_with(&format!("work {end}"), &path, &board, &[QUIET]);
    if end.starts_with("SIG") {
        child.wait_until("have its workers at work", |board| board.get(WORKERS) == 4);
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(libc::pid_t::try_from(child.pid()).unwrap(), expected.unwrap_err()) };
    }
    let ended = child.wait();
    assert_eq!(ended.code().ok_or_else(|| ended.signal().unwrap()), expected, "{end}");
    let first: BTreeMap<String, String> =
        (0..4).map(|n| (format!("worker {n}"), session_is.to_owned())).collect();
    assert_eq!(views(&path), first, "{end}: what the dying process left");

    let store = on_demand().open(&path).unwrap();
    for lane in 0..4 {
        let session = store.find(&format!("worker {lane}")).unwrap();
        let contents = read(&store, &session, Reading::Whole);
        contents.check_lanes(&[(lane, &board, lane)]);
        assert!(board.begun(lane) >= 20);
        assert_eq!((contents.status(), &contents.losses), (session_is, &vec![]), "{end}");
        let reason = view_of(&store, session.id())["crash"]["reason"].as_str().unwrap_or_default().to_owned();
        let said = match expected {
            Err(signal) => reason == signal_name(signal),
            Ok(101) => reason.starts_with("panic: "),
            Ok(_) => reason.is_empty(),
        };
        assert!(said, "{end}: the reason is {reason:?}");
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        libc::SIGHUP => "SIGHUP",
        libc::SIGSEGV => "SIGSEGV",
        other => panic!("signal {other}"),
    }
}

pub(crate) fn work(part: &'static Part, end: &'static str) {
    let store = on_demand().open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let (at_work, working) = (Arc::new(Barrier::new(5)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let (store, at_work, working) = (store.clone(), at_work.clone(), working.clone());
            std::thread::spawn(move || {
                let lane = Lane::new(number, 20);
                let session = store.session(format!("worker {number}")).start().unwrap();
                for n in 0..20 {
                    part.board.begin(number, n);
                    part.board.acknowledge(number, n, session.append(lane.event(n)).unwrap());
                }
                part.board.set(WORKERS, working.fetch_add(1, Ordering::AcqRel) + 1);
                at_work.wait();
                match end {
                    "a worker's SIGTERM" if number == 2 => raise(libc::SIGTERM),
                    "a worker's SIGSEGV" if number == 2 => null_pointer(),
                    "a worker's panic, passed on" if number == 2 => panic!("it broke"),
                    _ => {}
                }
                child::wait_for_the_end();
            })
        })
        .collect();
    at_work.wait();
    match end {
        "a panic" => panic!("it broke"),
        "a worker's panic, passed on" => workers.into_iter().nth(2).unwrap().join().unwrap(),
        "an exit" => std::process::exit(3),
        _ => child::wait_for_the_end(),
    }
}
