//! Hard kills: a child appends as fast as it can and is killed with SIGKILL at a random moment; whatever it had been told is there
//! must be there, once, in order and as it was, and nothing else (I1, I3).
//!
//! `TRACEWAL_KILL_ROUNDS` sets the rounds of each scenario, `TRACEWAL_SEED` replays one; `--nocapture` shows the figures.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::board::{Board, LANE_EVENTS};
use support::child::{self, Child, Part, STAGE};
use support::log::{Contents, has_bytes_behind_the_end, is_cut_off, look, names, read, status_in, views};
use support::random::Random;
use support::words::Lane;
use tracewal::disk::{Gate, Step};
use tracewal::{Compaction, Durability, Error, Options, Reading, Session, SessionName, Store};

/// Rounds of each scenario unless the environment says otherwise.
const ROUNDS: u64 = 16;
/// How many rounds are spent on one store where each round goes on with what the last one left.
const ROUNDS_ON_ONE_STORE: u64 = 12;
/// Stages of a child: its part has begun (1), its store is open, its loop has begun.
const OPENED: u64 = 2;
const LOOPING: u64 = 3;
/// Words of the board.
const ROUND: u64 = 1;
const STARTED: u64 = 2;
const ENDING: u64 = 3;
const ENDED: u64 = 4;
const REMOVING: u64 = 5;
const REMOVED: u64 = 6;

fn rounds() -> u64 {
    std::env::var("TRACEWAL_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Small segments: a few hundred events make it roll often.
fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 64 << 10)
}

// The parts.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, "1"));
    let number = || argument.parse().unwrap();
    match name {
        "append" => append(&part, &options(), number()),
        "append-written" => append(&part, &options().plain_writes(true), number()),
        "append-durable" => append(&part, &options().durability(Durability::Always), number()),
        "append-syncing" => {
            append(&part, &options().durability(Durability::Interval(Duration::from_millis(1))), number());
        }
        "append-with-background-views" => {
            append(&part, &tracewal::options().segment_sizes(16 << 10, 64 << 10), number());
        }
        "append-and-flush" => append_and_flush(&part),
        "go-on" => go_on(&part),
        "resume" => resume_again_and_again(&part),
        "end" => end_again_and_again(&part),
        "remove" => remove_again_and_again(&part),
        "die-while-removing" => die_while_removing(&part, number()),
        other => panic!("no part is called {other}"),
    }
}

/// Appends a lane's events from number `from` on, until it is full.
fn append_lane(board: &Board, session: &Session, lane: &Lane, on_board: u64, from: u64) {
    for n in from..LANE_EVENTS {
        board.begin(on_board, n);
        let seq = session.append(lane.event(n)).unwrap();
        board.acknowledge(on_board, n, seq);
    }
}

fn append(part: &Part, options: &Options, threads: u64) {
    let lanes: Vec<Lane> = (0..threads).map(Lane::whole).collect();
    let store = options.clone().open(&part.store).unwrap();
    part.board.set(STAGE, OPENED);
    let session = store.session("s").start().unwrap();
    part.board.set(STAGE, LOOPING);
    std::thread::scope(|scope| {
        for (on_board, lane) in (0..).zip(&lanes) {
            let (board, session) = (&part.board, &session);
            scope.spawn(move || append_lane(board, session, lane, on_board, 0));
        }
    });
    child::wait_for_the_end();
}

fn append_and_flush(part: &Part) {
    let lane = Lane::whole(0);
    let store = options().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    part.board.set(STAGE, LOOPING);
    std::thread::scope(|scope| {
        scope.spawn(|| append_lane(&part.board, &session, &lane, 0, 0));
        loop {
            session.flush().unwrap();
        }
    });
}

/// Opens the store, which recovers what the last round left, resumes the session, and appends the round's own lane.
fn go_on(part: &Part) {
    let lane = Lane::whole(part.board.get(ROUND));
    let store = options().open(&part.store).unwrap();
    part.board.set(STAGE, OPENED);
    let session = store.session("s").start_or_resume().unwrap();
    part.board.set(STAGE, LOOPING);
    append_lane(&part.board, &session, &lane, 0, 0);
    child::wait_for_the_end();
}

fn resume_again_and_again(part: &Part) {
    let lane = Lane::whole(0);
    let store = options().open(&part.store).unwrap();
    let mut n = 0;
    loop {
        let session = store.session("s").start_or_resume().unwrap();
        part.board.set(STAGE, LOOPING);
        for _ in 0..3 {
            part.board.begin(0, n);
            part.board.acknowledge(0, n, session.append(lane.event(n)).unwrap());
            n += 1;
        }
    }
}

