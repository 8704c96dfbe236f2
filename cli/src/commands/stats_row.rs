//! A row of statistics: sums, and how long things took.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;
use tracewal_prices::Bill;

use super::ls::TokensJson;

/// Longer than this is as long as this: 100 years, in microseconds.
const LONGEST_US: u64 = 100 * 365 * 86_400 * 1_000_000;
/// Percentiles are within 1 %.
const DIGITS: u8 = 2;
/// More rows than these are one: names are what anybody wrote into a log.
pub(crate) const ROWS_MAX: usize = 1_000;
pub(crate) const OTHERS: &str = "(others)";

/// What one call, or one session, adds to a row.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    /// It counts; false: it only adds to what others used.
    pub(crate) counts: bool,
    pub(crate) failed: bool,
    /// `None`: it is not over.
    pub(crate) duration_us: Option<u64>,
    pub(crate) tokens: [u64; 5],
    pub(crate) cost: f64,
    pub(crate) estimate: Bill,
}

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) count: u64,
    pub(crate) failed: u64,
    pub(crate) tokens: [u64; 5],
    pub(crate) cost: f64,
    pub(crate) estimate: Bill,
    /// Microseconds; made when there is something to put into it.
    durations: Option<Histogram<u64>>,
}

/// Rows by key.
#[derive(Debug, Default)]
pub(crate) struct Rows(BTreeMap<String, Row>);

impl Rows {
    pub(crate) fn add(&mut self, key: &str, unit: &Unit) {
        let is_full = self.0.len() >= ROWS_MAX && !self.0.contains_key(key);
        let key = if is_full { OTHERS } else { key };
        if !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), Row::default());
        }
        if let Some(row) = self.0.get_mut(key) {
            row.add(unit);
        }
    }

    /// Those of most tokens first; of as many, those that count more; days in their order.
    pub(crate) fn into_sorted(self, by_key: bool) -> Vec<(String, Row)> {
        let mut rows: Vec<_> = self.0.into_iter().collect();
        if !by_key {
            rows.sort_by_key(|(_, row)| std::cmp::Reverse((row.total(), row.count)));
        }
        rows
    }
}

impl Row {
    pub(crate) fn add(&mut self, unit: &Unit) {
        self.count += u64::from(unit.counts);
        self.failed += u64::from(unit.counts && unit.failed);
        for (sum, tokens) in self.tokens.iter_mut().zip(unit.tokens) {
            *sum = sum.saturating_add(tokens);
        }
        self.cost += unit.cost;
        self.estimate.merge(&unit.estimate);
        let Some(us) = unit.duration_us.filter(|_| unit.counts) else { return };
        let new = || Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok();
        if self.durations.is_none() {
            self.durations = new();
        }
        if let Some(durations) = &mut self.durations {
            durations.saturating_record(us.max(1));
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.tokens.iter().fold(0, |sum, tokens| sum.saturating_add(*tokens))
    }

    /// In microseconds; `None`: nothing in this row is over.
    pub(crate) fn percentile(&self, percent: f64) -> Option<u64> {
        self.durations.as_ref().map(|durations| durations.value_at_percentile(percent))
    }

    /// What it cost, and whether any of that is estimated; `None`: nothing is known.
    pub(crate) fn dollars(&self) -> Option<(f64, bool)> {
        match self.estimate.dollars() {
            Some(estimate) => Some((self.cost + estimate, true)),
            None => (self.cost != 0.0).then_some((self.cost, false)),
        }
    }

    pub(crate) fn json(&self, key: Option<&str>) -> RowJson {
        let [input, output, reasoning, cache_read, cache_write] = self.tokens;
        let ms = |us: Option<u64>| us.map(|us| std::time::Duration::from_micros(us).as_secs_f64() * 1_000.0);
        RowJson {
            key: key.map(str::to_owned),
            count: self.count,
            errors: self.failed,
            error_rate: rate(self.failed, self.count),
            tokens: (&tracewal::Tokens::new(input, output, reasoning, cache_read, cache_write)).into(),
            cost: self.cost,
            cost_estimated: self.estimate.dollars(),
            without_price: self.estimate.unknown().iter().cloned().collect(),
            duration_ms_p50: ms(self.percentile(50.0)),
            duration_ms_p95: ms(self.percentile(95.0)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    count: u64,
    errors: u64,
    error_rate: f64,
    tokens: TokensJson,
    /// What sessions say themselves.
    cost: f64,
    /// What the others may have cost.
    cost_estimated: Option<f64>,
    without_price: Vec<String>,
    duration_ms_p50: Option<f64>,
    duration_ms_p95: Option<f64>,
}

/// Which part of them.
pub(crate) fn rate(part: u64, of: u64) -> f64 {
    let float = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    if of == 0 { 0.0 } else { float(part) / float(of) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_hundredth() {
        let mut row = Row::default();
        for us in 1..=100_000 {
            row.add(&Unit { counts: true, duration_us: Some(us * 10), ..Unit::default() });
        }
        for (percent, exact) in [(50.0, 500_000), (95.0, 950_000)] {
            let found = row.percentile(percent).unwrap();
            assert!(found.abs_diff(exact) <= exact / 100, "{found} {exact}");
        }
        row.add(&Unit { counts: true, duration_us: Some(u64::MAX), ..Unit::default() });
        assert_eq!(Row::default().percentile(50.0), None);
    }

    #[test]
    fn names_are_bounded_and_nothing_is_lost() {
        let mut rows = Rows::default();
        for n in 0..5_000 {
            rows.add(&format!("tool {n}"), &Unit { counts: true, tokens: [1; 5], ..Unit::default() });
        }
        let rows = rows.into_sorted(false);
        assert_eq!(rows.len(), ROWS_MAX + 1);
        assert_eq!(rows.iter().map(|(_, row)| row.count).sum::<u64>(), 5_000);
        assert_eq!(rows[0].0, OTHERS);
    }
}
