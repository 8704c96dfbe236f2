//! Hard kills: a child appends as fast as it can and is killed with SIGKILL at a random moment; whatever it had been told is there
//! must be there, once, in order and as it was, and nothing else (I1, I3).
//!
//! `TRACEWAL_KILL_ROUNDS` sets the rounds of each scenario, `TRACEWAL_SEED` replays one; `--nocapture` shows the figures.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::board::Board;
use support::child::{self, Child, Part, STAGE};
use support::kills::{
    self, LOOPING, Loop, OPENED, Tally, append_lane, check_before_recovery, check_tidy, check_view,
    kill_while_appending, linger, options, reopen,
};
use support::log::{look, names, read, views};
use support::random::Random;
use support::words::Lane;
use tracewal::disk::{Gate, Step};
use tracewal::{Error, Reading, Session, Store};

/// Rounds of each scenario unless the environment says otherwise.
const ROUNDS: u64 = 16;
/// How many rounds are spent on one store where each round goes on with what the last one left.
const ROUNDS_ON_ONE_STORE: u64 = 12;
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

// The parts.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    if kills::play(&part) {
        return;
    }
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, "1"));
    match name {
        "go-on" => go_on(&part),
        "resume" => resume_again_and_again(&part),
        "end" => end_again_and_again(&part),
        "remove" => remove_again_and_again(&part),
        "die-while-removing" => die_while_removing(&part, argument.parse().unwrap()),
        other => panic!("no part is called {other}"),
    }
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

// The scenarios.

fn kill_loops(case: &Loop) {
    let mut random = Random::named(case.name);
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        let folder = tempfile::tempdir().unwrap();
        let board = case.kill(folder.path(), &[], &mut random);
        tally.count(&board, case.lanes, &folder.path().join("store/sessions/s"));
        case.check(folder.path(), &board).unwrap_or_else(|wrong| panic!("{wrong}"));
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
            caught += u64::from(!matches!(std::panic::catch_unwind(check), Ok(Ok(_))));
        }
        println!("{fault}: noticed in {caught} of {} rounds", rounds());
        assert!(caught > 0, "{fault} goes unnoticed");
    }
}

#[test]
fn killed_while_one_thread_appends() {
    kill_loops(&kills::ONE_THREAD);
}

#[test]
fn killed_while_two_threads_append() {
    kill_loops(&kills::TWO_THREADS);
}

#[test]
fn killed_while_eight_threads_append() {
    kill_loops(&kills::EIGHT_THREADS);
}

#[test]
fn killed_while_records_are_written_with_calls() {
    kill_loops(&kills::PLAIN_WRITES);
}

#[test]
fn killed_while_every_append_is_synced() {
    kill_loops(&kills::DURABLE_APPENDS);
}

#[test]
fn killed_while_the_log_is_synced_all_the_time() {
    kill_loops(&kills::SYNCING);
}

#[test]
fn killed_while_materialising() {
    kill_loops(&kills::MATERIALISING);
}

#[test]
fn killed_while_views_are_made_in_the_background() {
    kill_loops(&kills::BACKGROUND_VIEWS);
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
