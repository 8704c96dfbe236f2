//! A crash while sessions are being ended: until the last step of its end a session is covered, and from then on it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracewal::Store;
use tracewal::crash::install;
use tracewal::disk::{Gate, Step};
use tracewal::event::{EndStatus, SessionEnded};

use crate::{Case, STORE, keep, null_pointer, open, patient};

pub(crate) fn cases() -> Vec<Case> {
    let in_step = |name: &str, step: fn(&Step<'_>) -> bool, nth: u64| {
        let play = move |_: &Store| die_in(step, nth);
        Case::new(format!("a crash {name}"), play, move |seen| seen.killed_by(libc::SIGSEGV))
    };
    let crashed = |case: Case| Case {
        check: Box::new(|seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler");
        }),
        ..case
    };
    let completed = |case: Case| Case {
        check: Box::new(|seen| {
            seen.killed_by(libc::SIGSEGV).is("completed").records(0);
        }),
        ..case
    };
    vec![
        Case::new("a crash behind the ending", behind_ending, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        }),
        crashed(in_step("before the ending is durable", syncs_segment, 1)),
        crashed(in_step("before the last mark is durable", syncs_segment, 2)),
        completed(in_step("before the view is written", renames_view, 1)),
        Case::new("a crash while a thread ends fifty sessions", fifty_ends, |seen| {
            seen.killed_by(libc::SIGSEGV).is("crashed").has(r#""reason":"SIGSEGV""#).ended_or_crashed()
        }),
    ]
}

fn syncs_segment(step: &Step<'_>) -> bool {
    matches!(step, Step::Sync(path) if path.extension().is_some_and(|extension| extension == "wal"))
}

fn renames_view(step: &Step<'_>) -> bool {
    matches!(step, Step::Rename(_, to) if to.extension().is_some_and(|extension| extension == "json"))
}

/// Dies at the nth such step, counted from when it is armed.
struct DieAt {
    step: fn(&Step<'_>) -> bool,
    /// 0: it is not armed.
    left: AtomicU64,
}

impl Gate for DieAt {
    fn before(&self, step: Step<'_>) -> std::io::Result<()> {
        let counts = self.left.load(Ordering::Acquire) > 0 && (self.step)(&step);
        if counts && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            null_pointer();
        }
        Ok(())
    }
}

fn die_in(step: fn(&Step<'_>) -> bool, nth: u64) {
    let gate = Arc::new(DieAt { step, left: AtomicU64::new(0) });
    let options = tracewal::options_with(tracewal::Compaction::OnDemand).gate(gate.clone());
    let store = options.open(std::env::var(STORE).unwrap()).unwrap();
    install(&store, patient()).unwrap();
    let session = open(&store, "s");
    session.sync().unwrap();
    gate.left.store(nth, Ordering::Release);
    session.complete().unwrap();
    unreachable!("the step did not come");
}

fn behind_ending(store: &Store) {
    let session = open(store, "s");
    session.append(SessionEnded::new(EndStatus::Completed)).unwrap();
    null_pointer();
}

/// Whatever step of whichever end it is: `s` is open, and the others have ended or crashed, each by its own log.
fn fifty_ends(store: &Store) {
    let sessions: Vec<_> = (0..50).map(|n| open(store, &format!("s{n}"))).collect();
    keep(open(store, "s"));
    let ended = Arc::new(AtomicU64::new(0));
    let counted = ended.clone();
    std::thread::spawn(move || {
        for session in sessions {
            session.complete().unwrap();
            counted.fetch_add(1, Ordering::AcqRel);
        }
    });
    while ended.load(Ordering::Acquire) < 5 {
        std::thread::yield_now();
    }
    null_pointer();
}
