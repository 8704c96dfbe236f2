//! Panics: one that is caught is evidence; one that the process dies of is the reason.

use tracewal::Store;

use crate::{Case, keep, open, raise};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a panic that leaves main", in_main, |seen| {
            seen.exited(101).crashed("panic: it broke", "panic-hook")
        })
        .like_without(),
        Case::new("a panic that unwinds the last handle", drops, |seen| {
            seen.exited(101).crashed("panic: it broke", "panic-hook")
        })
        .like_without(),
        Case::new("a panic that is caught", caught, |seen| {
            seen.exited(0).is("completed").has(EVIDENCE).records(0)
        })
        .like_without(),
        Case::new("a caught panic, then an exit", caught_then_exit, |seen| {
            seen.exited(0).is("running").has("process-exit").has(EVIDENCE).records(0)
        }),
        Case::new("a caught panic, then SIGTERM", caught_then_signal, |seen| {
            seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler").has(EVIDENCE)
        }),
        Case::new("a caught panic, then abort", caught_then_abort, |seen| {
            seen.killed_by(libc::SIGABRT).crashed("SIGABRT", "handler").has(EVIDENCE)
        }),
        Case::new("a caught panic, then SIGKILL", caught_then_kill, |seen| {
            seen.killed_by(libc::SIGKILL).recovered("process vanished", "recovery").has(EVIDENCE)
        }),
        Case::new("a caught panic that the program calls a crash", called_a_crash, |seen| {
            seen.exited(0).crashed("it broke badly", "caller").has(EVIDENCE).records(1)
        }),
        Case::new("a thread's panic that nobody joins", in_thread, |seen| {
            seen.exited(0).is("completed").has(EVIDENCE).records(0)
        }),
        Case::new("a thread's panic that main passes on", passed_on, |seen| {
            seen.exited(101).crashed_by_panic()
        }),
        Case::new("a panic while unwinding", while_unwinding, |seen| {
            seen.killed_by(libc::SIGABRT).crashed_by_panic()
        })
        .like_without(),
        Case::new("a panic where nothing may unwind", cannot_unwind, |seen| {
            seen.killed_by(libc::SIGABRT).crashed_by_panic()
        })
        .like_without(),
        Case::new("a panic of a session that has completed", completed_before, |seen| {
            seen.exited(101).is("completed").records(0)
        }),
    ]
}

const EVIDENCE: &str = r#""source":"panic-hook""#;

impl crate::Seen {
    /// What it said last: a second panic, or the one that was passed on, has words of its own.
    #[track_caller]
    fn crashed_by_panic(&self) -> &Self {
        self.has(r#""type":"crashed""#)
            .has(r#""reason":"panic: "#)
            .has(r#""foundBy":"panic-hook""#)
            .is("crashed")
    }
}

fn break_it() {
    assert!(std::panic::catch_unwind(|| panic!("it broke")).is_err());
}

fn in_main(store: &Store) {
    keep(open(store, "s"));
    panic!("it broke");
}

fn drops(store: &Store) {
    let _session = open(store, "s");
    panic!("it broke");
}

fn caught(store: &Store) {
    let session = open(store, "s");
    break_it();
    session.complete().unwrap();
}

fn caught_then_exit(store: &Store) {
    keep(open(store, "s"));
    break_it();
}

fn caught_then_signal(store: &Store) {
    keep(open(store, "s"));
    break_it();
    raise(libc::SIGTERM);
}

fn caught_then_abort(store: &Store) {
    keep(open(store, "s"));
    break_it();
    std::process::abort();
}

fn caught_then_kill(store: &Store) {
    keep(open(store, "s"));
    break_it();
    raise(libc::SIGKILL);
}

fn called_a_crash(store: &Store) {
    let session = open(store, "s");
    break_it();
    session.crash("it broke badly").unwrap();
    session.complete().unwrap();
}

fn in_thread(store: &Store) {
    let session = open(store, "s");
    let thread = std::thread::spawn(|| panic!("it broke"));
    while !thread.is_finished() {
        std::thread::yield_now();
    }
    session.complete().unwrap();
}

fn passed_on(store: &Store) {
    keep(open(store, "s"));
    std::thread::spawn(|| panic!("it broke")).join().unwrap();
}

fn while_unwinding(store: &Store) {
    struct Breaks;
    impl Drop for Breaks {
        fn drop(&mut self) {
            panic!("it broke again");
        }
    }
    keep(open(store, "s"));
    let _breaks = Breaks;
    panic!("it broke");
}

fn cannot_unwind(store: &Store) {
    extern "C" fn called_by_c() {
        panic!("it broke");
    }
    keep(open(store, "s"));
    called_by_c();
}

fn completed_before(store: &Store) {
    open(store, "s").complete().unwrap();
    panic!("it broke");
}
