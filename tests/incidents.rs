//! The incidents that tracewal is built against: how the recorders before it lost traces or told them wrongly. One test for each row of
//! the record, named by its row. Each makes the conditions of the old failure happen, many times, and the right outcome must come out
//! every time. `cargo test -p tracewal --test incidents -- --nocapture` shows `M1: 100 trials, 0 wrong` for each case.
//!
//! Each test says which guard stands between it and its incident, by its name in `tracewal_engine::guard`. That the guard is what makes
//! the difference is shown by
//!
//! ```text
//! cargo test -p tracewal --features fault-injection --test incidents -- negative --nocapture
//! ```
//!
//! where each case is run again in a process without its guard, and the old outcome must then be observed.
//!
//! `TRACEWAL_TRIALS` bounds the trials of each case.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::board::Board;
use support::child::{self, Child, Part, QUIET};
use support::door::{Door, Hold, Steps, is_unfinished_view, is_view, renames_view};
use support::log::{names, read, views};
use support::random::Random;
use support::trials::{Row, folder, joined, take_guards_away};
use support::words::Lane;
use tracewal::crash::{Capture, install};
use tracewal::disk::Step;
use tracewal::event::{
    Crashed, EndStatus, Event, Evidence, LifecycleBegun, LifecycleEnded, RunEndReason, SessionEnded, Span,
    SpanKind,
};
use tracewal::{Compaction, Error, Item, Options, Reading, Session, Status, Store, Time, Tokens};

/// Words of the board.
const WORKERS: u64 = 1;
const SURVIVED: u64 = 2;

/// Views at endings, crashes and flushes alone: what is written when is the test's to say.
fn on_demand() -> Options {
    tracewal::options_with(Compaction::OnDemand)
}

/// A session with one finished turn in it.
fn begin(store: &Store, id: &str) -> Session {
    let session = store.session(id).title("an incident").start().unwrap();
    turn(&session);
    session
}

/// A generation that calls a tool.
fn turn(session: &Session) {
    let call = session.generation("chat").model("m").start().unwrap();
    call.text("Let me look.").unwrap();
    call.tool("bash").input("make test").start().unwrap().end().output("1 test failed").finish().unwrap();
    let tokens = Tokens::new(10_u64, 5_u64, 0_u64, 0_u64, 0_u64);
    call.end().tokens(tokens).cost(0.001).finish().unwrap();
}

/// A span that was over before it was reported.
fn span<'a>(name: &'a str, output: &'a str) -> Span<'a> {
    let now = Time::from(std::time::SystemTime::now());
    let mut span = Span::new(name, SpanKind::Tool, name, now, now);
    span.output = Some(output.into());
    span
}

/// A view's file, which is one whole document (I4).
#[track_caller]
fn view_in(path: &Path) -> Value {
    let bytes = fs::read(path).expect("a view");
    serde_json::from_slice(&bytes).expect("the view is one whole document")
}

#[track_caller]
fn view_of(store: &Store, id: &str) -> Value {
    view_in(&store.view(&store.find(id).unwrap()))
}

fn status(view: &Value) -> &str {
    view["summary"]["status"].as_str().unwrap()
}

fn spans_called(view: &Value, prefix: &str) -> usize {
    let spans = view["spans"].as_array().unwrap();
    spans.iter().filter(|span| span["name"].as_str().unwrap().starts_with(prefix)).count()
}

#[track_caller]
fn assert_tidy(store: &Store) {
    let left: Vec<String> =
        names(store.traces()).into_iter().filter(|name| !is_view(Path::new(name))).collect();
    assert_eq!(left, Vec::<String>::new(), "no temporary file is left");
}

fn raise(signal: i32) {
    // SAFETY: a signal to this thread.
    unsafe { libc::raise(signal) };
}

/// Ends this process as SIGKILL does: no handler, no hook, no destructor.
fn die() -> ! {
    raise(libc::SIGKILL);
    unreachable!("SIGKILL was survived");
}

// Children.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let part: &'static Part = Box::leak(Box::new(part));
    // A core file of each is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, ""));
    if name != "burst" {
        take_guards_away();
    }
    match name {
        "late-rename" => late_rename_in_child(part, argument),
        "burst" => burst(part),
        "export" => crash_in_export(part, argument.parse().unwrap()),
        "complete" => die_in_complete(part, argument.parse().unwrap()),
        "work" => work(part, argument),
        "die" => die_of(part, argument),
        "again" => die_again(part, argument),
        "dispose" => die_in_dispose(part),
        "evidence" => die_with_evidence(part, argument.parse().unwrap()),
        "write" => write_and_die(part, argument == "durable"),
        other => panic!("no part is called {other}"),
    }
}

/// A child that plays a part in a store of its own, until it has ended by itself.
struct Died {
    folder: tempfile::TempDir,
    board: Board,
    status: std::process::ExitStatus,
}

impl Died {
    fn of(part: &str) -> Self {
        let folder = folder();
        let board = Board::create(&folder.path().join("board"), 4);
        let child = Child::start_with(part, &folder.path().join("store"), &board, &[QUIET]);
        Died { status: child.wait(), folder, board }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    #[track_caller]
    fn killed_by(self, signal: i32) -> Self {
        assert_eq!(self.status.signal(), Some(signal), "how the process ended: {}", self.status);
        self
    }

    #[track_caller]
    fn exited(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "how the process ended: {}", self.status);
        self
    }

    /// What its one session's view said when nobody had opened the store since.
    fn first_view(&self) -> Value {
        view_in(&self.path().join("traces/s.json"))
    }

    /// What the next process finds.
    fn reopen(&self) -> Store {
        let store = on_demand().open(self.path()).unwrap();
        assert_eq!(store.health().failed_recoveries, vec![]);
        store
    }
}

// M1.

/// A materialisation has read the log and is about to rename; a crash is recorded; the rename lands late. The file says `crashed`
/// nevertheless as soon as that materialisation is over, whoever ran it.
///
/// Guard: `LookAgain`.
#[test]
fn m1() {
    let mut row = Row::new("M1");
    let delayed = |ms| move |n| late_rename(n, Duration::from_millis(ms));
    row.case("rename delayed by 200 ms", 100, 50, delayed(200));
    row.case("rename delayed by 2 s", 100, 100, delayed(2000));
    row.case("SIGTERM, and the rename lands 200 ms later", 100, 10, |_| {
        let died = Died::of("late-rename 200").killed_by(libc::SIGTERM);
        assert_eq!(status(&died.first_view()), "crashed");
        assert_eq!(status(&view_of(&died.reopen(), "s")), "crashed");
    });
    row.case("SIGTERM, and the rename never lands", 100, 10, |_| {
        let died = Died::of("late-rename never").killed_by(libc::SIGTERM);
        let view = view_of(&died.reopen(), "s");
        assert_eq!((status(&view), view["crash"]["reason"].as_str()), ("crashed", Some("SIGTERM")));
    });
}

