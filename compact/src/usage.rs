//! Tokens and costs of a log's spans, as far as they are needed to add them up: what one span used is read from the log again.

use tracewal_format::log::{LogReader, LogSource};

use crate::facts::Facts;
use crate::ids::SpanNo;
use crate::places::{Place, Places};
use crate::spans::classes;

/// Sums of the five classes of tokens. No number of events makes them overflow.
pub(crate) type Sums = [u128; 5];

/// The cost of one span.
#[derive(Clone, Copy, Debug)]
struct Cost {
    span: SpanNo,
    /// As it is written, so that this takes 12 bytes.
    cost: [u8; 8],
}

/// What the spans used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    sums: Sums,
    /// How many spans have tokens.
    with_tokens: u64,
    /// Where the tokens stand that a later end has replaced: they are still in the sums.
    replaced: Vec<Place>,
    /// In the order of the spans, once each, up to `settled`; then as they came.
    costs: Vec<Cost>,
    settled: usize,
}

impl Usage {
    /// A span has used this; what stands at `before` was said of it earlier.
    pub(crate) fn add_tokens(&mut self, tokens: [u64; 5], before: Option<Place>) {
        for (sum, tokens) in self.sums.iter_mut().zip(tokens) {
            *sum += u128::from(tokens);
        }
        match before {
            Some(place) => self.replaced.push(place),
            None => self.with_tokens += 1,
        }
    }

    /// What is not finite counts as nothing.
    pub(crate) fn add_cost(&mut self, span: SpanNo, cost: f64) {
        let cost = if cost.is_finite() { cost } else { 0.0 };
        self.costs.push(Cost { span, cost: cost.to_le_bytes() });
    }

    /// Puts the costs into the order of their spans' first events, and forgets those that were replaced.
    pub(crate) fn settle(&mut self, first: impl Fn(SpanNo) -> Option<Place>) {
        if self.settled == self.costs.len() {
            return;
        }
        // Stable: of one span the last one counts. What is almost in order, as costs are, takes one pass.
        self.costs.sort_by_key(|cost| first(cost.span));
        let mut kept = 0;
        for at in 0..self.costs.len() {
            let Some(cost) = self.costs.get(at).copied() else { break };
            let is_replaced = self.costs.get(at + 1).is_some_and(|next| next.span == cost.span);
            if let (false, Some(to)) = (is_replaced, self.costs.get_mut(kept)) {
                *to = cost;
                kept += 1;
            }
        }
        self.costs.truncate(kept);
        self.settled = kept;
    }

    /// Takes the tokens that were replaced out of the sums.
    pub(crate) fn subtract_replaced<S: LogSource>(
        &mut self,
        places: &Places,
        log: &mut LogReader<S>,
    ) -> Result<(), S::Error> {
        while let Some(place) = self.replaced.last() {
            let tokens = tokens_at(*place, places, log)?;
            for (sum, tokens) in self.sums.iter_mut().zip(tokens.unwrap_or_default()) {
                *sum = sum.saturating_sub(u128::from(tokens));
            }
            self.replaced.pop();
        }
        Ok(())
    }

    /// The sums without the root, whose own are given; only when no other span has any, those of the root count.
    pub(crate) fn tokens(&self, root: Option<[u64; 5]>) -> [u64; 5] {
        let mut sums = self.sums;
        if let Some(root) = root.filter(|_| self.with_tokens > 1) {
            for (sum, tokens) in sums.iter_mut().zip(root) {
                *sum = sum.saturating_sub(u128::from(tokens));
            }
        }
        sums.map(|sum| u64::try_from(sum).unwrap_or(u64::MAX))
    }

    /// The same for costs, added in the order of the spans.
    pub(crate) fn cost(&self, root: SpanNo) -> f64 {
        let (mut sum, mut own) = (None, None);
        for cost in &self.costs {
            let value = f64::from_le_bytes(cost.cost);
            if cost.span == root {
                own = Some(value);
            } else {
                *sum.get_or_insert(0.0) += value;
            }
        }
        sum.or(own).unwrap_or(0.0)
    }
}

/// The tokens that the record at `place` brought. `None`: it is no longer there.
pub(crate) fn tokens_at<S: LogSource>(
    place: Place,
    places: &Places,
    log: &mut LogReader<S>,
) -> Result<Option<[u64; 5]>, S::Error> {
    let (segment, offset) = places.locate(place).unwrap_or_default();
    let Some(entry) = log.entry_at(segment, offset)? else { return Ok(None) };
    let event = entry.event().and_then(Result::ok);
    let facts = event.as_ref().and_then(|event| Facts::of(event, entry.time));
    Ok(facts.and_then(|facts| facts.end?.tokens.map(classes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cost_of_a_span_counts_at_the_place_of_the_span() {
        let mut places = Places::default();
        let firsts: Vec<_> = (0..4).map(|n| places.place(1, 4096 + n * 64)).collect();
        let first = |span: SpanNo| firsts[crate::ids::at(3 - span)];
        let mut usage = Usage::default();
        for (span, cost) in [(0, 1.0), (2, 1e16), (1, f64::NAN), (2, 3.0), (3, 0.5), (0, 0.25)] {
            usage.add_cost(span, cost);
        }
        usage.settle(first);
        assert_eq!(usage.costs.iter().map(|cost| cost.span).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert!((usage.cost(9) - 3.75).abs() < f64::EPSILON);
        usage.add_cost(2, -1e16);
        usage.settle(first);
        assert_eq!(usage.costs.len(), 4);
        assert!((usage.cost(3) - (-1e16 + 0.25)).abs() < f64::EPSILON);
    }

    #[test]
    fn the_root_counts_when_nobody_else_says_anything() {
        let mut usage = Usage::default();
        usage.add_tokens([1, 2, 3, 4, u64::MAX], None);
        assert_eq!(usage.tokens(Some([1, 2, 3, 4, u64::MAX])), [1, 2, 3, 4, u64::MAX]);
        usage.add_tokens([1; 5], None);
        assert_eq!(usage.tokens(Some([1, 2, 3, 4, u64::MAX])), [1; 5]);
        assert_eq!(usage.tokens(None), [2, 3, 4, 5, u64::MAX]);
    }
}
