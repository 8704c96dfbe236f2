//! A session that is open for writing: appending, rolling to the next segment, syncing, ending (SPEC.md section 9).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tracewal_format::event::{
    AnyEvent, Crashed, EndStatus, Event, FoundBy, Metadata, RunEndReason, RunEnded, RunStarted, SessionEnded,
    SessionStarted,
};
use tracewal_format::log::segment_file;
use tracewal_format::record::Body;
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

use crate::ahead::{self, Recipe};
use crate::clock;
use crate::crash::{self, Place};
use crate::error::{Error, Result};
use crate::fork;
use crate::guard::Guard;
use crate::lifecycle;
use crate::lock::ShortLock;
use crate::mapping::Pages;
use crate::name;
use crate::options::Durability;
use crate::owner::{Entry, Owner};
use crate::process::Identity;
use crate::random;
use crate::recovery::{self, LogEnd};
use crate::segment::{Append, Blank, Fill, Refused, Segment};
use crate::segment_list::SegmentList;
use crate::store::{SessionName, Store, identify, lock};
use crate::sync::Syncing;
use crate::views::{Materialised, Status};

/// A session that is about to be started or resumed.
#[derive(Debug)]
#[must_use = "call start, resume or start_or_resume"]
pub struct NewSession {
    store: Store,
    id: String,
    first: SessionStarted<'static>,
    time: Option<Time>,
    reason: Option<String>,
}

impl NewSession {
    pub(crate) fn new(store: Store, id: String) -> Self {
        NewSession { store, id, first: SessionStarted::new(), time: None, reason: None }
    }

    /// The id of its trace; a new UUID unless given.
    pub fn trace_id(mut self, id: impl Into<String>) -> Self {
        self.first.trace_id = Some(id.into().into());
        self
    }

    /// The id of its root span; a new UUID unless given.
    pub fn root_span_id(mut self, id: impl Into<String>) -> Self {
        self.first.root_span_id = Some(id.into().into());
        self
    }

