//! The incidents that tracewal is built against: how the recorders before it lost traces or told them wrongly. One test for each row of
//! the record, named by its row, in a file that begins with it. Each makes the conditions of the old failure happen, many times, and the
//! right outcome must come out every time. `cargo test -p tracewal --test incidents -- --nocapture` shows `M1: 100 trials, 0 wrong` for each case.
//!
//! Each test says which guard stands between it and its incident, by its name in `tracewal_engine::guard`. That the guard is what makes
//! the difference is shown by
//!
//! ```text
//! cargo test -p tracewal --features fault-injection --test incidents -- negative --nocapture
//! ```
//!
//! where each case is run again in a process without its guard, and the old outcome must then be observed.
//!
//! `TRACEWAL_TRIALS` bounds the trials of each case.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod k1_workers;
mod k2_status;
mod k3_again;
mod l1_actions;
mod l2_evidence;
mod m1_late_rename;
mod m2_burst;
mod m3_export;
mod m3_sessions;
#[cfg(feature = "fault-injection")]
mod negative;
mod p1_cost;
mod r1_running;
mod r2_restart;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod w1_whole_files;

use support::child::{self, Part};
use support::trials::take_guards_away;

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let part: &'static Part = Box::leak(Box::new(part));
    // A core file of each is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, ""));
    if name != "burst" {
        take_guards_away();
    }
    match name {
        "late-rename" => m1_late_rename::late_rename_in_child(part, argument),
        "burst" => m2_burst::burst(part),
        "export" => m3_export::crash_in_export(part, argument.parse().unwrap()),
        "complete" => m3_export::die_in_complete(part, argument.parse().unwrap()),
        "work" => k1_workers::work(part, argument),
        "die" => k2_status::die_of(part, argument),
        "again" => k3_again::die_again(part, argument),
        "dispose" => l1_actions::die_in_dispose(part),
        "evidence" => l2_evidence::die_with_evidence(part, argument.parse().unwrap()),
        "write" => r2_restart::write_and_die(part, argument == "durable"),
        other => panic!("no part is called {other}"),
    }
}

/// Without the feature every guard stands, and the compiler knows.
#[cfg(not(feature = "fault-injection"))]
const _: () = assert!(!tracewal_engine::guard::Guard::LookAgain.is_off());
