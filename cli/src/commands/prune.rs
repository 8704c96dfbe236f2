//! `tracewal prune`: old sessions removed.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tracewal::{Policy, Time};

use crate::args::Prune;
use crate::failure::{ERROR, Failure, Outcome, Result};
use crate::{output, stores, text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    session_id: String,
    bytes: u64,
    written_at: String,
    removed: bool,
    error: Option<String>,
}

pub(crate) fn run(folder: &Path, args: &Prune) -> Result<()> {
    let store = stores::open_existing(folder, stores::options())?;
    let policy = Policy {
        keep_newest: args.keep,
        older_than: args.older_than,
        max_bytes: args.max_size.map(|size| size.as_u64()),
    };
    let pruned = tracewal::prune(&store, policy, args.dry_run)?;
    let mut out = output::people();
    let mut outcome = Outcome::default();
    let (mut lines, mut bytes, mut sessions) = (Vec::new(), 0_u64, 0);
    for session in pruned {
        let (id, written) = (session.session.id(), Time::from(session.written));
        if let Some(why) = &session.error {
            outcome.note(Failure::Said(ERROR, format!("session \"{id}\": {why}")))?;
        } else {
            bytes = bytes.saturating_add(session.bytes);
            sessions += 1;
            if !args.json.json {
                let size = text::bytes(session.bytes);
                writeln!(out, "{}  {}  {size}", text::one_line(id), text::local(written))?;
            }
        }
        lines.push(Line {
            session_id: id.to_owned(),
            bytes: session.bytes,
            written_at: text::utc(written),
            removed: session.error.is_none() && !args.dry_run,
            error: session.error,
        });
    }
    if args.json.json {
        output::json(&lines)?;
    } else {
        let done = if args.dry_run { "would be removed" } else { "removed" };
        writeln!(out, "{}, {} {done}", text::count(sessions, "session"), text::bytes(bytes))?;
        out.flush()?;
    }
    outcome.finish()
}
