//! Gates at the door to the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tracewal::disk::{Gate, Step};

/// A gate that asks a function.
pub(crate) struct Door<F>(F);

impl<F: Fn(Step<'_>) -> io::Result<()> + Send + Sync + 'static> Door<F> {
    pub(crate) fn new(ask: F) -> Arc<Self> {
        Arc::new(Door(ask))
    }
}

impl<F: Fn(Step<'_>) -> io::Result<()> + Send + Sync> Gate for Door<F> {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        (self.0)(step)
    }
}

/// What a test may wait for before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Off,
    Armed,
    Held,
    LetGo,
}

/// Holds whoever comes to a step, once, until it is let go: so a test can do what it likes in between, without luck.
#[derive(Debug)]
pub(crate) struct Hold {
    at: fn(&Step<'_>) -> bool,
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Hold {
    /// Holds at the first such step after [`arm`](Self::arm).
    pub(crate) fn at(at: fn(&Step<'_>) -> bool) -> Arc<Self> {
        Arc::new(Hold { at, stage: Mutex::default(), changed: Condvar::new() })
    }

    pub(crate) fn arm(&self) {
        self.set(Stage::Armed);
    }

    /// Waits until somebody is held.
    pub(crate) fn await_held(&self) {
        self.wait("come to the step", |stage| matches!(stage, Stage::Held));
    }

    pub(crate) fn let_go(&self) {
        self.set(Stage::LetGo);
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap() = stage;
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, done: impl Fn(&Stage) -> bool) {
        let stage = self.stage.lock().unwrap();
        let waited = self.changed.wait_timeout_while(stage, PATIENCE, |stage| !done(stage)).unwrap();
        assert!(!waited.1.timed_out(), "nobody did {what} within {PATIENCE:?}");
    }
}

impl Gate for Hold {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        {
            let mut stage = self.stage.lock().unwrap();
            if !matches!(*stage, Stage::Armed) || !(self.at)(&step) {
                return Ok(());
            }
            *stage = Stage::Held;
        }
        self.changed.notify_all();
        self.wait("let it go", |stage| matches!(stage, Stage::LetGo));
        Ok(())
    }
}

/// Whether a step is the rename of a view into place.
pub(crate) fn renames_view(step: &Step<'_>) -> bool {
    matches!(step, Step::Rename(_, to) if is_view(to))
}

/// Whether a file is a view, in place.
pub(crate) fn is_view(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// Whether a file is a view that is being written.
pub(crate) fn is_unfinished_view(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(".json.tmp"))
}

/// The steps that were taken, in order, by what they do and to which file.
#[derive(Debug, Default)]
pub(crate) struct Steps(Mutex<Vec<(&'static str, PathBuf)>>);

impl Steps {
    pub(crate) fn add(&self, step: &Step<'_>) {
        let step = match step {
            Step::Create(path) => ("create", *path),
            Step::Write(path) => ("write", *path),
            Step::Sync(path) => ("sync", *path),
            Step::SyncDir(path) => ("sync folder", *path),
            Step::Rename(_, to) => ("rename", *to),
            Step::Remove(path) => ("remove", *path),
            _ => return,
        };
        self.0.lock().unwrap().push((step.0, step.1.to_owned()));
    }

    pub(crate) fn take(&self) -> Vec<(&'static str, PathBuf)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
