//! The spans of a session as an indented tree.

use std::collections::HashMap;
use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cost::{Model, Spent, TokenCounts};
use crate::failure::Result;
use crate::output::{DIM, Out};
use crate::{output, text};

/// Deeper spans are indented no further.
const DEPTH_SHOWN: usize = 20;
/// No more of an input or output than this is shown.
const VALUE_COLUMNS: usize = 160;
const NARROWEST: usize = 40;

/// What is shown of a span.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanLine {
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    kind: String,
    start_time: f64,
    end_time: Option<f64>,
    status: String,
    status_message: Option<String>,
    #[serde(default)]
    interrupted: bool,
    #[serde(default, deserialize_with = "brief")]
    input: Option<String>,
    #[serde(default, deserialize_with = "brief")]
    output: Option<String>,
    #[serde(default)]
    model: Model,
    tokens: Option<TokenCounts>,
    cost: Option<f64>,
}

/// Any JSON value, cut to what is shown of it.
fn brief<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    let value: Box<RawValue> = Deserialize::deserialize(from)?;
    Ok(Some(text::json(value.get(), VALUE_COLUMNS)))
}

/// Prints them, each under its parent, in the order of the document.
pub(crate) fn print(spans: &[SpanLine], out: &mut Out) -> Result<()> {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let columns = terminal.map_or(usize::MAX, |(terminal_size::Width(columns), _)| usize::from(columns));
    let columns = columns.max(NARROWEST);
    let mut children: HashMap<&str, Vec<&SpanLine>> = HashMap::new();
    for span in spans {
        if let Some(parent) = &span.parent_span_id {
            children.entry(parent).or_default().push(span);
        }
    }
    // A stack of its own: a log may nest spans as deep as it likes.
    let mut waiting: Vec<(usize, &SpanLine)> =
        spans.iter().filter(|span| span.parent_span_id.is_none()).map(|span| (0, span)).collect();
    while let Some((depth, span)) = waiting.pop() {
        span.print(depth.min(DEPTH_SHOWN), columns, out)?;
        let below = children.remove(span.span_id.as_str()).unwrap_or_default();
        waiting.extend(below.into_iter().rev().map(|span| (depth + 1, span)));
    }
    Ok(())
}

impl SpanLine {
    fn print(&self, depth: usize, columns: usize, out: &mut Out) -> Result<()> {
        let indent = "  ".repeat(depth);
        let (status, style) = match (&self.end_time, self.interrupted, self.status.as_str()) {
            (None, _, _) => ("open", output::status_style("running")),
            (_, true, _) => ("interrupted", output::status_style("crashed")),
            (_, _, status) => (status, output::status_style(status)),
        };
        let took =
            self.end_time.map_or_else(String::new, |end| format!("  {}", duration_ms(end - self.start_time)));
        let what = if self.name.is_empty() || self.name == self.kind {
            self.kind.clone()
        } else {
            format!("{} {}", self.kind, text::cut(&self.name, 80))
        };
        writeln!(out, "{indent}{what}{took}  {style}{status}{style:#}")?;
        for (mark, value) in [("in ", &self.input), ("out", &self.output), ("why", &self.shown_message())] {
            if let Some(value) = value.as_ref().filter(|value| !value.trim().is_empty()) {
                let room = columns.saturating_sub(indent.len() + 6).max(NARROWEST / 2);
                writeln!(out, "{indent}  {DIM}{mark}{DIM:#} {}", text::cut(value, room))?;
            }
        }
        Ok(())
    }

    /// What it used.
    pub(crate) fn spent(&self) -> Spent<'_> {
        Spent {
            is_root: self.parent_span_id.is_none(),
            model: self.model.model_id.as_deref(),
            tokens: self.tokens,
            cost: self.cost,
        }
    }

    /// The message, unless the output says the same already.
    fn shown_message(&self) -> Option<String> {
        let message = text::cut(self.status_message.as_deref()?, VALUE_COLUMNS);
        let output = self.output.as_deref().unwrap_or_default();
        (!output.contains(message.trim_end_matches('…'))).then_some(message)
    }
}

fn duration_ms(ms: f64) -> String {
    let duration = std::time::Duration::try_from_secs_f64(ms.max(0.0) / 1_000.0).unwrap_or_default();
    text::duration(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX))
}
