//! `tracewal recover`: what dead processes left.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::account::Account;
use crate::args::Json;
use crate::failure::{ERROR, Failure, Outcome, Result};
use crate::{output, stores, text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    session_id: String,
    status: Option<&'static str>,
    error: Option<String>,
}

pub(crate) fn run(folder: &Path, json: Json) -> Result<()> {
    let store = stores::open_existing(folder, stores::options().recover(false))?;
    let recovered = store.recover()?;
    let mut lines = Vec::new();
    for session in &recovered.sessions {
        let status = Account::of(&store, session).ok().map(|account| account.status());
        lines.push(Line { session_id: session.id().to_owned(), status, error: None });
    }
    let mut outcome = Outcome::default();
    for (session, why) in &recovered.failed {
        outcome.note(Failure::Said(ERROR, format!("session \"{}\": {why}", session.id())))?;
        lines.push(Line { session_id: session.id().to_owned(), status: None, error: Some(why.clone()) });
    }
    if json.json {
        output::json(&lines)?;
    } else {
        let mut out = output::people();
        for line in &lines {
            if let Some(status) = line.status {
                let style = output::status_style(status);
                writeln!(out, "{}  {style}{status}{style:#}", text::one_line(&line.session_id))?;
            }
        }
        out.flush()?;
    }
    outcome.finish()
}
