//! Where things are in a store (SPEC.md section 3).

use std::path::{Path, PathBuf};

/// The paths of one store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    traces: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path, traces: Option<&Path>) -> Self {
        Layout { root: root.to_owned(), traces: traces.map_or_else(|| root.join("traces"), Path::to_owned) }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn traces(&self) -> &Path {
        &self.traces
    }

    pub(crate) fn store_file(&self) -> PathBuf {
        self.root.join("STORE")
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    pub(crate) fn session(&self, name: &str) -> PathBuf {
        self.sessions().join(name)
    }

    pub(crate) fn owners(&self) -> PathBuf {
        self.root.join("owners")
    }

    pub(crate) fn owner(&self, name: &str) -> PathBuf {
        self.owners().join(name)
    }

    pub(crate) fn writers(&self) -> PathBuf {
        self.root.join("writers")
    }

    pub(crate) fn writer(&self, id: u128) -> PathBuf {
        self.writers().join(format!("{id:032x}"))
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(crate) fn owner_lock(&self, name: &str) -> PathBuf {
        self.locks().join(format!("{name}.owner"))
    }

    pub(crate) fn view_lock(&self, name: &str) -> PathBuf {
        self.locks().join(format!("{name}.view"))
    }

    pub(crate) fn view(&self, name: &str) -> PathBuf {
        self.traces.join(format!("{name}.json"))
    }

    /// Where a view is written before it is renamed.
    pub(crate) fn unfinished_view(&self, name: &str) -> PathBuf {
        self.traces.join(format!("{name}.json.tmp"))
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(crate) fn index_lock(&self) -> PathBuf {
        self.locks().join("index")
    }

    /// The folders of a store that are made with it, itself first.
    pub(crate) fn folders(&self) -> [PathBuf; 7] {
        [
            self.root.clone(),
            self.sessions(),
            self.owners(),
            self.writers(),
            self.locks(),
            self.trash(),
            self.traces.clone(),
        ]
    }
}
