//! Bringing an index up to date, session by session, and making it forget.
//!
//! Whoever changes the index holds its lock, for a second or two at a time: then what it did is committed, and somebody else may have a turn, who finds
//! those sessions done. So two that search a new store share the work, a kill loses the last second of it, and nobody who wants something to be
//! forgotten waits for long.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};
use tracewal::{Item, Reading, Result, SessionName, Store};

use crate::extract::Extractor;
use crate::index::{Change, Folder, IndexError, Stamp};

/// How long the lock is held at a time, a session that takes longer apart.
const TURN: Duration = Duration::from_millis(1_500);
/// How far indexing gives way to whoever else wants the processor: as far as one can.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;
/// So many times an index is made anew that turns out to be damaged.
const TRIES: u32 = 3;

/// Is told how far the index is.
pub trait Progress: Sync {
    /// So many bytes of logs have to be read.
    fn begin(&self, bytes: u64);
    /// So many more have been.
    fn advance(&self, bytes: u64);
    /// All of them have been.
    fn end(&self);
}

/// Is told, and says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}

/// Where a store's index is: in the store; of a store that may not be written, in the user's folder for what can be made again. `None`: nowhere.
pub(crate) fn folder(store: &Store) -> Option<Folder> {
    if store.is_read_only() { cache(store) } else { Some(beside(store)) }
}

/// Removes an index that turned out to be damaged.
pub(crate) fn clear(store: &Store) {
    if let Some(folder) = folder(store)
        && let Ok(lock) = folder.lock()
    {
        // Whoever searches next meets the same, and tries again.
        let _ = folder.clear(&lock);
    }
}

fn beside(store: &Store) -> Folder {
    Folder::new(store.path().join("search"))
}

fn cache(store: &Store) -> Option<Folder> {
    use std::fmt::Write as _;
    let path = std::fs::canonicalize(store.path()).ok()?;
    let sum = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let name = sum.iter().take(16).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    let cache: PathBuf = etcetera::choose_base_strategy().ok()?.cache_dir();
    Some(Folder::new(cache.join("tracewal").join("search").join(name)))
}

/// Makes a store's index forget a session: when this returns, no file of the index holds anything of it. It is to be called after the log
/// was rewritten or removed: who searches later indexes what is there then.
///
/// Trigrams of all sessions are woven into each other, so the whole index is removed, in the store and in the user's cache. The next search
/// makes it anew.
///
/// # Errors
/// When a file cannot be removed.
pub fn forget(store: &Store, session: &SessionName) -> Result<()> {
    for folder in [Some(beside(store)), cache(store)].into_iter().flatten().filter(Folder::exists) {
        let failed = |source| tracewal::Error::Io {
            doing: "remove the search index that knows a session of",
            path: store.folder(session),
            source,
        };
        let lock = folder.lock().map_err(failed)?;
        folder.clear(&lock).map_err(failed)?;
    }
    Ok(())
}

/// A session as it has to be in the index.
pub(crate) struct Wanted {
    pub(crate) session: SessionName,
    pub(crate) stamp: Stamp,
}

/// Indexes what has changed, and takes out what has gone.
pub(crate) fn update(
    store: &Store,
    folder: &Folder,
    wanted: &[Wanted],
    progress: &dyn Progress,
) -> Result<(), IndexError> {
    for _ in 0..TRIES {
        match try_update(store, folder, wanted, progress) {
            Err(IndexError::Damaged | IndexError::Missing) => {
                let lock = folder.lock()?;
                // Somebody else may have made it anew already.
                if folder.open_to_write(&lock).and_then(|index| index.sessions()).is_err() {
                    folder.clear(&lock)?;
                }
            }
            other => return other,
        }
    }
    Err(IndexError::Failed("the search index is damaged again and again".to_owned()))
}

