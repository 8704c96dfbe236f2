//! One session that is damaged, locked or strange neither hides the others nor stands in their way (I7), and none of them stops a
//! program (I11).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::path::Path;

use support::board::Board;
use support::child::{self, Child, STAGE};
use support::log::{read, status_in};
use support::wal::{Segment, rewrite_header};
use support::words::Lane;
use tracewal::{Compaction, Error, Options, Reading, SessionName, Store};

const READY: u64 = 2;
const EVENTS: u64 = 10;

/// What happens to a session while nobody has it open: its name, and what is done to the store.
type Harm = (&'static str, fn(&Path));

const HARMS: &[Harm] = &[
    ("a flipped byte", |store| {
        let file = store.join("sessions/a flipped byte/1.wal");
        let mut bytes = fs::read(&file).unwrap();
        bytes[4500] ^= 0x10;
        fs::write(file, bytes).unwrap();
    }),
    ("an empty file", |store| fs::write(store.join("sessions/an empty file/1.wal"), "").unwrap()),
    ("zeros", |store| fs::write(store.join("sessions/zeros/1.wal"), [0; 16384]).unwrap()),
    ("noise", |store| fs::write(store.join("sessions/noise/1.wal"), [0xA5; 16384]).unwrap()),
    ("an empty folder", |store| fs::remove_file(store.join("sessions/an empty folder/1.wal")).unwrap()),
    ("a cut file", |store| {
        let file = fs::File::options().write(true).open(store.join("sessions/a cut file/1.wal")).unwrap();
        file.set_len(4444).unwrap();
    }),
    ("a folder for a file", |store| {
        let file = store.join("sessions/a folder for a file/1.wal");
        fs::remove_file(&file).unwrap();
        fs::create_dir(file).unwrap();
    }),
    ("another's segment", |store| {
        let sessions = store.join("sessions");
        fs::copy(sessions.join("good/1.wal"), sessions.join("another's segment/1.wal")).unwrap();
    }),
    ("a newer version", |store| {
        let file = store.join("sessions/a newer version/1.wal");
        let mut bytes = fs::read(&file).unwrap();
        // An incompatible feature, in the header and its copy.
        rewrite_header(&mut bytes, 16, 1);
        fs::write(file, bytes).unwrap();
    }),
    ("a segment twice", |store| {
        let session = store.join("sessions/a segment twice");
        fs::copy(session.join("1.wal"), session.join("2.wal")).unwrap();
    }),
    ("a zeroed page", |store| {
        let file = store.join("sessions/a zeroed page/1.wal");
        let mut bytes = fs::read(&file).unwrap();
        bytes[..4096].fill(0);
        fs::write(file, bytes).unwrap();
    }),
    ("swapped sectors", |store| {
        let file = store.join("sessions/swapped sectors/1.wal");
        let mut bytes = fs::read(&file).unwrap();
        let (one, other) = bytes[4096..5120].split_at_mut(512);
        one.swap_with_slice(other);
        fs::write(file, bytes).unwrap();
    }),
    ("another's records behind its own", |store| {
        let file = store.join("sessions/another's records behind its own/1.wal");
        let (mut bytes, other) =
            (fs::read(&file).unwrap(), fs::read(store.join("sessions/good/1.wal")).unwrap());
        let (end, rest) = (Segment::walk(1, &bytes).end, &other[4096..]);
        for (to, from) in bytes[end..].iter_mut().zip(rest) {
            *to = *from;
        }
        fs::write(file, bytes).unwrap();
    }),
    ("an owner entry of noise", |store| {
        fs::write(store.join("owners/an owner entry of noise"), [7; 300]).unwrap()
    }),
    ("an owner entry that is a folder", |store| {
        let entry = store.join("owners/an owner entry that is a folder");
        fs::remove_file(&entry).unwrap();
        fs::create_dir(entry).unwrap();
    }),
    ("a view that is a folder", |store| {
        fs::create_dir_all(store.join("traces/a view that is a folder.json/inside")).unwrap();
    }),
    ("a lock that is a folder", |store| {
        fs::create_dir(store.join("locks/a lock that is a folder.owner")).unwrap();
    }),
    ("segment names that are none", |store| {
        let session = store.join("sessions/segment names that are none");
        for name in ["0.wal", "01.wal", "18446744073709551616.wal", "x.wal", "2.wal.tmp"] {
            fs::write(session.join(name), "x").unwrap();
        }
    }),
    ("a far segment", |store| {
        fs::write(store.join("sessions/a far segment/18446744073709551615.wal"), [1; 5000]).unwrap();
    }),
];

/// Of these nothing is left that could be called damaged. After a power cut recovery would take them for sessions that had just been made,
/// and remove them; on the same boot they stay, and the store's health speaks of them.
const NOTHING_LEFT: &[&str] = &["an empty file", "zeros", "an empty folder", "a folder for a file"];

const GOOD: &[&str] = &["good", "good too", "zz also good"];

fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 64 << 10)
}

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    // What is there is left to the process that is tested.
    let store = options().recover(false).open(&part.store).unwrap();
    let names: Vec<&str> = match part.name.as_str() {
        "all" => GOOD.iter().copied().chain(HARMS.iter().map(|(name, _)| *name)).collect(),
        held => vec![held],
    };
    let lane = Lane::new(0, EVENTS);
    let sessions: Vec<_> = names.iter().map(|name| store.session(*name).start().unwrap()).collect();
    for session in &sessions {
        for n in 0..EVENTS {
            session.append(lane.event(n)).unwrap();
        }
    }
    part.board.set(STAGE, READY);
    child::wait_for_the_end();
}

