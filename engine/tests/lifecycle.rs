//! Lifecycle actions: which logs they reach, in which order, and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use tracewal_engine::lifecycle::{LifecycleKind, LifecycleOrigin, directory_scope};
use tracewal_engine::{Error, Options, Store};
use tracewal_format::event::Event;
use tracewal_format::log::{Item, Reading};
use tracewal_format::time::Time;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path().join("store")).unwrap();
    (folder, store)
}

fn cli() -> LifecycleOrigin {
    LifecycleOrigin::cli()
}

/// `+id` for every action that begins in a session's log, `-id` for every one that ends, `.` for everything else of the embedder.
fn actions(store: &Store, id: &str) -> String {
    let mut log = store.read(&store.find(id).unwrap(), Reading::Live).unwrap();
    let mut seen = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item {
            match entry.event().unwrap().unwrap() {
                Event::LifecycleBegun(e) => seen.push(format!("+{}", e.action_id)),
                Event::LifecycleEnded(e) => seen.push(format!("-{}", e.action_id)),
                Event::Note(_) => seen.push(".".into()),
                _ => {}
            }
        }
    }
    seen.join(" ")
}

fn begun_times(store: &Store, id: &str) -> Vec<Time> {
    let mut log = store.read(&store.find(id).unwrap(), Reading::Live).unwrap();
    let mut times = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item
            && let Some(Ok(Event::LifecycleBegun(_))) = entry.event()
        {
            times.push(entry.time);
        }
    }
    times
}

#[test]
fn an_action_reaches_those_that_share_a_scope_and_no_other() {
    let (_folder, store) = store();
    let a = store.session("a").directory("/work/a").scopes(["/work/a/", "agent-1"]).start().unwrap();
    let b = store.session("b").directory("/work/b").start().unwrap();
    let c = store.session("c").start().unwrap();

    let of_a =
        store.lifecycle(LifecycleKind::InstanceDisposeDirectory, cli()).directory("/work/a").begin().unwrap();
    let agent =
        store.lifecycle(LifecycleKind::UserCancel, cli()).scope("agent-1").scope("agent-2").begin().unwrap();
    let all = store.lifecycle(LifecycleKind::InstanceDisposeAll, cli()).begin().unwrap();
    let (x, y, z) = (of_a.id().to_owned(), agent.id().to_owned(), all.id().to_owned());
    for session in [&a, &b, &c] {
        session.note(".", None).unwrap();
    }
    agent.end();
    drop(of_a);
    all.end();
    assert_eq!(actions(&store, "a"), format!("+{x} +{y} +{z} . -{y} -{x} -{z}"));
    assert_eq!(actions(&store, "b"), format!("+{z} . -{z}"));
    assert_eq!(actions(&store, "c"), format!("+{z} . -{z}"));
}

/// It counts from when it was begun, also in a session that comes under it later.
#[test]
fn a_session_that_comes_later_is_told_in_order_and_with_the_time_of_the_beginning() {
    let (_folder, store) = store();
    let early = store.session("early").start().unwrap();
    let outer = store.lifecycle(LifecycleKind::Shutdown, cli()).begin().unwrap();
    let inner = outer.child(LifecycleKind::InstanceDispose).scope("s").begin().unwrap();
    let over = store.lifecycle(LifecycleKind::InstanceReload, cli()).begin().unwrap();
    over.end();
    let (x, y) = (outer.id().to_owned(), inner.id().to_owned());
    let late = store.session("late").scopes(["s"]).start().unwrap();
    assert_eq!(actions(&store, "late"), format!("+{x} +{y}"));
    assert_eq!(begun_times(&store, "late")[0], begun_times(&store, "early")[0]);
    // A run that is resumed under it too, in the scopes that the session was started with.
    drop(late);
    let late = store.session("late").resume().unwrap();
    assert_eq!(actions(&store, "late"), format!("+{x} +{y} +{x} +{y}"));
    drop((inner, outer));
    assert_eq!(actions(&store, "late"), format!("+{x} +{y} +{x} +{y} -{y} -{x}"));
    drop((early, late));
}

#[test]
fn a_child_names_its_parent_and_what_is_private_is_not_stored() {
    let (folder, store) = store();
    let session = store.session("s").directory("/home/alice/secret-project").start().unwrap();
    let origin = LifecycleOrigin::server_handler().operation("instance.dispose").reason("see /home/alice/x");
    let all = store.lifecycle(LifecycleKind::InstanceDisposeAll, origin).request("req-7").begin().unwrap();
    let part = all
        .child(LifecycleKind::Other("/home/alice".into()))
        .directory("/home/alice/secret-project")
        .begin()
        .unwrap();
    let mut log = store.read(session.name(), Reading::Live).unwrap();
    let mut begun = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item
            && let Some(Ok(Event::LifecycleBegun(action))) = entry.event()
        {
            assert!(action.action_id.len() <= 100);
            begun.push(format!(
                "{} {:?} {:?} {:?}",
                action.kind,
                action.scopes.map(|scopes| scopes.join(",")),
                action.parent_action_id.as_deref() == Some(all.id()),
                action.origin.map(|o| [o.source, o.operation.unwrap(), o.reason.unwrap()].join(","))
            ));
        }
    }
    let scope = directory_scope("/home/alice/secret-project");
    let origin = r#"Some("server-handler,instance.dispose,redacted")"#;
    assert_eq!(begun[0], format!("instance-dispose-all None false {origin}"));
    assert_eq!(begun[1], format!("redacted Some({scope:?}) true {origin}"));
    drop((part, all, session));
    drop(store);
    let log = std::fs::read(folder.path().join("store/sessions/s/1.wal")).unwrap();
    assert!(!String::from_utf8_lossy(&log).contains("alice"));
}

#[test]
fn one_session_that_cannot_take_it_keeps_no_other_from_it() {
    let (_folder, store) = store();
    let a = store.session("a").start().unwrap();
    let b = store.session("b").start().unwrap();
    // Somebody takes a's log away under it; its next segment has a taken name.
    std::fs::write(store.folder(a.name()).join("2.wal"), b"").unwrap();
    let filler = "x".repeat(100_000);
    assert!(a.note(&filler, None).is_err());
    let all = store.lifecycle(LifecycleKind::Shutdown, cli()).begin().unwrap();
    assert!(
        matches!(all.unrecorded(), [(id, Error::Poisoned { .. })] if id == "a"),
        "{:?}",
        all.unrecorded()
    );
    let id = all.id().to_owned();
    assert_eq!(actions(&store, "b"), format!("+{id}"));
    drop((a, b, all));
}

#[test]
fn who_may_not_write_begins_nothing() {
    let (folder, store) = store();
    let reader = Options::without_views()
        .access(tracewal_engine::Access::Read)
        .open(folder.path().join("store"))
        .unwrap();
    let refused = reader.lifecycle(LifecycleKind::Shutdown, cli()).begin();
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));
    drop(store);
}
