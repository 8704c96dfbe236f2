//! Making a damaged log sound again, and removing sessions (SPEC.md section 13).

use std::path::Path;

use tracewal_format::event::{Event, Gap};
use tracewal_format::log::{Item, Loss, LossKind, Reading, segment_file};
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

use crate::error::{Error, Result};
use crate::lock::ShortLock;
use crate::owner::{Entry, Owner};
use crate::random;
use crate::recovery;
use crate::segment_writer::SegmentWriter;
use crate::store::{SessionName, Store};

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
            let _owner = ShortLock::acquire(&layout.owner_lock(session.name()))?;
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
            self.disk().remove_dir_all(&rebuilt)?;
            self.disk().make_dir(&rebuilt)?;
            let generation = self.rebuild(session, &rebuilt)?;
            let kept = layout.sessions().join(format!("{}.broken-{}", session.name(), generation - 1));
            let folder = self.folder(session);
            self.disk().sync_dir(&rebuilt)?;
            self.disk().exchange(&rebuilt, &folder)?;
            self.disk().rename(&rebuilt, &kept)?;
            self.disk().sync_dir(&layout.sessions())?;
            Repaired { losses, kept: Some(kept) }
        };
        self.materialise(session)?;
        Ok(repaired)
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
        let _owner = ShortLock::acquire(&layout.owner_lock(session.name()))?;
        self.refuse_if_open(session)?;
        let disk = self.disk();
        let trash = layout.trash().join(format!("{}-{:016x}", session.name(), random::u64()?));
        disk.remove_file(&layout.view(session.name()))?;
        disk.rename(&self.folder(session), &trash)?;
        disk.sync_dir(&layout.sessions())?;
        disk.sync_dir(layout.traces())?;
        disk.remove_file(&layout.owner(session.name()))?;
        disk.remove_dir_all(&trash)
    }

    fn refuse_if_open(&self, session: &SessionName) -> Result<()> {
        let layout = &self.0.layout;
        if let Entry::Named(owner) = Owner::read(layout, session.name())? {
            let mine = Some(owner.writer) == self.0.writer_id();
            let open = if mine {
                self.0.is_live_here(session.name())
            } else {
                owner.lives(layout, &self.0.identity())?
            };
            if open {
                return Err(Error::Busy { session: session.id().to_owned(), holder: owner.holder() });
            }
            // A dead writer's session is recovered before anything else is done to it.
            recovery::recover_session(self, session)?;
        }
        Ok(())
    }

    /// Writes the session's log anew into `to`, and returns its generation.
    fn rebuild(&self, session: &SessionName, to: &Path) -> Result<u32> {
        let folder = self.folder(session);
        let failed = |e| Error::io("read", &folder, e);
        let mut log = self.read(session, Reading::Whole)?;
        let headers: Vec<Header> = log.headers().cloned().collect();
        let generation = headers.iter().map(|header| header.generation).max().unwrap_or(0) + 1;
        let mut rebuild =
            Rebuild { store: self, to, generation, headers, writer: None, number: 0, run_first: (0, 0) };
        while let Some(item) = log.next().map_err(failed)? {
            match item {
                Item::Event(entry) => {
                    let writer = rebuild.writer_for(entry.run, entry.seq, entry.time)?;
                    writer.copy(entry.seq, entry.time, entry.kind, entry.flags & !4, entry.body)?;
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
                    if let Event::Crashed(crashed) = slot.event() {
                        let writer = rebuild.current(None)?;
                        writer.event(
                            slot.time,
                            &Event::Crashed(tracewal_format::event::Crashed {
                                run: Some(slot.run),
                                slot: Some(slot.slot),
                                ..crashed
                            }),
                        )?;
                    }
                }
                Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => {}
            }
        }
        rebuild.finish()?;
        Ok(generation)
    }
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
