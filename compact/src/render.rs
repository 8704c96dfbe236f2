//! The canonical JSON, streamed (SPEC.md section 11).

use std::{fmt, io};

use tracewal_format::event::SpanKind;
use tracewal_format::json::{write_str, write_str_inside};
use tracewal_format::log::{LogReader, LogSource};
use tracewal_format::time::Time;

use crate::changes::Unchanged;
use crate::defaults::{self, ToolsOf};
use crate::fold::Fold;
use crate::ids::SpanNo;
use crate::members::{Sink, date, key, text};
use crate::narrative::totals;
use crate::shape::{Checkpoint, Shape};
use crate::span_json::{Head, tool_duration, write_attributes, write_end, write_tool, write_usage};
use crate::span_view::{SpanView, Value, read, stream_text, tool_line};
use crate::spans::Row;
use crate::summary::Status;
use crate::summary_json::{write_metadata, write_rest};
use crate::tools::{CallInput, ToolUses};

/// Why a trace was not written, or not to its end.
#[derive(Debug)]
pub enum RenderError<E> {
    /// The log can't be read.
    Read(E),
    /// The output can't be written.
    Write(io::Error),
    /// A record is no longer where the fold met it: the log has been repaired, redacted or damaged since. Fold it again.
    LogChanged {
        /// The segment's number.
        segment: u64,
        /// The record's offset in it.
        offset: u64,
    },
}

impl<E: fmt::Display> fmt::Display for RenderError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenderError::Read(error) => write!(f, "reading the log: {error}"),
            RenderError::Write(error) => write!(f, "writing the trace: {error}"),
            RenderError::LogChanged { segment, offset } => write!(
                f,
                "the record at {offset} of {segment}.wal is no longer what it was; fold the log again"
            ),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RenderError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RenderError::Read(error) => Some(error),
            RenderError::Write(error) => Some(error),
            RenderError::LogChanged { .. } => None,
        }
    }
}

/// Writes the canonical JSON of a folded log, which is read again for it. The same log gives the same bytes (I10).
///
/// # Errors
/// See [`RenderError`]; what has been written until then is not a whole document.
pub fn render<S: LogSource, W: io::Write>(
    fold: &Fold,
    log: &mut LogReader<S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let nothing = |_: &mut W, _, _| Ok(());
    render_again(fold, log, out, None, nothing).map(|_| ())
}

/// The same, where a document has been written before: what is in it and has not changed is not written again, but copied from it by
/// `copy`, which is given where that begins and how long it is. Returns the shape of the new document.
pub(crate) fn render_again<S: LogSource, W: io::Write>(
    fold: &Fold,
    log: &mut LogReader<S>,
    out: &mut W,
    before: Option<(Shape, Unchanged)>,
    copy: impl FnOnce(&mut W, u64, u64) -> io::Result<()>,
) -> Result<Shape, RenderError<S::Error>> {
    let (shape, unchanged) = before.unwrap_or_else(|| (Shape::default(), Unchanged::None));
    let mut renderer = Renderer {
        fold,
        log,
        sink: Sink::new(out),
        results: defaults::results(fold, &shape.key),
        called: defaults::called(fold, &shape.key),
        uses: ToolUses::default(),
        times: Default::default(),
    };
    let again = shape.go_on(unchanged, fold, &mut renderer.results, &mut renderer.called);
    renderer.document(shape, again, copy)
}

/// Writes one span as it stands in the document, given what its generation's tools are taken from, each at the right position.
pub(crate) fn render_one<S: LogSource, W: io::Write>(
    fold: &Fold,
    log: &mut LogReader<S>,
    span: SpanNo,
    (results, called): (&mut ToolsOf, &mut ToolsOf),
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let mut renderer = Renderer {
        fold,
        log,
        sink: Sink::new(out),
        results: std::mem::take(results),
        called: std::mem::take(called),
        uses: ToolUses::default(),
        times: Default::default(),
    };
    let written = match fold.spans.row(span).filter(|_| span != fold.root) {
        Some(row) => renderer.span(span, row),
        None => renderer.root(),
    };
    (*results, *called) = (renderer.results, renderer.called);
    written?;
    Sink::empty(&mut renderer.sink.buffer, &mut renderer.sink.out).map_err(RenderError::Write)
}

/// A span as it stands in the canonical JSON.
#[derive(Clone, Copy, Debug)]
pub struct SpanJson<'a> {
    /// The object.
    pub json: &'a [u8],
    /// When it began, to the nanosecond, which a number of milliseconds cannot always say.
    pub start: Time,
    /// When it ended; `None` while it is open.
    pub end: Option<Time>,
}