/// Starts sessions of three events and ends them, one after the other.
fn end_again_and_again(part: &Part) {
    let store = options().open(&part.store).unwrap();
    part.board.set(STAGE, LOOPING);
    for k in 0.. {
        let session = start_short(part, &store, k);
        part.board.set(ENDING, k + 1);
        let ended = session.complete().unwrap();
        assert_eq!(ended.status.as_str(), "completed");
        part.board.set(ENDED, k + 1);
    }
}

/// Appends to one session, while others are started, ended and removed.
fn remove_again_and_again(part: &Part) {
    let lane = Lane::whole(0);
    let store = options().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    part.board.set(STAGE, LOOPING);
    std::thread::scope(|scope| {
        scope.spawn(|| append_lane(&part.board, &session, &lane, 0, 0));
        for k in 1.. {
            let name = start_short(part, &store, k).name().clone();
            part.board.set(REMOVING, k + 1);
            store.remove(&name).unwrap();
            part.board.set(REMOVED, k + 1);
        }
    });
}

/// Kills this process before a step of the disk, counted from when it is armed.
struct Death {
    armed: AtomicBool,
    left: AtomicU64,
}

impl Gate for Death {
    fn before(&self, _: Step<'_>) -> std::io::Result<()> {
        if self.armed.load(Ordering::Relaxed) && self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            // SAFETY: ends this process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        Ok(())
    }
}

/// Dies before step `n` of a removal, if it has so many.
fn die_while_removing(part: &Part, n: u64) {
    let death = Arc::new(Death { armed: AtomicBool::new(false), left: AtomicU64::new(n) });
    let store = options().gate(death.clone()).open(&part.store).unwrap();
    let session = start_short(part, &store, 0);
    let name = session.name().clone();
    session.complete().unwrap();
    death.armed.store(true, Ordering::Relaxed);
    store.remove(&name).unwrap();
    death.armed.store(false, Ordering::Relaxed);
}

/// Session number `k`, with its three events in lane `k`.
fn start_short(part: &Part, store: &Store, k: u64) -> Session {
    let lane = Lane::new(k, 3);
    let session = store.session(short(k)).start().unwrap();
    part.board.set(STARTED, k + 1);
    for n in 0..3 {
        part.board.begin(k, n);
        part.board.acknowledge(k, n, session.append(lane.event(n)).unwrap());
    }
    session
}

fn short(k: u64) -> String {
    format!("short {k}")
}

// What is measured.

#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    in_flight: u64,
    behind_the_end: u64,
    acknowledged: u64,
}

impl Tally {
    /// Looks at the lanes of a child that was killed.
    fn count(&mut self, board: &Board, lanes: u64, session: &Path) {
        self.rounds += 1;
        self.in_flight += u64::from((0..lanes).any(|lane| board.is_in_flight(lane)));
        self.behind_the_end += u64::from(session.exists() && has_bytes_behind_the_end(session));
        for lane in 0..lanes {
            let begun = board.begun(lane);
            self.acknowledged += begun - u64::from(board.is_in_flight(lane));
        }
    }

    fn report(&self, scenario: &str) {
        println!(
            "{scenario}: {} rounds, {} killed with an append in flight, {} with a part of one behind the end of the log, {} events acknowledged",
            self.rounds, self.in_flight, self.behind_the_end, self.acknowledged
        );
    }
}

