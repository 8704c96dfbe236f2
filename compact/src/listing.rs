//! The sessions of a store, newest first, without opening the logs of those that nobody has open (SPEC.md section 17).

use std::collections::HashSet;
use std::io;
use std::time::{Duration, SystemTime};

use tracewal_engine::{Found, Result, SessionName, Snapshot, Status, Store};
use tracewal_format::index::{Frame, Key, Mark, Row};
use tracewal_format::log::{Item, Reading};
use tracewal_format::time::Time;

use crate::{FOLD_VERSION, rows};

/// A time of the last change that is younger than this proves nothing: the next change may bear the same. No file system's clock is
/// coarser.
const SETTLED: Duration = Duration::from_secs(3);

/// When more sessions than this have gone, the index is merged at once.
const MANY: usize = 1_000;

/// The sessions of a store as they stood when it was asked for.
#[derive(Debug, Default)]
pub struct Listing {
    snapshot: Snapshot,
    /// Newest first.
    keys: Vec<Key>,
    /// Newest first.
    others: Vec<Other>,
}

#[derive(Debug)]
struct Other {
    started_at: Option<Time>,
    name: String,
    /// `None`: its log has to be folded.
    row: Option<Box<Row>>,
}

/// A session in a listing.
#[derive(Clone, Debug)]
pub enum Listed {
    /// Nobody has it open, and this is how it stands: its files are those that were folded.
    Row(Box<Row>),
    /// Its log has to be folded.
    Log(SessionName),
}

impl Listed {
    /// Its id and name.
    #[must_use]
    pub fn name(&self) -> SessionName {
        match self {
            Listed::Row(row) => SessionName::of(&row.name, &row.id),
            Listed::Log(session) => session.clone(),
        }
    }
}

/// A part of the index turned out to be damaged: ask for [`Listing::thorough`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// How far the index is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// As far as it can be proved without a look at the sessions.
    Proved,
    /// As far as the sessions' folders say the same.
    Compared,
    /// Not at all.
    Nothing,
}

/// What a snapshot proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// It was complete, and no session has come or gone since.
    Complete,
    /// It was complete in this boot. Whoever changes a session tells the index; who has come or gone is not known.
    Names,
    /// Nothing.
    None,
}

impl Listing {
    /// The sessions of this store. What the index does not know is folded, and told to it if the store may be written.
    ///
    /// # Errors
    /// When the folder of the sessions, or that of their owner entries, cannot be listed.
    pub fn of(store: &Store) -> Result<Self> {
        match Self::read(store, Trust::Proved)? {
            Some(listing) => Ok(listing),
            None => Self::thorough(store),
        }
    }

