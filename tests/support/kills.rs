//! Hard kills: loops of appends in a child, which is killed at a random moment, and what it must have left (I1, I3).

use std::path::Path;
use std::time::{Duration, Instant};

use tracewal::{Compaction, Durability, Options, Reading, Session, SessionName, Store};

use super::board::{Board, LANE_EVENTS};
use super::child::{self, Child, Part, STAGE};
use super::log::{Contents, has_bytes_behind_the_end, is_cut_off, look, names, read, status_in, views};
use super::random::Random;
use super::words::Lane;
use super::wrong::{Wrong, ensure, ensure_status};

/// Stages of a child: its part has begun (1), its store is open, its loop has begun.
pub(crate) const OPENED: u64 = 2;
pub(crate) const LOOPING: u64 = 3;

/// Small segments: a few hundred events make it roll often.
pub(crate) fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 64 << 10)
}

/// Plays a part of a loop. False: it is none of them.
pub(crate) fn play(part: &Part) -> bool {
    let (name, threads) = part.name.split_once(' ').unwrap_or((&part.name, "1"));
    let options = match name {
        "append" => options(),
        "append-written" => options().plain_writes(true),
        "append-durable" => options().durability(Durability::Always),
        "append-syncing" => options().durability(Durability::Interval(Duration::from_millis(1))),
        "append-with-background-views" => tracewal::options().segment_sizes(16 << 10, 64 << 10),
        "append-and-flush" => {
            append_and_flush(part);
            return true;
        }
        _ => return false,
    };
    append(part, &options, threads.parse().unwrap());
    true
}

/// Appends a lane's events from number `from` on, until it is full.
pub(crate) fn append_lane(board: &Board, session: &Session, lane: &Lane, on_board: u64, from: u64) {
    for n in from..LANE_EVENTS {
        board.begin(on_board, n);
        let seq = session.append(lane.event(n)).unwrap();
        board.acknowledge(on_board, n, seq);
    }
}

pub(crate) fn append(part: &Part, options: &Options, threads: u64) {
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

pub(crate) fn append_and_flush(part: &Part) {
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

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) in_flight: u64,
    pub(crate) behind_the_end: u64,
    pub(crate) acknowledged: u64,
}

impl Tally {
    /// Looks at the lanes of a child that was killed.
    pub(crate) fn count(&mut self, board: &Board, lanes: u64, session: &Path) {
        self.rounds += 1;
        self.in_flight += u64::from((0..lanes).any(|lane| board.is_in_flight(lane)));
        self.behind_the_end += u64::from(session.exists() && has_bytes_behind_the_end(session));
        for lane in 0..lanes {
            let begun = board.begun(lane);
            self.acknowledged += begun - u64::from(board.is_in_flight(lane));
        }
    }

    pub(crate) fn report(&self, scenario: &str) {
        println!(
            "{scenario}: {} rounds, {} killed with an append in flight, {} with a part of one behind the end of the log, {} events acknowledged",
            self.rounds, self.in_flight, self.behind_the_end, self.acknowledged
        );
    }
}

