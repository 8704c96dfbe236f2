//! What may be found to be wrong with a store, so that it can be counted.

use std::fmt;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// So many events that had to be there are not.
    Lost(u64, String),
    /// So many events are there more than once.
    Duplicated(u64, String),
    /// A session or its view says something else than how it ended.
    Status(String),
    /// Anything else: an event that was never appended, the wrong order, something that is left over, an error, a panic.
    Otherwise(String),
}

impl Wrong {
    /// The same, with what it was about.
    pub(crate) fn about(mut self, what: impl FnOnce(&str) -> String) -> Self {
        let (Wrong::Lost(_, text)
        | Wrong::Duplicated(_, text)
        | Wrong::Status(text)
        | Wrong::Otherwise(text)) = &mut self;
        *text = what(text);
        self
    }
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Wrong::Otherwise(what)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Lost(count, what) => write!(f, "{count} lost: {what}"),
            Wrong::Duplicated(count, what) => write!(f, "{count} duplicated: {what}"),
            Wrong::Status(what) | Wrong::Otherwise(what) => f.write_str(what),
        }
    }
}

/// Nothing wrong, if this holds.
pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong::Otherwise(what())) }
}

/// The right status, if this holds.
pub(crate) fn ensure_status(holds: bool, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong::Status(what())) }
}
