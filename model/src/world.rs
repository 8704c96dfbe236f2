//! What the actors share: files, locks, and which processes live.

use crate::log::{Log, Look, Run, Status};

/// A process.
pub type Process = u8;
/// An actor: a thread of a process.
pub type Who = u8;

/// The text of a view, or of its temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    /// The log as it shows it; `None`: it is not whole.
    pub shows: Option<Look>,
    /// Its bytes are on stable storage.
    pub synced: bool,
}

/// A session's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folder {
    /// The session has not been made.
    Absent,
    /// It is there.
    There,
    /// It has been pruned.
    Gone,
}

/// What a process that has the session open keeps in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// The process.
    pub process: Process,
    /// The run that it writes.
    pub run: Run,
    /// Records that it knows to be durable.
    pub durable: u8,
    /// The thread that leads a sync.
    pub leader: Option<Who>,
    /// Nobody may append any more.
    pub closed: bool,
    /// It is on the list of live sessions.
    pub listed: bool,
    /// Handlers find it.
    pub placed: bool,
}

/// Something that must never happen, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// A materialisation that had seen a crash gave up its lock, and the view does not say so.
    pub gave_up_wrong: bool,
    /// A reader saw `crashed`, and later something else.
    pub turned_back: bool,
    /// Two processes had the session open, or one wrote into a log that another had open.
    pub intruded: bool,
}

/// Everything that is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The session's log.
    pub log: Log,
    /// Whether it is there.
    pub folder: Folder,
    /// Whom the owner entry names.
    pub owner: Option<(Process, Run)>,
    /// The view.
    pub view: Option<Document>,
    /// The process that has written it, while it lives and nobody else has touched it: it need not write what the view shows already.
    pub view_by: Option<Process>,
    /// Temporary files, by name. Without names of their own all actors use number 0.
    pub temporaries: Vec<(u8, Document)>,
    /// Renames of killed processes that may still land, by the name that they rename.
    pub late: Vec<u8>,
    /// Who holds the lock of the view.
    pub view_lock: Option<Who>,
    /// Who holds the lock of the owner entry.
    pub owner_lock: Option<Who>,
    /// The killed processes, as bits.
    pub dead: u8,
    /// The session, where it is open.
    pub open: Option<Open>,
    /// A pruner has removed the view.
    pub view_removed: bool,
    /// Somebody has opened the store, or recorded a crash for somebody else, and is done with that; and nobody has died since.
    pub attended: bool,
    /// What must not happen.
    pub broken: Broken,
}

impl World {
    /// An empty store.
    #[must_use]
    pub fn empty() -> Self {
        World {
            log: Log::default(),
            folder: Folder::Absent,
            owner: None,
            view: None,
            view_by: None,
            temporaries: Vec::new(),
            late: Vec::new(),
            view_lock: None,
            owner_lock: None,
            dead: 0,
            open: None,
            view_removed: false,
            attended: false,
            broken: Broken::default(),
        }
    }

    /// Whether a process has been killed.
    #[must_use]
    pub fn is_dead(&self, process: Process) -> bool {
        self.dead & (1 << process) != 0
    }

    /// Whether the session is on the list of live ones of this process.
    #[must_use]
    pub fn is_listed(&self, process: Process) -> bool {
        self.open.is_some_and(|open| open.process == process && open.listed)
    }

    /// `Store::is_live`: asked without a lock.
    #[must_use]
    pub fn looks_live(&self, asker: Process) -> bool {
        self.is_listed(asker)
            || self.owner.is_some_and(|(writer, _)| writer != asker && !self.is_dead(writer))
    }

    /// Whether the writer that the owner entry names is done with the session, asked under the owner lock.
    #[must_use]
    pub fn is_done(&self, writer: Process, asker: Process) -> bool {
        if writer == asker { !self.is_listed(asker) } else { self.is_dead(writer) }
    }

    /// What the view says.
    #[must_use]
    pub fn view_status(&self) -> Option<Status> {
        Some(self.log.status(self.view?.shows?))
    }

    /// Whether the view shows the log to its end.
    #[must_use]
    pub fn view_is_right(&self) -> bool {
        self.view.is_some_and(|view| {
            view.synced && view.shows.is_some_and(|shows| self.log.is_same(shows, self.log.end()))
        })
    }

    /// Puts a temporary file into the view's place. Whether it was there.
    pub fn rename(&mut self, name: u8) -> bool {
        let Some(at) = self.temporaries.iter().position(|(of, _)| *of == name) else { return false };
        let (_, document) = self.temporaries.remove(at);
        let before = self.view_status();
        (self.view, self.view_by) = (Some(document), None);
        // A reader may look at any time.
        self.broken.turned_back |=
            before == Some(Status::Crashed) && self.view_status() != Some(Status::Crashed);
        true
    }

    /// The temporary file of this name.
    pub fn temporary(&mut self, name: u8) -> Option<&mut Document> {
        self.temporaries.iter_mut().find(|(of, _)| *of == name).map(|(_, document)| document)
    }
}
