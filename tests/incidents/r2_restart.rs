//! R2: a restarted process begins afresh over what is there.

use crate::scene::{Died, die, on_demand, span, spans_called, view_in};
use crate::support::child::Part;
use crate::support::log::read;
use crate::support::trials::Row;
use crate::support::words::Lane;
use tracewal::{Error, Reading};

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

pub(crate) fn write_and_die(part: &Part, durable: bool) {
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
