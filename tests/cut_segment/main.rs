//! A page of a log's mapping goes away under a live writer: somebody cuts the file, or the device cannot read the page back. Both are a
//! SIGBUS, and with crash capture installed neither ends the process: the append that met it is not acknowledged, nor is any later one of
//! that session, what was acknowledged before the cut and lies below it is recovered, and no other session hears of it (I3, I7, I8).
//!
//! (Without crash capture the process dies of it, which costs no more of the log: `tests/faults.rs`.)
//!
//! `TRACEWAL_SESSIONS` sets how many sessions one process has open at once (10,000 for the whole hazard).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod appenders;
mod crash_afterwards;
mod many_mappings;
mod one_writer;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::board::Board;
use support::child::{self, Child, QUIET};
use support::log::names;
use support::small_disk::in_memory;
use tracewal::{Compaction, Durability, Error, Options, Session, Store};

/// Word of the board: how many sessions a child has to open.
const SESSIONS: u64 = 3;
/// Lanes of the board: threads that append to the session that is cut. One more appends to another session.
const APPENDERS: u64 = 4;

const NEVER: Durability = Durability::Interval(Duration::from_secs(36_000));

/// One segment for everything: the one that is cut is the one that is written.
fn options(durability: Durability) -> Options {
    tracewal::options_with(Compaction::OnDemand).durability(durability).segment_sizes(16 << 20, 16 << 20)
}

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let (name, argument) = part.name.split_once(' ').unwrap_or((&part.name, ""));
    match name {
        "cut" => appenders::cut_under_appenders(&part, argument, NEVER),
        "cut-syncing" => {
            appenders::cut_under_appenders(&part, argument, Durability::Interval(Duration::from_millis(1)));
        }
        "roll" => one_writer::cut_before_a_roll(&part),
        "crash" => crash_afterwards::cut_and_crash(&part, argument),
        "many" => many_mappings::cut_one_of_many(&part),
        "fork" => many_mappings::cut_in_a_child(&part, argument == "captured"),
        "unreadable" => one_writer::unreadable_page(&part),
        other => panic!("no part is called {other}"),
    }
}

fn played(part: &str, sessions: u64) -> (tempfile::TempDir, Board, std::process::ExitStatus) {
    let folder = in_memory();
    let board = Board::create(&folder.path().join("board"), APPENDERS + 1);
    board.set(SESSIONS, sessions);
    let child = Child::start_with(part, &folder.path().join("store"), &board, &[QUIET]);
    let status = child.wait();
    (folder, board, status)
}

fn segment(store: &Store, session: &Session) -> PathBuf {
    let folder = store.folder(session.name());
    let last = |name: &String| name.strip_suffix(".wal").and_then(|n| n.parse::<u64>().ok());
    let number = names(&folder).iter().filter_map(last).max().unwrap();
    folder.join(format!("{number}.wal"))
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[track_caller]
fn assert_poisoned<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Poisoned { .. })), "{result:?}");
}
