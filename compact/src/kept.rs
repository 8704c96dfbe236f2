//! What is kept of a session between two writings of its view: the fold goes on where it was, and the view is made of the one before.
//!
//! Nothing here is needed: without it a view is written from the log's first event, with the same bytes (I10).

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracewal_engine::{Log, SessionName, Store};
use tracewal_format::log::Reading;

use crate::changes::Standing;
use crate::fold::Fold;
use crate::shape::Shape;
use crate::summary::Status;

/// A log that has been read to its end, and the fold of it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) live: bool,
    pub(crate) log: Log,
    pub(crate) fold: Fold,
    /// Number and salt of the segments that it was read from.
    segments: Vec<(u64, u64)>,
    /// How the view was made that shows this fold, or an earlier state of it.
    pub(crate) drawn: Option<Drawn>,
}

/// How a view was made.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) shape: Shape,
    pub(crate) standing: Standing,
    pub(crate) stamp: Stamp,
}

/// Which file it was, and that nobody has written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    identity: (u64, u64),
    length: u64,
    /// When its bytes were last changed, and when anything of it was.
    times: [(i64, i64); 2],
}

impl Stamp {
    /// The stamp of a file that had the one given before it was renamed: who writes to it in between does not go unnoticed.
    pub(crate) fn renamed(self, before: &Stamp) -> Self {
        let ([written, _], [_, changed]) = (before.times, self.times);
        Stamp { times: [written, changed], ..self }
    }
}

#[cfg(unix)]
impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Stamp {
            identity: (file.dev(), file.ino()),
            length: file.len(),
            times: [(file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec())],
        })
    }
}

#[cfg(not(unix))]
impl Stamp {
    /// A file cannot be told from another of its name there: every view is written as a whole.
    pub(crate) fn of(_file: &Metadata) -> Option<Self> {
        None
    }
}

/// How much of a log a fold has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    trace: (u128, u32),
    last_seq: u64,
    events: u64,
    crashes: u64,
    losses: usize,
}

impl Extent {
    pub(crate) fn of(fold: &Fold, log: &Log) -> Self {
        let summary = fold.summary();
        Extent {
            trace: (log.headers().next().map_or(0, |header| header.session_uid), summary.generation),
            last_seq: summary.last_seq,
            events: summary.events,
            crashes: summary.crashes,
            losses: summary.losses.len(),
        }
    }
}

/// What a view shows that was written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    extent: Extent,
    stamp: Stamp,
}

impl Shown {
    /// `None`: the view has to be written whenever somebody asks for it. A crash slot may say more than it did, and damage be another
    /// one, without any number being another.
    pub(crate) fn new(extent: Extent, stamp: Option<Stamp>, status: Status) -> Option<Self> {
        let stamp = stamp.filter(|_| status != Status::Crashed && extent.losses == 0)?;
        Some(Shown { extent, stamp })
    }

    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}

impl Read {
    pub(crate) fn new(live: bool, log: Log, fold: Fold) -> Self {
        let segments = segments(&log);
        Read { live, log, fold, segments, drawn: None }
    }

    /// Goes on reading. `None`: the log is not the one that it was, with more of the same run behind; then it is to be read from its
    /// beginning. So it is wherever anything is not in order.
    pub(crate) fn go_on(mut self, live: bool) -> Option<Self> {
        self.log.refresh().ok()?;
        let segments = segments(&self.log);
        // At the end of a log that is closed, what is not right there is damage; of a live one, it is not there yet.
        let is_whole = live || self.log.seal(self.log.last_segment()).is_some();
        if !is_whole || !segments.starts_with(&self.segments) || !self.is_one_run_from(self.segments.len()) {
            return None;
        }
        self.fold.read_on(&mut self.log).ok()?;
        self.segments = segments;
        self.live = live;
        self.is_in_order().then_some(self)
    }

    /// Whether all segments from the last of so many on are of one run, of one writer.
    fn is_one_run_from(&self, count: usize) -> bool {
        let mut of = self.log.headers().map(|header| (header.run, header.writer, header.generation));
        let last = count.checked_sub(1).and_then(|last| of.nth(last));
        last.is_some_and(|last| of.all(|of| of == last))
    }

    fn is_in_order(&self) -> bool {
        let summary = self.fold.summary();
        summary.losses.is_empty() && summary.status != Status::Crashed
    }

    fn footprint(&self) -> usize {
        self.fold.footprint() + self.drawn.as_ref().map_or(0, |drawn| drawn.shape.footprint())
    }
}

fn segments(log: &Log) -> Vec<(u64, u64)> {
    log.headers().map(|header| (header.number, header.salt)).collect()
}

/// No more than this is kept, in bytes, but for one session of any size.
const MOST: usize = 64 << 20;
/// Nor of more views.
const MOST_VIEWS: usize = 4096;

/// What is kept of a store's sessions.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    /// By the folders of their logs.
    read: HashMap<PathBuf, Read>,
    /// Bytes that `read` takes.
    size: usize,
    shown: HashMap<PathBuf, Shown>,
}

impl Kept {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been read of a session. Whoever holds the view's lock may have it.
    pub(crate) fn take(&self, store: &Store, session: &SessionName) -> Option<Read> {
        let mut tables = self.tables();
        let read = tables.read.remove(&store.folder(session))?;
        tables.size = tables.size.saturating_sub(read.footprint());
        Some(read)
    }

    /// Keeps it, if there is more to come and it is in order.
    pub(crate) fn put(&self, store: &Store, session: &SessionName, mut read: Read) {
        if !read.live || !store.is_open_here(session) || !read.is_in_order() {
            return;
        }
        read.log.source_mut().let_go();
        let size = read.footprint();
        let mut tables = self.tables();
        if tables.size + size > MOST || tables.read.len() > 2 * store.live_count() + 16 {
            tables.read.clear();
            tables.size = 0;
        }
        tables.size += size;
        tables.read.insert(store.folder(session), read);
    }

    /// What the session's view shows, if it was written here.
    pub(crate) fn shown(&self, store: &Store, session: &SessionName) -> Option<Shown> {
        self.tables().shown.get(&store.folder(session)).cloned()
    }

    pub(crate) fn set_shown(&self, store: &Store, session: &SessionName, shown: Option<Shown>) {
        let mut tables = self.tables();
        if tables.shown.len() >= MOST_VIEWS {
            tables.shown.clear();
        }
        match shown {
            Some(shown) => tables.shown.insert(store.folder(session), shown),
            None => tables.shown.remove(&store.folder(session)),
        };
    }
}

/// How a session that is live, or is not, is read.
pub(crate) fn reading(live: bool) -> Reading {
    if live { Reading::Live } else { Reading::Whole }
}

/// The stamp of a file that is there.
pub(crate) fn stamp_at(path: &Path) -> io::Result<Option<Stamp>> {
    std::fs::metadata(path).map(|file| Stamp::of(&file))
}
