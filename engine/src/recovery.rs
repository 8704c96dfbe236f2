//! What a dead writer left: its crash is recorded, what it had not made durable is copied, and the log is whole again
//! (SPEC.md section 10).

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use tracewal_format::event::{Crashed, Event, FoundBy, Gap};
use tracewal_format::log::{Item, Loss, LossKind, Reading, SlotEntry, segment_file};
use tracewal_format::segment::{Header, SlotState};
use tracewal_format::time::Time;

use crate::error::{Error, Result};
use crate::files::{Log, SegmentFiles};
use crate::layout::Layout;
use crate::lock::ShortLock;
use crate::owner::{Entry, Owner, writer_lives};
use crate::process::Identity;
use crate::random;
use crate::segment_writer::SegmentWriter;
use crate::small_file::SmallFile;
use crate::store::{Recovered, SessionName, Store, lock};

/// Where a log ends, and what the next run needs to know.
#[derive(Clone, Debug)]
pub(crate) struct LogEnd {
    pub(crate) uid: u128,
    pub(crate) generation: u32,
    pub(crate) last_segment: u64,
    pub(crate) last_run: u32,
    pub(crate) next_seq: u64,
}

impl LogEnd {
    /// Of a session that has no log yet.
    pub(crate) fn empty(uid: u128) -> Self {
        LogEnd { uid, generation: 0, last_segment: 0, last_run: 0, next_seq: 1 }
    }
}

/// What is found at the end of a log.
#[derive(Debug)]
struct Survey {
    end: LogEnd,
    /// The last segment's header: what is written next goes on from it.
    last: Header,
    durable: u64,
    /// Time of the run's last event.
    last_time: Time,
    /// The run has an ending or a crash record.
    has_ending: bool,
    poisoned: bool,
    slots: Vec<SlotEntry>,
    losses: Vec<Loss>,
}

/// The names in `owners/`.
pub(crate) fn owner_names(layout: &Layout) -> Result<Vec<String>> {
    names(&layout.owners(), |name| !name.contains('.'))
}

fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let failed = |e| Error::io("list", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
            && wanted(&name)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Recovers every session whose owner entry names a dead writer, and clears away what dead writers left half made.
pub(crate) fn recover_store(store: &Store) -> Result<Recovered> {
    store.0.must_write()?;
    let mut recovered = Recovered::default();
    for name in owner_names(&store.0.layout)? {
        let session = store.named(&name);
        match recover_owned(store, &session) {
            Ok(true) => recovered.sessions.push(session),
            Ok(false) => {}
            Err(error) => {
                // I7: the others are not kept from being recovered.
                lock(&store.0.health).failed_recoveries.push((session.id().to_owned(), error.to_string()));
                recovered.failed.push((session, error.to_string()));
            }
        }
    }
    clear_away(store)?;
    Ok(recovered)
}

/// Recovers one session if its owner is dead. Whether it was.
fn recover_owned(store: &Store, session: &SessionName) -> Result<bool> {
    let layout = &store.0.layout;
    if store.0.is_live_here(session.name()) {
        return Ok(false);
    }
    {
        let _lock = ShortLock::acquire(&layout.owner_lock(session.name()))?;
        if Owner::read(layout, session.name())? == Entry::Absent {
            return Ok(false);
        }
        if !layout.session(session.name()).exists() {
            // Killed before the session was: there is nothing to own.
            store.disk().remove_file(&layout.owner(session.name()))?;
            return Ok(false);
        }
        match recover_session(store, session) {
            Err(Error::Busy { .. }) => return Ok(false),
            other => other?,
        };
    }
    store.materialise(session)?;
    Ok(true)
}

/// Under the session's owner lock: makes sure that no living writer has it, records the crash of a dead one, and copies what
/// was not proved durable. Everything up to the returned end is durable and marked so.
///
/// # Errors
/// [`Busy`](Error::Busy), [`TooNew`](Error::TooNew), or what reading and writing met.
pub(crate) fn recover_session(store: &Store, session: &SessionName) -> Result<LogEnd> {
    let layout = &store.0.layout;
    let here = store.0.identity();
    let busy = |owner: &Owner| Error::Busy { session: session.id().to_owned(), holder: owner.holder() };
    let owned_run = match Owner::read(layout, session.name())? {
        Entry::Absent | Entry::Unreadable => None,
        Entry::Named(owner) => {
            let mine = Some(owner.writer) == store.0.writer_id();
            let alive =
                if mine { store.0.is_live_here(session.name()) } else { owner.lives(layout, &here)? };
            if alive {
                return Err(busy(&owner));
            }
            Some(owner.run)
        }
    };
    let folder = layout.session(session.name());
    let survey = survey(&folder, owned_run)?;
    if !survey.losses.is_empty() {
        let mut health = lock(&store.0.health);
        health.losses.extend(survey.losses.iter().map(|loss| (session.id().to_owned(), loss.clone())));
    }
    let crashes = crash_records(&survey, &here);
    if crashes.is_empty() && survey.durable + 1 >= survey.end.next_seq {
        return Ok(survey.end);
    }
    write_tail(store, &folder, &survey, &crashes)
}

/// Under the session's owner lock: records that the last run crashed, which has been closed by this process.
pub(crate) fn record_crash(store: &Store, session: &SessionName, crashed: Crashed<'static>) -> Result<()> {
    let folder = store.0.layout.session(session.name());
    let survey = survey(&folder, None)?;
    let crashed = Crashed { run: Some(survey.last.run), ..crashed };
    write_tail(store, &folder, &survey, &[(survey.last_time, crashed)]).map(|_| ())
}

fn open(folder: &Path) -> Result<Log> {
    SegmentFiles::open_log(folder, Reading::Whole).map_err(|e| Error::io("read", folder, e))
}

/// Reads the last run, from its first segment.
fn survey(folder: &Path, owned_run: Option<u32>) -> Result<Survey> {
    let failed = |e| Error::io("read", folder, e);
    let mut log = open(folder)?;
    let unreadable = || {
        let path = folder.to_owned();
        Error::io("find a segment to read in", &path, std::io::ErrorKind::InvalidData.into())
    };
    let last = log.headers().last().cloned().ok_or_else(unreadable)?;
    // An entry that was written for a run which never began names the one behind the last.
    let run = owned_run.map_or(last.run, |run| run.min(last.run));
    let first = log.headers().find(|header| header.run == run).map_or(1, |header| header.first_seq);
    log.skip_to(first);
    let mut survey = Survey {
        end: LogEnd {
            uid: last.session_uid,
            generation: last.generation,
            last_segment: log.last_segment(),
            last_run: last.run,
            next_seq: 1,
        },
        last_time: Time::from_ns(i128::from(last.wall_base_ns)),
        last,
        durable: first - 1,
        has_ending: false,
        poisoned: false,
        slots: Vec::new(),
        losses: Vec::new(),
    };
    while let Some(item) = log.next().map_err(failed)? {
        match item {
            Item::Event(entry) if entry.run == run => {
                survey.last_time = entry.time;
                match entry.event() {
                    Some(Ok(Event::SessionEnded(_) | Event::RunEnded(_))) => survey.has_ending = true,
                    Some(Ok(Event::Crashed(crashed))) => {
                        survey.has_ending |= crashed.run.is_none_or(|of| of == run);
                    }
                    _ => {}
                }
            }
            Item::Loss(loss) if loss.kind == LossKind::TooNew => {
                return Err(Error::TooNew { path: folder.join(loss.file) });
            }
            Item::Loss(loss) => survey.losses.push(loss),
            Item::Poison(_) => survey.poisoned = true,
            Item::Slot(slot) if slot.run == run => survey.slots.push(slot),
            Item::Event(_) | Item::Slot(_) | Item::DurableMark(_) | Item::LogRecord(_) => {}
        }
    }
    survey.durable = survey.durable.max(log.durable());
    survey.end.next_seq = log.next_seq();
    survey.end.last_segment = log.last_segment();
    Ok(survey)
}

/// The crash records that the run has to get (SPEC.md section 10, step 2).
fn crash_records(survey: &Survey, here: &Identity) -> Vec<(Time, Crashed<'static>)> {
    let now = Some(Time::from(SystemTime::now()));
    let mut records = Vec::new();
    let is_crash =
        |slot: &SlotEntry| slot.content.as_ref().is_none_or(|content| content.state == SlotState::Crash);
    for slot in survey.slots.iter().filter(|slot| is_crash(slot)) {
        if let Event::Crashed(crashed) = slot.event() {
            records.push((slot.time, Crashed { run: Some(slot.run), slot: Some(slot.slot), ..crashed }));
        }
    }
    if survey.has_ending || !records.is_empty() {
        return records;
    }
    let run = survey.slots.first().map_or(survey.last.run, |slot| slot.run);
    let pid = (survey.last.pid != 0).then_some(survey.last.pid);
    let found = |reason: Cow<'static, str>| Crashed {
        pid,
        found_by: Some(FoundBy::Recovery),
        found_time: now,
        run: Some(run),
        ..Crashed::new(reason)
    };
    let pending = survey.slots.iter().find_map(|slot| Some((slot, slot.content.as_ref()?.signal_name()?)));
    let crashed = match pending {
        Some((slot, signal)) => {
            Crashed { signal: Some(signal.clone().into()), slot: Some(slot.slot), ..found(signal.into()) }
        }
        None if survey.poisoned => found("sync failed".into()),
        None if survey.last.boot_id != 0 && survey.last.boot_id != here.boot_id_bits() => {
            found("machine restarted".into())
        }
        None => found("process vanished".into()),
    };
    records.push((survey.last_time, crashed));
    records
}

