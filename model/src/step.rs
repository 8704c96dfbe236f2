//! The steps that the actors of the model take. Each exists in the code; the table in the crate's documentation says where.

/// A step. An actor's state is, before all else, the step that it takes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Nothing more is done.
    Rest,
    /// It has not begun, and need not.
    Idle,

    // Materialising.
    /// Takes the lock under which the view is written.
    LockView,
    /// Asks whether a living writer has the session open.
    AskWhetherLive,
    /// Asks again: it may have been opened or closed since.
    AskWhetherStillLive,
    /// Reads the header pages, with the crash slots.
    OpenLog,
    /// Reads the records to the end, and decides whether the view may be written.
    ReadLog,
    /// Creates, or empties, the temporary file.
    CreateTemporary,
    /// Renders into it.
    WriteTemporary,
    /// Syncs it.
    SyncTemporary,
    /// Asks for the rename.
    BeginRename,
    /// The rename lands.
    EndRename,
    /// Syncs the folder of the views.
    SyncTraces,
    /// Reads the header pages again.
    LookAtSlots,
    /// Reads the records that have come since.
    LookAtRecords,
    /// Takes the lock of the owner entry, to remove it.
    LockOwnerToRelease,
    /// Asks, under that lock, whether the writer is done with the session, and whether the view shows all of it.
    AskWriter,
    /// Removes the owner entry, as the last step of materialising.
    RemoveOwner,
    /// Gives up the lock of the owner entry.
    UnlockOwner,
    /// Gives up the lock of the view.
    UnlockView,

    // Opening a session.
    /// Takes the lock of the owner entry.
    LockOwner,
    /// Takes the lock of the view if it is free.
    TryLockView,
    /// Asks who owns the session.
    AskOwner,
    /// Reads the log for what a dead writer left.
    Survey,
    /// Writes an owner entry where there is none, before anything is appended: if this process does not come to write the view, recovery does.
    OwnFirst,
    /// Names the segment with the crash record and the mark.
    CommitTail,
    /// Writes the owner entry.
    WriteOwner,
    /// Gives a new session's folder its name.
    PutFolder,
    /// Names the first segment of a run.
    BeginRun,
    /// Publishes the first event of a run.
    AppendRunStarted,
    /// Puts the session on the list of live ones, with a place for crash slots.
    Enlist,

    // Writing.
    /// The session is open: this stands for whatever its user does next.
    Open,
    /// Publishes an event.
    Append,
    /// Publishes `session-ended`.
    AppendEnding,
    /// Publishes a crash record.
    AppendCrash,
    /// Publishes `run-ended`, unless the session has ended.
    AppendRunEnded,
    /// Takes no further event.
    Close,
    /// Lets nobody append any more.
    CloseSegment,
    /// Syncs once more, with the mark.
    SyncSealed,
    /// Leaves the place where handlers find the session.
    LeavePlace,
    /// Takes the session off the list of live ones.
    Strike,
    /// The session is closed, and its view has been tried: the process may still die of a panic that was under way.
    Closed,

    // Group commit.
    /// Returns if everything up to a number is durable; else leads a sync, or waits for the one that is under way.
    AwaitDurable,
    /// Notes what is published.
    Cover,
    /// Syncs the files.
    SyncFiles,
    /// Publishes the mark.
    AppendMark,
    /// Says in memory what is durable.
    StoreDurable,
    /// Lets another thread lead.
    StandDown,

    // Crash capture.
    /// Claims a crash slot, in a signal handler.
    ClaimSlot,
    /// Asks, for a crash that is recorded after closing, who owns the session now.
    AskOwnerOfClosed,

    // Pruning.
    /// Refuses a session that is open.
    AskToPrune,
    /// Removes the view.
    RemoveView,
    /// Moves the folder into the trash.
    MoveToTrash,
    /// Removes the owner entry of a session that is not there.
    RemoveOwnerOfNone,
}
