//! Takes secrets out of traces: finds them by rules, and puts stable markers in their places.
//!
//! [`Rules`] are the built-in ones, with others of the user's own. [`redact`] writes a session's log anew without what they find;
//! a [`Redactor`] does the same to events on their way in or out.
//!
//! | module | holds |
//! |---|---|
//! | `vendors` | keys and tokens that can be told by their form |
//! | `assignment`, `values` | values that are given to names, and which of them may be secrets |
//! | `places` | secrets that are told by where they stand |
//! | `custom` | rules of the user's own |
//! | `scan`, `known` | one pass over a text for all of them; what has been found before |
//! | `json`, `unescape` | strings in JSON, and escapes, with where they came from |
//! | `marker` | what stands in the place of a secret |
//! | `event`, `texts` | the strings of an event; streamed text, in pieces |
//! | `redactor`, `session` | the events of a session, and its log |
//! | `faithful` | whether an event is another one with markers in it, and nothing else |
#![forbid(unsafe_code)]

mod assignment;
mod bytes;
mod custom;
mod error;
mod event;
mod faithful;
mod json;
mod known;
mod marker;
mod places;
mod redactor;
mod scan;
mod session;
mod texts;
mod unescape;
mod values;
mod vendors;

use std::path::Path;

pub use error::RulesError;
pub use marker::Key;
pub use redactor::{Counts, Place, Redactor};
pub use scan::Rules;
pub use session::{Act, Outcome, redact, redacted_copy};

use scan::Wanted;

impl Rules {
    /// The built-in rules; `email`: addresses too; `own`: a file with more of them, in TOML as gitleaks reads it.
    ///
    /// # Errors
    /// When the file cannot be read, or a rule in it not be used.
    pub fn new(email: bool, own: Option<&Path>) -> Result<Self, RulesError> {
        let custom = match own {
            Some(path) => {
                let unreadable = |source| RulesError::Unreadable { path: path.to_owned(), source };
                custom::parse(&std::fs::read_to_string(path).map_err(unreadable)?)?
            }
            None => Vec::new(),
        };
        Rules::prepare(Wanted { email, custom })
    }

    /// What the rules are called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all_names().iter().map(|name| name.rule.as_str())
    }
}

/// What an id becomes that has a secret in it. `None`: it has none.
#[must_use]
pub fn redacted_id(rules: &Rules, key: &Key, id: &str) -> Option<String> {
    Redactor::new(rules, key).id(id)
}
