//! Lifecycle actions: what closes things in this process says so first, in the log of every session that it covers (SPEC.md section 9).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tracewal_format::event::{Event, LifecycleBegun, LifecycleEnded, Origin, Str};
use tracewal_format::log::{Item, Reading};
use tracewal_format::time::Time;

use crate::error::{Error, Result};
use crate::label::label;
use crate::session::SessionInner;
use crate::store::{SessionName, Store, lock};

/// The most characters of a kind of its own.
const KIND_MOST: usize = 40;
/// The most bytes of a request's id.
const REQUEST_MOST: usize = 120;

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleKind {
    /// An instance is loaded again.
    InstanceReload,
    /// An instance is disposed of.
    InstanceDispose,
    /// The instances of a directory are.
    InstanceDisposeDirectory,
    /// All instances are.
    InstanceDisposeAll,
    /// The process stops.
    Shutdown,
    /// The process was sent a signal that it handles itself.
    Signal,
    /// The user cancelled.
    UserCancel,
    /// It took too long.
    Timeout,
    /// Another one: up to 40 of `a-z`, `0-9` and `-`; other characters become `-`, and what looks private becomes `redacted`.
    Other(String),
}

impl LifecycleKind {
    fn text(&self) -> Str<'static> {
        match self {
            LifecycleKind::InstanceReload => "instance-reload".into(),
            LifecycleKind::InstanceDispose => "instance-dispose".into(),
            LifecycleKind::InstanceDisposeDirectory => "instance-dispose-directory".into(),
            LifecycleKind::InstanceDisposeAll => "instance-dispose-all".into(),
            LifecycleKind::Shutdown => "shutdown".into(),
            LifecycleKind::Signal => "signal".into(),
            LifecycleKind::UserCancel => "user-cancel".into(),
            LifecycleKind::Timeout => "timeout".into(),
            LifecycleKind::Other(name) => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
                let kind: String = label(name).chars().take(KIND_MOST).map(plain).collect();
                if name.is_empty() { "other".into() } else { kind.into() }
            }
        }
    }
}

/// Who began an action.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleOrigin(Origin<'static>);

impl LifecycleOrigin {
    /// A request to a server.
    #[must_use]
    pub fn server_handler() -> Self {
        LifecycleOrigin(Origin::new("server-handler"))
    }

    /// A change of the configuration.
    #[must_use]
    pub fn config() -> Self {
        LifecycleOrigin(Origin::new("config"))
    }

    /// The command line.
    #[must_use]
    pub fn cli() -> Self {
        LifecycleOrigin(Origin::new("cli"))
    }

    /// The program itself.
    #[must_use]
    pub fn runtime() -> Self {
        LifecycleOrigin(Origin::new("runtime"))
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown() -> Self {
        LifecycleOrigin(Origin::new("unknown"))
    }

    /// Which operation: the name of a route or a command, of up to 120 characters. What looks private is kept as `redacted`.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.0.operation = Some(label(operation).to_owned().into());
        self
    }

    /// Why, in the same way.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.0.reason = Some(label(reason).to_owned().into());
        self
    }
}

/// The scope that a directory stands for: `dir:` and 16 hexadecimal digits of its SHA-256. Its name is not in it.
#[must_use]
pub fn directory_scope(directory: impl AsRef<Path>) -> String {
    let text = directory.as_ref().to_string_lossy();
    let trimmed = text.trim_end_matches(['/', '\\']);
    hashed(if trimmed.is_empty() { &text } else { trimmed })
}

fn hashed(directory: &str) -> String {
    let digest = Sha256::digest(directory.as_bytes());
    let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("dir:{}", digits.collect::<String>())
}

/// A scope as it is stored: whatever looks like a path is a directory.
pub(crate) fn scope(text: &str) -> String {
    let is_path = text.contains(['/', '\\']) || text.starts_with('~');
    if is_path { directory_scope(text) } else { text.to_owned() }
}

/// The scopes that a session was started with.
pub(crate) fn scopes_of(store: &Store, session: &SessionName) -> Vec<String> {
    let Ok(mut log) = store.read(session, Reading::Live) else { return Vec::new() };
    loop {
        match log.next() {
            Ok(Some(Item::Event(entry))) => {
                let Some(Ok(Event::SessionStarted(first))) = entry.event() else { return Vec::new() };
                return first.scopes.iter().flatten().map(|text| scope(text)).collect();
            }
            Ok(Some(_)) => continue,
            _ => return Vec::new(),
        }
    }
}

/// An action that is about to begin.
#[derive(Debug)]
#[must_use = "call begin"]
pub struct NewLifecycle {
    store: Store,
    kind: LifecycleKind,
    origin: LifecycleOrigin,
    scopes: Option<Vec<String>>,
    parent: Option<String>,
    request: Option<String>,
}