    /// The same, the index compared with the folder of every session.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub fn thorough(store: &Store) -> Result<Self> {
        match Self::read(store, Trust::Compared)? {
            Some(listing) => Ok(listing),
            None => Self::fresh(store),
        }
    }

    /// The same, every log folded and the index made anew.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub fn fresh(store: &Store) -> Result<Self> {
        Ok(Self::read(store, Trust::Nothing)?.unwrap_or_default())
    }

    /// `None`: damaged.
    fn read(store: &Store, trust: Trust) -> Result<Option<Self>> {
        let index = store.index();
        if trust == Trust::Nothing {
            index.clear();
        }
        // In this order: what changes on the way is seen in what is looked at later.
        let now = index.mark(FOLD_VERSION);
        let owned = store.owned()?;
        let mut snapshot = if trust == Trust::Nothing { Snapshot::default() } else { index.snapshot() };
        let proof = if trust == Trust::Proved { proof(snapshot.mark(), now) } else { Proof::None };
        let has_no_base = trust != Trust::Nothing && snapshot.base() == 0;
        if index.is_kept() && (trust == Trust::Compared || snapshot.is_damaged() || has_no_base) {
            // So damage goes, and a mark has a base to speak of.
            let _ = index.merge();
            snapshot = index.snapshot();
        }
        for name in &owned {
            snapshot.set(Frame::Unknown(name.clone()));
        }
        let owned: HashSet<String> = owned.into_iter().collect();
        if proof != Proof::Complete {
            let base = snapshot.base();
            let Some(checked) = check(store, &mut snapshot, &owned, proof)? else { return Ok(None) };
            if checked.gone > MANY {
                // Else each would be looked for again every time. The next listing marks the new base.
                let _ = index.merge();
            } else if let Some(mark) = now.filter(|mark| checked.is_complete && base != 0 && is_settled(mark))
            {
                index.add(&Frame::Mark(Mark { base, ..mark }));
            }
        }
        Self::sorted(store, snapshot, &owned)
    }

    fn sorted(store: &Store, snapshot: Snapshot, owned: &HashSet<String>) -> Result<Option<Self>> {
        let (mut keys, mut others) = (Vec::new(), Vec::new());
        for found in snapshot.sessions() {
            let frame = match found {
                None => return Ok(None),
                Some(Found::Key(key)) if key.status.is_some() => {
                    keys.push(key);
                    continue;
                }
                Some(Found::Key(key)) => match snapshot.record(&key) {
                    None => return Ok(None),
                    Some(frame) => frame,
                },
                Some(Found::Recent(frame)) => frame.clone(),
            };
            others.extend(Other::of(store, frame, owned));
        }
        others.sort_by(|a, b| b.order().cmp(&a.order()));
        Ok(Some(Listing { snapshot, keys, others }))
    }

    /// The sessions, newest first, those of which no time is known last. Only those whose status is `wanted`; of what is returned as
    /// [`Listed::Log`] the status is not known. Each row has been compared with the files of its session.
    pub fn sessions<'l>(
        &'l self,
        store: &'l Store,
        wanted: impl Fn(Status) -> bool + 'l,
    ) -> impl Iterator<Item = Result<Listed, Damaged>> + 'l {
        let (mut keys, mut others) = (self.keys.iter().peekable(), self.others.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let is_key_next = match (keys.peek(), others.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some(key), Some(other)) if key.started_at == other.started_at => {
                        let Some(frame) = self.snapshot.record(key) else { return Some(Err(Damaged)) };
                        frame.name() > Some(other.name.as_str())
                    }
                    (Some(key), Some(other)) => key.started_at > other.started_at,
                };
                let row = if is_key_next {
                    let key = keys.next()?;
                    if !key.status.is_none_or(|status| wanted(rows::status(status))) {
                        continue;
                    }
                    match self.snapshot.record(key) {
                        Some(Frame::Row(row)) => row,
                        _ => return Some(Err(Damaged)),
                    }
                } else {
                    let other = others.next()?;
                    match &other.row {
                        None => return Some(Ok(Listed::Log(store.named(&other.name)))),
                        Some(row) if !wanted(rows::status(row.status)) => continue,
                        Some(row) => row.clone(),
                    }
                };
                match shown(store, row) {
                    // It has changed since the index was told.
                    Some(Listed::Row(row)) if !wanted(rows::status(row.status)) => {}
                    Some(listed) => return Some(Ok(listed)),
                    None => {}
                }
            }
        })
    }
}

impl Other {
    /// `None`: the session has gone.
    fn of(store: &Store, frame: Frame, owned: &HashSet<String>) -> Option<Self> {
        let name = frame.name()?.to_owned();
        let frame = match frame {
            Frame::Unknown(_) => {
                let session = store.named(&name);
                if !store.folder(&session).is_dir() {
                    return None;
                }
                let may_be_closed = store.index().is_kept() && !owned.contains(&name);
                if may_be_closed { rows::refresh(store, &session).ok().flatten() } else { None }
            }
            frame => Some(frame),
        };
        Some(match frame {
            Some(Frame::Row(row)) => {
                Other { started_at: (!row.is_unreadable).then_some(row.started_at), name, row: Some(row) }
            }
            _ => Other { started_at: first_time(store, &store.named(&name)), name, row: None },
        })
    }

    fn order(&self) -> (Option<Time>, &str) {
        (self.started_at, &self.name)
    }
}

