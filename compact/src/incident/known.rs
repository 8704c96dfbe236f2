//! What is known of an attempt: what came, what was shown, which tools ran.

use std::sync::Arc;

use tracewal_engine::evidence::{Effect, What};
use tracewal_engine::label::label;
use tracewal_format::event::VisibleOutput;

use super::cause::{Missing, Phase};
use crate::ids::SpanNo;

/// More calls of tools are not told apart.
const CALLS: usize = 16;

/// Which call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// As evidence names it.
    Named(Box<str>),
    /// A span.
    Span(SpanNo),
}

impl Key {
    pub(crate) fn named(tool: Option<&str>) -> Self {
        let tool = tool.unwrap_or_default();
        // Two calls whose names differ only far behind are taken for one.
        let mut end = tool.len().min(255);
        while !tool.is_char_boundary(end) {
            end -= 1;
        }
        Key::Named(tool.get(..end).unwrap_or_default().into())
    }
}

/// The tool's name as it is shown: without what tells its calls apart.
pub(crate) fn tool_label(tool: &str) -> Arc<str> {
    label(tool.split_once('#').map_or(tool, |(name, _)| name)).into()
}

/// Whether it may happen twice. `None`: nobody knows what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) effect: Effect,
    is_safe: Option<bool>,
}

impl Doing {
    pub(crate) const UNKNOWN: Doing = Doing { effect: Effect::Unknown, is_safe: None };

    pub(crate) fn of(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        let (name, is_safe) = match text.rsplit_once('+') {
            Some((name, "safe")) => (name, Some(true)),
            Some((name, "unsafe")) => (name, Some(false)),
            _ => (text, None),
        };
        let effect = Effect::from_name(name).unwrap_or(Effect::Unknown);
        let usual = match effect {
            Effect::ReadOnly => Some(true),
            Effect::LocalFileWrite | Effect::LocalProcess => Some(false),
            Effect::Unknown => None,
        };
        Doing { effect, is_safe: is_safe.or(usual) }
    }
}

/// One call of a tool.
#[derive(Clone, Debug)]
struct Call {
    key: Key,
    label: Arc<str>,
    doing: Doing,
    input_has_started: bool,
    is_whole: bool,
    runs: bool,
    has_ended: bool,
}

/// What is known of an attempt so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Its start is in the log.
    pub(crate) started: bool,
    /// Evidence is about it, and not spans alone.
    pub(crate) evidenced: bool,
    /// Evidence says that it starts: whoever says that says the rest too.
    pub(crate) declared: bool,
    /// Evidence is about its tools.
    tools_evidenced: bool,
    pub(crate) progress: bool,
    pub(crate) completed: bool,
    /// A span of it was ended by whoever let go of it.
    pub(crate) given_up: bool,
    pub(crate) text: bool,
    pub(crate) reasoning: bool,
    /// A tool has ended, and nothing was shown since.
    result_is_last: bool,
    calls: Vec<Call>,
    more_calls: bool,
    began_safe: bool,
    began_unsafe: bool,
    began_unknown: bool,
    span_began: bool,
    span_result_is_last: bool,
    missing_materialisation: bool,
    missing_execution: bool,
}

/// The tool that a candidate is about.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) key: Key,
    pub(crate) label: Arc<str>,
    pub(crate) effect: Effect,
}

/// How far tools came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// None ran.
    None,
    /// Nobody knows.
    Unknown,
    /// One had begun to run.
    Started,
    /// All that ran had ended.
    Ended,
}

/// What tools may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideEffect {
    /// Nothing.
    None,
    /// Nobody knows.
    Unknown,
    /// Only what may happen twice.
    Safe,
    /// What may not.
    Unsafe,
}

/// The facts at one place of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In which phase.
    pub phase: Phase,
    /// Text had been shown.
    pub text: bool,
    /// Reasoning had been shown.
    pub reasoning: bool,
    /// How far tools came.
    pub execution: Execution,
    /// What they may have done.
    pub side_effect: SideEffect,
    /// What is not known.
    pub missing: Missing,
}

impl Known {
    /// Whether it changes anything that text is shown.
    pub(crate) fn text_is_news(&self) -> bool {
        !self.text || self.result_is_last || self.span_result_is_last
    }

