//! `tracewal verify`: what is damaged.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;
use tracewal::{Access, Loss, SessionName, Store};

use crate::account;
use crate::args::Verify;
use crate::failure::{DAMAGED, ERROR, Failure, Outcome, Result};
use crate::{output, stores, text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    session_id: String,
    damage: Vec<Box<RawValue>>,
    error: Option<String>,
}

pub(crate) fn run(folder: &Path, args: &Verify) -> Result<()> {
    // Nothing is recovered, not even looked at with a lock.
    let store = stores::open_existing(folder, stores::options().access(Access::Read))?;
    let sessions = stores::sessions(&store, &args.sessions.sessions)?;
    let mut out = output::people();
    let (mut lines, mut is_damaged) = (Vec::new(), false);
    let mut outcome = Outcome::default();
    for session in sessions {
        match damage(&store, &session) {
            Ok(damage) => {
                is_damaged |= !damage.is_empty();
                if !args.json.json {
                    for loss in &damage {
                        writeln!(out, "{}: {}", text::one_line(session.id()), account::loss(loss))?;
                    }
                }
                let damage = damage.iter().filter_map(account::loss_json).collect();
                lines.push(Line { session_id: session.id().to_owned(), damage, error: None });
            }
            Err(failure) => {
                let error = Some(failure.to_string());
                outcome.note(Failure::Said(ERROR, format!("session \"{}\": {failure}", session.id())))?;
                lines.push(Line { session_id: session.id().to_owned(), damage: Vec::new(), error });
            }
        }
    }
    out.flush()?;
    if args.json.json {
        output::json(&lines)?;
    }
    if is_damaged { Err(Failure::Silent(DAMAGED)) } else { outcome.finish() }
}

fn damage(store: &Store, session: &SessionName) -> Result<Vec<Loss>> {
    let mut losses = store.verify(session)?;
    losses.retain(account::is_damage);
    Ok(losses)
}
