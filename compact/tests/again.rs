//! I10: a view has the same bytes however it was produced: written from the log's first event, or made of the one before and what came
//! since; whatever happened in between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use support::events::{IDS, event, time};
use tracewal_compact::{Compaction, Fold, options_with, render};
use tracewal_engine::{Gate, Session, SessionName, Step as Door, Store};
use tracewal_format::event::{EndStatus, Event, Payload, RunEndReason, SessionEnded, SpanKind, SpanStarted};
use tracewal_format::log::Reading;
use tracewal_format::time::Time;

/// Few of many are met again: most spans are left as they are, as in a real session.
const MORE_IDS: [&str; 40] = [
    "s00", "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12", "s13", "s14",
    "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29",
    "s30", "s31", "s32", "s33", "s34", "s35", "s36", "s37", "s38", "s39",
];

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Step {
    Append(Time, Event<'static>),
    /// A tool or generation that begins now, one behind the other, with so much to say.
    Begin(&'static str, SpanKind, usize),
    Flush,
    Resume,
    Reopen,
    DeleteView,
    WriteToView,
    /// A byte of the log is flipped while nobody has it open, and the log is then repaired.
    Damage {
        at: prop::sample::Index,
        repaired: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let begin = || {
        let kind = prop::sample::select(vec![SpanKind::Tool, SpanKind::Generation, SpanKind::Span]);
        (
            prop::sample::select(MORE_IDS.to_vec()),
            kind,
            prop_oneof![3 => 0_usize..200, 1 => 20_000_usize..90_000],
        )
    };
    let step = prop_oneof![
        12 => (time(), event(&IDS)).prop_map(|(time, event)| Step::Append(time, event)),
        8 => (time(), event(&MORE_IDS)).prop_map(|(time, event)| Step::Append(time, event)),
        16 => begin().prop_map(|(id, kind, size)| Step::Begin(id, kind, size)),
        12 => Just(Step::Flush),
        1 => Just(Step::Resume),
        1 => Just(Step::Reopen),
        1 => Just(Step::DeleteView),
        1 => Just(Step::WriteToView),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, repaired)| Step::Damage { at, repaired }),
    ];
    // Crash records are few: they make everything behind them anew.
    let is_rare = |step: &Step| matches!(step, Step::Append(_, Event::Crashed(_)));
    prop::collection::vec(step, 10..120).prop_map(move |steps| {
        let mut kept = 0;
        let mut steps = steps;
        steps.retain(|step| {
            !is_rare(step) || {
                kept += 1;
                kept > 12
            }
        });
        steps
    })
}

/// Adds up what is taken over: views that are there when another one is written.
#[derive(Default)]
struct Renames(AtomicU64);

impl Gate for Renames {
    fn before(&self, step: Door<'_>) -> std::io::Result<()> {
        if matches!(step, Door::Rename(_, to) if to.extension().is_some_and(|of| of == "json")) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn open(folder: &Path, renames: &Arc<Renames>) -> Store {
    options_with(Compaction::OnDemand)
        .segment_sizes(32 << 10, 256 << 10)
        .gate(renames.clone())
        .open(folder)
        .unwrap()
}

fn begin(store: &Store) -> Session {
    store.session("s").start_or_resume().unwrap()
}

/// The view as it is written from the log's first event.
fn from_scratch(store: &Store, session: &SessionName) -> Vec<u8> {
    let reading = if store.is_live(session) { Reading::Live } else { Reading::Whole };
    let mut log = store.read(session, reading).unwrap();
    let fold = Fold::of(&mut log).unwrap();
    let mut view = Vec::new();
    render(&fold, &mut log, &mut view).unwrap();
    view
}

fn check(store: &Store, session: &SessionName, when: &str) {
    // It is left alone only where a run without an ending has lost its last events: recovery comes first.
    if store.materialise(session).unwrap().is_none() {
        assert!(["damaged", "repaired"].contains(&when), "{when}: left alone");
        return;
    }
    let (there, expected) = (fs::read(store.view(session)).unwrap(), from_scratch(store, session));
    if there != expected {
        let at = there.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(80)..bytes.len().min(at + 120)]).into_owned()
        };
        panic!(
            "{when}: the view differs at {at}\n  {}\nfrom scratch\n  {}",
            around(&there),
            around(&expected)
        );
    }
}

fn damage(store: &Store, session: &SessionName, at: prop::sample::Index) {
    let log = store.folder(session);
    let mut files: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let file = &files[at.index(files.len())];
    let mut bytes = fs::read(file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    if used > 4096 {
        bytes[4096 + at.index(used - 4096)] ^= 1;
        fs::write(file, bytes).unwrap();
    }
}

fn run(steps: Vec<Step>) {
    let folder = folder();
    let renames = Arc::new(Renames::default());
    let mut store = open(folder.path(), &renames);
    let mut session = begin(&store);
    let name = session.name().clone();
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Append(time, event) => {
                session.append_at(time, event).unwrap();
            }
            Step::Begin(id, kind, size) => {
                let input = Some(Payload::owned_string("x\"".repeat(size / 2)));
                session.append(SpanStarted { input, ..SpanStarted::new(id, kind, id) }).unwrap();
            }
            Step::Flush => check(&store, &name, &format!("at step {at}")),
            Step::Resume => {
                session.close(RunEndReason::Closed).unwrap();
                check(&store, &name, "closed");
                session = begin(&store);
            }
            Step::Reopen => {
                drop(session);
                drop(store);
                store = open(folder.path(), &renames);
                session = begin(&store);
            }
            Step::DeleteView => drop(fs::remove_file(store.view(&name))),
            Step::WriteToView => {
                // In place, and of the same length: another view only by its times.
                if let Ok(mut bytes) = fs::read(store.view(&name)) {
                    let last = bytes.len() / 2;
                    bytes[last] ^= 1;
                    fs::write(store.view(&name), bytes).unwrap();
                }
            }
            Step::Damage { at, repaired } => {
                drop(session);
                damage(&store, &name, at);
                check(&store, &name, "damaged");
                if repaired {
                    store.repair(&name).unwrap();
                    check(&store, &name, "repaired");
                }
                session = begin(&store);
            }
        }
    }
    check(&store, &name, "at the end of the steps");
    let ended = session.end(SessionEnded::new(EndStatus::Completed)).unwrap();
    assert_eq!(fs::read(ended.view.unwrap()).unwrap(), from_scratch(&store, &name), "ended");
    assert!(renames.0.load(Ordering::Relaxed) > 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("TRACEWAL_AGAIN").ok().and_then(|n| n.parse().ok()).unwrap_or(48),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_view_has_the_same_bytes_however_it_was_produced(steps in steps()) {
        run(steps);
    }
}
