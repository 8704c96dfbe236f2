//! Processes that leave without ending their sessions: in order, or so that nobody sees it.

use std::os::unix::process::CommandExt as _;

use tracewal::Store;

use crate::{Case, keep, open, raise};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("exit with an open session", exit, |seen| {
            seen.exited(3).is("running").has("process-exit").records(0)
        })
        .like_without(),
        Case::new("exit in a thread", exit_in_thread, |seen| {
            seen.exited(3).is("running").has("process-exit").records(0)
        }),
        // 101 is what a panic leaves. Without one it is a status as any other.
        Case::new("exit with the status of a panic", exit_101, |seen| {
            seen.exited(101).is("running").has("process-exit").records(0)
        }),
        Case::new(
            "returning from main with an open session",
            |store| keep(open(store, "s")),
            |seen| seen.exited(0).is("running").has("process-exit").records(0),
        ),
        Case::new("_exit", leave_at_once, |seen| {
            seen.exited(0).recovered("process vanished", "recovery").records(1)
        }),
        Case::new("SIGKILL", killed, |seen| {
            seen.killed_by(libc::SIGKILL).recovered("process vanished", "recovery").records(1)
        }),
        Case::new("another program in its place", another_program, |seen| {
            seen.exited(0).recovered("process vanished", "recovery").records(1)
        }),
    ]
}

fn exit(store: &Store) {
    keep(open(store, "s"));
    std::process::exit(3)
}

fn exit_in_thread(store: &Store) {
    keep(open(store, "s"));
    let _ = std::thread::spawn(|| std::process::exit(3)).join();
}

fn exit_101(store: &Store) {
    keep(open(store, "s"));
    std::process::exit(101)
}

fn leave_at_once(store: &Store) {
    keep(open(store, "s"));
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

fn killed(store: &Store) {
    keep(open(store, "s"));
    raise(libc::SIGKILL);
}

fn another_program(store: &Store) {
    keep(open(store, "s"));
    let error = std::process::Command::new("/bin/true").exec();
    panic!("{error}");
}
