//! From the events of a log to its trace: a pure function of the log (SPEC.md section 11, I5, I10).
//!
//! A log is read twice. [`Fold::of`] reads it once from its first event to its last and keeps, per span, where its records
//! stand; [`Fold::summary`] then says how the session stands. [`render()`] reads those records again, span by span, and writes
//! the canonical JSON. So memory grows with the number of spans and not with what is in them.
//!
//! | module | holds |
//! |---|---|
//! | [`fold`] | reading a log once |
//! | [`summary`] | what a fold knows without reading the log again |
//! | [`mod@render`] | the canonical JSON |
//! | `facts` | what one event says about a span |
//! | `spans`, `ids`, `places`, `usage`, `ancestry` | the spans of a log, their ids, where their records stand, what they used, who is whose parent |
//! | `runs`, `crashes`, `actions` | the runs of a log, how each ended, and under which lifecycle action |
//! | [`incident`] | why the session stopped |
//! | `span_view`, `attributes`, `text` | one span, put together from its records |
//! | `defaults` | inputs and outputs that generations have when none were given |
//! | `tools`, `narrative`, `rfc3339` | what the tool calls add up to, the session in a sentence, dates |
//! | `materialise`, `view_file`, `compactor` | when the view is right, how its file is written, and when |
//! | `kept`, `shape`, `changes` | going on from the view before: what is kept for it, where it can be cut, what still holds |
//! | `open_spans` | what was going on when a session stopped |
//! | `one_by_one` | what is known of each span, and its part of the document on its own |
//! | `listing`, `rows` | the sessions of a store, and the index of them |
//! | `retention` | removing old sessions |
//! | `options` | opening a store whose sessions have views |
//! | `members`, `span_json`, `summary_json` | the parts of the document, in their order |
#![forbid(unsafe_code)]

mod actions;
mod ancestry;
mod attributes;
mod changes;
mod compactor;
mod crashes;
mod defaults;
pub mod facts;
pub mod fold;
mod ids;
pub mod incident;
mod kept;
mod listing;
mod materialise;
mod members;
mod narrative;
mod one_by_one;
mod open_spans;
mod options;
mod places;
pub mod render;
mod retention;
mod rfc3339;
mod rows;
mod runs;
mod shape;
mod span_json;
mod span_view;
mod spans;
pub mod summary;
mod summary_json;
mod text;
mod tools;
mod usage;
mod view_file;

pub use compactor::{Compaction, Compactor};
pub use fold::Fold;
pub use incident::{Incident, Incidents};
pub use listing::{Damaged, Listed, Listing};
pub use materialise::materialise;
pub use one_by_one::{KnownSpan, Spans};
pub use open_spans::{OpenSpan, open_spans};
pub use options::{open, options, options_with};
pub use render::{INTERRUPTED, RenderError, SpanJson, each_span, render, span_at};
pub use retention::{Policy, Pruned, footprint, prune};
pub use rfc3339::write as write_date;
pub use rows::status_of;
pub use summary::{Status, Summary};
pub use summary_json::{metadata_json, rest_json};
pub use tools::{CallInput, ToolUses};

/// Version of the fold: raised whenever the same log would give other bytes.
pub const FOLD_VERSION: u32 = 2;
