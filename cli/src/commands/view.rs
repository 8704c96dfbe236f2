//! `tracewal view`: a page to look at sessions.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tempfile::TempDir;
use tracewal::{SessionName, Store};
use tracewal_view::{Server, ViewError, path_of};

use super::import_format;
use crate::args::View;
use crate::failure::{Failure, Result};
use crate::{cost, output, stores, text};

pub(crate) fn run(folder: &Path, args: &View) -> Result<()> {
    let Looked { store, session, temporary } = looked_at(folder, args.session.as_deref())?;
    let part = session.as_ref().map(|session| {
        // As the page writes it: without what stands in front of ids in paths.
        let path = path_of(session.id());
        format!("#/s/{}/summary", path.strip_prefix('~').unwrap_or(&path))
    });
    let server = Server::bind(&store, session, Arc::new(cost::prices()), args.port).map_err(failure)?;
    let url = format!("{}{}", server.url(), part.unwrap_or_default());
    let mut out = output::programs();
    writeln!(out, "{url}")?;
    out.flush()?;
    drop(out);
    if !args.no_open {
        // A browser in the terminal does not return before it is left.
        std::thread::spawn(move || {
            if webbrowser::open(&url).is_err() {
                output::mention("no browser could be opened; open the address above in one");
            }
        });
    }
    let served = server.run().map_err(|error| Failure::error(format!("serving: {error}")));
    drop(store);
    // What the file held is not left behind.
    let removed = temporary.map_or(Ok(()), TempDir::close);
    served.and(removed.map_err(|error| Failure::error(format!("removing the temporary store: {error}"))))
}

/// What is to be looked at.
struct Looked {
    store: Store,
    session: Option<SessionName>,
    /// Of a file: the folder of a store that holds nothing else.
    temporary: Option<TempDir>,
}

fn looked_at(folder: &Path, named: Option<&str>) -> Result<Looked> {
    let of_store = || {
        let store = stores::open_to_look(folder)?;
        let session = named.map(|id| stores::session(&store, id)).transpose()?;
        Ok(Looked { store, session, temporary: None })
    };
    match named.map(Path::new).filter(|path| path.is_file()) {
        // A session of that name is meant, if there is one.
        Some(file) => of_store().or_else(|_: Failure| of_file(file)),
        None => of_store(),
    }
}

/// What a file of canonical JSON says of the log that it was made of.
#[derive(Default, Deserialize)]
struct Origin {
    #[serde(default)]
    wal: Wal,
}

#[derive(Default, Deserialize)]
struct Wal {
    #[serde(default)]
    damage: Vec<IgnoredAny>,
}

fn of_file(file: &Path) -> Result<Looked> {
    let failed = |error: std::io::Error| Failure::error(format!("making a temporary store: {error}"));
    let temporary = tempfile::Builder::new().prefix("tracewal-file-").tempdir().map_err(failed)?;
    let store = stores::options().open(temporary.path())?;
    let ids = import_format::canonical_file(&store, file)?;
    let origin: Origin = File::open(file)
        .ok()
        .and_then(|file| serde_json::from_reader(BufReader::new(file)).ok())
        .unwrap_or_default();
    let places = origin.wal.damage.len();
    if places > 0 {
        let places = text::count(u64::try_from(places).unwrap_or(u64::MAX), "place");
        output::mention(&format!(
            "warning: the log that this file was made of is damaged in {places}; only the log says where"
        ));
    }
    let session = ids.first().map(|id| store.find(id)).transpose()?;
    Ok(Looked { store, session, temporary: Some(temporary) })
}

/// As the command says it.
pub(super) fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Store(error) => error.into(),
        ViewError::Write(error) => Failure::Output(error),
        other => Failure::error(other),
    }
}
