//! A redaction that is killed before any of its steps, or cannot take one: the log is the old one or the new one, whole; and redacting
//! again leaves nothing of the secrets.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use support::files_with;
use tracewal::disk::{Gate, Step};
use tracewal::event::{Note, Payload, SpanText, Text};
use tracewal::{Compaction, Item, Original, Reading, SessionName, Store};
use tracewal_redact::{Act, Key, Rules, redact};

const FOLDER: &str = "TRACEWAL_KILLED_FOLDER";
const STEP: &str = "TRACEWAL_KILLED_STEP";

/// Counts the steps, and does something before one of them.
struct At {
    step: u64,
    count: AtomicU64,
    act: fn() -> io::Result<()>,
}

impl Gate for At {
    fn before(&self, _step: Step<'_>) -> io::Result<()> {
        if self.count.fetch_add(1, Ordering::SeqCst) == self.step { (self.act)() } else { Ok(()) }
    }
}

fn secrets() -> Vec<String> {
    // Put together here, so that it stands in no file.
    vec![format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6".to_owned()), "hunter2-and-more".to_owned()]
}

/// The ids of sessions that are redacted: one that stays as it is, and one that holds a secret, so that the session gets another.
fn ids() -> [String; 2] {
    ["s".to_owned(), format!("about {}", secrets()[0])]
}

/// A store with a session that holds secrets, and a listing that shows them.
fn made(folder: &Path, id: &str) -> Store {
    let store = tracewal::options_with(Compaction::OnDemand).open(folder).unwrap();
    let [token, password] = secrets().try_into().unwrap();
    let session = store.session(id).title(format!("use {token}")).start().unwrap();
    let data = format!(r#"{{"password":"{password}","n":1}}"#);
    session.append(Note { data: Some(Payload::json(&data)), ..Note::new("n") }).unwrap();
    for piece in [&token[..9], &token[9..]] {
        session.append(SpanText::new("a", Text::new(piece))).unwrap();
    }
    session.complete().unwrap();
    drop(tracewal::Listing::of(&store).unwrap());
    store
}

/// The session of a store that has one.
fn only(store: &Store) -> SessionName {
    let [session] = store.sessions().unwrap().try_into().unwrap();
    session
}

/// The bodies of all events, as text.
fn bodies(store: &Store, session: &SessionName) -> Vec<String> {
    let mut log = store.read(session, Reading::Whole).unwrap();
    let mut bodies = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => bodies.push(String::from_utf8_lossy(entry.body).into_owned()),
            Item::Loss(loss) => panic!("{loss:?}"),
            _ => {}
        }
    }
    bodies
}

/// Redacts every session, as `tracewal redact --all` does.
fn redacted(store: &Store, original: Original) -> tracewal::Result<Vec<tracewal_redact::Outcome>> {
    static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(false, None).unwrap());
    let key = Key::of_store(store.path()).unwrap();
    let sessions = store.sessions()?;
    let redact = |session| redact(store, session, &RULES, &key, Act::Rewrite(original), false);
    let done = sessions.iter().map(redact).collect::<tracewal::Result<_>>()?;
    store.index().purge()?;
    Ok(done)
}

fn open_at(folder: &Path, step: u64, act: fn() -> io::Result<()>) -> (Store, Arc<At>) {
    let gate = Arc::new(At { step, count: AtomicU64::new(0), act });
    let options = tracewal::options_with(Compaction::OnDemand).gate(gate.clone());
    (options.open(folder).unwrap(), gate)
}

/// Whatever was done to it, the log is one of the two, whole, and redacting again takes what is left. Under another id there may be both.
fn check(folder: &Path, whole: &[Vec<String>; 2], what: &str) {
    let store = tracewal::options_with(Compaction::OnDemand).open(folder).unwrap();
    let sessions = store.sessions().unwrap();
    assert!(!sessions.is_empty(), "{what}");
    for session in sessions {
        let now = bodies(&store, &session);
        assert!(whole.contains(&now), "{what}: {now:?}");
        assert_eq!(store.verify(&session).unwrap(), [], "{what}");
    }
    redacted(&store, Original::Delete).unwrap();
    let session = only(&store);
    assert_eq!(bodies(&store, &session), whole[1], "{what}");
    assert_eq!(files_with(folder, &secrets()), [""; 0], "{what}");
    let view = std::fs::read_to_string(store.view(&session)).unwrap();
    assert!(view.contains("use [redacted:github-token:"), "{what}");
    let names: Vec<_> = std::fs::read_dir(folder.join("sessions")).unwrap().collect();
    assert_eq!(names.len(), 1, "{what}: {names:?}");
    // Once more changes nothing.
    let again = redacted(&store, Original::Delete).unwrap().remove(0);
    assert!(!again.changed && again.counts.is_empty() && again.removed == 0, "{what}: {again:?}");
}

/// A folder with a copy of this one.
fn copy(of: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(format!("{}/.", of.display())).arg(folder.path()).status();
    assert!(done.unwrap().success());
    folder
}

/// A store, what its session holds, and what it holds when it has been redacted, under the same key.
fn prepared(id: &str) -> (tempfile::TempDir, [Vec<String>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let store = made(folder.path(), id);
    let before = bodies(&store, &only(&store));
    Key::of_store(folder.path()).unwrap();
    drop(store);
    let other = copy(folder.path());
    let store = tracewal::options_with(Compaction::OnDemand).open(other.path()).unwrap();
    redacted(&store, Original::Delete).unwrap();
    let after = bodies(&store, &only(&store));
    assert_ne!(before, after);
    (folder, [before, after])
}

#[test]
fn killed_before_any_step_the_log_is_the_old_one_or_the_new_one() {
    for (id, original) in ids().iter().flat_map(|id| [(id, Original::Keep), (id, Original::Delete)]) {
        let (folder, whole) = prepared(id);
        for step in 0.. {
            let folder = copy(folder.path());
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_entry", "--nocapture"])
                .env(FOLDER, folder.path())
                .env(STEP, format!("{step}{}", if original == Original::Keep { "k" } else { "d" }))
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            check(folder.path(), &whole, &format!("{id}, {original:?}, killed before step {step}"));
            if status.success() {
                assert!(step > 25, "only {step} steps: they do not pass the door any more");
                break;
            }
        }
    }
}

/// What the killed process runs.
#[test]
fn child_entry() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let step = std::env::var(STEP).unwrap();
    let (step, original) = step.split_at(step.len() - 1);
    let original = if original == "k" { Original::Keep } else { Original::Delete };
    let (store, _) = open_at(&folder, step.parse().unwrap(), || {
        let me = std::process::id().to_string();
        Command::new("kill").args(["-9", &me]).status().unwrap();
        unreachable!("killed");
    });
    redacted(&store, original).unwrap();
}

#[test]
fn a_step_that_fails_leaves_the_log_whole() {
    for id in ids() {
        failing_at_every_step(&id);
    }
}

fn failing_at_every_step(id: &str) {
    let (folder, whole) = prepared(id);
    for step in 0.. {
        let folder = copy(folder.path());
        let gate = {
            let gate = Arc::new(At {
                step,
                count: AtomicU64::new(0),
                act: || Err(io::ErrorKind::StorageFull.into()),
            });
            let options = tracewal::options_with(Compaction::OnDemand).gate(gate.clone());
            // Opening may fail as well.
            if let Ok(store) = options.open(folder.path()) {
                let _ = redacted(&store, Original::Delete);
            }
            gate
        };
        check(folder.path(), &whole, &format!("{id}, step {step} failed"));
        if gate.count.load(Ordering::SeqCst) <= step {
            break;
        }
    }
}
