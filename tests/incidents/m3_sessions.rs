//! M3b, M3c: one session's crash and another one's export; sessions whose ids make the same name.

use std::collections::BTreeMap;

use crate::m3_export::crash_while_exporting;
use crate::scene::{begin, on_demand, status, turn, view_in, view_of};
use crate::support::door::{Hold, renames_view};
use crate::support::log::names;
use crate::support::trials::{Row, folder};
use tracewal::{Session, Status};

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
