//! Spans as values: opened by a builder, closed by an end, and closed as interrupted when they are dropped without one.

use tracewal_format::event::{
    DurationNs, Event, LifecycleBegun, LifecycleEnded, Metadata, Model, Note, Payload, SpanAttributes,
    SpanEnded, SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::time::Time;

use crate::error::Result;
use crate::session::Session;

impl Session {
    /// A span that is about to be opened under the root.
    pub fn span(&self, kind: SpanKind, name: impl Into<String>) -> NewSpan {
        NewSpan::new(self.clone(), kind, name.into())
    }

    /// A model call that is about to begin.
    pub fn generation(&self, name: impl Into<String>) -> NewSpan {
        self.span(SpanKind::Generation, name)
    }

    /// A tool call that is about to begin.
    pub fn tool(&self, name: impl Into<String>) -> NewSpan {
        self.span(SpanKind::Tool, name)
    }

    /// Records what the user said, as a span of no duration.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn user_message(&self, text: &str) -> Result<u64> {
        let now: Time = std::time::SystemTime::now().into();
        let id = new_span_id();
        let mut span = tracewal_format::event::Span::new(id, SpanKind::UserMessage, "user", now, now);
        span.input = Some(text.into());
        self.append_at(now, span)
    }

    /// Sets or replaces fields of the session's metadata.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn metadata(&self, metadata: Metadata<'_>) -> Result<u64> {
        self.append(metadata)
    }

    /// Records anything else that is to be kept, in order.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn note<'a>(&self, name: &'a str, data: impl Into<Option<Payload<'a>>>) -> Result<u64> {
        self.append(Note { data: data.into(), ..Note::new(name) })
    }

    /// Records that an action begins which will close things in this process.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn lifecycle_begun(&self, action: LifecycleBegun<'_>) -> Result<u64> {
        self.append(action)
    }

    /// Records that such an action is over.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn lifecycle_ended(&self, action_id: &str) -> Result<u64> {
        self.append(LifecycleEnded::new(action_id))
    }

    /// Records a fact about what happened: a [`Fact`](crate::evidence::Fact), or an evidence event as it is. Why the session stopped is
    /// derived from these, in their order.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn evidence<'a>(&self, fact: impl Into<tracewal_format::event::Evidence<'a>>) -> Result<u64> {
        self.append(fact.into())
    }
}

fn new_span_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A span that is about to be opened.
#[derive(Debug)]
#[must_use = "call start"]
pub struct NewSpan {
    session: Session,
    started: SpanStarted<'static>,
    time: Option<Time>,
}

impl NewSpan {
    fn new(session: Session, kind: SpanKind, name: String) -> Self {
        NewSpan { session, started: SpanStarted::new(String::new(), kind, name), time: None }
    }

    /// Its id; a new UUID unless given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.started.span_id = id.into().into();
        self
    }

    /// The span around it; the root unless given.
    pub fn parent(mut self, id: impl Into<String>) -> Self {
        self.started.parent_span_id = Some(id.into().into());
        self
    }

    /// The model of a generation, by its id.
    pub fn model(mut self, id: impl Into<String>) -> Self {
        self.started.model.get_or_insert_with(Model::new).model_id = Some(id.into().into());
        self
    }

    /// Who serves the model.
    pub fn provider(mut self, id: impl Into<String>) -> Self {
        self.started.model.get_or_insert_with(Model::new).provider_id = Some(id.into().into());
        self
    }

    /// What goes in: a string as it is, or [`Payload::owned_json`].
    pub fn input(mut self, input: impl Into<Payload<'static>>) -> Self {
        self.started.input = Some(input.into());
        self
    }

    /// Anything else: the text of a JSON object.
    pub fn attributes(mut self, object: impl Into<String>) -> Self {
        self.started.attributes = Some(Payload::owned_json(object.into()));
        self
    }

    /// The id of a tool call.
    pub fn call_id(mut self, id: impl Into<String>) -> Self {
        self.started.call_id = Some(id.into().into());
        self
    }

    /// When it began; now unless given.
    pub fn time(mut self, time: Time) -> Self {
        self.time = Some(time);
        self
    }

    /// Opens it.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn start(mut self) -> Result<Span> {
        if self.started.span_id.is_empty() {
            self.started.span_id = new_span_id().into();
        }
        let id = self.started.span_id.clone().into_owned();
        let event = Event::SpanStarted(self.started);
        match self.time {
            Some(time) => self.session.append_at(time, event)?,
            None => self.session.append(event)?,
        };
        Ok(Span { session: self.session, id, open: true })
    }
}