    /// It is said to have started, and not to have completed; or something of it was given up.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.given_up || (self.declared && !self.completed)
    }

    /// Something was shown.
    pub(crate) fn show(&mut self, output: Option<VisibleOutput>) {
        let shown =
            if output == Some(VisibleOutput::Reasoning) { &mut self.reasoning } else { &mut self.text };
        *shown = true;
        (self.progress, self.result_is_last, self.span_result_is_last) = (true, false, false);
    }

    /// Evidence about a tool. Returns the call that ran until now, for what ends it.
    pub(crate) fn tool(&mut self, what: What, tool: Option<&str>, doing: Doing) -> Option<Running> {
        self.tools_evidenced = true;
        let key = Key::named(tool);
        let latest = self.calls.iter().rposition(|call| call.key == key);
        let has_ended = latest.and_then(|at| self.calls.get(at)).is_some_and(|call| call.has_ended);
        let ends = matches!(
            what,
            What::ToolExecutionCompleted | What::ToolExecutionFailed | What::ToolExecutionInterrupted
        );
        if ends && has_ended {
            // Said once more.
            return None;
        }
        let at = match latest {
            Some(at) if !has_ended => at,
            _ if ends => {
                // A call that was not told apart may have run.
                self.missing_execution |= !self.more_calls;
                return None;
            }
            _ => self.new_call(key, tool_label(tool.unwrap_or_default()))?,
        };
        let call = self.calls.get_mut(at)?;
        let ran = call.runs.then(|| Running {
            key: call.key.clone(),
            label: call.label.clone(),
            effect: call.doing.effect,
        });
        match what {
            What::ToolInputStarted => call.input_has_started = true,
            What::ToolInputCompleted | What::ToolCallMaterialised => call.is_whole = true,
            What::ToolExecutionStarted => {
                self.missing_materialisation |= !call.is_whole && !call.runs;
                call.runs = true;
                if doing.is_safe.is_some() || call.doing == Doing::UNKNOWN {
                    call.doing = doing;
                }
                self.began(doing);
            }
            _ if ran.is_none() => self.missing_execution = true,
            _ => {
                (call.runs, call.has_ended) = (false, true);
                self.result_is_last = true;
            }
        }
        ran
    }

    fn began(&mut self, doing: Doing) {
        match doing.is_safe {
            Some(true) => self.began_safe = true,
            Some(false) => self.began_unsafe = true,
            None => self.began_unknown = true,
        }
    }

    /// The place of a new call. `None`: there are too many; that one may run, nobody knows what it does.
    fn new_call(&mut self, key: Key, label: Arc<str>) -> Option<usize> {
        if self.calls.len() >= CALLS {
            // What has ended is over; what is left of it are the marks.
            match self.calls.iter().position(|call| call.has_ended) {
                Some(over) => drop(self.calls.remove(over)),
                None => {
                    (self.more_calls, self.began_unknown) = (true, true);
                    return None;
                }
            }
        }
        self.calls.push(Call {
            key,
            label,
            doing: Doing::UNKNOWN,
            input_has_started: false,
            is_whole: false,
            runs: false,
            has_ended: false,
        });
        Some(self.calls.len() - 1)
    }

    /// A tool's span began.
    pub(crate) fn tool_span_started(&mut self, span: SpanNo, name: &str) {
        (self.progress, self.span_began) = (true, true);
        let unknown = self.began_unknown;
        let at = self.new_call(Key::Span(span), tool_label(name));
        if at.is_none() {
            // Spans are not counted where evidence is about tools; it is only known that there were more.
            self.began_unknown = unknown;
        }
        if let Some(call) = at.and_then(|at| self.calls.get_mut(at)) {
            call.runs = true;
        }
    }

    /// A tool's span ended. Returns its call if it ran, and spans are all that is known of tools.
    pub(crate) fn tool_span_ended(&mut self, span: SpanNo) -> Option<Running> {
        let call = self.calls.iter_mut().find(|call| call.key == Key::Span(span) && call.runs)?;
        (call.runs, call.has_ended) = (false, true);
        (self.progress, self.span_result_is_last) = (true, true);
        let running = Running { key: call.key.clone(), label: call.label.clone(), effect: Effect::Unknown };
        (!self.tools_evidenced).then_some(running)
    }

    /// The calls that count: those of evidence, and without any those of spans.
    fn counted(&self) -> impl DoubleEndedIterator<Item = &Call> {
        let spans = !self.tools_evidenced;
        self.calls.iter().filter(move |call| matches!(call.key, Key::Span(_)) == spans)
    }

    /// The newest call that runs.
    pub(crate) fn running(&self) -> Option<Running> {
        let call = self.counted().rfind(|call| call.runs)?;
        Some(Running { key: call.key.clone(), label: call.label.clone(), effect: call.doing.effect })
    }

    fn span_is_all(&self) -> bool {
        self.span_began && !self.tools_evidenced
    }

    pub(crate) fn phase(&self) -> Phase {
        let any = |of: fn(&Call) -> bool| self.counted().any(of);
        let result_is_last =
            if self.tools_evidenced { self.result_is_last } else { self.span_result_is_last };
        if any(|call| call.runs) {
            Phase::DuringToolExecution
        } else if any(|call| call.input_has_started && !call.is_whole && !call.has_ended) {
            Phase::DuringToolInput
        } else if any(|call| call.is_whole && !call.has_ended) {
            Phase::AfterToolCall
        } else if result_is_last {
            Phase::AfterToolResult
        } else if self.progress {
            Phase::DuringText
        } else if self.started {
            Phase::BeforeFirstProgress
        } else {
            Phase::Unknown
        }
    }

    /// The facts, with what is missing besides.
    pub(crate) fn facts(&self, besides: Missing) -> Facts {
        let mut missing = besides;
        missing.add(Missing::START, !self.started);
        missing.add(Missing::SPANS_ONLY, self.started && !self.declared);
        missing.add(Missing::MATERIALISATION, self.missing_materialisation);
        missing.add(Missing::EXECUTION_START, self.missing_execution);
        missing.add(Missing::BOUNDARY, self.began_unknown || self.span_is_all());
        missing.add(Missing::TOOLS, self.more_calls);
        let side_effect = self.side_effect();
        let execution = match side_effect {
            _ if self.counted().any(|call| call.runs) => Execution::Started,
            Some(_) => Execution::Ended,
            None if is_account(missing) => Execution::None,
            None => Execution::Unknown,
        };
        let nothing = if is_account(missing) { SideEffect::None } else { SideEffect::Unknown };
        Facts {
            phase: self.phase(),
            text: self.text,
            reasoning: self.reasoning,
            execution,
            side_effect: side_effect.unwrap_or(nothing),
            missing,
        }
    }

    /// What tools that began may have done. `None`: none began.
    pub(crate) fn side_effect(&self) -> Option<SideEffect> {
        if self.began_unsafe {
            Some(SideEffect::Unsafe)
        } else if self.began_unknown || self.span_is_all() {
            Some(SideEffect::Unknown)
        } else if self.began_safe {
            Some(SideEffect::Safe)
        } else {
            None
        }
    }
}

