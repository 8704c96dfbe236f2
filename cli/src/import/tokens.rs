//! Tokens, in classes that do not overlap.

use tracewal_format::event::Tokens;

use super::json::Members;

/// Tokens in classes that do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Input that was not cached.
    pub input: u64,
    /// Output that is not reasoning.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
}

impl TokenCounts {
    /// The sum of the five classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        Tokens::from(*self).total()
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        TokenCounts {
            input: f(self.input, other.input),
            output: f(self.output, other.output),
            reasoning: f(self.reasoning, other.reasoning),
            cache_read: f(self.cache_read, other.cache_read),
            cache_write: f(self.cache_write, other.cache_write),
        }
    }
}

impl From<TokenCounts> for Tokens<'static> {
    fn from(t: TokenCounts) -> Self {
        Tokens::new(t.input, t.output, t.reasoning, t.cache_read, t.cache_write)
    }
}

/// Tokens as Codex counts them: `cached` is a part of `input`, and `reasoning` of `output`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
}

impl Usage {
    pub(super) fn of(usage: &Members<'_>) -> Self {
        Usage {
            input: usage.count("input_tokens"),
            cached: usage.count("cached_input_tokens"),
            output: usage.count("output_tokens"),
            reasoning: usage.count("reasoning_output_tokens"),
        }
    }

    /// What came after `before`; everything when counting began anew.
    pub(super) fn since(self, before: &Self) -> Self {
        if self.input < before.input || self.output < before.output {
            return self;
        }
        Usage {
            input: self.input - before.input,
            cached: self.cached.saturating_sub(before.cached),
            output: self.output - before.output,
            reasoning: self.reasoning.saturating_sub(before.reasoning),
        }
    }

    /// The same tokens in classes that do not overlap, whose sum is `input + output` whatever the parts say.
    pub(super) fn disjoint(self) -> TokenCounts {
        let cached = self.cached.min(self.input);
        let reasoning = self.reasoning.min(self.output);
        TokenCounts {
            input: self.input - cached,
            output: self.output - reasoning,
            reasoning,
            cache_read: cached,
            cache_write: 0,
        }
    }
}
