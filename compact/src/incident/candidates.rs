//! Which evidence may be a cause, and of what (SPEC.md section 11.9).

use tracewal_engine::evidence::{ApiError, What};
use tracewal_engine::guard::Guard;
use tracewal_format::event::{Evidence, Watchdog};

use super::attempt::{Attempt, Candidate};
use super::bounds::Piece;
use super::cause::{Cause, Confidence, Missing, Phase};
use super::known::{Facts, Running};
use super::privacy::Says;
use super::story::Now;

/// A candidate that a piece of evidence is, unless it takes a tool that runs.
pub(crate) struct Named {
    pub(crate) cause: Cause,
    confidence: Confidence,
    pub(crate) is_strong: bool,
}

/// Evidence that is about a tool.
pub(crate) fn is_of_a_tool(what: What) -> bool {
    matches!(
        what,
        What::ToolInputStarted
            | What::ToolInputCompleted
            | What::ToolCallMaterialised
            | What::ToolExecutionStarted
            | What::ToolExecutionCompleted
            | What::ToolExecutionFailed
            | What::ToolExecutionInterrupted
    )
}

/// Evidence that an attempt goes on.
pub(crate) fn is_progress(what: What) -> bool {
    matches!(
        what,
        What::AttemptCompleted
            | What::ProviderProgress
            | What::VisibleOutput
            | What::ToolInputStarted
            | What::ToolInputCompleted
            | What::ToolCallMaterialised
            | What::ToolExecutionStarted
            | What::ToolExecutionCompleted
    )
}

/// The candidate that a piece of evidence is, if it is one.
pub(crate) fn named(e: &Evidence<'_>, what: Option<What>, from_clean_up: bool) -> Option<Named> {
    if e.terminal == Some(false) {
        return None;
    }
    let (cause, is_strong) = match what {
        Some(What::TransportFailure) => (Cause::TransportDisconnect, true),
        Some(What::ProviderApiError) => (Cause::ApiError(api_error(e)), true),
        Some(What::SetupFailure) => (Cause::SetupFailure, true),
        Some(What::Watchdog) => (watchdog(e), true),
        Some(What::UserCancel) => (Cause::UserCancel, true),
        Some(What::ToolExecutionFailed) => (Cause::ToolFailure, e.terminal == Some(true)),
        Some(What::ToolExecutionInterrupted) => (Cause::ToolInterrupted, true),
        None if e.terminal == Some(true) => {
            let cause = match e.cause.as_deref().and_then(Cause::from_name) {
                Some(Cause::ApiError(_)) => Cause::ApiError(api_error(e)),
                Some(Cause::Watchdog(_)) => watchdog(e),
                Some(cause) => cause,
                None => Cause::Unknown,
            };
            (cause, true)
        }
        _ => return None,
    };
    let confidence = match (cause, what) {
        (Cause::Unknown, _) => Confidence::Low,
        (_, None) => Confidence::Medium,
        _ if from_clean_up => Confidence::Medium,
        _ => Confidence::High,
    };
    Some(Named { cause, confidence, is_strong: is_strong && !from_clean_up })
}

pub(crate) fn watchdog(e: &Evidence<'_>) -> Cause {
    Cause::Watchdog(e.watchdog.unwrap_or(Watchdog::Connect))
}

/// The kind of an API error: what it is called, else by its status, else by what it says.
pub(crate) fn api_error(e: &Evidence<'_>) -> ApiError {
    let by_status = match e.http_status {
        Some(429) => Some(ApiError::RateLimit),
        Some(402) => Some(ApiError::Quota),
        Some(401 | 403) => Some(ApiError::Auth),
        Some(503 | 529) => Some(ApiError::Overloaded),
        Some(413) => Some(ApiError::Context),
        _ => None,
    };
    let by_text = || match e.error.as_ref().and_then(Says::of_error) {
        Some(Says::Api(kind)) => Some(kind),
        _ => None,
    };
    let by_name = e.cause.as_deref().and_then(ApiError::from_name);
    by_name.or(by_status).or_else(by_text).unwrap_or(ApiError::Other)
}

pub(crate) fn candidate_of(
    named: &Named,
    e: &Evidence<'_>,
    mut facts: Facts,
    piece: Piece,
    ran: Option<&Running>,
) -> Candidate {
    let kind_is_missing = named.cause == Cause::ApiError(ApiError::Other) && e.retryable != Some(true);
    facts.missing.add(Missing::API_KIND, kind_is_missing);
    if facts.phase == Phase::Unknown {
        facts.phase = e.phase.as_deref().and_then(Phase::from_name).unwrap_or(Phase::Unknown);
    }
    let confidence = lowered(named.confidence, facts.missing);
    Candidate {
        tool: ran.map(|ran| (ran.key.clone(), ran.label.clone(), ran.effect)),
        http_status: e.http_status,
        error: e.error.as_ref().map(|error| Says::shown(Says::of_error(error))),
        retryable: e.retryable,
        ..Candidate::new(named.cause, confidence, facts, piece)
    }
}

pub(crate) fn lowered(confidence: Confidence, missing: Missing) -> Confidence {
    if missing.has(Missing::ORDERING) { confidence.lower() } else { confidence }
}

/// Keeps the first candidate of its strength. Under a lifecycle action, that action is it.
pub(crate) fn keep(
    attempt: &mut Attempt,
    candidate: Candidate,
    is_strong: bool,
    now: &Now<'_>,
    besides: Missing,
) {
    if !is_strong {
        if attempt.strong.is_none() {
            attempt.weak.get_or_insert(candidate);
        }
        return;
    }
    if attempt.strong.is_some() && !Guard::FirstCandidateStands.is_off() {
        return;
    }
    attempt.strong = Some(match now.actions.innermost() {
        Some(action) => {
            let facts = attempt.facts_at(action.seq, besides);
            Candidate { place: candidate.place, ..Candidate::of_action(action, facts) }
        }
        None => candidate,
    });
}
