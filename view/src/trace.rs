//! One session as it is looked at: its fold, what is kept beside that, and how both follow the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracewal::fold::{Fold, Summary};
use tracewal::{Log, Reading, SessionName, Status, Store};
use tracewal_compact::Spans;
use tracewal_format::index::FilesStamp;
use tracewal_prices::Prices;

use crate::error::{Result, ViewError};
use crate::index::Index;
use crate::skeleton::Skeleton;

/// A session that is looked at. What is in memory grows with its spans and events, not with what is in them.
#[derive(Debug)]
pub struct Trace {
    pub(crate) store: Store,
    pub(crate) session: SessionName,
    pub(crate) log: Log,
    pub(crate) fold: Fold,
    pub(crate) index: Index,
    pub(crate) spans: Spans,
    pub(crate) skeleton: Skeleton,
    /// For what does not say itself what it cost.
    pub(crate) prices: Arc<Prices>,
    /// A writer that lives had the session open, before the log was read for the last time.
    is_live: bool,
    /// The log's files, before it was read for the last time; for a session that nobody has open.
    files: Option<FilesStamp>,
    /// Goes up with every change.
    version: u64,
    /// The version from which on positions are what they are.
    anew_at: u64,
    /// When the crash of its writer was last tried to be recorded.
    recovered: Option<Instant>,
    /// A recovery of it is on its way.
    recovering: Arc<AtomicBool>,
    /// Somebody reads its log anew.
    is_read_anew: bool,
    /// There was no time to read to the end of the log.
    is_behind: bool,
}

/// How long to wait before a crash that could not be recorded is tried again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Recording the crash of a writer that died.
pub(crate) struct Recovery {
    store: Store,
    session: SessionName,
    running: Arc<AtomicBool>,
}

impl Recovery {
    /// `false`: it could not be recorded, and is shown as a crash that is not recorded yet.
    pub(crate) fn run(self) -> bool {
        let is_recorded = self.store.recover_session(&self.session).is_ok();
        self.running.store(false, Ordering::Release);
        // The view may take much longer than the record. If it cannot be written, that is for whoever opens the store next.
        if is_recorded {
            let _ = self.store.materialise(&self.session);
        }
        is_recorded
    }
}

/// How much of a log has been taken in.
#[derive(PartialEq)]
struct Extent {
    last_seq: u64,
    events: u64,
    crashes: u64,
    losses: usize,
    status: Status,
    is_live: bool,
}

/// Who may write to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// It has been opened, and its process lives.
    Alive,
    /// It died, or its crash has been recorded.
    Dead,
    /// Nobody has it open.
    None,
}

impl Writer {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Writer::Alive => "alive",
            Writer::Dead => "dead",
            Writer::None => "none",
        }
    }
}

/// How far a trace has followed its log.
pub(crate) enum Followed {
    /// As far as there was time for.
    Here,
    /// Not at all: the log has to be read anew, which takes a while, and needs no trace.
    Anew(Anew),
}

/// A log that has to be read from its beginning.
pub(crate) struct Anew {
    store: Store,
    session: SessionName,
    is_live: bool,
}

/// A log that has been.
pub(crate) struct ReadAnew {
    log: Log,
    fold: Fold,
    index: Index,
    is_live: bool,
    files: Option<FilesStamp>,
}

impl Anew {
    pub(crate) fn read(self) -> Result<ReadAnew> {
        let Anew { store, session, is_live } = self;
        // Before the log is: what is written meanwhile is seen by the next look.
        let files = files(&store, &session, is_live);
        let reading = if is_live { Reading::Live } else { Reading::Whole };
        let mut log = store.read(&session, reading)?;
        let (mut fold, mut index) = (Fold::default(), Index::default());
        let read = fold.read_on_with(&mut log, |fold, item| {
            index.add(fold, item);
            true
        });
        read.map_err(ViewError::Log)?;
        Ok(ReadAnew { log, fold, index, is_live, files })
    }
}

