//! Many sessions are made durable by one sync of the file system; what that cannot tell apart is then asked of each.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracewal_engine::{Durability, Error, Gate, Options, Session, Step, Store};
use tracewal_format::event::Note;

/// Counts syncs; fails those of everything, and those of one file.
#[derive(Default)]
struct Door {
    of_everything: AtomicU64,
    of_segments: AtomicU64,
    refuses_everything: bool,
    broken: Option<&'static str>,
}

impl Gate for Door {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        match step {
            Step::SyncFileSystem(_) => {
                self.of_everything.fetch_add(1, Ordering::Relaxed);
                if self.refuses_everything { Err(io::Error::other("something, somewhere")) } else { Ok(()) }
            }
            Step::Sync(path) if path.to_string_lossy().ends_with(".wal") => {
                self.of_segments.fetch_add(1, Ordering::Relaxed);
                let is_broken = self.broken.is_some_and(|name| path.parent().unwrap().ends_with(name));
                if is_broken { Err(io::Error::other("this one")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

fn open(door: &Arc<Door>, count: usize) -> (tempfile::TempDir, Store, Vec<Session>) {
    let folder = tempfile::tempdir().unwrap();
    let interval = Durability::Interval(Duration::from_millis(300));
    let store = Options::without_views().durability(interval).gate(door.clone()).open(folder.path()).unwrap();
    let sessions = (0..count).map(|n| store.session(format!("s{n}")).start().unwrap()).collect();
    (folder, store, sessions)
}

fn wait_until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_durable(session: &Session) -> bool {
    session.durable_seq() >= session.last_seq()
}

#[test]
fn one_sync_makes_a_hundred_sessions_durable() {
    let door = Arc::new(Door::default());
    let (_folder, _store, sessions) = open(&door, 100);
    wait_until(|| sessions.iter().all(is_durable));
    for round in 0..3 {
        let before = door.of_everything.load(Ordering::Relaxed);
        let segments = door.of_segments.load(Ordering::Relaxed);
        for session in &sessions {
            session.append(Note::new("one a second")).unwrap();
        }
        wait_until(|| sessions.iter().all(is_durable));
        let syncs = door.of_everything.load(Ordering::Relaxed) - before;
        assert!((1..=3).contains(&syncs), "round {round}: {syncs} syncs of everything");
        // The sync may have come while they were being appended to: then the next one finds fewer than are worth it.
        let alone = door.of_segments.load(Ordering::Relaxed) - segments;
        assert!(alone < 100, "round {round}: {alone} syncs of segments");
    }
}

#[test]
fn few_sessions_are_synced_alone_and_so_is_who_waits() {
    let door = Arc::new(Door::default());
    let (_folder, _store, sessions) = open(&door, 10);
    wait_until(|| sessions.iter().all(is_durable));
    assert_eq!(door.of_everything.load(Ordering::Relaxed), 0);

    let (_other_folder, _other, many) = open(&door, 100);
    for session in &many {
        session.append_durable(Note::new("now")).unwrap();
        session.append(Note::new("later")).unwrap();
    }
    let before = door.of_everything.load(Ordering::Relaxed);
    wait_until(|| many.iter().all(is_durable));
    assert_eq!(door.of_everything.load(Ordering::Relaxed), before);
}

/// I8: that something could not be written, somewhere on the file system, poisons those whose own files say so, and no others.
#[test]
fn when_everything_fails_each_is_asked_what_became_of_it() {
    let door = Arc::new(Door { refuses_everything: true, broken: Some("s17"), ..Door::default() });
    let (_folder, _store, sessions) = open(&door, 60);
    wait_until(|| sessions.iter().enumerate().all(|(n, session)| n == 17 || is_durable(session)));
    assert!(door.of_everything.load(Ordering::Relaxed) > 0);
    for (n, session) in sessions.iter().enumerate() {
        let appended = session.append(Note::new("after"));
        assert_eq!(matches!(appended, Err(Error::Poisoned { .. })), n == 17, "{n}: {appended:?}");
    }
}
