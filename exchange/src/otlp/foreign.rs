//! What other producers say and a session has no place for, kept in the attribute `otlp` of its span, to be said again. What many spans
//! have in common is kept once, on the root.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde::{Deserialize, Serialize};

/// The attribute of a span in which it is kept.
pub(crate) const KEPT: &str = "otlp";

/// On the root of a session, for which no span came: what the others have in common, by number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptOnRoot {
    pub(crate) groups: Vec<Group>,
}

/// A span as it came, without its times and without the values that its input and output are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    /// It came without an end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) open: bool,
    /// The attribute whose value is the span's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    pub(crate) span: Span,
    /// The number of what it has in common with others.
    pub(crate) group: usize,
}

/// What spans have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<InstrumentationScope>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) resource_schema_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) scope_schema_url: String,
}
