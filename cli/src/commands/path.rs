//! `tracewal path`: where a session's files are.

use std::io::Write;
use std::path::Path;

use crate::args::PathOf;
use crate::failure::Result;
use crate::{output, stores};

pub(crate) fn run(folder: &Path, args: &PathOf) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = stores::session(&store, &args.session)?;
    let path = if args.log {
        store.folder(&session)
    } else {
        let view = store.view(&session);
        // Whoever asks is going to read it.
        if !view.exists() && !store.is_read_only() {
            store.materialise(&session)?;
        }
        view
    };
    let mut out = output::programs();
    out.write_all(path.as_os_str().as_encoded_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
