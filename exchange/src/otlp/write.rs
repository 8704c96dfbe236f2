//! Many spans as one document.

use std::io;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, TracesData};
use prost::Message;
use tracewal_compact::RenderError;
use tracewal_format::log::LogSource;

use super::conventions::Convention;
use super::convert::Converter;
use super::foreign::Group;
use crate::trace::Trace;

/// How OTLP is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON document.
    Json,
    /// Messages `TracesData`, one behind the other, which is one message: parsers of protobuf append what is repeated.
    Protobuf,
}

/// So many bytes of spans go into one message of protobuf.
const MESSAGE_BYTES: usize = 1 << 20;

/// Writes a session.
///
/// # Errors
/// See [`RenderError`].
pub fn write<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    convention: Convention,
    encoding: Encoding,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let mut converter = Converter::new(trace.summary(), convention);
    let failed = RenderError::Write;
    match encoding {
        Encoding::Json => {
            let mut document = Document { out, group: None };
            document.out.write_all(b"{\"resourceSpans\":[").map_err(failed)?;
            trace.spans(|span| match converter.span(&span) {
                Some((group, span)) => document.add(group, &span),
                None => Ok(()),
            })?;
            document.end_group().map_err(failed)?;
            document.out.write_all(b"]}\n").map_err(failed)
        }
        Encoding::Protobuf => {
            let mut messages = Messages { out, group: Group::default(), spans: Vec::new(), bytes: 0 };
            trace.spans(|span| match converter.span(&span) {
                Some((group, span)) => messages.add(group, span),
                None => Ok(()),
            })?;
            messages.flush().map_err(failed)
        }
    }
}

struct Document<'w, W> {
    out: &'w mut W,
    group: Option<Group>,
}

impl<W: io::Write> Document<'_, W> {
    fn add(&mut self, group: Group, span: &OtlpSpan) -> io::Result<()> {
        if self.group.as_ref() == Some(&group) {
            self.out.write_all(b",")?;
        } else {
            let is_first = self.group.is_none();
            self.end_group()?;
            self.out.write_all(if is_first { b"{" } else { b",{" })?;
            if let Some(resource) = &group.resource {
                self.out.write_all(b"\"resource\":")?;
                serde_json::to_writer(&mut *self.out, resource)?;
                self.out.write_all(b",")?;
            }
            self.out.write_all(b"\"scopeSpans\":[{")?;
            if let Some(scope) = &group.scope {
                self.out.write_all(b"\"scope\":")?;
                serde_json::to_writer(&mut *self.out, scope)?;
                self.out.write_all(b",")?;
            }
            self.out.write_all(b"\"spans\":[")?;
            self.group = Some(group);
        }
        Ok(serde_json::to_writer(&mut *self.out, span)?)
    }

    fn end_group(&mut self) -> io::Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        self.out.write_all(b"],\"schemaUrl\":")?;
        serde_json::to_writer(&mut *self.out, &group.scope_schema_url)?;
        self.out.write_all(b"}],\"schemaUrl\":")?;
        serde_json::to_writer(&mut *self.out, &group.resource_schema_url)?;
        self.out.write_all(b"}")
    }
}

struct Messages<'w, W> {
    out: &'w mut W,
    group: Group,
    spans: Vec<OtlpSpan>,
    bytes: usize,
}

impl<W: io::Write> Messages<'_, W> {
    fn add(&mut self, group: Group, span: OtlpSpan) -> io::Result<()> {
        if self.group != group {
            self.flush()?;
            self.group = group;
        }
        self.bytes += span.encoded_len();
        self.spans.push(span);
        if self.bytes >= MESSAGE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes = 0;
        if self.spans.is_empty() {
            return Ok(());
        }
        let group = self.group.clone();
        let spans = std::mem::take(&mut self.spans);
        let scope_spans = vec![ScopeSpans { scope: group.scope, spans, schema_url: group.scope_schema_url }];
        let resource_spans = vec![ResourceSpans {
            resource: group.resource,
            scope_spans,
            schema_url: group.resource_schema_url,
        }];
        self.out.write_all(&TracesData { resource_spans }.encode_to_vec())
    }
}
