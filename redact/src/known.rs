//! Secrets that have been found once are known, and found again where nothing gives them away.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{AhoCorasick, Input, MatchKind};

use crate::scan::Hit;
use crate::values::is_placeholder;

/// More are not remembered.
const COUNT_MAX: usize = 10_000;
/// Shorter ones may be words.
const LEN_MIN: usize = 8;
const LEN_MAX: usize = 4096;
/// So much of a longer one is it, where the rest has been cut off, if there is a digit in it: what a vendor's keys have in common is shorter,
/// or words and the name of a host.
const BEGINNING: usize = 20;

/// Secrets that have been found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    secrets: HashMap<Vec<u8>, usize>,
    /// What finds them; behind what has been added since.
    finder: Option<(AhoCorasick, Vec<usize>)>,
    /// The same for their beginnings, each with the secrets that begin so.
    beginnings: Option<(AhoCorasick, Vec<Vec<(Vec<u8>, usize)>>)>,
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
        let mut beginnings: BTreeMap<&[u8], Vec<(Vec<u8>, usize)>> = BTreeMap::new();
        for (secret, rule) in &self.secrets {
            // What begins with words begins as other texts do.
            if let Some((beginning, [_, ..])) = secret.split_at_checked(BEGINNING)
                && !beginning.iter().any(u8::is_ascii_whitespace)
            {
                beginnings.entry(beginning).or_default().push((secret.clone(), *rule));
            }
        }
        beginnings.values_mut().for_each(|secrets| secrets.sort_unstable());
        let (beginnings, secrets): (Vec<_>, Vec<_>) = beginnings.into_iter().unzip();
        let built = AhoCorasick::new(beginnings);
        self.beginnings =
            built.ok().filter(|finder| finder.patterns_len() > 0).map(|finder| (finder, secrets));
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

    /// Calls `found` with where the beginning of each stands, as far as it goes, and its rule: tools and agents cut what is long.
    pub(crate) fn find_cut(&self, text: &[u8], found: &mut dyn FnMut(usize, usize, usize)) {
        let Some((finder, beginnings)) = &self.beginnings else { return };
        let mut from = 0;
        while let Some(at) = finder.find(Input::new(text).range(from..)) {
            let rest = text.get(at.start()..).unwrap_or_default();
            let secrets = beginnings.get(at.pattern().as_usize()).map(Vec::as_slice).unwrap_or_default();
            let common = |secret: &[u8]| std::iter::zip(secret, rest).take_while(|(a, b)| a == b).count();
            // The one that it has most in common with stands beside where it would stand itself.
            let place = secrets.partition_point(|(secret, _)| secret.as_slice() < rest);
            let beside = secrets.iter().skip(place.saturating_sub(1)).take(2);
            let longest = beside.map(|(secret, rule)| (common(secret), *rule)).max();
            from = at.end();
            if let Some((len, rule)) = longest
                && rest.iter().take(len).any(u8::is_ascii_digit)
            {
                from = from.max(at.start() + len);
                found(at.start(), from, rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(secrets: &[&str]) -> Known {
        let mut known = Known::default();
        for (rule, secret) in secrets.iter().enumerate() {
            let hit = Hit { start: 0, end: 0, rule, secret: secret.as_bytes().to_vec(), is_number: false };
            assert!(known.add(&hit));
        }
        known.prepare();
        known
    }

    fn cut(known: &Known, text: &str) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        known.find_cut(text.as_bytes(), &mut |start, end, rule| found.push((start, end, rule)));
        found
    }

    #[test]
    fn what_is_cut_off_is_known_as_far_as_it_goes() {
        let one = "key-0123456789abcdefghijklmnop";
        let known = known(&[
            one,
            "key-0123456789abcdefgh2222",
            "a password of words 12345",
            "hooks.example.com/services/T01/B02",
        ]);
        assert_eq!(cut(&known, &format!("a {}…", &one[..25])), [(2, 27, 0)]);
        assert_eq!(cut(&known, "key-0123456789abcdefgh2x"), [(0, 23, 1)]);
        // At its end, and twice without anything between.
        let twice = format!("{}{}", &one[..20], &one[..21]);
        assert_eq!(
            cut(&known, &twice).iter().map(|(start, end, _)| (*start, *end)).collect::<Vec<_>>(),
            [(0, 20), (20, 41)]
        );
        // Too short to say, and words.
        assert_eq!(cut(&known, &one[..19]), []);
        assert_eq!(cut(&known, "a password of words 1234"), []);
        assert_eq!(cut(&known, "hooks.example.com/services/T"), []);
        assert_eq!(cut(&known, "hooks.example.com/services/T01/B"), [(0, 32, 3)]);
    }
}
