//! Making a damaged log sound again, and removing sessions (SPEC.md section 13).

use std::path::{Path, PathBuf};

use tracewal_format::event::{Crashed, Event, Gap};
use tracewal_format::log::{Item, Loss, LossKind, Reading, SlotEntry, segment_file, segment_number};
use tracewal_format::record;
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

use crate::error::{Error, Result};
use crate::lock::ShortLock;
use crate::owner::{Entry, Owner};
use crate::random;
use crate::recovery;
use crate::rewrite::Rewriter;
use crate::segment_writer::SegmentWriter;
use crate::store::{SessionName, Store, identify};

/// What a repair did.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// What was lost before, and is recorded as lost now. Empty: there was nothing to repair, and nothing was done.
    pub losses: Vec<Loss>,
    /// The folder in which the log as it was is kept.
    pub kept: Option<std::path::PathBuf>,
}

/// A segment of a rebuilt log is not made larger than this, except for one large event.
const SEGMENT_MAX: u64 = 64 << 20;

impl Store {
    /// Reads every byte of a session's log and returns what is lost. Changes nothing.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn verify(&self, session: &SessionName) -> Result<Vec<Loss>> {
        let folder = self.folder(session);
        let failed = |e| Error::io("read", &folder, e);
        let reading = if self.is_live(session) { Reading::Live } else { Reading::Whole };
        let mut log = self.read(session, reading)?;
        let mut losses = Vec::new();
        while let Some(item) = log.next().map_err(failed)? {
            if let Item::Loss(loss) = item {
                losses.push(loss);
            }
        }
        Ok(losses)
    }

    /// Writes a damaged log anew, so that it is sound: every event that can be read stays, with its number; what is lost is
    /// recorded as lost. The log as it was is kept beside it. A sound log is left alone.
    ///
    /// # Errors
    /// [`Busy`](Error::Busy) while it is open for writing, [`TooNew`](Error::TooNew), or what reading and writing met; then
    /// nothing has changed.
    pub fn repair(&self, session: &SessionName) -> Result<Repaired> {
        let layout = &self.0.layout;
        self.0.must_write()?;
        let repaired = {
            let _view = self.lock_view(session)?;
            let _owner = ShortLock::acquire(self.disk(), &layout.owner_lock(session.name()))?;
            self.refuse_if_open(session)?;
            let losses: Vec<Loss> =
                self.verify(session)?.into_iter().filter(|loss| loss.kind != LossKind::Repaired).collect();
            if losses.is_empty() {
                return Ok(Repaired { losses, kept: None });
            }
            if let Some(loss) = losses.iter().find(|loss| loss.kind == LossKind::TooNew) {
                return Err(Error::TooNew { path: self.folder(session).join(&loss.file) });
            }
            let rebuilt = layout.sessions().join(format!("{}.rebuild", session.name()));
            self.clear_rebuild(session, &rebuilt)?;
            self.disk().make_dir(&rebuilt)?;
            let generation = self.rebuild(session, &Anew::of(&rebuilt), None)?;
            let kept = self.name_for_kept(session, "broken", generation - 1);
            let folder = self.folder(session);
            self.disk().sync_dir(&rebuilt)?;
            self.disk().exchange(&rebuilt, &folder)?;
            self.forget(session.name());
            // Before the old one gets its other name: a power cut must not keep that and lose the exchange.
            self.disk().sync_dir(&layout.sessions())?;
            self.disk().rename(&rebuilt, &kept)?;
            self.disk().sync_dir(&layout.sessions())?;
            Repaired { losses, kept: Some(kept) }
        };
        // The log is sound; why its view could not be written, the store's health says.
        let _ = self.materialise(session);
        Ok(repaired)
    }

    /// A name under which nothing is kept yet.
    pub(crate) fn name_for_kept(&self, session: &SessionName, why: &str, generation: u32) -> PathBuf {
        let sessions = self.0.layout.sessions();
        let first = sessions.join(format!("{}.{why}-{generation}", session.name()));
        let more = (2_u64..).map(|n| sessions.join(format!("{}.{why}-{generation}-{n}", session.name())));
        std::iter::once(first).chain(more).find(|path| !path.exists()).unwrap_or_default()
    }

    /// What an earlier repair left: half a rebuilt log, which is worth nothing, or, when it was stopped behind the exchange, the only copy
    /// of the log as it was.
    pub(crate) fn clear_rebuild(&self, session: &SessionName, rebuilt: &Path) -> Result<()> {
        let generation = |folder: &Path| identify(folder).map(|header| header.generation);
        match (generation(rebuilt), generation(&self.folder(session))) {
            (None, _) if rebuilt.exists() && self.is_half_made(rebuilt) => {
                self.disk().remove_dir_all(rebuilt)
            }
            (Some(old), Some(new)) if old > new => self.disk().remove_dir_all(rebuilt),
            (old, _) if rebuilt.exists() => {
                self.disk().rename(rebuilt, &self.name_for_kept(session, "broken", old.unwrap_or(0)))
            }
            _ => Ok(()),
        }
    }

    /// Whether a folder holds no segment under its own name.
    fn is_half_made(&self, folder: &Path) -> bool {
        let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        !files.any(|file| file.file_name().to_str().is_some_and(|name| segment_number(name).is_some()))
    }

    /// The copies that repairs and redactions have kept of a session.
    pub(crate) fn kept_copies(&self, session: &SessionName) -> Vec<PathBuf> {
        let prefix = format!("{}.", session.name());
        let entries = std::fs::read_dir(self.0.layout.sessions()).into_iter().flatten().flatten();
        let is_copy = |name: &str| {
            name.strip_prefix(&prefix).is_some_and(|rest| {
                rest.starts_with("broken-") || rest.starts_with("original-") || rest == "rebuild"
            })
        };
        entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_copy))
            .map(|entry| entry.path())
            .collect()
    }

    /// Removes a session, log and view together.
    ///
    /// # Errors
    /// [`Busy`](Error::Busy) while it is open for writing, or what the file system says; before the log's folder has been
    /// renamed nothing but the view is gone, which materialising gives back.
    pub fn remove(&self, session: &SessionName) -> Result<()> {
        let layout = &self.0.layout;
        self.0.must_write()?;
        let _view = self.lock_view(session)?;
        let _owner = ShortLock::acquire(self.disk(), &layout.owner_lock(session.name()))?;
        self.refuse_if_open(session)?;
        let disk = self.disk();
        let trash = layout.trash().join(format!("{}-{:016x}", session.name(), random::u64()?));
        disk.remove_file(&layout.view(session.name()))?;
        // What a materialisation left that died; it holds the same secrets.
        disk.remove_file(&layout.unfinished_view(session.name()))?;
        // In this order a power cut leaves no view of a session that is gone: nobody would ever remove it.
        disk.sync_dir(layout.traces())?;
        disk.rename(&self.folder(session), &trash)?;
        self.forget(session.name());
        disk.sync_dir(&layout.sessions())?;
        disk.remove_file(&layout.owner(session.name()))?;
        // What repairs have kept of it goes with it: it is the same session, with the same secrets.
        for copy in self.kept_copies(session) {
            disk.remove_dir_all(&copy)?;
        }
        disk.remove_dir_all(&trash)
    }

    pub(crate) fn refuse_if_open(&self, session: &SessionName) -> Result<()> {
        let layout = &self.0.layout;
        if let Some(owner) = recovery::open_elsewhere(self, session)? {
            return Err(Error::Busy { session: session.id().to_owned(), holder: owner.holder() });
        }
        if Owner::read(layout, session.name())? != Entry::Absent {
            // A dead writer's session is recovered before anything else is done to it.
            match recovery::recover_session(self, session) {
                // Of a log in which nothing can be read, nothing can be recovered.
                Err(_) if recovery::unreadable(&self.folder(session))?.is_some() => {}
                other => other.map(|_| ())?,
            }
        }
        Ok(())
    }

    /// Writes the session's log anew, with what the rewriter makes of it, and returns its generation.
    pub(crate) fn rebuild(
        &self,
        session: &SessionName,
        anew: &Anew<'_>,
        mut rewriter: Option<&mut dyn Rewriter>,
    ) -> Result<u32> {
        let Anew { to, reading, id } = *anew;
        let folder = self.folder(session);
        let failed = |e| Error::io("read", &folder, e);
        let mut log = self.read(session, reading)?;
        let mut headers: Vec<Header> = log.headers().cloned().collect();
        for header in &mut headers {
            id.unwrap_or(session.id()).clone_into(&mut header.session_id);
        }
        let generation = headers.iter().map(|header| header.generation).max().unwrap_or(0).saturating_add(1);
        let mut rebuild =
            Rebuild { store: self, to, generation, headers, writer: None, number: 0, run_first: (0, 0) };
        let until = rewriter.as_deref().and_then(Rewriter::until);
        while let Some(item) = log.next().map_err(failed)? {
            match item {
                Item::Event(entry) if until.is_some_and(|until| entry.seq > until) => break,
                Item::Event(entry) => {
                    let flags = entry.flags & !record::EXPLICIT_TIME;
                    let other = replaced(rewriter.as_deref_mut(), Some(entry.seq), entry.kind, entry.body)?;
                    let (flags, body) = match &other {
                        Some(body) => (flags | record::REDACTED, body.as_slice()),
                        None => (flags, entry.body),
                    };
                    let writer = rebuild.writer_for(entry.run, entry.seq, entry.time)?;
                    writer.copy(entry.seq, entry.time, entry.kind, flags, body)?;
                }
                Item::Loss(loss) => {
                    let (first, last) = loss.missing.unwrap_or((1, 0));
                    let was = if loss.kind == LossKind::Repaired {
                        loss.was.clone()
                    } else {
                        Some(loss.kind.as_str().to_owned())
                    };
                    let gap = Gap {
                        was: was.map(Into::into),
                        ..Gap::new(
                            first,
                            last,
                            loss.file,
                            loss.offset,
                            loss.length,
                            LossKind::Repaired.as_str(),
                        )
                    };
                    rebuild.current(loss.missing)?.gap(&gap)?;
                }
                Item::Slot(slot) => {
                    if let Some(crash) = crash_of(&slot) {
                        let body = encoded(&crash, to)?;
                        let other = replaced(rewriter.as_deref_mut(), None, Crashed::KIND, &body)?;
                        let flags = if other.is_some() { record::REDACTED } else { 0 };
                        let writer = rebuild.current(None)?;
                        let seq = writer.next_seq();
                        writer.copy(seq, slot.time, Crashed::KIND, flags, &other.unwrap_or(body))?;
                    }
                }
                Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => {}
            }
        }
        rebuild.finish()?;
        Ok(generation)
    }
}

