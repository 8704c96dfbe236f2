//! What a dead writer left: its crash is recorded, what it had not made durable is copied, and the log is whole again
//! (SPEC.md section 10).

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tracewal_format::event::{
    Crashed, Event, FoundBy, Gap, LifecycleBegun, LifecycleEnded, RunEnded, SessionEnded,
};
use tracewal_format::log::{Item, Loss, LossKind, Reading, SlotEntry, segment_file};
use tracewal_format::segment::{Header, SlotState};
use tracewal_format::time::Time;

use crate::disk::Step;
use crate::error::{Error, Result};
use crate::files::{Log, SegmentFiles};
use crate::guard::Guard;
use crate::layout::Layout;
use crate::lock::{ShortLock, is_locked};
use crate::nesting::Nesting;
use crate::owner::{Entry, Owner, writer_lives};
use crate::process::Identity;
use crate::random;
use crate::segment_writer::SegmentWriter;
use crate::small_file::SmallFile;
use crate::store::{Recovered, SessionName, Store};

/// How long recovery waits for a session's lock before it leaves the session to the next recovery.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

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

    /// The number of the segment behind the last. A stray file may have any number, also the highest (I11).
    pub(crate) fn next_segment(&self, folder: &Path) -> Result<u64> {
        self.last_segment.checked_add(1).ok_or_else(|| no_next("find a number for a segment in", folder))
    }

    /// The number of the run behind the last.
    pub(crate) fn next_run(&self, folder: &Path) -> Result<u32> {
        self.last_run.checked_add(1).ok_or_else(|| no_next("find a number for a run in", folder))
    }
}

fn no_next(doing: &'static str, folder: &Path) -> Error {
    Error::io(doing, folder, std::io::ErrorKind::InvalidData.into())
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
    /// The lifecycle actions that the run had begun and not ended.
    actions: Nesting<()>,
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

/// How far half-made sessions are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearing {
    /// If a dead writer's entry is there: a store with many sessions and none that died is opened without listing them.
    OfKnownDead,
    /// In any case: a power cut may have taken the entry.
    Everything,
}

/// Recovers every session whose owner entry names a dead writer, and clears away what dead writers left half made.
pub(crate) fn recover_store(store: &Store, clearing: Clearing) -> Result<Recovered> {
    store.0.must_write()?;
    let mut recovered = Recovered::default();
    for name in owner_names(&store.0.layout)? {
        let session = store.named(&name);
        match recover_owned(store, &session) {
            Ok(true) => recovered.sessions.push(session),
            Ok(false) => {}
            Err(error) => {
                // I7: the others are not kept from being recovered.
                store.0.note_failed_recovery(&session, &error);
                recovered.failed.push((session, error.to_string()));
            }
        }
    }
    clear_away(store, clearing)?;
    Ok(recovered)
}

/// Recovers one session if its owner is dead. Whether it was.
fn recover_owned(store: &Store, session: &SessionName) -> Result<bool> {
    let layout = &store.0.layout;
    if store.0.is_live_here(session.name()) {
        return Ok(false);
    }
    {
        // I7: somebody who was stopped with the lock does not keep the other sessions waiting for long.
        let path = layout.owner_lock(session.name());
        store.disk().before(Step::Lock(&path)).map_err(|e| Error::io("lock", &path, e))?;
        let Some(owner_lock) = ShortLock::acquire_within(&path, PATIENCE)? else {
            return Ok(false);
        };
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
            Err(error) => match unreadable(&layout.session(session.name()))? {
                None => return Err(error),
                // A power cut came before anything of it was durable: it has a name, and holds nothing. (On the same boot its pages
                // could not vanish like that: then somebody took them, and it is not for us to take the rest.)
                Some(losses)
                    if losses.is_empty() && was_another_boot(layout, session, &store.0.identity())? => {}
                Some(losses) if losses.is_empty() => {
                    store.0.note_failed_recovery(session, &error);
                    store.forget(session.name());
                    store.disk().remove_file(&layout.owner(session.name()))?;
                    return Ok(false);
                }
                Some(losses) => {
                    // No header is left, and nothing more can be done for it. What is there stays, and shows as damage.
                    store.0.note_losses(session, &losses);
                    store.forget(session.name());
                    store.disk().remove_file(&layout.owner(session.name()))?;
                    return Ok(false);
                }
            },
            Ok(_) => {
                drop(owner_lock);
                store.materialise_if_free(session)?;
                return Ok(true);
            }
        }
    }
    store.remove(session)?;
    Ok(false)
}

