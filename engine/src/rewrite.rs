//! Writing a sound log anew with other contents, as redaction does (SPEC.md section 13).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tracewal_format::event::Crashed;
use tracewal_format::log::{Entry, Item, Loss, LossKind, Reading, segment_file};
use tracewal_format::record::{EXPLICIT_TIME, REDACTED};
use tracewal_format::time::Time;

use crate::error::{Error, Result};
use crate::files::{Log, SegmentFiles};
use crate::lock::ShortLock;
use crate::name;
use crate::repair::{Anew, crash_of, encoded};
use crate::store::{SessionName, Store};

/// What the log becomes that takes the place of another.
pub trait Rewriter {
    /// Looks at the log, as often as it likes, and says whether anything in it is to be replaced.
    ///
    /// # Errors
    /// Theirs: then nothing is changed.
    fn look(&mut self, open: &dyn Fn() -> Result<Log>) -> Result<bool>;

    /// The body that takes the place of an event's. `None`: it stays as it is. A crash slot that no record names is asked about as the
    /// event that it becomes, without a number.
    ///
    /// # Errors
    /// Theirs: then nothing is changed.
    fn body(&mut self, seq: Option<u64>, kind: u8, body: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The last event that has been looked at: of a log that is being written, nothing behind it is taken along.
    fn until(&self) -> Option<u64> {
        None
    }

    /// Another id for the session. `None`: its own.
    fn id(&self, _id: &str) -> Option<String> {
        None
    }

    /// Whether `new`, which has been read back, may stand where `old` stood.
    fn is_faithful(&self, kind: u8, old: &[u8], new: &[u8]) -> bool;

    /// Looks through the log that was written, before it takes the place of the other.
    ///
    /// # Errors
    /// Something in it would still be replaced: then nothing is changed.
    fn look_again(&mut self, open: &dyn Fn() -> Result<Log>) -> Result<()>;
}

/// What becomes of a log whose place another has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// It is kept beside the other one, and so are those that were kept before.
    Keep,
    /// It is removed, and so are those that were kept before.
    Delete,
}

/// What a rewriting did.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// Whether the log is another one now.
    pub changed: bool,
    /// The session under its other id, where the rewriter gave it one. Unless the original was to be removed, it is there as well.
    pub renamed: Option<SessionName>,
    /// The folder in which the log as it was is kept.
    pub kept: Option<PathBuf>,
    /// How many logs that were kept before have been removed.
    pub removed: usize,
}

impl Store {
    /// Writes a session's log anew with what the rewriter makes of it: the same events, with the same sequence numbers, times and kinds.
    /// What was lost stays told. The new log is read back and compared before it takes the place of the old one, by one rename.
    ///
    /// A log in which anything is lost is written anew in any case. Where the original is to be removed, so is one whose segments are not all
    /// sealed with nothing behind their records: what was being written when a process died may be there.
    ///
    /// The session's view is removed before that, and made anew afterwards: at no time does it show more than the log.
    ///
    /// # Errors
    /// [`Busy`](Error::Busy) while it is open for writing, [`TooNew`](Error::TooNew), the rewriter's, or what reading and writing met;
    /// then the log is as it was. When the view cannot be made anew, there is none.
    pub fn rewrite(
        &self,
        session: &SessionName,
        rewriter: &mut dyn Rewriter,
        original: Original,
    ) -> Result<Rewritten> {
        self.0.must_write()?;
        let layout = &self.0.layout;
        let done = {
            let _view = self.lock_view(session)?;
            let _owner = ShortLock::acquire(self.disk(), &layout.owner_lock(session.name()))?;
            self.refuse_if_open(session)?;
            let losses = self.verify(session)?;
            if let Some(loss) = losses.iter().find(|loss| loss.kind == LossKind::TooNew) {
                return Err(Error::TooNew { path: self.folder(session).join(&loss.file) });
            }
            let rebuilt = layout.sessions().join(format!("{}.rebuild", session.name()));
            self.clear_rebuild(session, &rebuilt)?;
            let mut done = Rewritten::default();
            let any = rewriter.look(&|| self.read(session, Reading::Whole))?
                // What cannot be read may be anything.
                || losses.iter().any(|loss| loss.kind != LossKind::Repaired)
                || (original == Original::Delete && self.has_remains(session)?);
            if rewriter.id(session.id()).is_some() {
                // The old folder cannot be exchanged for one of another name: until it is removed there are two sessions.
                done.renamed = Some(self.renamed(session, rewriter)?);
                done.changed = true;
            } else if any {
                let generation = self.write_anew(session, &Anew::of(&rebuilt), rewriter)?;
                self.take_the_place(session, &rebuilt)?;
                done.changed = true;
                if original == Original::Keep {
                    let kept = self.name_for_kept(session, "original", generation - 1);
                    self.disk().rename(&rebuilt, &kept)?;
                    self.disk().sync_dir(&layout.sessions())?;
                    done.kept = Some(kept);
                }
            }
            if original == Original::Delete {
                done.removed = self.remove_copies(session)?;
            }
            done
        };
        if let Some(renamed) = &done.renamed {
            if original == Original::Delete {
                self.remove(session)?;
            }
            self.materialise(renamed)?;
        } else if done.changed || !layout.view(session.name()).exists() {
            self.materialise(session)?;
        }
        Ok(done)
    }