    /// The name of its root span; the session's id unless given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.first.name = Some(name.into().into());
        self
    }

    /// What it is about, all at once.
    pub fn metadata(mut self, metadata: Metadata<'static>) -> Self {
        self.first.metadata = Some(metadata);
        self
    }

    /// What people call it.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.first.metadata.get_or_insert_with(Metadata::new).title = Some(title.into().into());
        self
    }

    /// What was asked.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.first.metadata.get_or_insert_with(Metadata::new).prompt = Some(prompt.into().into());
        self
    }

    /// The scopes by which lifecycle actions may cover it: directories, workspaces, agents. What looks like a path is kept as the
    /// hash of a directory. A session that is resumed keeps those that it was started with unless it gets others.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.first.scopes = Some(scopes.into_iter().map(|scope| scope.into().into()).collect());
        self
    }

    /// One more scope: the directory that it runs in.
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        let scope = lifecycle::directory_scope(directory);
        self.first.scopes.get_or_insert_default().push(scope.into());
        self
    }

    /// Everything that its first event says. What is absent and has a default gets it.
    pub fn first_event(mut self, first: SessionStarted<'static>) -> Self {
        self.first = first;
        self
    }

    /// When it began; now unless given.
    pub fn time(mut self, time: Time) -> Self {
        self.time = Some(time);
        self
    }

    /// Why this process begins to write; shown with the run.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Starts it. A session that exists is left as it is.
    ///
    /// # Errors
    /// [`Exists`](Error::Exists), [`BadId`](Error::BadId), [`DiskFull`](Error::DiskFull), or what the file system says.
    pub fn start(self) -> Result<Session> {
        self.check()?;
        let (store, layout) = (&self.store.0, &self.store.0.layout);
        let writer = store.must_write()?;
        let uid = random::u128()?;
        for name in name::candidates(&self.id) {
            let _lock = ShortLock::acquire(store.disk(), &layout.owner_lock(&name))?;
            let folder = layout.session(&name);
            if folder.exists() {
                if identify(&folder).is_some_and(|header| header.session_id == self.id) {
                    return Err(Error::Exists { session: self.id });
                }
                continue;
            }
            let owner =
                Owner { writer: writer.id, session_uid: uid, run: 1, identity: writer.identity.clone() };
            owner.write(layout, store.disk(), &name)?;
            match self.make(&name, uid) {
                Ok(Some(session)) => return Ok(session),
                Ok(None) => store.disk().remove_file(&layout.owner(&name))?,
                Err(error) => {
                    // The entry names us, and there is nothing that we own.
                    let _ = store.disk().remove_file(&layout.owner(&name));
                    return Err(error);
                }
            }
        }
        Err(Error::Exists { session: self.id })
    }

    /// Resumes it: a new run of the same session. What a dead writer left is recovered first.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound), [`Busy`](Error::Busy), [`TooNew`](Error::TooNew), or what the file system says.
    pub fn resume(self) -> Result<Session> {
        self.check()?;
        let (store, layout) = (&self.store.0, &self.store.0.layout);
        let writer = store.must_write()?;
        let session = self.store.find(&self.id)?;
        let owner_lock = ShortLock::acquire(store.disk(), &layout.owner_lock(session.name()))?;
        let end = recovery::recover_session(&self.store, &session)?;
        let run = end.next_run(&layout.session(session.name()))?;
        // An entry means that a writer died: its crash may not be in the view yet.
        let before = Owner::read(layout, session.name())?;
        let owner = Owner { writer: writer.id, session_uid: end.uid, run, identity: writer.identity.clone() };
        owner.write(layout, store.disk(), session.name())?;
        let began =
            SessionInner::begin_run(&self.store, session.clone(), run, &end, layout.session(session.name()))
                .and_then(|inner| {
                    inner.append_run_started(self.reason.as_deref().or(Some("resume")))?;
                    Ok(inner)
                });
        if began.is_err() {
            // This run has not begun: nobody has it open.
            let _ = match &before {
                Entry::Named(owner) => owner.write(layout, store.disk(), session.name()),
                _ => store.disk().remove_file(&layout.owner(session.name())),
            };
        }
        let scopes = |first: &SessionStarted<'_>| match &first.scopes {
            None => lifecycle::scopes_of(&self.store, &session),
            Some(scopes) => scopes.iter().map(|scope| lifecycle::scope(scope)).collect(),
        };
        let began = began.map(|inner| Self::enlist(inner, scopes(&self.first)));
        drop(owner_lock);
        if before != Entry::Absent {
            // What can't be written now is written when this run ends, or by the next open.
            let _ = self.store.materialise(&session);
        }
        began
    }

    /// Resumes it if it exists, and starts it if not.
    ///
    /// # Errors
    /// Those of [`start`](Self::start) and [`resume`](Self::resume).
    pub fn start_or_resume(self) -> Result<Session> {
        match self.store.find(&self.id) {
            Ok(_) => self.resume(),
            Err(_) => self.start(),
        }
    }

    fn check(&self) -> Result<()> {
        let len = self.id.len();
        if len == 0 || len > tracewal_format::segment::ID_MAX {
            return Err(Error::BadId { len });
        }
        Ok(())
    }

    fn enlist(inner: SessionInner, scopes: Vec<String>) -> Session {
        let inner = Arc::new(inner);
        inner.store.0.enlist_session(&inner);
        inner.store.0.lifecycles.join(&inner, scopes);
        if inner.store.0.is_covered() {
            inner.cover();
        }
        inner.prepare_ahead();
        Session(Arc::new(Handle(inner)))
    }

    /// Makes the folder with its first segment, and renames it into place. `None`: the name is taken after all, by a file system
    /// to which two names are one.
    fn make(&self, name: &str, uid: u128) -> Result<Option<Session>> {
        let (store, layout) = (&self.store.0, &self.store.0.layout);
        let nonce = random::u64()?;
        let making =
            layout.sessions().join(format!(".new-{:032x}-{nonce:016x}", store.writer_id().unwrap_or(0)));
        store.disk().make_dir(&making)?;
        let made = || {
            let session = SessionName::new(name, self.id.clone());
            let end = LogEnd::empty(uid);
            let mut inner = SessionInner::begin_run(&self.store, session, 1, &end, making.clone())?;
            let scopes: Option<Vec<String>> =
                self.first.scopes.as_ref().map(|all| all.iter().map(|text| lifecycle::scope(text)).collect());
            let first = SessionStarted {
                scopes: scopes.clone().map(|all| all.into_iter().map(Into::into).collect()),
                trace_id: Some(self.first.trace_id.clone().unwrap_or_else(new_id)),
                root_span_id: Some(self.first.root_span_id.clone().unwrap_or_else(new_id)),
                ..self.first.clone()
            };
            inner.append(self.time, &first)?;
            inner.append_run_started(self.reason.as_deref())?;
            let folder = layout.session(name);
            match store.disk().rename(&making, &folder) {
                Ok(()) => {
                    inner.settle_in(&folder);
                    Ok(Some(Self::enlist(inner, scopes.unwrap_or_default())))
                }
                Err(_) if folder.exists() => Ok(None),
                Err(error) => Err(error),
            }
        };
        let made = made();
        if !matches!(made, Ok(Some(_))) {
            let _ = store.disk().remove_dir_all(&making);
        }
        made
    }
}