fn late_rename(n: u64, delay: Duration) {
    let folder = folder();
    let hold = Hold::at(renames_view);
    let store = on_demand().gate(hold.clone()).open(folder.path()).unwrap();
    // The one that writes the session, or another.
    let writing = if n.is_multiple_of(2) { store.clone() } else { on_demand().open(folder.path()).unwrap() };
    let session = begin(&writing, "s");
    let before = session.last_seq();
    hold.arm();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| store.materialise(session.name()).unwrap().expect("a view"));
        hold.await_held();
        // The crash writer waits for nobody; whoever wants to write the view after it waits for the lock.
        let crash = scope.spawn(|| match n % 4 {
            0 | 1 => session.append(Crashed::new("it broke")).map(|_| ()).unwrap(),
            _ => session.crash("it broke").unwrap(),
        });
        while session.last_seq() == before {
            std::thread::yield_now();
        }
        std::thread::sleep(delay);
        hold.let_go();
        let written = joined(late);
        let view = view_of(&store, "s");
        assert_eq!(status(&view), "crashed", "what the late rename left");
        assert_eq!(written.status, Status::Crashed);
        joined(crash);
    });
    drop(session);
    assert_eq!(status(&view_of(&store, "s")), "crashed");
}

fn late_rename_in_child(part: &Part, delay: &str) {
    let hold = Hold::at(renames_view);
    let store = on_demand().gate(hold.clone()).open(&part.store).unwrap();
    let (delay_ms, grace_ms) = delay.parse().map_or((60_000, 50), |delay_ms: u64| (delay_ms, 20_000));
    install(&store, Capture { grace: Duration::from_millis(grace_ms), ..Capture::default() }).unwrap();
    let session = begin(&store, "s");
    hold.arm();
    std::thread::scope(|scope| {
        scope.spawn(|| session.flush().unwrap());
        hold.await_held();
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(delay_ms));
            hold.let_go();
        });
        raise(libc::SIGTERM);
    });
}

// M2.

/// A burst of eight events arrives while a snapshot of 800 spans of 2 KB is being written, and then the process is killed. All eight are
/// there: there is no debounce between an event and the log, and the snapshot is a view of it.
///
/// Guard: `PublishedBeforeReturn`.
#[test]
fn m2() {
    let mut row = Row::new("M2");
    row.case("a burst during a snapshot, then SIGKILL", 100, 4, |_| {
        let died = Died::of("burst").killed_by(libc::SIGKILL);
        assert!(died.board.acknowledged(0, 7).is_some(), "eight appends have returned");
        let store = died.reopen();
        let view = view_of(&store, "s");
        assert_eq!(
            (spans_called(&view, "loaded"), spans_called(&view, "burst")),
            (800, 8),
            "spans that are left"
        );
        let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
        assert_eq!(contents.losses, vec![]);
    });
}

fn burst(part: &Part) {
    let hold = Hold::at(renames_view);
    let store = on_demand().gate(hold.clone()).open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    let output = "x".repeat(2048);
    for n in 0..800 {
        session.append(span(&format!("loaded {n}"), &output)).unwrap();
    }
    hold.arm();
    std::thread::scope(|scope| {
        scope.spawn(|| session.flush().unwrap());
        hold.await_held();
        take_guards_away();
        for n in 0..8 {
            part.board.begin(0, n);
            let seq = session.append(span(&format!("burst {n}"), "done")).unwrap();
            part.board.acknowledge(0, n, seq);
        }
        die();
    });
}

// M3.

/// The steps of an export, each before it is taken.
const EXPORT: [fn(&Step<'_>) -> bool; 5] = [
    |step| matches!(step, Step::Create(path) if is_unfinished_view(path)),
    |step| matches!(step, Step::Write(path) if is_unfinished_view(path)),
    |step| matches!(step, Step::Sync(path) if is_unfinished_view(path)),
    renames_view,
    |step| matches!(step, Step::SyncDir(path) if path.ends_with("traces")),
];

fn completed() -> SessionEnded<'static> {
    SessionEnded::new(EndStatus::Completed)
}

/// A crash during the final export: whichever step it comes before, and however many MB are being written, the file says `crashed` in
/// the end. And `completed` is said only of an ending that is durable.
///
/// Guards: `LookAgain`, `CrashOutranks`, `DurableBeforeShown`.
#[test]
fn m3() {
    let mut row = Row::new("M3");
    row.case("a crash before each step of the export", 100, 4, |n| {
        let folder = folder();
        let hold = Hold::at(EXPORT[usize::try_from(n % 5).unwrap()]);
        let store = on_demand().gate(hold.clone()).open(folder.path()).unwrap();
        crash_while_exporting(&hold, &begin(&store, "s"));
        assert_eq!(status(&view_of(&store, "s")), "crashed", "after closing");
    });
    row.case("SIGTERM before each step of the export", 100, 4, |n| {
        let died = Died::of(&format!("export {}", n % 5)).killed_by(libc::SIGTERM);
        assert_eq!(status(&view_of(&died.reopen(), "s")), "crashed");
    });
    row.case("SIGKILL before each step of complete()", 100, 4, |n| {
        let died = Died::of(&format!("complete {}", n % 5)).killed_by(libc::SIGKILL);
        if died.path().join("traces/s.json").exists() {
            assert_eq!(status(&died.first_view()), "completed");
        }
        let store = died.reopen();
        // The session had ended before, durably: that its process was killed later is no crash of the session.
        assert_eq!(status(&view_of(&store, "s")), "completed");
        assert_tidy(&store);
    });
    row.case("an ending that cannot be made durable", 100, 4, |_| undurable_ending());
    let large = large_trace();
    row.case("a crash while 52 MB are exported", LARGE_TRIALS, 1, |n| {
        let folder = tempfile::tempdir().unwrap();
        clone_store(large.path(), folder.path());
        let hold = Hold::at(EXPORT[usize::try_from(3 - n % 2).unwrap()]);
        let store = on_demand().gate(hold.clone()).open(folder.path()).unwrap();
        let session = store.session("s").resume().unwrap();
        crash_while_exporting(&hold, &session);
        let view = view_of(&store, "s");
        assert_eq!(spans_called(&view, "large"), 5000);
    });
}

