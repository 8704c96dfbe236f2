//! Removing old sessions. Only when asked, never a live one, log and view together.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tracewal_engine::{Error, Result, SessionName, Store};

/// What is to go. A session goes when any of the limits says so; without a limit nothing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Keep this many of the newest.
    pub keep_newest: Option<usize>,
    /// Remove what was last written longer ago.
    pub older_than: Option<Duration>,
    /// Remove the oldest until the others take no more bytes on disk, logs and views.
    pub max_bytes: Option<u64>,
}

/// A session that has gone, or would.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// Which one.
    pub session: SessionName,
    /// When it was last written.
    pub written: SystemTime,
    /// What it took on disk, log and view.
    pub bytes: u64,
    /// `None`: it is gone, or would be. Else why it could not be removed.
    pub error: Option<String>,
}

/// Removes the sessions that the policy names, oldest first; with `dry_run` only says which.
///
/// # Errors
/// When the store cannot be listed or written. A session that cannot be removed is reported in the list.
pub fn prune(store: &Store, policy: Policy, dry_run: bool) -> Result<Vec<Pruned>> {
    let mut sessions = Vec::new();
    for session in store.sessions()? {
        if store.is_live(&session) {
            continue;
        }
        let (written, bytes) = footprint(&store.folder(&session), &store.view(&session));
        sessions.push(Pruned { session, written, bytes, error: None });
    }
    // Newest first; sessions of the same moment by name, so that the same one goes each time.
    sessions.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.session.cmp(&b.session)));
    let now = SystemTime::now();
    let mut kept_bytes = 0_u64;
    let mut pruned = Vec::new();
    for (place, session) in sessions.into_iter().enumerate() {
        let age = now.duration_since(session.written).unwrap_or_default();
        let too_many = policy.keep_newest.is_some_and(|keep| place >= keep);
        let too_old = policy.older_than.is_some_and(|limit| age > limit);
        let too_large =
            policy.max_bytes.is_some_and(|limit| kept_bytes.saturating_add(session.bytes) > limit);
        if too_many || too_old || too_large {
            pruned.push(session);
        } else {
            kept_bytes = kept_bytes.saturating_add(session.bytes);
        }
    }
    pruned.reverse();
    if !dry_run {
        for session in &mut pruned {
            session.error = match store.remove(&session.session) {
                Ok(()) => None,
                Err(error @ Error::ReadOnly { .. }) => return Err(error),
                Err(error) => Some(error.to_string()),
            };
        }
    }
    Ok(pruned)
}

/// When a session was last written, and what it takes on disk.
#[must_use]
pub fn footprint(folder: &Path, view: &Path) -> (SystemTime, u64) {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok()?.metadata().ok());
    let all = files.chain(fs::metadata(view).ok());
    all.fold((SystemTime::UNIX_EPOCH, 0), |(newest, bytes), file| {
        (
            newest.max(file.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
            bytes.saturating_add(allocated(&file)),
        )
    })
}

#[cfg(unix)]
fn allocated(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file).saturating_mul(512)
}

#[cfg(not(unix))]
fn allocated(file: &fs::Metadata) -> u64 {
    file.len()
}