impl Trace {
    /// Reads a session's log to its end. The crash of a writer that died is recorded, if the store may be written. What costs are estimated
    /// by are these prices.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn open(store: &Store, session: &SessionName, prices: &Arc<Prices>) -> Result<Self> {
        let is_live = store.is_live(session);
        let anew = Anew { store: store.clone(), session: session.clone(), is_live };
        let ReadAnew { log, fold, index, is_live, files } = anew.read()?;
        let spans = Spans::of(&fold);
        let mut trace = Trace {
            store: store.clone(),
            session: session.clone(),
            log,
            fold,
            index,
            spans,
            skeleton: Skeleton::default(),
            prices: Arc::clone(prices),
            is_live,
            files,
            version: 1,
            anew_at: 1,
            is_read_anew: false,
            is_behind: false,
            recovered: None,
            recovering: Arc::default(),
        };
        trace.draw(false);
        if trace.is_unrecorded_crash() {
            trace.catch_up()?;
        }
        Ok(trace)
    }

    /// Reads what has been written since, to its end, and records the crash of a writer that died. `true`: something is not what it was.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn catch_up(&mut self) -> Result<bool> {
        let before = self.version;
        loop {
            if let Followed::Anew(anew) = self.follow(None)? {
                self.take(anew.read())?;
            }
            // What a recovery wrote is still to be read.
            if !self.begin_recovery().is_some_and(Recovery::run) {
                return Ok(self.version != before);
            }
        }
    }

    /// Reads what has been written since, for about so long.
    ///
    /// # Errors
    /// When the log can't be read.
    pub(crate) fn follow(&mut self, patience: Option<Duration>) -> Result<Followed> {
        if self.is_read_anew {
            return Ok(Followed::Here);
        }
        let before = self.extent();
        // Asked before the log is read: what a writer wrote before it went is still seen.
        let is_live = self.store.is_live(&self.session);
        let files = files(&self.store, &self.session, is_live);
        let is_read =
            if self.is_live { self.read_on(patience).ok() } else { (files == self.files).then_some(true) };
        if is_read == Some(true) && self.is_live && !is_live {
            // The writer has gone, which is said at once. The end of a log that it did not close is to be read as one that is whole: when
            // recovery has been there, if that is to come.
            self.is_live = false;
            let is_closed = self.log.seal(self.log.last_segment()).is_some();
            let waits = self.is_unrecorded_crash() && !self.store.is_read_only();
            self.files = files.filter(|_| is_closed || waits);
        }
        self.is_behind = is_read == Some(false);
        if self.extent() != before {
            self.version += 1;
            self.draw(true);
        }
        if is_read.is_some() {
            return Ok(Followed::Here);
        }
        self.is_read_anew = true;
        Ok(Followed::Anew(Anew { store: self.store.clone(), session: self.session.clone(), is_live }))
    }

    /// Reads on. `true`: to the end.
    fn read_on(&mut self, patience: Option<Duration>) -> std::io::Result<bool> {
        let (begun, mut left) = (Instant::now(), 0_u32);
        self.log.refresh()?;
        self.index.begin_to_read();
        let index = &mut self.index;
        self.fold.read_on_with(&mut self.log, |fold, item| {
            index.add(fold, item);
            // The clock is looked at now and then.
            left = left.checked_sub(1).unwrap_or(1000);
            left > 0 || patience.is_none_or(|patience| begun.elapsed() < patience)
        })
    }

    /// Becomes what has been read anew.
    ///
    /// # Errors
    /// Why it was not.
    pub(crate) fn take(&mut self, read: Result<ReadAnew>) -> Result<()> {
        self.is_read_anew = false;
        let ReadAnew { log, fold, index, is_live, files } = read?;
        let id = |log: &Log| log.headers().next().map(|header| (header.session_uid, header.generation));
        let before = self.extent();
        let is_same = id(&log) == id(&self.log);
        (self.log, self.fold, self.index) = (log, fold, index);
        (self.is_live, self.files) = (is_live, files);
        if !is_same || self.extent() != before {
            self.version += 1;
        }
        if !is_same {
            self.anew_at = self.version;
        }
        self.draw(false);
        Ok(())
    }

    /// The recovery that is due, if one is: it is to be run once, and may take a while.
    pub(crate) fn begin_recovery(&mut self) -> Option<Recovery> {
        let is_due = self.recovered.is_none_or(|at| at.elapsed() > PATIENCE);
        let is_wanted = is_due && self.is_unrecorded_crash() && !self.store.is_read_only();
        if !is_wanted || self.recovering.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.recovered = Some(Instant::now());
        let (store, session) = (self.store.clone(), self.session.clone());
        Some(Recovery { store, session, running: Arc::clone(&self.recovering) })
    }

    /// Draws the skeleton. `is_same_fold`: the fold is the one that it was drawn of before.
    fn draw(&mut self, is_same_fold: bool) {
        self.spans = Spans::of(&self.fold);
        let died_at = self.is_unrecorded_crash().then(|| self.summary().ended_at.as_ns_i64());
        let is_same = self.skeleton.update(&self.fold, &self.spans, &self.index, self.version, died_at);
        if is_same_fold && !is_same {
            self.anew_at = self.version;
        }
    }

    fn extent(&self) -> Extent {
        let summary = self.summary();
        Extent {
            last_seq: summary.last_seq,
            events: summary.events,
            crashes: summary.crashes,
            losses: summary.losses.len(),
            status: summary.status,
            is_live: self.is_live,
        }
    }

    /// How the session stands.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        self.fold.summary()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &SessionName {
        &self.session
    }

    /// Goes up with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether positions that were given out at a version are no longer those of the same spans and events.
    #[must_use]
    pub fn is_anew_since(&self, version: u64) -> bool {
        self.anew_at > version
    }

    /// Whether a writer that lives has the session open.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Whether there is more in the log than there was time to read.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The writer of its last run died, and that has not been written into the log.
    #[must_use]
    pub fn is_unrecorded_crash(&self) -> bool {
        !self.is_live && self.summary().runs.last().is_some_and(|run| run.ending.is_none())
    }

    /// Who may write to it.
    #[must_use]
    pub fn writer(&self) -> Writer {
        let is_crashed = self.summary().status == Status::Crashed || self.is_unrecorded_crash();
        match (self.is_live, is_crashed) {
            (true, _) => Writer::Alive,
            (false, true) => Writer::Dead,
            (false, false) => Writer::None,
        }
    }

    /// How it stands, in a word.
    #[must_use]
    pub fn status(&self) -> &'static str {
        let summary = self.summary();
        match summary.status {
            _ if self.is_unrecorded_crash() => Status::Crashed.as_str(),
            _ if summary.session_id.is_empty() => "unreadable",
            status => status.as_str(),
        }
    }

    /// How much of it is in memory, in spans and entries.
    pub(crate) fn size(&self) -> usize {
        self.spans.len() + self.index.entries.len()
    }

    /// Closes its files until it is read on.
    pub fn rest(&mut self) {
        self.log.source_mut().let_go();
    }
}

/// What tells that the log of a session that nobody has open has been written to.
fn files(store: &Store, session: &SessionName, is_live: bool) -> Option<FilesStamp> {
    if is_live { None } else { store.index().files(session).ok() }
}
