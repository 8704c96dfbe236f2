//! Wrong ways to publish a record, chosen by `TRACEWAL_FAULT`. Only with the feature `fault-injection`: a test that never sees its
//! hazard proves nothing.

use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The publish word is stored before the body.
    WordFirst,
    /// A record is published, and acknowledged, without waiting for the one before it.
    OutOfTurn,
}

/// The fault that this process is to make.
pub(crate) fn chosen() -> Option<Fault> {
    static CHOSEN: OnceLock<Option<Fault>> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var("TRACEWAL_FAULT").ok()?.as_str() {
        "word-first" => Some(Fault::WordFirst),
        "out-of-turn" => Some(Fault::OutOfTurn),
        _ => None,
    })
}
