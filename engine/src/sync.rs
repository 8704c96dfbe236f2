//! Making a session durable (SPEC.md section 9, "Sync"): one thread at a time is at it, and one sync serves every thread that waits.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracewal_format::record::{DURABLE_MARK, POISON};

use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::session::SessionInner;
use crate::store::{StoreInner, lock};

/// The part of a sync that threads agree on.
#[derive(Debug, Default)]
pub(crate) struct Syncing {
    /// A thread is at it; the others wait.
    running: bool,
    /// The names of segments have been synced up to this number.
    named: u64,
    /// The folder's own name and the owner entry have been synced.
    settled: bool,
    /// How many threads wait for a sync, apart from the one that is at it.
    waiting: usize,
    /// How many the last sync served, and how long it took.
    served: usize,
    took: Duration,
}

/// How long the next sync waits for those that the last one served, as a part of what that one took. They are on their way back with
/// another event; without them, every sync would serve one half of the threads in turn.
const GATHERING: u32 = 3;
/// And at most this long: a sync of everything may have taken much longer than one of a session.
const GATHERING_MOST: Duration = Duration::from_millis(1);

/// From this many sessions on, one sync of the whole file system costs less than one for each.
const TOGETHER: usize = 32;

/// A sync that this thread is at.
struct Begun {
    named: u64,
    settled: bool,
    waiting_since: u64,
    at: Instant,
}

impl SessionInner {
    /// Returns when everything up to `seq` is durable, by this thread's sync or another's.
    pub(crate) fn sync_through(&self, seq: u64) -> Result<()> {
        let mut syncing = lock(&self.syncing);
        loop {
            if self.durable.load(Ordering::Acquire) >= seq {
                return Ok(());
            }
            self.check_poison()?;
            if !syncing.running {
                break;
            }
            syncing = self.wait_for_sync(syncing);
        }
        syncing.running = true;
        let begun = self.begin(self.gather(syncing));
        let covered = self.last_seq();
        let synced = self.sync_files(&begun);
        self.conclude(&begun, synced, Some(covered))
    }

    /// Makes the marks in the log durable. Without another mark.
    pub(crate) fn sync_mark(&self) -> Result<()> {
        let mut syncing = lock(&self.syncing);
        while syncing.running {
            syncing = self.wait_for_sync(syncing);
        }
        self.check_poison()?;
        syncing.running = true;
        let begun = self.begin(syncing);
        let synced = self.sync_files(&begun);
        self.conclude(&begun, synced, None)
    }

    fn wait_for_sync<'s>(&'s self, mut syncing: MutexGuard<'s, Syncing>) -> MutexGuard<'s, Syncing> {
        syncing.waiting += 1;
        syncing = self.synced.wait(syncing).unwrap_or_else(PoisonError::into_inner);
        syncing.waiting -= 1;
        syncing
    }

    /// Waits a moment for the threads that the last sync served.
    fn gather<'s>(&'s self, mut syncing: MutexGuard<'s, Syncing>) -> MutexGuard<'s, Syncing> {
        let (began, patience) = (Instant::now(), (syncing.took / GATHERING).min(GATHERING_MOST));
        while syncing.waiting + 1 < syncing.served && began.elapsed() < patience {
            drop(syncing);
            std::thread::yield_now();
            syncing = lock(&self.syncing);
        }
        syncing
    }

    /// From here on what is appended may come too late for this sync.
    fn begin(&self, syncing: MutexGuard<'_, Syncing>) -> Begun {
        Begun {
            named: syncing.named,
            settled: syncing.settled,
            waiting_since: self.waiting_since.swap(0, Ordering::Relaxed),
            at: Instant::now(),
        }
    }

    /// Tells everybody what came of it: up to which segment names are synced, and that everything up to `covered` is durable; or that
    /// nobody knows what is.
    fn conclude(&self, begun: &Begun, synced: Result<u64>, covered: Option<u64>) -> Result<()> {
        match (&synced, covered) {
            (Ok(_), Some(covered)) => {
                // The mark first: whoever sees that it is durable may close the log behind it.
                self.append_mark(DURABLE_MARK, covered);
                self.durable.store(covered, Ordering::Release);
            }
            (Ok(_), None) => {}
            (Err(_), _) => self.waiting_since.store(begun.waiting_since, Ordering::Relaxed),
        }
        let mut syncing = lock(&self.syncing);
        syncing.running = false;
        (syncing.served, syncing.took) = (syncing.waiting + 1, begun.at.elapsed());
        let done = match synced {
            Ok(named) => {
                syncing.named = named;
                syncing.settled = true;
                Ok(())
            }
            Err(error) => {
                // I8: the kernel may have dropped what it could not write, and would call a second try a success.
                let _ = self.poison.set(error.to_string());
                self.append_mark(POISON, self.durable.load(Ordering::Acquire));
                self.check_poison()
            }
        };
        drop(syncing);
        self.synced.notify_all();
        if done.is_ok() {
            // Without a new segment the old one serves as well.
            let _ = self.leave_large_pages();
        }
        done
    }