fn new_id() -> std::borrow::Cow<'static, str> {
    uuid::Uuid::now_v7().to_string().into()
}

/// A session that is open for writing. Clones are the same session, from any thread; when the last one goes, the session is
/// closed in order, without an ending, and can be resumed.
#[derive(Clone, Debug)]
pub struct Session(Arc<Handle>);

/// What the clones of a session share. The background threads hold the session too, for a moment, but not this: the last handle of its
/// users closes it, and not whoever looks at it last.
#[derive(Debug)]
struct Handle(Arc<SessionInner>);

impl std::ops::Deref for Handle {
    type Target = SessionInner;

    fn deref(&self) -> &SessionInner {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.generation != fork::generation() || self.closed.load(Ordering::Acquire) {
            return;
        }
        // Nobody is left to be told; what could not be made durable, recovery finds.
        let _ = self.close(RunEndReason::Closed);
        if std::thread::panicking() && crash::is_captured() {
            crash::dropped_in_panic(&self.store, &self.name);
        }
        let _ = self.store.materialise(&self.name);
    }
}

/// How a session ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// What the view says; what the log would make it say, if there is none.
    pub status: Status,
    /// The view as it was written; `None` where the store has no views.
    pub view: Option<PathBuf>,
    /// Why the view could not be written, if it could not: the log is safe, and the next open makes up for it.
    pub view_error: Option<Error>,
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.name.id()
    }

    /// Its id and name.
    #[must_use]
    pub fn name(&self) -> &SessionName {
        &self.0.name
    }

    /// The store that it is in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The number of this run, from 1.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.0.run
    }

    /// Appends an event, now, and returns its sequence number. When this returns, the event survives `kill -9` (I1); with
    /// [`Durability::Always`], a power cut (I2). A `session-ended` or `crashed` event is durable in any case.
    ///
    /// # Errors
    /// [`TooLarge`](Error::TooLarge), [`DiskFull`](Error::DiskFull), [`Poisoned`](Error::Poisoned), [`Ended`](Error::Ended),
    /// [`Forked`](Error::Forked). The event was not appended, except where a sync behind it failed; when its file was cut under it, nobody
    /// knows.
    #[inline]
    pub fn append<'e>(&self, event: impl AnyEvent<'e>) -> Result<u64> {
        self.0.append_and_sync(None, &event, false)
    }

    /// Appends an event with a time of its own.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    #[inline]
    pub fn append_at<'e>(&self, time: Time, event: impl AnyEvent<'e>) -> Result<u64> {
        self.0.append_and_sync(Some(time), &event, false)
    }

    /// Appends an event and returns when it, and everything before it, survives a power cut (I2). One sync serves every
    /// thread that waits.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn append_durable<'e>(&self, event: impl AnyEvent<'e>) -> Result<u64> {
        self.0.append_and_sync(None, &event, true)
    }

    /// Returns when everything that was appended before survives a power cut (I2).
    ///
    /// # Errors
    /// [`Poisoned`](Error::Poisoned): it is not known what is durable. Reopening the session saves what can be read (I8).
    pub fn sync(&self) -> Result<()> {
        self.0.check()?;
        self.0.sync_through(self.0.last_seq())
    }

    /// The sequence number of the newest event.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.0.last_seq()
    }

    /// Up to which sequence number events are known to survive a power cut.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.0.durable.load(Ordering::Acquire)
    }

    /// Writes the view now. `None` where the store has none.
    ///
    /// # Errors
    /// What writing the view met.
    pub fn flush(&self) -> Result<Option<Materialised>> {
        self.0.store.materialise(&self.0.name)
    }

    /// Ends the session as completed, and writes its view. A crash record, earlier or later, outranks this.
    ///
    /// # Errors
    /// When the ending could not be made durable. What the session says after it has been reopened then depends on whether the ending
    /// reached the log.
    pub fn complete(self) -> Result<Ended> {
        self.end(SessionEnded::new(EndStatus::Completed))
    }

    /// Ends the session as failed, and writes its view.
    ///
    /// # Errors
    /// Those of [`complete`](Self::complete).
    pub fn fail(self, error: impl Into<String>) -> Result<Ended> {
        self.end(SessionEnded { error: Some(error.into().into()), ..SessionEnded::new(EndStatus::Error) })
    }

    /// Ends the session with this event, and writes its view.
    ///
    /// # Errors
    /// Those of [`complete`](Self::complete).
    pub fn end(self, ending: SessionEnded<'_>) -> Result<Ended> {
        let status = match ending.status {
            EndStatus::Completed => Status::Completed,
            EndStatus::Error => Status::Error,
        };
        self.0.append_and_sync(None, &ending, true)?;
        Ok(self.closed(status))
    }

    /// Writes a crash record, durably, and then the view. The session stays open: more may be appended, and it may still be
    /// ended, but it will say `crashed` (I5).
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn crash(&self, reason: impl Into<String>) -> Result<()> {
        let crashed = Crashed {
            pid: Some(std::process::id()),
            found_by: Some(FoundBy::Caller),
            ..Crashed::new(reason.into())
        };
        self.0.append_and_sync(None, &crashed, true)?;
        // The record is the truth already; a view that can't be written now is written by the next open.
        let _ = self.flush();
        Ok(())
    }

    /// Closes the session in order without ending it, as dropping the last handle does, and says so.
    ///
    /// # Errors
    /// When what was appended could not be made durable.
    pub fn close(self, reason: RunEndReason) -> Result<Ended> {
        self.0.close(reason)?;
        Ok(self.closed(Status::Running))
    }

    /// The same for a session that is recorded after the fact: the run ended at `time`, and with it the spans that are open.
    ///
    /// # Errors
    /// Those of [`close`](Self::close).
    pub fn close_at(self, time: Time, reason: RunEndReason) -> Result<Ended> {
        self.0.close_at(Some(time), reason)?;
        Ok(self.closed(Status::Running))
    }

    fn closed(&self, status: Status) -> Ended {
        // The ending is durable. That the segment could not be sealed is no reason to say otherwise.
        let _ = self.0.close(RunEndReason::Closed);
        let status = if self.0.has_crashed() { Status::Crashed } else { status };
        if Guard::PathWhatever.is_off() && status == Status::Crashed {
            return Ended { status, view: None, view_error: None };
        }
        match self.0.store.materialise(&self.0.name) {
            Ok(Some(view)) => Ended { status: view.status, view: Some(view.path), view_error: None },
            Ok(None) => Ended { status, view: None, view_error: None },
            Err(error) => Ended { status, view: None, view_error: Some(error) },
        }
    }
}