/// Where a log is written anew, and what of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anew<'a> {
    pub(crate) to: &'a Path,
    pub(crate) reading: Reading,
    /// The session's id from now on. `None`: as before.
    pub(crate) id: Option<&'a str>,
}

impl<'a> Anew<'a> {
    /// Of a session that nobody has open, in this folder.
    pub(crate) fn of(to: &'a Path) -> Self {
        Anew { to, reading: Reading::Whole, id: None }
    }
}

/// The crash record that a slot which no record names becomes.
pub(crate) fn crash_of(slot: &SlotEntry) -> Option<Event<'static>> {
    match slot.event() {
        Event::Crashed(crashed) => {
            Some(Event::Crashed(Crashed { run: Some(slot.run), slot: Some(slot.slot), ..crashed }))
        }
        _ => None,
    }
}

/// The body of an event.
pub(crate) fn encoded(event: &Event<'_>, folder: &Path) -> Result<Vec<u8>> {
    let mut body = vec![0; event.encoded_len()];
    event
        .encode_into(&mut body)
        .map_err(|_| Error::io("encode an event for", folder, std::io::ErrorKind::InvalidData.into()))?;
    Ok(body)
}

fn replaced(
    rewriter: Option<&mut (dyn Rewriter + '_)>,
    seq: Option<u64>,
    kind: u8,
    body: &[u8],
) -> Result<Option<Vec<u8>>> {
    rewriter.map_or(Ok(None), |rewriter| rewriter.body(seq, kind, body))
}

/// A log that is being written anew.
struct Rebuild<'s> {
    store: &'s Store,
    to: &'s Path,
    generation: u32,
    headers: Vec<Header>,
    writer: Option<(u32, SegmentWriter<'s>)>,
    number: u64,
    /// A run, and the first of its segments.
    run_first: (u32, u64),
}

impl<'s> Rebuild<'s> {
    /// The segment that an event of this run goes into.
    fn writer_for(&mut self, run: u32, seq: u64, time: Time) -> Result<&mut SegmentWriter<'s>> {
        let fits = |(of, writer): &(u32, SegmentWriter<'_>)| *of == run && writer.len() < SEGMENT_MAX;
        if !self.writer.as_ref().is_some_and(fits) {
            let seq = self.writer.as_ref().map_or(seq, |(_, writer)| writer.next_seq().min(seq));
            self.begin(run, seq, time)?;
        }
        self.open()
    }

    /// The segment that is being written, or a first one.
    fn current(&mut self, missing: Option<(u64, u64)>) -> Result<&mut SegmentWriter<'s>> {
        if self.writer.is_none() {
            let run = self.headers.first().map_or(1, |header| header.run);
            let base = self.headers.first().map_or(0, |header| header.wall_base_ns);
            self.begin(run, missing.map_or(1, |(first, _)| first), Time::from_ns(i128::from(base)))?;
        }
        self.open()
    }

    fn open(&mut self) -> Result<&mut SegmentWriter<'s>> {
        let to = self.to;
        self.writer
            .as_mut()
            .map(|(_, writer)| writer)
            .ok_or_else(|| Error::io("write", to, std::io::ErrorKind::Other.into()))
    }

    fn begin(&mut self, run: u32, first_seq: u64, time: Time) -> Result<()> {
        self.finish()?;
        self.number += 1;
        if self.run_first.0 != run {
            self.run_first = (run, self.number);
        }
        let like = self.headers.iter().find(|header| header.run == run).or(self.headers.first()).cloned();
        let like = like.ok_or_else(|| Error::io("read", self.to, std::io::ErrorKind::InvalidData.into()))?;
        let header = Header {
            generation: self.generation,
            number: self.number,
            run,
            first_seq,
            salt: random::u64()?,
            wall_base_ns: time.as_ns_i64(),
            monotonic_base_ns: 0,
            run_first_segment: self.run_first.1,
            ..like
        };
        let path = self.to.join(segment_file(self.number)).with_extension("wal.tmp");
        self.writer = Some((run, SegmentWriter::new(self.store.disk(), &path, header)?));
        Ok(())
    }

    /// Completes the segment that is being written.
    fn finish(&mut self) -> Result<()> {
        if let Some((_, mut writer)) = self.writer.take() {
            writer.durable_mark()?;
            writer.finish(&self.to.join(segment_file(self.number)))?;
        }
        Ok(())
    }
}
