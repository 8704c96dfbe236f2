//! The events of a session. This table is the one place that decides their fields, wire form and JSON keys (SPEC.md section 6).
//!
//! Strings and payloads are borrowed where they can be: from the caller while appending, from the log while reading.

use std::borrow::Cow;

use crate::time::Time;
use crc32fast::Hasher;

use crate::wire::{Body, Decoder, Structure, enumeration, nested, structure};
pub use crate::wire::{DurationNs, Malformed, Measure};

/// A string, borrowed or owned.
pub type Str<'a> = Cow<'a, str>;

/// Free-form JSON, or a plain string, exactly as it came in. Nothing is checked before it is folded (SPEC.md section 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// 0: JSON text. 1: a string. 2 and 3 are reserved.
    pub encoding: u8,
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Payload<'a> {
    /// Encoding of JSON text.
    pub const JSON: u8 = 0;
    /// Encoding of a plain string.
    pub const STRING: u8 = 1;

    /// JSON text: `{"command":"ls"}`. Kept as it is, and checked when it is folded.
    pub fn json<B: AsRef<[u8]> + ?Sized>(text: &'a B) -> Self {
        Payload { encoding: Self::JSON, bytes: Cow::Borrowed(text.as_ref()) }
    }

    /// A plain string: it needs no quotes and no escapes.
    pub fn string<B: AsRef<[u8]> + ?Sized>(text: &'a B) -> Self {
        Payload { encoding: Self::STRING, bytes: Cow::Borrowed(text.as_ref()) }
    }

    /// Owned JSON text.
    #[must_use]
    pub fn owned_json(text: impl Into<Vec<u8>>) -> Payload<'static> {
        Payload { encoding: Self::JSON, bytes: Cow::Owned(text.into()) }
    }

    /// An owned plain string.
    #[must_use]
    pub fn owned_string(text: impl Into<Vec<u8>>) -> Payload<'static> {
        Payload { encoding: Self::STRING, bytes: Cow::Owned(text.into()) }
    }
}

/// A plain string is a payload as it is; for JSON use [`Payload::json`].
impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Payload::string(text)
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Payload { encoding: Self::STRING, bytes: Cow::Owned(text.into_bytes()) }
    }
}

/// A piece of streamed text. A piece may end inside a character: pieces are joined before they are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Payload<'a>);

impl<'a> Text<'a> {
    /// A piece of UTF-8, or of bytes that become UTF-8 with the pieces around it.
    pub fn new<B: AsRef<[u8]> + ?Sized>(text: &'a B) -> Self {
        Text(Payload::string(text))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text::new(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(text.into())
    }
}

enumeration! {
    /// What a span is.
    SpanKind {
        /// Anything else; also what an unknown kind is read as.
        Span = 0 "span",
        /// The root.
        Session = 1 "session",
        /// One model call.
        Generation = 2 "generation",
        /// One tool call.
        Tool = 3 "tool",
        /// A text.
        Text = 4 "text",
        /// What the user said.
        UserMessage = 5 "user-message",
    }
    unknown: Span
}

enumeration! {
    /// How a span ended.
    SpanStatus {
        /// It worked.
        Ok = 0 "ok",
        /// It failed.
        Error = 1 "error",
    }
    unknown: Ok
}

enumeration! {
    /// How a session ended in order.
    EndStatus {
        /// It did what it was to do.
        Completed = 0 "completed",
        /// It failed.
        Error = 1 "error",
    }
    unknown: Completed
}

enumeration! {
    /// Why a run ended in order without ending its session.
    RunEndReason {
        /// The last handle was dropped.
        Closed = 0 "closed",
        /// Standard input ended.
        StdinEnd = 1 "stdin-end",
        /// The process exited normally.
        ProcessExit = 2 "process-exit",
    }
    unknown: Closed
}

enumeration! {
    /// Who noticed a crash.
    FoundBy {
        /// A signal handler of the process itself.
        Handler = 0 "handler",
        /// Its panic hook.
        PanicHook = 1 "panic-hook",
        /// Its exit hook.
        ExitHook = 2 "exit-hook",
        /// Another process, afterwards.
        Recovery = 3 "recovery",
        /// The embedder said so.
        Caller = 4 "caller",
    }
    unknown: Handler
}

enumeration! {
    /// What was visible to the user.
    VisibleOutput {
        /// Text.
        Text = 0 "text",
        /// Reasoning.
        Reasoning = 1 "reasoning",
    }
    unknown: Text
}

enumeration! {
    /// Which watchdog fired.
    Watchdog {
        /// No connection in time.
        Connect = 0 "connect",
        /// Connected, and then nothing.
        SilentStream = 1 "silent-stream",
    }
    unknown: Connect
}

structure! {
    /// What a session is about. On its own: replaces the fields that are present.
    #[derive(Default)]
    Metadata<'a> {
        ;
        /// What people call it.
        title: Str<'a> = "title",
        /// The model.
        model: Str<'a> = "model",
        /// Who serves the model.
        provider_id: Str<'a> = "providerId",
        /// The agent.
        agent: Str<'a> = "agent",
        /// A variant of the agent or model.
        variant: Str<'a> = "variant",
        /// What was asked; the root span's input.
        prompt: Str<'a> = "prompt",
        /// Who asked.
        user_id: Str<'a> = "userId",
        /// Where it ran.
        environment: Str<'a> = "environment",
        /// Of the embedder.
        version: Str<'a> = "version",
        /// Anything to find it by.
        tags: Vec<Str<'a>> = "tags",
    }
}

