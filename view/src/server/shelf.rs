//! The sessions that are looked at, each read once for all who look, and the list of all sessions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracewal::{SessionName, Store};
use tracewal_prices::Prices;

use crate::documents::SessionRow;
use crate::documents::sessions;
use crate::error::{Result, ViewError};
use crate::trace::{Followed, Trace};

/// At most so many spans and entries of sessions are kept that nobody asks for at the moment, and at most so many sessions.
const KEPT: usize = 2_000_000;
const KEPT_SESSIONS: usize = 200;

/// For so long a log is read on at once.
const MOMENT: Duration = Duration::from_millis(150);

/// A session that is looked at.
pub(super) type Shared = Arc<Mutex<Trace>>;

#[derive(Debug)]
pub(super) struct Shelf {
    store: Store,
    prices: Arc<Prices>,
    traces: Mutex<Traces>,
    listed: Mutex<Listed>,
}

#[derive(Debug, Default)]
struct Traces {
    /// By the names of their folders: the trace, how much it holds, and when it was last asked for.
    by_name: HashMap<String, (Shared, usize, u64)>,
    asked: u64,
}

/// The list of sessions as it was last seen.
#[derive(Debug, Default)]
struct Listed {
    version: u64,
    /// Rows by id, with the version at which they became so.
    rows: HashMap<String, (u64, SessionRow)>,
    /// Newest first.
    order: Vec<String>,
    /// Those that have gone, by the version at which they did.
    gone: BTreeMap<String, u64>,
}

/// What has changed in the list.
#[derive(Debug, serde::Serialize)]
pub(super) struct ListChange {
    pub(super) version: u64,
    pub(super) changed: Vec<SessionRow>,
    pub(super) gone: Vec<String>,
}

impl Shelf {
    pub(super) fn new(store: Store, prices: Arc<Prices>) -> Self {
        Shelf { store, prices, traces: Mutex::default(), listed: Mutex::default() }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The session with this id, read to where it was when it was last asked for, or now for the first time.
    pub(super) fn trace(&self, id: &str) -> Result<Shared> {
        let session = self.store.find(id)?;
        self.trace_of(&session)
    }

    fn trace_of(&self, session: &SessionName) -> Result<Shared> {
        if let Some(trace) = lock(&self.traces).get(session) {
            return Ok(trace);
        }
        // Not under the lock: it may take a while, and others wait for sessions that are there.
        let trace = Trace::open(&self.store, session, &self.prices)?;
        Ok(lock(&self.traces).put(session, trace))
    }

    /// The list of sessions as it is now, and its version.
    pub(super) fn list(&self) -> Result<(u64, Vec<SessionRow>)> {
        self.look()?;
        let listed = lock(&self.listed);
        let rows = listed.order.iter().filter_map(|id| listed.rows.get(id)).map(|(_, row)| row.clone());
        Ok((listed.version, rows.collect()))
    }

    /// What has changed in the list since a version. `None`: nothing.
    pub(super) fn list_since(&self, version: u64) -> Result<Option<ListChange>> {
        self.look()?;
        let listed = lock(&self.listed);
        if listed.version == version {
            return Ok(None);
        }
        // A version of another server is no version of this one.
        let version = if version > listed.version { 0 } else { version };
        let rows = listed.order.iter().filter_map(|id| listed.rows.get(id));
        Ok(Some(ListChange {
            version: listed.version,
            changed: rows.filter(|(at, _)| *at > version).map(|(_, row)| row.clone()).collect(),
            gone: listed.gone.iter().filter(|(_, at)| **at > version).map(|(id, _)| id.clone()).collect(),
        }))
    }

    fn look(&self) -> Result<()> {
        let rows = sessions::rows(&self.store, &self.prices, |session| {
            let row = self.trace_of(session).and_then(|trace| {
                follow(&trace)?;
                Ok(lock(&trace).row())
            });
            row.unwrap_or_else(|error| SessionRow::unreadable(session, &error))
        })?;
        lock(&self.listed).take(rows);
        Ok(())
    }

    /// Forgets a session that can no longer be read.
    pub(super) fn forget(&self, session: &SessionName) {
        lock(&self.traces).by_name.remove(session.name());
    }
}

impl Traces {
    fn get(&mut self, session: &SessionName) -> Option<Shared> {
        self.asked += 1;
        let (trace, _, asked) = self.by_name.get_mut(session.name())?;
        *asked = self.asked;
        Some(Arc::clone(trace))
    }

    fn put(&mut self, session: &SessionName, trace: Trace) -> Shared {
        self.asked += 1;
        let size = trace.size();
        let shared = Arc::new(Mutex::new(trace));
        self.by_name.insert(session.name().to_owned(), (Arc::clone(&shared), size, self.asked));
        while self.by_name.len() > KEPT_SESSIONS
            || self.by_name.values().map(|(_, size, _)| size).sum::<usize>() > KEPT
        {
            // Never the one that was just put there.
            let oldest = self.by_name.iter().min_by_key(|(_, (_, _, asked))| *asked);
            let Some(oldest) = oldest.filter(|_| self.by_name.len() > 1).map(|(name, _)| name.clone()) else {
                break;
            };
            self.by_name.remove(&oldest);
        }
        shared
    }
}

impl Listed {
    fn take(&mut self, rows: Vec<SessionRow>) {
        let next = self.version + 1;
        let mut is_changed = false;
        let order: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let there: HashSet<&String> = order.iter().collect();
        let gone: Vec<String> = self.rows.keys().filter(|id| !there.contains(id)).cloned().collect();
        for id in gone {
            self.rows.remove(&id);
            self.gone.insert(id, next);
            is_changed = true;
        }
        for row in rows {
            if self.rows.get(&row.id).is_some_and(|(_, known)| *known == row) {
                continue;
            }
            self.gone.remove(&row.id);
            self.rows.insert(row.id.clone(), (next, row));
            is_changed = true;
        }
        self.order = order;
        self.version += u64::from(is_changed);
    }
}

/// Follows the log of a session, for a moment: whoever wants a document waits meanwhile. What takes longer is done without it.
pub(super) fn follow(trace: &Shared) -> Result<()> {
    let followed = lock(trace).follow(Some(MOMENT))?;
    if let Followed::Anew(anew) = followed {
        let read = anew.read();
        lock(trace).take(read)?;
    }
    let mut trace = lock(trace);
    trace.rest();
    if let Some(recovery) = trace.begin_recovery() {
        std::thread::spawn(move || recovery.run());
    }
    Ok(())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<&ViewError> for axum::http::StatusCode {
    fn from(error: &ViewError) -> Self {
        match error {
            ViewError::NotFound(_) => Self::NOT_FOUND,
            ViewError::Store(error) if error.is_not_found() => Self::NOT_FOUND,
            ViewError::Log(error) if error.kind() == std::io::ErrorKind::NotFound => Self::GONE,
            _ => Self::INTERNAL_SERVER_ERROR,
        }
    }
}
