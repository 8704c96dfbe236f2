//! What is wrong with rules.

use std::fmt;
use std::path::PathBuf;

/// Why rules cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML with rules in it.
    NotRules {
        /// What is wrong.
        reason: String,
    },
    /// A rule is not one that can be used.
    BadRule {
        /// Which.
        rule: String,
        /// What is wrong with it.
        reason: String,
    },
    /// All of them together are too large.
    TooLarge(String),
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesError::Unreadable { path, source } => write!(f, "{}: {source}", path.display()),
            RulesError::NotRules { reason } => write!(f, "no rules: {}", reason.trim()),
            RulesError::BadRule { rule, reason } => write!(f, "rule \"{rule}\": {}", reason.trim()),
            RulesError::TooLarge(reason) => write!(f, "the rules are too large: {reason}"),
        }
    }
}

impl std::error::Error for RulesError {}

impl From<regex::Error> for RulesError {
    fn from(error: regex::Error) -> Self {
        RulesError::BadRule { rule: "built in".to_owned(), reason: error.to_string() }
    }
}

impl From<aho_corasick::BuildError> for RulesError {
    fn from(error: aho_corasick::BuildError) -> Self {
        RulesError::TooLarge(error.to_string())
    }
}