structure! {
    /// Which model a generation used.
    Model<'a> {
        ;
        /// Its id.
        model_id: Str<'a> = "modelId",
        /// Who serves it.
        provider_id: Str<'a> = "providerId",
        /// Reasoning effort, or another variant.
        variant: Str<'a> = "variant",
    }
}

/// A model id alone.
impl<'a> From<&'a str> for Model<'a> {
    fn from(id: &'a str) -> Self {
        Model { model_id: Some(id.into()), ..Model::new() }
    }
}

structure! {
    /// Tokens of one model call, in classes that do not overlap: cached input is not also `input`.
    Tokens<'a> {
        /// Input that was not cached.
        input: u64 = "input",
        /// Output that is not reasoning.
        output: u64 = "output",
        /// Reasoning.
        reasoning: u64 = "reasoning",
        /// Input read from a cache.
        cache_read: u64 = "cacheRead",
        /// Input written to a cache.
        cache_write: u64 = "cacheWrite",
        ;
    }
}

impl Tokens<'_> {
    /// The sum of the five classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.output, self.reasoning, self.cache_read, self.cache_write]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

structure! {
    /// Who began a lifecycle action.
    Origin<'a> {
        /// `server-handler`, `config`, `cli`, `runtime` or `unknown`.
        source: Str<'a> = "source",
        ;
        /// Which operation.
        operation: Str<'a> = "operation",
        /// Why.
        reason: Str<'a> = "reason",
    }
}

structure! {
    /// An error as a piece of evidence.
    ErrorInfo<'a> {
        ;
        /// Its class.
        name: Str<'a> = "name",
        /// Its code.
        code: Str<'a> = "code",
        /// Its text.
        message: Str<'a> = "message",
    }
}

structure! {
    /// An uncaught exception or a panic.
    Exception<'a> {
        /// Its class.
        r#type: Str<'a> = "type",
        /// Its text.
        message: Str<'a> = "message",
        ;
        /// Where it came from.
        stack: Str<'a> = "stack",
    }
}

nested!(Metadata, Model, Tokens, Origin, ErrorInfo, Exception);

structure! {
    /// The first event of a session.
    SessionStarted<'a> {
        ;
        /// The id of the trace.
        trace_id: Str<'a> = "traceId",
        /// The id of the root span.
        root_span_id: Str<'a> = "rootSpanId",
        /// The name of the root span.
        name: Str<'a> = "name",
        /// What the session is about.
        metadata: Metadata<'a> = "metadata",
        /// What lifecycle actions may cover it by.
        scopes: Vec<Str<'a>> = "scopes",
    }
}