fn try_update(
    store: &Store,
    folder: &Folder,
    wanted: &[Wanted],
    progress: &dyn Progress,
) -> Result<(), IndexError> {
    let known: HashMap<String, Stamp> = match folder.open() {
        Ok(index) => index.sessions()?.into_iter().map(|known| (known.name, known.stamp)).collect(),
        Err(IndexError::Missing) => Default::default(),
        Err(error) => return Err(error),
    };
    let stale: Vec<&Wanted> =
        wanted.iter().filter(|wanted| known.get(wanted.session.name()) != Some(&wanted.stamp)).collect();
    let gone: Vec<&str> = known
        .keys()
        .map(String::as_str)
        .filter(|name| !store.folder(&SessionName::of(name, name)).is_dir())
        .collect();
    if stale.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let sizes: Vec<u64> = stale.iter().map(|wanted| size(store, &wanted.session)).collect();
    progress.begin(sizes.iter().sum());
    let work = || {
        be_nice();
        index_all(store, folder, &stale, &sizes, &gone, progress)
    };
    // In a thread of its own, because whoever is nice cannot take that back.
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    progress.end();
    done.unwrap_or_else(|_| Err(IndexError::Failed("indexing ended with a panic".to_owned())))
}

/// Gives way to whoever else wants the processor.
fn be_nice() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    }
}

/// The blocks of a session's log.
fn size(store: &Store, session: &SessionName) -> u64 {
    let files = std::fs::read_dir(store.folder(session)).into_iter().flatten();
    files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

fn index_all(
    store: &Store,
    folder: &Folder,
    stale: &[&Wanted],
    sizes: &[u64],
    gone: &[&str],
    progress: &dyn Progress,
) -> Result<(), IndexError> {
    let mut left = stale.iter().zip(sizes);
    let mut gone = Some(gone);
    loop {
        let lock = folder.lock()?;
        let mut index = folder.open_to_write(&lock)?;
        let until = Instant::now() + TURN;
        let mut done = Vec::new();
        // Somebody else may have had a turn.
        let turn: Vec<_> =
            left.clone().map(|(wanted, _)| index.stamp(wanted.session.name())).collect::<Result<_, _>>()?;
        let mut change = index.change()?;
        for name in gone.take().unwrap_or_default() {
            change.remove(name)?;
        }
        let mut is_last = true;
        for known in turn {
            if Instant::now() >= until {
                is_last = false;
                break;
            }
            let Some((wanted, size)) = left.next() else { break };
            if known != Some(wanted.stamp) {
                add(store, &mut change, &wanted.session)?;
            }
            done.push(*size);
        }
        change.commit()?;
        progress.advance(done.iter().sum());
        drop(lock);
        if is_last {
            return Ok(());
        }
    }
}

/// Reads a log into the index, in place of what is there. One that cannot be read now is not in it: it is read when something is looked for.
fn add(store: &Store, change: &mut Change<'_>, session: &SessionName) -> Result<(), IndexError> {
    change.remove(session.name())?;
    let first = change.next();
    // Before the log: what is written behind it makes another stamp.
    let Some(stamp) = stamp(store, session) else { return Ok(()) };
    let Ok(mut log) = store.read(session, Reading::Whole) else { return Ok(()) };
    let mut extractor = Extractor::default();
    let mut emit = |passage: crate::passage::Passage, text: &str| change.passage(&passage, text);
    loop {
        match log.next() {
            Ok(Some(Item::Event(entry))) => extractor.take(&entry, &mut emit)?,
            Ok(Some(_)) => {}
            Ok(None) => break,
            // It has been removed, or replaced, under our eyes.
            Err(_) => return change.abandon(first),
        }
    }
    extractor.finish(&mut emit)?;
    change.session(session, stamp, first)
}

/// The files of a log as they are now. `None`: they cannot be looked at.
pub(crate) fn stamp(store: &Store, session: &SessionName) -> Option<Stamp> {
    let files = store.index().files(session).ok()?;
    Some((files.folder_ns, files.segments, files.sum))
}
