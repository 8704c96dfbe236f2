//! `tracewal view`: a page to look at sessions.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tracewal_view::{Server, ViewError, path_of};

use crate::args::View;
use crate::failure::{Failure, Result};
use crate::{cost, output, stores};

pub(crate) fn run(folder: &Path, args: &View) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = args.session.as_ref().map(|id| stores::session(&store, id)).transpose()?;
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
    server.run().map_err(|error| Failure::error(format!("serving: {error}")))
}

/// As the command says it.
pub(super) fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Store(error) => error.into(),
        ViewError::Write(error) => Failure::Output(error),
        other => Failure::error(other),
    }
}
