//! Rules of the user's own, in the form that gitleaks reads: `[[rules]]` with `id`, `regex`, `keywords`, `secretGroup`, `entropy` and
//! allow lists.

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::bytes::entropy;
use crate::error::RulesError;

/// A regular expression, compiled, may take so much memory.
const SIZE_MAX: usize = 64 << 20;

/// A rule that is ready.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub(crate) id: String,
    regex: Regex,
    group: usize,
    entropy: f64,
    keywords: Vec<String>,
    allowed: Vec<Regex>,
    stop_words: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Entry>,
    #[serde(default)]
    allowlist: Option<Allowed>,
    #[serde(default)]
    allowlists: Vec<Allowed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    /// One that looks at paths alone has none, and finds nothing here.
    regex: Option<String>,
    #[serde(default)]
    secret_group: usize,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    allowlist: Option<Allowed>,
    #[serde(default)]
    allowlists: Vec<Allowed>,
}

#[derive(Deserialize)]
struct Allowed {
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
}

/// Reads rules from TOML.
pub(crate) fn parse(text: &str) -> Result<Vec<Custom>, RulesError> {
    let file: File = toml::from_str(text).map_err(|e| RulesError::NotRules { reason: e.to_string() })?;
    if file.rules.is_empty() {
        return Err(RulesError::NotRules { reason: "there is no [[rules]]".to_owned() });
    }
    let general: Vec<&Allowed> = file.allowlist.iter().chain(&file.allowlists).collect();
    file.rules
        .iter()
        .filter_map(|rule| Some((rule, rule.regex.as_deref()?)))
        .map(|(rule, regex)| rule.prepare(regex, &general))
        .collect()
}

impl Entry {
    fn prepare(&self, regex: &str, general: &[&Allowed]) -> Result<Custom, RulesError> {
        let bad = |reason: String| RulesError::BadRule { rule: self.id.clone(), reason };
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(is_name) {
            return Err(bad("its id is to be 1 to 64 of a-z, 0-9 and -: it stands in markers".to_owned()));
        }
        let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(SIZE_MAX).build();
        let regex = compile(regex).map_err(|e| bad(e.to_string()))?;
        if self.secret_group >= regex.captures_len() {
            return Err(bad(format!("it has no group {}", self.secret_group)));
        }
        let lists = || self.allowlist.iter().chain(&self.allowlists).chain(general.iter().copied());
        let allowed: Result<_, _> =
            lists().flat_map(|list| &list.regexes).map(|pattern| compile(pattern)).collect();
        // Without a group that is named, the first one that there is holds the secret.
        let group = if self.secret_group == 0 && regex.captures_len() > 1 { 1 } else { self.secret_group };
        Ok(Custom {
            id: self.id.clone(),
            group,
            entropy: self.entropy,
            keywords: self.keywords.iter().map(|word| word.to_ascii_lowercase()).collect(),
            allowed: allowed.map_err(|e| bad(e.to_string()))?,
            stop_words: lists()
                .flat_map(|list| &list.stopwords)
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            regex,
        })
    }
}

impl Custom {
    /// Calls `found` for every secret of this rule.
    pub(crate) fn find(&self, text: &[u8], found: &mut dyn FnMut(usize, usize)) {
        let lower = text.to_ascii_lowercase();
        let has = |text: &[u8], word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
        if !self.keywords.is_empty() && !self.keywords.iter().any(|word| has(&lower, word)) {
            return;
        }
        for captures in self.regex.captures_iter(text) {
            let Some(secret) = captures.get(self.group).or_else(|| captures.get(0)) else { continue };
            let bytes = secret.as_bytes();
            let is_allowed = self.allowed.iter().any(|allowed| allowed.is_match(bytes))
                || self.stop_words.iter().any(|word| has(&bytes.to_ascii_lowercase(), word));
            if !bytes.is_empty() && !is_allowed && entropy(bytes) >= self.entropy {
                found(secret.start(), secret.end());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        [[rules]]
        id = "house-token"
        description = "Ours"
        regex = '''house_([0-9a-f]{8})\b'''
        keywords = ["HOUSE_"]
        entropy = 2
        [[rules.allowlists]]
        stopwords = ["dead"]

        [[rules]]
        id = "path-only"
        path = '''\.p12$'''
    "#;

    #[test]
    fn rules_find_what_they_say() {
        let rules = parse(RULES).unwrap();
        assert_eq!(rules.len(), 1);
        let found = |text: &str| {
            let mut found = Vec::new();
            rules[0].find(text.as_bytes(), &mut |start, end| found.push(text[start..end].to_owned()));
            found
        };
        assert_eq!(found("a house_1234abcd b house_0000aaaa house_deadbeef"), ["1234abcd"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("[[rules]]\nid='A b'\nregex='x'", "A b"),
            ("[[rules]]\nid='a'\nregex='('", "unclosed"),
            ("[[rules]]\nid='a'\nregex='x'\nsecretGroup=2", "no group 2"),
            ("x = 1", "no [[rules]]"),
            ("[[rules", "no rules"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
