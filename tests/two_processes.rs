//! Several processes on one store: one writer for each session, everybody may read, and whoever comes later finds what a dead one left.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::board::Board;
use support::child::{self, Child, Part, STAGE};
use support::log::{What, look, names, read, status_in, views};
use support::words::{Lane, lane_and_number};
use tracewal::disk::{Gate, Step};
use tracewal::event::RunEndReason;
use tracewal::{Compaction, Error, Item, Options, Reading, Session, SessionName, Store};

/// The session is there, with what the part appends.
const READY: u64 = 2;
/// Word of the board: the lane of this process.
const LANE: u64 = 1;

const EVENTS: u64 = 10;
/// Sessions that the writer makes and removes, and events in each, while they are read.
const FOLLOWED: u64 = 8;
const FOLLOWED_EVENTS: u64 = 1500;

fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 32 << 10)
}

// The parts.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    if part.name == "die before the run begins" {
        // SAFETY: ends this process.
        let die = || unsafe { assert_eq!(libc::raise(libc::SIGKILL), 0) };
        let gate = Before::new(|step| matches!(step, Step::Create(path) if is_in(path, "sessions/s")), die);
        let _resumed = options().gate(gate).open(&part.store).unwrap().session("s").resume();
        panic!("it was to die");
    }
    let store = options().open(&part.store).unwrap();
    match part.name.as_str() {
        "hold" => {
            let session = store.session("s").start_or_resume().unwrap();
            append(&part.board, &session, part.board.get(LANE));
            part.board.set(STAGE, READY);
            child::wait_for_the_end();
        }
        "hold empty" => {
            let _session = store.session("s").start().unwrap();
            part.board.set(STAGE, READY);
            child::wait_for_the_end();
        }
        "leave open" => {
            let session = store.session("s").start().unwrap();
            append(&part.board, &session, 0);
            std::process::exit(0);
        }
        "close" => {
            let session = store.session("s").start().unwrap();
            append(&part.board, &session, 0);
        }
        "share" => many_sessions(&part.board, &store, 1),
        "be followed" => be_followed(&part, &store),
        other => panic!("no part is called {other}"),
    }
}

fn append(board: &Board, session: &Session, lane: u64) {
    let events = Lane::new(lane, EVENTS);
    for n in 0..EVENTS {
        board.begin(0, n);
        board.acknowledge(0, n, session.append(events.event(n)).unwrap());
    }
}

/// Sessions of one process among those of others.
fn many_sessions(board: &Board, store: &Store, lane: u64) {
    let events = Lane::whole(lane);
    for k in 0..20 {
        let session = store.session(format!("{lane} {k}")).start().unwrap();
        for n in k * EVENTS..(k + 1) * EVENTS {
            board.begin(lane, n);
            board.acknowledge(lane, n, session.append(events.event(n)).unwrap());
        }
        assert_eq!(session.complete().unwrap().status.as_str(), "completed");
    }
}

/// Writes sessions through many segments, ends them, and removes them while they are read.
fn be_followed(part: &Part, store: &Store) {
    for k in 0..FOLLOWED {
        let lane = Lane::new(k, FOLLOWED_EVENTS);
        let session = store.session(followed(k)).start().unwrap();
        for n in 0..FOLLOWED_EVENTS {
            session.append(lane.event(n)).unwrap();
        }
        let name = session.name().clone();
        session.complete().unwrap();
        part.board.set(STAGE, READY + k);
        store.remove(&name).unwrap();
    }
}

fn followed(k: u64) -> String {
    format!("followed {k}")
}

/// Does something before a step, once.
struct Before<F> {
    is_the_step: fn(Step<'_>) -> bool,
    then: F,
    is_done: AtomicBool,
}

impl<F: Fn() + Send + Sync> Before<F> {
    fn new(is_the_step: fn(Step<'_>) -> bool, then: F) -> Arc<Self> {
        Arc::new(Before { is_the_step, then, is_done: AtomicBool::new(false) })
    }
}

impl<F: Fn() + Send + Sync> Gate for Before<F> {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        if (self.is_the_step)(step) && !self.is_done.swap(true, Ordering::Relaxed) {
            (self.then)();
        }
        Ok(())
    }
}

fn is_in(path: &Path, folder: &str) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(folder))
}

