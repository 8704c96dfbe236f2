//! What disks, limits and other programs do to a store: full, failing, read-only, taken away. No fault costs an event that was
//! acknowledged, calls durable what is not, or ends the process (I2, I3, I8, I9).
//!
//! `TRACEWAL_SESSIONS` sets how many sessions one process has open at once (10,000 for the whole hazard).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use support::board::Board;
use support::child::{self, Child, Part};
use support::door::Door;
use support::faults::{Fault, Told, a_full_disk, do_everything, note, numbers, options};
use support::log::{names, read, views};
use support::small_disk::{Kind, SmallDisk, in_memory};
use tracewal::disk::Step;
use tracewal::{Access, Error, Item, Reading, Session, Store};

/// Word of the board: how many sessions a child has to open.
const SESSIONS: u64 = 1;
/// Whether it writes its records with calls.
const PLAIN: u64 = 2;

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    match part.name.as_str() {
        "cut" => append_behind_the_end(&part),
        "few-descriptors" => many_sessions_with_few_descriptors(&part),
        "no-descriptors" => no_descriptor_left(&part),
        "no-memory" => no_memory_left(&part),
        "nobody" => opened_by_nobody(&part),
        other => panic!("no part is called {other}"),
    }
}

fn play(part: &str, store: &Path, sessions: u64) {
    let folder = in_memory();
    let board = Board::create(&folder.path().join("board"), 0);
    board.set(SESSIONS, sessions);
    let status = Child::start(part, store, &board).wait();
    assert!(status.success(), "{part}: {status}");
}

fn limit(what: libc::__rlimit_resource_t, to: u64) {
    let limit = libc::rlimit { rlim_cur: to, rlim_max: to };
    // SAFETY: the structure lives through the call.
    assert_eq!(unsafe { libc::setrlimit(what, &raw const limit) }, 0);
}

// Full disks.

#[test]
fn a_full_tmpfs() {
    a_full_disk(Kind::Tmpfs);
}

#[test]
fn a_full_ext4() {
    a_full_disk(Kind::Ext4);
}

#[test]
fn a_full_btrfs_where_records_are_written_with_calls() {
    a_full_disk(Kind::Btrfs);
}

// Steps that fail.

/// Whatever step of the whole fails, and with it maybe others: what was acknowledged is there when the store is opened again.
#[test]
fn any_one_step_fails_and_nothing_acknowledged_is_lost() {
    for plain in [false, true] {
        for failing in 0.. {
            let fault = Fault { plain, failing, steps: 1, error: libc::EIO };
            let outcome = fault.check().unwrap_or_else(|wrong| panic!("{wrong}"));
            if outcome.is_none() {
                assert!(failing > 50, "{failing} steps are not everything");
                break;
            }
        }
    }
}

/// I8: after a failed sync nothing is called durable that was not; and who opens the session next copies it, and syncs the copy.
#[test]
fn a_failed_sync_is_not_forgotten_by_the_next_to_open_the_session() {
    for plain in [false, true] {
        let folder = in_memory();
        let path = folder.path().join("store");
        let broken = Arc::new(AtomicBool::new(false));
        let asked = broken.clone();
        let gate = Door::new(move |step| match step {
            Step::Sync(_) if asked.load(Ordering::Relaxed) => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(()),
        });
        let store = options().plain_writes(plain).gate(gate).open(&path).unwrap();
        let session = store.session("s").start().unwrap();
        session.append_durable(note(0)).unwrap();
        session.append(note(1)).unwrap();
        broken.store(true, Ordering::Relaxed);
        assert!(matches!(session.append_durable(note(2)), Err(Error::Poisoned { .. })));
        broken.store(false, Ordering::Relaxed);
        // The kernel would say yes now.
        assert!(matches!(session.sync(), Err(Error::Poisoned { .. })));
        assert!(matches!(session.append(note(3)), Err(Error::Poisoned { .. })));
        assert!(matches!(session.clone().complete(), Err(Error::Poisoned { .. })));
        assert_eq!(session.durable_seq(), 3);
        assert_eq!(read(&store, session.name(), Reading::Live).durable, 3);
        assert_eq!(store.health().poisoned.len(), 1);
        drop((session, store));

        let synced = Arc::new(Mutex::new(Vec::new()));
        let seen = synced.clone();
        let gate = Door::new(move |step| {
            if let Step::Sync(file) = step {
                seen.lock().unwrap().push(file.file_name().unwrap().to_str().unwrap().to_owned());
            }
            Ok(())
        });
        let store = options().plain_writes(plain).gate(gate).open(&path).unwrap();
        assert_eq!(numbers(&store, "s"), [0, 1, 2], "everything that could be read is there");
        let synced = synced.lock().unwrap().clone();
        assert!(synced.contains(&"2.wal.tmp".to_owned()), "the copy is synced: {synced:?}");
        assert!(!synced.contains(&"1.wal".to_owned()), "what failed is not synced again: {synced:?}");
        let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
        assert_eq!(contents.durable, contents.events.last().unwrap().seq);
        assert_eq!(views(&path)["s"], "crashed");
    }
}

