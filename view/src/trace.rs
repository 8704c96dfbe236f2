//! One session as it is looked at: its fold, what is kept beside that, and how both follow the log.

use std::time::{Duration, Instant};

use tracewal::fold::{Fold, Summary};
use tracewal::{Log, Reading, SessionName, Status, Store};
use tracewal_compact::Spans;
use tracewal_format::index::FilesStamp;

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
    /// How often its log has been read from the beginning again.
    read_anew: u64,
}

/// How long to wait before a crash that could not be recorded is tried again.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a log is, that has been read to its end.
struct Read {
    log: Log,
    fold: Fold,
    index: Index,
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

impl Trace {
    /// Reads a session's log to its end. The crash of a writer that died is recorded first, if the store may be written.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn open(store: &Store, session: &SessionName) -> Result<Self> {
        let is_live = store.is_live(session);
        let files = files(store, session, is_live);
        let Read { log, fold, index } = read(store, session, is_live)?;
        let spans = Spans::of(&fold);
        let mut trace = Trace {
            store: store.clone(),
            session: session.clone(),
            log,
            fold,
            index,
            spans,
            skeleton: Skeleton::default(),
            is_live,
            files,
            version: 1,
            anew_at: 1,
            recovered: None,
            read_anew: 0,
        };
        trace.recover()?;
        trace.draw(false);
        Ok(trace)
    }

    /// Reads what has been written since. `true`: something is not what it was.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn catch_up(&mut self) -> Result<bool> {
        let (before, log) = (self.extent(), self.read_anew);
        // Asked before the log is read: what a writer wrote before it went is still seen.
        let is_live = self.store.is_live(&self.session);
        if is_live && self.is_live {
            if self.read_on().is_err() {
                self.read_again(is_live)?;
            }
        } else if is_live != self.is_live || files(&self.store, &self.session, false) != self.files {
            self.read_again(is_live)?;
        }
        self.recover()?;
        let is_changed = self.extent() != before || self.anew_at > self.version;
        if is_changed {
            self.version += 1;
            self.draw(self.read_anew == log);
        }
        Ok(is_changed)
    }

    fn read_on(&mut self) -> std::io::Result<()> {
        self.log.refresh()?;
        self.index.begin_to_read();
        let index = &mut self.index;
        self.fold.read_on_with(&mut self.log, |fold, item| index.add(fold, item))
    }

    fn read_again(&mut self, is_live: bool) -> Result<()> {
        let id = |log: &Log| log.headers().next().map(|header| (header.session_uid, header.generation));
        self.files = files(&self.store, &self.session, is_live);
        let Read { log, fold, index } = read(&self.store, &self.session, is_live)?;
        if id(&log) != id(&self.log) {
            self.anew_at = self.version + 1;
        }
        (self.log, self.fold, self.index, self.is_live) = (log, fold, index, is_live);
        self.read_anew += 1;
        Ok(())
    }

    /// Records the crash of a writer that died. Whatever keeps that from being done is no reason not to show what there is: it is shown
    /// as a crash that is not recorded yet.
    fn recover(&mut self) -> Result<()> {
        let is_due = self.recovered.is_none_or(|at| at.elapsed() > PATIENCE);
        if !self.is_unrecorded_crash() || self.store.is_read_only() || !is_due {
            return Ok(());
        }
        self.recovered = Some(Instant::now());
        if self.store.recover_session(&self.session).is_ok() {
            // Its view is somebody else's to write, if this fails.
            let _ = self.store.materialise(&self.session);
            self.read_again(self.store.is_live(&self.session))?;
        }
        Ok(())
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

fn read(store: &Store, session: &SessionName, is_live: bool) -> Result<Read> {
    let reading = if is_live { Reading::Live } else { Reading::Whole };
    let mut log = store.read(session, reading)?;
    let (mut fold, mut index) = (Fold::default(), Index::default());
    fold.read_on_with(&mut log, |fold, item| index.add(fold, item)).map_err(ViewError::Log)?;
    Ok(Read { log, fold, index })
}

/// What tells that the log of a session that nobody has open has been written to.
fn files(store: &Store, session: &SessionName, is_live: bool) -> Option<FilesStamp> {
    if is_live { None } else { store.index().files(session).ok() }
}
