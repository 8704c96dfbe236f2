//! What can go wrong, as something a caller can act on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of anything that touches a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has a session open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The writer's id.
    pub writer: String,
    /// Its process id; 0 = unknown.
    pub pid: u32,
    /// Its machine, if known.
    pub host: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match &self.host {
            Some(host) => write!(f, " on {host}"),
            None => Ok(()),
        }
    }
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is no room. Nothing was acknowledged; freeing space lets the session go on.
    DiskFull {
        /// What was attempted.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
    },
    /// Somebody else has the session open.
    Busy {
        /// The session's id.
        session: String,
        /// Who.
        holder: Holder,
    },
    /// There is no such session.
    NotFound {
        /// Its id.
        session: String,
    },
    /// There is such a session already.
    Exists {
        /// Its id.
        session: String,
    },
    /// The session has been ended or closed; it can be resumed.
    Ended {
        /// Its id.
        session: String,
    },
    /// A sync or a write failed, or the file was cut: what was not durable before may be lost. Reopening the session saves what can be
    /// read (I8).
    Poisoned {
        /// Its id.
        session: String,
        /// What failed, and how.
        reason: String,
    },
    /// A child process used what its parent had opened. It has to open the store itself.
    Forked,
    /// A value is larger than the record limit.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not a session id: it has to be 1 to 255 bytes long.
    BadId {
        /// Its length in bytes.
        len: usize,
    },
    /// A newer version of tracewal wrote this.
    TooNew {
        /// The file.
        path: PathBuf,
    },
    /// The folder is not a store, and not empty either.
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The store is on a network file system, where locks and syncs promise less.
    NetworkFileSystem {
        /// The folder.
        path: PathBuf,
        /// Which one.
        name: &'static str,
    },
    /// The store was opened for reading only.
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// A view could not be made of a log.
    View {
        /// The session's id.
        session: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Error::DiskFull { doing, path } => {
                write!(f, "{doing} {}: the disk is full; free some space and try again", path.display())
            }
            Error::Busy { session, holder } => {
                write!(
                    f,
                    "session \"{session}\" is open in {holder}; end that process or use another session"
                )
            }
            Error::NotFound { session } => {
                write!(f, "there is no session \"{session}\"; `tracewal ls --all` lists them")
            }
            Error::Exists { session } => {
                write!(f, "session \"{session}\" exists; resume it or use another id")
            }
            Error::Ended { session } => {
                write!(f, "session \"{session}\" has been closed here; resume it to go on")
            }
            Error::Poisoned { session, reason } => write!(
                f,
                "session \"{session}\" takes nothing more ({reason}); reopen it to save what can be read"
            ),
            Error::Forked => {
                write!(f, "this process was forked from the one that opened the store; open it here")
            }
            Error::TooLarge { size, limit } => {
                write!(
                    f,
                    "a value of {size} bytes is over the record limit of {limit} bytes; split it or raise the limit"
                )
            }
            Error::BadId { len } => write!(f, "a session id has 1 to 255 bytes, not {len}"),
            Error::TooNew { path } => {
                write!(f, "{} was written by a newer version of tracewal; use that version", path.display())
            }
            Error::NotAStore { path } => {
                write!(
                    f,
                    "{} is neither a tracewal store nor an empty folder; name another folder",
                    path.display()
                )
            }
            Error::NetworkFileSystem { path, name } => write!(
                f,
                "{} is on {name}, a network file system; use a local folder, or allow it and accept that locks and syncs promise less",
                path.display()
            ),
            Error::ReadOnly { path } => write!(f, "the store {} is open for reading only", path.display()),
            Error::View { session, reason } => {
                write!(f, "the view of session \"{session}\" could not be made: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Error::DiskFull { doing, path: path.to_owned() };
        }
        Error::Io { doing, path: path.to_owned(), source }
    }

    /// Whether it says that a file or folder is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
            || matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
