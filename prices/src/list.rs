//! The prices of models.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::file::{self, PricesError};

/// Tokens of a call, in classes that do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
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

/// What a model costs, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Input that was not cached.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Reasoning; as output if absent.
    pub reasoning: Option<f64>,
    /// Input read from a cache.
    pub cache_read: Option<f64>,
    /// Input written to a cache.
    pub cache_write: Option<f64>,
}

/// A price, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The price.
    pub price: Price,
    /// Where it is from: an address, or the user's file.
    pub source: String,
    /// The day on which that was read.
    pub read_on: Option<String>,
}

/// Prices by model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(BTreeMap<String, Entry>);

/// The list as it is written. An own list may have its models without a group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    group: Vec<Group>,
    #[serde(default)]
    models: BTreeMap<String, Price>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    source: String,
    read_on: Option<String>,
    models: BTreeMap<String, Price>,
}

impl Written {
    pub(crate) fn models(&self) -> impl Iterator<Item = (&String, &Price)> {
        self.group.iter().flat_map(|group| &group.models).chain(&self.models)
    }
}

impl Prices {
    /// The list that is compiled in.
    #[must_use]
    pub fn compiled_in() -> Self {
        let mut prices = Prices(BTreeMap::new());
        // A test reads it: it is a list.
        if let Ok(written) = file::parse(include_str!("prices.toml")) {
            prices.put(written, "compiled in");
        }
        prices
    }

    /// The same, and the user's own list before it. A file that is not there is an empty list.
    ///
    /// # Errors
    /// When it cannot be read, or is no list of prices.
    pub fn with(file: &Path) -> Result<Self, PricesError> {
        let mut prices = Self::compiled_in();
        if let Some(written) = file::read(file)? {
            prices.put(written, &file.display().to_string());
        }
        Ok(prices)
    }

    fn put(&mut self, written: Written, source: &str) {
        for group in written.group {
            for (model, price) in group.models {
                let entry = Entry { price, source: group.source.clone(), read_on: group.read_on.clone() };
                self.0.insert(model, entry);
            }
        }
        for (model, price) in written.models {
            self.0.insert(model, Entry { price, source: source.to_owned(), read_on: None });
        }
    }

    /// All of them, by model.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(model, entry)| (model.as_str(), entry))
    }

    /// The price of a model: of its id as it is; else without what providers put around it (`anthropic/`, `us.anthropic.`, `[1m]`, `-v1:0`, `@20250929`,
    /// `-20250929`, `-2026-03-05`, `-latest`).
    #[must_use]
    pub fn find(&self, model: &str) -> Option<&Entry> {
        if let Some(entry) = self.0.get(model) {
            return Some(entry);
        }
        let mut name = model.rsplit('/').next().unwrap_or(model);
        if let Some((_, own)) = name.split_once("anthropic.") {
            name = own;
        }
        loop {
            if let Some(entry) = self.0.get(name) {
                return Some(entry);
            }
            name = without_suffix(name)?;
        }
    }

    /// What a call cost, in US dollars. `None`: that is not known.
    #[must_use]
    pub fn estimate(&self, model: &str, used: Used) -> Option<f64> {
        let price = self.find(model)?.price;
        let classes = [
            (used.input, Some(price.input)),
            (used.output, Some(price.output)),
            (used.reasoning, Some(price.reasoning.unwrap_or(price.output))),
            (used.cache_read, price.cache_read),
            (used.cache_write, price.cache_write),
        ];
        let mut dollars = 0.0;
        for (tokens, per_million) in classes.into_iter().filter(|(tokens, _)| *tokens > 0) {
            dollars += float(tokens) * per_million? / 1e6;
        }
        Some(dollars)
    }
}

impl Used {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Used::default()
    }
}

/// A model's name without the last thing that says which edition of it was asked for.
fn without_suffix(name: &str) -> Option<&str> {
    if let Some(bracket) = name.strip_suffix(']').and_then(|name| name.rfind('[')) {
        return name.get(..bracket);
    }
    if let Some(at) = name.rfind(['@', ':']) {
        return name.get(..at);
    }
    let dash = name.rfind('-')?;
    let (rest, last) = (name.get(..dash)?, name.get(dash + 1..)?);
    let is_number =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    let is_version = last.strip_prefix('v').is_some_and(|n| is_number(n, 1));
    if last == "latest" || is_number(last, 8) || is_version {
        return Some(rest);
    }
    // `-2026-03-05`
    let day = name.get(name.len().checked_sub(11)?..)?;
    let parts: Vec<&str> = day.split('-').collect();
    match parts.as_slice() {
        ["", y, m, d] if is_number(y, 4) && is_number(m, 2) && is_number(d, 2) => name.get(..name.len() - 11),
        _ => None,
    }
}

/// Counts are not so large that it matters what is rounded.
fn float(n: u64) -> f64 {
    let (high, low) = (n >> 32, n & 0xffff_ffff);
    let part = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_compiled_in_is_one() {
        let prices = Prices::compiled_in();
        assert!(prices.iter().count() > 20);
        for (model, entry) in prices.iter() {
            assert!(entry.source.starts_with("https://") && entry.read_on.is_some(), "{model}");
            assert!(entry.price.output >= entry.price.input, "{model}");
            assert!(entry.price.cache_read.is_none_or(|read| read < entry.price.input), "{model}");
        }
    }

    #[test]
    fn every_class_has_its_price() {
        let prices = Prices::compiled_in();
        let used = Used {
            input: 1_000_000,
            output: 1_000_000,
            reasoning: 1_000_000,
            cache_read: 1_000_000,
            cache_write: 1_000_000,
        };
        assert_eq!(prices.estimate("claude-opus-4-6", used), Some(5.0 + 25.0 + 25.0 + 0.5 + 6.25));
        assert_eq!(prices.estimate("claude-opus-4-6", Used::default()), Some(0.0));
        // Nobody says what writing to a cache costs there.
        assert_eq!(prices.estimate("gpt-5", used), None);
        assert_eq!(
            prices.estimate("gpt-5", Used { cache_write: 0, ..used }),
            Some(1.25 + 10.0 + 10.0 + 0.125)
        );
        assert!(prices.estimate("gpt-5", Used { input: u64::MAX, ..Used::default() }).unwrap().is_finite());
    }

    #[test]
    fn a_model_is_found_by_any_of_its_names_and_by_no_other() {
        let prices = Prices::compiled_in();
        for name in [
            "claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "anthropic/claude-haiku-4-5",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5@20251001",
            "claude-haiku-4-5[1m]",
            "claude-haiku-4-5-latest",
        ] {
            assert_eq!(prices.find(name), prices.find("claude-haiku-4-5"), "{name}");
        }
        assert_eq!(prices.find("gpt-5-2025-08-07"), prices.find("gpt-5"));
        for name in [
            "",
            "claude",
            "claude-haiku-4",
            "claude-haiku-4-5-turbo",
            "gpt-5-pro",
            "gpt-5.9",
            "haiku",
            "-",
            "]",
            "é-2025-08-07",
            "-20250101",
        ] {
            assert_eq!(prices.find(name), None, "{name}");
        }
    }
}
