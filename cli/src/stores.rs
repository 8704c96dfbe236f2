//! Opening the store that was named, and finding the session that was named.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use tracewal::{Access, Compaction, Options, SessionName, Store};

use crate::failure::{Failure, Result};
use crate::output;

/// Where the store is: as `--store` or `$TRACEWAL_STORE` say, else in the user's data folder.
pub(crate) fn folder(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(path) => Ok(path),
        None => etcetera::choose_base_strategy().map(|base| base.data_dir().join("tracewal")).map_err(|_| {
            Failure::error("there is no home folder to keep the store in; name one with --store DIR")
        }),
    }
}

/// A command is over soon: no thread keeps its views current.
pub(crate) fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
}

/// Opens a store that has to be there, to look at it: dead sessions are recovered if the user may write.
pub(crate) fn open_to_look(path: &Path) -> Result<Store> {
    let store = open_existing(path, options().access(Access::WriteOrRead))?;
    for (session, why) in store.health().failed_recoveries {
        output::mention(&format!("warning: session \"{session}\" could not be recovered: {why}"));
    }
    Ok(store)
}

/// Opens a store that has to be there.
pub(crate) fn open_existing(path: &Path, options: Options) -> Result<Store> {
    if !path.join("STORE").exists() && !path.join("sessions").is_dir() {
        return Err(Failure::not_found(format!(
            "no store at {}; name another folder with --store, or record something",
            path.display()
        )));
    }
    Ok(options.open(path)?)
}

/// The session with this id, or the only one whose id begins so.
pub(crate) fn session(store: &Store, id: &str) -> Result<SessionName> {
    match store.find(id) {
        Err(error) if error.is_not_found() => {}
        other => return Ok(other?),
    }
    let mut candidates = store.sessions()?;
    candidates.retain(|session| !id.is_empty() && session.id().starts_with(id));
    match candidates.as_slice() {
        [] => Err(tracewal::Error::NotFound { session: id.to_owned() }.into()),
        [only] => Ok(only.clone()),
        several => {
            let shown: Vec<&str> = several.iter().take(5).map(SessionName::id).collect();
            let more = if several.len() > shown.len() { ", ..." } else { "" };
            Err(Failure::error(format!(
                "\"{id}\" is the beginning of {} sessions: {}{more}; give more of the id",
                several.len(),
                shown.join(", ")
            )))
        }
    }
}

/// The sessions that were named, or all of them.
pub(crate) fn sessions(store: &Store, ids: &[String]) -> Result<Vec<SessionName>> {
    if ids.is_empty() {
        return Ok(store.sessions()?);
    }
    ids.iter().map(|id| session(store, id)).collect()
}
