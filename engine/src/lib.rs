//! The store, its sessions, and recovery: what makes tracewal's promises true.
//!
//! [`Options::open`] gives a [`Store`], a folder of sessions. [`Store::session`] starts or resumes a [`Session`], to which
//! events are appended: when [`Session::append`] returns, its event survives `kill -9`. [`Store::read`] opens any session's log,
//! also one that another process is writing.
//!
//! How it works is SPEC.md, sections 3, 9, 10 and 13. Where a change belongs:
//!
//! | module | holds |
//! |---|---|
//! | `store`, `options` | the folder, what is in it, how it is opened |
//! | `session`, `span` | appending and ending; spans as guards |
//! | `reservation`, `atomics` | reserving room and publishing in order |
//! | `segment`, `segment_list`, `mapping` | encoding records into segments |
//! | `ahead` | preparing pages and segments before appends need them |
//! | `sync`, `background` | making sessions durable, when asked and every second |
//! | `clock` | what time it is |
//! | `owner`, `lock`, `process`, `fork` | who has a session open, and whether it lives |
//! | `recovery`, `repair`, `segment_writer` | what dead writers and damage leave |
//! | `rewrite` | a sound log written anew with other contents: redaction |
//! | `crash` | crash capture: signals, panics, exits |
//! | `lifecycle`, `nesting` | actions that close things, in the logs of the sessions that they cover; which of them are open |
//! | `evidence`, `label` | facts about what happened; words that may be shown to anybody |
//! | `files` | reading segments |
//! | `index` | what is known of sessions without opening their logs |
//! | `disk`, `filesystem` | the door to the file system, and what it promises |
//! | `guard` | the guards against known incidents, which tests can take away |

mod ahead;
mod atomics;
mod background;
mod clock;
pub mod crash;
mod disk;
mod error;
pub mod evidence;
#[cfg(feature = "fault-injection")]
mod fault;
mod files;
mod filesystem;
mod fork;
#[doc(hidden)]
pub mod guard;
mod index;
pub mod label;
mod layout;
pub mod lifecycle;
mod lock;
mod mapping;
mod name;
#[doc(hidden)]
pub mod nesting;
mod options;
mod owner;
mod process;
mod random;
mod recovery;
mod repair;
mod reservation;
mod rewrite;
mod segment;
mod segment_list;
mod segment_writer;
mod session;
mod small_file;
mod span;
mod store;
mod sync;
mod views;

pub use disk::{Disk, Gate, Step};
pub use error::{Error, Holder, Result};
pub use files::{Log, SegmentFiles};
pub use index::{Found, Index, Snapshot, Stored};
pub use lock::ShortLock;
pub use options::{Access, Durability, Options};
pub use process::ProcessState;
pub use repair::Repaired;
pub use rewrite::{Original, Rewriter, Rewritten};
pub use session::{Ended, NewSession, Session};
pub use span::{EndSpan, NewSpan, Span};
pub use store::{Health, LastLook, Recovered, Released, SessionName, Store, WeakStore};
pub use views::{Materialised, Status, Views};
