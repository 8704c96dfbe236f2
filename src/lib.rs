//! An embedded, crash-proof store for the traces of AI agents: a write-ahead log per session.
//!
//! When [`Session::append`] returns, its event survives `kill -9`; after [`Session::append_durable`], [`Session::sync`] or an
//! ending, a power cut. Each session has one canonical JSON file, which is a view of its log: it can be deleted and comes back
//! byte for byte. A crash record in the log outranks every "completed".
//!
//! # A first program
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("agent.store");
//! use tracewal::{Payload, Tokens};
//!
//! let store = tracewal::open(&path)?;
//! let session = store.session("fix-the-build").title("Fix the build").prompt("Why does CI fail?").start()?;
//!
//! let call = session.generation("chat").model("claude-sonnet-4").start()?;
//! call.text("Let me look at the log.")?; // on disk before this returns
//! let tool = call.tool("bash").input(Payload::json(r#"{"command":"make test"}"#)).start()?;
//! tool.end().output("1 test failed").finish()?;
//! call.end().tokens(Tokens::new(1200_u64, 85_u64, 0_u64, 0_u64, 0_u64)).cost(0.0049).finish()?;
//!
//! let ended = session.complete()?;
//! println!("{}", ended.view.expect("the store has views").display());
//! # Ok(())
//! # }
//! ```
//!
//! # Why did it stop?
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let store = tracewal::open(folder.path().join("agent.store"))?;
//! use tracewal::evidence::{Effect, Fact};
//! use tracewal::lifecycle::{LifecycleKind, LifecycleOrigin};
//!
//! let session = store.session("fix-the-build").directory("/work/project").start()?;
//! session.evidence(Fact::attempt_started())?;
//! session.evidence(Fact::tool_call_materialised("bash"))?;
//! session.evidence(Fact::tool_execution_started("bash", Effect::LocalProcess))?; // before it begins
//!
//! // What closes sessions says so first. If the process dies now, recovery says: during instance-dispose.
//! let origin = LifecycleOrigin::server_handler().operation("instance.dispose");
//! let dispose = store.lifecycle(LifecycleKind::InstanceDispose, origin).directory("/work/project").begin()?;
//! session.fail("disposed")?; // closed by instance-dispose while a tool ran: ask before trying again
//! dispose.end();
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go from here
//! - [`open`] and [`options`] give a [`Store`]; [`Store::session`] starts or resumes a [`Session`].
//! - [`Session::span`], [`generation`](Session::generation) and [`tool`](Session::tool) open a [`Span`]: a guard, closed by
//!   [`Span::ok`], [`Span::fail`] or [`Span::end`], and closed as interrupted when it is dropped without one.
//! - [`Session::append`] takes any [`Event`]; the structures are in [`event`].
//! - [`Session::evidence`] takes facts about model calls and tools, and [`Store::lifecycle`] begins what will close sessions: the view
//!   then says why a session stopped.
//! - [`Session::complete`], [`fail`](Session::fail) and [`crash`](Session::crash) end it. Dropping the last handle closes it in
//!   order without an ending; [`NewSession::resume`] goes on later, in a new run.
//! - [`Store::read`] reads any session's log, also while another process writes it. [`Store::health`] tells how the store is doing.
//! - [`Durability`] says when events are synced; [`Error`] says what can go wrong, as something to act on.
//!
//! # What it costs
//! An append encodes the event straight into a memory-mapped, preallocated log: no allocation, no system call, no lock.
//! Where a file system cannot promise a block for a mapped page (anything but ext4 and tmpfs), it is one `pwrite`.
//!
//! The bytes on disk, the protocols and the invariants I1 to I11 are in SPEC.md.

pub use tracewal_compact::{
    Compaction, Damaged, Listed, Listing, Policy, Pruned, open, options, options_with, prune, status_of,
};
pub use tracewal_engine::ProcessState;
pub use tracewal_engine::{
    Access, Durability, EndSpan, Ended, Error, Health, Holder, Log, Materialised, NewSession, NewSpan,
    Options, Original, Recovered, Repaired, Result, Rewriter, Rewritten, Session, SessionName, Span, Status,
    Store, WeakStore,
};
pub use tracewal_format::event::{self, Event, Metadata, Model, Payload, SpanKind, Tokens};
pub use tracewal_format::index::Row;
pub use tracewal_format::json::{EventError, parse_event, write_event};
pub use tracewal_format::log::{Entry, Item, Loss, LossKind, Reading};
pub use tracewal_format::time::Time;

/// Crash capture: what a dying process can still say about itself.
pub mod crash {
    pub use tracewal_engine::crash::{Capture, install};
}

/// Facts about what happened, from which is derived why a session stopped: for [`Session::evidence`].
pub mod evidence {
    pub use tracewal_engine::evidence::{ApiError, Effect, Fact};
    pub use tracewal_format::event::{ErrorInfo, Watchdog};
}

/// Actions that close sessions, in the logs of those that they cover: for [`Store::lifecycle`].
pub mod lifecycle {
    pub use tracewal_engine::lifecycle::{
        Lifecycle, LifecycleKind, LifecycleOrigin, NewLifecycle, directory_scope,
    };
}

/// The log as events, and the view as canonical JSON, for tools that read either without a store.
pub mod fold {
    pub use tracewal_compact::{FOLD_VERSION, Fold, OpenSpan, RenderError, Summary, open_spans, render};
}

/// Why a session stopped: what its view says in `close` and `incidents`, as [`Summary`](fold::Summary) has it.
pub mod incident {
    pub use tracewal_compact::incident::{
        Action, Advice, Cause, Close, CloseKind, Confidence, Cover, CrashKind, Execution, Facts, Incident,
        Incidents, Missing, Phase, Piece, Provenance, Recovery, RetryBudget, SideEffect, advice_sentence,
        sentence,
    };
}

/// The door to the disk, at which tests can delay or fail any step.
pub mod disk {
    pub use tracewal_engine::{Disk, Gate, Step};
}