/// Who has the session open, if somebody alive does. Under its owner lock.
pub(crate) fn open_elsewhere(store: &Store, session: &SessionName) -> Result<Option<Owner>> {
    let (layout, here) = (&store.0.layout, store.0.identity());
    let mine = |writer: u128| Some(writer) == store.0.writer_id();
    if let Entry::Named(owner) = Owner::read(layout, session.name())? {
        let alive = if mine(owner.writer) {
            store.0.is_live_here(session.name())
        } else {
            owner.lives(layout, &here)?
        };
        return Ok(alive.then_some(owner));
    }
    // No entry, or one that cannot be read. A log that was closed in order is sealed; if this one is not, whoever made its last segment
    // may be writing to it.
    let folder = layout.session(session.name());
    if !folder.exists() {
        return Ok(None);
    }
    let log = open(&folder)?;
    let Some(last) = log.headers().last() else { return Ok(None) };
    if log.seal(last.number).is_some() || (mine(last.writer) && !store.0.is_live_here(session.name())) {
        return Ok(None);
    }
    let identity = writer_identity(layout, last.writer);
    let owner = Owner { writer: last.writer, session_uid: last.session_uid, run: last.run, identity };
    Ok((mine(owner.writer) || owner.lives(layout, &here)?).then_some(owner))
}

/// What a writer's own entry says of its process; nothing, if it says nothing.
fn writer_identity(layout: &Layout, id: u128) -> Identity {
    match SmallFile::read(&layout.writer(id), "tracewal-writer") {
        Ok(Some(Some(text))) => Identity::read_from(&text),
        _ => Identity::default(),
    }
}

/// Whether the session was opened before this machine was started, as far as its owner entry tells.
fn was_another_boot(layout: &Layout, session: &SessionName, here: &Identity) -> Result<bool> {
    Ok(match Owner::read(layout, session.name())? {
        Entry::Named(owner) => owner.identity.boot_id != here.boot_id,
        // A power cut has taken the entry too.
        Entry::Unreadable => true,
        Entry::Absent => false,
    })
}

/// What is lost of a log of which no segment can be read. `None`: one can, or a newer version may.
pub(crate) fn unreadable(folder: &Path) -> Result<Option<Vec<Loss>>> {
    let mut log = open(folder)?;
    if log.headers().next().is_some() || log.too_new().is_some() {
        return Ok(None);
    }
    let mut losses = Vec::new();
    while let Some(item) = log.next().map_err(|e| Error::io("read", folder, e))? {
        if let Item::Loss(loss) = item {
            losses.push(loss);
        }
    }
    Ok(Some(losses))
}

/// Under the session's owner lock: makes sure that no living writer has it, records the crash of a dead one, and copies what
/// was not proved durable. Everything up to the returned end is durable and marked so.
///
/// # Errors
/// [`Busy`](Error::Busy), [`TooNew`](Error::TooNew), or what reading and writing met.
pub(crate) fn recover_session(store: &Store, session: &SessionName) -> Result<LogEnd> {
    let here = store.0.identity();
    if let Some(owner) = open_elsewhere(store, session)? {
        return Err(Error::Busy { session: session.id().to_owned(), holder: owner.holder() });
    }
    let folder = store.0.layout.session(session.name());
    remove_half_made(store, &folder)?;
    let survey = survey(&folder, &here)?;
    store.0.note_losses(session, &survey.losses);
    let crashes = crash_records(&survey, &here);
    if crashes.is_empty() && survey.durable + 1 >= survey.end.next_seq {
        // A recovery that was interrupted may have written its segment, and not made the name durable.
        sync_names(store, &folder)?;
        return Ok(survey.end);
    }
    if Owner::read(&store.0.layout, session.name())? == Entry::Absent {
        own(store, session, &survey)?;
    }
    write_tail(store, &folder, &survey, &crashes)
}

/// Removes the segments that have no name yet: nothing in them has been acknowledged, and they may be large.
fn remove_half_made(store: &Store, folder: &Path) -> Result<()> {
    for name in names(folder, |name| name.ends_with(".wal.tmp"))? {
        store.disk().remove_file(&folder.join(name))?;
    }
    Ok(())
}

/// Names this writer as the owner of the last run, before anything is appended to it: if this process does not come to write the view,
/// recovery does.
fn own(store: &Store, session: &SessionName, survey: &Survey) -> Result<()> {
    let writer = store.0.must_write()?;
    let (session_uid, run) = (survey.end.uid, survey.last.run);
    let owner = Owner { writer: writer.id, session_uid, run, identity: writer.identity.clone() };
    owner.write(&store.0.layout, store.disk(), session.name())
}

