//! Facts about what happened, for deriving why a session stopped (SPEC.md section 11.9).

use std::time::Duration;

use tracewal_format::event::{DurationNs, ErrorInfo, Evidence, VisibleOutput, Watchdog};

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Its name in the log and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The one with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

vocabulary! {
    /// What a piece of evidence says.
    What {
        /// A call of the model begins.
        AttemptStarted = "attempt-started",
        /// It is over, and went well.
        AttemptCompleted = "attempt-completed",
        /// Something came from the provider.
        ProviderProgress = "provider-progress",
        /// The user was shown something.
        VisibleOutput = "visible-output",
        /// A tool's input is streaming.
        ToolInputStarted = "tool-input-started",
        /// A tool's input is whole.
        ToolInputCompleted = "tool-input-completed",
        /// A tool's call is known.
        ToolCallMaterialised = "tool-call-materialised",
        /// A tool runs.
        ToolExecutionStarted = "tool-execution-started",
        /// A tool has ended.
        ToolExecutionCompleted = "tool-execution-completed",
        /// A tool has ended, and failed.
        ToolExecutionFailed = "tool-execution-failed",
        /// A tool was interrupted.
        ToolExecutionInterrupted = "tool-execution-interrupted",
        /// The connection to the provider broke.
        TransportFailure = "transport-failure",
        /// The provider refused.
        ProviderApiError = "provider-api-error",
        /// The request could not be made.
        SetupFailure = "setup-failure",
        /// A watchdog fired.
        Watchdog = "watchdog",
        /// The user cancelled.
        UserCancel = "user-cancel",
        /// The attempt is tried again.
        Retry = "retry",
        /// What went wrong has been made good.
        Recovery = "recovery",
        /// Something is put away.
        CleanUp = "clean-up",
    }
}

vocabulary! {
    /// What a tool does to the world.
    Effect {
        /// Nothing.
        ReadOnly = "read-only",
        /// It writes files of this machine.
        LocalFileWrite = "local-file-write",
        /// It runs a process of this machine.
        LocalProcess = "local-process",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// Why a provider refuses.
    ApiError {
        /// Too many requests.
        RateLimit = "rate-limit",
        /// Nothing left of what was paid for.
        Quota = "quota",
        /// It does not know who asks, or does not let them.
        Auth = "auth",
        /// It is too busy.
        Overloaded = "overloaded",
        /// The request is too long for the model.
        Context = "context",
        /// Something else.
        Other = "other",
    }
}

/// A fact, as [`Session::evidence`](crate::Session::evidence) takes it.
///
/// Give [`attempt`](Self::attempt) where more than one model call may be going on, and tell a tool's execution *before* it begins: then
/// the log proves what had not begun.
///
/// ```
/// use tracewal_engine::evidence::{Effect, Fact};
///
/// let fact = Fact::tool_execution_started("bash", Effect::LocalProcess).attempt("a1").call("call-7");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "give it to Session::evidence"]
pub struct Fact<'a>(Evidence<'a>);

impl<'a> Fact<'a> {
    fn new(source: &'static str, what: What) -> Self {
        Fact(Evidence::new(source, what.as_str()))
    }

    fn of_tool(what: What, tool: &'a str) -> Self {
        Fact(Evidence { tool: Some(tool.into()), ..Fact::new("tool", what).0 })
    }

    /// A call of the model begins.
    pub fn attempt_started() -> Self {
        Fact::new("runtime", What::AttemptStarted)
    }

    /// It is over, and went well.
    pub fn attempt_completed() -> Self {
        Fact::new("runtime", What::AttemptCompleted)
    }

    /// Something came from the provider.
    pub fn provider_progress() -> Self {
        Fact::new("provider", What::ProviderProgress)
    }

    /// The user was shown text.
    pub fn visible_text() -> Self {
        Fact(Evidence { output: Some(VisibleOutput::Text), ..Fact::new("provider", What::VisibleOutput).0 })
    }

    /// The user was shown reasoning.
    pub fn visible_reasoning() -> Self {
        Fact(Evidence {
            output: Some(VisibleOutput::Reasoning),
            ..Fact::new("provider", What::VisibleOutput).0
        })
    }

