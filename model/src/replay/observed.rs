//! What is seen of a session from outside: its files, beside what the model says of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracewal_compact::Fold;
use tracewal_engine::SegmentFiles;
use tracewal_format::log::Reading;

use super::process::SESSION;
use crate::log::Status;
use crate::world::{Folder, World};

/// A session's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// Status, events and crash records of the log; `None`: there is no session.
    log: Option<(Option<Status>, usize, u32)>,
    /// Status and events of the view; `Err`: it is not a whole document.
    view: Option<Result<(Option<Status>, usize), String>>,
    /// A temporary file lies beside it.
    temporary: bool,
    /// The run that the owner entry names.
    owned_run: Option<u8>,
}

impl Observed {
    /// As the model says.
    pub(super) fn modelled(world: &World) -> Self {
        let log = &world.log;
        let there = world.folder == Folder::There;
        Observed {
            log: there.then(|| (Some(log.status(log.end())), log.events(log.end()), log.crashes())),
            view: world.view.map(|view| match view.shows {
                Some(shows) => Ok((Some(log.status(shows)), log.events(shows))),
                None => Err("half written".to_owned()),
            }),
            temporary: !world.temporaries.is_empty(),
            owned_run: world.owner.map(|(_, run)| run),
        }
    }

    /// As the store is.
    pub(super) fn of(store: &Path) -> io::Result<Self> {
        let traces = store.join("traces");
        let owner = fs::read_to_string(store.join("owners").join(SESSION)).ok();
        let run = |text: String| text.lines().find_map(|line| line.strip_prefix("run ")?.parse().ok());
        Ok(Observed {
            log: of_log(&session(store))?,
            view: fs::read(traces.join(format!("{SESSION}.json"))).ok().map(|text| of_view(&text)),
            temporary: traces.join(format!("{SESSION}.json.tmp")).exists(),
            owned_run: owner.and_then(run),
        })
    }
}

fn of_log(folder: &Path) -> io::Result<Option<(Option<Status>, usize, u32)>> {
    if !folder.exists() {
        return Ok(None);
    }
    let mut log = SegmentFiles::open_log(folder, Reading::Live)?;
    let fold = Fold::of(&mut log)?;
    let summary = fold.summary();
    let events = usize::try_from(summary.events).unwrap_or(usize::MAX);
    let crashes = u32::try_from(summary.crashes).unwrap_or(u32::MAX);
    Ok(Some((named(summary.status.as_str()), events, crashes)))
}

fn of_view(text: &[u8]) -> Result<(Option<Status>, usize), String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let status = value.pointer("/summary/status").and_then(serde_json::Value::as_str);
    let events = value.pointer("/wal/events").and_then(serde_json::Value::as_u64);
    match (status, events.and_then(|events| usize::try_from(events).ok())) {
        // Nothing is lost on any path.
        (Some(status), Some(events)) if value.pointer("/wal/damage").is_none() => Ok((named(status), events)),
        _ => Err(format!("not what a view is: {value}")),
    }
}

fn named(status: &str) -> Option<Status> {
    match status {
        "running" => Some(Status::Running),
        "completed" => Some(Status::Completed),
        "crashed" => Some(Status::Crashed),
        _ => None,
    }
}

/// The folder of the session's log.
pub(super) fn session(store: &Path) -> PathBuf {
    store.join("sessions").join(SESSION)
}
