//! L1: nobody can say why a session stopped.

use std::sync::Mutex;

use crate::scene::{Died, begin, completed, die, events, on_demand, view_of};
use crate::support::child::Part;
use crate::support::random::Random;
use crate::support::trials::{Row, folder};
use tracewal::event::{Crashed, Event, LifecycleBegun, LifecycleEnded, SessionEnded};

/// Why did it stop? Lifecycle actions begin, nest, overlap and end; the session's close names the nearest one that was open, or the one
/// that the ending names itself. One dispose of everything is the parent of the actions that it makes in every session.
///
/// Guard: `NearestAction`.
///
/// How a store tells its sessions of such actions is in `tests/lifecycle.rs`.
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
        // A completed session that nothing covered has nothing to explain.
        assert_eq!(close["kind"].as_str(), expected.map(|_| kind).or((kind == "crashed").then_some(kind)));
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

pub(crate) fn die_in_dispose(part: &Part) {
    let store = on_demand().open(&part.store).unwrap();
    let session = begin(&store, "s");
    for action in ["outer", "inner", "over"] {
        session.lifecycle_begun(LifecycleBegun::new(action, "instance-dispose")).unwrap();
    }
    session.append(LifecycleEnded::new("over")).unwrap();
    die();
}
