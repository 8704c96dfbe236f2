//! What is kept of one span.

use std::num::NonZeroU32;

use tracewal_compact::CallInput;
use tracewal_format::event::SpanKind;

/// One span, in small numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Of its first start; until there is one, of its first event.
    pub(crate) start_ns: i64,
    /// Of its first end.
    pub(crate) end_ns: Option<i64>,
    pub(crate) name: Option<NonZeroU32>,
    pub(crate) model: Option<NonZeroU32>,
    pub(crate) usage: Option<NonZeroU32>,
    pub(crate) call: Option<NonZeroU32>,
    pub(crate) kind: SpanKind,
    /// An event is about it.
    pub(crate) is_known: bool,
    pub(crate) is_started: bool,
    pub(crate) has_input: bool,
    /// It has an output, or text was streamed to it.
    pub(crate) has_said: bool,
    /// Its first end says that it failed,
    pub(crate) is_failed: bool,
    /// and that it was not by itself.
    pub(crate) is_interrupted: bool,
}

impl Default for Row {
    fn default() -> Self {
        Row {
            start_ns: 0,
            end_ns: None,
            name: None,
            model: None,
            usage: None,
            call: None,
            kind: SpanKind::Span,
            is_known: false,
            is_started: false,
            has_input: false,
            has_said: false,
            is_failed: false,
            is_interrupted: false,
        }
    }
}

/// What a span used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Input, output, reasoning, cache read, cache write.
    pub(crate) tokens: Option<[u64; 5]>,
    /// US dollars.
    pub(crate) cost: Option<f64>,
}

/// What is kept of a tool call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ToolCall {
    pub(crate) input: CallInput,
    /// How long it ran, where that was said.
    pub(crate) duration_ns: Option<i64>,
}

impl Row {
    /// How long a tool ran: what was said, else from its start to its end. Nobody said that it ended: no time.
    pub(crate) fn duration_ns(&self, call: Option<&ToolCall>) -> i64 {
        let measured = || self.end_ns.map(|end| end.saturating_sub(self.start_ns).max(0));
        call.and_then(|call| call.duration_ns).or_else(measured).unwrap_or(0)
    }
}

/// The number of the element that was added last to a list, from 1.
pub(crate) fn nth(len: usize) -> Option<NonZeroU32> {
    u32::try_from(len).ok().and_then(NonZeroU32::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        assert!(size_of::<Row>() <= 56, "{}", size_of::<Row>());
    }
}
