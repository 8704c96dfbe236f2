//! Disks that are full, and steps at the door to the disk that fail: whatever happens, what was acknowledged is there when the store is
//! opened again (I3, I8).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracewal::event::Note;
use tracewal::{Compaction, Durability, Error, Options, Reading, Store};

use super::door::Door;
use super::log::{What, read, views};
use super::small_disk::{Kind, SmallDisk, in_memory};
use super::wrong::{Wrong, ensure, ensure_status};

/// Nothing in the background.
pub(crate) fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(36_000)))
        .segment_sizes(16 << 10, 64 << 10)
}

pub(crate) fn note(n: u64) -> Note<'static> {
    Note::new(format!("{n:08} {}", "x".repeat(100)))
}

/// The numbers of the notes in a session's log, in order.
pub(crate) fn numbers(store: &Store, id: &str) -> Vec<u64> {
    let contents = read(store, &store.find(id).unwrap(), Reading::Whole);
    assert_eq!(contents.losses, vec![], "nothing is lost");
    contents.notes().iter().map(|note| note[..8].parse().unwrap()).collect()
}

/// What was acknowledged: notes by session and number, and endings by session and status.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) notes: Vec<(&'static str, u64)>,
    pub(crate) endings: Vec<(&'static str, &'static str)>,
}

/// A little of everything.
pub(crate) fn do_everything(options: &Options, path: &Path, told: &mut Told) -> Result<(), Error> {
    let store = options.clone().open(path)?;
    for id in ["completed", "crashed", "resumed"] {
        let mut session = store.session(id).start()?;
        for n in 0..100 {
            if id == "resumed" && n == 50 {
                drop(session);
                session = store.session(id).resume()?;
            }
            session.append(note(n))?;
            told.notes.push((id, n));
            if n % 40 == 0 {
                session.sync()?;
            }
        }
        match id {
            "completed" => drop(session.complete()?),
            "crashed" => session.crash("the test says so")?,
            _ => continue,
        }
        told.endings.push((id, id));
    }
    let gone = store.session("gone").start()?;
    let name = gone.name().clone();
    drop(gone);
    store.remove(&name)
}

/// Some steps of a run, one after the other, that fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Records are written with calls.
    pub(crate) plain: bool,
    /// The first step that fails.
    pub(crate) failing: u64,
    /// How many fail.
    pub(crate) steps: u64,
    /// With which error.
    pub(crate) error: i32,
}

impl Fault {
    /// Runs with it, and opens the store again: what was acknowledged is there, and nothing is damaged. How many events were
    /// acknowledged; `None`: the run has not so many steps.
    pub(crate) fn check(self) -> Result<Option<u64>, Wrong> {
        let folder = in_memory();
        let path = folder.path().join("store");
        let (steps, failed) = (AtomicU64::new(0), Arc::new(Mutex::new(None)));
        let seen = failed.clone();
        let gate = Door::new(move |step| {
            let n = steps.fetch_add(1, Ordering::Relaxed);
            if !(self.failing..self.failing + self.steps).contains(&n) {
                return Ok(());
            }
            seen.lock().unwrap().get_or_insert(format!("{step:?}"));
            Err(io::Error::from_raw_os_error(self.error))
        });
        let mut told = Told::default();
        let result = do_everything(&options().plain_writes(self.plain).gate(gate), &path, &mut told);
        let Some(step) = failed.lock().unwrap().take() else {
            result.map_err(|e| format!("nothing has failed, and the run has: {e}"))?;
            return Ok(None);
        };
        let about = |wrong: Wrong| wrong.about(|what| format!("{what}, after {step} failed: {self:?}"));
        told.check(&path).map_err(about)?;
        Ok(Some(told.notes.len() as u64))
    }
}