    /// Writes what the rewriter makes of a session's log into another store, in which there is no such session. No lock is taken: what is
    /// appended meanwhile is left out.
    ///
    /// # Errors
    /// [`Exists`](Error::Exists), [`TooNew`](Error::TooNew), the rewriter's, or what reading and writing met.
    pub fn copy_rewritten(
        &self,
        session: &SessionName,
        to: &Store,
        rewriter: &mut dyn Rewriter,
    ) -> Result<SessionName> {
        let reading = if self.is_live(session) { Reading::Live } else { Reading::Whole };
        rewriter.look(&|| self.read(session, reading))?;
        self.write_copy(session, to, reading, rewriter)
    }

    fn write_copy(
        &self,
        session: &SessionName,
        to: &Store,
        reading: Reading,
        rewriter: &mut dyn Rewriter,
    ) -> Result<SessionName> {
        let id = rewriter.id(session.id()).unwrap_or_else(|| session.id().to_owned());
        let copy = SessionName::new(name::candidates(&id).next().unwrap_or_default(), id);
        let (folder, unnamed) = (to.folder(&copy), to.folder(&copy).with_extension("rebuild"));
        if folder.exists() {
            return Err(Error::Exists { session: copy.id().to_owned() });
        }
        to.disk().remove_dir_all(&unnamed)?;
        self.write_anew(session, &Anew { to: &unnamed, reading, id: Some(copy.id()) }, rewriter)?;
        to.disk().rename(&unnamed, &folder)?;
        to.disk().sync_dir(&to.0.layout.sessions())?;
        Ok(copy)
    }

    /// The session under its other id; one that an earlier rewriting was killed behind is taken if it has as many events.
    fn renamed(&self, session: &SessionName, rewriter: &mut dyn Rewriter) -> Result<SessionName> {
        match self.write_copy(session, self, Reading::Whole, rewriter) {
            Err(Error::Exists { session: id }) => {
                let copy = self.find(&id)?;
                let last = |session| self.last_seq(session);
                if last(session)? == last(&copy)? { Ok(copy) } else { Err(Error::Exists { session: id }) }
            }
            other => other,
        }
    }

    fn last_seq(&self, session: &SessionName) -> Result<u64> {
        let folder = self.folder(session);
        let mut log = self.read(session, Reading::Whole)?;
        let mut last = 0;
        while let Some(told) = Told::next(&mut log, &folder)? {
            last = match told {
                Told::Event { seq, .. } => seq,
                Told::Crash { .. } => last + 1,
                Told::Loss(loss) => loss.missing.map_or(last, |(_, missing)| missing),
            };
        }
        Ok(last)
    }

    /// The rewritten log, complete, synced and compared with the one that it is made of. Returns its generation.
    fn write_anew(&self, session: &SessionName, anew: &Anew<'_>, rewriter: &mut dyn Rewriter) -> Result<u32> {
        let (disk, to) = (self.disk(), anew.to);
        disk.make_dir(to)?;
        let written = self.rebuild(session, anew, Some(&mut *rewriter)).and_then(|generation| {
            disk.sync_dir(to)?;
            // A log that goes on has more in it by now.
            if anew.reading == Reading::Whole {
                self.compare(session, to, rewriter)?;
            }
            rewriter.look_again(&|| open(to))?;
            Ok(generation)
        });
        written.inspect_err(|_| {
            // It has no place to take.
            let _ = disk.remove_dir_all(to);
        })
    }

    fn take_the_place(&self, session: &SessionName, rebuilt: &Path) -> Result<()> {
        let (disk, layout) = (self.disk(), &self.0.layout);
        // From here on nothing shows what the log does not: who is killed below leaves no view, and that comes back.
        disk.remove_file(&layout.view(session.name()))?;
        disk.remove_file(&layout.unfinished_view(session.name()))?;
        disk.sync_dir(layout.traces())?;
        self.forget(session.name());
        disk.exchange(rebuilt, &self.folder(session))?;
        disk.sync_dir(&layout.sessions())
    }

