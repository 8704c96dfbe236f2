//! `tracewal import` of formats that a file may hold several sessions in.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracewal::Store;
use tracewal_cli::import::discover_named;
use tracewal_exchange::import::{ImportError, Sink, Storage, canonical, lines, opencode, otlp};
use tracewal_redact::Redactor;

use super::import::in_file;
use super::import_sessions::{Imported, Receiver};
use crate::args::Import;
use crate::failure::{ERROR, Failure, Outcome, Result};
use crate::redaction::Redaction;
use crate::{output, stores, text};

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Opencode,
    Json,
    Otlp,
    Events,
}

impl Other {
    /// Its name, in the note that an import leaves.
    fn name(self) -> &'static str {
        match self {
            Other::Opencode => "opencode",
            Other::Json => "json",
            Other::Otlp => "otlp",
            Other::Events => "events",
        }
    }

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Other::Opencode => &[],
            Other::Json => &["json"],
            Other::Otlp => &["json", "jsonl", "pb", "binpb", "otlp"],
            Other::Events => &["jsonl", "events"],
        }
    }
}

/// A thing to import.
enum What {
    File(PathBuf),
    Storage(Storage),
}

impl What {
    fn path(&self) -> &Path {
        match self {
            What::File(path) => path,
            What::Storage(storage) => storage.file(),
        }
    }
}

pub(crate) fn run(folder: &Path, args: &Import, other: Other) -> Result<()> {
    let found = find(&args.paths, other)?;
    if found.is_empty() {
        let what = if other == Other::Opencode { "no session of opencode" } else { "no such file" };
        return Err(Failure::not_found(format!("{what} there; name a file, or a folder that holds some")));
    }
    let store = stores::options().open(folder)?;
    let redaction = Redaction::asked_for(&args.redact, Some(&store))?;
    let mut out = output::worker();
    let mut outcome = Outcome::default();
    let mut reports = Vec::new();
    for what in found {
        match one(&store, other, &what, redaction.as_ref()) {
            Ok(sessions) => {
                for session in sessions {
                    if args.strict && session.invalid > 0 {
                        outcome.note(not_strict(what.path(), &session))?;
                    }
                    if args.json.json {
                        reports.push(Line::new(what.path(), &session));
                    } else {
                        print(&session, &mut out)?;
                        out.flush()?;
                    }
                }
            }
            Err(failure) => outcome.note(in_file(what.path(), failure))?,
        }
    }
    if args.json.json {
        output::json(&reports)?;
    }
    outcome.finish()
}

/// Imports a file of canonical JSON into a store that is for it alone; the ids of its sessions.
pub(crate) fn canonical_file(store: &Store, file: &Path) -> Result<Vec<String>> {
    let sessions = one(store, Other::Json, &What::File(file.to_owned()), None);
    Ok(sessions.map_err(|failure| in_file(file, failure))?.into_iter().map(|session| session.id).collect())
}

fn find(paths: &[PathBuf], other: Other) -> Result<Vec<What>> {
    if other != Other::Opencode {
        let files = discover_named(paths, other.extensions()).map_err(Failure::error)?;
        return Ok(files.into_iter().map(What::File).collect());
    }
    let mut found = Vec::new();
    for path in paths {
        let sessions = Storage::find(path).map_err(|e| Failure::error(format!("{}: {e}", path.display())))?;
        found.extend(sessions.into_iter().map(What::Storage));
    }
    Ok(found)
}

fn one(store: &Store, other: Other, what: &What, redaction: Option<&Redaction>) -> Result<Vec<Imported>> {
    let mut receiver = Receiver::new(store, other.name());
    let events = |sink: Sink<'_, Failure>| match redaction {
        Some(redaction) => read_redacted(other, what, redaction, sink),
        None => read(other, what, sink),
    };
    match events(&mut |id, time, event| receiver.event(id, time, event)) {
        Ok(()) => receiver.finish(),
        Err(error) => {
            receiver.give_up()?;
            Err(match error {
                ImportError::Read(error) => Failure::error(format!("{}: {error}", what.path().display())),
                ImportError::Format(wrong) => Failure::error(wrong),
                ImportError::Sink(failure) => failure,
            })
        }
    }
}

/// As [`read`], without secrets. What gives a secret away may come later than the secret, so it is read up to three times.
fn read_redacted(
    other: Other,
    what: &What,
    redaction: &Redaction,
    sink: Sink<'_, Failure>,
) -> std::result::Result<(), ImportError<Failure>> {
    let mut redactor = redaction.redactor();
    let look = |redactor: &mut Redactor<'_>| {
        let mut at = 0;
        read(other, what, &mut |id, _, mut event| {
            redaction.refuse_id(id)?;
            at += 1;
            redactor.look(Some(at), &mut event);
            Ok(())
        })
    };
    look(&mut redactor)?;
    if redactor.turn() {
        look(&mut redactor)?;
        redactor.finish();
    }
    let mut at = 0;
    read(other, what, &mut |id, time, event| {
        at += 1;
        let other = redactor.replace(Some(at), &event);
        sink(id, time, other.unwrap_or(event))
    })
}

/// Hands on what is in it; it may be asked for more than once.
fn read(other: Other, what: &What, sink: Sink<'_, Failure>) -> std::result::Result<(), ImportError<Failure>> {
    match (other, what) {
        (_, What::Storage(storage)) => opencode(storage, sink).map(drop),
        (Other::Json, What::File(path)) => canonical(path, sink).map(drop),
        (Other::Events, What::File(path)) => events(path, sink),
        (_, What::File(path)) => otlp(path, sink).map(drop),
    }
}

fn events(path: &Path, sink: Sink<'_, Failure>) -> std::result::Result<(), ImportError<Failure>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(ImportError::Read)?;
    let found = lines(BufReader::with_capacity(256 << 10, file), &stem, sink)?;
    if found.lines == 0 {
        return Err(ImportError::Format("there is no event in it".to_owned()));
    }
    Ok(())
}

fn not_strict(path: &Path, session: &Imported) -> Failure {
    let what = text::count(session.invalid, "part");
    Failure::Said(ERROR, format!("{}: {what} could not be understood and is kept as notes", path.display()))
}

fn print(session: &Imported, out: &mut impl Write) -> Result<()> {
    let id = text::one_line(&session.id);
    let (events, spans) = (text::count(session.events, "event"), text::count(session.spans, "span"));
    Ok(writeln!(out, "{id}  {events}, {spans}  {}", session.done.as_str())?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    file: PathBuf,
    session_id: String,
    result: &'static str,
    events: u64,
    spans: u64,
    invalid: u64,
}

impl Line {
    fn new(file: &Path, session: &Imported) -> Self {
        Line {
            file: file.to_owned(),
            session_id: session.id.clone(),
            result: session.done.as_str(),
            events: session.events,
            spans: session.spans,
            invalid: session.invalid,
        }
    }
}
