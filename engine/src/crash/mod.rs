//! Crash capture: what a dying process can still say about itself.
//!
//! [`install`] is one call, and opt-in. From then on
//!
//! - **fatal signals** (SEGV, BUS, ILL, FPE, ABRT, TRAP, SYS) fill a crash slot of every live session of the process;
//! - **orderly signals** (TERM, INT, HUP, QUIT, XCPU) do so where their disposition was the default when this was installed. Where the
//!   program handled them itself they leave a *pending* mark, which counts only if the run then dies without an ending: a Ctrl-C that is
//!   survived is no crash. Signals that were ignored stay ignored;
//! - a **panic** is recorded as evidence in every live session. It becomes the reason of a crash if the process dies of it: by abort, or
//!   by leaving `main` with it;
//! - a **SIGBUS by a log** is survived: somebody has cut the file of a segment that this process has mapped, or its device cannot read a
//!   page back. The append that met it fails with [`Poisoned`](crate::Error::Poisoned), and so does every later one of that session, until
//!   it is reopened; other sessions, and the process, go on. Every other SIGBUS ends the process as it would have without this;
//! - a **process that exits** without having ended its sessions closes them in order (`run-ended`, reason `process-exit`).
//!
//! Then the previous handler, or the default action, runs: exit status and core dump are those that the user expects. What no handler
//! sees (SIGKILL, the OOM killer, a power cut, `_exit`) is found by recovery.
//!
//! # How
//! The handler does async-signal-safe work alone: atomic loads and stores, stores into pages that stay mapped until the process exits, and
//! `write`, `poll`, `mmap`, `sigaction`, `raise`. It allocates nothing and takes no lock. The truth is in the log when the slot's checksum is stored;
//! the handler then wakes a watcher thread and gives it a bounded time to write the views ([`Capture::grace`]), because a view that says
//! `crashed` at once is kind, but not needed: recovery makes up for it.
//!
//! The handlers are installed with `sigaction` directly. signal-hook forbids SIGSEGV, SIGILL and SIGFPE and does its work outside the
//! handler, which a process that is dying never reaches; crash-handler takes the whole process over (it means to write minidumps) and does
//! not chain to previous handlers in the way that the pending rule needs. What is left is small, and stands in `signals`.
//!
//! A mapping of which a page has gone is mapped over with memory of nobody's, so that the store that met it goes on, to nowhere, and is
//! found out behind it by one load of a flag (`mapped`). That is journald's way; the other ones cost each append more: `pwrite` instead of a
//! mapping a system call, a lease or a check of the file's size before each store too, and would still be too late. It is part of this call,
//! and not of opening a store, because a signal's disposition belongs to the program: a library that took SIGBUS unasked would stand
//! between a runtime or a crash reporter and the signal that they need. A program that does not ask for it dies of such a cut, as it would of
//! any mapping's, and what the cut left is recovered.
//!
//! A fatal signal is a crash before its previous handler runs, which may not come back. A runtime that uses such signals for its own ends
//! (wasm, a JVM) therefore goes in after this, and asks us about what is not its own.
//!
//! Handlers run on the alternate stack that every thread of Rust's has. A thread that another language made without one cannot report its
//! own stack overflow; any other signal it can. Where the program had a handler of its own that does not run there, ours does not either: its
//! stack is what it counts on, and 8 KiB are less than that.

use std::sync::Mutex;
use std::time::Duration;

use crate::error::Result;
use crate::store::{Store, WeakStore, lock};

mod hooks;
mod mapped;
#[cfg(unix)]
mod pages;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(unix)]
mod slots;
mod table;

pub(crate) use hooks::{dropped_in_panic, is_captured};
pub(crate) use mapped::Mapped;
#[cfg(unix)]
pub(crate) use slots::Place;

/// Without signals there is nobody who would look at a place.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Place;

#[cfg(not(unix))]
impl Place {
    pub(crate) fn take(_: &std::path::Path, _: u64, _: crate::filesystem::Promise) -> Option<Self> {
        None
    }
}

/// What is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Signals; on Linux alone.
    pub signals: bool,
    /// Panics.
    pub panics: bool,
    /// Exits.
    pub exits: bool,
    /// How long a dying process waits for its views to be written, at most.
    pub grace: Duration,
}

impl Default for Capture {
    /// Everything, with half a second of grace.
    fn default() -> Self {
        Capture { signals: true, panics: true, exits: true, grace: Duration::from_millis(500) }
    }
}

/// The stores whose sessions are covered.
static STORES: Mutex<Vec<WeakStore>> = Mutex::new(Vec::new());

/// Covers the sessions of this store, those that are live now and those to come. The handlers themselves are installed once per
/// process, with the options of the first call.
///
/// # Errors
/// [`ReadOnly`](crate::Error::ReadOnly); [`Io`](crate::Error::Io) when a handler cannot be installed.
///
/// ```no_run
/// # fn main() -> Result<(), tracewal_engine::Error> {
/// let store = tracewal_engine::Options::without_views().open("agent.store")?;
/// tracewal_engine::crash::install(&store, Default::default())?;
/// # Ok(())
/// # }
/// ```
pub fn install(store: &Store, capture: Capture) -> Result<()> {
    store.0.must_write()?;
    store.0.cover();
    for session in store.0.live_sessions() {
        session.cover();
    }
    {
        // A child begins with a list of its own: its parent's stores are not its to speak for.
        let mut stores = lock(&STORES);
        stores.retain(|known| known.upgrade().is_some());
        stores.push(store.downgrade());
    }
    hooks::begin(capture);
    #[cfg(target_os = "linux")]
    if capture.signals {
        return signals::install(capture.grace);
    }
    Ok(())
}

/// Takes every lock of this store, of its live sessions and of crash capture, and never gives one back: a test shows that a handler needs
/// none of them.
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub fn hold_every_lock(store: &Store) {
    for session in store.0.live_sessions() {
        session.hold_locks();
    }
    store.0.hold_locks();
    hooks::hold_lock();
    std::mem::forget(lock(&STORES));
}

fn stores() -> Vec<Store> {
    lock(&STORES).iter().filter_map(WeakStore::upgrade).collect()
}

/// Writes the view of every live session. Called by the watcher while the process is dying.
fn materialise_all() {
    for store in stores() {
        for session in store.0.live_sessions() {
            // What cannot be written now, recovery writes.
            let _ = store.materialise(&session.name);
        }
    }
}
