//! Sessions from other formats, as events.
//!
//! An importer reads a file (or, for opencode, a folder) and hands events to a [`Sink`], each with the session that it belongs to and its
//! time. The first event of a session is `session-started`. A session that had not ended gets no ending.
//!
//! | file | holds |
//! |---|---|
//! | `canonical.rs` | the canonical JSON |
//! | `otlp.rs`, `otlp_spans.rs`, `otlp_file.rs` | OTLP in JSON or protobuf: its sessions, what its spans mean, and reading them one at a time |
//! | `opencode.rs` | the storage folder of opencode |
//! | `lines.rs` | a log as JSON lines |
//! | `spans.rs` | a span as events |

mod canonical;
mod lines;
mod opencode;
mod otlp;
mod otlp_file;
mod otlp_spans;
mod spans;

use std::fmt;
use std::io;

use tracewal_format::event::Event;
use tracewal_format::time::Time;

pub use canonical::canonical;
pub use lines::lines;
pub use opencode::{Storage, opencode};
pub use otlp::otlp;

/// Takes the events of an import, in order: the id of their session, their time, and the event.
pub type Sink<'s, E> = &'s mut dyn FnMut(&str, Time, Event<'_>) -> Result<(), E>;

/// Why an import stopped.
#[derive(Debug)]
pub enum ImportError<E> {
    /// The file can't be read.
    Read(io::Error),
    /// It is not in the format.
    Format(String),
    /// The sink refused an event.
    Sink(E),
}

impl<E> From<E> for ImportError<E> {
    fn from(error: E) -> Self {
        ImportError::Sink(error)
    }
}

impl<E: fmt::Display> fmt::Display for ImportError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Read(error) => write!(f, "{error}"),
            ImportError::Format(what) => f.write_str(what),
            ImportError::Sink(error) => write!(f, "{error}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ImportError<E> {}

/// How long an id may be, in bytes.
const ID_LIMIT_BYTES: usize = 255;

/// An id that an event can hold: one that is empty or too long is replaced by a hash of it.
fn fit(id: &str) -> String {
    if id.is_empty() || id.len() > ID_LIMIT_BYTES {
        return crate::ids::to_hex(&crate::ids::span_id("import", id));
    }
    id.to_owned()
}
