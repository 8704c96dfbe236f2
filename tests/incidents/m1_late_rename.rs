//! M1: a crash verdict is overwritten by a rename that lands late.

use std::time::Duration;

use crate::scene::{Died, begin, on_demand, raise, status, view_of};
use crate::support::child::Part;
use crate::support::door::{Hold, renames_view};
use crate::support::trials::{Row, folder, joined};
use tracewal::Status;
use tracewal::crash::{Capture, install};
use tracewal::event::Crashed;

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

pub(crate) fn late_rename_in_child(part: &Part, delay: &str) {
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
