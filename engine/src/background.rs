//! The thread that makes events durable in the background.

use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::fork;
use crate::store::{StoreInner, lock};
use crate::sync::sync_all;

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
    generation: u32,
}

impl Background {
    /// Syncs the store's sessions every `interval`. Without a thread (none can be made) nothing is synced in the background, and
    /// the store's health shows the lag.
    pub(crate) fn start(store: Weak<StoreInner>, interval: Duration) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut rest = interval;
            while !wait(&stopped, rest) {
                let began = Instant::now();
                let Some(store) = store.upgrade() else { return };
                let sessions = store.live_sessions();
                sync_all(&store, &sessions);
                // One sync in an interval, however long it takes; but never without a pause.
                rest = interval.saturating_sub(began.elapsed()).max(interval / 8);
            }
        };
        let thread = std::thread::Builder::new().name("tracewal-sync".into()).spawn(run).ok();
        Background { stop, thread, generation: fork::generation() }
    }
}

#[cfg(feature = "fault-injection")]
impl Background {
    pub(crate) fn hold_lock(&self) {
        std::mem::forget(lock(&self.stop.0));
    }
}

/// Waits; whether it is time to stop.
fn wait(stop: &(Mutex<bool>, Condvar), interval: Duration) -> bool {
    let guard = lock(&stop.0);
    let waited = stop.1.wait_timeout_while(guard, interval, |stopped| !*stopped);
    waited.map_or(true, |(stopped, _)| *stopped)
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // The thread is the parent's.
            std::mem::forget(self.thread.take());
            return;
        }
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped by the thread itself, which must not wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