structure! {
    /// A process begins to write. Written by the engine.
    RunStarted<'a> {
        /// Its process id.
        pid: u32 = "pid",
        ;
        /// Its start time in clock ticks since boot: with the pid, which process it was.
        start_time_ticks: u64 = "startTimeTicks",
        /// The boot during which it ran.
        boot_id: Str<'a> = "bootId",
        /// Its pid namespace.
        pid_namespace: u64 = "pidNamespace",
        /// The machine.
        host: Str<'a> = "host",
        /// The program.
        exe: Str<'a> = "exe",
        /// Why it began to write.
        reason: Str<'a> = "reason",
    }
}

structure! {
    /// The writer closed in order without ending the session. Written by the engine.
    RunEnded<'a> {
        /// Why.
        reason: RunEndReason = "reason",
        ;
    }
}

structure! {
    /// A span that is open now.
    SpanStarted<'a> {
        /// Its id.
        span_id: Str<'a> = "spanId",
        /// What it is.
        kind: SpanKind = "kind",
        /// Its name: of a tool, the tool's.
        name: Str<'a> = "name",
        ;
        /// The span around it; the root when absent.
        parent_span_id: Str<'a> = "parentSpanId",
        /// The model of a generation.
        model: Model<'a> = "model",
        /// What went in.
        input: Payload<'a> = "input",
        /// Anything else: a JSON object.
        attributes: Payload<'a> = "attributes",
        /// The id of a tool call.
        call_id: Str<'a> = "callId",
    }
}

structure! {
    /// Streamed output, in order.
    SpanText<'a> {
        /// Of which span.
        span_id: Str<'a> = "spanId",
        /// The piece.
        text: Text<'a> = "text",
        ;
    }
}

structure! {
    /// Merged into the span's attributes, also after its end.
    SpanAttributes<'a> {
        /// Of which span.
        span_id: Str<'a> = "spanId",
        /// A JSON object.
        attributes: Payload<'a> = "attributes",
        ;
    }
}

structure! {
    /// Closes a span.
    SpanEnded<'a> {
        /// Which one.
        span_id: Str<'a> = "spanId",
        ;
        /// `ok` when absent.
        status: SpanStatus = "status",
        /// The error's text.
        status_message: Str<'a> = "statusMessage",
        /// Why the model stopped.
        finish_reason: Str<'a> = "finishReason",
        /// What a model call used.
        tokens: Tokens<'a> = "tokens",
        /// US dollars.
        cost: f64 = "cost",
        /// What came out.
        output: Payload<'a> = "output",
        /// Merged into the span's attributes: a JSON object.
        attributes: Payload<'a> = "attributes",
        /// How long a tool ran, when that differs from end − start.
        duration_ms: DurationNs = "durationMs",
    }
}

structure! {
    /// A span that was over before it was reported.
    Span<'a> {
        /// Its id.
        span_id: Str<'a> = "spanId",
        /// What it is.
        kind: SpanKind = "kind",
        /// Its name.
        name: Str<'a> = "name",
        /// When it began.
        start_time: Time = "startTime",
        /// When it ended.
        end_time: Time = "endTime",
        ;
        /// The span around it; the root when absent.
        parent_span_id: Str<'a> = "parentSpanId",
        /// The model of a generation.
        model: Model<'a> = "model",
        /// What went in.
        input: Payload<'a> = "input",
        /// Anything else: a JSON object.
        attributes: Payload<'a> = "attributes",
        /// The id of a tool call.
        call_id: Str<'a> = "callId",
        /// `ok` when absent.
        status: SpanStatus = "status",
        /// The error's text.
        status_message: Str<'a> = "statusMessage",
        /// Why the model stopped.
        finish_reason: Str<'a> = "finishReason",
        /// What a model call used.
        tokens: Tokens<'a> = "tokens",
        /// US dollars.
        cost: f64 = "cost",
        /// What came out.
        output: Payload<'a> = "output",
        /// How long a tool ran, when that differs from end − start.
        duration_ms: DurationNs = "durationMs",
    }
}

