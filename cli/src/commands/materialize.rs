//! `tracewal materialize`: views from logs.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracewal::{SessionName, Store};

use crate::args::Materialize;
use crate::failure::{Failure, Outcome, Result};
use crate::{output, stores, text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    session_id: String,
    path: Option<PathBuf>,
    status: Option<&'static str>,
    error: Option<String>,
}

pub(crate) fn run(folder: &Path, args: &Materialize) -> Result<()> {
    let store = stores::open_existing(folder, stores::options())?;
    let mut out = output::worker();
    let mut outcome = Outcome::default();
    let mut lines = Vec::new();
    for session in stores::sessions(&store, &args.sessions.sessions)? {
        let id = session.id().to_owned();
        match one(&store, &session) {
            Ok((path, status)) => {
                if !args.json.json {
                    writeln!(out, "{}", text::one_line(&path.display().to_string()))?;
                    out.flush()?;
                }
                lines.push(Line { session_id: id, path: Some(path), status: Some(status), error: None });
            }
            Err(failure) => {
                let error = Some(failure.to_string());
                lines.push(Line { session_id: id, path: None, status: None, error });
                outcome.note(failure)?;
            }
        }
    }
    if args.json.json {
        output::json(&lines)?;
    }
    outcome.finish()
}

fn one(store: &Store, session: &SessionName) -> Result<(PathBuf, &'static str)> {
    if !store.is_live(session) {
        // A session that came from elsewhere has no owner entry by which opening would have found it.
        store.recover_session(session)?;
    }
    match store.materialise(session)? {
        Some(view) => Ok((view.path, view.status.as_str())),
        None => Err(Failure::error(format!(
            "session \"{}\": its ending is not durable yet; try again",
            session.id()
        ))),
    }
}
