//! A session that is exported: how it stands, and its spans one at a time.

use std::io;

use tracewal_compact::{Fold, RenderError, SpanJson, Summary, each_span, span_at};
use tracewal_format::log::{LogReader, LogSource};

use crate::span::Span;

/// A folded log. Only one span's payloads are in memory at a time.
pub struct Trace<'t, S> {
    fold: &'t Fold,
    log: &'t mut LogReader<S>,
}

impl<'t, S: LogSource> Trace<'t, S> {
    /// Of this fold of this log.
    pub fn new(fold: &'t Fold, log: &'t mut LogReader<S>) -> Self {
        Trace { fold, log }
    }

    /// How the session stands.
    #[must_use]
    pub fn summary(&self) -> &'t Summary {
        self.fold.summary()
    }

    /// Hands on the spans, the root first, the others in the order of their first events.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn spans(
        &mut self,
        mut each: impl FnMut(Span) -> io::Result<()>,
    ) -> Result<(), RenderError<S::Error>> {
        each_span(self.fold, self.log, |json| each(exact(&json)?))
    }

    /// The span at this position in that order, without what a generation has by default. `None`: there are not so many.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn span_at(&mut self, at: usize) -> Result<Option<Span>, RenderError<S::Error>> {
        let mut json = Vec::new();
        span_at(self.fold, self.log, at, &mut json)?;
        if json.is_empty() {
            return Ok(None);
        }
        Span::parse(&json).map(Some).map_err(|error| RenderError::Write(error.into()))
    }

    /// Writes the canonical JSON.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&mut self, out: &mut impl io::Write) -> Result<(), RenderError<S::Error>> {
        tracewal_compact::render(self.fold, self.log, out)
    }
}

fn exact(span: &SpanJson<'_>) -> io::Result<Span> {
    let mut parsed = Span::parse(span.json)?;
    (parsed.start, parsed.end) = (span.start, span.end);
    Ok(parsed)
}
