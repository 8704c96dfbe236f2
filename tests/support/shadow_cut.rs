//! What a power cut leaves: of each file, every sector of 512 bytes as it was at some moment since its last sync; of the names,
//! those that were synced and some of the others.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use tracewal_format::checksum::crc;

use super::random::Random;
use super::shadow::{BASE, Change, File, History, Name, Node, Shadow};

const SECTOR: usize = 512;
/// The machine's boot before the cut, as far as a reader of the image can see.
const BOOT_BEFORE: &str = "00000000-0000-4000-8000-00000000b007";

/// Which changes of names that no folder sync covers survive.
#[derive(Clone, Copy, Debug)]
enum Names {
    /// Those before some moment: a journal for the whole file system.
    Journal,
    /// In each folder those before some moment.
    ByFolder,
    /// Any. Each with this chance in 256.
    Any(u64),
}

/// What becomes of a file's sectors that were not synced.
#[derive(Clone, Copy, Debug)]
enum Sectors {
    Oldest,
    Newest,
    /// All as they were at one moment, but for some, with this chance in 256.
    Mostly(u64),
    Any,
}

/// A folder as a power cut has left it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wreck {
    /// `None`: a folder.
    files: BTreeMap<PathBuf, Option<Vec<u8>>>,
    how: String,
    in_order: bool,
}

impl Shadow {
    /// What may be found after a power cut right at this moment.
    pub(crate) fn cut(&self, moment: usize, random: &mut Random) -> Wreck {
        let history = self.history();
        let kept = match random.below(4) {
            0 | 1 => Names::Journal,
            2 => Names::ByFolder,
            _ => Names::Any([16, 128, 240][random.below(3) as usize]),
        };
        let sectors = match random.below(6) {
            0 => Sectors::Oldest,
            1 => Sectors::Newest,
            2 => Sectors::Mostly(8),
            3 => Sectors::Mostly(64),
            _ => Sectors::Any,
        };
        let names = history.names_after(moment, kept, random);
        let mut wreck = Wreck {
            files: BTreeMap::new(),
            how: format!("{kept:?}, {sectors:?}"),
            in_order: matches!(kept, Names::Journal),
        };
        history.collect(&names, BASE, Path::new(""), &mut wreck, &mut |file| {
            // Not every file has to be as unlucky as the others.
            let sectors = if random.below(4) == 0 { Sectors::Any } else { sectors };
            file.after(moment, sectors, random)
        });
        wreck
    }
}

impl History {
    fn names_after(&self, moment: usize, kept: Names, random: &mut Random) -> BTreeMap<Name, Node> {
        let before = self.changes.partition_point(|change| change.moment <= moment);
        let changes = &self.changes[..before];
        let is_durable = |change: &Change| change.durable_from.is_some_and(|from| from <= moment);
        // Behind the last durable change of a journal, or of a folder, comes a number of changes that made it too.
        let mut cut = |of: &dyn Fn(&Change) -> bool| {
            let first =
                changes.iter().rposition(|change| of(change) && is_durable(change)).map_or(0, |at| at + 1);
            first + random.below((before - first) as u64 + 1) as usize
        };
        let folders =
            |change: &Change| change.names.iter().map(|((folder, _), ..)| *folder).collect::<Vec<_>>();
        let survivors: Vec<bool> = match kept {
            Names::Journal => {
                let end = cut(&|_| true);
                (0..before).map(|at| at < end).collect()
            }
            Names::ByFolder => {
                let mut ends = BTreeMap::new();
                for folder in changes.iter().flat_map(folders) {
                    ends.entry(folder).or_insert_with(|| cut(&|change| folders(change).contains(&folder)));
                }
                changes
                    .iter()
                    .enumerate()
                    .map(|(at, change)| folders(change).iter().any(|f| at < ends[f]))
                    .collect()
            }
            Names::Any(chance) => changes.iter().map(|_| random.below(256) < chance).collect(),
        };
        let mut names = BTreeMap::new();
        for (change, survives) in changes.iter().zip(survivors) {
            if survives || is_durable(change) {
                change.apply(&mut names);
            }
        }
        names
    }

