//! A store: a folder of sessions.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tracewal_format::event::Crashed;
use tracewal_format::log::{Loss, Reading};
use tracewal_format::segment::{HEADER_PAGE, Header, HeaderError};

use crate::background::Background;
use crate::disk::{Disk, Step};
use crate::error::{Error, Result};
use crate::files::{Log, SegmentFiles};
use crate::filesystem::{self, Promise};
use crate::fork;
use crate::guard::Guard;
use crate::layout::Layout;
use crate::lifecycle::Lifecycles;
use crate::lock::ShortLock;
use crate::name;
use crate::options::{Access, Options};
use crate::owner::{Entry, Owner, Writer};
use crate::process::Identity;
use crate::random;
use crate::recovery::{self, Clearing};
use crate::session::{NewSession, SessionInner};
use crate::small_file::SmallFile;
use crate::sync::Everything;
use crate::views::Materialised;

/// A folder of sessions, opened. Clones are the same store; the last one to go closes it.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Arc<StoreInner>);

/// A store that may have been closed.
#[derive(Clone, Debug)]
pub struct WeakStore(Weak<StoreInner>);

impl WeakStore {
    /// The store, if it is still open.
    #[must_use]
    pub fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(Store)
    }
}

/// A session in a store: its id, and the name of its folder and view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName {
    name: String,
    id: String,
}

impl SessionName {
    pub(crate) fn new(name: impl Into<String>, id: impl Into<String>) -> Self {
        SessionName { name: name.into(), id: id.into() }
    }

    /// Of a session whose name and id are known.
    #[must_use]
    pub fn of(name: &str, id: &str) -> Self {
        SessionName::new(name, id)
    }

    /// The name of its folder and of its view without `.json`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id, exactly. Where no header can be read, the folder's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// How a store is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Sessions that are open for writing here.
    pub live_sessions: usize,
    /// How long the oldest event that is not durable yet has been waiting.
    pub sync_lag: Duration,
    /// Sessions of which a sync failed, by id, with what it said.
    pub poisoned: Vec<(String, String)>,
    /// What recovery found lost, by session id.
    pub losses: Vec<(String, Loss)>,
    /// Sessions that recovery could not deal with, by id, with why.
    pub failed_recoveries: Vec<(String, String)>,
    /// Views that could not be written, by session id, with why: the newest of each session.
    pub failed_views: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct StoreInner {
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    pub(crate) promise: Promise,
    /// `None`: open for reading only.
    writer: Option<Writer>,
    /// Sessions that are open here, by name. An entry stays until its session has been closed in every respect.
    live: Mutex<HashMap<String, Weak<SessionInner>>>,
    pub(crate) lifecycles: Lifecycles,
    pub(crate) health: Mutex<Health>,
    background: Mutex<Option<Background>>,
    /// Crash capture covers its sessions.
    covered: AtomicBool,
    /// What it is on, to be synced as a whole.
    pub(crate) everything: Everything,
    /// The entries of the store itself that the first sync has to cover.
    own_entries: Mutex<OwnEntries>,
    /// The folder around the store that was there before it was made.
    was_there: PathBuf,
    generation: u32,
}

/// Whether the store's own entries have been synced.
#[derive(Debug, Default)]
enum OwnEntries {
    #[default]
    New,
    Synced,
    Failed(String),
}

/// What recovery did to a store's sessions.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The sessions whose dead writer was dealt with.
    pub sessions: Vec<SessionName>,
    /// Those that could not be dealt with, with why.
    pub failed: Vec<(SessionName, String)>,
}

/// What a last look at a log finds, for [`Store::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLook {
    /// Something that the view does not show.
    Changed,
    /// The run has no ending, and no crash record: recovery comes first.
    NoEnding,
    /// The run has ended, or never began.
    Ended,
}

/// What became of an owner entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The view has to be written again first.
    Changed,
    /// It stays.
    NotYet,
    /// There is none.
    Gone,
}

