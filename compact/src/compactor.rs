//! The compactor: keeps the views of a store's live sessions current, in a thread of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracewal_engine::guard::Guard;
use tracewal_engine::{Materialised, Result, SessionName, Store, Views, WeakStore};

use crate::kept::Kept;
use crate::materialise::materialise_with;

/// A view is not written more often than this.
const SHORTEST: Duration = Duration::from_millis(25);
/// Nor so often that more than this is written in a second: what bounds the wear of a session that goes on and on.
const BYTES_PER_SECOND: f64 = 1.08 * 1024.0 * 1024.0;
/// A view that was left alone, or could not be written, is tried again after this.
const LEFT_ALONE: Duration = Duration::from_millis(100);
/// How often sessions are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Looking takes no more than this part of the time.
const LOOKING_SHARE: u32 = 50;

/// How views are kept current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// By a thread, while sessions are live; and at every ending, crash and flush.
    Background,
    /// At endings, crashes and flushes alone.
    OnDemand,
}

/// The views of a store, as canonical JSON files.
#[derive(Debug)]
pub struct Compactor {
    compaction: Compaction,
    kept: Kept,
}

impl Compactor {
    /// With or without a thread.
    #[must_use]
    pub fn new(compaction: Compaction) -> Self {
        Compactor { compaction, kept: Kept::default() }
    }
}

impl Views for Compactor {
    fn attached(&self, store: WeakStore) {
        if self.compaction == Compaction::Background {
            // Without a thread the views are written at endings alone: later, but as right.
            let _ = std::thread::Builder::new().name("tracewal-compact".into()).spawn(move || follow(&store));
        }
    }

    fn materialise(&self, store: &Store, session: &SessionName) -> Result<Option<Materialised>> {
        materialise_with(&self.kept, store, session)
    }
}

/// What is known of a session's view.
struct Known {
    /// The newest event when it was last written, or tried.
    seq: u64,
    /// Not to be written again before.
    not_before: Instant,
}

fn follow(store: &WeakStore) {
    let mut views: HashMap<SessionName, Known> = HashMap::new();
    loop {
        let looked = Instant::now();
        let Some(store) = store.upgrade() else { return };
        let changed = store.changed(|session| views.get(session).map(|known| known.seq));
        let looking = looked.elapsed();
        if changed.is_empty() && views.len() > 2 * store.live_count() + 64 {
            views.clear();
        }
        for (session, seq) in changed {
            let now = Instant::now();
            if views.get(&session).is_some_and(|known| known.not_before > now) {
                continue;
            }
            // A view that can't be written is tried again when its time comes; the store's health says why.
            let written = store.materialise(&session);
            let size = std::fs::metadata(store.view(&session)).map_or(0, |file| file.len());
            // Left alone, it waits for a mark or for recovery, which change no sequence number.
            let (seq, pause) = match written {
                Ok(Some(_)) => (seq, pause(size)),
                Ok(None) => (0, LEFT_ALONE),
                Err(_) => (0, pause(size).max(LEFT_ALONE)),
            };
            views.insert(session, Known { seq, not_before: now + pause });
        }
        // The store is not held while nothing is done: it closes when its last user lets go.
        drop(store);
        std::thread::sleep(TICK.max(looking * LOOKING_SHARE));
    }
}

/// How long a view of this size is left alone after it has been written.
fn pause(size: u64) -> Duration {
    #[allow(clippy::as_conversions, clippy::cast_precision_loss)]
    let seconds = if Guard::Pause.is_off() { 0.0 } else { size as f64 / BYTES_PER_SECOND };
    SHORTEST.max(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