// Folders that are not what they were.

#[test]
fn a_disk_that_becomes_read_only() {
    let Some(disk) = SmallDisk::mount(Kind::Ext4, 16) else { return };
    let path = disk.path().join("store");
    let store = options().open(&path).unwrap();
    let session = store.session("s").start().unwrap();
    session.append_durable(note(0)).unwrap();
    let name = session.name().clone();
    session.complete().unwrap();
    drop(store);
    disk.make_read_only();
    assert!(matches!(options().open(&path), Err(Error::Io { .. })));
    let store = options().access(Access::WriteOrRead).open(&path).unwrap();
    assert!(store.is_read_only());
    assert_eq!(numbers(&store, "s"), [0]);
    assert!(matches!(store.session("t").start(), Err(Error::ReadOnly { .. })));
    assert!(matches!(store.remove(&name), Err(Error::ReadOnly { .. })));
}

#[test]
fn folders_that_are_taken_away() {
    for taken in ["sessions/s", "sessions", "owners", "locks", "traces", "writers", ""] {
        let folder = in_memory();
        let path = folder.path().join("store");
        let store = options().open(&path).unwrap();
        let session = store.session("s").start().unwrap();
        session.append(note(0)).unwrap();
        fs::remove_dir_all(path.join(taken)).unwrap();
        // More than the segment has room for. Nobody dies of it.
        let refused = (1..1000).find_map(|n| session.append(note(n)).err());
        let _ = store.session("t").start();
        let _ = store.read(session.name(), Reading::Live);
        let _ = session.sync();
        let ended = session.complete();
        if taken.starts_with("sessions") || taken.is_empty() {
            assert!(matches!(refused, Some(Error::Io { .. })), "{taken}: {refused:?}");
            assert!(ended.is_err(), "{taken}: what is gone is not called durable");
        }
        drop(store);
    }
}

fn opened_by_nobody(part: &Part) {
    // SAFETY: calls without pointers.
    if unsafe { libc::setgid(65_534) != 0 || libc::setuid(65_534) != 0 } {
        println!("skipped: nobody else to be");
        return;
    }
    assert!(matches!(options().open(&part.store), Err(Error::Io { .. })));
    assert!(options().access(Access::WriteOrRead).open(&part.store).is_err(), "logs hold secrets");
    let made = part.store.with_file_name("not to be made");
    assert!(matches!(options().open(&made), Err(Error::Io { .. })));
    assert!(!made.exists());
}

#[test]
fn a_user_without_permission_gets_an_error() {
    let folder = in_memory();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("store");
    let session = options().open(&path).unwrap().session("s").start().unwrap();
    session.complete().unwrap();
    play("nobody", &path, 0);
}

// Files that change under those who use them.

fn segments(store: &Store, session: &Session) -> Vec<PathBuf> {
    let folder = store.folder(session.name());
    let mut segments: Vec<PathBuf> = names(&folder).iter().map(|name| folder.join(name)).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    segments
}

