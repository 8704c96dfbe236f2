//! `tracewal events`: a log as JSON lines (SPEC.md section 8).

use std::io::Write;
use std::path::Path;

use tracewal::{Error, Item, SessionName, Store};
use tracewal_format::json::{write_event, write_loss, write_slot};

use crate::account::reading;
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
    let failed = |source| Error::Io { doing: "read", path: store.folder(session), source };
    let mut out = output::programs();
    let mut line = Vec::new();
    // The sequence number behind the last event.
    let mut next = 0;
    while let Some(item) = log.next().map_err(failed)? {
        line.clear();
        match item {
            Item::Event(entry) => {
                next = entry.seq + 1;
                if entry.seq < from {
                    continue;
                }
                write_event(&entry, &mut line);
            }
            Item::Loss(loss) => {
                if loss.missing.map_or(next, |(_, last)| last) < from {
                    continue;
                }
                line.extend_from_slice(b"{\"lost\":");
                write_loss(&loss, &mut line);
                line.push(b'}');
            }
            Item::Slot(slot) => write_slot(&slot, &mut line),
            Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => continue,
        }
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(out.flush()?)
}
