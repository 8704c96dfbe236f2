//! The index as it was at one moment.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};

use tracewal_format::index::{Frame, Frames, Key, Mark, name_sum};

use super::base::{Base, Window};
use super::{Index, TRIES, identity};

/// A longer tail is not read (I11). It would have been merged long before.
const TAIL_MAX: u64 = 512 << 20;

/// What the index knew at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    base: Option<Base>,
    /// What was added since the base was made.
    tail: Tail,
    /// The sums of the names in it: few keys of the base have one of them.
    recent_sums: HashSet<u64>,
    /// Records of the base that are damaged, by where they are.
    damaged: HashSet<u64>,
}

/// A record about a session, as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'f> {
    /// In the sorted part.
    Bytes(&'f [u8]),
    /// Added since.
    Recent(&'f Frame),
}

impl Stored<'_> {
    /// The record.
    #[must_use]
    pub fn frame(self) -> Option<Frame> {
        match self {
            Stored::Bytes(bytes) => Frame::decode(bytes).map(|(frame, _)| frame),
            Stored::Recent(frame) => Some(frame.clone()),
        }
    }
}

/// What the records of one or more tails say, behind a base.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// By name: the last one counts.
    pub(super) recent: HashMap<String, Frame>,
    pub(super) mark: Option<Mark>,
    pub(super) is_damaged: bool,
    base: u32,
}

impl Tail {
    /// Behind this base. `was_there`: there is one, be it damaged or not.
    pub(super) fn behind(base: Option<&Base>, was_there: bool) -> Self {
        Tail {
            recent: HashMap::new(),
            mark: base.and_then(Base::mark),
            is_damaged: was_there && base.is_none(),
            base: base.map_or(0, Base::identity),
        }
    }

    /// What was added to a tail, up to the first bytes that are no record.
    pub(super) fn take_in(&mut self, file: File) {
        let mut bytes = Vec::new();
        let is_small = file.metadata().is_ok_and(|file| file.len() <= TAIL_MAX);
        if !is_small || file.take(TAIL_MAX).read_to_end(&mut bytes).is_err() {
            self.is_damaged = true;
            return;
        }
        let mut frames = Frames::new(&bytes);
        for frame in &mut frames {
            match frame {
                // Of another base, or of none: then what it speaks of may have been removed since.
                Frame::Mark(mark) => {
                    self.mark = Some(mark).filter(|mark| mark.base == self.base && self.base != 0);
                }
                frame => {
                    let name = frame.name().unwrap_or_default().to_owned();
                    self.recent.insert(name, frame);
                }
            }
        }
        self.is_damaged |= frames.is_damaged();
    }
}

/// What a snapshot says of one session.
#[derive(Clone, Copy, Debug)]
pub enum Found<'f> {
    /// A key of the sorted part.
    Key(Key),
    /// A record that was added since.
    Recent(&'f Frame),
}

