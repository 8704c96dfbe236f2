//! M2: events that arrive during a snapshot are never written.

use crate::scene::{Died, die, on_demand, span, spans_called, view_of};
use crate::support::child::Part;
use crate::support::door::{Hold, renames_view};
use crate::support::log::read;
use crate::support::trials::{Row, take_guards_away};
use tracewal::Reading;

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

pub(crate) fn burst(part: &Part) {
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
