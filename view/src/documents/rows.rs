//! `rows/K`: spans as rows of a table.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Classes, Ms, SIZES, in_chunk};
use crate::error::{Result, ViewError};
use crate::text::{one_line, preview, text_of};
use crate::trace::Trace;

/// No more of a value is shown in a row, in characters; and read, in bytes of JSON.
const PREVIEW: usize = 200;
const PREVIEW_BYTES: usize = 4096;
/// No more of a member is read.
const MEMBER_BYTES: usize = 16 << 10;

/// What a row takes from a span.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Short<'a> {
    #[serde(borrow)]
    span_id: &'a RawValue,
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    status_message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) attributes: Option<&'a RawValue>,
}

impl Short<'_> {
    pub(crate) fn name(&self) -> String {
        text_of(self.name)
    }

    pub(crate) fn message(&self) -> Option<String> {
        self.status_message.map(text_of)
    }
}

#[derive(Serialize)]
struct Document {
    from: usize,
    rows: Vec<SpanRow>,
}

#[derive(Serialize)]
struct SpanRow {
    id: String,
    name: String,
    kind: &'static str,
    status: u8,
    start: Ms,
    end: Option<Ms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Classes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

impl Trace {
    /// Chunk number `chunk` of the rows.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound), or what reading the log met.
    pub fn rows(&mut self, chunk: usize) -> Result<Vec<u8>> {
        let range = in_chunk(chunk, SIZES.rows, self.spans.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the rows")))?;
        let from = range.start;
        let rows = range.map(|index| self.span_row(index)).collect::<Result<_>>()?;
        Ok(serde_json::to_vec(&Document { from, rows })?)
    }

    fn span_row(&mut self, index: usize) -> Result<SpanRow> {
        let json = self.short_span(index, PREVIEW_BYTES, MEMBER_BYTES)?;
        let span: Short<'_> = serde_json::from_slice(&json)?;
        let bar = *self.skeleton.bar(index).ok_or(ViewError::LogChanged)?;
        let row = self.index.row(bar.number);
        let usage = self.index.usage(&row).copied().unwrap_or_default();
        let model = self.index.models.text(row.model);
        let shown = match bar.kind_number() {
            1 => span.output.or(span.input),
            _ => span.input.or(span.output),
        };
        Ok(SpanRow {
            id: text_of(span.span_id),
            name: span.name(),
            kind: bar.kind.as_str(),
            status: bar.state.number(),
            start: bar.start_ns.into(),
            end: bar.end_ns.map(Ms::from),
            model: (!model.is_empty()).then(|| model.to_owned()),
            tokens: usage.tokens.map(Classes::from),
            cost: usage.cost,
            error: span.message().map(|message| one_line(&message, PREVIEW)),
            preview: shown.map(|json| preview(json.get(), PREVIEW)),
        })
    }
}
