//! Sessions in the formats of other tools, out and in (docs/formats.md).
//!
//! [`export`] reads a folded log again, span by span, and writes what it reads: memory holds one span's payloads and a few dozen
//! bytes for every span, however much stands in the log.
//!
//! | file | holds |
//! |---|---|
//! | `trace.rs`, `span.rs` | a session that is exported, and its spans as the canonical JSON has them |
//! | `otlp/`, `ids.rs` | OpenTelemetry, with GenAI or OpenInference attributes |
//! | `perfetto.rs`, `lanes.rs` | Trace Event JSON, and which spans share a track |
//! | `atif.rs` | Agent Trajectory Interchange Format |
//! | `markdown.rs`, `csv.rs` | a transcript, a table |
//! | `events.rs` | the log as JSON lines |
//! | `import/` | canonical JSON, OTLP and opencode's storage, as events |
//! | `json.rs` | JSON on its way out |
#![forbid(unsafe_code)]

mod atif;
mod csv;
pub mod events;
pub mod ids;
pub mod import;
mod json;
mod lanes;
mod markdown;
pub mod otlp;
mod perfetto;
pub mod span;
pub mod trace;

use std::io;

use tracewal_compact::RenderError;
use tracewal_format::log::LogSource;

pub use atif::ATIF_VERSION;
pub use trace::Trace;

/// What a session is written as. The log as JSON lines is in [`events`], because it needs no fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The canonical JSON.
    Json,
    /// OTLP/JSON with GenAI attributes.
    Otlp,
    /// The same in protobuf.
    OtlpProto,
    /// OTLP/JSON with OpenInference attributes.
    OpenInference,
    /// Trace Event JSON.
    Perfetto,
    /// Agent Trajectory Interchange Format.
    Atif,
    /// A transcript.
    Markdown,
    /// One row per span.
    Csv,
}

impl Format {
    /// Whether what is written is no text.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self == Format::OtlpProto
    }
}

/// Writes a session.
///
/// # Errors
/// See [`RenderError`]; what has been written until then is not a whole document.
pub fn export<S: LogSource, W: io::Write>(
    format: Format,
    trace: &mut Trace<'_, S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    use otlp::{Convention, Encoding};
    match format {
        Format::Json => trace.render(out),
        Format::Otlp => otlp::write(trace, Convention::GenAi, Encoding::Json, out),
        Format::OtlpProto => otlp::write(trace, Convention::GenAi, Encoding::Protobuf, out),
        Format::OpenInference => otlp::write(trace, Convention::OpenInference, Encoding::Json, out),
        Format::Perfetto => perfetto::write(trace, out),
        Format::Atif => atif::write(trace, out),
        Format::Markdown => markdown::write(trace, out),
        Format::Csv => csv::write(trace, out),
    }
}