/// I9: a reader gets fewer events or an error; it is never the one that dies.
#[test]
fn segments_that_are_cut_punched_or_removed_under_a_reader() {
    let cut = |len: u64| {
        move |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap()
    };
    let zero = |path: &Path| {
        let len = fs::metadata(path).unwrap().len();
        cut(4096)(path);
        cut(len)(path);
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let remove_all = |path: &Path| fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let faults: [&dyn Fn(&Path); 8] =
        [&cut(0), &cut(100), &cut(4096), &cut(5000), &cut(13_000), &zero, &remove, &remove_all];
    for (number, fault) in faults.iter().enumerate() {
        for reading in [Reading::Live, Reading::Whole] {
            for before in [0, 1, 150, 400] {
                let folder = in_memory();
                let store = options().open(folder.path()).unwrap();
                let session = store.session("s").start().unwrap();
                for n in 0..500 {
                    session.append(note(n)).unwrap();
                }
                let segments = segments(&store, &session);
                let mut log = store.read(session.name(), reading).unwrap();
                for _ in 0..before {
                    log.next().unwrap();
                }
                // The first one was sealed: its writer does not go there again.
                fault(&segments[0]);
                let mut last = 0;
                while let Ok(Some(item)) = log.next() {
                    if let Item::Event(entry) = item {
                        assert!(entry.seq > last, "in order, also after fault {number}");
                        last = entry.seq;
                    }
                }
                let _ = log.refresh();
                let _ = store.verify(session.name());
                // What is left can be ended, or says why not.
                let _ = session.complete();
            }
        }
    }
}

/// I8: a sync of what has no name, or was cut, says yes; the store does not.
#[test]
fn a_segment_that_is_removed_under_its_writer() {
    for plain in [false, true] {
        let folder = in_memory();
        let store = options().plain_writes(plain).open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        session.append_durable(note(0)).unwrap();
        session.append(note(1)).unwrap();
        fs::remove_file(&segments(&store, &session)[0]).unwrap();
        assert!(matches!(session.append_durable(note(2)), Err(Error::Poisoned { .. })));
        assert_eq!(session.durable_seq(), 3);
        assert!(matches!(session.complete(), Err(Error::Poisoned { .. })));
    }
}

fn append_behind_the_end(part: &Part) {
    let store = options().plain_writes(part.board.get(PLAIN) == 1).open(&part.store).unwrap();
    let sessions = ["cut", "whole"].map(|id| store.session(id).start().unwrap());
    for session in &sessions {
        for n in 0..20 {
            session.append_durable(note(n)).unwrap();
        }
    }
    let path = &segments(&store, &sessions[0])[0];
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(4096).unwrap();
    let refused = (20..40).find_map(|n| sessions[0].append_durable(note(n)).err());
    assert!(matches!(refused, Some(Error::Poisoned { .. })), "{refused:?}");
}

/// A store into a mapping behind the end of its file is a SIGBUS, which ends a writer without crash capture (with it: `cut_segment/`). It costs the log that was cut what was cut
/// off, which is reported, and no other anything (I7). A record that is written with a call gets an error at the next sync.
#[test]
fn a_segment_that_is_cut_under_its_writer() {
    for plain in [false, true] {
        let folder = in_memory();
        let board = Board::create(&folder.path().join("board"), 0);
        board.set(PLAIN, plain.into());
        let path = folder.path().join("store");
        let status = Child::start("cut", &path, &board).wait();
        assert_eq!(status.signal(), (!plain).then_some(libc::SIGBUS), "{status}");
        let store = options().open(&path).unwrap();
        assert_eq!(store.health().failed_recoveries, vec![]);
        assert_eq!(numbers(&store, "whole"), (0..20).collect::<Vec<u64>>());
        let cut = read(&store, &store.find("cut").unwrap(), Reading::Whole);
        // The marks were cut off too: nothing is left that knows how many events there were.
        assert!(
            cut.losses.iter().any(|loss| loss.file == "1.wal" && loss.offset == 4096),
            "{:?}",
            cut.losses
        );
    }
}

// Clocks, threads and limits.

#[test]
fn a_clock_that_goes_backwards_changes_no_order() {
    let folder = in_memory();
    let store = options().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    for n in 0..300 {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * (300 - n));
        session.append_at(time.into(), note(n)).unwrap();
    }
    let name = session.name().clone();
    session.complete().unwrap();
    assert_eq!(numbers(&store, "s"), (0..300).collect::<Vec<u64>>());
    assert_eq!(store.verify(&name).unwrap(), vec![]);
    assert_eq!(views(folder.path())["s"], "completed");
}

