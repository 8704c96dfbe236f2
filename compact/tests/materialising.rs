//! When a view is written, what it says, and what becomes of the owner entry (SPEC.md section 12): a live session, logs that dead writers
//! have left, steps that fail, and a crash that comes in between (I4, I6).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use support::log;
use tempfile::TempDir;
use tracewal_compact::{Compaction, materialise, options_with};
use tracewal_engine::{Error, Gate, Options, Session, Status, Step, Store};
use tracewal_format::event::Note;
use tracewal_format::log::{Item, Reading};

/// The number of this error on every system.
const EIO: i32 = 5;

fn options() -> Options {
    options_with(Compaction::OnDemand)
}

/// A gate that asks a function for the error of a step.
struct Door<F>(F);

impl<F: Fn(&Step<'_>) -> Option<i32> + Send + Sync> Gate for Door<F> {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        (self.0)(&step).map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)))
    }
}

fn gated(ask: impl Fn(&Step<'_>) -> Option<i32> + Send + Sync + 'static) -> Options {
    options().gate(Arc::new(Door(ask)))
}

/// A store that is not recovered when it is opened, with the session `s` of these lines as a dead writer left it.
struct Left(TempDir);

impl Left {
    fn new(lines: &str, marked: Option<u64>) -> Self {
        let left = Left(tempfile::tempdir().unwrap());
        drop(left.open());
        fs::create_dir(left.path("sessions/s")).unwrap();
        let mut log = log(lines);
        if let Some(seq) = marked {
            log.last().durable_mark(seq);
        }
        for (number, bytes) in (1..).zip(log.finish()) {
            fs::write(left.path(&format!("sessions/s/{number}.wal")), bytes).unwrap();
        }
        left
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The session is owned by a writer that does not live, for this run.
    fn owned_for(self, run: u32) -> Self {
        let text = format!("tracewal-owner 1\nwriter {:032x}\nsession {:032x}\nrun {run}\npid 10\n", 8, 0xAB);
        let checksum = tracewal_format::checksum::crc(text.as_bytes());
        fs::write(self.path("owners/s"), format!("{text}crc {checksum:08x}\n")).unwrap();
        self
    }

    fn open(&self) -> Store {
        options().recover(false).open(self.0.path()).unwrap()
    }

    /// Materialises: the status, if the view was written; the file; and whether the owner entry is still there.
    fn materialise(&self) -> (Option<Status>, Option<String>, bool) {
        let store = self.open();
        let written = materialise(&store, &store.find("s").unwrap()).unwrap();
        let path = self.path("traces/s.json");
        if let Some(written) = &written {
            assert_eq!(written.path, path);
        }
        assert!(!self.path("traces/s.json.tmp").exists());
        (written.map(|written| written.status), said(&path), self.path("owners/s").exists())
    }
}

/// The status that a view says; `None`: there is none.
fn said(path: &Path) -> Option<String> {
    let view: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).unwrap();
    Some(view["summary"]["status"].as_str().unwrap().to_owned())
}

const STARTED: &str = r#"{"type":"session-started"}
    {"type":"run-started","pid":1}"#;
const COMPLETED: &str = r#"{"type":"session-ended","status":"completed"}"#;
const ERROR: &str = r#"{"type":"session-ended","status":"error"}"#;
const RUN_ENDED: &str = r#"{"type":"run-ended","reason":"closed"}"#;
const CRASHED: &str = r#"{"type":"crashed","reason":"r"}"#;

#[test]
fn an_ending_is_shown_when_a_mark_covers_it() {
    for (ending, status, says) in
        [(COMPLETED, Status::Completed, "completed"), (ERROR, Status::Error, "error")]
    {
        for (marked, is_shown) in [(None, false), (Some(2), false), (Some(3), true), (Some(4), true)] {
            let left = Left::new(&format!("{STARTED}\n{ending}"), marked).owned_for(1);
            let expected =
                if is_shown { (Some(status), Some(says.to_owned()), false) } else { (None, None, true) };
            assert_eq!(left.materialise(), expected, "{ending} marked through {marked:?}");
        }
    }
}

#[test]
fn a_run_without_an_ending_is_left_to_recovery_and_one_that_was_closed_is_running() {
    let left = Left::new(STARTED, Some(2)).owned_for(1);
    fs::write(left.path("traces/s.json"), r#"{"summary":{"status":"as it was"}}"#).unwrap();
    assert_eq!(left.materialise(), (None, Some("as it was".to_owned()), true));
    let left = Left::new(&format!("{STARTED}\n{RUN_ENDED}"), None).owned_for(1);
    assert_eq!(left.materialise(), (Some(Status::Running), Some("running".to_owned()), false));
    // A session that had ended, and was opened again by a run that died.
    let again = format!("{STARTED}\n{COMPLETED}\nrun\n{{\"type\":\"run-started\",\"pid\":2}}");
    let left = Left::new(&again, Some(4)).owned_for(2);
    assert_eq!(left.materialise(), (None, None, true));
}

#[test]
fn a_crash_is_shown_whatever_is_still_to_come() {
    let crashed = (Some(Status::Crashed), Some("crashed".to_owned()));
    let cases = [
        // The run that the entry names has its crash record, or never began; or has none yet: then the entry stays for recovery.
        (format!("{STARTED}\n{CRASHED}"), 1, false),
        (format!("{STARTED}\n{CRASHED}"), 2, false),
        (format!("{STARTED}\n{CRASHED}\nrun\n{{\"type\":\"run-started\",\"pid\":2}}"), 2, true),
        (format!("{STARTED}\n{CRASHED}\n{COMPLETED}"), 1, false),
    ];
    for (lines, run, stays) in cases {
        let left = Left::new(&lines, None).owned_for(run);
        let (status, says, is_owned) = left.materialise();
        assert_eq!(((status, says), is_owned), (crashed.clone(), stays), "{lines}");
    }
}

fn start(store: &Store) -> Session {
    let session = store.session("s").start().unwrap();
    session.append(Note::new("n")).unwrap();
    session
}

#[test]
fn a_live_session_is_running_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = options().open(folder.path()).unwrap();
    let (session, view) = (start(&store), folder.path().join("traces/s.json"));
    for _ in 0..2 {
        let written = materialise(&store, session.name()).unwrap().expect("it may be written");
        assert_eq!((written.status, said(&view).as_deref()), (Status::Running, Some("running")));
        assert!(folder.path().join("owners/s").exists());
    }
    let ended = session.complete().unwrap();
    assert_eq!((ended.status, said(&view).as_deref()), (Status::Completed, Some("completed")));
    assert!(!folder.path().join("owners/s").exists(), "nothing is left to be done");
}

/// I4: the view is the one that it was, half of another is not left beside it, and the error says what was attempted on which file.
#[test]
fn a_step_that_fails_leaves_the_view_as_it_was() {
    type Is = fn(&Step<'_>) -> bool;
    let is_temporary = |path: &Path| path.ends_with("s.json.tmp");
    let steps: [(&str, Is); 5] = [
        ("create", |step| matches!(step, Step::Create(path) if path.ends_with("s.json.tmp"))),
        ("write", |step| matches!(step, Step::Write(path) if path.ends_with("s.json.tmp"))),
        ("sync", |step| matches!(step, Step::Sync(path) if path.ends_with("s.json.tmp"))),
        ("rename", |step| matches!(step, Step::Rename(from, _) if from.ends_with("s.json.tmp"))),
        ("read", |step| matches!(step, Step::Read(path) if path.ends_with("sessions/s"))),
    ];
    for (name, is_it) in steps {
        let folder = tempfile::tempdir().unwrap();
        let armed = Arc::new(AtomicU64::new(0));
        let asked = armed.clone();
        let store = gated(move |step| {
            let fails = asked.load(Ordering::Relaxed) == 1 && is_it(step);
            fails.then_some(EIO)
        });
        let store = store.open(folder.path()).unwrap();
        let session = start(&store);
        let view = folder.path().join("traces/s.json");
        materialise(&store, session.name()).unwrap();
        let before = fs::read(&view).unwrap();
        session.append(Note::new("more")).unwrap();
        armed.store(1, Ordering::Relaxed);
        let error = materialise(&store, session.name()).unwrap_err();
        let Error::Io { path, .. } = &error else { panic!("{name}: {error}") };
        assert!(is_temporary(path) || path.ends_with("sessions/s") || path == &view, "{name}: {error}");
        if name != "read" {
            assert_eq!(fs::read(&view).unwrap(), before, "{name}");
        }
        assert!(!folder.path().join("traces/s.json.tmp").exists(), "{name}");
        armed.store(0, Ordering::Relaxed);
        materialise(&store, session.name()).unwrap();
        assert!(fs::read(&view).unwrap() != before && said(&view).is_some(), "{name}");
    }
}

/// A disk that is full is told from one that is broken: room can be made.
#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_while_the_view_is_written_is_called_full() {
    let left = Left::new(&format!("{STARTED}\n{RUN_ENDED}"), None);
    std::os::unix::fs::symlink("/dev/full", left.path("traces/s.json.tmp")).unwrap();
    let store = left.open();
    let error = materialise(&store, &store.find("s").unwrap()).unwrap_err();
    assert!(matches!(&error, Error::DiskFull { path, .. } if path.ends_with("s.json.tmp")), "{error}");
    assert_eq!(left.materialise().1.as_deref(), Some("running"), "what was left of it is gone");
}

/// I6: a crash record that comes when the view has been read, and before it has its name, is in the view when the lock is given up.
#[test]
fn a_crash_that_comes_before_the_rename_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (crashing, renames) = (Arc::new(Mutex::new(None::<Session>)), Arc::new(AtomicU64::new(0)));
    let (session, count) = (crashing.clone(), renames.clone());
    let store = gated(move |step| {
        if matches!(step, Step::Rename(from, _) if from.ends_with("s.json.tmp")) {
            count.fetch_add(1, Ordering::Relaxed);
            if let Some(session) = session.lock().unwrap().take() {
                crash_elsewhere(session);
            }
        }
        None
    });
    let store = store.open(folder.path()).unwrap();
    let session = start(&store);
    *crashing.lock().unwrap() = Some(session.clone());
    let written = materialise(&store, session.name()).unwrap().unwrap();
    assert_eq!(written.status, Status::Crashed);
    assert_eq!(said(&folder.path().join("traces/s.json")).as_deref(), Some("crashed"));
    assert!(renames.load(Ordering::Relaxed) >= 2, "the first one was of a running session");
}

