//! What may be done about an incident. It fails closed: what is not proved to be harmless is not (SPEC.md section 11.9).

use tracewal_engine::evidence::ApiError;

use super::cause::{Cause, Missing};
use super::known::{Facts, SideEffect};

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Try again without asking: nothing was shown, and nothing was done.
    AutoRetry,
    /// Offer to go on from where it stopped.
    OfferContinue,
    /// Something was done that may not be done twice: ask before trying again.
    AskBeforeRetry,
    /// It would be refused again.
    DoNotRetry,
    /// Nobody knows.
    Unknown,
}

impl Advice {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Advice::AutoRetry => "auto-retry",
            Advice::OfferContinue => "offer-continue",
            Advice::AskBeforeRetry => "ask-before-retry",
            Advice::DoNotRetry => "do-not-retry",
            Advice::Unknown => "unknown",
        }
    }
}

/// Advice, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// What may be done.
    pub advice: Advice,
    /// Why, in a word of SPEC.md.
    pub reason: &'static str,
}

/// How many retries there were, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries that were made.
    pub used: u32,
    /// Retries that may be made.
    pub allowed: u32,
}

impl Recovery {
    /// The advice for an embedder that has a budget of retries.
    ///
    /// ```
    /// use tracewal_compact::incident::{Advice, Recovery, RetryBudget};
    ///
    /// let free = Recovery { advice: Advice::AutoRetry, reason: "nothing-shown-no-tool-ran" };
    /// assert_eq!(free.within(RetryBudget { used: 1, allowed: 3 }), free);
    /// assert_eq!(free.within(RetryBudget { used: 3, allowed: 3 }).advice, Advice::OfferContinue);
    /// ```
    #[must_use]
    pub fn within(self, budget: RetryBudget) -> Self {
        if self.advice == Advice::AutoRetry && budget.used >= budget.allowed {
            return Recovery { advice: Advice::OfferContinue, reason: "budget-spent" };
        }
        self
    }
}

/// What came up to the end of the run, of everything that was going on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aftermath {
    pub(crate) shown: bool,
    pub(crate) side_effect: Option<SideEffect>,
}

impl Aftermath {
    pub(crate) fn add(&mut self, shown: bool, side_effect: Option<SideEffect>) {
        let rank = |effect: Option<SideEffect>| match effect {
            None | Some(SideEffect::None) => 0,
            Some(SideEffect::Safe) => 1,
            Some(SideEffect::Unknown) => 2,
            Some(SideEffect::Unsafe) => 3,
        };
        self.shown |= shown;
        if rank(side_effect) > rank(self.side_effect) {
            self.side_effect = side_effect;
        }
    }
}

/// The table of SPEC.md section 11.9, row by row.
pub(crate) fn advise(
    cause: Cause,
    retryable: Option<bool>,
    facts: &Facts,
    mut aftermath: Aftermath,
) -> Recovery {
    let of = |advice, reason| Recovery { advice, reason };
    // What is only unknown says nothing here; what is missing says so below.
    let began = match facts.side_effect {
        SideEffect::Unknown if !facts.missing.has(Missing::BOUNDARY) => None,
        effect => Some(effect),
    };
    aftermath.add(facts.text || facts.reasoning, began);
    let is_rejection = matches!(cause, Cause::ApiError(ApiError::Auth | ApiError::Quota | ApiError::Context));
    if is_rejection || (matches!(cause, Cause::ApiError(_)) && retryable == Some(false)) {
        return of(Advice::DoNotRetry, "terminal-rejection");
    }
    match aftermath.side_effect {
        Some(SideEffect::Unsafe) => return of(Advice::AskBeforeRetry, "unsafe-effect-begun"),
        Some(SideEffect::Unknown) => return of(Advice::AskBeforeRetry, "effect-unknown"),
        _ => {}
    }
    if cause == Cause::Unknown {
        return of(Advice::Unknown, "cause-unknown");
    }
    if !facts.missing.except(&[Missing::SIGNAL, Missing::ACTION]).is_empty() {
        return of(Advice::Unknown, "facts-incomplete");
    }
    if cause == Cause::UserCancel {
        return of(Advice::OfferContinue, "user-cancelled");
    }
    if aftermath.shown {
        return of(Advice::OfferContinue, "visible-output");
    }
    if aftermath.side_effect == Some(SideEffect::Safe) {
        return of(Advice::OfferContinue, "safe-tools-ran");
    }
    match cause {
        Cause::LocalClose => of(Advice::OfferContinue, "local-close"),
        Cause::Crash(_) => of(Advice::OfferContinue, "process-crashed"),
        _ => of(Advice::AutoRetry, "nothing-shown-no-tool-ran"),
    }
}