/// Each takes some seconds in a debug build.
const LARGE_TRIALS: u64 = 4;

/// Ends the session, and exports it; the crash comes when somebody is held.
fn crash_while_exporting(hold: &Hold, session: &Session) {
    session.append(completed()).unwrap();
    hold.arm();
    std::thread::scope(|scope| {
        let export = scope.spawn(|| session.flush().unwrap().expect("a view"));
        hold.await_held();
        session.append(Crashed::new("it broke")).unwrap();
        hold.let_go();
        let written = joined(export);
        assert_eq!(status(&view_in(&written.path)), "crashed", "what the export left");
        assert_eq!(written.status, Status::Crashed);
    });
}

fn crash_in_export(part: &Part, step: usize) {
    let hold = Hold::at(EXPORT[step]);
    let store = on_demand().gate(hold.clone()).open(&part.store).unwrap();
    // The export is held when the signal comes, and the process does not outlive its grace.
    install(&store, Capture { grace: Duration::from_millis(20), ..Capture::default() }).unwrap();
    let session = begin(&store, "s");
    session.append(completed()).unwrap();
    hold.arm();
    std::thread::scope(|scope| {
        scope.spawn(|| session.flush().unwrap());
        hold.await_held();
        raise(libc::SIGTERM);
    });
}

fn die_in_complete(part: &Part, step: usize) {
    let door = Door::new(move |now| if EXPORT[step](&now) { die() } else { Ok(()) });
    let store = on_demand().gate(door).open(&part.store).unwrap();
    begin(&store, "s").complete().unwrap();
}

fn undurable_ending() {
    let folder = folder();
    let fails = Arc::new(AtomicBool::new(false));
    let asked = fails.clone();
    let door = Door::new(move |step| match step {
        Step::Sync(path) if path.extension().is_some_and(|e| e == "wal") && asked.load(Ordering::Acquire) => {
            Err(io::Error::from_raw_os_error(libc::EIO))
        }
        _ => Ok(()),
    });
    let store = on_demand().gate(door).open(folder.path()).unwrap();
    let session = begin(&store, "s");
    session.flush().unwrap();
    fails.store(true, Ordering::Release);
    session.complete().expect_err("the sync fails");
    assert_eq!(status(&view_of(&store, "s")), "running", "an ending is shown that is not durable");
}

/// A store with a session of 5,000 spans of 10 KB.
fn large_trace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let output = "0123456789".repeat(1024);
    for n in 0..5000 {
        session.append(span(&format!("large {n}"), &output)).unwrap();
    }
    folder
}

/// The same store again. Segments that are sealed are not copied: nobody writes into them any more.
fn clone_store(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            clone_store(&from, &to);
        } else if from.extension().is_some_and(|extension| extension == "wal") {
            fs::hard_link(from, to).unwrap();
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Ten sessions share a store and one of them crashes. The others go on, end, and are exported, and so are those that start later.
///
/// Guard: `OwnLogAlone`.
#[test]
fn m3b() {
    let mut row = Row::new("M3b");
    row.case("one of ten sessions crashes", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let mut sessions: BTreeMap<u64, Session> =
            (0..10).map(|n| (n, begin(&store, &format!("session {n}")))).collect();
        let broken = sessions.remove(&(n % 10)).unwrap();
        broken.crash("it broke").unwrap();
        sessions.extend((10..12).map(|n| (n, begin(&store, &format!("session {n}")))));
        for session in sessions.into_values() {
            turn(&session);
            let flushed = session.flush().unwrap().expect("the view of another session is written");
            assert_eq!(flushed.status, Status::Running);
            let ended = session.complete().unwrap();
            assert_eq!(status(&view_in(&ended.view.expect("a view"))), "completed");
        }
        assert_eq!(status(&view_in(&store.view(broken.name()))), "crashed");
    });
}

/// Ids whose names on disk are the same, and are not the ids.
const ODD: [[&str; 2]; 8] = [
    ["a/b", "a.b"],
    ["a\\b", "a:b"],
    ["a_b", "a/b"],
    ["../../a", "______a"],
    ["C:\\x\\y.z", "C:/x/y.z"],
    ["ses:1.2/3", "ses_1_2_3"],
    ["..", "::"],
    [".", "/"],
];

/// Two sessions whose ids have the same name on disk. One crashes while its view is being renamed; the other completes. Each has its own
/// log and its own view, and each is protected by the name that it was given, whatever its id.
///
/// Guards: `KnownByName`, `ExactIds`.
#[test]
fn m3c() {
    let mut row = Row::new("M3c");
    row.case("ids with / \\ . :", 100, 4, |n| {
        let [one, other] = ODD[usize::try_from(n % 8).unwrap()];
        let (one, other) = if n % 16 < 8 { (one, other) } else { (other, one) };
        let folder = folder();
        let hold = Hold::at(renames_view);
        let path = folder.path().join("store");
        let store = on_demand().gate(hold.clone()).open(&path).unwrap();
        let session = begin(&store, one);
        assert!(session.flush().unwrap().is_some(), "the view of a live session is written");
        let second = store.session(other).start_or_resume().expect("a session of its own");
        turn(&second);
        crash_while_exporting(&hold, &session);
        second.complete().unwrap();
        drop(session);
        for (id, expected) in [(one, "crashed"), (other, "completed")] {
            let view = view_of(&store, id);
            assert_eq!((view["sessionId"].as_str(), status(&view)), (Some(id), expected));
        }
        assert_eq!(names(store.traces()).len(), 2);
        assert_eq!(names(folder.path()), ["store"], "nothing is written outside the store");
    });
}

/// Ending a session that has crashed returns the path of its view, which says so.
///
/// Guard: `PathWhatever`.
#[test]
fn m3d() {
    let mut row = Row::new("M3d");
    row.case("an ending after a crash", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = begin(&store, "s");
        match n % 2 {
            0 => session.crash("it broke").unwrap(),
            _ => session.append(Crashed::new("it broke")).map(|_| ()).unwrap(),
        }
        let ended = match n % 3 {
            0 => session.complete(),
            1 => session.fail("it failed"),
            _ => session.close(RunEndReason::StdinEnd),
        };
        let ended = ended.unwrap();
        assert_eq!(ended.status, Status::Crashed);
        let path = ended.view.expect("the path of the crashed trace");
        assert_eq!(path, store.view(&store.find("s").unwrap()));
        let view = view_in(&path);
        assert_eq!((status(&view), view["crash"]["reason"].as_str()), ("crashed", Some("it broke")));
    });
}