/// The owner entry goes only behind a look at a log of which the view shows everything: here a run is opened and closed in between.
#[test]
fn what_comes_before_the_last_look_is_shown_before_the_entry_goes() {
    let again = format!("{STARTED}\n{COMPLETED}\nrun\n{{\"type\":\"run-started\",\"pid\":2}}\n{RUN_ENDED}");
    let (left, renames) = (Left::new(&again, None).owned_for(1), Arc::new(AtomicU64::new(0)));
    let (second, held, count) = (left.path("sessions/s/2.wal"), left.path("held"), renames.clone());
    fs::rename(&second, &held).unwrap();
    let mut first = log(&format!("{STARTED}\n{COMPLETED}"));
    first.last().durable_mark(3);
    fs::write(left.path("sessions/s/1.wal"), first.finish().remove(0)).unwrap();
    let store = gated(move |step| {
        if matches!(step, Step::Rename(from, _) if from.ends_with("s.json.tmp"))
            && count.fetch_add(1, Ordering::Relaxed) == 0
        {
            fs::rename(&held, &second).unwrap();
        }
        None
    });
    let store = store.recover(false).open(left.0.path()).unwrap();
    let written = materialise(&store, &store.find("s").unwrap()).unwrap();
    assert_eq!(written.map(|written| written.status), Some(Status::Completed));
    let view = fs::read_to_string(left.path("traces/s.json")).unwrap();
    assert!(view.contains(r#""lastSeq":5"#), "{view}");
    assert_eq!((renames.load(Ordering::Relaxed), left.path("owners/s").exists()), (2, false));
}

/// Another thread writes a crash record, and then waits for its turn with the view. Comes back when the record is in the log.
fn crash_elsewhere(session: Session) {
    let (store, name) = (session.store().clone(), session.name().clone());
    std::thread::spawn(move || session.crash("in between").unwrap());
    loop {
        let mut log = store.read(&name, Reading::Live).unwrap();
        while let Some(item) = log.next().unwrap() {
            if let Item::Event(entry) = item
                && entry.kind == 15
            {
                return;
            }
        }
        std::thread::yield_now();
    }
}
