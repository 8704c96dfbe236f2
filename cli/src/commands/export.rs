//! `tracewal export`: a session in the format of another tool.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tracewal::{SessionName, Store};
use tracewal_exchange::{Format, Trace, export};

use super::view;
use crate::account::{Account, reading, written};
use crate::args::{Export, ExportFormat};
use crate::failure::{Failure, Result};
use crate::redaction::Redaction;
use crate::{cost, output, stores};

pub(crate) fn run(folder: &Path, args: &Export) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    let redaction = Redaction::asked_for(&args.redact, Some(&store))?;
    match redaction.map(|redaction| redaction.copy_of(&store, &session)).transpose()? {
        Some(copy) => write_out(&copy.store, &copy.session, args),
        None => write_out(&store, &session, args),
    }
}

fn write_out(store: &Store, session: &SessionName, args: &Export) -> Result<()> {
    let Some(path) = args.output.as_deref().filter(|path| *path != Path::new("-")) else {
        if is_binary(args.format) && io::stdout().is_terminal() {
            return Err(Failure::error("this format is no text; send it to a file with -o FILE"));
        }
        let mut out = output::programs();
        write(store, session, args.format, &mut out)?;
        return Ok(out.flush()?);
    };
    let mut target = Target::new(path).map_err(|error| on(path, &error))?;
    // What can't be written is the file, not standard output.
    match write(store, session, args.format, &mut target) {
        Err(Failure::Output(error)) => return Err(on(path, &error)),
        other => other?,
    }
    target.finish().map_err(|error| on(path, &error))
}

fn on(path: &Path, error: &io::Error) -> Failure {
    Failure::error(format!("{}: {error}", path.display()))
}

fn is_binary(format: ExportFormat) -> bool {
    known(format).is_some_and(Format::is_binary)
}

/// `None`: it is not made by the crate of formats, from the spans of a folded log.
fn known(format: ExportFormat) -> Option<Format> {
    Some(match format {
        ExportFormat::Events | ExportFormat::Html => return None,
        ExportFormat::Json => Format::Json,
        ExportFormat::Otlp => Format::Otlp,
        ExportFormat::OtlpProto => Format::OtlpProto,
        ExportFormat::Openinference => Format::OpenInference,
        ExportFormat::Perfetto => Format::Perfetto,
        ExportFormat::Atif => Format::Atif,
        ExportFormat::Markdown => Format::Markdown,
        ExportFormat::Csv => Format::Csv,
    })
}

fn write(store: &Store, session: &SessionName, format: ExportFormat, out: &mut impl Write) -> Result<()> {
    if format == ExportFormat::Html {
        return tracewal_view::write_html(store, session, &Arc::new(cost::prices()), out)
            .map_err(view::failure);
    }
    let Some(format) = known(format) else {
        let mut log = store.read(session, reading(store.is_live(session)))?;
        return tracewal_exchange::events::write(&mut log, 0, out).map_err(written);
    };
    let mut account = Account::of(store, session)?;
    export(format, &mut Trace::new(&account.fold, &mut account.log), out).map_err(written)
}

/// A file that appears under its name when it is whole. A pipe or a device is written to as it is.
enum Target {
    Whole(BufWriter<NamedTempFile>, PathBuf),
    Direct(BufWriter<File>),
}

impl Target {
    fn new(path: &Path) -> io::Result<Self> {
        // A link stays, and leads to the new file.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Ok(Target::Direct(BufWriter::new(File::options().write(true).open(&path)?)));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".tracewal-export-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Target::Whole(BufWriter::with_capacity(64 << 10, temporary), path))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Target::Direct(mut out) => out.flush(),
            Target::Whole(out, path) => {
                let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                temporary.as_file().sync_all()?;
                temporary.persist(path)?;
                Ok(())
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Whole(out, _) => out.write(bytes),
            Target::Direct(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Whole(out, _) => out.flush(),
            Target::Direct(out) => out.flush(),
        }
    }
}