// W1.

/// Several exporters and failing disks: whoever reads the file reads one whole document, always, and no temporary file is left. A second
/// writer is refused.
///
/// Guards: `OneMaterialiser`, `WrittenBeside`, `TidyAfterFailure`, `SyncBeforeRename`.
#[test]
fn w1() {
    let mut row = Row::new("W1");
    row.case("a second exporter before the rename of the first", 100, 8, |_| two_exporters());
    row.case("exporters and readers side by side", 100, 2, |_| exporters_and_readers());
    row.case("each step fails", 100, 4, |n| failing_export(usize::try_from(n % 5).unwrap()));
    row.case("the order of the steps", 100, 4, |_| {
        let folder = folder();
        let steps = Arc::new(Steps::default());
        let seen = steps.clone();
        let door = Door::new(move |step| {
            seen.add(&step);
            Ok(())
        });
        let store = on_demand().gate(door).open(folder.path()).unwrap();
        let session = begin(&store, "s");
        steps.take();
        let path = session.flush().unwrap().unwrap().path;
        let temporary = path.with_extension("json.tmp");
        let (temporary, traces) =
            (|what| (what, temporary.clone()), ("sync folder", store.traces().to_owned()));
        let expected = [temporary("create"), temporary("write"), temporary("sync"), ("rename", path), traces];
        assert_eq!(steps.take(), expected, "what a power cut finds is the old view or the new one");
    });
    row.case("a second writer", 100, 4, |_| {
        let folder = folder();
        let (first, second) =
            (on_demand().open(folder.path()).unwrap(), on_demand().open(folder.path()).unwrap());
        let session = begin(&first, "s");
        assert!(matches!(second.session("s").resume(), Err(Error::Busy { .. })));
        assert!(matches!(second.session("s").start(), Err(Error::Exists { .. })));
        turn(&session);
        session.complete().unwrap();
        assert_eq!(status(&view_of(&second, "s")), "completed");
    });
}

fn two_exporters() {
    let folder = folder();
    let hold = Hold::at(renames_view);
    let first = on_demand().gate(hold.clone()).open(folder.path()).unwrap();
    let session = begin(&first, "s");
    let (begun, first_is_done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, waits) = (begun.clone(), first_is_done.clone());
    // The second exporter has created its file when it comes to write, and stays there until the first is done.
    let door = Door::new(move |step| {
        if matches!(step, Step::Write(path) if is_unfinished_view(path)) {
            begins.store(true, Ordering::Release);
            while !waits.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
        Ok(())
    });
    let second = on_demand().gate(door).open(folder.path()).unwrap();
    hold.arm();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| session.flush());
        hold.await_held();
        let other = scope.spawn(|| second.materialise(session.name()));
        // It has this long to begin, which it must not.
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until && !begun.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        hold.let_go();
        let one = joined(one);
        let after_first = fs::read(first.view(session.name()));
        first_is_done.store(true, Ordering::Release);
        let other = joined(other);
        let whole = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok();
        assert!(whole(&after_first.expect("a view")), "a reader finds a part of a view");
        one.unwrap().expect("a view");
        other.unwrap().expect("a view");
    });
    assert_eq!(status(&view_of(&first, "s")), "running");
    assert_tidy(&first);
}

fn exporters_and_readers() {
    let folder = folder();
    let stores = [on_demand().open(folder.path()).unwrap(), on_demand().open(folder.path()).unwrap()];
    let session = begin(&stores[0], "s");
    session.flush().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let exporters: Vec<_> = stores
            .iter()
            .map(|store| {
                let session = &session;
                scope.spawn(move || {
                    for _ in 0..3 {
                        turn(session);
                        store.materialise(session.name()).unwrap().expect("a view");
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                assert_eq!(status(&view_of(&stores[0], "s")), "running");
            }
        });
        exporters.into_iter().for_each(joined);
        done.store(true, Ordering::Release);
        joined(reader);
    });
    assert_tidy(&stores[0]);
}

fn failing_export(step: usize) {
    let folder = folder();
    let fails = Arc::new(AtomicBool::new(false));
    let asked = fails.clone();
    let door = Door::new(move |now| {
        let fails = asked.load(Ordering::Acquire) && EXPORT[step](&now);
        if fails { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    });
    let store = on_demand().gate(door).open(folder.path()).unwrap();
    let session = begin(&store, "s");
    let path = session.flush().unwrap().unwrap().path;
    let before = fs::read(&path).unwrap();
    turn(&session);
    fails.store(true, Ordering::Release);
    session.flush().expect_err("a step fails");
    assert_tidy(&store);
    let now = fs::read(&path).unwrap();
    // The last step is behind the rename.
    assert!(
        if step == 4 {
            view_in(&path);
            now != before
        } else {
            now == before
        },
        "what a failure left"
    );
    fails.store(false, Ordering::Release);
    assert_eq!(status(&view_in(&session.complete().unwrap().view.unwrap())), "completed");
}

// K1.

/// How a process with workers ends, what its status is, and what its sessions then are.
const ENDS: [(&str, Result<i32, i32>, &str); 7] = [
    ("SIGINT", Err(libc::SIGINT), "crashed"),
    ("SIGTERM", Err(libc::SIGTERM), "crashed"),
    ("SIGHUP", Err(libc::SIGHUP), "crashed"),
    ("a worker's SIGTERM", Err(libc::SIGTERM), "crashed"),
    ("a worker's SIGSEGV", Err(libc::SIGSEGV), "crashed"),
    ("a panic", Ok(101), "crashed"),
    ("an exit", Ok(3), "running"),
];

/// Four sessions, each written by a worker thread, when the process ends by a signal (from outside or in a worker), an uncaught panic, or
/// an exit. Every event that was acknowledged is there, and the views say how it ended before anybody has opened the store again.
///
/// Guards: `PublishedBeforeReturn` (M2), and `CrashSlots` for the reason and the view.
#[test]
fn k1() {
    let mut row = Row::new("K1");
    row.case("four workers", 105, 4, |n| four_workers(ENDS[usize::try_from(n % 7).unwrap()]));
}

/// The same, when a worker panics and the main thread passes that on: `join().unwrap()`.
#[test]
fn k1_panic_passed_on() {
    let mut row = Row::new("K1");
    row.case("a worker's panic, passed on", 20, 4, |_| {
        four_workers(("a worker's panic, passed on", Ok(101), "crashed"));
    });
}

fn four_workers((end, expected, session_is): (&'static str, Result<i32, i32>, &'static str)) {
    let folder = folder();
    let path = folder.path().join("store");
    let board = Board::create(&folder.path().join("board"), 4);
    let mut child = Child::start_with(&format!("work {end}"), &path, &board, &[QUIET]);
    if end.starts_with("SIG") {
        child.wait_until("have its workers at work", |board| board.get(WORKERS) == 4);
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(libc::pid_t::try_from(child.pid()).unwrap(), expected.unwrap_err()) };
    }
    let ended = child.wait();
    assert_eq!(ended.code().ok_or_else(|| ended.signal().unwrap()), expected, "{end}");
    let first: BTreeMap<String, String> =
        (0..4).map(|n| (format!("worker {n}"), session_is.to_owned())).collect();
    assert_eq!(views(&path), first, "{end}: what the dying process left");

    let store = on_demand().open(&path).unwrap();
    for lane in 0..4 {
        let session = store.find(&format!("worker {lane}")).unwrap();
        let contents = read(&store, &session, Reading::Whole);
        contents.check_lanes(&[(lane, &board, lane)]);
        assert!(board.begun(lane) >= 20);
        assert_eq!((contents.status(), &contents.losses), (session_is, &vec![]), "{end}");
        let reason = view_of(&store, session.id())["crash"]["reason"].as_str().unwrap_or_default().to_owned();
        let said = match expected {
            Err(signal) => reason == signal_name(signal),
            Ok(101) => reason.starts_with("panic: "),
            Ok(_) => reason.is_empty(),
        };
        assert!(said, "{end}: the reason is {reason:?}");
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        libc::SIGHUP => "SIGHUP",
        libc::SIGSEGV => "SIGSEGV",
        other => panic!("signal {other}"),
    }
}