// The tests.

fn board(folder: &Path, name: &str, lane: u64) -> Board {
    let board = Board::create(&folder.join(name), 2);
    board.set(LANE, lane);
    board
}

fn hold(store: &Path, board: &Board, part: &str) -> Child {
    let mut child = Child::start(part, store, board);
    child.reach(READY);
    child
}

fn is_held_by(result: Result<(), Error>, pid: u32) -> bool {
    matches!(result, Err(Error::Busy { holder, .. }) if holder.pid == pid)
}

#[test]
fn a_second_process_is_told_who_has_the_session_and_gets_it_when_that_one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = board(folder.path(), "board", 0);
    let holder = hold(&path, &board, "hold");
    let pid = holder.pid();

    let store = options().open(&path).unwrap();
    let name = store.find("s").unwrap();
    assert!(store.is_live(&name));
    assert!(is_held_by(store.session("s").resume().map(|_| ()), pid));
    assert!(is_held_by(store.session("s").start_or_resume().map(|_| ()), pid));
    assert!(is_held_by(store.remove(&name), pid));
    assert!(is_held_by(store.recover_session(&name), pid));
    assert!(matches!(store.session("s").start(), Err(Error::Exists { .. })));
    let refused = store.session("s").resume().unwrap_err().to_string();
    assert!(refused.contains(&format!("process {pid}")), "{refused}");
    // Nothing of that has done anything to it.
    assert_eq!(store.recover().unwrap().sessions, vec![]);
    assert_eq!(read(&store, &name, Reading::Live).events.len(), 12);

    holder.kill();
    assert!(!store.is_live(&name));
    let session = store.session("s").resume().unwrap();
    assert_eq!(session.run(), 2);
    assert_eq!(session.complete().unwrap().status.as_str(), "crashed", "a crash outranks every other ending");
    let contents = read(&store, &name, Reading::Whole);
    contents.check_lanes(&[(0, &board, 0)]);
    contents.check_endings();
    assert!(contents.is_ended() && contents.is_crashed());
}

#[test]
fn a_session_that_was_resumed_after_a_kill_can_be_killed_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let boards: Vec<Board> = (0..3).map(|lane| board(folder.path(), &format!("{lane}"), lane)).collect();
    for (run, board) in (1..).zip(&boards) {
        hold(&path, board, "hold").kill();
        // Whether or not somebody looks in between makes no difference.
        if run == 2 {
            drop(options().open(&path).unwrap());
        }
    }
    let store = options().open(&path).unwrap();
    let session = store.session("s").resume().unwrap();
    assert_eq!(session.run(), 4);
    session.complete().unwrap();
    let name = store.find("s").unwrap();
    let contents = read(&store, &name, Reading::Whole);
    contents.check_lanes(&[(0, &boards[0], 0), (1, &boards[1], 0), (2, &boards[2], 0)]);
    contents.check_endings();
    let crashed: Vec<&What> = contents
        .events
        .iter()
        .map(|seen| &seen.what)
        .filter(|what| matches!(what, What::Crashed(_)))
        .collect();
    assert_eq!(crashed, [&What::Crashed(1), &What::Crashed(2), &What::Crashed(3)]);
    assert_eq!((views(&path)["s"].as_str(), contents.losses), ("crashed", vec![]));
}

#[test]
fn a_session_without_events_is_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    hold(&path, &board(folder.path(), "board", 0), "hold empty").kill();
    let store = options().open(&path).unwrap();
    let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
    let whats: Vec<&What> = contents.events.iter().map(|seen| &seen.what).collect();
    assert_eq!(whats, [&What::SessionStarted, &What::RunStarted, &What::Crashed(1)]);
    assert_eq!(views(&path)["s"], "crashed");
}