/// Hands the spans on, one at a time, each as it stands in the canonical JSON: the root first, the others in the order of their first
/// events. Only one of them is in memory.
///
/// # Errors
/// See [`RenderError`]; what `each` returns is [`Write`](RenderError::Write).
pub fn each_span<S: LogSource>(
    fold: &Fold,
    log: &mut LogReader<S>,
    mut each: impl FnMut(SpanJson<'_>) -> io::Result<()>,
) -> Result<(), RenderError<S::Error>> {
    let (key, mut json) = (Shape::default().key, Vec::new());
    let mut renderer = Renderer {
        fold,
        log,
        sink: Sink::new(&mut json),
        results: defaults::results(fold, &key),
        called: defaults::called(fold, &key),
        uses: ToolUses::default(),
        times: Default::default(),
    };
    renderer.root()?;
    renderer.hand_on(&mut each).map_err(RenderError::Write)?;
    for (span, row) in fold.spans.iter().filter(|(span, _)| *span != fold.root) {
        renderer.span(span, row)?;
        renderer.hand_on(&mut each).map_err(RenderError::Write)?;
    }
    Ok(())
}

/// Appends the span that [`each_span`] hands on at position `at`, behind the root at 0, without the input and the output that a generation
/// has when none was given. Appends nothing when there are not so many.
///
/// # Errors
/// See [`RenderError`].
pub fn span_at<S: LogSource>(
    fold: &Fold,
    log: &mut LogReader<S>,
    at: usize,
    json: &mut Vec<u8>,
) -> Result<(), RenderError<S::Error>> {
    // The root is not counted where its first event put it.
    let root = fold.spans.order.iter().position(|span| *span == fold.root);
    let at = match (at.checked_sub(1), root) {
        (None, _) => None,
        (Some(at), Some(root)) if at >= root => Some(at + 1),
        (at, _) => at,
    };
    let mut renderer = Renderer {
        fold,
        log,
        sink: Sink::new(json),
        results: ToolsOf::none(),
        called: ToolsOf::none(),
        uses: ToolUses::default(),
        times: Default::default(),
    };
    match at {
        None => renderer.root()?,
        Some(at) => {
            let span = fold.spans.order.get(at).copied();
            let Some((span, row)) = span.and_then(|span| Some((span, fold.spans.row(span)?))) else {
                return Ok(());
            };
            renderer.span(span, row)?;
        }
    }
    Sink::empty(&mut renderer.sink.buffer, &mut renderer.sink.out).map_err(RenderError::Write)
}

/// What the status message of a span begins with that was not ended by what it stands for.
pub const INTERRUPTED: &str = "interrupted: ";

struct Renderer<'f, 'l, 'w, S, W> {
    fold: &'f Fold,
    log: &'l mut LogReader<S>,
    sink: Sink<'w, W>,
    results: ToolsOf,
    called: ToolsOf,
    uses: ToolUses,
    /// When the span that was written last began and ended.
    times: (Time, Option<Time>),
}