impl Store {
    pub(crate) fn open_with(path: &Path, options: Options) -> Result<Self> {
        let layout = Layout::new(path, options.traces.as_deref());
        let was_there = match options.access {
            Access::Read => None,
            Access::Write => Some(prepare(&layout, &options)?),
            Access::WriteOrRead => match prepare(&layout, &options) {
                Ok(was_there) => Some(was_there),
                Err(error) if may_not_write(&error) => None,
                Err(error) => return Err(error),
            },
        };
        check_identity(&layout)?;
        let promise = filesystem::promise(path, options.allow_network)?;
        let promise = if options.plain_writes { Promise::Written } else { promise };
        let writer = if was_there.is_some() {
            match Writer::enlist(&layout, &options.disk) {
                Ok(writer) => Some(writer),
                Err(error) if options.access == Access::WriteOrRead && may_not_write(&error) => None,
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let writable = writer.is_some();
        let (views, recover) = (options.views.clone(), options.recover && writable);
        let everything = Everything::around(layout.root());
        let store = Store(Arc::new(StoreInner {
            layout,
            options,
            promise,
            writer,
            live: Mutex::default(),
            lifecycles: Lifecycles::default(),
            health: Mutex::default(),
            background: Mutex::default(),
            covered: AtomicBool::new(false),
            everything,
            own_entries: Mutex::default(),
            was_there: was_there.unwrap_or_default(),
            generation: fork::generation(),
        }));
        if recover {
            recovery::recover_store(&store, Clearing::OfKnownDead)?;
        }
        if writable {
            let background =
                Background::start(Arc::downgrade(&store.0), store.0.options.durability.interval());
            *lock(&store.0.background) = Some(background);
            if let Some(views) = views {
                views.attached(WeakStore(Arc::downgrade(&store.0)));
            }
        }
        Ok(store)
    }

    /// The store without keeping it open.
    #[must_use]
    pub fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.0))
    }

    /// Records, durably, that a session's last run crashed, although it is closed here.
    pub(crate) fn record_crash(&self, session: &SessionName, crashed: Crashed<'static>) -> Result<()> {
        {
            let _lock = ShortLock::acquire(self.0.disk(), &self.0.layout.owner_lock(&session.name))?;
            recovery::record_crash(self, session, crashed)?;
        }
        self.materialise(session).map(|_| ())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.layout.root()
    }

    /// The folder of the views.
    #[must_use]
    pub fn traces(&self) -> &Path {
        self.0.layout.traces()
    }

    /// Whether it is open for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.writer.is_none()
    }

    /// A session with this id, to be started or resumed.
    pub fn session(&self, id: impl Into<String>) -> NewSession {
        NewSession::new(self.clone(), id.into())
    }

    /// A session with a new id (a UUID, version 7).
    pub fn new_session(&self) -> NewSession {
        NewSession::new(self.clone(), uuid::Uuid::now_v7().to_string())
    }

    /// The sessions, by name. Those whose headers cannot be read are there too, under their folder's name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionName>> {
        let mut sessions: Vec<SessionName> = self.names()?.iter().map(|name| self.named(name)).collect();
        sessions.sort();
        Ok(sessions)
    }

    /// The names of the sessions' folders, in no order. No log is looked at.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let folder = self.0.layout.sessions();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("list", &folder, e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list", &folder, e))?;
            if let Ok(name) = entry.file_name().into_string()
                && name::is_session(&name)
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The names of the sessions that somebody has open, or that a dead writer left: those with an owner entry.
    ///
    /// # Errors
    /// When the entries cannot be listed.
    pub fn owned(&self) -> Result<Vec<String>> {
        match recovery::owner_names(&self.0.layout) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => other,
        }
    }

    /// Does something while nobody can open the session for writing, or write its view. `None`, and nothing is done: somebody has it open,
    /// a dead writer left it, or somebody is at it for longer than recovery waits (I7).
    ///
    /// # Errors
    /// [`ReadOnly`](Error::ReadOnly), or when the locks cannot be taken.
    pub fn while_closed<T>(&self, session: &SessionName, act: impl FnOnce() -> T) -> Result<Option<T>> {
        self.0.must_write()?;
        let layout = &self.0.layout;
        let lock = |path: PathBuf| ShortLock::acquire_within(&path, recovery::PATIENCE);
        let Some(_view) = lock(layout.view_lock(&session.name))? else { return Ok(None) };
        let Some(_owner) = lock(layout.owner_lock(&session.name))? else { return Ok(None) };
        let is_closed = Owner::read(layout, &session.name)? == Entry::Absent
            && recovery::open_elsewhere(self, session)?.is_none();
        Ok(is_closed.then(act))
    }

    /// The session in the folder of this name. One header is read; if none can be, the id is the name.
    #[must_use]
    pub fn named(&self, name: &str) -> SessionName {
        let id = identify(&self.0.layout.session(name))
            .map_or_else(|| name.to_owned(), |header| header.session_id);
        SessionName::new(name, id)
    }

    /// The session with exactly this id.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound).
    pub fn find(&self, id: &str) -> Result<SessionName> {
        let not_found = || Error::NotFound { session: id.to_owned() };
        if id.is_empty() || id.len() > tracewal_format::segment::ID_MAX {
            return Err(not_found());
        }
        // The names that a suffix made are tried also when an earlier session of the plain name has been pruned.
        for name in name::candidates(id).take(8) {
            let folder = self.0.layout.session(&name);
            match identify(&folder) {
                Some(header) if header.session_id == id || Guard::ExactIds.is_off() => {
                    return Ok(SessionName::new(name, id));
                }
                // No header can be read: it goes by its folder's name.
                None if name == id && folder.is_dir() => return Ok(SessionName::new(name, id)),
                _ => {}
            }
        }
        Err(not_found())
    }

    /// Opens a session's log for reading, from its first event. Needs no lock, and disturbs no writer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, session: &SessionName, reading: Reading) -> Result<Log> {
        let folder = self.folder(session);
        self.disk()
            .before(Step::Read(&folder))
            .and_then(|()| SegmentFiles::open_log(&folder, reading))
            .map_err(|e| Error::io("read", &folder, e))
    }

    /// The folder of a session's log.
    #[must_use]
    pub fn folder(&self, session: &SessionName) -> PathBuf {
        self.0.layout.session(&session.name)
    }

    /// The file of a session's view.
    #[must_use]
    pub fn view(&self, session: &SessionName) -> PathBuf {
        self.0.layout.view(&session.name)
    }

    /// Writes a session's view unless somebody is at it for longer than recovery waits (I7). It does wait: whoever is at it may have looked
    /// at the log for the last time before the crash was recorded.
    pub(crate) fn materialise_if_free(&self, session: &SessionName) -> Result<()> {
        match ShortLock::acquire_within(&self.0.layout.view_lock(&session.name), recovery::PATIENCE)? {
            Some(free) => drop(free),
            None => return Ok(()),
        }
        self.materialise(session).map(|_| ())
    }

    /// Whether a writer that lives has the session open. Best effort: it is asked without the lock.
    #[must_use]
    pub fn is_live(&self, session: &SessionName) -> bool {
        if lock(&self.0.live).contains_key(&session.name) {
            return true;
        }
        let here = self.0.identity();
        match Owner::read(&self.0.layout, &session.name) {
            Ok(Entry::Named(owner)) if Some(owner.writer) == self.0.writer_id() => false,
            Ok(Entry::Named(owner)) => owner.looks_alive(&self.0.layout, &here),
            _ => false,
        }
    }

    /// Deals with every session whose owner entry names a dead writer: see SPEC.md section 10. Also done by opening.
    ///
    /// One session that cannot be dealt with does not keep the others from it (I7).
    ///
    /// # Errors
    /// [`ReadOnly`](Error::ReadOnly), or when the owner entries cannot be listed.
    pub fn recover(&self) -> Result<Recovered> {
        recovery::recover_store(self, Clearing::Everything)
    }

    /// Writes a session's view now. `None`: there are no views, or it was left alone because its ending is not durable yet.
    ///
    /// # Errors
    /// What reading the log or writing the view met.
    pub fn materialise(&self, session: &SessionName) -> Result<Option<Materialised>> {
        let Some(views) = &self.0.options.views else { return Ok(None) };
        if Guard::OwnLogAlone.is_off() && self.0.live_sessions().iter().any(|live| live.has_crashed()) {
            return Ok(None);
        }
        let result = views.materialise(self, session);
        self.0.note_view(session, result.as_ref().err());
        result
    }

    /// The sessions that are open for writing here and have events that `seen` does not know, with the sequence number of the
    /// newest. `seen` is asked for the number that a session's view has.
    pub fn changed(&self, mut seen: impl FnMut(&SessionName) -> Option<u64>) -> Vec<(SessionName, u64)> {
        let live: Vec<_> = lock(&self.0.live).values().filter_map(Weak::upgrade).collect();
        live.iter()
            .map(|session| (session.name.clone(), session.last_seq()))
            .filter(|(name, last)| seen(name) != Some(*last))
            .collect()
    }

    /// Whether the session is open for writing here, in this process.
    #[must_use]
    pub fn is_open_here(&self, session: &SessionName) -> bool {
        self.0.is_live_here(&session.name)
    }

    /// How many sessions are open for writing here.
    #[must_use]
    pub fn live_count(&self) -> usize {
        lock(&self.0.live).len()
    }

    /// Recovers one session if it has no living writer and its last run has no ending, also when nothing says who owned it.
    ///
    /// # Errors
    /// [`Busy`](Error::Busy), [`ReadOnly`](Error::ReadOnly), [`TooNew`](Error::TooNew), or what reading and writing met.
    pub fn recover_session(&self, session: &SessionName) -> Result<()> {
        self.0.must_write()?;
        let _lock = ShortLock::acquire(self.0.disk(), &self.0.layout.owner_lock(&session.name))?;
        recovery::recover_session(self, session).map(|_| ())
    }

    /// How the store is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut health = lock(&self.0.health).clone();
        let live: Vec<_> = lock(&self.0.live).values().filter_map(Weak::upgrade).collect();
        health.live_sessions = live.len();
        health.sync_lag = live.iter().map(|session| session.sync_lag()).max().unwrap_or_default();
        health.poisoned =
            live.iter().filter_map(|session| Some((session.name.id.clone(), session.poison()?))).collect();
        health
    }

    /// Waits for the lock under which a session's view is written.
    ///
    /// # Errors
    /// [`ReadOnly`](Error::ReadOnly), or when it cannot be taken.
    pub fn lock_view(&self, session: &SessionName) -> Result<ShortLock> {
        self.0.must_write()?;
        if Guard::OneMaterialiser.is_off() {
            let nobody_elses = format!("{}.{:016x}", session.name, random::u64()?);
            return ShortLock::acquire(self.0.disk(), &self.0.layout.view_lock(&nobody_elses));
        }
        ShortLock::acquire(self.0.disk(), &self.0.layout.view_lock(&session.name))
    }

    /// The last step of materialising, under the view's lock: removes the owner entry if its writer is done with the session, the view
    /// shows all of the log, and the run that the entry names (`None`: it cannot be read) has ended. The last two are what `last_look` says;
    /// it is asked under the owner lock, when nobody can append any more.
    ///
    /// # Errors
    /// Those of `last_look`, or when the entry cannot be read or removed.
    pub fn release(
        &self,
        session: &SessionName,
        last_look: impl FnOnce(Option<u32>) -> Result<LastLook>,
    ) -> Result<Released> {
        if self.0.writer.is_none() || lock(&self.0.live).contains_key(&session.name) {
            return Ok(Released::NotYet);
        }
        let _lock = ShortLock::acquire(self.0.disk(), &self.0.layout.owner_lock(&session.name))?;
        // Asked again under the lock: the session may have been resumed meanwhile, here or elsewhere.
        if lock(&self.0.live).contains_key(&session.name) {
            return Ok(Released::NotYet);
        }
        let (run, is_done) = match Owner::read(&self.0.layout, &session.name)? {
            Entry::Absent => return Ok(Released::Gone),
            Entry::Unreadable => (None, recovery::open_elsewhere(self, session)?.is_none()),
            Entry::Named(owner) => {
                let mine = Some(owner.writer) == self.0.writer_id();
                (Some(owner.run), mine || !owner.lives(&self.0.layout, &self.0.identity())?)
            }
        };
        if !is_done {
            return Ok(Released::NotYet);
        }
        match last_look(run)? {
            LastLook::Changed => Ok(Released::Changed),
            LastLook::NoEnding => Ok(Released::NotYet),
            LastLook::Ended => {
                self.0.disk().remove_file(&self.0.layout.owner(&session.name))?;
                Ok(Released::Gone)
            }
        }
    }

    /// The door to the disk, for those who write beside the log.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        self.0.disk()
    }
}