/// Under the session's owner lock: records that the last run crashed, which has been closed by this process.
pub(crate) fn record_crash(store: &Store, session: &SessionName, crashed: Crashed<'static>) -> Result<()> {
    let folder = store.0.layout.session(session.name());
    if open_elsewhere(store, session)?.is_some() {
        return Ok(());
    }
    let survey = survey(&folder, &store.0.identity())?;
    if survey.last.writer != store.0.must_write()?.id {
        // Somebody has resumed it since: what became of it then is not ours to say.
        return Ok(());
    }
    own(store, session, &survey)?;
    let crashed = Crashed { run: Some(survey.last.run), ..crashed };
    write_tail(store, &folder, &survey, &[(survey.last_time, crashed)]).map(|_| ())
}

fn open(folder: &Path) -> Result<Log> {
    SegmentFiles::open_log(folder, Reading::Whole).map_err(|e| Error::io("read", folder, e))
}

/// The kinds of events that say how a run stands.
const DECIDING: [u8; 5] =
    [SessionEnded::KIND, RunEnded::KIND, Crashed::KIND, LifecycleBegun::KIND, LifecycleEnded::KIND];

/// Reads the last run, from its first segment.
fn survey(folder: &Path, here: &Identity) -> Result<Survey> {
    let failed = |e| Error::io("read", folder, e);
    let mut log = open(folder)?;
    // Wherever in the log it is, and though the others can be read: what is in it is not ours to go on with.
    if let Some(number) = log.too_new() {
        return Err(Error::TooNew { path: folder.join(segment_file(number)) });
    }
    let Some(last) = log.headers().last().cloned() else {
        return Err(Error::io("find a segment to read in", folder, std::io::ErrorKind::InvalidData.into()));
    };
    // Not what the owner entry says: it may be of a run that never began, or, after a power cut, of the one before.
    let run = last.run;
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
        actions: Nesting::default(),
        slots: Vec::new(),
        losses: Vec::new(),
    };
    while let Some(item) = log.next().map_err(failed)? {
        match item {
            Item::Event(entry) if entry.run == run => {
                survey.last_time = entry.time;
                // The rest of a long log is checked, and not decoded.
                match DECIDING.contains(&entry.kind).then(|| entry.event()).flatten() {
                    Some(Ok(Event::SessionEnded(_) | Event::RunEnded(_))) => survey.has_ending = true,
                    Some(Ok(Event::Crashed(crashed))) => {
                        survey.has_ending |= crashed.run.is_none_or(|of| of == run);
                    }
                    Some(Ok(Event::LifecycleBegun(action))) => survey.actions.begin(&action.action_id, ()),
                    Some(Ok(Event::LifecycleEnded(action))) => survey.actions.end(&action.action_id),
                    _ => {}
                }
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
    let losses = std::mem::take(&mut survey.losses).into_iter();
    survey.losses = losses.map(|loss| judged(loss, &log, survey.durable, here.boot_id_bits())).collect();
    Ok(survey)
}

/// After a power cut a loss that no mark covers is not called damage: the segment that recovery writes is of this boot, and so makes
/// it `unsynced` (SPEC.md section 7), but it also takes the place from which a reader could tell.
fn judged(loss: Loss, log: &Log, durable: u64, boot_id: u128) -> Loss {
    let is_earlier = |header: &Header| header.boot_id != 0 && boot_id != 0 && header.boot_id != boot_id;
    let mut headers = log.headers().filter(|header| segment_file(header.number) == loss.file);
    let is_unsynced = loss.kind == LossKind::Damage
        && loss.missing.is_some_and(|(first, _)| first > durable)
        && headers.next().is_some_and(is_earlier);
    if is_unsynced { Loss { kind: LossKind::Unsynced, ..loss } } else { loss }
}

/// The crash records that the run has to get (SPEC.md section 10, step 2). What was being closed when the process died explains them.
fn crash_records(survey: &Survey, here: &Identity) -> Vec<(Time, Crashed<'static>)> {
    let mut records = crashes_of(survey, here);
    // Not behind an ending: what is still open then is not what the process died of.
    if !survey.has_ending
        && let Some((action, ())) = survey.actions.innermost()
    {
        for (_, crashed) in &mut records {
            crashed.action_id.get_or_insert_with(|| action.to_owned().into());
        }
    }
    records
}

fn crashes_of(survey: &Survey, here: &Identity) -> Vec<(Time, Crashed<'static>)> {
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
    let number = survey.end.next_segment(folder)?;
    let path = folder.join(segment_file(number));
    let boot_id = store.0.identity().boot_id_bits();
    let header = Header {
        writer: store.0.writer_id().unwrap_or(0),
        boot_id,
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
            Item::Event(entry) if entry.seq > survey.durable && !Guard::CopyUnproved.is_off() => {
                writer.copy(entry.seq, entry.time, entry.kind, entry.flags & !4, entry.body)?;
            }
            Item::Loss(loss) => {
                let loss = judged(loss, &log, survey.durable, boot_id);
                // Behind a copied event the place itself is superseded: what is not said here, nobody sees again.
                let superseded = writer.next_seq() > survey.durable + 1;
                if let Some(gap) = gap_above(&loss, survey.durable, superseded) {
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
    sync_names(store, folder)?;
    Ok(LogEnd { last_segment: number, next_seq, ..survey.end.clone() })
}

/// Makes every name on the way to a session's segments durable: its writer may have died before it had.
fn sync_names(store: &Store, folder: &Path) -> Result<()> {
    store.disk().sync_dir(folder)?;
    store.disk().sync_dir(&store.0.layout.sessions())?;
    store.0.sync_own_entries()
}

/// The part of a loss that the copy has to speak of, because the place where it can be seen is superseded by the copy.
fn gap_above(loss: &Loss, durable: u64, superseded: bool) -> Option<Gap<'static>> {
    let (first, last) = match loss.missing {
        Some((first, last)) if last > durable => (first.max(durable + 1), last),
        // No number is missing, such as where an append was cut off.
        None if superseded => (1, 0),
        _ => return None,
    };
    Some(Gap {
        was: loss.was.clone().map(Into::into),
        ..Gap::new(first, last, loss.file.clone(), loss.offset, loss.length, loss.kind.as_str())
    })
}

/// How long ago a file was written; no time at all, if that cannot be told.
fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
    modified.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

/// Removes what is nobody's: half-made sessions and entries of dead writers, the trash, and locks of sessions that have gone.
fn clear_away(store: &Store, clearing: Clearing) -> Result<()> {
    let (layout, disk) = (&store.0.layout, store.disk());
    let here = store.0.identity();
    let lives = |id: u128| {
        if Some(id) == store.0.writer_id() {
            return true;
        }
        // In doubt it lives.
        writer_lives(layout, id, &writer_identity(layout, id), &here).unwrap_or(true)
    };
    let id_of = |hex: &str| u128::from_str_radix(hex.get(..32)?, 16).ok();
    let mut dead = Vec::new();
    for name in names(&layout.writers(), |_| true)? {
        let Some(id) = id_of(&name) else { continue };
        if name.ends_with(".tmp") {
            // A writer that is arriving holds its lock already; in doubt it is one.
            let arriving = fs::File::open(layout.writers().join(&name)).and_then(|file| is_locked(&file));
            if arriving.unwrap_or(true) {
                continue;
            }
        }
        let path = layout.writers().join(&name);
        // A temporary name is that of a writer which is just coming; only an old one is left over.
        let is_coming = name.contains('.') && age(&path) < Duration::from_secs(60);
        if !is_coming && !lives(id) {
            dead.push((id, path));
        }
    }
    if clearing == Clearing::Everything || !dead.is_empty() {
        for name in names(&layout.sessions(), |name| name.starts_with(".new-"))? {
            if name.strip_prefix(".new-").and_then(id_of).is_some_and(|id| !lives(id)) {
                // What cannot be removed stays, and keeps nobody from anything.
                let _ = disk.remove_dir_all(&layout.sessions().join(name));
            }
        }
    }
    if !dead.is_empty() {
        let owners = owner_names(layout)?;
        let named: Vec<Entry> = owners.iter().filter_map(|name| Owner::read(layout, name).ok()).collect();
        let is_named =
            |id| named.iter().any(|entry| matches!(entry, Entry::Named(owner) if owner.writer == id));
        for (_, path) in dead.iter().filter(|(id, _)| !is_named(*id)) {
            let _ = disk.remove_file(path);
        }
    }
    for name in names(&layout.trash(), |_| true)? {
        let _ = disk.remove_dir_all(&layout.trash().join(name));
    }
    clear_locks(layout)
}

/// Removes the locks that somebody who was killed left of a session that is not there any more: they are called as it was, which may be
/// what it was removed for.
fn clear_locks(layout: &Layout) -> Result<()> {
    for lock in names(&layout.locks(), |name| name.ends_with(".owner") || name.ends_with(".view"))? {
        if lock.rsplit_once('.').is_some_and(|(name, _)| !layout.session(name).exists()) {
            // One that is given up removes its file; one that somebody holds is his.
            let _ = ShortLock::try_acquire(&layout.locks().join(lock));
        }
    }
    Ok(())
}