impl<S: LogSource, W: io::Write> Renderer<'_, '_, '_, S, W> {
    fn document(
        mut self,
        mut shape: Shape,
        again: Option<usize>,
        copy: impl FnOnce(&mut W, u64, u64) -> io::Result<()>,
    ) -> Result<Shape, RenderError<S::Error>> {
        self.head()?;
        let next = self.go_on(&mut shape, again, copy).map_err(RenderError::Write)?;
        let fold = self.fold;
        let rest = fold.spans.order.iter().enumerate().skip(next).filter(|(_, span)| **span != fold.root);
        for (at, span) in rest {
            let Some(row) = fold.spans.row(*span) else { continue };
            self.sink.buffer.push(b',');
            self.span(*span, row)?;
            if let Some(behind) = fold.spans.first(row)
                && (shape.is_far(self.sink.position()) || at + 1 == fold.spans.order.len())
            {
                shape.add(Checkpoint {
                    next: at + 1,
                    behind,
                    end: self.sink.position(),
                    results: self.results.taken(),
                    called: self.called.taken(),
                    uses: self.uses.clone(),
                });
            }
            self.flush()?;
        }
        let out = &mut self.sink.buffer;
        out.push(b']');
        write_rest(fold.summary(), &self.uses, out);
        out.extend_from_slice(b"}\n");
        Sink::empty(&mut self.sink.buffer, &mut self.sink.out).map_err(RenderError::Write)?;
        shape.length = self.sink.position();
        Ok(shape)
    }

    /// Puts what stands behind the head up to a checkpoint of the document before. Returns which span is to be written next.
    fn go_on(
        &mut self,
        shape: &mut Shape,
        again: Option<usize>,
        copy: impl FnOnce(&mut W, u64, u64) -> io::Result<()>,
    ) -> io::Result<usize> {
        let head = self.sink.position();
        let is_whole = self.sink.out.written == 0;
        let same_head = is_whole && shape.head == self.sink.buffer;
        let before = shape.begin(head, if is_whole { &self.sink.buffer } else { &[] }, again);
        let Some((before, checkpoint)) = before else { return Ok(0) };
        // Where the head is the same, the copy begins where the file does, which a file system may do without copying.
        let (from, end) =
            if same_head { (0, checkpoint.end) } else { (before, checkpoint.end + before - head) };
        if same_head {
            self.sink.buffer.clear();
        } else {
            Sink::empty(&mut self.sink.buffer, &mut self.sink.out)?;
        }
        self.uses = checkpoint.uses.clone();
        copy(self.sink.out.out, from, end - from)?;
        self.sink.out.written = checkpoint.end;
        Ok(checkpoint.next)
    }

    /// Everything up to the root, and the root.
    fn head(&mut self) -> Result<(), RenderError<S::Error>> {
        let summary = self.fold.summary();
        let out = &mut self.sink.buffer;
        out.extend_from_slice(b"{\"version\":2");
        text("traceId", Some(&summary.trace_id), out);
        text("sessionId", Some(&summary.session_id), out);
        date("startedAt", summary.started_at, out);
        key("metadata", out);
        write_metadata(&summary.metadata, out);
        key("spans", out);
        out.push(b'[');
        self.root()
    }

    fn flush(&mut self) -> Result<(), RenderError<S::Error>> {
        Sink::flush(&mut self.sink.buffer, &mut self.sink.out).map_err(RenderError::Write)
    }

    /// The root: what the session says, and what events about the root itself say besides.
    fn root(&mut self) -> Result<(), RenderError<S::Error>> {
        let fold = self.fold;
        let summary = fold.summary();
        let row = fold.spans.row(fold.root).filter(|row| row.start().is_some());
        let mut view = match row {
            Some(row) => SpanView::of(fold, self.log, row)?,
            None => SpanView::default(),
        };
        if let Some(prompt) = &summary.metadata.prompt {
            let mut json = Vec::new();
            write_str(prompt, &mut json);
            view.input = Some(Value { json, valid: true });
        }
        let output = match summary.status {
            Status::Running => None,
            Status::Completed => Some(totals(summary)),
            Status::Error => Some(format!("Error: {}", summary.error.as_deref().unwrap_or("unknown"))),
            Status::Crashed => Some(format!("Crashed: {}", summary.error.as_deref().unwrap_or("unknown"))),
        };
        if let Some(output) = output {
            let mut json = Vec::new();
            write_str(&output, &mut json);
            view.output = Some(Value { json, valid: true });
            view.end_time = Some(summary.ended_at);
            view.failed = summary.status != Status::Completed;
            view.message.clone_from(&summary.error);
        }
        view.start_time = summary.started_at;
        let head =
            Head { id: &summary.root_span_id, parent: None, name: &summary.name, kind: SpanKind::Session };
        self.write_span(&head, row, &mut view, None, false)
    }

    fn span(&mut self, span: SpanNo, row: &Row) -> Result<(), RenderError<S::Error>> {
        let fold = self.fold;
        let mut view = SpanView::of(fold, self.log, row)?;
        // A guard that was dropped without an end has said so itself.
        let mut interrupted =
            view.failed && view.message.as_deref().is_some_and(|message| message.starts_with(INTERRUPTED));
        if row.end().is_none()
            && let Some((time, reason)) = fold.runs.interruption(row.run)
        {
            interrupted = true;
            view.end_time = Some(time);
            view.failed = true;
            view.message = Some(format!("{INTERRUPTED}{reason}"));
        }
        let parent =
            std::mem::take(&mut view.parent).filter(|_| fold.spans.parent(span, fold.root) != fold.root);
        let (id, name) = (std::mem::take(&mut view.id), std::mem::take(&mut view.name));
        let kind = match row.kind() {
            // There is one session in a trace, and it is the root.
            SpanKind::Session => SpanKind::Span,
            kind => kind,
        };
        let head = Head {
            id: &id,
            parent: Some(parent.as_deref().unwrap_or(&fold.summary().root_span_id)),
            name: &name,
            kind,
        };
        if kind == SpanKind::Tool {
            let duration_ns = tool_duration(&view, row);
            let input = view.input.as_ref().map_or(&[][..], |value| &value.json);
            self.uses.add(&name, CallInput::of(input), duration_ns.unwrap_or(0));
        }
        self.write_span(&head, Some(row), &mut view, Some(span), interrupted)
    }

    fn write_span(
        &mut self,
        head: &Head<'_>,
        row: Option<&Row>,
        view: &mut SpanView,
        span: Option<SpanNo>,
        interrupted: bool,
    ) -> Result<(), RenderError<S::Error>> {
        let fold = self.fold;
        let out = &mut self.sink.buffer;
        head.write(view.start_time, out);
        self.times = (view.start_time, view.end_time);
        if let Some(model) = &view.model {
            key("model", out);
            out.extend_from_slice(model);
        }
        if let Some(value) = &view.input {
            key("input", out);
            out.extend_from_slice(&value.json);
        } else if let (Some(span), SpanKind::Generation) = (span, head.kind) {
            self.results_of(span)?;
        }
        let streams_text = view.output.is_none() && row.is_some_and(|row| fold.spans.has_text(row));
        let out = &mut self.sink.buffer;
        if let (SpanKind::Tool, Some(row)) = (head.kind, row) {
            write_tool(view, row, out);
        }
        let check = row.and_then(|row| fold.spans.extra(row)).map(|extra| extra.text_check);
        let invalid_text = streams_text && check.is_some_and(|check| !check.is_valid());
        write_attributes(view, invalid_text, out);
        write_end(view, interrupted, out);
        write_usage(view, out);
        self.flush()?;
        let out = &mut self.sink.buffer;
        if let Some(value) = &view.output {
            key("output", out);
            out.extend_from_slice(&value.json);
        } else if let (true, Some(row)) = (streams_text, row) {
            key("output", out);
            let (buffer, to) = (&mut self.sink.buffer, &mut self.sink.out);
            stream_text(fold, self.log, row, buffer, |buffer| Sink::flush(buffer, to))?;
        } else if let (SpanKind::Generation, Some(span)) = (head.kind, span) {
            self.calls_of(span)?;
        } else if let (SpanKind::Tool, true, Some(message)) = (head.kind, view.failed, &view.message) {
            key("output", out);
            out.push(b'{');
            text("error", Some(message), out);
            out.push(b'}');
        }
        self.sink.buffer.push(b'}');
        Ok(())
    }

    /// What a generation was given, when its input was not: the results of its tools.
    fn results_of(&mut self, generation: SpanNo) -> Result<(), RenderError<S::Error>> {
        let tools = self.results.take(generation);
        for (at, tool) in tools.iter().enumerate() {
            if at == 0 {
                key("input", &mut self.sink.buffer);
                self.sink.buffer.push(b'"');
            } else {
                self.sink.buffer.extend_from_slice(b"\\n");
            }
            if let Some(row) = self.fold.spans.row(*tool) {
                let line = tool_line(self.fold, self.log, row)?;
                write_str_inside(&line, &mut self.sink.buffer);
            }
            self.flush()?;
        }
        if !tools.is_empty() {
            self.sink.buffer.push(b'"');
        }
        Ok(())
    }

    /// What a generation that said nothing did: the names of the tools that it called.
    fn calls_of(&mut self, generation: SpanNo) -> Result<(), RenderError<S::Error>> {
        let tools = self.called.take(generation);
        for (at, tool) in tools.iter().enumerate() {
            if at == 0 {
                key("output", &mut self.sink.buffer);
                self.sink.buffer.extend_from_slice(b"\"[tool calls: ");
            } else {
                self.sink.buffer.extend_from_slice(b", ");
            }
            let out = &mut self.sink.buffer;
            if let Some(place) = self.fold.spans.row(*tool).and_then(|row| row.start()) {
                read(self.fold, self.log, place, |facts, _| {
                    write_str_inside(facts.start.as_ref().map_or("", |start| start.name), out);
                })?;
            }
            self.flush()?;
        }
        if !tools.is_empty() {
            self.sink.buffer.extend_from_slice(b"]\"");
        }
        Ok(())
    }
}

/// A span may be large; the room that it took is not kept for the next.
const KEPT_ROOM_BYTES: usize = 1 << 20;

impl<S: LogSource> Renderer<'_, '_, '_, S, Vec<u8>> {
    fn hand_on(&mut self, each: &mut impl FnMut(SpanJson<'_>) -> io::Result<()>) -> io::Result<()> {
        Sink::empty(&mut self.sink.buffer, &mut self.sink.out)?;
        let json = &mut *self.sink.out.out;
        let (start, end) = self.times;
        each(SpanJson { json, start, end })?;
        json.clear();
        if json.capacity() > KEPT_ROOM_BYTES {
            *json = Vec::new();
        }
        Ok(())
    }
}
