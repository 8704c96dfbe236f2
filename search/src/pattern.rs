//! What is looked for, and what a text has to hold for it to be there.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::folding::Folding;
use crate::trigram;

/// No more of a literal than this is looked up: whatever the index has cut in two overlaps by more.
const LITERAL_MAX_CHARS: usize = 48;
/// An expression that needs more alternatives than this is not looked up.
const ALTERNATIVES_MAX: usize = 64;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    need: Need,
}

/// What a text has to hold, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing is known.
    Anything,
    /// This.
    Literal(Vec<char>),
    /// One of these.
    OneOf(Vec<Need>),
}

/// Why something cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// A text, whatever its case.
    ///
    /// # Errors
    /// When it is empty, or too long.
    pub fn text(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError("there is nothing to look for".to_owned()));
        }
        Self::expression(&regex::escape(text), true)
    }

    /// A regular expression in the syntax of the crate `regex`; `^` and `$` stand for the ends of a line.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn regex(expression: &str) -> Result<Self, PatternError> {
        Self::expression(expression, false)
    }

    fn expression(expression: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(expression).case_insensitive(ignore_case).multi_line(true).build();
        let regex = regex.map_err(|error| PatternError(error.to_string()))?;
        let parsed = regex_syntax::ParserBuilder::new()
            .case_insensitive(ignore_case)
            .multi_line(true)
            .build()
            .parse(expression)
            .map_err(|error| PatternError(error.to_string()))?;
        Ok(Pattern { regex, need: Need::of(&parsed, &mut Folding::default()).unwrap_or(Need::Anything) })
    }

    /// Where it stands in a text, behind `from`. A match of nothing is none.
    pub(crate) fn find_in<'t>(
        &'t self,
        text: &'t str,
        from: usize,
    ) -> impl Iterator<Item = (usize, usize)> + 't {
        let all = self.regex.find_iter(text).map(|found| (found.start(), found.end()));
        all.filter(move |(start, end)| start < end && *end > from)
    }

    /// The expression for the index, which finds every text that may hold it. `None`: any text may.
    pub(crate) fn lookup(&self) -> Option<String> {
        self.need.lookup()
    }
}

impl Need {
    /// What every match of an expression holds. `None`: nothing is known.
    fn of(hir: &Hir, folding: &mut Folding) -> Option<Need> {
        match hir.kind() {
            HirKind::Literal(_) | HirKind::Class(_) => Need::of_run(&one(hir, folding)?),
            HirKind::Capture(capture) => Need::of(&capture.sub, folding),
            HirKind::Repetition(repeated) if repeated.min > 0 => Need::of(&repeated.sub, folding),
            HirKind::Concat(parts) => {
                let (mut best, mut run): (Option<Need>, Vec<char>) = (None, Vec::new());
                let better = |best: &mut Option<Need>, need: Option<Need>| {
                    if need.as_ref().map(Need::length) > best.as_ref().map(Need::length) {
                        *best = need;
                    }
                };
                for part in parts {
                    match one(part, folding) {
                        Some(more) => run.extend(more),
                        None => {
                            better(&mut best, Need::of_run(&run));
                            run.clear();
                            better(&mut best, Need::of(part, folding));
                        }
                    }
                }
                better(&mut best, Need::of_run(&run));
                best
            }
            HirKind::Alternation(parts) if parts.len() <= ALTERNATIVES_MAX => {
                parts.iter().map(|part| Need::of(part, folding)).collect::<Option<Vec<_>>>().map(Need::OneOf)
            }
            _ => None,
        }
    }

    fn of_run(run: &[char]) -> Option<Need> {
        // Shorter ones have no trigram.
        (run.len() >= 3).then(|| Need::Literal(run.iter().copied().take(LITERAL_MAX_CHARS).collect()))
    }