    /// Whether there may be bytes behind the last record of a segment: what a process was writing when it died.
    fn has_remains(&self, session: &SessionName) -> Result<bool> {
        let folder = self.folder(session);
        let log = self.read(session, Reading::Whole)?;
        for header in log.headers() {
            let Some(seal) = log.seal(header.number) else { return Ok(true) };
            let path = folder.join(segment_file(header.number));
            if !is_zero_from(&path, seal.end).map_err(|e| Error::io("read", &path, e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes every log of the session but the one that is its log.
    fn remove_copies(&self, session: &SessionName) -> Result<usize> {
        let copies = self.kept_copies(session);
        for copy in &copies {
            self.disk().remove_dir_all(copy)?;
        }
        if !copies.is_empty() {
            self.disk().sync_dir(&self.0.layout.sessions())?;
        }
        Ok(copies.len())
    }

    /// Reads both logs side by side.
    fn compare(&self, session: &SessionName, rebuilt: &Path, rewriter: &dyn Rewriter) -> Result<()> {
        let (mut old, mut new) = (self.read(session, Reading::Whole)?, open(rebuilt)?);
        let folder = self.folder(session);
        loop {
            let is_same = match (Told::next(&mut old, &folder)?, Told::next(&mut new, rebuilt)?) {
                (None, None) => return Ok(()),
                (Some(old), Some(new)) => old.is_same(&new, rewriter),
                _ => false,
            };
            if !is_same {
                let wrong = std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "what was written is not what was read; the log has been left as it is",
                );
                return Err(Error::io("compare", rebuilt, wrong));
            }
        }
    }
}

/// What a log tells of what happened, as opposed to how it was kept.
enum Told {
    Event { seq: u64, time: Time, kind: u8, run: u32, flags: u8, body: Vec<u8> },
    Crash { time: Time, body: Vec<u8> },
    Loss(Loss),
}

impl Told {
    fn next(log: &mut Log, folder: &Path) -> Result<Option<Self>> {
        loop {
            match log.next().map_err(|e| Error::io("read", folder, e))? {
                None => return Ok(None),
                Some(Item::Event(entry)) => {
                    let Entry { seq, time, kind, run, flags, body, .. } = entry;
                    return Ok(Some(Told::Event { seq, time, kind, run, flags, body: body.to_vec() }));
                }
                Some(Item::Loss(loss)) => return Ok(Some(Told::Loss(loss))),
                Some(Item::Slot(slot)) => {
                    if let Some(crash) = crash_of(&slot) {
                        return Ok(Some(Told::Crash { time: slot.time, body: encoded(&crash, folder)? }));
                    }
                }
                Some(Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_)) => {}
            }
        }
    }

    fn is_same(&self, new: &Told, rewriter: &dyn Rewriter) -> bool {
        // A time is spelled out where the segment's base is too far from it, and that is another base now.
        const SPELLING: u8 = REDACTED | EXPLICIT_TIME;
        let is_faithful =
            |kind: u8, old: &[u8], new: &[u8]| old == new || rewriter.is_faithful(kind, old, new);
        match (self, new) {
            (
                Told::Event { seq, time, kind, run, flags, body },
                Told::Event {
                    seq: seq_2,
                    time: time_2,
                    kind: kind_2,
                    run: run_2,
                    flags: flags_2,
                    body: body_2,
                },
            ) => {
                (seq, time, kind, run, flags | SPELLING) == (seq_2, time_2, kind_2, run_2, flags_2 | SPELLING)
                    && is_faithful(*kind, body, body_2)
            }
            (Told::Crash { time, body }, Told::Event { time: time_2, kind, body: body_2, .. }) => {
                time == time_2 && *kind == Crashed::KIND && is_faithful(Crashed::KIND, body, body_2)
            }
            (Told::Loss(old), Told::Loss(new)) => {
                let was =
                    if old.kind == LossKind::Repaired { old.was.as_deref() } else { Some(old.kind.as_str()) };
                new.kind == LossKind::Repaired
                    && new.was.as_deref() == was
                    && (&new.file, new.offset, new.length, new.missing)
                        == (&old.file, old.offset, old.length, old.missing)
            }
            _ => false,
        }
    }
}

fn is_zero_from(path: &Path, offset: u64) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = file.read(&mut buffer)?;
        if len == 0 {
            return Ok(true);
        }
        if buffer.iter().take(len).any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
}

fn open(folder: &Path) -> Result<Log> {
    SegmentFiles::open_log(folder, Reading::Whole).map_err(|e| Error::io("read", folder, e))
}