#[test]
fn a_thread_with_a_small_stack_does_everything() {
    let folder = in_memory();
    let path = folder.path().join("store");
    let everything = move || {
        do_everything(&options(), &path, &mut Told::default()).unwrap();
        let deep: &'static str = format!("{}1{}", "[".repeat(511), "]".repeat(511)).leak();
        let store = options().open(&path).unwrap();
        let session = store.session("deep").start().unwrap();
        let span = session.tool("deep").input(tracewal::Payload::json(deep)).start().unwrap();
        span.end().output(tracewal::Payload::json(deep)).finish().unwrap();
        session.complete().unwrap();
        // Deeper than a recursive reader would like.
        let view = fs::read_to_string(path.join("traces/deep.json")).unwrap();
        assert!(view.contains(deep) && view.contains(r#""status":"completed""#));
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(everything).unwrap().join().unwrap();
}

fn many_sessions_with_few_descriptors(part: &Part) {
    limit(libc::RLIMIT_NOFILE, 1024);
    let count = part.board.get(SESSIONS);
    if count < 2000 {
        limit(libc::RLIMIT_NOFILE, 64);
    }
    let store = options().open(&part.store).unwrap();
    let sessions: Vec<Session> =
        (0..count).map(|n| store.session(format!("s{n}")).start().unwrap()).collect();
    for n in 0..3 {
        for session in &sessions {
            session.append(note(n)).unwrap();
        }
    }
    assert_eq!(u64::try_from(store.live_count()).unwrap(), count);
    for session in sessions {
        let id = session.id().to_owned();
        session.complete().unwrap();
        assert_eq!(numbers(&store, &id), [0, 1, 2]);
    }
}

#[test]
fn more_sessions_than_descriptors() {
    let sessions = std::env::var("TRACEWAL_SESSIONS").map_or(400, |count| count.parse().unwrap());
    let folder =
        tempfile::tempdir_in(["/dev/shm", "/tmp"].iter().find(|path| Path::new(path).is_dir()).unwrap());
    play("few-descriptors", &folder.unwrap().path().join("store"), sessions);
}

fn no_descriptor_left(part: &Part) {
    let store = options().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    limit(libc::RLIMIT_NOFILE, 32);
    let hoard: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    let mut acknowledged = 0;
    let refused = (0..1000).find_map(|n| {
        let result = session.append(note(n));
        acknowledged += u64::from(result.is_ok());
        result.err()
    });
    assert!(matches!(refused, Some(Error::Io { .. })), "{refused:?}");
    assert!(store.session("t").start().is_err());
    assert!(session.flush().is_err());
    drop(hoard);
    for n in acknowledged..acknowledged + 200 {
        session.append(note(n)).unwrap();
    }
    session.complete().unwrap();
    assert_eq!(numbers(&store, "s"), (0..acknowledged + 200).collect::<Vec<u64>>());
}

#[test]
fn no_descriptor_left_and_then_some() {
    let folder = in_memory();
    play("no-descriptors", &folder.path().join("store"), 0);
}

fn no_memory_left(part: &Part) {
    let store = options().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    session.append(note(0)).unwrap();
    // No page more of address space: nothing can be mapped.
    limit(libc::RLIMIT_AS, 1);
    let refused = (1..200).find_map(|n| session.append(note(n)).err());
    let is_refused = matches!(refused, Some(Error::Io { .. }));
    if !is_refused {
        std::process::abort();
    }
    // Nothing that allocates: there is nothing to allocate from.
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

#[test]
fn no_address_space_left() {
    let folder = in_memory();
    let path = folder.path().join("store");
    play("no-memory", &path, 0);
    let store = options().open(&path).unwrap();
    let found = numbers(&store, "s");
    assert!(found.len() > 50, "what the segment had room for is there: {found:?}");
    assert_eq!(views(&path)["s"], "crashed");
}