/// The longest body, and an explicit time in front of it.
const BODY_MOST: usize = (1 << 30) - 16;

/// What is shared by the handles of a session, the background threads, and the store's list.
#[derive(Debug)]
pub(crate) struct SessionInner {
    pub(crate) store: Store,
    pub(crate) name: SessionName,
    pub(crate) run: u32,
    pub(crate) folder: PathBuf,
    pub(crate) segments: SegmentList,
    pub(crate) syncing: Mutex<Syncing>,
    pub(crate) synced: Condvar,
    pub(crate) durable: AtomicU64,
    /// Since when something is not durable: nanoseconds after `opened`, 0 = everything is.
    pub(crate) waiting_since: AtomicU64,
    opened: Instant,
    pub(crate) poison: OnceLock<String>,
    /// An ending has been appended.
    ended: AtomicBool,
    /// Appends wait for syncs.
    pub(crate) waits: AtomicBool,
    /// A crash record has been appended.
    crashed: AtomicBool,
    /// No further event is taken.
    closed: AtomicBool,
    /// No further record is taken, and no further segment made.
    sealed: AtomicBool,
    /// Where a signal handler finds its crash slots, if crash capture covers it.
    place: Mutex<Option<Place>>,
    generation: u32,
}

impl SessionInner {
    /// Makes the first segment of a run in `folder`.
    fn begin_run(store: &Store, name: SessionName, run: u32, end: &LogEnd, folder: PathBuf) -> Result<Self> {
        let number = if Guard::NewSegment.is_off() { 1 } else { end.next_segment(&folder)? };
        let path = folder.join(segment_file(number));
        // A large one was asked for; of what comes into it nothing is known yet.
        let is_large = store.0.options.first_segment >= ahead::WORTH_IT;
        let blank = Blank::new(
            store.0.disk(),
            &path.with_extension("wal.tmp"),
            store.0.options.first_segment,
            store.0.promise,
            if is_large { Pages::Small } else { Pages::AsTheyCome },
        )?;
        let identity = store.0.identity();
        let header = Header {
            compatible: 0,
            generation: end.generation,
            session_uid: end.uid,
            writer: store.0.writer_id().unwrap_or(0),
            boot_id: identity.boot_id_bits(),
            number,
            run,
            pid: identity.pid,
            first_seq: end.next_seq,
            salt: random::u64()?,
            wall_base_ns: clock::now_ns(),
            monotonic_base_ns: 0,
            capacity: blank.capacity(),
            run_first_segment: number,
            session_id: name.id().to_owned(),
        };
        let segment = blank.begin(store.0.disk(), header)?;
        segment.rename(store.0.disk(), &path)?;
        Ok(SessionInner {
            store: store.clone(),
            name,
            run,
            folder,
            segments: SegmentList::new(segment),
            syncing: Mutex::default(),
            synced: Condvar::new(),
            durable: AtomicU64::new(end.next_seq - 1),
            waiting_since: AtomicU64::new(0),
            opened: Instant::now(),
            poison: OnceLock::new(),
            ended: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            crashed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            place: Mutex::default(),
            generation: fork::generation(),
        })
    }