/// Busy for a while: so short a time is not slept.
fn linger(random: &mut Random, most: Duration) {
    let until = Instant::now() + Duration::from_nanos(random.below(most.as_nanos().try_into().unwrap()));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Kills the child when lane 0 has begun a random number of appends below `most`, or a little later.
fn kill_while_appending(mut child: Child, random: &mut Random, most: u64) {
    child.reach(LOOPING);
    let target = random.below(most);
    child.wait_until("append", |board| board.begun(0) > target);
    linger(random, Duration::from_micros(100));
    child.kill();
}

/// Opens the store as the next process would, and finds the session of a child that had got as far as starting it.
fn reopen(store: &Path) -> (Store, SessionName) {
    let store = options().open(store).unwrap();
    let session = store.find("s").unwrap();
    assert_eq!(store.health().failed_recoveries, vec![]);
    (store, session)
}

/// Nothing of what a dead process leaves beside its log is left, but for a temporary name or an empty lock: they mean nothing.
fn check_tidy(store: &Store) {
    let entries = |folder: &str| {
        let mut names = names(&store.path().join(folder));
        names.retain(|name| !name.ends_with(".tmp"));
        names
    };
    assert_eq!(entries("owners"), Vec::<String>::new(), "no owner entry is left");
    assert_eq!(entries("writers").len(), 1, "no writer entry but ours is left");
    assert_eq!(names(&store.path().join("trash")), Vec::<String>::new());
    let making = names(&store.path().join("sessions")).into_iter().filter(|name| name.starts_with('.'));
    assert_eq!(making.collect::<Vec<_>>(), Vec::<String>::new());
}

/// The view is there and says the status that the log gives.
fn check_view(store: &Store, session: &SessionName, contents: &Contents) {
    let view = std::fs::read(store.view(session)).expect("a view");
    assert_eq!(status_in(&view), contents.status());
    let losses = String::from_utf8(view).unwrap().contains("\"damage\":");
    assert_eq!(losses, !contents.losses.is_empty(), "the view speaks of losses where there are any");
}

/// The log before anything has been recovered: with a mapped log a kill leaves nothing that has to be reported at all.
fn check_before_recovery(path: &Path, session: &str, is_written: bool) {
    let store = look(path);
    let Ok(session) = store.find(session) else { return };
    for loss in read(&store, &session, Reading::Whole).losses {
        assert!(is_written && is_cut_off(&loss), "a kill left {loss:?}");
    }
}

// The scenarios.

struct Loop<'a> {
    name: &'a str,
    part: &'a str,
    lanes: u64,
    /// The most events of lane 0 before the kill.
    most: u64,
    is_written: bool,
    /// A loop that does nothing but append.
    is_tight: bool,
}

impl Loop<'_> {
    /// Kills an appending child, on a store of its own.
    fn kill(&self, folder: &Path, env: &[(&str, &str)], random: &mut Random) -> Board {
        let board = Board::create(&folder.join("board"), self.lanes);
        let child = Child::start_with(self.part, &folder.join("store"), &board, env);
        kill_while_appending(child, random, self.most);
        board
    }

    /// Looks at what the child has left, before recovery and after.
    fn check(&self, folder: &Path, board: &Board) {
        let path = folder.join("store");
        check_before_recovery(&path, "s", self.is_written);
        for status in views(&path).values() {
            assert_eq!(status, "running", "what a view says before its session has ended");
        }
        let (store, session) = reopen(&path);
        let contents = read(&store, &session, Reading::Whole);
        let lanes: Vec<_> = (0..self.lanes).map(|lane| (lane, board, lane)).collect();
        contents.check_lanes(&lanes);
        contents.check_endings();
        assert!(contents.is_crashed() && contents.losses.iter().all(is_cut_off), "{:?}", contents.losses);
        assert!(self.is_written || contents.losses.is_empty());
        assert_eq!(store.verify(&session).unwrap(), contents.losses);
        check_view(&store, &session, &contents);
        check_tidy(&store);
    }
}

fn kill_loops(case: &Loop<'_>) {
    let mut random = Random::named(case.name);
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().unwrap();
        let board = case.kill(folder.path(), &[], &mut random);
        tally.count(&board, case.lanes, &folder.path().join("store/sessions/s"));
        case.check(folder.path(), &board);
    }
    tally.report(case.name);
    if case.is_tight {
        // Nine of ten; two more may miss, so that a few rounds do not fail by chance.
        let missed = tally.rounds - tally.in_flight;
        assert!(missed <= tally.rounds / 10 + 2, "too few kills met an append: {tally:?}");
    }
}

/// The control: with records that are published wrongly on purpose, the same rounds must fail.
/// `cargo test -p tracewal --features fault-injection --test process_crash published_wrongly`
#[cfg(feature = "fault-injection")]
#[test]
fn a_kill_tells_when_records_are_published_wrongly() {
    for fault in ["word-first", "out-of-turn"] {
        let case =
            Loop { name: fault, part: "append 4", lanes: 4, most: 1000, is_written: false, is_tight: false };
        let mut random = Random::named(case.name);
        let mut caught = 0;
        for _ in 0..rounds() {
            let folder = tempfile::tempdir().unwrap();
            let board = case.kill(folder.path(), &[("TRACEWAL_FAULT", fault)], &mut random);
            let check = std::panic::AssertUnwindSafe(|| case.check(folder.path(), &board));
            caught += u64::from(std::panic::catch_unwind(check).is_err());
        }
        println!("{fault}: noticed in {caught} of {} rounds", rounds());
        assert!(caught > 0, "{fault} goes unnoticed");
    }
}

#[test]
fn killed_while_one_thread_appends() {
    kill_loops(&Loop {
        name: "one thread",
        part: "append 1",
        lanes: 1,
        most: 4000,
        is_written: false,
        is_tight: true,
    });
}

