//! A folder as it is at one moment: what a kill at that moment would leave.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a folder, by path; `None`: a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Image {
    /// Of this folder. Nobody may be changing it.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut image = Image::default();
        image.add(folder, Path::new(""));
        image
    }

    fn add(&mut self, folder: &Path, name: &Path) {
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let entry = entry.unwrap();
            let name = name.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                self.0.insert(name.clone(), None);
                self.add(folder, &name);
            } else {
                self.0.insert(name, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }

    /// Makes the folder what it was.
    pub(crate) fn restore(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        for (name, bytes) in &self.0 {
            match bytes {
                None => fs::create_dir(folder.join(name)).unwrap(),
                Some(bytes) => fs::write(folder.join(name), bytes).unwrap(),
            }
        }
    }

    /// The files of one of its folders.
    pub(crate) fn files(&self, folder: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let inside = move |name: &Path| name.parent() == Some(Path::new(folder));
        let files = self.0.iter().filter(move |(name, _)| inside(name));
        files.filter_map(|(name, bytes)| Some((name.file_name()?.to_str()?, bytes.as_deref()?)))
    }

    /// Its folders and files, without what is in them.
    pub(crate) fn names(&self) -> Vec<&Path> {
        self.0.keys().map(PathBuf::as_path).collect()
    }

    /// The bytes of one of its files.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.0.get(Path::new(name))?.as_deref()
    }

    pub(crate) fn put(&mut self, name: &Path, bytes: &[u8]) {
        self.0.insert(name.to_owned(), Some(bytes.to_vec()));
    }
}
