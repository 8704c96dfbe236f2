//! Who may write a session, when entries are lost, handles are dropped and processes look at each other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracewal_engine::{Error, Gate, Options, Step};
use tracewal_format::event::Note;
use tracewal_format::log::{Item, Reading};

/// An owner entry that is lost, or damaged, does not make a session that somebody writes anybody's.
#[test]
fn a_live_session_without_an_owner_entry_is_still_busy() {
    for damage in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let store = Options::without_views().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let entry = folder.path().join("owners/s");
        if damage {
            let mut bytes = std::fs::read(&entry).unwrap();
            bytes[20] ^= 1;
            std::fs::write(&entry, bytes).unwrap();
        } else {
            std::fs::remove_file(&entry).unwrap();
        }
        let other = Options::without_views().open(folder.path()).unwrap();
        let Err(Error::Busy { holder, .. }) = other.session("s").resume() else {
            panic!("damaged: {damage}")
        };
        assert_eq!(holder.pid, std::process::id(), "its writer's own entry says who it is");
        assert!(matches!(other.remove(session.name()), Err(Error::Busy { .. })));
        for n in 0..10 {
            session.append(Note::new(format!("{n}"))).unwrap();
        }
        let name = session.name().clone();
        session.complete().unwrap();
        let mut log = other.read(&name, Reading::Whole).unwrap();
        let mut events = 0;
        while let Some(item) = log.next().unwrap() {
            match item {
                Item::Event(_) => events += 1,
                Item::Loss(loss) => panic!("{loss:?}"),
                _ => {}
            }
        }
        assert_eq!(events, 13, "two for the start, ten notes, the ending");
        assert_eq!(other.session("s").resume().unwrap().run(), 2);
    }
}

/// Resumed again and again, by several threads: never two at once.
#[test]
fn a_session_is_never_open_twice_however_often_it_changes_hands() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    drop(store.session("s").start().unwrap());
    let open = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    if let Ok(session) = store.session("s").resume() {
                        assert!(!open.swap(true, Ordering::SeqCst), "it was open already");
                        session.append(Note::new("n")).unwrap();
                        open.store(false, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert!(store.verify(&store.find("s").unwrap()).unwrap().is_empty());
}

/// The store's own threads look at sessions; the user's last handle closes one all the same, at once.
#[test]
fn the_last_handle_closes_whoever_is_syncing() {
    struct Slow(AtomicBool);
    impl Gate for Slow {
        fn before(&self, step: Step<'_>) -> std::io::Result<()> {
            if matches!(step, Step::Sync(path) if path.ends_with("1.wal")) {
                self.0.store(true, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Slow(AtomicBool::new(false)));
    let interval = tracewal_engine::Durability::Interval(std::time::Duration::from_millis(1));
    let store = Options::without_views().durability(interval).gate(gate.clone()).open(folder.path()).unwrap();
    for n in 0..10 {
        gate.0.store(false, Ordering::SeqCst);
        let session = store.session(format!("s{n}")).start().unwrap();
        let name = session.name().clone();
        while !gate.0.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // Now the background thread is in the middle of a sync of it.
        drop(session);
        assert!(!store.is_live(&name));
        assert_eq!(store.session(name.id()).resume().unwrap().run(), 2);
    }
}

/// What cannot be written takes no sequence number, and no room.
#[test]
fn a_body_that_is_too_long_leaves_no_hole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().record_limit(1000).open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let name = "n".repeat(2 << 20);
    assert!(matches!(session.append(Note::new(name)), Err(Error::TooLarge { .. })));
    assert_eq!(session.append(Note::new("n")).unwrap(), 3);
    let name = session.name().clone();
    session.complete().unwrap();
    assert_eq!(store.verify(&name).unwrap(), vec![]);
}

/// A repair that is stopped, or done again, never takes the only copy of the log as it was.
#[test]
fn every_repair_keeps_the_log_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let damage = || {
        let path = folder.path().join("sessions/s/1.wal");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096 + 60] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let session = store.session("s").start().unwrap();
    let name = session.name().clone();
    session.complete().unwrap();
    damage();
    let first = store.repair(&name).unwrap();
    assert_eq!(first.losses.len(), 1);
    let kept = first.kept.unwrap();
    // Stopped behind the exchange: the old log still has the name of the new one.
    std::fs::rename(&kept, folder.path().join("sessions/s.rebuild")).unwrap();
    damage();
    let second = store.repair(&name).unwrap();
    let copies = std::fs::read_dir(folder.path().join("sessions"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().contains(".broken-"))
        .count();
    assert_eq!(copies, 2, "{second:?}");
    store.remove(&name).unwrap();
    assert_eq!(
        std::fs::read_dir(folder.path().join("sessions")).unwrap().count(),
        0,
        "what is pruned is gone"
    );
}

/// A session that was poisoned is not sealed. Its own process may open it again, also when the owner entry is lost.
#[test]
fn a_poisoned_session_without_an_owner_entry_is_free_when_it_is_dropped() {
    struct Broken(AtomicBool);
    impl Gate for Broken {
        fn before(&self, step: Step<'_>) -> std::io::Result<()> {
            let is_segment = matches!(step, Step::Sync(path) if path.ends_with("1.wal"));
            if is_segment && self.0.load(Ordering::SeqCst) {
                return Err(std::io::Error::from_raw_os_error(5));
            }
            Ok(())
        }
    }
    let (folder, broken) = (tempfile::tempdir().unwrap(), Arc::new(Broken(AtomicBool::new(false))));
    let store = Options::without_views().gate(broken.clone()).open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    broken.0.store(true, Ordering::SeqCst);
    assert!(matches!(session.append_durable(Note::new("n")), Err(Error::Poisoned { .. })));
    std::fs::remove_file(folder.path().join("owners/s")).unwrap();
    // As long as it is open it is nobody else's.
    assert!(matches!(store.session("s").resume(), Err(Error::Busy { .. })));
    drop(session);
    broken.0.store(false, Ordering::SeqCst);
    assert_eq!(store.session("s").resume().unwrap().run(), 2);
}
