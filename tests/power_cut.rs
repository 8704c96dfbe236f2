//! Power cuts: real runs of the store are shadowed, and what a disk may hold after a cut at any moment of them is rebuilt, opened
//! and compared with what the run had been told (I2, I3, I4, I6, I7).
//!
//! `TRACEWAL_CUTS` sets the number of cuts, `TRACEWAL_SEED` replays the run that a failure names; `--nocapture` shows the figures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use support::power_cuts::{Tally, cuts_of_run};
use support::shadow::Believes;
use support::wrong::Wrong;

/// Cuts unless the environment says otherwise.
const CUTS: u64 = 3_000;
/// Within how many cuts a disk that lies has to be found out.
const FOUND_WITHIN: u64 = 1_000;

/// Runs, each shadowed and cut, until there have been so many cuts, or one has broken a promise: then what, and after how many.
fn cuts(name: &str, wanted: u64, believes: Believes) -> (Tally, Option<String>) {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let first: u64 = std::env::var("TRACEWAL_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
    println!("{name}: TRACEWAL_SEED={first}");
    let (next, total, broken) = (AtomicU64::new(0), Mutex::new(Tally::default()), Mutex::new(None));
    let work = || {
        loop {
            let seed = first + next.fetch_add(1, Ordering::Relaxed);
            if total.lock().unwrap().cuts >= wanted || broken.lock().unwrap().is_some() {
                return;
            }
            let mut tally = Tally::default();
            let result = catch_unwind(AssertUnwindSafe(|| cuts_of_run(seed, believes, &mut tally)));
            total.lock().unwrap().add(tally);
            let result = result.unwrap_or_else(|_| Err(Wrong::Otherwise("a panic".to_owned())));
            if let Err(what) = result {
                broken.lock().unwrap().get_or_insert(format!("{what} (TRACEWAL_SEED={seed})"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(8) {
            scope.spawn(work);
        }
    });
    (total.into_inner().unwrap(), broken.into_inner().unwrap())
}

#[test]
fn whatever_a_power_cut_leaves_is_what_the_run_was_told_and_nothing_else() {
    let wanted = std::env::var("TRACEWAL_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
    let begun = Instant::now();
    let (tally, broken) = cuts("power cuts", wanted, Believes::Everything);
    println!("{tally:?} in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(broken, None);
    assert!(tally.with_losses > 0 && tally.absent > 0, "cuts that lose nothing test nothing: {tally:?}");
}

/// Disks that lie, or an engine that forgets a sync. (An owner entry that was not synced is not missed: where it cannot be read, the
/// writer counts as dead, which after a power cut it is.)
const LIES: [(&str, Believes); 8] = [
    ("segments", Believes::NoFile(".wal")),
    ("recovered segments", Believes::NoFile(".wal.tmp")),
    ("views before they are renamed", Believes::NoFile(".json.tmp")),
    ("the folder of a session", Believes::NoFolder("s0")),
    ("the folder of sessions", Believes::NoFolder("sessions")),
    ("the folder of owner entries", Believes::NoFolder("owners")),
    ("the folder of views", Believes::NoFolder("traces")),
    ("the store's own folder", Believes::NoFolder("store")),
];

#[test]
fn a_disk_that_lies_about_any_sync_is_found_out() {
    for (what, believes) in LIES {
        let (tally, broken) = cuts(what, FOUND_WITHIN, believes);
        println!("no sync of {what}: {} cuts, {broken:?}", tally.cuts);
        assert!(broken.is_some(), "no sync of {what}: not found out in {} cuts", tally.cuts);
    }
}