structure! {
    /// An action begins that will close things in this process.
    LifecycleBegun<'a> {
        /// Its id.
        action_id: Str<'a> = "actionId",
        /// `instance-reload`, `instance-dispose`, `shutdown` and so on.
        kind: Str<'a> = "kind",
        ;
        /// What it covers; everything when absent.
        scopes: Vec<Str<'a>> = "scopes",
        /// Who began it.
        origin: Origin<'a> = "origin",
        /// The action that it is a part of.
        parent_action_id: Str<'a> = "parentActionId",
        /// The request that led to it.
        request: Str<'a> = "request",
    }
}

structure! {
    /// A lifecycle action is over.
    LifecycleEnded<'a> {
        /// Which one.
        action_id: Str<'a> = "actionId",
        ;
    }
}

structure! {
    /// A fact about what happened, for deriving incidents.
    Evidence<'a> {
        /// Who saw it.
        source: Str<'a> = "source",
        /// What was seen.
        event: Str<'a> = "event",
        ;
        /// Which attempt it belongs to.
        attempt_id: Str<'a> = "attemptId",
        /// Whether it may be the cause of the end.
        terminal: bool = "terminal",
        /// The cause that it stands for.
        cause: Str<'a> = "cause",
        /// The phase in which it happened.
        phase: Str<'a> = "phase",
        /// The tool concerned.
        tool: Str<'a> = "tool",
        /// What the tool does to the world: `read-only`, `local-file-write`, `local-process`, `unknown`.
        effect: Str<'a> = "effect",
        /// What had become visible.
        output: VisibleOutput = "output",
        /// The provider's answer.
        http_status: u16 = "httpStatus",
        /// Which watchdog fired.
        watchdog: Watchdog = "watchdog",
        /// Whether the provider says that a retry may help.
        retryable: bool = "retryable",
        /// The error.
        error: ErrorInfo<'a> = "error",
        /// The caller's monotonic clock.
        monotonic: DurationNs = "monotonic",
    }
}

structure! {
    /// Anything else that is to be kept, in order.
    Note<'a> {
        /// What kind of note.
        name: Str<'a> = "name",
        ;
        /// Its content.
        data: Payload<'a> = "data",
    }
}

structure! {
    /// The orderly end.
    SessionEnded<'a> {
        /// How.
        status: EndStatus = "status",
        ;
        /// The error's text.
        error: Str<'a> = "error",
        /// The lifecycle action that ended it.
        action_id: Str<'a> = "actionId",
    }
}

structure! {
    /// The disorderly end. It may stand before or after anything, any number of times.
    Crashed<'a> {
        /// In a few words.
        reason: Str<'a> = "reason",
        ;
        /// The signal's name.
        signal: Str<'a> = "signal",
        /// The exception or panic.
        exception: Exception<'a> = "exception",
        /// The process that crashed.
        pid: u32 = "pid",
        /// Who noticed.
        found_by: FoundBy = "foundBy",
        /// When it was noticed, if that was later.
        found_time: Time = "foundTime",
        /// The run that it is about; the one that it stands in when absent.
        run: u32 = "run",
        /// The crash slot of that run that it stands for, from 0.
        slot: u32 = "slot",
        /// The lifecycle action that was open.
        action_id: Str<'a> = "actionId",
    }
}

structure! {
    /// A record of the log itself, written by recovery and repair: events that are lost.
    Gap<'a> {
        /// The first lost sequence number.
        first: u64 = "first",
        /// The last.
        last: u64 = "last",
        /// The file in which they were.
        file: Str<'a> = "file",
        /// Where in it.
        offset: u64 = "offset",
        /// How many bytes.
        length: u64 = "length",
        /// What kind of loss it is.
        kind: Str<'a> = "kind",
        ;
        /// What kind it was before it was repaired.
        was: Str<'a> = "was",
    }
}