fn work(part: &'static Part, end: &'static str) {
    let store = on_demand().open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let (at_work, working) = (Arc::new(Barrier::new(5)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let (store, at_work, working) = (store.clone(), at_work.clone(), working.clone());
            std::thread::spawn(move || {
                let lane = Lane::new(number, 20);
                let session = store.session(format!("worker {number}")).start().unwrap();
                for n in 0..20 {
                    part.board.begin(number, n);
                    part.board.acknowledge(number, n, session.append(lane.event(n)).unwrap());
                }
                part.board.set(WORKERS, working.fetch_add(1, Ordering::AcqRel) + 1);
                at_work.wait();
                match end {
                    "a worker's SIGTERM" if number == 2 => raise(libc::SIGTERM),
                    "a worker's SIGSEGV" if number == 2 => null_pointer(),
                    "a worker's panic, passed on" if number == 2 => panic!("it broke"),
                    _ => {}
                }
                child::wait_for_the_end();
            })
        })
        .collect();
    at_work.wait();
    match end {
        "a panic" => panic!("it broke"),
        "a worker's panic, passed on" => workers.into_iter().nth(2).unwrap().join().unwrap(),
        "an exit" => std::process::exit(3),
        _ => child::wait_for_the_end(),
    }
}

fn null_pointer() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

// K2.

/// What ends a process, and the status that it must have: the one that it would have had without crash capture.
const CAUSES: [(&str, Result<i32, i32>); 13] = [
    ("SIGTERM", Err(libc::SIGTERM)),
    ("SIGINT", Err(libc::SIGINT)),
    ("SIGHUP", Err(libc::SIGHUP)),
    ("SIGQUIT", Err(libc::SIGQUIT)),
    ("SIGXCPU", Err(libc::SIGXCPU)),
    ("SIGBUS", Err(libc::SIGBUS)),
    ("SIGFPE", Err(libc::SIGFPE)),
    ("SIGILL", Err(libc::SIGILL)),
    ("null pointer", Err(libc::SIGSEGV)),
    ("abort", Err(libc::SIGABRT)),
    ("exit", Ok(3)),
    ("panic", Ok(101)),
    ("return", Ok(0)),
];

/// The handler records, and then the process ends, with the status that it would have had.
///
/// Guard: `DefaultAction`.
#[test]
fn k2() {
    let mut row = Row::new("K2");
    row.case("thirteen ways to end", 104, 4, |n| {
        let (cause, expected) = CAUSES[usize::try_from(n % 13).unwrap()];
        let died = Died::of(&format!("die {cause}"));
        assert_eq!(died.board.get(SURVIVED), 0, "{cause} was survived");
        let died = match expected {
            Err(signal) => died.killed_by(signal),
            Ok(code) => died.exited(code),
        };
        let expected = if matches!(cause, "exit" | "return") { "running" } else { "crashed" };
        assert_eq!(status(&died.first_view()), expected, "{cause}");
    });
}

fn die_of(part: &Part, cause: &str) {
    let store = on_demand().open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    // Open until the process has gone.
    std::mem::forget(begin(&store, "s"));
    match cause {
        "null pointer" => null_pointer(),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "panic" => panic!("it broke"),
        "return" => return,
        _ => {
            let (_, signal) = CAUSES.iter().find(|(name, _)| *name == cause).unwrap();
            raise(signal.unwrap_err());
        }
    }
    part.board.set(SURVIVED, 1);
}

// K3.

/// A fatal event is not the first one, or comes while the session ends: it is recorded as if it were.
///
/// Guards: `EveryFatalEvent`, `CoveredUntilClosed`.
#[test]
fn k3() {
    let mut row = Row::new("K3");
    let last_span_and_reason = |died: &Died| {
        for view in [died.first_view(), view_of(&died.reopen(), "s")] {
            assert_eq!(status(&view), "crashed");
            assert_eq!(spans_called(&view, "later"), 1, "what came after the first event is there");
            let first_reason = view["crash"]["reason"].as_str().unwrap().to_owned();
            assert_eq!(first_reason, view["summary"]["error"].as_str().unwrap());
        }
        view_of(&died.reopen(), "s")
    };
    row.case("a SIGINT that is survived, then SIGTERM", 100, 4, |_| {
        let died = Died::of("again SIGINT").killed_by(libc::SIGTERM);
        let view = view_of(&died.reopen(), "s");
        assert_eq!(view["crash"]["reason"].as_str(), Some("SIGTERM"), "the reason");
        last_span_and_reason(&died);
    });
    row.case("a crash that the program reports, then SIGTERM", 100, 4, |_| {
        let died = Died::of("again reported").killed_by(libc::SIGTERM);
        let view = last_span_and_reason(&died);
        assert_eq!(view["crash"]["reason"].as_str(), Some("it broke"), "the first reason stands");
        assert_eq!(view["crash"]["count"].as_u64(), Some(2), "and the second crash is counted");
    });
    row.case("SIGTERM in the last step of the end", 100, 4, |_| {
        let died = Died::of("again ending").killed_by(libc::SIGTERM);
        let view = view_of(&died.reopen(), "s");
        assert_eq!(status(&view), "crashed", "how the session is shown");
    });
}

