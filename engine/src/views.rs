//! What the engine asks of whoever makes the views. The crate `tracewal-compact` answers; the engine does not know how.

use std::path::PathBuf;

use crate::error::Result;
use crate::store::{SessionName, Store, WeakStore};

/// How a session stands (SPEC.md section 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// It has no ending yet.
    #[default]
    Running,
    /// It ended in order.
    Completed,
    /// It ended in order, with an error.
    Error,
    /// It has a crash record.
    Crashed,
}

impl Status {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Error => "error",
            Status::Crashed => "crashed",
        }
    }
}

/// A view as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Materialised {
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub status: Status,
}

/// Makes the views of a store's sessions.
pub trait Views: Send + Sync {
    /// A store has been opened for writing with these views. It may be followed until it is gone.
    fn attached(&self, store: WeakStore);

    /// Writes a session's view now, by the protocol of SPEC.md section 12. `None`: it was left alone, because the ending is not
    /// durable yet or recovery comes first.
    ///
    /// # Errors
    /// What reading the log or writing the view met. The log is not touched by it.
    fn materialise(&self, store: &Store, session: &SessionName) -> Result<Option<Materialised>>;
}
