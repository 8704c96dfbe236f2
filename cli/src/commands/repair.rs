//! `tracewal repair`: a damaged log made sound.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::account;
use crate::args::Repair;
use crate::failure::Result;
use crate::{output, stores, text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    session_id: String,
    lost: Vec<Box<RawValue>>,
    kept: Option<PathBuf>,
}

pub(crate) fn run(folder: &Path, args: &Repair) -> Result<()> {
    let store = stores::open_existing(folder, stores::options())?;
    let session = stores::session(&store, &args.session)?;
    let repaired = store.repair(&session)?;
    if args.json.json {
        let lost = repaired.losses.iter().filter_map(account::loss_json).collect();
        return output::json(&Report { session_id: session.id().to_owned(), lost, kept: repaired.kept });
    }
    let mut out = output::people();
    for loss in &repaired.losses {
        writeln!(out, "{}", text::one_line(&account::loss(loss)))?;
    }
    match repaired.kept {
        Some(kept) => writeln!(out, "The log is sound again. As it was, it is kept in {}", kept.display())?,
        None => writeln!(out, "The log is sound; nothing was done.")?,
    }
    Ok(out.flush()?)
}
