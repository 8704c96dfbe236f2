//! Rounds: every contender in turn, each round beginning with another, and what is made of the numbers.

use std::fmt;

/// Of the rounds of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Statistics {
    /// `None` of no rounds.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Statistics { median, min, max })
    }

    /// The same numbers after a change of unit, which may turn their order round.
    pub fn map(self, unit: impl Fn(f64) -> f64) -> Self {
        let (one, other) = (unit(self.min), unit(self.max));
        Statistics { median: unit(self.median), min: one.min(other), max: one.max(other) }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "**{}** ({} to {})", number(self.median), number(self.min), number(self.max))
    }
}

/// A whole number, thousands apart.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// Three digits that mean something, thousands apart.
pub fn number(value: f64) -> String {
    if value < 100.0 {
        return if value < 9.95 { format!("{value:.2}") } else { format!("{value:.1}") };
    }
    let scale = 10_f64.powf((value.log10().floor() - 3.0).max(0.0));
    let digits = format!("{:.0}", (value / scale).round() * scale);
    grouped(&digits)
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Calls `measure` for each in turn, as often as there are rounds, and gives the numbers of each.
pub fn rounds<T>(count: usize, contenders: &[T], mut measure: impl FnMut(&T, usize)) {
    for round in 0..count {
        for at in 0..contenders.len() {
            measure(&contenders[(at + round) % contenders.len()], round);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_rounds_is_between_two() {
        let statistics = Statistics::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(statistics, Some(Statistics { median: 2.5, min: 1.0, max: 4.0 }));
    }

    #[test]
    fn another_unit_keeps_the_smallest_first() {
        let rate = Statistics { median: 2.0, min: 1.0, max: 4.0 }.map(|value| 1.0 / value);
        assert_eq!(rate, Statistics { median: 0.5, min: 0.25, max: 1.0 });
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let texts = [2.345, 45.67, 999.4, 1234.0, 1_234_567.0].map(number);
        assert_eq!(texts, ["2.35", "45.7", "999", "1,234", "1,235,000"]);
        assert_eq!([7, 1_234_567].map(count), ["7", "1,234,567"]);
    }

    #[test]
    fn every_round_begins_with_another() {
        let mut order = Vec::new();
        rounds(3, &["a", "b", "c"], |name, _| order.push(*name));
        assert_eq!(order.concat(), "abcbcacab");
    }
}
