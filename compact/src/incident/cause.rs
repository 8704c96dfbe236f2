//! The words in which an incident is told.

use tracewal_engine::evidence::ApiError;
use tracewal_format::event::Watchdog;

/// Why something stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The connection to the provider broke.
    TransportDisconnect,
    /// The provider refused.
    ApiError(ApiError),
    /// The request could not be made.
    SetupFailure,
    /// A watchdog fired.
    Watchdog(Watchdog),
    /// The user cancelled.
    UserCancel,
    /// A tool failed.
    ToolFailure,
    /// A tool was interrupted while it ran.
    ToolInterrupted,
    /// The program closed it.
    LocalClose,
    /// The process crashed.
    Crash(CrashKind),
    /// Nothing in the log says why.
    Unknown,
}

/// How a process crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashKind {
    /// It ran out of memory, and somebody said so.
    OutOfMemory,
    /// A panic, or an exception that nobody caught.
    Panic,
    /// A signal.
    Signal,
    /// It was gone, and nobody saw it go.
    Vanished,
    /// The program said so.
    Reported,
}

impl CrashKind {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CrashKind::OutOfMemory => "out-of-memory",
            CrashKind::Panic => "panic",
            CrashKind::Signal => "signal",
            CrashKind::Vanished => "vanished",
            CrashKind::Reported => "reported",
        }
    }
}

impl Cause {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::TransportDisconnect => "provider-transport-disconnect",
            Cause::ApiError(_) => "provider-api-error",
            Cause::SetupFailure => "request-setup-failure",
            Cause::Watchdog(_) => "watchdog-timeout",
            Cause::UserCancel => "user-cancel",
            Cause::ToolFailure => "tool-execution-failure",
            Cause::ToolInterrupted => "tool-execution-interrupted",
            Cause::LocalClose => "local-lifecycle-close",
            Cause::Crash(_) => "crash",
            Cause::Unknown => "unknown-interruption",
        }
    }

    /// Its kind, where the cause alone says it.
    #[must_use]
    pub fn kind(self) -> Option<&'static str> {
        match self {
            Cause::ApiError(kind) => Some(kind.as_str()),
            Cause::Watchdog(watchdog) => Some(watchdog.as_str()),
            Cause::Crash(kind) => Some(kind.as_str()),
            _ => None,
        }
    }

    /// The cause with this name, of the kind that is assumed when none is said.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        const NAMED: [Cause; 10] = [
            Cause::TransportDisconnect,
            Cause::ApiError(ApiError::Other),
            Cause::SetupFailure,
            Cause::Watchdog(Watchdog::Connect),
            Cause::UserCancel,
            Cause::ToolFailure,
            Cause::ToolInterrupted,
            Cause::LocalClose,
            Cause::Crash(CrashKind::Reported),
            Cause::Unknown,
        ];
        NAMED.into_iter().find(|cause| cause.as_str() == name)
    }

    pub(crate) fn is_of_a_tool(self) -> bool {
        matches!(self, Cause::ToolFailure | Cause::ToolInterrupted)
    }
}

/// In which phase of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// While a tool ran.
    DuringToolExecution,
    /// While a tool's input was streaming.
    DuringToolInput,
    /// When a tool's call was known, and it had not run.
    AfterToolCall,
    /// When a tool had ended.
    AfterToolResult,
    /// While the model was streaming.
    DuringText,
    /// Before anything had come.
    BeforeFirstProgress,
    /// Nobody knows.
    Unknown,
}

impl Phase {
    const ALL: [Phase; 7] = [
        Phase::DuringToolExecution,
        Phase::DuringToolInput,
        Phase::AfterToolCall,
        Phase::AfterToolResult,
        Phase::DuringText,
        Phase::BeforeFirstProgress,
        Phase::Unknown,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::DuringToolExecution => "during-tool-execution",
            Phase::DuringToolInput => "during-tool-input",
            Phase::AfterToolCall => "after-tool-call",
            Phase::AfterToolResult => "after-tool-result",
            Phase::DuringText => "during-text",
            Phase::BeforeFirstProgress => "before-first-progress",
            Phase::Unknown => "unknown",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Phase::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A text says so, or nothing does.
    Low,
    /// It follows from other things.
    Medium,
    /// A record names it.
    High,
}

impl Confidence {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    pub(crate) fn lower(self) -> Self {
        match self {
            Confidence::High => Confidence::Medium,
            Confidence::Medium | Confidence::Low => Confidence::Low,
        }
    }
}

/// What an account of an incident lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing(u16);

impl Missing {
    pub(crate) const START: Missing = Missing(1);
    pub(crate) const SPANS_ONLY: Missing = Missing(1 << 1);
    pub(crate) const MATERIALISATION: Missing = Missing(1 << 2);
    pub(crate) const EXECUTION_START: Missing = Missing(1 << 3);
    pub(crate) const BOUNDARY: Missing = Missing(1 << 4);
    pub(crate) const API_KIND: Missing = Missing(1 << 5);
    pub(crate) const SIGNAL: Missing = Missing(1 << 6);
    pub(crate) const ACTION: Missing = Missing(1 << 7);
    pub(crate) const ORDERING: Missing = Missing(1 << 8);
    pub(crate) const ATTEMPTS: Missing = Missing(1 << 9);
    pub(crate) const TOOLS: Missing = Missing(1 << 10);

    const NAMES: [(Missing, &'static str); 11] = [
        (Missing::START, "attempt.startMissing"),
        (Missing::SPANS_ONLY, "evidence.spansOnly"),
        (Missing::MATERIALISATION, "tool.materialisationMissing"),
        (Missing::EXECUTION_START, "tool.executionStartMissing"),
        (Missing::BOUNDARY, "sideEffect.boundaryUnknown"),
        (Missing::API_KIND, "provider.kindMissing"),
        (Missing::SIGNAL, "crash.signalMissing"),
        (Missing::ACTION, "lifecycle.begunMissing"),
        (Missing::ORDERING, "evidence.orderingMissing"),
        (Missing::ATTEMPTS, "attempts.omitted"),
        (Missing::TOOLS, "tools.omitted"),
    ];

    pub(crate) fn add(&mut self, what: Missing, is_missing: bool) {
        if is_missing {
            self.0 |= what.0;
        }
    }

    pub(crate) fn has(self, what: Missing) -> bool {
        self.0 & what.0 != 0
    }

    /// Without these.
    pub(crate) fn except(self, what: &[Missing]) -> Missing {
        Missing(what.iter().fold(self.0, |left, one| left & !one.0))
    }

    /// Nothing is missing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What it is called in JSON, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Missing::NAMES.into_iter().filter(move |(what, _)| self.has(*what)).map(|(_, name)| name)
    }
}