extern "C" fn survive(_: i32) {}

fn die_again(part: &Part, first: &str) {
    if first == "SIGINT" {
        #[allow(clippy::as_conversions)]
        let handler = survive as extern "C" fn(i32) as usize;
        // SAFETY: a function of this program that does nothing.
        unsafe { libc::signal(libc::SIGINT, handler) };
    }
    let ending = Arc::new(AtomicU64::new(0));
    let syncs = ending.clone();
    // The first sync of an ending makes it durable; the second one is the last step before the session is not covered any more.
    let door = Door::new(move |step| {
        if matches!(step, Step::Sync(path) if path.extension().is_some_and(|e| e == "wal"))
            && syncs.load(Ordering::Acquire) > 0
            && syncs.fetch_add(1, Ordering::AcqRel) == 2
        {
            raise(libc::SIGTERM);
        }
        Ok(())
    });
    let store = on_demand().gate(door).open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let session = begin(&store, "s");
    match first {
        "SIGINT" => raise(libc::SIGINT),
        "reported" => session.crash("it broke").unwrap(),
        _ => {
            session.sync().unwrap();
            ending.store(1, Ordering::Release);
            session.complete().unwrap();
            unreachable!("the signal was survived");
        }
    }
    session.append(span("later", "done")).unwrap();
    raise(libc::SIGTERM);
}

// L1.

/// Why did it stop? Lifecycle actions begin, nest, overlap and end; the session's close names the nearest one that was open, or the one
/// that the ending names itself. One dispose of everything is the parent of the actions that it makes in every session.
///
/// Guard: `NearestAction`.
///
/// What a later derivation adds: kind and origin of the action, its ancestors by `parentActionId`, and a sentence for people. All it needs
/// is in the log, in order, and is not changed by what comes later.
#[test]
fn l1() {
    let mut row = Row::new("L1");
    let random = Mutex::new(Random::named("lifecycle actions"));
    row.case("actions that nest and overlap", 100, 4, |n| {
        let mut random = Random::from(random.lock().unwrap().next());
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = begin(&store, "s");
        // The oracle: those that are open, in the order in which they began.
        let mut open: Vec<String> = Vec::new();
        for action in 0..2 + random.below(20) {
            if !open.is_empty() && random.below(3) == 0 {
                let ended =
                    open.remove(usize::try_from(random.below(u64::try_from(open.len()).unwrap())).unwrap());
                session.lifecycle_ended(&ended).unwrap();
            } else {
                open.push(format!("action-{action}"));
                session
                    .lifecycle_begun(LifecycleBegun::new(open.last().unwrap().as_str(), "instance-reload"))
                    .unwrap();
            }
        }
        let explicit = n.is_multiple_of(4).then(|| "explicit".to_owned());
        let expected = explicit.clone().or(open.last().cloned());
        let action_id = explicit.map(Into::into);
        let kind = match n % 3 {
            0 => {
                session.append(Crashed { action_id, ..Crashed::new("it broke") }).unwrap();
                drop(session);
                "crashed"
            }
            _ => {
                session.end(SessionEnded { action_id, ..completed() }).unwrap();
                "session-ended"
            }
        };
        let close = &view_of(&store, "s")["close"];
        assert_eq!(close["actionId"].as_str(), expected.as_deref(), "the nearest open action");
        assert_eq!(close["kind"].as_str(), expected.map(|_| kind));
    });
    row.case("one dispose of everything, over five sessions", 100, 4, |_| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        for n in 0..5 {
            let (session, own) = (begin(&store, &format!("s{n}")), format!("dispose-{n}"));
            session.lifecycle_begun(LifecycleBegun::new("dispose-all", "shutdown")).unwrap();
            let mut part = LifecycleBegun::new(own.as_str(), "instance-dispose");
            part.parent_action_id = Some("dispose-all".into());
            session.lifecycle_begun(part).unwrap();
            session.fail("disposed").unwrap();
            assert_eq!(view_of(&store, &format!("s{n}"))["close"]["actionId"].as_str(), Some(own.as_str()));
            let begun = events(&store, &format!("s{n}"), |event| match event {
                Event::LifecycleBegun(begun) => {
                    Some((begun.action_id.to_string(), begun.parent_action_id.as_deref().map(str::to_owned)))
                }
                _ => None,
            });
            assert_eq!(begun, [("dispose-all".to_owned(), None), (own, Some("dispose-all".to_owned()))]);
        }
    });
    row.case("SIGKILL during a dispose", 100, 4, |_| {
        let died = Died::of("dispose").killed_by(libc::SIGKILL);
        let close = &view_of(&died.reopen(), "s")["close"];
        assert_eq!((close["kind"].as_str(), close["actionId"].as_str()), (Some("crashed"), Some("inner")));
    });
}

fn die_in_dispose(part: &Part) {
    let store = on_demand().open(&part.store).unwrap();
    let session = begin(&store, "s");
    for action in ["outer", "inner", "over"] {
        session.lifecycle_begun(LifecycleBegun::new(action, "instance-dispose")).unwrap();
    }
    session.append(LifecycleEnded::new("over")).unwrap();
    die();
}

/// What a session's events say, in the order of the log.
fn events<T>(store: &Store, id: &str, pick: impl Fn(&Event<'_>) -> Option<T>) -> Vec<T> {
    let mut log = store.read(&store.find(id).unwrap(), Reading::Whole).unwrap();
    let mut picked = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => picked.extend(pick(&entry.event().unwrap().unwrap())),
            Item::Loss(loss) => panic!("{loss:?}"),
            _ => {}
        }
    }
    picked
}

// L2.