impl Store {
    /// An action that will close things in this process. It covers every session of this store that is open here, unless it gets
    /// [scopes](NewLifecycle::scope); as long as its guard is there, what ends, is interrupted or killed under it is explained by it.
    ///
    /// ```
    /// # fn main() -> tracewal_engine::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = tracewal_engine::Options::without_views().open(folder.path().join("s"))?;
    /// use tracewal_engine::lifecycle::{LifecycleKind, LifecycleOrigin};
    ///
    /// let session = store.session("a").directory("/work/project").start()?;
    /// let origin = LifecycleOrigin::server_handler().operation("instance.dispose");
    /// let dispose = store.lifecycle(LifecycleKind::InstanceDispose, origin).directory("/work/project").begin()?;
    /// session.fail("disposed")?; // its view says: closed by instance-dispose
    /// dispose.end();
    /// # Ok(())
    /// # }
    /// ```
    pub fn lifecycle(&self, kind: LifecycleKind, origin: LifecycleOrigin) -> NewLifecycle {
        let store = self.clone();
        NewLifecycle { store, kind, origin, scopes: None, parent: None, request: None }
    }
}

impl NewLifecycle {
    /// Covers the sessions that run in this scope, and not all. May be said several times.
    pub fn scope(mut self, text: impl AsRef<str>) -> Self {
        self.scopes.get_or_insert_default().push(scope(text.as_ref()));
        self
    }

    /// Covers the sessions that run in this directory, and not all. May be said several times.
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.scopes.get_or_insert_default().push(directory_scope(directory));
        self
    }

    /// The id of the request that led to it; kept as `redacted` if it looks private.
    pub fn request(mut self, id: &str) -> Self {
        self.request = Some(label(id.get(..REQUEST_MOST).unwrap_or(id)).to_owned());
        self
    }

    /// Begins it. When this returns, it stands in the log of every session that it covers, in front of whatever it causes.
    ///
    /// A session that cannot take it keeps no other from it: see [`Lifecycle::unrecorded`].
    ///
    /// # Errors
    /// [`ReadOnly`](Error::ReadOnly), [`Forked`](Error::Forked).
    pub fn begin(self) -> Result<Lifecycle> {
        self.store.0.must_write()?;
        let kind = self.kind.text();
        let mut register = lock(&self.store.0.lifecycles.0);
        // Under the lock: the order of ids and times is the order in which the logs have them.
        let now: Time = SystemTime::now().into();
        let id = action_id(&kind, now);
        let event = LifecycleBegun {
            scopes: self.scopes.clone().map(|scopes| scopes.into_iter().map(Into::into).collect()),
            origin: Some(self.origin.0.clone()),
            parent_action_id: self.parent.map(Into::into),
            request: self.request.map(Into::into),
            ..LifecycleBegun::new(id.clone(), kind)
        };
        let action = Arc::new(Open { scopes: self.scopes, time: now, event: event.into() });
        let (sync, unrecorded) = register.tell_covered(&action.scopes, Some(now), &action.event);
        register.begun += 1;
        let order = register.begun;
        register.open.insert(order, action.clone());
        drop(register);
        // Not under the lock: a slow disk keeps nobody else waiting.
        for (session, seq) in sync {
            let _ = session.sync_if_always(seq);
        }
        Ok(Lifecycle { store: self.store, origin: self.origin, id, order, action, unrecorded, ended: false })
    }
}

/// `lifecycle:<kind>:<base36 ms>:<base36 counter>`.
fn action_id(kind: &str, now: Time) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let ms = u64::try_from(now.as_ns() / 1_000_000).unwrap_or(0);
    format!("lifecycle:{kind}:{}:{}", base36(ms), base36(COUNTER.fetch_add(1, Ordering::Relaxed)))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(u32::try_from(number % 36).ok().and_then(|digit| char::from_digit(digit, 36)));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// A lifecycle action that is going on. It ends when this is dropped.
///
/// There is no current action of a thread or a task: an action covers sessions by their scopes, whoever closes them.
#[derive(Debug)]
#[must_use = "an action that is dropped at once covers nothing"]
pub struct Lifecycle {
    store: Store,
    origin: LifecycleOrigin,
    id: String,
    order: u64,
    action: Arc<Open>,
    unrecorded: Vec<(String, Error)>,
    ended: bool,
}

impl Lifecycle {
    /// Its id: at most 100 characters that say nothing private.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// An action that is a part of this one, of the same origin. It covers what its own scopes say.
    pub fn child(&self, kind: LifecycleKind) -> NewLifecycle {
        let parent = Some(self.id.clone());
        NewLifecycle { parent, ..self.store.lifecycle(kind, self.origin.clone()) }
    }