    /// A tool's input is streaming.
    pub fn tool_input_started(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolInputStarted, tool)
    }

    /// A tool's input is whole.
    pub fn tool_input_completed(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolInputCompleted, tool)
    }

    /// A tool's call is known.
    pub fn tool_call_materialised(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolCallMaterialised, tool)
    }

    /// A tool is about to run. Read-only tools are safe to run twice, others are not, unless [`safe`](Self::safe) says otherwise.
    pub fn tool_execution_started(tool: &'a str, effect: Effect) -> Self {
        Fact(Evidence {
            effect: Some(effect.as_str().into()),
            ..Fact::of_tool(What::ToolExecutionStarted, tool).0
        })
    }

    /// A tool has ended.
    pub fn tool_execution_completed(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolExecutionCompleted, tool)
    }

    /// A tool has ended, and failed.
    pub fn tool_execution_failed(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolExecutionFailed, tool)
    }

    /// A tool was interrupted.
    pub fn tool_execution_interrupted(tool: &'a str) -> Self {
        Fact::of_tool(What::ToolExecutionInterrupted, tool)
    }

    /// The connection to the provider broke.
    pub fn transport_failure() -> Self {
        Fact::new("transport", What::TransportFailure)
    }

    /// The provider refused.
    pub fn provider_api_error(kind: ApiError) -> Self {
        Fact(Evidence {
            cause: Some(kind.as_str().into()),
            ..Fact::new("provider", What::ProviderApiError).0
        })
    }

    /// The request could not be made.
    pub fn setup_failure() -> Self {
        Fact::new("runtime", What::SetupFailure)
    }

    /// A watchdog fired.
    pub fn watchdog(watchdog: Watchdog) -> Self {
        Fact(Evidence { watchdog: Some(watchdog), ..Fact::new("watchdog", What::Watchdog).0 })
    }

    /// The user cancelled.
    pub fn user_cancel() -> Self {
        Fact::new("user", What::UserCancel)
    }

    /// The attempt is tried again.
    pub fn retry() -> Self {
        Fact::new("runtime", What::Retry)
    }

    /// What went wrong has been made good.
    pub fn recovery() -> Self {
        Fact::new("runtime", What::Recovery)
    }

    /// Something is put away: whatever it says about what went wrong, it came too late to know.
    pub fn clean_up() -> Self {
        Fact::new("clean-up", What::CleanUp)
    }

    /// Which attempt it is about: of your own choice, or the id of the attempt's generation span. The newest one unless given.
    pub fn attempt(mut self, id: &'a str) -> Self {
        self.0.attempt_id = Some(id.into());
        self
    }

    /// Who saw it. What comes from `clean-up` is never taken for the cause when something else is known.
    pub fn source(mut self, source: &'a str) -> Self {
        self.0.source = source.into();
        self
    }

    /// Tells calls of one tool apart that are going on at once.
    pub fn call(mut self, id: &str) -> Self {
        let tool = self.0.tool.as_deref().unwrap_or_default();
        self.0.tool = Some(format!("{tool}#{id}").into());
        self
    }

    /// Whether the tool's effect may come twice.
    pub fn safe(mut self, is_safe: bool) -> Self {
        let effect = self.0.effect.as_deref().unwrap_or(Effect::Unknown.as_str());
        self.0.effect = Some(format!("{effect}+{}", if is_safe { "safe" } else { "unsafe" }).into());
        self
    }

    /// The provider's answer.
    pub fn http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Whether the provider says that a retry may help.
    pub fn retryable(mut self, is_retryable: bool) -> Self {
        self.0.retryable = Some(is_retryable);
        self
    }

    /// Whether it may be the cause of the end, where that differs from what is usual for it.
    pub fn terminal(mut self, is_terminal: bool) -> Self {
        self.0.terminal = Some(is_terminal);
        self
    }

    /// In which phase it happened, as far as the embedder knows; believed where nothing else is known.
    pub fn phase(mut self, phase: &'a str) -> Self {
        self.0.phase = Some(phase.into());
        self
    }

    /// The error. It stays in the log; what is derived shows at most what kind of error it looks like.
    pub fn error(mut self, error: ErrorInfo<'a>) -> Self {
        self.0.error = Some(error);
        self
    }

    /// The caller's monotonic clock.
    pub fn monotonic(mut self, since: Duration) -> Self {
        self.0.monotonic = Some(DurationNs::from(since));
        self
    }
}

impl<'a> From<Fact<'a>> for Evidence<'a> {
    fn from(fact: Fact<'a>) -> Self {
        fact.0
    }
}
