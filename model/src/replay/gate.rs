//! Where an actor stops: the model's steps, as the door to the file system sees them.

use std::path::Path;

use tracewal_engine::Step as Door;

use crate::step::Step;

/// A place at the door. Two steps of the model that look alike there are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    LockView = 1,
    LockOwner,
    ReadLog,
    CreateTemporary,
    WriteTemporary,
    SyncTemporary,
    RenameView,
    SyncTraces,
    RemoveOwner,
    WriteOwner,
    PutFolder,
    NameSegment,
    SyncSegment,
    RemoveView,
    MoveToTrash,
}

impl Stop {
    const ALL: [Stop; 15] = [
        Stop::LockView,
        Stop::LockOwner,
        Stop::ReadLog,
        Stop::CreateTemporary,
        Stop::WriteTemporary,
        Stop::SyncTemporary,
        Stop::RenameView,
        Stop::SyncTraces,
        Stop::RemoveOwner,
        Stop::WriteOwner,
        Stop::PutFolder,
        Stop::NameSegment,
        Stop::SyncSegment,
        Stop::RemoveView,
        Stop::MoveToTrash,
    ];

    #[allow(clippy::as_conversions)] // A variant's number.
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| stop.number() == number)
    }

    /// Where a step of the model is taken; `None`: with the step before it.
    pub(super) fn of(step: Step) -> Option<Self> {
        Some(match step {
            Step::LockView => Stop::LockView,
            Step::LockOwner | Step::LockOwnerToRelease => Stop::LockOwner,
            Step::OpenLog | Step::LookAtSlots => Stop::ReadLog,
            Step::CreateTemporary => Stop::CreateTemporary,
            Step::WriteTemporary => Stop::WriteTemporary,
            Step::SyncTemporary => Stop::SyncTemporary,
            Step::EndRename => Stop::RenameView,
            Step::SyncTraces => Stop::SyncTraces,
            Step::RemoveOwner | Step::RemoveOwnerOfNone => Stop::RemoveOwner,
            Step::OwnFirst | Step::WriteOwner => Stop::WriteOwner,
            Step::PutFolder => Stop::PutFolder,
            Step::CommitTail | Step::BeginRun => Stop::NameSegment,
            Step::SyncFiles | Step::SyncSealed => Stop::SyncSegment,
            Step::RemoveView => Stop::RemoveView,
            Step::MoveToTrash => Stop::MoveToTrash,
            _ => return None,
        })
    }

    /// What the door sees, if an actor stops there.
    pub(super) fn at(step: Door<'_>) -> Option<Self> {
        let within = |path: &Path, folder: &str| {
            path.parent().is_some_and(|parent| parent.file_name().is_some_and(|name| name == folder))
        };
        let ends = |path: &Path, end: &str| path.to_str().is_some_and(|path| path.ends_with(end));
        Some(match step {
            Door::Lock(path) if ends(path, ".view") => Stop::LockView,
            Door::Lock(_) => Stop::LockOwner,
            Door::Read(_) => Stop::ReadLog,
            Door::Create(path) if ends(path, ".json.tmp") => Stop::CreateTemporary,
            Door::Write(path) if ends(path, ".json.tmp") => Stop::WriteTemporary,
            Door::Sync(path) if ends(path, ".json.tmp") => Stop::SyncTemporary,
            Door::Rename(_, to) if ends(to, ".json") => Stop::RenameView,
            Door::SyncDir(path) if ends(path, "/traces") => Stop::SyncTraces,
            Door::Remove(path) if within(path, "owners") => Stop::RemoveOwner,
            Door::Rename(_, to) if within(to, "owners") => Stop::WriteOwner,
            Door::Rename(_, to) if within(to, "sessions") => Stop::PutFolder,
            // The first segment of a new session is named before its folder is.
            Door::Rename(_, to) if ends(to, ".wal") && !to.to_str()?.contains("/.new-") => Stop::NameSegment,
            Door::Sync(path) if ends(path, ".wal") => Stop::SyncSegment,
            Door::Remove(path) if within(path, "traces") && ends(path, ".json") => Stop::RemoveView,
            Door::Rename(_, to) if within(to, "trash") => Stop::MoveToTrash,
            _ => return None,
        })
    }
}
