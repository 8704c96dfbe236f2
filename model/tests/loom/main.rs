//! What threads of one process share without a lock, under every interleaving that the memory model allows.
//!
//! ```text
//! cargo test -p tracewal-model --release --test loom -- --nocapture
//! ```
//! Without `--release` fewer preemptions are tried. [`reservation`] is the engine's own file, compiled here with loom's atomics in place of
//! the standard ones; [`slots`] and [`group_commit`] are copies, each with the name of what it mirrors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counterpart of `engine/src/atomics.rs`.
mod atomics {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

    /// Loom has to be told that nothing happens here unless another thread goes on.
    pub(crate) fn pause(_looks: u32) {
        loom::thread::yield_now();
    }
}

#[allow(dead_code, unexpected_cfgs)] // What belongs to media and features that are not modelled.
#[path = "../../../engine/src/reservation.rs"]
mod reservation;

mod group_commit;
mod publication;
mod slots;

/// Runs a model under every interleaving with so many preemptions (`None`: all), and says how many those were.
fn check(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} interleavings", runs.load(Ordering::Relaxed));
}

/// All in an optimised build, the likeliest in another one.
fn all_or(preemptions: usize) -> Option<usize> {
    if cfg!(debug_assertions) { Some(preemptions) } else { None }
}