    fn collect(
        &self,
        names: &BTreeMap<Name, Node>,
        folder: Node,
        path: &Path,
        wreck: &mut Wreck,
        content: &mut dyn FnMut(&File) -> Vec<u8>,
    ) {
        for ((_, name), node) in names.range((folder, String::new())..(folder + 1, String::new())) {
            let path = path.join(name);
            let bytes = self.nodes[*node].as_ref().map(&mut *content);
            let is_folder = bytes.is_none();
            wreck.files.insert(path.clone(), bytes);
            if is_folder {
                self.collect(names, *node, &path, wreck, content);
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<Name, Node>) {
        for (name, before, after) in &self.names {
            if after.is_none() && names.get(name).copied() == *before {
                names.remove(name);
            }
            // What is renamed has one name, also when an earlier rename of it was lost.
            if before.is_some() && self.names.iter().any(|(_, _, to)| to == before) {
                names.retain(|_, node| Some(*node) != *before);
            }
        }
        for (name, _, after) in &self.names {
            if let Some(node) = after {
                names.insert(name.clone(), *node);
            }
        }
    }
}

impl File {
    fn after(&self, moment: usize, sectors: Sectors, random: &mut Random) -> Vec<u8> {
        let oldest = self.syncs.iter().filter(|(from, _)| *from <= moment).map(|(_, version)| *version).max();
        let newest = self.versions.partition_point(|(from, _)| *from <= moment);
        let candidates = &self.versions[oldest.unwrap_or(0)..newest];
        let count = candidates.len() as u64;
        let mut any = || random.below(count) as usize;
        let (main, mut chance) = match sectors {
            Sectors::Oldest => (0, 0),
            Sectors::Newest => (candidates.len() - 1, 0),
            Sectors::Mostly(chance) => (any(), chance),
            Sectors::Any => (any(), 256),
        };
        if count == 1 {
            chance = 0;
        }
        let mut bytes = candidates[main].1.to_vec();
        if chance > 0 {
            let size = candidates[random.below(count) as usize].1.len();
            bytes.resize(size, 0);
            for (number, sector) in bytes.chunks_mut(SECTOR).enumerate() {
                if random.below(256) < chance {
                    let version = &candidates[random.below(count) as usize].1;
                    let from = version.get(number * SECTOR..).unwrap_or_default();
                    let len = from.len().min(sector.len());
                    sector[..len].copy_from_slice(&from[..len]);
                    sector[len..].fill(0);
                }
            }
        }
        bytes
    }
}

impl Wreck {
    /// How it was chosen.
    pub(crate) fn how(&self) -> &str {
        &self.how
    }

    /// Whether recovery can know that a session was open: its owner entry was made before it was, and a journal keeps that order.
    pub(crate) fn knows_owner(&self, session: &str) -> bool {
        self.in_order || self.files.contains_key(&Path::new("store/owners").join(session))
    }

    /// The bytes of one of its files.
    pub(crate) fn file(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path)?.as_deref()
    }

    /// Its files in one of its folders.
    pub(crate) fn files(&self, folder: &Path) -> impl Iterator<Item = (&str, &[u8])> {
        let inside = self.files.iter().filter(move |(path, _)| path.parent() == Some(folder));
        inside.filter_map(|(path, bytes)| Some((path.file_name()?.to_str()?, bytes.as_deref()?)))
    }

    /// Whether there is a folder of this name.
    pub(crate) fn has_folder(&self, path: &Path) -> bool {
        matches!(self.files.get(path), Some(None))
    }

    /// Makes it the work of another boot than this one: whoever opens it finds that the machine was restarted.
    pub(crate) fn reboot(&mut self) {
        for (path, bytes) in &mut self.files {
            let Some(bytes) = bytes else { continue };
            let is_segment = path.to_str().unwrap().contains(".wal");
            if is_segment { reboot_segment(bytes) } else { reboot_entry(bytes) }
        }
    }

    /// Puts it into this folder, which is emptied first.
    pub(crate) fn put(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        for (path, bytes) in &self.files {
            match bytes {
                None => fs::create_dir(folder.join(path)).unwrap(),
                Some(bytes) => write_sparse(&folder.join(path), bytes),
            }
        }
    }
}

/// Zeros need no blocks: most of a segment is zeros.
fn write_sparse(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(number as u64 * 4096)).unwrap();
            file.write_all(page).unwrap();
        }
    }
}

/// SPEC.md section 4: the boot id at 56, the checksum of [0, 508) at 508; the copy at 1,024.
fn reboot_segment(bytes: &mut [u8]) {
    let boot = BOOT_BEFORE.replace('-', "");
    for at in [0, 1024] {
        let Some(header) = bytes.get_mut(at..at + 512) else { return };
        let sum = u32::from_le_bytes(header[508..].try_into().unwrap());
        if header[..4] == *b"\x89TWA" && sum == crc(&header[..508]) {
            header[56..72].copy_from_slice(&u128::from_str_radix(&boot, 16).unwrap().to_be_bytes());
            let sum = crc(&header[..508]);
            header[508..].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// SPEC.md section 3: lines of `key value`, the last one the checksum of those before.
fn reboot_entry(bytes: &mut Vec<u8>) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((body, sum)) = text.trim_end().rsplit_once('\n') else { return };
    let body = format!("{body}\n");
    if !body.starts_with("tracewal-") || sum != format!("crc {:08x}", crc(body.as_bytes())) {
        return;
    }
    let lines = body.lines().map(|line| {
        if line.starts_with("boot ") { format!("boot {BOOT_BEFORE}\n") } else { format!("{line}\n") }
    });
    let body: String = lines.collect();
    *bytes = format!("{body}crc {:08x}\n", crc(body.as_bytes())).into_bytes();
}

impl Wreck {
    pub(crate) fn names(&self) -> Vec<&PathBuf> {
        self.files.keys().collect()
    }
}