#[test]
fn a_session_without_an_ending_says_whether_its_process_left_in_order() {
    for (part, last, status) in [
        ("close", What::RunEnded(RunEndReason::Closed), "running"),
        ("leave open", What::Crashed(1), "crashed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let board = board(folder.path(), "board", 0);
        assert!(Child::start(part, &path, &board).wait().success());
        let store = options().open(&path).unwrap();
        let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
        contents.check_lanes(&[(0, &board, 0)]);
        assert_eq!(contents.events.last().unwrap().what, last);
        assert_eq!((contents.status(), views(&path)["s"].as_str()), (status, status), "{part}");
        assert_eq!(names(&path.join("owners")), Vec::<String>::new());
        assert_eq!(store.session("s").resume().unwrap().run(), 2);
    }
}

/// Its owner entry names a run that is not in the log.
#[test]
fn a_process_killed_before_its_run_began_owns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = board(folder.path(), "board", 0);
    assert!(Child::start("close", &path, &board).wait().success());
    let died = Child::start("die before the run begins", &path, &board).wait();
    assert_eq!(died.signal(), Some(libc::SIGKILL));
    assert_eq!(names(&path.join("owners")), ["s"]);

    let store = options().open(&path).unwrap();
    assert_eq!(names(&path.join("owners")), Vec::<String>::new());
    let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
    assert_eq!(
        (contents.status(), contents.notes().len()),
        ("running", 10),
        "a run that never began is no crash"
    );
    assert_eq!(store.session("s").resume().unwrap().run(), 2);
}

/// Whoever opens a store clears away what dead writers left, and must not take a writer that is just arriving for one.
#[test]
fn a_store_can_be_opened_while_another_process_clears_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(options().open(&path).unwrap());
    let steps: [(&str, fn(Step<'_>) -> bool); 2] = [
        ("renaming", |step| matches!(step, Step::Rename(_, to) if is_in(to, "writers"))),
        ("writing", |step| matches!(step, Step::Write(path) if is_in(path, "writers"))),
    ];
    for (name, is_the_step) in steps {
        let other = path.clone();
        let gate = Before::new(is_the_step, move || drop(options().open(&other).unwrap()));
        let store = options().gate(gate).open(&path).unwrap();
        store.session(name).start().unwrap().complete().unwrap();
        assert_eq!(names(&path.join("writers")).len(), 1, "its own entry");
    }
    assert_eq!(names(&path.join("writers")), Vec::<String>::new());
}

#[test]
fn two_processes_with_a_store_each_on_one_folder_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = board(folder.path(), "board", 0);
    let other = Child::start("share", &path, &board);
    let is_done = AtomicBool::new(false);
    let opened = std::thread::scope(|scope| {
        // A third one comes and goes all the time: each time it looks for dead writers.
        let opening = scope.spawn(|| {
            let mut opened = 0;
            while !is_done.load(Ordering::Relaxed) {
                let store = options().open(&path).unwrap();
                assert_eq!(store.health().failed_recoveries, vec![]);
                opened += 1;
            }
            opened
        });
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let store = options().open(&path).unwrap();
            many_sessions(&board, &store, 0);
            assert!(other.wait().success());
        }));
        // Also when something failed: the scope waits for the thread.
        is_done.store(true, Ordering::Relaxed);
        worked.unwrap_or_else(|panic| resume_unwind(panic));
        opening.join().unwrap()
    });
    let store = options().open(&path).unwrap();
    assert_eq!(store.sessions().unwrap().len(), 40);
    for session in store.sessions().unwrap() {
        let contents = read(&store, &session, Reading::Whole);
        assert_eq!((contents.notes().len(), contents.status()), (10, "completed"), "{}", session.id());
        assert_eq!(contents.losses, vec![]);
        assert_eq!(status_in(&std::fs::read(store.view(&session)).unwrap()), "completed");
    }
    assert_eq!(names(&path.join("writers")).len(), 1);
    println!("40 sessions of two processes, while a third opened the store {opened} times");
}

/// What following one session came to.
#[derive(Debug, Default)]
struct Followed {
    events: u64,
    is_ended: bool,
    refreshes: u64,
    error: Option<String>,
}

/// Follows a session from its first event until it has ended, or is gone.
fn follow(store: &Store, session: &SessionName) -> Followed {
    let mut followed = Followed::default();
    if let Err(error) = follow_to_the_end(store, session, &mut followed) {
        assert!(!store.folder(session).exists(), "{error}, of a session that is there");
        followed.error = Some(error);
    }
    followed
}

