//! Secrets that have been found once are known, and found again where nothing gives them away.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::scan::Hit;
use crate::values::is_placeholder;

/// More are not remembered.
const COUNT_MAX: usize = 10_000;
/// Shorter ones may be words.
const LEN_MIN: usize = 8;
const LEN_MAX: usize = 4096;

/// Secrets that have been found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    secrets: HashMap<Vec<u8>, usize>,
    /// What finds them; behind what has been added since.
    finder: Option<(AhoCorasick, Vec<usize>)>,
}

impl Known {
    /// Remembers a secret, if it is one that is not a word. Returns whether it is new.
    pub(crate) fn add(&mut self, hit: &Hit) -> bool {
        let secret = &hit.secret;
        let has = |is: fn(&u8) -> bool| secret.iter().any(is);
        let is_distinct = (LEN_MIN..=LEN_MAX).contains(&secret.len())
            && has(u8::is_ascii_alphabetic)
            && has(|byte| !byte.is_ascii_alphabetic() && *byte != b' ')
            && !is_placeholder(secret);
        if !is_distinct || self.secrets.len() >= COUNT_MAX || self.secrets.contains_key(secret) {
            return false;
        }
        self.secrets.insert(secret.clone(), hit.rule);
        true
    }

    /// Makes ready to find all that have been added.
    pub(crate) fn prepare(&mut self) {
        let (secrets, rules): (Vec<_>, Vec<_>) =
            self.secrets.iter().map(|(secret, rule)| (secret, *rule)).unzip();
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(secrets);
        self.finder = built.ok().filter(|finder| finder.patterns_len() > 0).map(|finder| (finder, rules));
    }

    /// Calls `found` with where each stands, and its rule.
    pub(crate) fn find(&self, text: &[u8], found: &mut dyn FnMut(usize, usize, usize)) {
        let Some((finder, rules)) = &self.finder else { return };
        for at in finder.find_iter(text) {
            if let Some(rule) = rules.get(at.pattern().as_usize()) {
                found(at.start(), at.end(), *rule);
            }
        }
    }
}
