//! The protocol of materialising, crashing and recovering (SPEC.md sections 9, 10, 12 and 13), as a model that is checked exhaustively:
//! writers, crash handlers, materialisers, recoverers, a pruner and a resumer, in every order of their steps, with a kill of any process
//! between any two of them.
//!
//! | module | holds |
//! |---|---|
//! | [`protocol`] | the state machine, and the properties that hold in every state (I4, I5, I6) |
//! | [`world`], [`log`] | what is shared: folders, files, locks, the log |
//! | [`actor`], [`step`] | who takes part, and the steps that they take |
//! | [`write`](mod@write), [`materialise`], [`prune`] | what each step does |
//! | [`casts`] | small companies of actors, each of which is watched in all its ways |
//! | [`rules`] | the rules of the protocol: without any one of them the checker has to find a counterexample |
//! | `replay` | random paths of the model, walked by the real store (on Linux) |
//!
//! ```text
//! cargo run --release -p tracewal-model                            every company, then without each rule
//! cargo run --release -p tracewal-model look_again                 how it fails without this rule
//! cargo run --release -p tracewal-model replay --paths 10000       the real store on 10,000 paths
//! cargo test --release -p tracewal-model --test loom               threads of one process
//! ```
//!
//! # Where each step is in the code
//! With a door, a replay stops in front of it; without, it is taken together with the step before.
//!
//! | step | function | door |
//! |---|---|---|
//! | `LockView` | `Store::lock_view` | `Lock` |
//! | `AskWhetherLive`, `AskWhetherStillLive` | `Store::is_live`, in `begin` and `materialise` of `compact/src/materialise.rs` | |
//! | `OpenLog`, `ReadLog` | `Store::read`, which reads header pages and slots; `Read::go_on` or `Fold::read_on`, which read records; `may_be_written`, `is_current` | `Read` |
//! | `CreateTemporary`, `WriteTemporary`, `SyncTemporary` | `write_view` of `compact/src/view_file.rs` | `Create`, `Write`, `Sync` |
//! | `BeginRename`, `EndRename`, `SyncTraces` | `write_view`; a rename that was asked for may land late | `Rename`, `SyncDir` |
//! | `LookAtSlots`, `LookAtRecords` | `has_crashed_since` of `compact/src/materialise.rs` | `Read` |
//! | `LockOwnerToRelease`, `AskWriter`, `RemoveOwner` | `Store::release`, with `last_look` of `compact/src/materialise.rs` | `Lock`, `Remove` |
//! | `UnlockOwner`, `UnlockView` | `Drop for ShortLock` | |
//! | `LockOwner` | `NewSession::start`, `NewSession::resume`, `recovery::recover_owned`, `Store::remove`, `Store::record_crash` | `Lock` |
//! | `TryLockView` | `Store::materialise_if_free`, which waits for a while | |
//! | `AskOwner`, `Survey` | `recovery::open_elsewhere`; `recovery::survey` and `crash_records` | |
//! | `OwnFirst` | `recovery::own` | `Rename` |
//! | `CommitTail` | `recovery::write_tail`, at the rename of `SegmentWriter::finish` | `Rename` |
//! | `WriteOwner` | `Owner::write`, in `NewSession::start`, `resume` and `recovery::own` | `Rename` |
//! | `PutFolder` | `NewSession::make` | `Rename` |
//! | `BeginRun`, `AppendRunStarted`, `Enlist` | `SessionInner::begin_run`, `append_run_started`; `NewSession::enlist` | `Rename` |
//! | `Append`, `AppendEnding`, `AppendCrash`, `AppendRunEnded` | `Segment::append`, in `Session::append`, `end`, `crash` and `close_log` | |
//! | `AwaitDurable`, `Cover` | `SessionInner::sync_through` | |
//! | `SyncFiles`, `AppendMark`, `StoreDurable`, `StandDown` | `SessionInner::sync_alone` and `sync_files` | `Sync` |
//! | `Close`, `CloseSegment`, `SyncSealed` | `SessionInner::close_log` | `Sync` |
//! | `LeavePlace`, `Strike` | `SessionInner::close`; `StoreInner::strike_session` | |
//! | `ClaimSlot` | `fill` of `engine/src/crash/slots.rs`: a slot that is claimed means crashed, whatever is in it | |
//! | `Closed`, `AskOwnerOfClosed` | `crash::hooks::leave`; `recovery::record_crash` | |
//! | `AskToPrune` | `Store::refuse_if_open` | |
//! | `RemoveView`, `MoveToTrash` | `Store::remove` | `Remove`, `Rename` |
//! | `RemoveOwnerOfNone` | `Store::remove`, `recovery::recover_owned` | `Remove` |
//!
//! # What is not in it
//! Power cuts (what is on stable storage is kept apart, and the properties speak of it), failing disks, segments beyond the first of a run,
//! repair, slots in state pending, and processes that fork. `error` is an ending like `completed`.
pub mod actor;
pub mod casts;
pub mod log;
pub mod materialise;
pub mod protocol;
pub mod prune;
#[cfg(target_os = "linux")]
pub mod replay;
pub mod rules;
pub mod step;
pub mod world;
pub mod write;
