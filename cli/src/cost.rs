//! What a session cost: what it says itself; where it says nothing, an estimate from its tokens by a list of prices.

use serde::Deserialize;
use tracewal::fold::Summary;
use tracewal_prices::{Bill, Prices, Used};

use crate::failure::{Failure, Result};
use crate::{output, text};

/// The list that is compiled in, and the user's own.
pub(crate) fn own_prices() -> Result<Prices> {
    match tracewal_prices::default_path() {
        Some(path) => Prices::with(&path).map_err(Failure::error),
        None => Ok(Prices::compiled_in()),
    }
}

/// The same, for a command that is about something else: what is wrong with the user's own list is said, and stops nothing.
pub(crate) fn prices() -> Prices {
    own_prices().unwrap_or_else(|failure| {
        output::mention(&format!("warning: your prices are not used: {failure}"));
        Prices::compiled_in()
    })
}

/// The model of a span in a canonical JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Model {
    pub(crate) model_id: Option<String>,
}

/// Its tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TokenCounts {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
}

/// What a span used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent<'s> {
    pub(crate) is_root: bool,
    pub(crate) model: Option<&'s str>,
    pub(crate) tokens: Option<TokenCounts>,
    pub(crate) cost: Option<f64>,
}

impl TokenCounts {
    /// In the order in which totals have them.
    pub(crate) fn classes(self) -> [u64; 5] {
        [self.input, self.output, self.reasoning, self.cache_read, self.cache_write]
    }
}

impl From<TokenCounts> for Used {
    fn from(tokens: TokenCounts) -> Self {
        let TokenCounts { input, output, reasoning, cache_read, cache_write } = tokens;
        Used { input, output, reasoning, cache_read, cache_write }
    }
}

/// What a session cost.
pub(crate) struct SessionCost<'p> {
    prices: &'p Prices,
    /// Of the session, for spans that name none.
    model: Option<String>,
    reported: f64,
    says_it: bool,
    spans: Bill,
    root: Bill,
    has_tokens: bool,
}

impl<'p> SessionCost<'p> {
    pub(crate) fn new(prices: &'p Prices, summary: &Summary) -> Self {
        SessionCost {
            prices,
            model: summary.metadata.model.as_deref().map(str::to_owned),
            reported: summary.total_cost,
            says_it: false,
            spans: Bill::default(),
            root: Bill::default(),
            has_tokens: false,
        }
    }

    /// Adds one span.
    pub(crate) fn add(&mut self, span: Spent<'_>) {
        self.says_it |= span.cost.is_some();
        let Some(tokens) = span.tokens else { return };
        let model = span.model.or(self.model.as_deref());
        self.has_tokens |= !span.is_root;
        let bill = if span.is_root { &mut self.root } else { &mut self.spans };
        bill.add(self.prices, model, tokens.into());
    }

    /// The estimate, as the totals are made: of all spans but the root; of the root where no other has any. `None`: the session says itself what it cost.
    pub(crate) fn estimate(&self) -> Option<&Bill> {
        match (self.says_it, self.has_tokens) {
            (true, _) => None,
            (false, true) => Some(&self.spans),
            (false, false) => Some(&self.root),
        }
    }

    pub(crate) fn in_words(&self) -> String {
        let Some(bill) = self.estimate() else { return text::dollars(self.reported) };
        let unknown: Vec<&str> = bill.unknown().iter().map(String::as_str).collect();
        let unpriced = format!("no price for {}; see tracewal prices", text::cut(&unknown.join(", "), 120));
        match (bill.dollars(), unknown.is_empty()) {
            (None, true) => text::dollars(self.reported),
            (None, false) => format!("{} ({unpriced})", text::dollars(self.reported)),
            (Some(dollars), true) => format!("{} (estimated)", estimated(dollars)),
            (Some(dollars), false) => format!("{} (estimated; {unpriced})", estimated(dollars)),
        }
    }
}

/// `~$0.0150`.
pub(crate) fn estimated(dollars: f64) -> String {
    format!("~{}", text::dollars(dollars))
}
