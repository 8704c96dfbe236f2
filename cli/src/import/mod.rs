//! Transcripts of other tools, as the events of a session.
//!
//! An importer is a function of a file's lines, in order, without looking ahead: each line becomes events, and at the end of
//! the file come a note named `import.state` (a [`Checkpoint`]) and the orderly end of the session.
//!
//! **Nothing is dropped.** A line becomes spans, or changes to spans, whose attributes carry its other members as they were
//! spelled, or else a note that holds the whole line. Only members that are `null`, or the same as what the root span's
//! attributes say for the whole session (working directory, branch, version ...), are not repeated. A line that is no
//! JSON becomes a note `import.invalid-line`, and one longer than [`LINE_LIMIT_BYTES`] notes `import.long-line`, one per piece;
//! both are listed in the [`Report`].
//!
//! **A file that grew** since its last import is read from its beginning, so that the importer knows which spans there are,
//! but only events that come from new lines are handed on. The checkpoint of the last import says where they begin and
//! proves that the lines before are the same. What an import holds back until its file ends (the end of the last model call)
//! it hands on there, and again when a later import knows more: of two ends of a span, the fold keeps the time of the
//! first, and the tokens of the last. So a file imported in parts gives the same spans as one imported whole, except that a
//! model call which the parts cut in two ends where the first part ended.
//!
//! **A last line without a line feed** that is not a whole object may still be being written. It becomes a note
//! `import.invalid-line`, is not counted among the lines of the checkpoint, and is read again next time.
//!
//! Time is linear in the file. Memory holds one line (or piece of one), the model call that is open, and a few dozen bytes for
//! every message id and tool call id.
//!
//! | file | holds |
//! |---|---|
//! | `discover.rs` | finding files, and which session a file holds |
//! | `importer.rs` | one import, from its first line to its end |
//! | `claude_code.rs`, `codex.rs` | what the lines of each tool mean |
//! | `content.rs`, `naming.rs`, `tokens.rs` | parts of that meaning |
//! | `lines.rs`, `json.rs` | a file as lines, and a line as JSON whose values keep their spelling |
//! | `out.rs` | where the events of a line go |
//! | `checkpoint.rs`, `report.rs` | how far an import came, and what it found |

mod checkpoint;
mod claude_code;
mod codex;
mod content;
mod discover;
mod importer;
mod json;
mod lines;
mod naming;
mod out;
mod report;
mod tokens;

use tracewal_format::time::Time;

pub use checkpoint::{Checkpoint, STATE_NOTE};
pub use discover::{discover, discover_named};
pub use importer::{Importer, Sink, convert};
pub use lines::{LINE_LIMIT_BYTES, Line, LineEnd, Lines};
pub use out::Totals;
pub use report::{ImportError, InvalidLine, Report};
pub use tokens::TokenCounts;

/// Which tool wrote a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Claude Code: `~/.claude/projects`.
    ClaudeCode,
    /// Codex: `~/.codex/sessions`.
    Codex,
}

impl Source {
    /// Its name: on the command line, in note names, and as the session's agent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Source::ClaudeCode => "claude-code",
            Source::Codex => "codex",
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Source::ClaudeCode, Source::Codex].into_iter().find(|source| source.as_str() == name)
    }
}

/// Which session a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Who wrote it.
    pub source: Source,
    /// The tool's own id for the session; also the id of its root span.
    pub session_id: String,
    /// The session that started this one, for a sub-agent.
    pub parent: Option<String>,
    /// The tool's id for the sub-agent.
    pub agent_id: Option<String>,
    /// The time of the first line that has one; the epoch when none has.
    pub started: Time,
}