    /// How much it says, at least.
    fn length(&self) -> usize {
        match self {
            Need::Anything => 0,
            Need::Literal(chars) => chars.len(),
            Need::OneOf(needs) => needs.iter().map(Need::length).min().unwrap_or(0),
        }
    }

    fn lookup(&self) -> Option<String> {
        match self {
            Need::Anything => None,
            Need::Literal(chars) => {
                let words = chars.windows(3).filter_map(|three| three.try_into().ok().map(trigram::word));
                Some(format!("({})", words.collect::<Vec<_>>().join(" AND ")))
            }
            Need::OneOf(needs) => {
                let all = needs.iter().map(Need::lookup).collect::<Option<Vec<_>>>()?;
                Some(format!("({})", all.join(" OR ")))
            }
        }
    }
}

/// The characters that an expression stands for, if it is one text but for case.
fn one(hir: &Hir, folding: &mut Folding) -> Option<Vec<char>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(text.chars().map(|c| folding.char(c)).collect())
        }
        HirKind::Class(Class::Unicode(class)) => {
            let mut folded = None;
            let few = class.iter().map(|range| range.len()).sum::<usize>() <= 8;
            for c in class.iter().filter(|_| few).flat_map(|range| range.start()..=range.end()) {
                let c = folding.char(c);
                if *folded.get_or_insert(c) != c {
                    return None;
                }
            }
            folded.map(|c| vec![c])
        }
        HirKind::Capture(capture) => one(&capture.sub, folding),
        HirKind::Concat(parts) => {
            let all = parts.iter().map(|part| one(part, folding)).collect::<Option<Vec<_>>>()?;
            Some(all.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(expression: &str) -> Option<String> {
        Pattern::regex(expression).unwrap().lookup()
    }

    /// What is looked up for a text.
    fn of(text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let words: Vec<String> =
            chars.windows(3).map(|three| trigram::word(three.try_into().unwrap())).collect();
        format!("({})", words.join(" AND "))
    }

    #[test]
    fn what_every_match_holds_is_looked_up() {
        assert_eq!(Pattern::text("Exit code").unwrap().lookup(), lookup("(?i)exit CODE"));
        assert_eq!(lookup("error"), Some(of("ERROR")));
        assert_eq!(lookup("err(no|or: )x+"), Some(of("ERR")));
        assert_eq!(lookup("a.*needle[0-9]+"), Some(of("NEEDLE")));
        assert_eq!(lookup("(cargo|npm) test"), Some(of(" TEST")));
        assert_eq!(lookup("timeout|refused"), Some(format!("({} OR {})", of("TIMEOUT"), of("REFUSED"))));
        assert_eq!(lookup("a\"\\x00c"), Some(of("A\"\0C")));
        assert_eq!(lookup("(abc)+"), Some(of("ABC")));
        assert_eq!(lookup(&"x".repeat(500)), Some(of(&"X".repeat(LITERAL_MAX_CHARS))));
    }

    #[test]
    fn what_says_nothing_is_not_looked_up() {
        for expression in [
            "",
            "ab",
            "x*",
            "[a-z]+",
            "abc|.",
            "(abc)?",
            "(abc)*d",
            "^$",
            "\\d\\d\\d",
            "(?-u:\\x41\\x42\\x43)?",
        ] {
            assert_eq!(lookup(expression), None, "{expression}");
        }
    }

    #[test]
    fn a_match_of_nothing_is_none() {
        let pattern = Pattern::regex("x*").unwrap();
        assert_eq!(pattern.find_in("axxb", 0).collect::<Vec<_>>(), [(1, 3)]);
        assert_eq!(Pattern::regex("$").unwrap().find_in("ab\ncd", 0).count(), 0);
        assert_eq!(pattern.find_in("axxb", 3).count(), 0, "it stood in the passage before");
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused() {
        assert!(Pattern::text("").is_err());
        for expression in ["(", "[", "a{99999999}", "\\1"] {
            assert!(Pattern::regex(expression).is_err(), "{expression}");
        }
    }
}