    /// Syncs every segment that is not yet, then the names that are new. Returns up to which segment names are synced.
    fn sync_files(&self, begun: &Begun) -> Result<u64> {
        let (store, disk) = (&self.store.0, self.store.0.disk());
        let mut last = begun.named;
        for segment in self.segments.unsynced() {
            segment.sync(disk, self.waits.load(Ordering::Relaxed))?;
            last = last.max(segment.header.number);
        }
        if last > begun.named {
            disk.sync_dir(&self.folder)?;
        }
        if !begun.settled {
            let layout = &store.layout;
            let owner = layout.owner(self.name.name());
            if let Ok(file) = File::open(&owner) {
                disk.sync(&file, &owner)?;
            }
            disk.sync_dir(&layout.owners())?;
            disk.sync_dir(&layout.sessions())?;
            store.sync_own_entries()?;
        }
        Ok(last)
    }
}

/// Makes these sessions durable, in the background. A failure poisons the session, which tells everybody who asks.
pub(crate) fn sync_all(store: &StoreInner, sessions: &[Arc<SessionInner>]) {
    let behind = |session: &&Arc<SessionInner>| session.durable.load(Ordering::Acquire) < session.last_seq();
    // Who waits for syncs does not wait for everybody's.
    let alone = |session: &&Arc<SessionInner>| session.waits.load(Ordering::Relaxed);
    let (mut alone, mut sessions): (Vec<_>, Vec<_>) = sessions.iter().filter(behind).partition(alone);
    if sessions.len() < TOGETHER || !store.can_sync_everything() {
        alone.append(&mut sessions);
    }
    for session in alone {
        let _ = session.sync_through(session.last_seq());
    }
    if sessions.is_empty() {
        return;
    }
    // Whoever is at it already is ahead of us.
    let together: Vec<Together<'_>> =
        sessions.into_iter().filter_map(|session| Together::begin(session)).collect();
    // It says that something could not be written, and not what.
    let all_well = store.sync_own_entries().and_then(|()| store.sync_everything()).is_ok();
    for session in together {
        session.conclude(all_well);
    }
}

/// A session that is made durable with others.
struct Together<'s> {
    session: &'s SessionInner,
    begun: Begun,
    covered: u64,
    /// What there is to sync, and how far each is published.
    segments: Vec<(Arc<Segment>, u64)>,
}

impl<'s> Together<'s> {
    fn begin(session: &'s SessionInner) -> Option<Self> {
        let mut syncing = lock(&session.syncing);
        if syncing.running || session.poison().is_some() {
            return None;
        }
        syncing.running = true;
        let begun = session.begin(syncing);
        let covered = session.last_seq();
        let ends = |segment: Arc<Segment>| {
            let end = segment.published().offset;
            (segment, end)
        };
        let segments = session.segments.unsynced().into_iter().map(ends).collect();
        Some(Together { session, begun, covered, segments })
    }

    fn conclude(self, all_well: bool) {
        let Together { session, begun, covered, segments } = self;
        let synced = if all_well {
            let noted = |last: u64, (segment, end): &(Arc<Segment>, u64)| {
                segment.note_synced(*end).map(|()| last.max(segment.header.number))
            };
            segments.iter().try_fold(begun.named, noted)
        } else {
            // Each mapping remembers whether its own file has met an error.
            session.sync_files(&begun)
        };
        let _ = session.conclude(&begun, synced, Some(covered));
    }
}

/// What [`StoreInner`] needs for it: the file system, and whether its sync tells of errors.
#[derive(Debug)]
pub(crate) struct Everything(Option<File>);

impl Everything {
    /// Of the file system that this folder is on. Before Linux 5.8 its sync said nothing of what could not be written.
    pub(crate) fn around(folder: &std::path::Path) -> Self {
        Everything(if cfg!(target_os = "linux") && tells_of_errors() {
            File::open(folder).ok()
        } else {
            None
        })
    }

    pub(crate) fn file(&self) -> Option<&File> {
        self.0.as_ref()
    }
}

fn tells_of_errors() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0_u32), numbers.next().unwrap_or(0_u32)) >= (5, 8)
}

impl StoreInner {
    fn can_sync_everything(&self) -> bool {
        self.everything.file().is_some()
    }

    fn sync_everything(&self) -> Result<()> {
        let root = self.layout.root();
        match self.everything.file() {
            Some(file) => self.disk().sync_file_system(file, root),
            None => Err(Error::io("sync the file system of", root, std::io::ErrorKind::Unsupported.into())),
        }
    }
}