impl Snapshot {
    /// Opened in this order and compared afterwards, the files are those of one moment: what left the tail meanwhile is in another one.
    pub(super) fn load(index: &Index<'_>) -> Self {
        let paths = [index.tail(), index.old(), index.base()];
        for _ in 0..TRIES {
            let [tail, old, base] = paths.each_ref().map(|path| match File::open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                other => other.map(Some),
            });
            let files = [&tail, &old, &base];
            let opened =
                files.map(|file| file.as_ref().ok()?.as_ref().map(File::metadata).and_then(identity));
            let (Ok(tail), Ok(old), Ok(base)) = (tail, old, base) else { break };
            let snapshot = Self::read(tail, old, base);
            if paths.each_ref().map(|path| identity(std::fs::metadata(path))) == opened {
                return snapshot;
            }
        }
        // Nothing that could be trusted. The logs say it all.
        Snapshot { tail: Tail { is_damaged: true, ..Tail::default() }, ..Snapshot::default() }
    }

    fn read(tail: Option<File>, old: Option<File>, base: Option<File>) -> Self {
        let was_there = base.is_some();
        let base = base.and_then(Base::open);
        let mut recent = Tail::behind(base.as_ref(), was_there);
        [old, tail].into_iter().flatten().for_each(|file| recent.take_in(file));
        let recent_sums = recent.recent.keys().map(|name| name_sum(name)).collect();
        Snapshot { base, tail: recent, recent_sums, damaged: HashSet::new() }
    }

    /// The last proof of its being complete. `None` where any of it is damaged: whatever is missing then may be missing anywhere.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.tail.mark.filter(|_| !self.tail.is_damaged)
    }

    /// By what a mark that is added now has to know its base; 0: there is none.
    #[must_use]
    pub fn base(&self) -> u32 {
        self.tail.base
    }

    /// Whether some of it could not be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.tail.is_damaged
    }

    /// The record of a key. `None`: it is damaged.
    #[must_use]
    pub fn record(&self, key: &Key) -> Option<Frame> {
        let bytes = self.base.as_ref()?.record(key)?;
        Frame::decode(&bytes).map(|(frame, _)| frame).filter(|frame| is_of(frame, key))
    }

    /// Says something else of a session, in this snapshot alone.
    pub fn set(&mut self, frame: Frame) {
        if let Some(name) = frame.name() {
            self.recent_sums.insert(name_sum(name));
            self.tail.recent.insert(name.to_owned(), frame);
        }
    }

    /// All that it says, each session once. Those of the sorted part come first, the newest of them first. `None` stands for a record
    /// that is damaged and would be needed to tell whether another one takes its place.
    pub fn sessions(&self) -> impl Iterator<Item = Option<Found<'_>>> {
        let keys = self.base.iter().flat_map(Base::keys).filter_map(|key| {
            if self.damaged.contains(&key.at) {
                return None;
            }
            if !self.recent_sums.contains(&key.name_sum) {
                return Some(Some(Found::Key(key)));
            }
            match self.record(&key) {
                None => Some(None),
                Some(frame) if self.tail.recent.contains_key(frame.name()?) => None,
                Some(_) => Some(Some(Found::Key(key))),
            }
        });
        keys.chain(self.tail.recent.values().map(|frame| Some(Found::Recent(frame))))
    }

    /// Compares with the names that there are, and reads no record of the sorted part that has one: which of them it does not know, and
    /// of which it says something though they are not there. `None`: a record is damaged.
    #[must_use]
    pub fn compare(&self, names: Vec<String>) -> Option<(Vec<String>, Vec<String>)> {
        let mut of_base: HashMap<u64, Key> = HashMap::with_capacity(names.len());
        for found in self.sessions() {
            if let Found::Key(key) = found? {
                of_base.insert(key.name_sum, key);
            }
        }
        let mut recent: HashSet<&str> = self.tail.recent.keys().map(String::as_str).collect();
        let unknown = names
            .into_iter()
            .filter(|name| !recent.remove(name.as_str()) && of_base.remove(&name_sum(name)).is_none())
            .collect();
        // What is unknown already may well have gone: that is said.
        recent.retain(|name| matches!(self.tail.recent.get(*name), Some(Frame::Row(_))));
        let mut gone: Vec<String> = recent.into_iter().map(str::to_owned).collect();
        for key in of_base.values().filter(|key| key.status.is_some()) {
            gone.push(self.record(key)?.name()?.to_owned());
        }
        Some((unknown, gone))
    }

    /// Reads every record, each session once, in no order that matters. From then on those that are damaged count as not there; whether
    /// there are any.
    pub fn read_all(&mut self, mut each: impl FnMut(&str, Stored<'_>)) -> bool {
        let mut window = Window::default();
        for (base, key) in self.base.iter().flat_map(|base| base.keys().map(move |key| (base, key))) {
            let record = base.record_in(&key, &mut window);
            match record.and_then(|record| Some((Frame::name_in(record)?, record))) {
                Some((name, _)) if name_sum(name) == key.name_sum && self.tail.recent.contains_key(name) => {}
                Some((name, record)) if name_sum(name) == key.name_sum => each(name, Stored::Bytes(record)),
                _ => {
                    self.damaged.insert(key.at);
                }
            }
        }
        for (name, frame) in &self.tail.recent {
            each(name, Stored::Recent(frame));
        }
        !self.damaged.is_empty()
    }
}

fn is_of(frame: &Frame, key: &Key) -> bool {
    Key::of(frame, key.at, key.len) == Some(*key)
}