impl Told {
    /// Opens the store as the next process would: everything that was acknowledged is there.
    fn check(&self, path: &Path) -> Result<(), Wrong> {
        let store = options().open(path).map_err(|e| format!("it cannot be opened: {e}"))?;
        let failed = store.health().failed_recoveries;
        ensure(failed.is_empty(), || format!("not recovered: {failed:?}"))?;
        for id in ["completed", "crashed", "resumed"] {
            let notes = self.notes.iter().filter(|(of, _)| *of == id);
            let notes: Vec<u64> = notes.map(|(_, n)| *n).collect();
            // More may be there: an append of which the sync behind it failed.
            if !notes.is_empty() && !numbers(&store, id).starts_with(&notes) {
                let (found, told) = (numbers(&store, id), notes.len() as u64);
                let lost = notes.iter().filter(|n| !found.contains(n)).count() as u64;
                let what = format!("{id}: {told} were acknowledged, and there are {found:?}");
                return Err(if lost > 0 { Wrong::Lost(lost, what) } else { Wrong::Otherwise(what) });
            }
        }
        let views = views(path);
        for (id, status) in &self.endings {
            ensure_status(views[*id] == *status, || format!("{id} is {}", views[*id]))?;
        }
        drop(store);
        let store = options().open(path).map_err(|e| format!("it cannot be opened again: {e}"))?;
        for session in store.sessions().map_err(|e| e.to_string())? {
            let losses = store.verify(&session).map_err(|e| e.to_string())?;
            ensure(losses.is_empty(), || format!("{session:?} has {losses:?}"))?;
        }
        Ok(())
    }
}

/// Appends until the disk is full, and goes on when it is not. How many events were acknowledged; `None`: no such disk can be had.
pub(crate) fn a_full_disk(kind: Kind) -> Option<u64> {
    let disk = SmallDisk::mount(kind, 16)?;
    let store = options().open(disk.path().join("store")).unwrap();
    let full = store.session("full").start().unwrap();
    let crashed = store.session("crashed").start().unwrap();
    let ended = store.session("ended").start().unwrap();
    let brim = store.session("brim").start().unwrap();
    for session in [&full, &crashed, &ended, &brim] {
        session.append_durable(note(0)).unwrap();
    }
    disk.fill("others");
    let mut acknowledged = vec![0];
    let refused = (1..).find_map(|n| match full.append(note(n)) {
        Ok(_) => {
            acknowledged.push(n);
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(Error::DiskFull { .. })), "{refused:?}");
    // It is no disgrace to ask again, and not poison either.
    assert!(matches!(full.append(note(999)), Err(Error::DiskFull { .. })));
    if kind != Kind::Btrfs {
        // There is room in what was allocated, and some of it is kept for last words.
        for size in [100, 10, 0] {
            while brim.append(Note::new("x".repeat(size))).is_ok() {}
        }
        brim.crash("full to the brim").unwrap();
        crashed.crash("the disk is full").unwrap();
        ended.complete().unwrap();
        assert_eq!(
            read(&store, crashed.name(), Reading::Live).count(|what| matches!(what, What::Crashed(_))),
            1
        );
    }
    disk.remove("others");
    let next = u64::try_from(acknowledged.len()).unwrap();
    for n in next..next + 1000 {
        full.append(note(n)).unwrap_or_else(|e| panic!("there is room again: {e}"));
        acknowledged.push(n);
    }
    full.complete().unwrap();
    assert_eq!(numbers(&store, "full"), acknowledged, "what was acknowledged, and nothing that was refused");
    drop((crashed, brim, store));
    let store = options().open(disk.path().join("store")).unwrap();
    let views = views(&disk.path().join("store"));
    assert_eq!(views["full"], "completed");
    if kind != Kind::Btrfs {
        for (id, status) in [("crashed", "crashed"), ("brim", "crashed"), ("ended", "completed")] {
            assert_eq!(views[id], status, "{id}");
        }
    }
    assert_eq!(store.health().failed_recoveries, vec![]);
    Some(acknowledged.len() as u64)
}