/// Writes the next segment: what no mark covers, then the crash records, then a mark (SPEC.md section 10, step 3).
fn write_tail(
    store: &Store,
    folder: &Path,
    survey: &Survey,
    crashes: &[(Time, Crashed<'static>)],
) -> Result<LogEnd> {
    let failed = |e| Error::io("read", folder, e);
    let number = survey.end.last_segment + 1;
    let path = folder.join(segment_file(number));
    let header = Header {
        writer: store.0.writer_id().unwrap_or(0),
        boot_id: store.0.identity().boot_id_bits(),
        number,
        first_seq: survey.durable + 1,
        salt: random::u64()?,
        wall_base_ns: survey.last_time.as_ns_i64(),
        monotonic_base_ns: 0,
        ..survey.last.clone()
    };
    let mut writer = SegmentWriter::new(store.disk(), &path.with_extension("wal.tmp"), header)?;
    let mut log = open(folder)?;
    log.skip_to(survey.durable + 1);
    while let Some(item) = log.next().map_err(failed)? {
        match item {
            Item::Event(entry) if entry.seq > survey.durable => {
                writer.copy(entry.seq, entry.time, entry.kind, entry.flags & !4, entry.body)?;
            }
            Item::Loss(loss) => {
                if let Some(gap) = gap_above(&loss, survey.durable) {
                    writer.gap(&gap)?;
                }
            }
            _ => {}
        }
    }
    for (time, crashed) in crashes {
        writer.event(*time, &Event::Crashed(crashed.clone()))?;
    }
    writer.durable_mark()?;
    let next_seq = writer.next_seq();
    writer.finish(&path)?;
    store.disk().sync_dir(folder)?;
    store.disk().sync_dir(&store.0.layout.sessions())?;
    Ok(LogEnd { last_segment: number, next_seq, ..survey.end.clone() })
}

/// The part of a loss that the copy has to speak of, because the place where it can be seen is superseded by the copy.
pub(crate) fn gap_above(loss: &Loss, durable: u64) -> Option<Gap<'static>> {
    let (first, last) = loss.missing.filter(|(_, last)| *last > durable)?;
    let first = first.max(durable + 1);
    Some(Gap {
        was: loss.was.clone().map(Into::into),
        ..Gap::new(first, last, loss.file.clone(), loss.offset, loss.length, loss.kind.as_str())
    })
}

/// Removes what is nobody's: half-made sessions and entries of dead writers, and the trash.
fn clear_away(store: &Store) -> Result<()> {
    let (layout, disk) = (&store.0.layout, store.disk());
    let here = store.0.identity();
    let lives = |id: u128| {
        if Some(id) == store.0.writer_id() {
            return true;
        }
        let identity = match SmallFile::read(&layout.writer(id), "tracewal-writer") {
            Ok(None) => return false,
            Ok(Some(Some(text))) => Identity::read_from(&text),
            _ => Identity::default(),
        };
        // In doubt it lives.
        writer_lives(layout, id, &identity, &here).unwrap_or(true)
    };
    let id_of = |hex: &str| u128::from_str_radix(hex.get(..32)?, 16).ok();
    for name in names(&layout.sessions(), |name| name.starts_with(".new-"))? {
        if name.strip_prefix(".new-").and_then(id_of).is_some_and(|id| !lives(id)) {
            disk.remove_dir_all(&layout.sessions().join(name))?;
        }
    }
    let owners = owner_names(layout)?;
    let named: Vec<Entry> = owners.iter().filter_map(|name| Owner::read(layout, name).ok()).collect();
    for name in names(&layout.writers(), |_| true)? {
        let Some(id) = id_of(&name) else { continue };
        let is_named = named.iter().any(|entry| matches!(entry, Entry::Named(owner) if owner.writer == id));
        if !is_named && !lives(id) {
            disk.remove_file(&layout.writers().join(name))?;
        }
    }
    for name in names(&layout.trash(), |_| true)? {
        disk.remove_dir_all(&layout.trash().join(name))?;
    }
    Ok(())
}
