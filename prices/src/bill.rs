//! What several calls cost together.

use std::collections::BTreeSet;

use crate::list::{Prices, Used};

/// So many names of models without a price are kept.
const UNKNOWN_MAX: usize = 20;

/// Calls, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    dollars: f64,
    priced: u64,
    unknown: BTreeSet<String>,
}

impl Bill {
    /// Adds a call. One that used nothing costs nothing, whatever its model.
    pub fn add(&mut self, prices: &Prices, model: Option<&str>, used: Used) {
        if used.is_nothing() {
            return;
        }
        match model.and_then(|model| prices.estimate(model, used)) {
            Some(dollars) => {
                self.dollars += dollars;
                self.priced += 1;
            }
            None if self.unknown.len() < UNKNOWN_MAX => {
                self.unknown.insert(model.unwrap_or("no model").to_owned());
            }
            None => {}
        }
    }

    /// The sum of what is known, in US dollars; `None`: nothing is.
    #[must_use]
    pub fn dollars(&self) -> Option<f64> {
        (self.priced > 0).then_some(self.dollars)
    }

    /// The models of calls whose cost is not known; the first 20 of them.
    #[must_use]
    pub fn unknown(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    /// Adds another bill.
    pub fn merge(&mut self, other: &Bill) {
        self.dollars += other.dollars;
        self.priced += other.priced;
        let room = UNKNOWN_MAX.saturating_sub(self.unknown.len());
        self.unknown.extend(other.unknown.iter().take(room).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_named_and_not_guessed() {
        let (prices, mut bill) = (Prices::compiled_in(), Bill::default());
        let used = Used { output: 1_000_000, ..Used::default() };
        bill.add(&prices, Some("mine"), used);
        bill.add(&prices, None, used);
        bill.add(&prices, Some("yours"), Used::default());
        assert_eq!(bill.dollars(), None);
        bill.add(&prices, Some("gpt-5"), used);
        let mut twice = bill.clone();
        twice.merge(&bill);
        assert_eq!((bill.dollars(), twice.dollars()), (Some(10.0), Some(20.0)));
        assert_eq!(twice.unknown().iter().collect::<Vec<_>>(), ["mine", "no model"]);
    }
}
