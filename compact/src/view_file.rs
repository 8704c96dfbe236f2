//! Writing the file of a view (SPEC.md section 12): beside the old one, synced, renamed over it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tracewal_engine::guard::Guard;
use tracewal_engine::{Disk, Error, Log, Result, SessionName, Step, Store};

use crate::changes::Unchanged;
use crate::fold::Fold;
use crate::kept::{Drawn, Stamp, stamp_at};
use crate::render::{RenderError, render_again};
use crate::shape::Shape;

/// Renders into the temporary file, syncs it, renames it, syncs the folder. What `drawn` says of the view that is there, and still holds,
/// is taken over from that.
pub(crate) fn write_view(
    store: &Store,
    session: &SessionName,
    log: &mut Log,
    fold: &mut Fold,
    drawn: Option<Drawn>,
) -> Result<(Option<Stamp>, Option<Drawn>)> {
    let disk = store.disk();
    let view = ViewFile::of(store, session);
    let written = || {
        let file = disk.create(&view.temporary)?;
        let begun = disk.before(Step::Write(&view.temporary));
        begun.map_err(|source| view.write_error(source))?;
        let shape = view.render(disk, log, fold, &file, drawn)?;
        if !Guard::SyncBeforeRename.is_off() {
            disk.sync(&file, &view.temporary)?;
        }
        let stamp = stamp_of(&file);
        disk.rename(&view.temporary, &view.path)?;
        disk.sync_dir(store.traces())?;
        Ok((shape, stamp.and_then(|before| Some(stamp_of(&file)?.renamed(&before)))))
    };
    let (shape, stamp) = written().inspect_err(|_| {
        // Half a view is worth nothing, and may be what fills the disk.
        if !Guard::TidyAfterFailure.is_off() {
            let _ = disk.remove_file(&view.temporary);
        }
    })?;
    let standing = fold.forget_changes();
    let drawn = stamp.clone().map(|stamp| Drawn { shape, standing, stamp });
    Ok((stamp, drawn))
}

fn stamp_of(file: &File) -> Option<Stamp> {
    file.metadata().ok().and_then(|file| Stamp::of(&file))
}

struct ViewFile {
    path: PathBuf,
    temporary: PathBuf,
    session: String,
    folder: PathBuf,
}

impl ViewFile {
    fn of(store: &Store, session: &SessionName) -> Self {
        let path = store.view(session);
        let temporary =
            if Guard::WrittenBeside.is_off() { path.clone() } else { path.with_extension("json.tmp") };
        ViewFile { path, temporary, session: session.id().to_owned(), folder: store.folder(session) }
    }

    fn render(
        &self,
        disk: &Disk,
        log: &mut Log,
        fold: &Fold,
        file: &File,
        drawn: Option<Drawn>,
    ) -> Result<Shape> {
        if let Some(drawn) = drawn
            && let Some(old) = self.open_old(&drawn.stamp)
        {
            let (stamp, unchanged) = (drawn.stamp, fold.unchanged_since(&drawn.standing));
            let mut out = Writing::to(disk, file);
            let again =
                render_again(fold, log, &mut out, Some((drawn.shape, unchanged)), |to, from, length| {
                    to.copy(&old, from, length)?;
                    // Whoever has written to it meanwhile has written to what was copied.
                    if stamp_at(&self.path)? == Some(stamp) {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::InvalidData.into())
                    }
                });
            if let Ok(shape) = again {
                return Ok(shape);
            }
            // The old view may be what can't be read, and the log still tells everything.
            let empty = file.set_len(0).and_then(|()| (&*file).rewind());
            empty.map_err(|source| self.write_error(source))?;
        }
        let all = Some((Shape::default(), Unchanged::None));
        render_again(fold, log, &mut Writing::to(disk, file), all, |_, _, _| Ok(()))
            .map_err(|error| self.error(error))
    }

    /// The view that is there, if it is the one with this stamp.
    fn open_old(&self, stamp: &Stamp) -> Option<File> {
        let is_free = self.temporary != self.path;
        let file = File::open(&self.path).ok().filter(|_| is_free)?;
        (stamp_of(&file).as_ref() == Some(stamp)).then_some(file)
    }

    fn error(&self, error: RenderError<io::Error>) -> Error {
        match error {
            RenderError::Read(source) => Error::Io { doing: "read", path: self.folder.clone(), source },
            RenderError::Write(source) => self.write_error(source),
            changed @ RenderError::LogChanged { .. } => {
                Error::View { session: self.session.clone(), reason: changed.to_string() }
            }
        }
    }

    fn write_error(&self, source: io::Error) -> Error {
        let path = self.temporary.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::DiskFull { doing: "write", path }
            }
            _ => Error::Io { doing: "write", path, source },
        }
    }
}

/// The file is asked to be on its way to the disk whenever so much has been written: while the rest is rendered.
const ON_ITS_WAY: u64 = 4 << 20;

/// A file that is being written.
struct Writing<'d> {
    disk: &'d Disk,
    file: &'d File,
    written: u64,
    begun: u64,
}

impl<'d> Writing<'d> {
    fn to(disk: &'d Disk, file: &'d File) -> Self {
        Writing { disk, file, written: 0, begun: 0 }
    }

    /// Copies a part of another file to where this one is written. On Linux the kernel does it, which shares the blocks where the file
    /// system can and both parts begin at the same place in a block.
    fn copy(&mut self, mut from: &File, offset: u64, length: u64) -> io::Result<()> {
        from.seek(SeekFrom::Start(offset))?;
        let mut left = length;
        while left > 0 {
            let copied = io::copy(&mut from.take(left.min(ON_ITS_WAY)), &mut self.file)?;
            if copied == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.advance(copied);
            left = left.saturating_sub(copied);
        }
        Ok(())
    }

    fn advance(&mut self, length: u64) {
        self.written += length;
        if self.written - self.begun >= ON_ITS_WAY {
            self.disk.begin_sync(self.file, self.begun, self.written - self.begun);
            self.begun = self.written;
        }
    }
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.advance(u64::try_from(written).unwrap_or(0));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the view that is there has this stamp.
pub(crate) fn is_there(path: &Path, stamp: &Stamp) -> bool {
    stamp_at(path).is_ok_and(|there| there.as_ref() == Some(stamp))
}