fn proof(then: Option<Mark>, now: Option<Mark>) -> Proof {
    match (then.map(|then| Mark { base: 0, ..then }), now) {
        (Some(then), Some(now)) if then == now => Proof::Complete,
        (Some(then), Some(now)) if (then.boot_id, then.fold_version) == (now.boot_id, now.fold_version) => {
            Proof::Names
        }
        _ => Proof::None,
    }
}

/// What a comparison with the folders came to.
struct Checked {
    /// The index says it all.
    is_complete: bool,
    /// So many sessions have gone.
    gone: usize,
}

/// Compares a snapshot with the folders of the sessions, and makes it say what is so; and the index, if the store may be written. `None`:
/// it is damaged.
fn check(
    store: &Store,
    snapshot: &mut Snapshot,
    owned: &HashSet<String>,
    proof: Proof,
) -> Result<Option<Checked>> {
    let index = store.index();
    let names = store.names()?;
    let (unknown, mut gone, changed) = match proof {
        Proof::None => compare_folders(store, snapshot, names),
        _ => match snapshot.compare(names) {
            Some((unknown, gone)) => (unknown, gone, Vec::new()),
            None => return Ok(None),
        },
    };
    gone.retain(|name| !owned.contains(name));
    let gone_count = gone.len();
    for name in gone {
        let frame = Frame::Unknown(name);
        index.add(&frame);
        snapshot.set(frame);
    }
    let mut is_complete = index.is_kept();
    for name in changed.into_iter().chain(unknown.into_iter().filter(|name| !owned.contains(name))) {
        let mut frame = Frame::Unknown(name.clone());
        if index.is_kept() {
            match rows::refresh(store, &store.named(&name)) {
                Ok(Some(found @ Frame::Row(_))) => frame = found,
                // That it has to be folded is true at any time.
                Ok(Some(_)) | Err(_) => index.add(&frame),
                // Somebody has opened it just now, and will tell; or is at it.
                Ok(None) => is_complete = false,
            }
        }
        snapshot.set(frame);
    }
    Ok(Some(Checked { is_complete, gone: gone_count }))
}

/// The names that a snapshot does not know; those of which it says something though they are not there; and those whose folders have changed since the index was told. Records
/// that are damaged count as not there from then on.
fn compare_folders(
    store: &Store,
    snapshot: &mut Snapshot,
    names: Vec<String>,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let index = store.index();
    let mut unknown: HashSet<String> = names.into_iter().collect();
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    snapshot.read_all(|name, stored| {
        let is_so = |row: &Row| {
            row.fold_version == FOLD_VERSION
                && index.folder_ns(name).is_ok_and(|folder_ns| folder_ns == row.files.folder_ns)
        };
        let is_there = unknown.remove(name);
        match stored.frame() {
            // That is so in any case.
            Some(Frame::Unknown(_)) => {}
            _ if !is_there => gone.push(name.to_owned()),
            Some(Frame::Row(row)) if is_so(&row) => {}
            _ => changed.push(name.to_owned()),
        }
    });
    (unknown.into_iter().collect(), gone, changed)
}

fn is_settled(mark: &Mark) -> bool {
    let changed = Duration::from_nanos(u64::try_from(mark.changed_ns).unwrap_or(u64::MAX));
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|now| now > changed + SETTLED)
}

/// A row, if it is still so. `None`: the session has gone.
fn shown(store: &Store, row: Box<Row>) -> Option<Listed> {
    let index = store.index();
    let session = SessionName::of(&row.name, &row.id);
    match index.files(&session) {
        Ok(files) if files == row.files && row.fold_version == FOLD_VERSION => {
            return Some(if row.is_cut { Listed::Log(session) } else { Listed::Row(row) });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        _ => {}
    }
    let session = store.named(&row.name);
    if index.is_kept()
        && let Ok(Some(Frame::Row(row))) = rows::refresh(store, &session)
        && !row.is_cut
    {
        return Some(Listed::Row(row));
    }
    Some(Listed::Log(session))
}

fn first_time(store: &Store, session: &SessionName) -> Option<Time> {
    let mut log = store.read(session, Reading::Live).ok()?;
    loop {
        match log.next().ok()?? {
            Item::Event(entry) => return Some(entry.time),
            _ => continue,
        }
    }
}