/// The session is whole, recovered, and can be gone on with.
fn check_good(store: &Store, name: &str) {
    let session = store.find(name).unwrap();
    let contents = read(store, &session, Reading::Whole);
    assert_eq!(u64::try_from(contents.notes().len()).unwrap(), EVENTS, "{name}");
    assert_eq!((contents.status(), contents.losses), ("crashed", vec![]), "{name}");
    assert_eq!(status_in(&fs::read(store.view(&session)).unwrap()), "crashed", "{name}");
    store.session(name).resume().unwrap().complete().unwrap();
}

/// Everything that can be asked of a session is answered, if with an error.
fn ask_everything(store: &Store, session: &SessionName) {
    let _ = store.verify(session);
    let _ = store.materialise(session);
    let _ = store.recover_session(session);
    let _ = store.session(session.id()).start_or_resume().map(tracewal::Session::complete);
    let _ = store.repair(session);
    let _ = store.remove(session);
}

#[test]
fn the_others_are_recovered_listed_read_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let board = Board::create(&folder.path().join("board"), 0);
    let mut child = Child::start("all", &path, &board);
    child.reach(READY);
    child.kill();
    for (_, harm) in HARMS {
        harm(&path);
    }
    let board = Board::create(&folder.path().join("board of the holder"), 0);
    let mut holder = Child::start("held", &path, &board);
    holder.reach(READY);
    fs::write(path.join("sessions/not a folder"), "x").unwrap();
    fs::write(path.join("owners/nobody"), "x").unwrap();

    let store = options().open(&path).unwrap();
    for name in GOOD {
        check_good(&store, name);
    }
    let listed = store.sessions().unwrap();
    for name in GOOD.iter().chain(&["held"]).chain(HARMS.iter().map(|(name, _)| name)) {
        assert!(listed.iter().any(|session| session.name() == *name), "{name:?} is not listed");
    }
    assert!(matches!(store.session("held").resume(), Err(Error::Busy { .. })));
    let failed = store.health().failed_recoveries;
    for name in NOTHING_LEFT {
        assert!(failed.iter().any(|(id, _)| id == name), "{name} is not reported");
    }
    for (id, why) in &failed {
        assert!(!GOOD.contains(&id.as_str()) && id != "held", "{id}: {why}");
    }
    println!("{} of {} harmed sessions could not be recovered: {failed:#?}", failed.len(), HARMS.len());
    let (losses, newer) = (store.health().losses, store.find("a newer version").unwrap());
    for name in ["a flipped byte", "a cut file", "a segment twice", "a zeroed page", "swapped sectors"] {
        assert!(losses.iter().any(|(id, _)| id == name), "{name} is not reported");
    }
    assert!(matches!(store.session(newer.id()).resume(), Err(Error::TooNew { .. })));

    for session in listed.iter().filter(|session| HARMS.iter().any(|(name, _)| session.name() == *name)) {
        ask_everything(&store, session);
    }
    // And after all that, as before.
    drop(store);
    let store = options().open(&path).unwrap();
    for name in GOOD {
        check_good(&store, name);
    }
    drop(holder);
}
