//! W1: files that are written in part, by two writers, or left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::m3_export::EXPORT;
use crate::scene::{assert_tidy, begin, on_demand, status, turn, view_in, view_of};
use crate::support::door::{Door, Hold, Steps, is_unfinished_view, renames_view};
use crate::support::trials::{Row, folder, joined};
use serde_json::Value;
use tracewal::Error;
use tracewal::disk::Step;

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
