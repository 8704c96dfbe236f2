//! What model calls cost, where whoever recorded them does not say: estimated from their tokens by a list of prices.
//!
//! The list that is compiled in names the source of each price and the day on which a copy of it was read. The user's own list (`prices.toml` in the folder for
//! configuration) goes before it, model by model. A model that is in neither list costs nothing that is known: [`Prices::estimate`] says `None`, and never a
//! guess from the price of another model.
//!
//! An estimate never stands in a canonical JSON, which is a function of the log alone.
//!
//! ```
//! use tracewal_prices::{Prices, Used};
//!
//! let prices = Prices::compiled_in();
//! let used = Used { input: 1_000_000, output: 100_000, ..Used::default() };
//! assert_eq!(prices.estimate("anthropic/claude-opus-4-6-20260205", used), Some(7.5));
//! assert_eq!(prices.estimate("a model of my own", used), None);
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `list` | the prices of models, and finding a model's |
//! | `bill` | what several calls cost together |
//! | `file` | the user's own list, read and edited |
#![forbid(unsafe_code)]

mod bill;
mod file;
mod list;

pub use bill::Bill;
pub use file::{PricesError, default_path, make, set};
pub use list::{Entry, Price, Prices, Used};
