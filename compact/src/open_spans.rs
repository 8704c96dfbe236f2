//! What was going on when a session stopped: the spans without an end.

use tracewal_format::event::SpanKind;
use tracewal_format::log::{LogReader, LogSource};
use tracewal_format::time::Time;

use crate::fold::Fold;
use crate::render::RenderError;
use crate::span_view::{SpanView, stream_text};

/// A span that nobody ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSpan {
    /// Its id.
    pub span_id: String,
    /// What it is.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start_time: Time,
    /// What went in, as JSON.
    pub input: Option<String>,
    /// What had been streamed, as a JSON string.
    pub text: Option<String>,
    /// Whether its own run has ended: it was interrupted, and does not go on.
    pub interrupted: bool,
}

/// The spans without an end, the newest `limit` of them, in the order of the log. (The root is none of them.)
///
/// # Errors
/// See [`RenderError`].
pub fn open_spans<S: LogSource>(
    fold: &Fold,
    log: &mut LogReader<S>,
    limit: usize,
) -> Result<Vec<OpenSpan>, RenderError<S::Error>> {
    let spans = &fold.spans;
    let is_open = |span: &u32| {
        spans.row(*span).is_some_and(|row| row.end().is_none() && row.start().is_some() && *span != fold.root)
    };
    let mut newest: Vec<u32> = spans.order.iter().rev().copied().filter(is_open).take(limit).collect();
    newest.reverse();
    let mut open = Vec::new();
    for span in newest {
        let Some(row) = spans.row(span) else { continue };
        let view = SpanView::of(fold, log, row)?;
        let text = if spans.has_text(row) {
            let mut text = Vec::new();
            stream_text(fold, log, row, &mut text, |_| Ok(()))?;
            Some(String::from_utf8_lossy(&text).into_owned())
        } else {
            None
        };
        open.push(OpenSpan {
            span_id: view.id,
            kind: row.kind(),
            name: view.name,
            start_time: view.start_time,
            input: view.input.map(|input| String::from_utf8_lossy(&input.json).into_owned()),
            text,
            interrupted: fold.runs.interruption(row.run).is_some(),
        });
    }
    Ok(open)
}