/// A span that is open. Dropped without an end (by `?`, a panic, a forgotten path), it is closed as interrupted.
#[derive(Debug)]
#[must_use = "a span that is dropped is closed as interrupted; call ok, fail or end"]
pub struct Span {
    session: Session,
    id: String,
    open: bool,
}

impl Span {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A span that is about to be opened under this one.
    pub fn child(&self, kind: SpanKind, name: impl Into<String>) -> NewSpan {
        self.session.span(kind, name).parent(self.id.clone())
    }

    /// A tool call under this span.
    pub fn tool(&self, name: impl Into<String>) -> NewSpan {
        self.child(SpanKind::Tool, name)
    }

    /// Appends a piece of streamed output. What has been streamed is kept even if the process is killed before the end.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn text(&self, piece: &str) -> Result<u64> {
        self.session.append(SpanText::new(self.id.as_str(), Text::new(piece)))
    }

    /// Merges attributes: the text of a JSON object.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn attributes(&self, object: &str) -> Result<u64> {
        self.session.append(SpanAttributes::new(self.id.as_str(), Payload::json(object)))
    }

    /// Closes it: it worked.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn ok(self) -> Result<u64> {
        self.end().finish()
    }

    /// Closes it: it failed.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn fail(self, message: impl Into<String>) -> Result<u64> {
        self.end().error(message).finish()
    }

    /// Closes it, with more to say.
    pub fn end(mut self) -> EndSpan {
        self.open = false;
        let ended = SpanEnded::new(std::mem::take(&mut self.id));
        EndSpan { session: Some(self.session.clone()), ended, time: None }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.open {
            let ended = SpanEnded {
                status: Some(SpanStatus::Error),
                status_message: Some("interrupted: dropped without an end".into()),
                ..SpanEnded::new(std::mem::take(&mut self.id))
            };
            // Nobody is left to be told: the span stays open, and is closed as interrupted when its run ends.
            let _ = self.session.append(ended);
        }
    }
}

/// A span that is about to be closed. Dropped without [`finish`](Self::finish), it is closed with what it has.
#[derive(Debug)]
#[must_use = "call finish"]
pub struct EndSpan {
    session: Option<Session>,
    ended: SpanEnded<'static>,
    time: Option<Time>,
}

impl EndSpan {
    /// What came out: a string as it is, or [`Payload::owned_json`].
    pub fn output(mut self, output: impl Into<Payload<'static>>) -> Self {
        self.ended.output = Some(output.into());
        self
    }

    /// It failed.
    pub fn error(mut self, message: impl Into<String>) -> Self {
        self.ended.status = Some(SpanStatus::Error);
        self.ended.status_message = Some(message.into().into());
        self
    }

    /// Why the model stopped.
    pub fn finish_reason(mut self, reason: impl Into<String>) -> Self {
        self.ended.finish_reason = Some(reason.into().into());
        self
    }

    /// What a model call used.
    pub fn tokens(mut self, tokens: Tokens<'static>) -> Self {
        self.ended.tokens = Some(tokens);
        self
    }

    /// What it cost, in US dollars.
    pub fn cost(mut self, us_dollars: f64) -> Self {
        self.ended.cost = Some(us_dollars);
        self
    }

    /// Attributes to be merged: the text of a JSON object.
    pub fn attributes(mut self, object: impl Into<String>) -> Self {
        self.ended.attributes = Some(Payload::owned_json(object.into()));
        self
    }

    /// How long a tool ran, where that differs from the time between start and end.
    pub fn duration(mut self, duration: std::time::Duration) -> Self {
        self.ended.duration_ms = Some(DurationNs::from(duration));
        self
    }

    /// When it ended; now unless given.
    pub fn time(mut self, time: Time) -> Self {
        self.time = Some(time);
        self
    }

    /// Closes the span.
    ///
    /// # Errors
    /// Those of [`Session::append`].
    pub fn finish(mut self) -> Result<u64> {
        self.write()
    }

    fn write(&mut self) -> Result<u64> {
        let Some(session) = self.session.take() else { return Ok(0) };
        let ended = std::mem::replace(&mut self.ended, SpanEnded::new(""));
        match self.time {
            Some(time) => session.append_at(time, ended),
            None => session.append(ended),
        }
    }
}

impl Drop for EndSpan {
    fn drop(&mut self) {
        let _ = self.write();
    }
}