    /// The sessions that it covers, and whose logs could not take it, by id, with why.
    #[must_use]
    pub fn unrecorded(&self) -> &[(String, Error)] {
        &self.unrecorded
    }

    /// Ends it, as dropping it does. What closes later is not explained by it.
    pub fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.ended, true) || self.store.0.must_write().is_err() {
            return;
        }
        let mut register = lock(&self.store.0.lifecycles.0);
        register.open.remove(&self.order);
        let event = LifecycleEnded::new(self.id.as_str()).into();
        let (sync, _) = register.tell_covered(&self.action.scopes, None, &event);
        drop(register);
        for (session, seq) in sync {
            let _ = session.sync_if_always(seq);
        }
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.finish();
    }
}

#[derive(Debug)]
struct Open {
    /// `None`: all.
    scopes: Option<Vec<String>>,
    time: Time,
    event: Event<'static>,
}

/// The actions that are open in this process, and the sessions that they may cover.
#[derive(Debug, Default)]
pub(crate) struct Lifecycles(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    /// By the order in which they began.
    open: BTreeMap<u64, Arc<Open>>,
    begun: u64,
    /// By name.
    members: HashMap<String, Member>,
}

#[derive(Debug)]
struct Member {
    session: Weak<SessionInner>,
    scopes: Vec<String>,
}

/// Sessions that were told something, with its sequence number; and those that could not be, with why.
type Told = (Vec<(Arc<SessionInner>, u64)>, Vec<(String, Error)>);

impl Register {
    fn tell_covered(&self, scopes: &Option<Vec<String>>, time: Option<Time>, event: &Event<'_>) -> Told {
        let (mut told, mut unrecorded) = (Vec::new(), Vec::new());
        for member in self.members.values().filter(|member| member.is_covered(scopes.as_deref())) {
            let Some(session) = member.session.upgrade() else { continue };
            match session.record_unsynced(time, event) {
                Ok(seq) => told.push((session, seq)),
                // It has just ended, and has nothing left that could be closed.
                Err(Error::Ended { .. }) => {}
                Err(error) => unrecorded.push((session.name.id().to_owned(), error)),
            }
        }
        (told, unrecorded)
    }
}

impl Member {
    fn is_covered(&self, scopes: Option<&[String]>) -> bool {
        scopes.is_none_or(|scopes| scopes.iter().any(|scope| self.scopes.contains(scope)))
    }
}

impl Lifecycles {
    /// A session is open from here on. What covers it goes into its log, with the times at which it began.
    pub(crate) fn join(&self, session: &Arc<SessionInner>, scopes: Vec<String>) {
        let member = Member { session: Arc::downgrade(session), scopes };
        let mut told = None;
        let mut register = lock(&self.0);
        for action in register.open.values().filter(|action| member.is_covered(action.scopes.as_deref())) {
            // A log that cannot take it takes nothing else either, and says so at the next append.
            told = session.record_unsynced(Some(action.time), &action.event).ok().or(told);
        }
        register.members.insert(session.name.name().to_owned(), member);
        drop(register);
        if let Some(seq) = told {
            let _ = session.sync_if_always(seq);
        }
    }

    /// The session is closed. (Another run of it may have joined already.)
    pub(crate) fn leave(&self, session: &SessionInner) {
        let mut register = lock(&self.0);
        if register
            .members
            .get(session.name.name())
            .is_some_and(|member| std::ptr::eq(member.session.as_ptr(), session))
        {
            register.members.remove(session.name.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_say_nothing_private() {
        let kind = LifecycleKind::Other("/home/alice/Very Secret ".repeat(20)).text();
        let id = action_id(&kind, Time::from_ms(i64::MAX / 1_000_000));
        assert!(id.len() <= 100, "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)), "{id}");
        assert_eq!(label(&id), id);
        assert_eq!(LifecycleKind::Other(String::new()).text(), "other");
        assert_eq!((base36(0), base36(35), base36(36)), ("0".into(), "z".into(), "10".into()));
    }

    #[test]
    fn a_directory_is_a_hash_of_its_name() {
        // printf %s /work/project | sha256sum | cut -c-16
        assert_eq!(directory_scope("/work/project"), "dir:65d80d2c48b3d23b");
        assert_eq!(directory_scope("/work/project/"), directory_scope("/work/project"));
        assert_eq!(scope("/work/project"), directory_scope("/work/project"));
        assert_eq!(scope("agent-1"), "agent-1");
        assert_eq!(scope(&directory_scope("x")), directory_scope("x"));
        assert_eq!(directory_scope("/"), hashed("/"));
    }
}
