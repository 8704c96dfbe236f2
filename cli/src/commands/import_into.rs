//! One transcript into the store: as a new session, as a new run of one that was imported before, or not at all.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use tracewal::event::{RunEndReason, SessionStarted};
use tracewal::{Error, Event, Item, Session, SessionName, Store, Time};
use tracewal_cli::import::{Checkpoint, ImportError, Lines, Report, STATE_NOTE, Transcript, convert};

use super::record::own;
use crate::account::reading;
use crate::failure::{Failure, Result};
use crate::redaction::Redaction;

/// The reason that a run of an import gives for itself: how a session that nobody else has written to is known.
pub(crate) const REASON: &str = "import";
/// Shorter files are done before a progress bar would be seen.
const LONG_FILE_BYTES: u64 = 4 << 20;

/// What became of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Imported,
    Extended,
    Unchanged,
}

impl Done {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Done::Imported => "imported",
            Done::Extended => "extended",
            Done::Unchanged => "unchanged",
        }
    }
}

pub(crate) fn import(
    store: &Store,
    transcript: &Transcript,
    file: &Path,
    redaction: Option<&Redaction>,
) -> Result<(Done, Report)> {
    if let Some(redaction) = redaction {
        redaction.refuse_id(&transcript.session_id)?;
    }
    let Ok(session) = store.find(&transcript.session_id) else {
        return fill(store, transcript, file, None, redaction);
    };
    match history(store, &session, transcript)? {
        History::Complete(checkpoint) => fill(store, transcript, file, Some(*checkpoint), redaction),
        History::Interrupted(checkpoint) => {
            if let Some(checkpoint) = checkpoint {
                // Everything in it came from this file. That the file still begins with what was imported is made sure first.
                read(file, transcript, Some(*checkpoint), &mut |_, _| Ok::<(), Error>(()))?;
            }
            store.remove(&session)?;
            fill(store, transcript, file, None, redaction)
        }
        History::Foreign => Err(Error::Exists { session: transcript.session_id.clone() }.into()),
    }
}

/// How a session came to be.
enum History {
    /// The last import reached its end.
    Complete(Box<Checkpoint>),
    /// Imports wrote all of it, and the last one was cut off. With the one before, if there was one.
    Interrupted(Option<Box<Checkpoint>>),
    /// Somebody else wrote it, or it can't be told.
    Foreign,
}

fn history(store: &Store, session: &SessionName, transcript: &Transcript) -> Result<History> {
    // One that is being written is refused where it would be changed.
    let mut log = store.read(session, reading(store.is_live(session)))?;
    let failed = |source| Error::Io { doing: "read", path: store.folder(session), source };
    let (mut checkpoint, mut only_imports, mut runs) = (None, true, 0);
    // An import run has begun, and its checkpoint has not come.
    let mut cut_off = false;
    while let Some(item) = log.next().map_err(failed)? {
        let entry = match item {
            Item::Event(entry) => entry,
            Item::Loss(_) => {
                // What is lost may have been somebody else's.
                only_imports = false;
                continue;
            }
            _ => continue,
        };
        match entry.event() {
            Some(Ok(Event::RunStarted(run))) => {
                runs += 1;
                let is_import = run.reason.as_deref() == Some(REASON);
                only_imports &= is_import;
                cut_off |= is_import;
            }
            Some(Ok(Event::Note(note))) if note.name == STATE_NOTE => {
                let data = note.data.as_ref().and_then(|data| std::str::from_utf8(&data.bytes).ok());
                if let Some((source, found)) = data.and_then(Checkpoint::from_json)
                    && source == transcript.source
                {
                    checkpoint = Some(Box::new(found));
                    cut_off = false;
                }
            }
            _ => {}
        }
    }
    Ok(match checkpoint {
        Some(checkpoint) if !cut_off => History::Complete(checkpoint),
        interrupted if runs > 0 && only_imports => History::Interrupted(interrupted),
        _ => History::Foreign,
    })
}

/// Opens the session with the first event that is new, and appends the others.
fn fill(
    store: &Store,
    transcript: &Transcript,
    file: &Path,
    already: Option<Checkpoint>,
    redaction: Option<&Redaction>,
) -> Result<(Done, Report)> {
    let resumes = already.is_some();
    let mut session: Option<Session> = None;
    let report = read_redacted(file, transcript, already, redaction, &mut |time: Time, event: Event<'_>| {
        if let Some(session) = &session {
            return session.append_at(time, event).map(drop);
        }
        let new = store.session(&transcript.session_id).reason(REASON);
        if resumes {
            let resumed = new.resume()?;
            resumed.append_at(time, event)?;
            session = Some(resumed);
            return Ok(());
        }
        session = Some(match &event {
            Event::SessionStarted(first) => new.first_event(own(first)).time(time).start()?,
            _ => {
                let started = new.first_event(SessionStarted::new()).time(time).start()?;
                started.append_at(time, event)?;
                started
            }
        });
        Ok(())
    })?;
    let Some(session) = session else { return Ok((Done::Unchanged, report)) };
    session.close(RunEndReason::Closed)?;
    Ok((if resumes { Done::Extended } else { Done::Imported }, report))
}

/// As [`read`], without secrets where that is asked for: then the file is read more than once.
fn read_redacted(
    path: &Path,
    transcript: &Transcript,
    already: Option<Checkpoint>,
    redaction: Option<&Redaction>,
    sink: tracewal_cli::import::Sink<'_, Error>,
) -> Result<Report> {
    let Some(redaction) = redaction else { return read(path, transcript, already, sink) };
    let mut events =
        |sink: tracewal_cli::import::Sink<'_, Error>| read(path, transcript, already.clone(), sink);
    redaction.filter(&mut events, sink)
}

fn read(
    path: &Path,
    transcript: &Transcript,
    already: Option<Checkpoint>,
    sink: tracewal_cli::import::Sink<'_, Error>,
) -> Result<Report> {
    let unreadable = |e: std::io::Error| Failure::error(format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress(length);
    let from: Box<dyn Read> = match &bar {
        Some(bar) => Box::new(bar.wrap_read(file)),
        None => Box::new(file),
    };
    let lines = Lines::new(BufReader::with_capacity(256 << 10, from));
    let report = convert(transcript, lines, already, sink);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    report.map_err(|error| match error {
        ImportError::Sink(error) => error.into(),
        ImportError::Read(error) => unreadable(error),
        changed @ ImportError::Changed { .. } => Failure::error(changed),
    })
}

/// On standard error, and only on a terminal.
fn progress(length: u64) -> Option<ProgressBar> {
    if length < LONG_FILE_BYTES {
        return None;
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left").ok()?;
    Some(ProgressBar::new(length).with_style(style))
}