/// A transport drops while tool input is streaming, and clean-up then reports failures of its own. The evidence is in the log in the order
/// in which it was given, each piece as it was, whatever came later, also after SIGKILL; of several crash records the first one's reason
/// stands.
///
/// Guards: `CopyUnproved`, `FirstCrashStands`.
///
/// What a later derivation adds: the cause, as the first terminal candidate of that evidence, and the bounds on how much is kept and shown.
#[test]
fn l2() {
    let mut row = Row::new("L2");
    row.case("clean-up after the first terminal evidence", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = begin(&store, "s");
        for evidence in evidence(n) {
            session.evidence(evidence).unwrap();
        }
        session.crash("transport dropped").unwrap();
        session.crash("tool execution failed").unwrap();
        session
            .append(SessionEnded { error: Some("cleaned up".into()), ..SessionEnded::new(EndStatus::Error) })
            .unwrap();
        drop(session);
        check_evidence(&store, n);
        let view = view_of(&store, "s");
        assert_eq!(view["crash"]["reason"].as_str(), Some("transport dropped"), "the first reason");
    });
    row.case("SIGKILL behind the evidence", 100, 4, |n| {
        let died = Died::of(&format!("evidence {n}")).killed_by(libc::SIGKILL);
        check_evidence(&died.reopen(), n);
    });
}

/// Of trial `n`: pieces that are streamed, what dropped the transport, and what clean-up then says, several times.
fn evidence(n: u64) -> Vec<Evidence<'static>> {
    let mut random = Random::from(n);
    let mut all = Vec::new();
    for _ in 0..1 + random.below(20) {
        let phase = if random.below(2) == 0 { "tool-input" } else { "text" };
        all.push(Evidence { phase: Some(phase.into()), ..Evidence::new("stream", "chunk") });
    }
    let terminal = |source: &'static str, cause: &'static str| Evidence {
        terminal: Some(true),
        cause: Some(cause.into()),
        ..Evidence::new(source, "failed")
    };
    all.push(terminal("transport", "transport-dropped"));
    for _ in 0..1 + random.below(20) {
        all.push(terminal("clean-up", "tool-execution-failed"));
    }
    all
}

fn check_evidence(store: &Store, n: u64) {
    let key = |evidence: &Evidence<'_>| {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        (evidence.source.to_string(), evidence.terminal, text(&evidence.cause), text(&evidence.phase))
    };
    let kept = events(store, "s", |event| match event {
        Event::Evidence(evidence) => Some(key(evidence)),
        _ => None,
    });
    let given: Vec<_> = evidence(n).iter().map(key).collect();
    assert_eq!(kept.len(), given.len(), "pieces of evidence that are left");
    assert_eq!(kept, given, "evidence is append-only");
    let first = kept.iter().find(|(_, terminal, ..)| *terminal == Some(true)).unwrap();
    assert_eq!(first.2.as_deref(), Some("transport-dropped"), "the first terminal candidate still stands");
}

fn die_with_evidence(part: &Part, n: u64) {
    let store = on_demand().open(&part.store).unwrap();
    let session = begin(&store, "s");
    for evidence in evidence(n) {
        session.evidence(evidence).unwrap();
    }
    die();
}

// P1.

/// What views may cost while a session goes on, in bytes a millisecond: 1.15 MiB a second.
const VIEW_BYTES_PER_MS: u128 = 1206;

/// The cost is linear in the events: each is written once to the log, and views cost no more than a bounded rate while the session goes on
/// and one writing at its end. Nothing is elided.
///
/// Guard: `Pause`.
#[test]
fn p1() {
    let mut row = Row::new("P1");
    row.case("bytes of the log", 100, 4, |n| {
        let folder = folder();
        let store = Options::without_views().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let (count, output) = (100 + 19 * n, "x".repeat(1000));
        for n in 0..count {
            session.append(span(&n.to_string(), &output)).unwrap();
        }
        let path = store.folder(session.name());
        drop(session);
        let blocks =
            |name: &String| std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path.join(name)).unwrap());
        let written: u64 = names(&path).iter().map(blocks).sum::<u64>() * 512;
        // A segment's header and its last page are its own; there are few.
        let most = count * 1100 + 4 * 3 * 4096;
        assert!(written <= most, "{count} events of 1,000 bytes took {written} bytes");
    });
    // Each takes about a second.
    row.case("bytes of the views of a session that goes on", 8, 4, |_| {
        let folder = folder();
        let written = Arc::new(AtomicU64::new(0));
        let counted = written.clone();
        let door = Door::new(move |step| {
            if let Step::Rename(from, to) = step
                && is_view(to)
            {
                counted.fetch_add(fs::metadata(from).unwrap().len(), Ordering::AcqRel);
            }
            Ok(())
        });
        let begun = Instant::now();
        let store = tracewal::options().gate(door).open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let output = "x".repeat(1000);
        let mut number = 0..;
        while begun.elapsed() < Duration::from_secs(1) {
            for n in number.by_ref().take(2) {
                session.append(span(&format!("span {n}"), &output)).unwrap();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let path = session.complete().unwrap().view.unwrap();
        let (size, ms) = (fs::metadata(path).unwrap().len(), begun.elapsed().as_millis());
        let written = written.load(Ordering::Acquire);
        // The one at the end, and where the session ends while one is being written, that one.
        let most = u128::from(2 * size) + ms * VIEW_BYTES_PER_MS;
        assert!(u128::from(written) <= most, "{written} bytes in {ms} ms for a view of {size} bytes");
    });
    row.case("more than 5,000 spans", 3, 2, |_| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        for n in 0..6000 {
            session.append(span(&format!("span {n}"), "done")).unwrap();
        }
        session.complete().unwrap();
        assert_eq!(spans_called(&view_of(&store, "s"), "span"), 6000);
    });
}

// R1.

/// Between two generations, after each flush, after closing without an ending and after resuming, a session is `running`.
///
/// Guard: `RunningUntilEnded`; `DurableBeforeShown` stands behind it.
#[test]
fn r1() {
    let mut row = Row::new("R1");
    row.case("between generations", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let mut session = begin(&store, "s");
        for generation in 0..4 {
            let flushed = session.flush().unwrap().expect("a view");
            let view = view_in(&flushed.path);
            assert_eq!((status(&view), flushed.status), ("running", Status::Running), "between generations");
            assert!(view["summary"]["narrative"].is_null());
            if generation == n % 4 {
                session.close(RunEndReason::Closed).unwrap();
                assert_eq!(status(&view_of(&store, "s")), "running", "closed without an ending");
                session = store.session("s").resume().unwrap();
            }
            turn(&session);
        }
        session.complete().unwrap();
        assert_eq!(status(&view_of(&store, "s")), "completed");
    });
}

