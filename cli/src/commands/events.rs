//! `tracewal events`: a log as JSON lines (SPEC.md section 8).

use std::io::Write;
use std::path::Path;

use tracewal::{SessionName, Store};

use crate::account::{reading, written};
use crate::args::Events;
use crate::failure::Result;
use crate::redaction::Redaction;
use crate::{output, stores};

pub(crate) fn run(folder: &Path, args: &Events) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    let redaction = Redaction::asked_for(&args.redact, Some(&store))?;
    let copy = redaction.map(|redaction| redaction.copy_of(&store, &session)).transpose()?;
    match &copy {
        Some(copy) => print(&copy.store, &copy.session, args),
        None => print(&store, &session, args),
    }
}

fn print(store: &Store, session: &SessionName, args: &Events) -> Result<()> {
    let mut log = store.read(session, reading(store.is_live(session)))?;
    let from = args.from.unwrap_or(0);
    if from > 0 {
        log.skip_to(from);
    }
    let mut out = output::programs();
    tracewal_exchange::events::write(&mut log, from, &mut out).map_err(written)?;
    Ok(out.flush()?)
}