impl StoreInner {
    pub(crate) fn disk(&self) -> &Disk {
        &self.options.disk
    }

    pub(crate) fn writer_id(&self) -> Option<u128> {
        self.writer.as_ref().map(|writer| writer.id)
    }

    pub(crate) fn identity(&self) -> Identity {
        self.writer.as_ref().map_or_else(Identity::current, |writer| writer.identity.clone())
    }

    pub(crate) fn must_write(&self) -> Result<&Writer> {
        if self.generation != fork::generation() {
            return Err(Error::Forked);
        }
        self.writer.as_ref().ok_or_else(|| Error::ReadOnly { path: self.layout.root().to_owned() })
    }

    pub(crate) fn is_live_here(&self, name: &str) -> bool {
        lock(&self.live).contains_key(name)
    }

    /// From now on crash capture covers the sessions of this store.
    pub(crate) fn cover(&self) {
        self.covered.store(true, Ordering::Release);
    }

    pub(crate) fn is_covered(&self) -> bool {
        self.covered.load(Ordering::Acquire)
    }

    pub(crate) fn enlist_session(&self, session: &Arc<SessionInner>) {
        let SessionName { name, id } = &session.name;
        let known_by = if Guard::KnownByName.is_off() { id } else { name };
        lock(&self.live).insert(known_by.clone(), Arc::downgrade(session));
    }

