//! How a store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, Gate};
use crate::error::Result;
use crate::store::Store;
use crate::views::Views;

/// When events become durable, beyond surviving the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every event survives the process at once (`kill -9`), and a power cut within a second: a background thread syncs.
    Process,
    /// The same, with another interval.
    Interval(Duration),
    /// Every append returns when its event survives a power cut.
    Always,
}

impl Durability {
    pub(crate) fn interval(self) -> Duration {
        match self {
            Durability::Process | Durability::Always => Duration::from_secs(1),
            Durability::Interval(interval) => interval.max(Duration::from_millis(1)),
        }
    }
}

/// Whether the store may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is created if it is not there, and recovered.
    Write,
    /// Nothing in it is changed. Dead writers' sessions are not recovered.
    Read,
    /// To write, or if the user may not, to read.
    WriteOrRead,
}

/// How a store is opened. The defaults are right for an agent that records its own sessions.
#[derive(Clone)]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) access: Access,
    pub(crate) first_segment: u64,
    pub(crate) last_segment: u64,
    pub(crate) record_limit: usize,
    pub(crate) traces: Option<PathBuf>,
    pub(crate) allow_network: bool,
    pub(crate) plain_writes: bool,
    pub(crate) recover: bool,
    pub(crate) views: Option<Arc<dyn Views>>,
    pub(crate) disk: Disk,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("access", &self.access)
            .field("first_segment", &self.first_segment)
            .field("last_segment", &self.last_segment)
            .field("record_limit", &self.record_limit)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// For a store that writes logs alone: nobody makes views of its sessions.
    #[must_use]
    pub fn without_views() -> Self {
        Options {
            durability: Durability::Process,
            access: Access::Write,
            first_segment: 64 << 10,
            last_segment: 64 << 20,
            record_limit: 64 << 20,
            traces: None,
            allow_network: false,
            plain_writes: false,
            recover: true,
            views: None,
            disk: Disk::default(),
        }
    }

    /// For a store whose views are made by `views`.
    #[must_use]
    pub fn with_views(views: Arc<dyn Views>) -> Self {
        Options { views: Some(views), ..Options::without_views() }
    }

    /// When events become durable.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether the store may be written.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The sizes in bytes of a session's first segment and of its largest ones; each is rounded up to whole pages.
    /// At least 16 KiB, at most 1 GiB.
    #[must_use]
    pub fn segment_sizes(mut self, first: u64, last: u64) -> Self {
        let page = |size: u64| size.clamp(16 << 10, 1 << 30).next_multiple_of(4096);
        self.first_segment = page(first);
        self.last_segment = page(last).max(self.first_segment);
        self
    }

    /// The most bytes that one value (a text, input, output ...) may have: 64 MiB unless set, at most 256 MiB.
    #[must_use]
    pub fn record_limit(mut self, bytes: usize) -> Self {
        self.record_limit = bytes.min(256 << 20);
        self
    }

    /// The folder of the views, if it is not `traces` in the store.
    #[must_use]
    pub fn traces(mut self, folder: impl Into<PathBuf>) -> Self {
        self.traces = Some(folder.into());
        self
    }

    /// Opens a store on a network file system too. Locks and syncs promise there what the server keeps.
    #[must_use]
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// Writes every record with a call, as on file systems where a mapped page may have no block. For tests.
    #[must_use]
    pub fn plain_writes(mut self, plain: bool) -> Self {
        self.plain_writes = plain;
        self
    }

    /// Whether opening recovers the sessions of dead writers. On unless turned off.
    #[must_use]
    pub fn recover(mut self, recover: bool) -> Self {
        self.recover = recover;
        self
    }

    /// Puts somebody at the door to the disk. For tests.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.disk = Disk::gated(gate);
        self
    }

    /// Opens the store in this folder; with [`Access::Write`] it is made if it is not there.
    ///
    /// # Errors
    /// [`NotAStore`](crate::Error::NotAStore), [`NetworkFileSystem`](crate::Error::NetworkFileSystem),
    /// [`TooNew`](crate::Error::TooNew), or what the file system says.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(path.as_ref(), self)
    }
}
