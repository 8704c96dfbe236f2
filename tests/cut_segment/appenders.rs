//! Four threads append at full speed.

use std::fs;
use std::path::Path;

use tracewal::crash::{Capture, install};
use tracewal::{Durability, Reading, Session};

use crate::support::board::{Board, LANE_EVENTS};
use crate::support::child::Part;
use crate::support::log::{Contents, read, record_ends, views};
use crate::support::words::Lane;
use crate::{APPENDERS, NEVER, assert_poisoned, cut, options, played, segment};

/// Words of the board: where the file was cut; how many events lay below the cut.
const CUT_AT: u64 = 1;
const BELOW: u64 = 2;
/// The file has been cut.
const IS_CUT: u64 = 4;

const OTHER: u64 = APPENDERS;
/// Events in each lane before the cut.
const BEFORE: u64 = 500;

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

pub(crate) fn cut_under_appenders(part: &Part, place: &str, durability: Durability) {
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
