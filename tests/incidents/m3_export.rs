//! M3: a crash during the final export of a session; M3d: what an ending after a crash returns.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use crate::scene::{
    Died, assert_tidy, begin, completed, die, on_demand, raise, span, spans_called, status, view_in, view_of,
};
use crate::support::child::Part;
use crate::support::door::{Door, Hold, is_unfinished_view, renames_view};
use crate::support::trials::{Row, folder, joined};
use tracewal::crash::{Capture, install};
use tracewal::disk::Step;
use tracewal::event::{Crashed, RunEndReason};
use tracewal::{Options, Session, Status};

/// The steps of an export, each before it is taken.
pub(crate) const EXPORT: [fn(&Step<'_>) -> bool; 5] = [
    |step| matches!(step, Step::Create(path) if is_unfinished_view(path)),
    |step| matches!(step, Step::Write(path) if is_unfinished_view(path)),
    |step| matches!(step, Step::Sync(path) if is_unfinished_view(path)),
    renames_view,
    |step| matches!(step, Step::SyncDir(path) if path.ends_with("traces")),
];

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
pub(crate) fn crash_while_exporting(hold: &Hold, session: &Session) {
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

pub(crate) fn crash_in_export(part: &Part, step: usize) {
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

pub(crate) fn die_in_complete(part: &Part, step: usize) {
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
