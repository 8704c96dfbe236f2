//! Opening a store whose sessions have views.

use std::path::Path;
use std::sync::Arc;

use tracewal_engine::{Options, Result, Store};

use crate::compactor::{Compaction, Compactor};

/// How a store is opened, with views kept current in the background. The defaults are right for an agent that records its own
/// sessions.
#[must_use]
pub fn options() -> Options {
    options_with(Compaction::Background)
}

/// The same, with views kept current as `compaction` says.
#[must_use]
pub fn options_with(compaction: Compaction) -> Options {
    Options::with_views(Arc::new(Compactor::new(compaction)))
}

/// Opens the store in this folder, with the defaults; it is made if it is not there, and recovered.
///
/// # Errors
/// Those of [`Options::open`].
pub fn open(path: impl AsRef<Path>) -> Result<Store> {
    options().open(path)
}