#[test]
fn killed_while_two_threads_append() {
    kill_loops(&Loop {
        name: "two threads",
        part: "append 2",
        lanes: 2,
        most: 2000,
        is_written: false,
        is_tight: true,
    });
}

#[test]
fn killed_while_eight_threads_append() {
    kill_loops(&Loop {
        name: "eight threads",
        part: "append 8",
        lanes: 8,
        most: 500,
        is_written: false,
        is_tight: true,
    });
}

#[test]
fn killed_while_records_are_written_with_calls() {
    kill_loops(&Loop {
        name: "plain writes",
        part: "append-written 2",
        lanes: 2,
        most: 1000,
        is_written: true,
        is_tight: true,
    });
}

#[test]
fn killed_while_every_append_is_synced() {
    kill_loops(&Loop {
        name: "durable appends",
        part: "append-durable 2",
        lanes: 2,
        most: 40,
        is_written: false,
        is_tight: false,
    });
}

#[test]
fn killed_while_the_log_is_synced_all_the_time() {
    kill_loops(&Loop {
        name: "syncing",
        part: "append-syncing 2",
        lanes: 2,
        most: 4000,
        is_written: false,
        is_tight: false,
    });
}

#[test]
fn killed_while_materialising() {
    kill_loops(&Loop {
        name: "materialising",
        part: "append-and-flush",
        lanes: 1,
        most: 1500,
        is_written: false,
        is_tight: false,
    });
}

#[test]
fn killed_while_views_are_made_in_the_background() {
    kill_loops(&Loop {
        name: "background views",
        part: "append-with-background-views 1",
        lanes: 1,
        most: 8000,
        is_written: false,
        is_tight: false,
    });
}

/// Also while opening, recovering and resuming: the kill does not wait for the loop.
#[test]
fn a_session_that_is_killed_again_and_again_keeps_what_every_run_was_told() {
    let mut random = Random::named("again and again");
    let mut tally = Tally::default();
    let mut left = rounds();
    while left > 0 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut boards = Vec::new();
        for round in 0..ROUNDS_ON_ONE_STORE.min(left) {
            left -= 1;
            let board = Board::create(&folder.path().join(format!("board {round}")), 1);
            board.set(ROUND, round);
            let mut child = Child::start("go-on", &path, &board);
            match random.below(4) {
                0 => {
                    child.reach(1);
                    linger(&mut random, Duration::from_millis(20));
                    child.kill();
                }
                1 => {
                    child.reach(OPENED);
                    linger(&mut random, Duration::from_millis(3));
                    child.kill();
                }
                _ => kill_while_appending(child, &mut random, 600),
            }
            tally.count(&board, 1, &path.join("sessions/s"));
            boards.push(board);
        }
        check_before_recovery(&path, "s", false);
        let store = options().open(&path).unwrap();
        check_tidy(&store);
        let Ok(session) = store.find("s") else {
            assert!(boards.iter().all(|board| board.begun(0) == 0), "a session that was started is gone");
            continue;
        };
        let contents = read(&store, &session, Reading::Whole);
        let lanes: Vec<_> = (0..).zip(&boards).map(|(lane, board)| (lane, board, 0)).collect();
        contents.check_lanes(&lanes);
        contents.check_endings();
        assert_eq!((contents.status(), &contents.losses), ("crashed", &vec![]));
        check_view(&store, &session, &contents);
    }
    tally.report("again and again");
}

#[test]
fn killed_while_resuming() {
    let mut random = Random::named("resuming");
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let board = Board::create(&folder.path().join("board"), 1);
        let mut child = Child::start("resume", &path, &board);
        child.reach(LOOPING);
        let target = random.below(30);
        child.wait_until("append", |board| board.begun(0) > target);
        linger(&mut random, Duration::from_millis(8));
        child.kill();
        tally.count(&board, 1, &path.join("sessions/s"));
        check_before_recovery(&path, "s", false);

        let (store, session) = reopen(&path);
        let contents = read(&store, &session, Reading::Whole);
        contents.check_lanes(&[(0, &board, 0)]);
        contents.check_endings();
        assert_eq!(contents.losses, vec![]);
        check_view(&store, &session, &contents);
        check_tidy(&store);
    }
    tally.report("resuming");
}

