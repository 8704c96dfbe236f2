//! Writing a session's view, so that the file is always one whole document (I4) and a crash record has the last word (I6). The
//! protocol is SPEC.md section 12; each step below is named as it is there.

use std::io;

use tracewal_engine::guard::Guard;
use tracewal_engine::{
    Error, LastLook, Log, Materialised, Released, Result, SegmentFiles, SessionName, Status, Step, Store,
};
use tracewal_format::index::{FilesStamp, Frame};

use crate::fold::Fold;
use crate::kept::{Extent, Kept, Read, Shown, reading};
use crate::rows;
use crate::view_file::{is_there, write_view};

/// Writes a session's view now. `None`: it was left alone, because its ending is not durable yet, or because its writer died
/// and recovery comes first.
///
/// # Errors
/// What reading the log or writing the view met. The view is then the one that it was.
pub fn materialise(store: &Store, session: &SessionName) -> Result<Option<Materialised>> {
    materialise_with(&Kept::default(), store, session)
}

/// The same, going on from what is kept.
pub(crate) fn materialise_with(
    kept: &Kept,
    store: &Store,
    session: &SessionName,
) -> Result<Option<Materialised>> {
    let _lock = store.lock_view(session)?;
    let path = store.view(session);
    let mut before = kept.take(store, session);
    loop {
        let files = store.index().files(session);
        let mut read = begin(store, session, before.take())?;
        if store.is_live(session) != read.live {
            // It has been opened or closed since, and is read differently.
            before = Some(read);
            continue;
        }
        if !may_be_written(&read) {
            kept.put(store, session, read);
            return Ok(None);
        }
        let status = read.fold.summary().status;
        let extent = Extent::of(&read.fold, &read.log);
        if !is_current(kept, store, session, &extent, status) {
            kept.set_shown(store, session, None);
            let (stamp, drawn) =
                write_view(store, session, &mut read.log, &mut read.fold, read.drawn.take())?;
            read.drawn = drawn;
            kept.set_shown(store, session, Shown::new(extent.clone(), stamp, status));
        }
        if status != Status::Crashed && has_crashed_since(store, session, &mut read)? {
            continue;
        }
        let mut is_indexed = false;
        let last_look = |run| {
            let files = store.index().files(session);
            look_again(store, session, &mut read)?;
            let look = last_look(&read, &extent, run);
            if look == LastLook::Ended {
                // Before the owner entry goes: without one, the index is believed.
                tell(store, session, &read.fold, files);
                is_indexed = true;
            }
            Ok(look)
        };
        match store.release(session, last_look)? {
            Released::Changed => {
                before = Some(read);
                continue;
            }
            // There was no entry. Who has opened the session since has one, and tells when it goes.
            Released::Gone if !is_indexed => tell(store, session, &read.fold, files),
            Released::Gone | Released::NotYet => {}
        }
        kept.put(store, session, read);
        return Ok(Some(Materialised { path, status }));
    }
}

/// Tells the index how a session stands whose files were these before its log was read for the last time.
fn tell(store: &Store, session: &SessionName, fold: &Fold, files: io::Result<FilesStamp>) {
    let unknown = Frame::Unknown(session.name().to_owned());
    store.index().add(&files.map_or(unknown, |files| rows::frame(session, fold, files)));
}

/// Whether the view that is there was written here, and shows this much.
fn is_current(kept: &Kept, store: &Store, session: &SessionName, extent: &Extent, status: Status) -> bool {
    kept.shown(store, session).is_some_and(|shown| {
        Shown::new(extent.clone(), Some(shown.stamp().clone()), status).as_ref() == Some(&shown)
            && is_there(&store.view(session), shown.stamp())
    })
}

/// What may become of the owner entry, which names `run`.
fn last_look(read: &Read, shown: &Extent, run: Option<u32>) -> LastLook {
    // A run that has no segment never began.
    let is_begun = |run| read.log.headers().any(|header| header.run == run);
    if Extent::of(&read.fold, &read.log) != *shown {
        LastLook::Changed
    } else if run.is_none_or(|run| read.fold.has_ended(run) || !is_begun(run)) {
        LastLook::Ended
    } else {
        LastLook::NoEnding
    }
}

/// Reads the log to its end: on from where it was, or else from its beginning. From there on only a look behind a refresh reads on: without
/// one, the crash slots would be forgotten.
fn begin(store: &Store, session: &SessionName, before: Option<Read>) -> Result<Read> {
    let live = store.is_live(session);
    if let Some(before) = before {
        let folder = store.folder(session);
        let door = store.disk().before(Step::Read(&folder));
        door.map_err(|source| Error::Io { doing: "read", path: folder.clone(), source })?;
        if let Some(read) = before.go_on(live) {
            return Ok(read);
        }
        // Not through the door again: it is one reading.
        let log = SegmentFiles::open_log(&folder, reading(live));
        let log = log.map_err(|source| Error::Io { doing: "read", path: folder, source })?;
        return read_whole(store, session, live, log);
    }
    let log = store.read(session, reading(live))?;
    read_whole(store, session, live, log)
}

fn read_whole(store: &Store, session: &SessionName, live: bool, mut log: Log) -> Result<Read> {
    let mut fold = Fold::default();
    read_to_the_end(store, session, &mut log, &mut fold)?;
    Ok(Read::new(live, log, fold))
}

fn read_to_the_end(store: &Store, session: &SessionName, log: &mut Log, fold: &mut Fold) -> Result<()> {
    fold.read_on(log).map_err(|source| Error::Io { doing: "read", path: store.folder(session), source })
}

/// I6: an ending is not shown before it is durable; and a run whose writer died gets its crash record first.
fn may_be_written(read: &Read) -> bool {
    let summary = read.fold.summary();
    let last_has_ended = read.live || summary.runs.last().is_none_or(|run| run.ending.is_some());
    match summary.status {
        Status::Completed | Status::Error => {
            let durable = summary.ending_seq.is_some_and(|seq| seq <= read.log.durable());
            last_has_ended && (durable || Guard::DurableBeforeShown.is_off())
        }
        Status::Running => last_has_ended,
        // Whatever else is still to come: a crash is shown (I6).
        Status::Crashed => true,
    }
}

/// Looks again, still under the lock: a crash record that came in between makes the file that was just written wrong.
fn has_crashed_since(store: &Store, session: &SessionName, read: &mut Read) -> Result<bool> {
    if Guard::LookAgain.is_off() {
        return Ok(false);
    }
    look_again(store, session, read)?;
    Ok(read.fold.summary().status == Status::Crashed)
}

fn look_again(store: &Store, session: &SessionName, read: &mut Read) -> Result<()> {
    let folder = store.folder(session);
    let refreshed = store.disk().before(Step::Read(&folder)).and_then(|()| read.log.refresh());
    refreshed.map_err(|source| Error::Io { doing: "read", path: folder, source })?;
    read_to_the_end(store, session, &mut read.log, &mut read.fold)
}
