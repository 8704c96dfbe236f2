//! `tracewal export html`: a session as one file that shows itself.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tracewal::{SessionName, Store};
use tracewal_view::ViewError;

use crate::args::ExportHtml;
use crate::failure::{Failure, Result};
use crate::{output, stores};

pub(crate) fn run(folder: &Path, args: &ExportHtml) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    match &args.output {
        None => export_html(&store, &session, &mut output::programs()),
        Some(path) => {
            let failed = |error| Failure::error(format!("writing {}: {error}", path.display()));
            let mut file = BufWriter::with_capacity(256 << 10, File::create(path).map_err(failed)?);
            export_html(&store, &session, &mut file)?;
            file.flush().map_err(failed)
        }
    }
}

/// Writes a session as one HTML file.
pub(crate) fn export_html(store: &Store, session: &SessionName, out: &mut impl Write) -> Result<()> {
    tracewal_view::write_html(store, session, out).map_err(failure)
}

/// As the command says it.
pub(crate) fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Store(error) => error.into(),
        ViewError::Write(error) => Failure::Output(error),
        other => Failure::error(other),
    }
}