/// Whether what is not said did not happen.
fn is_account(missing: Missing) -> bool {
    !missing.has(Missing::START)
        && !missing.has(Missing::SPANS_ONLY)
        && !missing.has(Missing::ORDERING)
        && !missing.has(Missing::ATTEMPTS)
        && !missing.has(Missing::TOOLS)
}

impl Facts {
    /// Of nothing: no attempt is known.
    pub(crate) fn of_nothing(besides: Missing) -> Self {
        let mut missing = besides;
        missing.add(Missing::START, true);
        Facts {
            phase: Phase::Unknown,
            text: false,
            reasoning: false,
            execution: Execution::Unknown,
            side_effect: SideEffect::Unknown,
            missing,
        }
    }

    /// What was shown, as JSON says it.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match (self.text, self.reasoning) {
            (true, true) => "text-and-reasoning",
            (true, false) => "text",
            (false, true) => "reasoning",
            (false, false) if is_account(self.missing) => "none",
            (false, false) => "unknown",
        }
    }
}

impl Execution {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Execution::None => "none",
            Execution::Unknown => "unknown",
            Execution::Started => "started",
            Execution::Ended => "ended",
        }
    }
}

impl SideEffect {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SideEffect::None => "none",
            SideEffect::Unknown => "unknown",
            SideEffect::Safe => "safe",
            SideEffect::Unsafe => "unsafe",
        }
    }
}
