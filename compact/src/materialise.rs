//! Writing a session's view, so that the file is always one whole document (I4) and a crash record has the last word (I6). The
//! protocol is SPEC.md section 12; each step below is named as it is there.

use std::io::{self, BufWriter, Write};

use tracewal_engine::guard::Guard;
use tracewal_engine::{
    Error, LastLook, Log, Materialised, Released, Result, SessionName, Status, Step, Store,
};
use tracewal_format::index::{FilesStamp, Frame};
use tracewal_format::log::Reading;

use crate::fold::Fold;
use crate::render::{RenderError, render};
use crate::rows;

/// Writes a session's view now. `None`: it was left alone, because its ending is not durable yet, or because its writer died
/// and recovery comes first.
///
/// # Errors
/// What reading the log or writing the view met. The view is then the one that it was.
pub fn materialise(store: &Store, session: &SessionName) -> Result<Option<Materialised>> {
    let _lock = store.lock_view(session)?;
    let path = store.view(session);
    loop {
        // From the beginning each time: what recovery has copied meanwhile would be read twice.
        let files = store.index().files(session);
        let (live, mut log, mut fold) = begin(store, session)?;
        if store.is_live(session) != live {
            // It has been opened or closed since, and is read differently.
            continue;
        }
        if !may_be_written(&fold, &log, live) {
            return Ok(None);
        }
        let status = fold.summary().status;
        let shown = extent(&fold);
        write_view(store, session, &mut log, &fold)?;
        if status != Status::Crashed && has_crashed_since(store, session, &mut log, &mut fold)? {
            continue;
        }
        let mut is_indexed = false;
        let last_look = |run| {
            let files = store.index().files(session);
            look_again(store, session, &mut log, &mut fold)?;
            let look = last_look(&fold, &log, shown, run);
            if look == LastLook::Ended {
                // Before the owner entry goes: without one, the index is believed.
                tell(store, session, &fold, files);
                is_indexed = true;
            }
            Ok(look)
        };
        match store.release(session, last_look)? {
            Released::Changed => continue,
            // There was no entry. Who has opened the session since has one, and tells when it goes.
            Released::Gone if !is_indexed => tell(store, session, &fold, files),
            Released::Gone | Released::NotYet => {}
        }
        return Ok(Some(Materialised { path, status }));
    }
}

/// Tells the index how a session stands whose files were these before its log was read for the last time.
fn tell(store: &Store, session: &SessionName, fold: &Fold, files: io::Result<FilesStamp>) {
    let unknown = Frame::Unknown(session.name().to_owned());
    store.index().add(&files.map_or(unknown, |files| rows::frame(session, fold, files)));
}

/// How much of a log a fold has seen.
fn extent(fold: &Fold) -> (u64, u64, u64, usize) {
    let summary = fold.summary();
    (summary.last_seq, summary.events, summary.crashes, summary.losses.len())
}

/// What may become of the owner entry, which names `run`.
fn last_look(fold: &Fold, log: &Log, shown: (u64, u64, u64, usize), run: Option<u32>) -> LastLook {
    // A run that has no segment never began.
    let is_begun = |run| log.headers().any(|header| header.run == run);
    if extent(fold) != shown {
        LastLook::Changed
    } else if run.is_none_or(|run| fold.has_ended(run) || !is_begun(run)) {
        LastLook::Ended
    } else {
        LastLook::NoEnding
    }
}

/// Reads the log to its end. From there on only a look behind a refresh reads on: without one, the crash slots would be forgotten.
fn begin(store: &Store, session: &SessionName) -> Result<(bool, Log, Fold)> {
    let live = store.is_live(session);
    let mut log = store.read(session, if live { Reading::Live } else { Reading::Whole })?;
    let mut fold = Fold::default();
    read_to_the_end(store, session, &mut log, &mut fold)?;
    Ok((live, log, fold))
}

fn read_to_the_end(store: &Store, session: &SessionName, log: &mut Log, fold: &mut Fold) -> Result<()> {
    fold.read_on(log).map_err(|source| Error::Io { doing: "read", path: store.folder(session), source })
}

/// I6: an ending is not shown before it is durable; and a run whose writer died gets its crash record first.
fn may_be_written(fold: &Fold, log: &Log, live: bool) -> bool {
    let summary = fold.summary();
    let last_has_ended = live || summary.runs.last().is_none_or(|run| run.ending.is_some());
    match summary.status {
        Status::Completed | Status::Error => {
            let durable = summary.ending_seq.is_some_and(|seq| seq <= log.durable());
            last_has_ended && (durable || Guard::DurableBeforeShown.is_off())
        }
        Status::Running => last_has_ended,
        // Whatever else is still to come: a crash is shown (I6).
        Status::Crashed => true,
    }
}

/// Looks again, still under the lock: a crash record that came in between makes the file that was just written wrong.
fn has_crashed_since(store: &Store, session: &SessionName, log: &mut Log, fold: &mut Fold) -> Result<bool> {
    if Guard::LookAgain.is_off() {
        return Ok(false);
    }
    look_again(store, session, log, fold)?;
    Ok(fold.summary().status == Status::Crashed)
}

fn look_again(store: &Store, session: &SessionName, log: &mut Log, fold: &mut Fold) -> Result<()> {
    let folder = store.folder(session);
    let refreshed = store.disk().before(Step::Read(&folder)).and_then(|()| log.refresh());
    refreshed.map_err(|source| Error::Io { doing: "read", path: folder, source })?;
    read_to_the_end(store, session, log, fold)
}

/// Renders into the temporary file, syncs it, renames it, syncs the folder.
fn write_view(store: &Store, session: &SessionName, log: &mut Log, fold: &Fold) -> Result<()> {
    let disk = store.disk();
    let path = store.view(session);
    let temporary =
        if Guard::WrittenBeside.is_off() { path.clone() } else { path.with_extension("json.tmp") };
    let mut written = || {
        let file = disk.create(&temporary)?;
        disk.before(Step::Write(&temporary)).map_err(|source| Error::Io {
            doing: "write",
            path: temporary.clone(),
            source,
        })?;
        let mut out = BufWriter::with_capacity(256 << 10, file);
        render(fold, log, &mut out).map_err(|error| match error {
            RenderError::Read(source) => Error::Io { doing: "read", path: store.folder(session), source },
            RenderError::Write(source) => write_error(&temporary, source),
            changed @ RenderError::LogChanged { .. } => {
                Error::View { session: session.id().to_owned(), reason: changed.to_string() }
            }
        })?;
        out.flush().map_err(|source| write_error(&temporary, source))?;
        let file = out.into_inner().map_err(|error| write_error(&temporary, error.into_error()))?;
        if !Guard::SyncBeforeRename.is_off() {
            disk.sync(&file, &temporary)?;
        }
        disk.rename(&temporary, &path)?;
        disk.sync_dir(store.traces())
    };
    written().inspect_err(|_| {
        // Half a view is worth nothing, and may be what fills the disk.
        if !Guard::TidyAfterFailure.is_off() {
            let _ = disk.remove_file(&temporary);
        }
    })
}

fn write_error(path: &std::path::Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::DiskFull { doing: "write", path: path.to_owned() }
        }
        _ => Error::Io { doing: "write", path: path.to_owned(), source },
    }
}