impl<'a> Gap<'a> {
    /// Reads a gap record's body.
    pub fn decode_body(body: &'a [u8]) -> Result<Self, Malformed> {
        decode_whole(body)
    }

    /// The bytes of a gap record's body.
    pub fn encode_body(&self) -> Result<Vec<u8>, Malformed> {
        let measure = self.measure();
        let mut body = vec![0; measure.size];
        Structure::encode(self, measure, &mut Body::new(&mut body, Hasher::new()))?;
        Ok(body)
    }
}

#[inline(always)] // Passed through memory, what it returns would be waited for.
fn decode_whole<'a, T: Structure<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    let mut from = Decoder::new(body);
    let value = T::decode(&mut from)?;
    if from.is_empty() { Ok(value) } else { Err(Malformed) }
}

macro_rules! events {
    ($($(#[$meta:meta])* $variant:ident = $number:literal $name:literal: $type:ident,)*) => {
        /// One event of a session.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event<'a> {
            $($(#[$meta])* $variant($type<'a>),)*
        }

        $(
            impl<'a> From<$type<'a>> for Event<'a> {
                fn from(event: $type<'a>) -> Self {
                    Event::$variant(event)
                }
            }

            impl $type<'_> {
                /// Its number in a record.
                pub const KIND: u8 = $number;
            }

            impl<'a> AnyEvent<'a> for $type<'a> {
                #[inline]
                fn kind(&self) -> u8 {
                    Self::KIND
                }

                #[inline]
                fn measure(&self) -> Measure {
                    Structure::measure(self)
                }

                #[inline]
                fn encode(&self, measure: Measure, to: &mut Body<'_>) -> Result<(), Malformed> {
                    Structure::encode(self, measure, to)
                }

                fn largest_value(&self) -> usize {
                    $type::largest_value(self)
                }
            }
        )*

        impl<'a> Event<'a> {
            /// The names of all events, with their numbers.
            pub const NAMES: &'static [(u8, &'static str)] = &[$(($number, $name)),*];

            /// Its number in a record.
            #[must_use]
            pub fn kind(&self) -> u8 {
                match self { $(Event::$variant(_) => $number),* }
            }

            /// The length of its body in bytes.
            #[must_use]
            pub fn encoded_len(&self) -> usize {
                AnyEvent::measure(self).size
            }

            /// Its name in JSON.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Event::$variant(_) => $name),* }
            }

            /// Writes the body into `to` and returns its length in bytes. `to` too short is [`Malformed`].
            pub fn encode_into(&self, to: &mut [u8]) -> Result<usize, Malformed> {
                let mut body = Body::new(to, Hasher::new());
                AnyEvent::encode(self, AnyEvent::measure(self), &mut body)?;
                Ok(body.finish().1)
            }

            /// Reads a body. `None`: an event of a newer version.
            #[inline]
            pub fn decode(kind: u8, body: &'a [u8]) -> Option<Result<Self, Malformed>> {
                match kind {
                    $($number => Some(decode_whole(body).map(Event::$variant)),)*
                    _ => None,
                }
            }

            pub(crate) fn write_json_fields(&self, out: &mut Vec<u8>) {
                match self { $(Event::$variant(event) => event.write_json_fields(out)),* }
            }

            pub(crate) fn read_json_fields(
                name: &str,
                fields: &mut crate::json::Fields<'a>,
            ) -> Option<Result<Self, crate::json::EventError>> {
                match name {
                    $($name => Some($type::read_json_fields(fields).map(Event::$variant)),)*
                    _ => None,
                }
            }
        }

        impl<'a> AnyEvent<'a> for Event<'a> {
            fn kind(&self) -> u8 {
                Event::kind(self)
            }

            fn measure(&self) -> Measure {
                match self { $(Event::$variant(event) => Structure::measure(event)),* }
            }

            fn encode(&self, measure: Measure, to: &mut Body<'_>) -> Result<(), Malformed> {
                match self { $(Event::$variant(event) => Structure::encode(event, measure, to)),* }
            }

            fn largest_value(&self) -> usize {
                match self { $(Event::$variant(event) => event.largest_value()),* }
            }
        }
    };
}