// R2.

/// A process wrote a rich trace and was killed; the next one goes on with it. Every old event is still there, as it was, and so is
/// every new one; starting afresh is refused.
///
/// Guard: `NewSegment`.
#[test]
fn r2() {
    let mut row = Row::new("R2");
    row.case("another process goes on", 100, 4, |n| {
        let died =
            Died::of(if n.is_multiple_of(2) { "write durable" } else { "write" }).killed_by(libc::SIGKILL);
        let store = died.reopen();
        assert!(matches!(store.session("s").start(), Err(Error::Exists { .. })));
        let session = store.session("s").start_or_resume().unwrap();
        session.append(span("new", "done")).unwrap();
        let ended = session.complete().unwrap();
        let view = view_in(&ended.view.expect("a view"));
        let found = (spans_called(&view, "old"), spans_called(&view, "new"));
        assert_eq!(found, (50, 1), "old and new spans");
        let contents = read(&store, &store.find("s").unwrap(), Reading::Whole);
        contents.check_lanes(&[(0, &died.board, 0)]);
        assert_eq!((contents.losses.len(), contents.status()), (0, "crashed"));
        assert_eq!(view["runs"].as_array().unwrap().len(), 2);
    });
}

fn write_and_die(part: &Part, durable: bool) {
    let store = on_demand().open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    let lane = Lane::new(0, 50);
    for n in 0..50 {
        session.append(span(&format!("old {n}"), "done")).unwrap();
        part.board.begin(0, n);
        part.board.acknowledge(0, n, session.append(lane.event(n)).unwrap());
    }
    session.flush().unwrap();
    if durable {
        session.sync().unwrap();
    }
    die();
}

/// Without the feature every guard stands, and the compiler knows.
#[cfg(not(feature = "fault-injection"))]
const _: () = assert!(!tracewal_engine::guard::Guard::LookAgain.is_off());

/// Each case again without its guard: the old outcome is observed.
#[cfg(feature = "fault-injection")]
mod negative {
    use super::support::trials::without;
    use tracewal_engine::guard::Guard;

    #[test]
    fn negative_m1() {
        let wrong = "what the late rename left";
        without(&[Guard::LookAgain], "m1", "rename delayed by 200 ms", 8, wrong);
        without(&[Guard::LookAgain], "m1", "rename delayed by 2 s", 8, wrong);
    }

    #[test]
    fn negative_m2() {
        let case = "a burst during a snapshot, then SIGKILL";
        without(&[Guard::PublishedBeforeReturn], "m2", case, 4, "left: (800, 0)");
    }

    #[test]
    fn negative_m3() {
        let (crash, durable) =
            ("a crash before each step of the export", "an ending that cannot be made durable");
        without(&[Guard::LookAgain], "m3", crash, 10, "left: \"completed\"");
        without(&[Guard::CrashOutranks], "m3", crash, 10, "left: \"completed\"");
        without(
            &[Guard::CrashOutranks],
            "m3",
            "SIGTERM before each step of the export",
            5,
            "left: \"completed\"",
        );
        without(&[Guard::DurableBeforeShown], "m3", durable, 4, "left: \"completed\"");
        without(&[Guard::LookAgain], "m3", "a crash while 52 MB are exported", 1, "left: \"completed\"");
    }

    #[test]
    fn negative_m3b() {
        let wrong = "the view of another session is written";
        without(&[Guard::OwnLogAlone], "m3b", "one of ten sessions crashes", 4, wrong);
    }

    #[test]
    fn negative_m3c() {
        let case = "ids with / \\ . :";
        without(&[Guard::KnownByName], "m3c", case, 16, "the view of a live session is written");
        without(&[Guard::ExactIds], "m3c", case, 16, "a session of its own");
    }

    #[test]
    fn negative_m3d() {
        let wrong = "the path of the crashed trace";
        without(&[Guard::PathWhatever], "m3d", "an ending after a crash", 4, wrong);
    }

    #[test]
    fn negative_w1() {
        let (two, fails) = ("a second exporter before the rename of the first", "each step fails");
        without(&[Guard::OneMaterialiser], "w1", two, 4, "a reader finds a part of a view");
        without(
            &[Guard::WrittenBeside],
            "w1",
            "exporters and readers side by side",
            100,
            "one whole document",
        );
        without(&[Guard::TidyAfterFailure], "w1", fails, 5, "no temporary file is left");
        without(&[Guard::SyncBeforeRename], "w1", "the order of the steps", 2, "what a power cut finds");
    }

    #[test]
    fn negative_k1() {
        without(&[Guard::CrashSlots], "k1", "four workers", 3, "what the dying process left");
        without(&[Guard::PublishedBeforeReturn], "k1", "four workers", 3, "");
    }

    #[test]
    fn negative_k2() {
        without(&[Guard::DefaultAction], "k2", "thirteen ways to end", 5, "was survived");
    }

    #[test]
    fn negative_k3() {
        let (again, ending) =
            ("a SIGINT that is survived, then SIGTERM", "SIGTERM in the last step of the end");
        without(&[Guard::EveryFatalEvent], "k3", again, 4, "left: Some(\"SIGINT\")");
        without(&[Guard::CoveredUntilClosed], "k3", ending, 4, "left: \"completed\"");
    }

    #[test]
    fn negative_l1() {
        let wrong = "the nearest open action";
        without(&[Guard::NearestAction], "l1", "actions that nest and overlap", 40, wrong);
    }

    #[test]
    fn negative_l2() {
        let cleanup = "clean-up after the first terminal evidence";
        without(&[Guard::FirstCrashStands], "l2", cleanup, 4, "left: Some(\"tool execution failed\")");
        without(
            &[Guard::CopyUnproved],
            "l2",
            "SIGKILL behind the evidence",
            4,
            "pieces of evidence that are left",
        );
    }

    #[test]
    fn negative_p1() {
        without(&[Guard::Pause], "p1", "bytes of the views of a session that goes on", 1, "bytes in");
    }

    #[test]
    fn negative_r1() {
        let guards = [Guard::RunningUntilEnded, Guard::DurableBeforeShown];
        without(&guards, "r1", "between generations", 4, "left: (\"completed\", Completed)");
    }

    #[test]
    fn negative_r2() {
        without(&[Guard::NewSegment], "r2", "another process goes on", 4, "old and new spans");
    }
}