#[test]
fn killed_while_ending() {
    let mut random = Random::named("ending");
    let (mut completed, mut crashed, mut meant_to_end) = (0, 0, 0);
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let board = Board::create(&folder.path().join("board"), 256);
        let mut child = Child::start("end", &path, &board);
        child.reach(LOOPING);
        let (target, word) = (random.below(6), if random.below(3) == 0 { STARTED } else { ENDING });
        child.wait_until("end sessions", |board| board.get(word) > target);
        linger(&mut random, Duration::from_millis(if word == STARTED { 1 } else { 12 }));
        child.kill();

        let (ending, ended) = (board.get(ENDING), board.get(ENDED));
        meant_to_end += u64::from(ending > ended);
        for (name, status) in views(&path) {
            // I6: what the file says is in the log, and durable there.
            assert_eq!(status, "completed", "{name}");
            let store = look(&path);
            let contents = read(&store, &store.find(&name).unwrap(), Reading::Whole);
            let last = contents.events.last().unwrap().seq;
            assert!(contents.is_ended() && last <= contents.durable, "{name}: {contents:?}");
        }
        let store = options().open(&path).unwrap();
        check_tidy(&store);
        for k in 0..board.get(STARTED) {
            let session = store.find(&short(k)).expect("a session that was started");
            let contents = read(&store, &session, Reading::Whole);
            contents.check_lanes(&[(k, &board, k)]);
            contents.check_endings();
            assert_eq!(contents.losses, vec![]);
            check_view(&store, &session, &contents);
            match contents.status() {
                "completed" => completed += 1,
                "crashed" => crashed += 1,
                other => panic!("{other} after recovery"),
            }
            assert!(
                k >= ended || contents.status() == "completed",
                "a session that had ended has {contents:?}"
            );
        }
    }
    println!(
        "ending: {} rounds, {meant_to_end} killed while an ending was in flight; {completed} sessions completed, {crashed} crashed",
        rounds()
    );
}

#[test]
fn killed_before_any_step_of_a_removal() {
    let (mut whole, mut gone) = (0, 0);
    for n in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let board = Board::create(&folder.path().join("board"), 1);
        let has_survived = Child::start(&format!("die-while-removing {n}"), &path, &board).wait().success();
        let store = options().open(&path).unwrap();
        check_tidy(&store);
        if let Ok(session) = store.find(&short(0)) {
            assert!(!has_survived);
            whole += 1;
            store.materialise(&session).unwrap().expect("a view");
            let contents = read(&store, &session, Reading::Whole);
            contents.check_lanes(&[(0, &board, 0)]);
            assert_eq!((contents.status(), &contents.losses), ("completed", &vec![]));
            check_view(&store, &session, &contents);
        } else {
            gone += 1;
            assert_eq!(names(&path.join("traces")), Vec::<String>::new(), "step {n}: a view without a log");
        }
        if has_survived {
            break;
        }
    }
    assert!(whole > 0 && gone > 1, "a removal has steps on both sides of the one that decides");
    println!("removal: killed before each of {} steps: {whole} whole, {gone} gone", whole + gone - 1);
}

#[test]
fn killed_while_sessions_are_removed() {
    let mut random = Random::named("removing");
    let mut tally = Tally::default();
    let (mut in_removal, mut survived) = (0, 0);
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let board = Board::create(&folder.path().join("board"), 256);
        let mut child = Child::start("remove", &path, &board);
        child.reach(LOOPING);
        let target = 1 + random.below(6);
        child.wait_until("remove sessions", |board| board.get(REMOVING) > target);
        linger(&mut random, Duration::from_millis(3));
        child.kill();
        tally.count(&board, 1, &path.join("sessions/s"));
        views(&path);

        let (removing, removed) = (board.get(REMOVING), board.get(REMOVED));
        in_removal += u64::from(removing > removed);
        let (store, session) = reopen(&path);
        check_tidy(&store);
        let contents = read(&store, &session, Reading::Whole);
        contents.check_lanes(&[(0, &board, 0)]);
        assert_eq!((contents.status(), &contents.losses), ("crashed", &vec![]));
        check_view(&store, &session, &contents);
        for k in 1..removing {
            match store.find(&short(k)) {
                Err(Error::NotFound { .. }) => {
                    let view = path.join("traces").join(format!("{}.json", short(k)));
                    assert!(!view.exists(), "a view without a log is left of {}", short(k));
                }
                Ok(session) => {
                    assert!(k >= removed, "{} had been removed", short(k));
                    survived += 1;
                    // Its view may have gone first; anybody gets it back.
                    store.materialise(&session).unwrap().expect("a view");
                    let contents = read(&store, &session, Reading::Whole);
                    contents.check_lanes(&[(k, &board, k)]);
                    assert_eq!((contents.status(), &contents.losses), ("running", &vec![]));
                    check_view(&store, &session, &contents);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    tally.report("removing");
    println!(
        "removing: {in_removal} killed while a removal was in flight, of which {survived} sessions are still there, whole"
    );
}
