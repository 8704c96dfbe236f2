//! OpenTelemetry: spans of OTLP, with the attributes of the GenAI or of the OpenInference conventions.
//!
//! | file | holds |
//! |---|---|
//! | `attributes.rs` | lists of attributes |
//! | `conventions.rs` | which attribute holds what, in either convention |
//! | `carried.rs` | what no convention has a name for, as attributes that begin with `tracewal.` |
//! | `foreign.rs` | what other producers say and a session has no place for, kept to be said again |
//! | `convert.rs` | a span of a session as a span of OTLP |
//! | `write.rs` | many of them as one document, in JSON or protobuf |

pub(crate) mod attributes;
pub(crate) mod carried;
pub(crate) mod conventions;
mod convert;
pub(crate) mod foreign;
mod write;

pub use conventions::Convention;
pub use write::{Encoding, write};

/// The version of OpenTelemetry's semantic conventions whose GenAI attributes are written.
pub const SEMCONV_VERSION: &str = "1.41.1";
/// Of those conventions.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.1";
/// The version of `openinference-semantic-conventions` whose attributes are written.
pub const OPENINFERENCE_VERSION: &str = "0.1.42";
