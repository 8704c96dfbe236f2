//! A shadow of a store: everything that each of its files and folders has held since it was last synced, so that what a power cut
//! may leave can be rebuilt for any moment of a run (see `shadow_cut`).
//!
//! Stores into a mapping pass no door, so the files themselves are looked at: before every step at the door, and whenever a test
//! says so. A step is over when the next moment comes, which is why a shadow needs a run of one thread.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracewal::disk::{Gate, Step};

/// A file or folder, whatever it is called.
pub(super) type Node = usize;
/// A name in a folder.
pub(super) type Name = (Node, String);

/// The folder in which the store is. Its own name is taken to be safe.
pub(super) const BASE: Node = 0;

/// What a shadow takes for a sync. Anything but `Everything` is a disk that lies, or an engine that forgot to sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Believes {
    Everything,
    /// Every sync but those of files whose names end so.
    NoFile(&'static str),
    /// Every sync but those of folders with this name.
    NoFolder(&'static str),
}

/// What a file has held, and when.
#[derive(Debug, Default)]
pub(super) struct File {
    /// With the moment in which each was first seen. The first is the empty file that it was made as.
    pub(super) versions: Vec<(usize, Arc<[u8]>)>,
    /// From this moment on, this version is the oldest that the disk may hold.
    pub(super) syncs: Vec<(usize, usize)>,
}

/// A change of names that happens as one: something made, renamed, removed, exchanged.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) moment: usize,
    /// What each name stood for before, and after.
    pub(super) names: Vec<(Name, Option<Node>, Option<Node>)>,
    pub(super) durable_from: Option<usize>,
}

#[derive(Debug)]
enum Pending {
    File { node: Node, version: usize },
    Folder { node: Node, changes: usize },
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// How many moments there have been.
    pub(super) moments: usize,
    /// `None`: a folder.
    pub(super) nodes: Vec<Option<File>>,
    pub(super) changes: Vec<Change>,
    inodes: HashMap<u64, Node>,
    names: BTreeMap<Name, Node>,
    pending: Option<Pending>,
}

/// Stands at the door of a store and remembers.
#[derive(Debug)]
pub(crate) struct Shadow {
    base: PathBuf,
    believes: Believes,
    history: Mutex<History>,
}

impl Gate for Shadow {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        let mut history = self.history();
        self.look(&mut history);
        history.pending = match step {
            Step::Sync(path) if !self.ignores_file(path) => history.file_sync(self.node(&history, path)),
            Step::SyncDir(path) if !self.ignores_folder(path) => {
                history.folder_sync(self.node(&history, path))
            }
            _ => None,
        };
        Ok(())
    }
}