/// What can be appended: an [`Event`], or any of the structures that it is made of, as it is.
pub trait AnyEvent<'a> {
    /// Its number in a record.
    fn kind(&self) -> u8;

    /// What is found out before it is written: above all the length of its body.
    fn measure(&self) -> Measure;

    /// Writes the body, which has been measured. Too little room is [`Malformed`].
    fn encode(&self, measure: Measure, to: &mut Body<'_>) -> Result<(), Malformed>;

    /// The largest single value in it, in bytes: what the record limit is compared with.
    fn largest_value(&self) -> usize;
}

impl<'a, E: AnyEvent<'a>> AnyEvent<'a> for &E {
    #[inline]
    fn kind(&self) -> u8 {
        (*self).kind()
    }

    #[inline]
    fn measure(&self) -> Measure {
        (*self).measure()
    }

    #[inline]
    fn encode(&self, measure: Measure, to: &mut Body<'_>) -> Result<(), Malformed> {
        (*self).encode(measure, to)
    }

    fn largest_value(&self) -> usize {
        (*self).largest_value()
    }
}

events! {
    /// A session begins.
    SessionStarted = 1 "session-started": SessionStarted,
    /// A process begins to write.
    RunStarted = 2 "run-started": RunStarted,
    /// A process stops writing in order.
    RunEnded = 3 "run-ended": RunEnded,
    /// What the session is about.
    Metadata = 4 "metadata": Metadata,
    /// A span opens.
    SpanStarted = 5 "span-started": SpanStarted,
    /// Streamed output.
    SpanText = 6 "span-text": SpanText,
    /// More attributes.
    SpanAttributes = 7 "span-attributes": SpanAttributes,
    /// A span closes.
    SpanEnded = 8 "span-ended": SpanEnded,
    /// A span that is over.
    Span = 9 "span": Span,
    /// A lifecycle action begins.
    LifecycleBegun = 10 "lifecycle-begun": LifecycleBegun,
    /// A lifecycle action is over.
    LifecycleEnded = 11 "lifecycle-ended": LifecycleEnded,
    /// A fact.
    Evidence = 12 "evidence": Evidence,
    /// Anything else.
    Note = 13 "note": Note,
    /// The session ends in order.
    SessionEnded = 14 "session-ended": SessionEnded,
    /// The session ends in disorder.
    Crashed = 15 "crashed": Crashed,
}

fn len(payload: Option<&Payload<'_>>) -> usize {
    payload.map_or(0, |p| p.bytes.len())
}

/// The largest single value of the events that have values without a limit of their own.
macro_rules! largest_value {
    ($($type:ident: |$event:ident| $largest:expr;)*) => {$(
        impl $type<'_> {
            fn largest_value(&self) -> usize {
                let $event = self;
                $largest
            }
        }
    )*};
}
largest_value! {
    SpanStarted: |e| len(e.input.as_ref()).max(len(e.attributes.as_ref()));
    SpanText: |e| e.text.0.bytes.len();
    SpanAttributes: |e| e.attributes.bytes.len();
    SpanEnded: |e| len(e.output.as_ref()).max(len(e.attributes.as_ref()));
    Span: |e| len(e.input.as_ref()).max(len(e.attributes.as_ref())).max(len(e.output.as_ref()));
    Note: |e| len(e.data.as_ref());
    SessionStarted: |_e| 0;
    RunStarted: |_e| 0;
    RunEnded: |_e| 0;
    Metadata: |_e| 0;
    LifecycleBegun: |_e| 0;
    LifecycleEnded: |_e| 0;
    Evidence: |_e| 0;
    SessionEnded: |_e| 0;
    Crashed: |_e| 0;
}

impl Event<'_> {
    /// Whether the embedder said it, as opposed to the engine's own `run-started` and `run-ended`, or a crash record.
    #[must_use]
    pub fn is_embedders(&self) -> bool {
        !matches!(self, Event::RunStarted(_) | Event::RunEnded(_) | Event::Crashed(_))
    }
}
