//! A span of a session as a span of OTLP.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Role;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};
use serde::de::DeserializeOwned;
use tracewal_compact::Summary;
use tracewal_format::event::SpanKind;
use tracewal_format::time::Time;

use super::attributes::List;
use super::conventions::{Convention, describe, name};
use super::foreign::{Group, KEPT, Kept, KeptOnRoot};
use super::{OPENINFERENCE_VERSION, SCHEMA_URL, carried};
use crate::ids;
use crate::json::Members;
use crate::span::{Span, shown};

/// Converts the spans of one session.
pub(crate) struct Converter<'s> {
    summary: &'s Summary,
    convention: Convention,
    group: Group,
    trace_id: Vec<u8>,
    /// Of a session that came from OTLP: what its spans have in common.
    kept: Option<Vec<Group>>,
}

impl<'s> Converter<'s> {
    pub(crate) fn new(summary: &'s Summary, convention: Convention) -> Self {
        let mut resource = List::default();
        resource.text("service.name", summary.metadata.agent.as_deref().unwrap_or("tracewal"));
        resource.some_text("service.version", summary.metadata.version.as_deref());
        resource.text(carried::SESSION_ID, &summary.session_id);
        let (name, version, schema) = match convention {
            Convention::GenAi => ("tracewal.otlp", env!("CARGO_PKG_VERSION"), SCHEMA_URL),
            Convention::OpenInference => ("tracewal.openinference", OPENINFERENCE_VERSION, ""),
        };
        let scope = InstrumentationScope { name: name.into(), version: version.into(), ..Default::default() };
        let group = Group {
            resource: Some(Resource { attributes: resource.0, ..Default::default() }),
            scope: Some(scope),
            resource_schema_url: schema.into(),
            scope_schema_url: schema.into(),
        };
        let trace_id = ids::trace_id(&summary.trace_id).to_vec();
        Converter { summary, convention, group, trace_id, kept: None }
    }

    /// The span, and what it has in common with others; the root comes first. `None`: it stands for nothing that was in OTLP.
    pub(crate) fn span(&mut self, span: &Span) -> Option<(Group, OtlpSpan)> {
        if span.parent_span_id.is_none() {
            self.kept = kept::<KeptOnRoot>(span).map(|kept| kept.groups);
            if self.kept.is_some() {
                return None;
            }
        }
        // Only of a session that came from OTLP: anybody may call an attribute so.
        match self.kept.as_ref().and_then(|groups| Some((groups, kept::<Kept>(span)?))) {
            Some((groups, kept)) => {
                let group = groups.get(kept.group).cloned().unwrap_or_default();
                Some((group, foreign(span, kept)))
            }
            None => Some((self.group.clone(), self.own(span))),
        }
    }

    fn own(&self, span: &Span) -> OtlpSpan {
        let summary = self.summary;
        let mut attributes = List::default();
        let marks = describe(self.convention, span, summary, &mut attributes);
        let name = name(self.convention, span, summary);
        carried::carry(self.convention, span, &name, &marks, summary, &mut attributes);
        let parent = span.parent_span_id.as_ref();
        let role = if span.kind() == SpanKind::Generation { Role::Client } else { Role::Internal };
        let code = match (span.failed(), span.end) {
            (true, _) => StatusCode::Error,
            (false, Some(_)) => StatusCode::Ok,
            (false, None) => StatusCode::Unset,
        };
        let message = span.status_message.clone().filter(|_| span.failed()).unwrap_or_default();
        OtlpSpan {
            trace_id: self.trace_id.clone(),
            span_id: ids::span_id(&summary.session_id, &span.span_id).to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |id| ids::span_id(&summary.session_id, id).to_vec()),
            name,
            kind: role.into(),
            start_time_unix_nano: nanos(span.start),
            // What is open lasts until the last that is known.
            end_time_unix_nano: nanos(span.end.unwrap_or(self.summary.ended_at.max(span.start))),
            attributes: attributes.0,
            status: Some(Status { message, code: code.into() }),
            ..Default::default()
        }
    }
}

/// A span that came from OTLP, as it came.
fn foreign(span: &Span, kept: Kept) -> OtlpSpan {
    let mut to = kept.span;
    to.start_time_unix_nano = nanos(span.start);
    to.end_time_unix_nano = if kept.open { 0 } else { nanos(span.end.unwrap_or_default()) };
    for (key, json) in [(kept.input, &span.input), (kept.output, &span.output)] {
        let Some((key, json)) = key.zip(json.as_ref()) else { continue };
        let value = Value::StringValue(shown(json.get()).into_owned());
        if let Some(attribute) = to.attributes.iter_mut().find(|attribute| attribute.key == key) {
            attribute.value = Some(AnyValue { value: Some(value) });
        }
    }
    to
}

fn kept<T: DeserializeOwned>(span: &Span) -> Option<T> {
    let members = Members::parse(span.attributes.as_ref()?.get())?;
    serde_json::from_str(members.get(KEPT)?).ok()
}

/// What lies outside the years that OTLP can say is cut; `carried` then has it in full.
fn nanos(time: Time) -> u64 {
    u64::try_from(time.as_ns().max(0)).unwrap_or(u64::MAX)
}