/// Busy for a while: so short a time is not slept.
pub(crate) fn linger(random: &mut Random, most: Duration) {
    let until = Instant::now() + Duration::from_nanos(random.below(most.as_nanos().try_into().unwrap()));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Kills the child when lane 0 has begun a random number of appends below `most`, or a little later.
pub(crate) fn kill_while_appending(mut child: Child, random: &mut Random, most: u64) {
    child.reach(LOOPING);
    let target = random.below(most);
    child.wait_until("append", |board| board.begun(0) > target);
    linger(random, Duration::from_micros(100));
    child.kill();
}

/// Opens the store as the next process would, and finds the session of a child that had got as far as starting it.
pub(crate) fn reopen(store: &Path) -> (Store, SessionName) {
    let store = options().open(store).unwrap();
    let session = store.find("s").unwrap();
    assert_eq!(store.health().failed_recoveries, vec![]);
    (store, session)
}

/// Nothing of what a dead process leaves beside its log is left, but for a temporary name or an empty lock: they mean nothing.
pub(crate) fn check_tidy(store: &Store) {
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
pub(crate) fn compare_view(store: &Store, session: &SessionName, contents: &Contents) -> Result<(), Wrong> {
    let view = std::fs::read(store.view(session)).map_err(|e| format!("no view: {e}"))?;
    let (says, is) = (status_in(&view), contents.status());
    ensure_status(says == is, || format!("the view says {says}, and the log {is}"))?;
    let losses = String::from_utf8(view).unwrap().contains("\"damage\":");
    ensure(losses != contents.losses.is_empty(), || {
        "the view speaks of losses where there are any".to_owned()
    })
}

/// The same, for those who go no further when something is wrong.
pub(crate) fn check_view(store: &Store, session: &SessionName, contents: &Contents) {
    compare_view(store, session, contents).unwrap_or_else(|wrong| panic!("{wrong}"));
}

/// The log before anything has been recovered: with a mapped log a kill leaves nothing that has to be reported at all.
pub(crate) fn check_before_recovery(path: &Path, session: &str, is_written: bool) {
    let store = look(path);
    let Ok(session) = store.find(session) else { return };
    for loss in read(&store, &session, Reading::Whole).losses {
        assert!(is_written && is_cut_off(&loss), "a kill left {loss:?}");
    }
}

/// A way to append, and to be killed at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    pub(crate) name: &'static str,
    pub(crate) part: &'static str,
    pub(crate) lanes: u64,
    /// The most events of lane 0 before the kill.
    pub(crate) most: u64,
    pub(crate) is_written: bool,
    /// A loop that does nothing but append.
    pub(crate) is_tight: bool,
}

pub(crate) const ONE_THREAD: Loop =
    Loop { name: "one thread", part: "append 1", lanes: 1, most: 4000, is_written: false, is_tight: true };
pub(crate) const TWO_THREADS: Loop =
    Loop { name: "two threads", part: "append 2", lanes: 2, most: 2000, is_written: false, is_tight: true };
pub(crate) const EIGHT_THREADS: Loop =
    Loop { name: "eight threads", part: "append 8", lanes: 8, most: 500, is_written: false, is_tight: true };
pub(crate) const PLAIN_WRITES: Loop = Loop {
    name: "plain writes",
    part: "append-written 2",
    lanes: 2,
    most: 1000,
    is_written: true,
    is_tight: true,
};
pub(crate) const DURABLE_APPENDS: Loop = Loop {
    name: "durable appends",
    part: "append-durable 2",
    lanes: 2,
    most: 40,
    is_written: false,
    is_tight: false,
};
pub(crate) const SYNCING: Loop = Loop {
    name: "syncing",
    part: "append-syncing 2",
    lanes: 2,
    most: 4000,
    is_written: false,
    is_tight: false,
};
pub(crate) const MATERIALISING: Loop = Loop {
    name: "materialising",
    part: "append-and-flush",
    lanes: 1,
    most: 1500,
    is_written: false,
    is_tight: false,
};
pub(crate) const BACKGROUND_VIEWS: Loop = Loop {
    name: "background views",
    part: "append-with-background-views 1",
    lanes: 1,
    most: 8000,
    is_written: false,
    is_tight: false,
};
pub(crate) const LOOPS: [Loop; 8] = [
    ONE_THREAD,
    TWO_THREADS,
    EIGHT_THREADS,
    PLAIN_WRITES,
    DURABLE_APPENDS,
    SYNCING,
    MATERIALISING,
    BACKGROUND_VIEWS,
];

impl Loop {
    /// Kills an appending child, on a store of its own.
    pub(crate) fn kill(&self, folder: &Path, env: &[(&str, &str)], random: &mut Random) -> Board {
        let board = Board::create(&folder.join("board"), self.lanes);
        let child = Child::start_with(self.part, &folder.join("store"), &board, env);
        kill_while_appending(child, random, self.most);
        board
    }

    /// Looks at what the child has left, before recovery and after. How many of the events that were acknowledged are there.
    pub(crate) fn check(&self, folder: &Path, board: &Board) -> Result<u64, Wrong> {
        let path = folder.join("store");
        check_before_recovery(&path, "s", self.is_written);
        for status in views(&path).values() {
            ensure_status(status == "running", || {
                format!("a view says {status} before its session has ended")
            })?;
        }
        let (store, session) = reopen(&path);
        let contents = read(&store, &session, Reading::Whole);
        let lanes: Vec<_> = (0..self.lanes).map(|lane| (lane, board, lane)).collect();
        let survived = contents.compare_lanes(&lanes)?;
        contents.check_endings();
        ensure_status(contents.is_crashed(), || format!("{} after a kill", contents.status()))?;
        let has_lost = !contents.losses.iter().all(|loss| self.is_written && is_cut_off(loss));
        ensure(!has_lost, || format!("a kill left {:?}", contents.losses))?;
        assert_eq!(store.verify(&session).unwrap(), contents.losses);
        compare_view(&store, &session, &contents)?;
        check_tidy(&store);
        Ok(survived)
    }
}