impl Shadow {
    /// Of this folder. What is in it now is durable.
    pub(crate) fn of(base: &Path, believes: Believes) -> Self {
        let shadow = Shadow { base: base.to_owned(), believes, history: Mutex::default() };
        shadow.history().nodes.push(None);
        shadow.moment();
        let mut history = shadow.history();
        history.nodes.iter_mut().flatten().for_each(|file| file.syncs.push((0, file.versions.len() - 1)));
        history.changes.iter_mut().for_each(|change| change.durable_from = Some(0));
        drop(history);
        shadow
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many moments there have been: the number of the next.
    pub(crate) fn moments(&self) -> usize {
        self.history().moments
    }

    /// Looks at the files now. Returns the moment's number.
    pub(crate) fn moment(&self) -> usize {
        let mut history = self.history();
        self.look(&mut history);
        history.moments - 1
    }

    /// The files in this folder are durable as they are now: what a test does to them is not the store's to sync.
    pub(crate) fn settle(&self, folder: &Path) {
        let history = &mut *self.history();
        let now = history.moments - 1;
        let folder = self.node(history, folder);
        for ((of, _), node) in &history.names {
            if Some(*of) == folder
                && let Some(file) = &mut history.nodes[*node]
            {
                file.syncs.push((now, file.versions.len() - 1));
            }
        }
    }

    fn ignores_file(&self, path: &Path) -> bool {
        matches!(self.believes, Believes::NoFile(end) if path.to_str().unwrap().ends_with(end))
    }

    fn ignores_folder(&self, path: &Path) -> bool {
        matches!(self.believes, Believes::NoFolder(name) if path.file_name().unwrap() == name)
    }

    fn node(&self, history: &History, path: &Path) -> Option<Node> {
        let inside = path.strip_prefix(&self.base).ok()?;
        inside.components().try_fold(BASE, |folder, name| {
            let name = name.as_os_str().to_str().unwrap().to_owned();
            history.names.get(&(folder, name)).copied()
        })
    }

    /// Takes a moment down: what the last step made durable, and what the files and folders are now.
    fn look(&self, history: &mut History) {
        let moment = history.moments;
        history.moments += 1;
        match history.pending.take() {
            Some(Pending::File { node, version }) => {
                if let Some(file) = &mut history.nodes[node] {
                    file.syncs.push((moment, version));
                }
            }
            Some(Pending::Folder { node, changes }) => {
                for change in &mut history.changes[..changes] {
                    if change.names.iter().any(|((folder, _), ..)| *folder == node) {
                        change.durable_from.get_or_insert(moment);
                    }
                }
            }
            None => {}
        }
        let mut names = BTreeMap::new();
        history.scan(&self.base, BASE, moment, &mut names);
        history.inodes.retain(|_, node| names.values().any(|named| named == node));
        let before = std::mem::replace(&mut history.names, names);
        history.note_changes(&before, moment);
    }
}

impl History {
    fn file_sync(&self, node: Option<Node>) -> Option<Pending> {
        let node = node?;
        let file = self.nodes[node].as_ref()?;
        Some(Pending::File { node, version: file.versions.len() - 1 })
    }

    fn folder_sync(&self, node: Option<Node>) -> Option<Pending> {
        Some(Pending::Folder { node: node?, changes: self.changes.len() })
    }

    fn scan(&mut self, folder: &Path, node: Node, moment: usize, names: &mut BTreeMap<Name, Node>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let metadata = entry.metadata().unwrap();
            let is_folder = metadata.is_dir();
            let known = self.inodes.get(&metadata.ino()).copied();
            let child = known.unwrap_or_else(|| {
                let empty = File { versions: vec![(moment, Arc::default())], syncs: Vec::new() };
                self.nodes.push((!is_folder).then_some(empty));
                self.inodes.insert(metadata.ino(), self.nodes.len() - 1);
                self.nodes.len() - 1
            });
            names.insert((node, name), child);
            if is_folder {
                self.scan(&entry.path(), child, moment, names);
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                let file = self.nodes[child].as_mut().expect("a file stays a file");
                if *file.versions.last().unwrap().1 != *bytes {
                    file.versions.push((moment, bytes.into()));
                }
            }
        }
    }

    /// Names that changed and have a file or folder in common have changed as one.
    fn note_changes(&mut self, before: &BTreeMap<Name, Node>, moment: usize) {
        let mut groups: Vec<Vec<(Name, Option<Node>, Option<Node>)>> = Vec::new();
        let mut all: Vec<&Name> = before.keys().chain(self.names.keys()).collect();
        all.sort_unstable();
        all.dedup();
        for name in all {
            let (old, new) = (before.get(name).copied(), self.names.get(name).copied());
            if old == new {
                continue;
            }
            let is_near = |group: &Vec<(Name, Option<Node>, Option<Node>)>| {
                group.iter().any(|(_, from, to)| {
                    [*from, *to].into_iter().flatten().any(|node| old == Some(node) || new == Some(node))
                })
            };
            let (near, mut others): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_near);
            let mut group: Vec<_> = near.into_iter().flatten().collect();
            group.push((name.clone(), old, new));
            others.push(group);
            groups = others;
        }
        // A folder is named before what is in it, and emptied before it goes.
        groups.sort_by_key(|group| {
            let goes = group.iter().all(|(_, _, to)| to.is_none());
            let node = group.iter().flat_map(|(_, from, to)| [*from, *to]).flatten().max();
            (goes, node.map(|node| if goes { usize::MAX - node } else { node }))
        });
        self.changes.extend(groups.into_iter().map(|names| Change { moment, names, durable_from: None }));
    }
}
