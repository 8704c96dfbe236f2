//! An incident in words.

use tracewal_engine::evidence::ApiError;
use tracewal_format::event::Watchdog;

use super::advice::Advice;
use super::cause::{Cause, CrashKind, Phase};
use super::derive::Incident;
use super::known::{Execution, SideEffect};

/// Why it stopped: `The connection to the provider broke while a tool's input was streaming; no tool ran.`
#[must_use]
pub fn sentence(incident: &Incident) -> String {
    let tool = incident.tool.as_deref().unwrap_or("a tool");
    let kind = incident.kind.as_deref().unwrap_or("unknown");
    let cause = match incident.cause {
        Cause::TransportDisconnect => "The connection to the provider broke".to_owned(),
        Cause::ApiError(kind) => format!("The provider refused: {}", api_error(kind)),
        Cause::SetupFailure => "The request could not be made".to_owned(),
        Cause::Watchdog(Watchdog::Connect) => "No connection came about in time".to_owned(),
        Cause::Watchdog(Watchdog::SilentStream) => "The stream fell silent".to_owned(),
        Cause::UserCancel => "The user cancelled".to_owned(),
        Cause::ToolFailure => format!("The tool {tool} failed"),
        Cause::ToolInterrupted => format!("The tool {tool} was interrupted while it ran"),
        Cause::LocalClose if incident.action_id.is_none() => {
            "It was closed locally, and nothing says by what".to_owned()
        }
        Cause::LocalClose if incident.action.is_none() => {
            "It was closed by a lifecycle action of which nothing else is known".to_owned()
        }
        Cause::LocalClose => format!("It was closed by {kind}{}", by(incident)),
        Cause::Crash(kind) => crash(kind, incident),
        Cause::Unknown => "It was interrupted, and nothing says by what".to_owned(),
    };
    let phase = if incident.cause.is_of_a_tool() { None } else { incident.phase.and_then(phase) };
    let phase = phase.map_or_else(String::new, |phase| format!(" {phase}"));
    let ran = match incident.facts.execution {
        Execution::None => "; no tool ran",
        Execution::Started | Execution::Ended => match incident.facts.side_effect {
            SideEffect::Safe => "; what tools did may be done again",
            SideEffect::Unsafe => "; a tool had begun that may not be run twice",
            SideEffect::None | SideEffect::Unknown => "; a tool had begun, and what it does is not known",
        },
        Execution::Unknown => "",
    };
    format!("{cause}{phase}{ran}.")
}

fn api_error(kind: ApiError) -> &'static str {
    match kind {
        ApiError::RateLimit => "too many requests",
        ApiError::Quota => "nothing left of the quota",
        ApiError::Auth => "it does not accept the credentials",
        ApiError::Overloaded => "it is overloaded",
        ApiError::Context => "the request is too long for the model",
        ApiError::Other => "it does not say why",
    }
}

fn crash(kind: CrashKind, incident: &Incident) -> String {
    match (kind, &incident.signal) {
        (CrashKind::OutOfMemory, _) => "The process ran out of memory".to_owned(),
        (CrashKind::Panic, _) => "The process panicked".to_owned(),
        (CrashKind::Signal, Some(signal)) => format!("The process was ended by {signal}"),
        (CrashKind::Signal, None) => "The process was ended by a signal".to_owned(),
        (CrashKind::Vanished, _) => "The process vanished".to_owned(),
        (CrashKind::Reported, _) => "The program reported a crash".to_owned(),
    }
}

/// Who began the action.
fn by(incident: &Incident) -> String {
    let Some(action) = &incident.action else { return String::new() };
    let said = [action.source, action.operation.as_deref(), action.reason.as_deref()];
    let said: Vec<&str> = said.into_iter().flatten().filter(|word| *word != "unknown").collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

fn phase(phase: Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::DuringToolExecution => "while a tool ran",
        Phase::DuringToolInput => "while a tool's input was streaming",
        Phase::AfterToolCall => "when a tool had been called, before it ran",
        Phase::AfterToolResult => "when a tool had ended",
        Phase::DuringText => "while the model was streaming",
        Phase::BeforeFirstProgress => "before anything had come",
        Phase::Unknown => return None,
    })
}

/// What may be done, in words. `None`: there is nothing to do about what has recovered.
#[must_use]
pub fn advice_sentence(incident: &Incident) -> Option<String> {
    let recovery = incident.recovery?;
    let advice = match recovery.advice {
        Advice::AutoRetry => "it may be tried again without asking",
        Advice::OfferContinue => "offer to go on from where it stopped",
        Advice::AskBeforeRetry => "ask before it is tried again",
        Advice::DoNotRetry => "do not try again: it would be refused again",
        Advice::Unknown => "it is not known whether it may be tried again",
    };
    Some(format!("{advice} ({})", recovery.reason))
}