    /// The folder has its name now.
    fn settle_in(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
        self.segments.moved_to(folder);
    }

    /// From now on what comes behind the current segment may be made before it is needed. Not before the folder has its name.
    fn prepare_ahead(&self) {
        let current = self.segments.current();
        if let Some(recipe) = self.recipe_behind(&current.header) {
            current.prepare_with(recipe);
        }
    }

    /// How the segment behind one is made. `None`: its number is the highest that there is.
    fn recipe_behind(&self, header: &Header) -> Option<Recipe> {
        let store = &self.store.0;
        let number = header.number.checked_add(1)?;
        Some(Recipe {
            disk: store.disk().clone(),
            path: self.folder.join(segment_file(number)).with_extension("wal.tmp"),
            capacity: header.capacity.saturating_mul(4).min(store.options.last_segment),
            promise: store.promise,
        })
    }

    fn append_run_started(&self, reason: Option<&str>) -> Result<u64> {
        let identity: Identity = self.store.0.identity();
        let started = RunStarted {
            start_time_ticks: identity.start_ticks,
            boot_id: identity.boot_id.map(Into::into),
            pid_namespace: identity.pid_namespace,
            host: identity.host.map(Into::into),
            exe: identity.exe.map(Into::into),
            reason: reason.map(|reason| reason.to_owned().into()),
            ..RunStarted::new(identity.pid)
        };
        self.append(None, &started)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.segments.current().published().next_seq - 1
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::Acquire)
    }

    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.get().cloned()
    }

    pub(crate) fn sync_lag(&self) -> Duration {
        match self.waiting_since.load(Ordering::Relaxed) {
            _ if self.durable.load(Ordering::Acquire) >= self.last_seq() => Duration::ZERO,
            0 => Duration::ZERO,
            since => self.opened.elapsed().saturating_sub(Duration::from_nanos(since)),
        }
    }

    /// Whether events may be appended.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        let is_open = self.generation == fork::generation()
            && self.poison.get().is_none()
            && !self.closed.load(Ordering::Acquire);
        if is_open { Ok(()) } else { self.refuse() }
    }

    #[cold]
    fn refuse(&self) -> Result<()> {
        if self.generation != fork::generation() {
            return Err(Error::Forked);
        }
        self.check_poison()?;
        Err(Error::Ended { session: self.name.id().to_owned() })
    }

    #[inline]
    fn append_and_sync<'e>(
        &self,
        time: Option<Time>,
        event: &impl AnyEvent<'e>,
        durable: bool,
    ) -> Result<u64> {
        self.check()?;
        let seq = self.append(time, event)?;
        let is_last_word = matches!(event.kind(), SessionEnded::KIND | Crashed::KIND);
        if durable || is_last_word || self.store.0.options.durability == Durability::Always {
            if !is_last_word {
                self.waits.store(true, Ordering::Relaxed);
            }
            self.sync_through(seq)?;
        }
        Ok(seq)
    }

    /// Crash capture covers it from now on.
    pub(crate) fn cover(&self) {
        let mut place = lock(&self.place);
        if place.is_none()
            && !self.sealed.load(Ordering::Acquire)
            && let Some((path, salt)) = self.segments.first()
        {
            *place = Place::take(&path, salt, self.store.0.promise);
        }
    }

    /// Never gives them back.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn hold_locks(&self) {
        self.segments.hold_locks();
        std::mem::forget((lock(&self.place), lock(&self.syncing)));
    }

    /// Appends what a hook has to say.
    pub(crate) fn record(&self, event: &Event<'_>) -> Result<u64> {
        self.append_and_sync(None, event, false)
    }

    /// Appends what a lifecycle action has to say, at a time of its own; the caller syncs when it holds no lock.
    pub(crate) fn record_unsynced(&self, time: Option<Time>, event: &Event<'_>) -> Result<u64> {
        self.check()?;
        self.append(time, event)
    }

    /// Makes it durable if every event of this store is.
    pub(crate) fn sync_if_always(&self, seq: u64) -> Result<()> {
        if self.store.0.options.durability == Durability::Always { self.sync_through(seq) } else { Ok(()) }
    }

    /// Appends without asking whether it may. When this returns, the event survives SIGKILL (I1).
    #[inline]
    fn append<'e>(&self, time: Option<Time>, event: &impl AnyEvent<'e>) -> Result<u64> {
        let (kind, measure) = (event.kind(), event.measure());
        let body_len = measure.body_len();
        if body_len > self.store.0.options.record_limit {
            // Before anything is reserved: what cannot be written must not take a sequence number (I3).
            self.check_size(event.largest_value(), body_len)?;
        }
        let append = Append {
            kind,
            time,
            body_len,
            is_event: true,
            is_last_word: matches!(kind, SessionEnded::KIND | Crashed::KIND | RunEnded::KIND),
            fill: |to: &mut Body<'_>| event.encode(measure, to).ok(),
        };
        let seq = self.append_record(&append)?;
        if self.waiting_since.load(Ordering::Relaxed) == 0 {
            self.wait_from_now();
        }
        match kind {
            SessionEnded::KIND => self.ended.store(true, Ordering::Release),
            Crashed::KIND => self.crashed.store(true, Ordering::Release),
            _ => {}
        }
        Ok(seq)
    }

    #[cold]
    fn check_size(&self, largest: usize, body_len: usize) -> Result<()> {
        let limit = self.store.0.options.record_limit;
        if largest > limit {
            return Err(Error::TooLarge { size: largest, limit });
        }
        let most = limit.saturating_mul(4).saturating_add(1 << 20).min(BODY_MOST);
        if body_len > most {
            return Err(Error::TooLarge { size: body_len, limit: most });
        }
        Ok(())
    }

    #[cold]
    fn wait_from_now(&self) {
        let since = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waiting_since.store(since.max(1), Ordering::Relaxed);
    }

    #[inline]
    fn append_record(&self, append: &Append<impl Fill>) -> Result<u64> {
        loop {
            let segment = self.segments.current();
            match segment.append(append) {
                Ok(seq) => return Ok(seq),
                Err(refused) => self.go_on_from(segment, refused, append.body_len)?,
            }
        }
    }

    #[cold]
    fn go_on_from(&self, segment: &Segment, refused: Refused, body_len: usize) -> Result<()> {
        match refused {
            Refused::Full => self.roll(segment, body_len),
            // I8: a full disk may be tried again; whatever else a write says, it is not known what is in the file.
            Refused::Failed(error @ Error::DiskFull { .. }) => Err(error),
            Refused::Failed(error) => Err(self.poison_with(&error)),
        }
    }

    /// Goes on in a new segment behind `full`, with room for a body of this length; another thread may have done it already.
    fn roll(&self, full: &Segment, body_len: usize) -> Result<()> {
        self.roll_into(full, body_len, None)
    }

    /// After a burst, what comes once in a while goes into small pages again.
    pub(crate) fn leave_large_pages(&self) -> Result<()> {
        let segment = self.segments.current();
        if !segment.is_wasteful() || self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.roll_into(segment, 0, Some(ahead::WORTH_IT))
    }

    fn roll_into(&self, full: &Segment, body_len: usize, capacity: Option<u64>) -> Result<()> {
        let mut growing = self.segments.grow();
        if self.sealed.load(Ordering::Acquire) {
            return Err(Error::Ended { session: self.name.id().to_owned() });
        }
        if !std::ptr::eq(self.segments.current(), full) {
            return Ok(());
        }
        let (store, disk) = (&self.store.0, self.store.0.disk());
        let needed = Segment::capacity_for(body_len).next_multiple_of(4096);
        if needed > 1 << 34 {
            return Err(Error::TooLarge { size: body_len, limit: store.options.record_limit });
        }
        let mut recipe = self.recipe_behind(&full.header).ok_or_else(|| {
            Error::io("find a number for a segment in", &self.folder, std::io::ErrorKind::InvalidData.into())
        })?;
        let (number, path) = (full.header.number + 1, recipe.path.with_extension(""));
        // Everything that can fail for want of room fails before the full segment is closed: it may still take smaller events.
        let blank = match full.take_next(disk, if capacity.is_some() { u64::MAX } else { needed }) {
            Some(blank) => blank,
            None => {
                recipe.capacity = capacity.unwrap_or(recipe.capacity).max(needed);
                let pages =
                    if capacity.is_some() { Pages::Small } else { full.pages_behind(recipe.capacity) };
                recipe.make(pages)?
            }
        };
        let salt = random::u64()?;
        let end = full.close();
        let header = Header {
            number,
            first_seq: end.next_seq,
            salt,
            wall_base_ns: clock::now_ns(),
            capacity: blank.capacity(),
            ..full.header.clone()
        };
        let named = blank.begin(disk, header).and_then(|segment| {
            segment.rename_new(disk, &path)?;
            Ok(segment)
        });
        match named {
            Ok(segment) => {
                growing.push(segment);
                self.prepare_ahead();
            }
            Err(error) => {
                let _ = disk.remove_file(&recipe.path);
                if matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
                {
                    // Somebody has taken this session for dead, and gone on behind us: what we append now, nobody reads.
                    let _ = self.poison.set("the session has been taken over by another process".to_owned());
                    return self.check_poison();
                }
                full.reopen();
                return Err(error);
            }
        }
        full.seal(disk)?;
        full.punch(disk);
        full.check_mapping().map_err(|error| self.poison_with(&error))
    }

    /// From now on nothing is taken any more, and everybody is told why.
    fn poison_with(&self, error: &Error) -> Error {
        let reason = self.poison.get_or_init(|| error.to_string()).clone();
        Error::Poisoned { session: self.name.id().to_owned(), reason }
    }

    pub(crate) fn check_poison(&self) -> Result<()> {
        match self.poison.get() {
            Some(reason) => {
                Err(Error::Poisoned { session: self.name.id().to_owned(), reason: reason.clone() })
            }
            None => Ok(()),
        }
    }

    /// Appends a record of the log itself. There is room for it in the reserve; without, the next sync leaves another one.
    pub(crate) fn append_mark(&self, kind: u8, seq: u64) {
        let body = seq.to_le_bytes();
        let append = Append {
            kind,
            time: None,
            body_len: body.len(),
            is_event: false,
            is_last_word: true,
            fill: |to: &mut Body<'_>| to.write(&body),
        };
        while let Err(Refused::Full) = self.segments.current().append(&append) {
            let full = self.segments.current();
            let rolled = self.roll(full, body.len());
            if rolled.is_err() {
                break;
            }
        }
    }

    /// Closes in order: `run-ended` unless there is an ending, everything durable, the segment sealed, and its mark durable too.
    /// Once; later calls do nothing.
    pub(crate) fn close(&self, reason: RunEndReason) -> Result<()> {
        self.close_at(None, reason)
    }

    fn close_at(&self, time: Option<Time>, reason: RunEndReason) -> Result<()> {
        if self.generation != fork::generation() {
            return Err(Error::Forked);
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if Guard::CoveredUntilClosed.is_off() {
            lock(&self.place).take();
        }
        let result = self.close_log(time, reason);
        let store = &self.store.0;
        // Until here a crash of the process is this session's too.
        lock(&self.place).take();
        if result.is_ok() && store.options.views.is_none() {
            // No view will ever be waited for. Failing to remove the entry leaves it to recovery. Struck under the lock: without the
            // entry, the next run may begin as soon as it is given up.
            let _lock = ShortLock::acquire(store.disk(), &store.layout.owner_lock(self.name.name()));
            self.store.forget(self.name.name());
            let _ = store.disk().remove_file(&store.layout.owner(self.name.name()));
            store.strike_session(self);
        } else {
            store.strike_session(self);
        }
        result
    }

    fn close_log(&self, time: Option<Time>, reason: RunEndReason) -> Result<()> {
        self.check_poison()?;
        if !self.ended.load(Ordering::Acquire) {
            self.append(time, &RunEnded::new(reason))?;
        }
        self.sync_through(self.last_seq())?;
        let disk = self.store.0.disk();
        let growing = self.segments.grow();
        self.sealed.store(true, Ordering::Release);
        let last = self.segments.current();
        last.close();
        drop(growing);
        // What was made to go on is not needed.
        let _ = last.take_next(disk, u64::MAX);
        last.seal(disk)?;
        // I6: the mark, and the name of the segment that it may have rolled to, are durable before anything says `completed`.
        self.sync_mark()?;
        last.punch(disk);
        Ok(())
    }
}