    /// The session is closed in every respect. (Another run of it may be on the list already.)
    pub(crate) fn strike_session(&self, session: &SessionInner) {
        self.lifecycles.leave(session);
        lock(&self.live).retain(|_, listed| !std::ptr::eq(listed.as_ptr(), session));
    }

    pub(crate) fn live_sessions(&self) -> Vec<Arc<SessionInner>> {
        lock(&self.live).values().filter_map(Weak::upgrade).collect()
    }

    /// Never gives them back.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn hold_locks(&self) {
        let background = lock(&self.background);
        if let Some(background) = &*background {
            background.hold_lock();
        }
        std::mem::forget((lock(&self.live), lock(&self.health), background, lock(&self.own_entries)));
    }

    /// What recovery found lost of a session, in place of what it found before.
    pub(crate) fn note_losses(&self, session: &SessionName, losses: &[Loss]) {
        let mut health = lock(&self.health);
        health.losses.retain(|(id, _)| *id != session.id);
        health.losses.extend(losses.iter().map(|loss| (session.id.clone(), loss.clone())));
    }

    pub(crate) fn note_failed_recovery(&self, session: &SessionName, error: &Error) {
        let mut health = lock(&self.health);
        health.failed_recoveries.retain(|(id, _)| *id != session.id);
        health.failed_recoveries.push((session.id.clone(), error.to_string()));
    }

    pub(crate) fn note_view(&self, session: &SessionName, error: Option<&Error>) {
        let mut health = lock(&self.health);
        health.failed_views.retain(|(id, _)| *id != session.id);
        if let Some(error) = error {
            health.failed_views.push((session.id.clone(), error.to_string()));
        }
    }

    /// Syncs the store's own entries, once: its identity, and this writer's entry.
    pub(crate) fn sync_own_entries(&self) -> Result<()> {
        let mut own_entries = lock(&self.own_entries);
        match &*own_entries {
            OwnEntries::Synced => Ok(()),
            // I8: what could not be synced once is not called synced because a second try says nothing.
            OwnEntries::Failed(why) => Err(Error::Io {
                doing: "sync the entries of",
                path: self.layout.root().to_owned(),
                source: std::io::Error::other(why.clone()),
            }),
            OwnEntries::New => {
                let result = self.try_sync_own_entries();
                *own_entries = match &result {
                    Ok(()) => OwnEntries::Synced,
                    Err(error) => OwnEntries::Failed(error.to_string()),
                };
                result
            }
        }
    }

    fn try_sync_own_entries(&self) -> Result<()> {
        let disk = self.disk();
        if let Some(writer) = &self.writer {
            writer.sync(disk)?;
        }
        let identity = self.layout.store_file();
        let file = fs::File::open(&identity).map_err(|e| Error::io("open", &identity, e))?;
        disk.sync(&file, &identity)?;
        disk.sync_dir(&self.layout.writers())?;
        disk.sync_dir(self.layout.root())?;
        // The folders that were made on the way to the store, up to the one that was there.
        for around in self.layout.root().ancestors().skip(1) {
            let around = if around.as_os_str().is_empty() { Path::new(".") } else { around };
            disk.sync_dir(around)?;
            if around == self.was_there || self.was_there == self.layout.root() || around == Path::new(".") {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            return;
        }
        drop(lock(&self.background).take());
        if let Some(writer) = &self.writer {
            let named = recovery::owner_names(&self.layout).unwrap_or_default();
            let mine = |name: &String| !matches!(Owner::read(&self.layout, name), Ok(Entry::Named(owner)) if owner.writer != writer.id);
            if !named.iter().any(mine) {
                writer.resign(&self.options.disk);
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole between any two statements; a thread that panicked leaves it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the user may not write here.
fn may_not_write(error: &Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error, Error::Io { source, .. } if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem))
}

/// Makes what is missing of a store, and returns the folder around it that was there, or its own.
fn prepare(layout: &Layout, options: &Options) -> Result<PathBuf> {
    let (disk, root) = (&options.disk, layout.root());
    let identity = layout.store_file();
    let known = SmallFile::read(&identity, "tracewal-store").map_err(|e| Error::io("read", &identity, e))?;
    if known.is_none() && !looks_empty(root)? {
        return Err(Error::NotAStore { path: root.to_owned() });
    }
    // Before anything is made there: a store that is refused leaves nothing behind.
    let mut around = root;
    while !around.exists() {
        match around.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => around = parent,
            _ => {
                around = Path::new(".");
                break;
            }
        }
    }
    filesystem::promise(around, options.allow_network)?;
    let was_there = around.to_owned();
    for folder in layout.folders() {
        disk.make_dir(&folder)?;
    }
    if !matches!(known, Some(Some(_))) {
        let mut text = SmallFile::default();
        text.set("uid", format!("{:032x}", random::u128()?)).set("compatible", 0).set("incompatible", 0);
        let temporary = root.join(format!("STORE.{:016x}.tmp", random::u64()?));
        disk.put(&temporary, &text.encode("tracewal-store"))?;
        if known.is_some() {
            // It is there and cannot be understood: a power cut took it. Nothing depends on what it said.
            disk.rename(&temporary, &identity)?;
        } else {
            // Whoever is first decides; a link does not replace.
            let linked = fs::hard_link(&temporary, &identity);
            disk.remove_file(&temporary)?;
            if let Err(e) = linked
                && e.kind() != std::io::ErrorKind::AlreadyExists
            {
                return Err(Error::io("create", &identity, e));
            }
        }
    }
    Ok(was_there)
}

/// Whether a folder has nothing in it that is not a store's: another process may be making it right now.
fn looks_empty(root: &Path) -> Result<bool> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(e) => return Err(Error::io("list", root, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", root, e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = ["sessions", "owners", "writers", "locks", "trash", "traces", "index", "search"]
            .contains(&name.as_ref());
        if !ours && !name.starts_with("STORE") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check_identity(layout: &Layout) -> Result<()> {
    let path = layout.store_file();
    match SmallFile::read(&path, "tracewal-store").map_err(|e| Error::io("read", &path, e))? {
        None => Err(Error::NotAStore { path: layout.root().to_owned() }),
        Some(Some(text)) if text.get("incompatible").is_some_and(|bits| bits != "0") => {
            Err(Error::TooNew { path })
        }
        Some(_) => Ok(()),
    }
}

/// The header of the first segment in a session's folder that has a valid one.
pub(crate) fn identify(folder: &Path) -> Option<Header> {
    use tracewal_format::log::LogSource;
    let mut files = SegmentFiles::new(folder);
    for number in files.segments().ok()? {
        files.select(number).ok()??;
        let page = files.read(0, usize::try_from(HEADER_PAGE).ok()?).ok()?;
        let decode =
            |from: usize| page.get(from..from + 512).map_or(Err(HeaderError::Invalid), Header::decode);
        if let Ok(header) = decode(0).or_else(|_| decode(1024)) {
            return Some(header);
        }
    }
    None
}
