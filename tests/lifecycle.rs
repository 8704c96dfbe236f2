//! L1, at scale: one dispose of everything over many sessions, with threads that get in each other's way, and with a process that is killed
//! in the middle of it. Every session has exactly one right action, and nobody gets another's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};

use serde_json::Value;
use support::board::Board;
use support::child::{Child, Part, STAGE, part};
use support::random::Random;
use support::trials::folder;
use tracewal::evidence::{Effect, Fact};
use tracewal::lifecycle::{LifecycleKind, LifecycleOrigin};
use tracewal::{Compaction, Event, Item, Reading, Session, Store};

const SESSIONS: usize = 100;
const THREADS: usize = 8;
/// Not covered: they are of another store's instance, and go on.
const BYSTANDERS: usize = 20;

fn open(path: &std::path::Path) -> Store {
    tracewal::options_with(Compaction::OnDemand).open(path).unwrap()
}

fn directory(n: usize) -> String {
    format!("/work/project-{}", n % 10)
}

fn begin(store: &Store, n: usize) -> Session {
    let session = store
        .session(format!("s{n:03}"))
        .directory(directory(n))
        .scopes([directory(n), "instances".into(), format!("instance-{n}")])
        .start()
        .unwrap();
    session.evidence(Fact::attempt_started().attempt("a")).unwrap();
    session.evidence(Fact::visible_text().attempt("a")).unwrap();
    session
}

fn view(store: &Store, id: &str) -> Value {
    store.materialise(&store.find(id).unwrap()).unwrap();
    serde_json::from_slice(&std::fs::read(store.view(&store.find(id).unwrap())).unwrap()).unwrap()
}

/// The actions that a session's log says have begun: id, kind and parent.
fn begun(store: &Store, id: &str) -> Vec<(String, String, Option<String>)> {
    let mut log = store.read(&store.find(id).unwrap(), Reading::Whole).unwrap();
    let mut begun = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => {
                if let Some(Ok(Event::LifecycleBegun(e))) = entry.event() {
                    let parent = e.parent_action_id.map(|id| id.to_string());
                    begun.push((e.action_id.to_string(), e.kind.to_string(), parent));
                }
            }
            Item::Loss(loss) => panic!("{loss:?}"),
            _ => {}
        }
    }
    begun
}

