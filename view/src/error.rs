//! Why something cannot be shown.

use std::{fmt, io};

use tracewal::fold::RenderError;

/// Why something cannot be shown.
#[derive(Debug)]
pub enum ViewError {
    /// There is no such session, span, or part of one.
    NotFound(String),
    /// The store says no.
    Store(tracewal::Error),
    /// The log can't be read.
    Log(io::Error),
    /// The log is no longer what it was: it has been repaired, redacted or damaged since it was read. Ask again.
    LogChanged,
    /// The output can't be written.
    Write(io::Error),
    /// The server can't listen.
    Listen(io::Error),
}

/// What may be shown, or why it can't be.
pub type Result<T> = std::result::Result<T, ViewError>;

impl ViewError {
    pub(crate) fn no(what: impl fmt::Display) -> Self {
        ViewError::NotFound(what.to_string())
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewError::NotFound(what) => write!(f, "there is no {what}"),
            ViewError::Store(error) => error.fmt(f),
            ViewError::Log(error) => write!(f, "reading the log: {error}"),
            ViewError::LogChanged => f.write_str("the log has changed while it was read; load it again"),
            ViewError::Write(error) => write!(f, "writing: {error}"),
            ViewError::Listen(error) => write!(f, "listening on this machine: {error}; try another --port"),
        }
    }
}

impl std::error::Error for ViewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ViewError::Store(error) => Some(error),
            ViewError::Log(error) | ViewError::Write(error) | ViewError::Listen(error) => Some(error),
            ViewError::NotFound(_) | ViewError::LogChanged => None,
        }
    }
}

impl From<tracewal::Error> for ViewError {
    fn from(error: tracewal::Error) -> Self {
        ViewError::Store(error)
    }
}

impl From<RenderError<io::Error>> for ViewError {
    fn from(error: RenderError<io::Error>) -> Self {
        match error {
            RenderError::Read(error) => ViewError::Log(error),
            RenderError::Write(error) => ViewError::Write(error),
            RenderError::LogChanged { .. } => ViewError::LogChanged,
        }
    }
}

impl From<serde_json::Error> for ViewError {
    fn from(error: serde_json::Error) -> Self {
        ViewError::Write(error.into())
    }
}