fn follow_to_the_end(store: &Store, session: &SessionName, followed: &mut Followed) -> Result<(), String> {
    let mut log = store.read(session, Reading::Live).map_err(|error| error.to_string())?;
    let (mut seq, mut next) = (0, 0);
    while !followed.is_ended && store.folder(session).exists() {
        while let Some(item) = log.next().map_err(|error| error.to_string())? {
            match item {
                Item::Event(entry) => {
                    seq += 1;
                    assert_eq!(entry.seq, seq, "events come in order, each once");
                    match entry.event().unwrap().unwrap() {
                        tracewal::Event::Note(note) => {
                            let (lane, n) = lane_and_number(&note.name);
                            assert_eq!((self::followed(lane), n), (session.id().to_owned(), next));
                            next += 1;
                        }
                        tracewal::Event::SessionEnded(_) => followed.is_ended = true,
                        _ => {}
                    }
                    followed.events += 1;
                }
                Item::Loss(loss) => panic!("nothing is lost, and a reader says {loss:?}"),
                _ => {}
            }
        }
        followed.refreshes += 1;
        log.refresh().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// I9: a reader of a log that is written, rolled, sealed, punched and removed meanwhile gets the events in order, or an error.
#[test]
fn readers_follow_a_live_writer_until_its_sessions_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = board(folder.path(), "board", 0);
    drop(options().open(&path).unwrap());
    let writer = Child::start("be followed", &path, &board);
    let followed = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| follow_all(&path))).collect();
        let status = writer.wait();
        std::fs::write(path.join("sessions/.done"), "").unwrap();
        assert!(status.success(), "{status}");
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    let count = |of: &dyn Fn(&Followed) -> bool| followed.iter().filter(|one| of(one)).count();
    println!(
        "{} followings of {FOLLOWED} sessions by two readers: {} to the ending, {} stopped by the removal; {} met an error, of a session that was gone; {} events, {} refreshes",
        followed.len(),
        count(&|one| one.is_ended),
        count(&|one| !one.is_ended),
        count(&|one| one.error.is_some()),
        followed.iter().map(|one| one.events).sum::<u64>(),
        followed.iter().map(|one| one.refreshes).sum::<u64>(),
    );
    assert!(followed.iter().any(|one| one.events > 100), "nothing was followed");
}

/// The same without luck: the log is removed, and its name given to another, between two reads.
#[test]
fn a_log_that_is_removed_or_replaced_while_it_is_read_is_not_damaged() {
    for is_replaced in [false, true] {
        for reading in [Reading::Live, Reading::Whole] {
            let folder = tempfile::tempdir().unwrap();
            let store = options().open(folder.path()).unwrap();
            let write = || {
                let (lane, session) = (Lane::new(0, FOLLOWED_EVENTS), store.session("s").start().unwrap());
                for n in 0..FOLLOWED_EVENTS {
                    session.append(lane.event(n)).unwrap();
                }
                let name = session.name().clone();
                session.complete().unwrap();
                name
            };
            let name = write();
            let mut log = store.read(&name, reading).unwrap();
            for _ in 0..3 {
                assert!(matches!(log.next().unwrap(), Some(Item::Event(_))));
            }
            store.remove(&name).unwrap();
            if is_replaced {
                write();
            }
            let stopped = loop {
                match log.next() {
                    Ok(Some(Item::Loss(loss))) => panic!("nothing is lost, and a reader says {loss:?}"),
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the whole of a log that is gone"),
                    Err(error) => break error,
                }
            };
            assert_eq!(stopped.kind(), io::ErrorKind::NotFound, "{stopped}");
        }
    }
}

/// Follows whatever session there is, one after the other and each as often as it is found, until the writer is done.
fn follow_all(path: &Path) -> Vec<Followed> {
    let store = look(path);
    let mut all = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    while !path.join("sessions/.done").exists() {
        assert!(Instant::now() < until, "the writer is not done within 60 s");
        for session in store.sessions().unwrap() {
            all.push(follow(&store, &session));
        }
    }
    all
}