/// Eight threads dispose of a hundred live sessions, each under an action of its own that is a part of one, while other threads reload one
/// of them again and again, and reload instances that are not concerned.
#[test]
fn dispose_all_over_a_hundred_live_sessions_from_eight_threads() {
    let folder = folder();
    let store = open(&folder.path().join("store"));
    let sessions: Vec<Mutex<Option<Session>>> =
        (0..SESSIONS).map(|n| Mutex::new(Some(begin(&store, n)))).collect();
    let bystanders: Vec<Session> = (0..BYSTANDERS)
        .map(|n| {
            store.session(format!("bystander{n:02}")).directory(format!("/elsewhere/{n}")).start().unwrap()
        })
        .collect();
    let (next, reloads, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let own: Mutex<HashMap<usize, String>> = Mutex::default();
    let together = Barrier::new(THREADS + 2);

    let origin = LifecycleOrigin::server_handler().operation("disposeAll");
    let all = store.lifecycle(LifecycleKind::InstanceDisposeAll, origin).scope("instances").begin().unwrap();
    std::thread::scope(|scope| {
        // One session is reloaded the whole time. What is begun for it, and is over, explains nothing.
        for reloaded in ["instance-42", "/elsewhere/7"] {
            let (store, together, over, reloads) = (&store, &together, &over, &reloads);
            scope.spawn(move || {
                together.wait();
                while !over.load(Ordering::Acquire) {
                    let reload = store.lifecycle(LifecycleKind::InstanceReload, LifecycleOrigin::config());
                    let reload = reload.scope(reloaded).begin().unwrap();
                    assert!(reload.unrecorded().is_empty(), "{:?}", reload.unrecorded());
                    reload.end();
                    reloads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (all, sessions, next, own, together) = (&all, &sessions, &next, &own, &together);
                scope.spawn(move || {
                    together.wait();
                    loop {
                        let n = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                        let Some(session) = sessions.get(n) else { return };
                        let dispose =
                            all.child(LifecycleKind::InstanceDispose).scope(format!("instance-{n}"));
                        let dispose = dispose.begin().unwrap();
                        own.lock().unwrap().insert(n, dispose.id().to_owned());
                        let session = session.lock().unwrap().take().unwrap();
                        // Clean-up speaks too late.
                        session.evidence(Fact::transport_failure().attempt("a")).unwrap();
                        match n % 3 {
                            0 => drop(session),
                            1 => drop(session.fail("disposed").unwrap()),
                            _ => {
                                session.crash("disposed in disorder").unwrap();
                                drop(session);
                            }
                        }
                        dispose.end();
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::Release);
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    let parent = all.id().to_owned();
    all.end();
    assert!(reloads.load(Ordering::Relaxed) > 0);

    let own = own.into_inner().unwrap();
    for n in 0..SESSIONS {
        let id = format!("s{n:03}");
        let view = view(&store, &id);
        let (close, incident) = (&view["close"], &view["incidents"]["terminal"]);
        assert_eq!(close["kind"], ["run-ended", "session-ended", "crashed"][n % 3], "{id}");
        assert_eq!(close["provenance"], "lifecycle-action", "{id}: {close}");
        let action = (close["action"]["kind"].as_str().unwrap(), close["actionId"].as_str().unwrap());
        if n == 42 && action.0 == "instance-reload" {
            // It was being reloaded at that very moment, and that was begun last.
        } else {
            assert_eq!(action, ("instance-dispose", own[&n].as_str()), "{id}");
            assert_eq!(close["action"]["parentActionId"], parent.as_str(), "{id}");
            assert_eq!(close["action"]["origin"]["operation"], "disposeAll", "{id}");
            assert!(close.get("missing").is_none(), "{id}: {close}");
        }
        assert_eq!(incident["cause"], "local-lifecycle-close", "{id}");
        assert_eq!(incident["phase"], "during-text", "{id}");
        // Only what covers it reached its log: the parent, its own, and reloads of it.
        for (action, kind, of) in begun(&store, &id) {
            match kind.as_str() {
                "instance-dispose-all" => assert_eq!((action, of), (parent.clone(), None), "{id}"),
                "instance-dispose" => assert_eq!((&action, of.as_ref()), (&own[&n], Some(&parent)), "{id}"),
                "instance-reload" => assert_eq!(n, 42, "a reload of another session reached {id}"),
                other => panic!("{id}: {other}"),
            }
        }
    }
    for (n, session) in bystanders.into_iter().enumerate() {
        let id = session.id().to_owned();
        drop(session);
        assert!(view(&store, &id).get("close").is_none(), "{id}");
        let kinds: Vec<String> = begun(&store, &id).into_iter().map(|(_, kind, _)| kind).collect();
        assert!(kinds.iter().all(|kind| kind == "instance-reload" && n == 7), "{id}: {kinds:?}");
    }
}

/// How many sessions the child has disposed of; and which one it is at, behind its action's beginning.
const DISPOSED: u64 = 1;

#[test]
fn child_entry() {
    let Some(part) = part() else { return };
    match part.name.as_str() {
        "dispose-all" => dispose_all(&part),
        "shutdown" => shut_down(&part),
        other => panic!("{other}"),
    }
}

fn dispose_all(part: &Part) {
    let store = open(&part.store);
    let sessions: Vec<Session> = (0..SESSIONS).map(|n| begin(&store, n)).collect();
    for session in sessions.iter().step_by(4) {
        session.evidence(Fact::tool_call_materialised("bash").attempt("a")).unwrap();
        session.evidence(Fact::tool_execution_started("bash", Effect::LocalProcess).attempt("a")).unwrap();
    }
    part.board.set(STAGE, 2);
    let origin = LifecycleOrigin::server_handler().operation("disposeAll");
    let all = store.lifecycle(LifecycleKind::InstanceDisposeAll, origin).begin().unwrap();
    for (n, session) in sessions.into_iter().enumerate() {
        let dispose =
            all.child(LifecycleKind::InstanceDispose).scope(format!("instance-{n}")).begin().unwrap();
        drop(session);
        dispose.end();
        part.board.set(DISPOSED, u64::try_from(n).unwrap() + 1);
    }
    support::child::wait_for_the_end();
}

/// A process is killed in the middle of a dispose-all, at random places: each session says how it ended and during which action.
#[test]
fn a_process_that_is_killed_in_the_middle_of_dispose_all() {
    let mut random = Random::named("kills during dispose-all");
    let rounds = std::env::var("TRACEWAL_LIFECYCLE_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let mut killed = 0;
    for round in 0..rounds {
        let folder = folder();
        let (path, board) = (folder.path().join("store"), Board::create(&folder.path().join("board"), 0));
        let mut child = Child::start("dispose-all", &path, &board);
        child.reach(2);
        let at = random.below(u64::try_from(SESSIONS).unwrap() - 1);
        child.wait_until("get so far", |board| board.get(DISPOSED) > at);
        child.kill();
        let store = open(&path);
        for n in 0..SESSIONS {
            let id = format!("s{n:03}");
            let view = view(&store, &id);
            let close = &view["close"];
            let status = view["summary"]["status"].as_str().unwrap();
            if status == "running" {
                // It had been disposed of in order.
                assert_eq!(close["kind"], "run-ended", "{id} in round {round}");
                assert_eq!(close["action"]["kind"], "instance-dispose", "{id} in round {round}");
                continue;
            }
            killed += 1;
            assert_eq!(
                (status, close["kind"].as_str()),
                ("crashed", Some("crashed")),
                "{id} in round {round}"
            );
            assert_eq!(close["provenance"], "lifecycle-action", "{id} in round {round}: {close}");
            let kind = close["action"]["kind"].as_str().unwrap();
            assert!(["instance-dispose-all", "instance-dispose"].contains(&kind), "{id}: {close}");
            let incident = &view["incidents"]["terminal"];
            assert_eq!(incident["cause"], "local-lifecycle-close", "{id} in round {round}");
            let advice = if n % 4 == 0 { "ask-before-retry" } else { "offer-continue" };
            assert_eq!(incident["recovery"]["advice"], advice, "{id} in round {round}");
            // The crash record itself names the action, for whoever reads the log alone.
            let mut log = store.read(&store.find(&id).unwrap(), Reading::Whole).unwrap();
            let mut named = None;
            while let Some(item) = log.next().unwrap() {
                if let Item::Event(entry) = item
                    && let Some(Ok(Event::Crashed(crashed))) = entry.event()
                {
                    named = crashed.action_id.map(|id| id.to_string());
                }
            }
            assert_eq!(named.as_deref(), close["actionId"].as_str(), "{id} in round {round}");
        }
    }
    assert!(killed > 0, "nothing was killed in the middle of anything");
}

fn shut_down(part: &Part) {
    let store = open(&part.store);
    let session = begin(&store, 0);
    let origin = LifecycleOrigin::runtime().reason("update");
    let shutdown = store.lifecycle(LifecycleKind::Shutdown, origin).begin().unwrap();
    store.session("late").start().unwrap().note("n", None).unwrap();
    part.board.set(STAGE, 2);
    let _held = (session, shutdown);
    support::child::wait_for_the_end();
}

#[test]
fn killed_during_shutdown() {
    let folder = folder();
    let (path, board) = (folder.path().join("store"), Board::create(&folder.path().join("board"), 0));
    let mut child = Child::start("shutdown", &path, &board);
    child.reach(2);
    child.kill();
    let store = open(&path);
    let crashed = view(&store, "s000");
    assert_eq!(crashed["summary"]["status"], "crashed");
    assert_eq!(crashed["close"]["action"]["kind"], "shutdown");
    assert_eq!(crashed["close"]["action"]["origin"]["reason"], "update");
    // Begun under it, and closed in order.
    let late = view(&store, "late");
    assert_eq!(
        (&late["close"]["kind"], &late["close"]["action"]["kind"]),
        (&"run-ended".into(), &"shutdown".into())
    );
}
