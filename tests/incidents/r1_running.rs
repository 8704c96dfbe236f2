//! R1: a live session is called completed.

use crate::scene::{begin, on_demand, status, turn, view_in, view_of};
use crate::support::trials::{Row, folder};
use tracewal::Status;
use tracewal::event::RunEndReason;

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
