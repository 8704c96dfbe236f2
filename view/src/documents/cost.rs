//! What a session may have cost, where it does not say itself: estimated from its tokens by a list of prices, as `tracewal show` does.

use std::collections::BTreeSet;

use serde::Serialize;
use tracewal_prices::{Bill, Prices, Used};

use super::Classes;
use crate::index::row::Row;
use crate::trace::Trace;

/// An estimate.
#[derive(Debug, Serialize)]
pub(super) struct Estimate {
    /// US dollars; `None`: the price of no model is known.
    dollars: Option<f64>,
    /// The models whose price is not.
    unpriced: BTreeSet<String>,
}

impl Trace {
    /// The estimate, of what the totals are made of: all spans but the root; the root where no other has tokens. `None`: the session says
    /// itself what it cost, or it used nothing.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        if self.says_cost() {
            return None;
        }
        let (mut bill, mut used) = (Bill::default(), false);
        for (_, _, row) in self.others() {
            used |= self.add_to(&mut bill, &row);
        }
        if !used && let Some(root) = self.skeleton.bar(0) {
            used = self.add_to(&mut bill, &self.index.row(root.number));
        }
        let unpriced = bill.unknown().clone();
        (used && (bill.dollars().is_some() || !unpriced.is_empty()))
            .then(|| Estimate { dollars: bill.dollars(), unpriced })
    }

    /// Whether any of its spans says what it cost.
    pub(super) fn says_cost(&self) -> bool {
        let bars = self.skeleton.bars().iter();
        bars.map(|bar| self.index.row(bar.number))
            .any(|row| self.index.usage(&row).is_some_and(|usage| usage.cost.is_some()))
    }

    /// Adds a span, if it has tokens.
    pub(super) fn add_to(&self, bill: &mut Bill, row: &Row) -> bool {
        let Some(tokens) = self.index.usage(row).and_then(|usage| usage.tokens) else { return false };
        bill.add(&self.prices, self.model_of(row), used(tokens.into()));
        true
    }

    /// The model of a span: its own; else the session's.
    fn model_of(&self, row: &Row) -> Option<&str> {
        let own = Some(self.index.models.text(row.model)).filter(|model| !model.is_empty());
        own.or(self.summary().metadata.model.as_deref())
    }
}

fn used(tokens: Classes) -> Used {
    let Classes { input, output, reasoning, cache_read, cache_write } = tokens;
    Used { input, output, reasoning, cache_read, cache_write }
}

/// What a session in the list may have cost, by the model that it names, as `tracewal ls` has it: the list knows no spans. `None`: it says
/// itself, it used nothing, or the price of its model is not known.
pub(super) fn of_list(prices: &Prices, cost: f64, model: Option<&str>, tokens: Classes) -> Option<f64> {
    let used = used(tokens);
    if cost != 0.0 || used.is_nothing() {
        return None;
    }
    prices.estimate(model?, used)
}
