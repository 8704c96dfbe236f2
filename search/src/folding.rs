//! Letters that differ by case alone, made the same.
//!
//! Two characters are the same here exactly when a regular expression that ignores case takes one for the other: the folding is asked of
//! the crate that the expressions come from. So what an expression finds has the trigrams that are looked for.

use std::collections::HashMap;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// Folds text. Characters beyond ASCII are looked up once.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    known: HashMap<char, char>,
}

impl Folding {
    pub(crate) fn char(&mut self, c: char) -> char {
        match c {
            _ if c.is_ascii() => c.to_ascii_uppercase(),
            _ => *self.known.entry(c).or_insert_with(|| first_of_its_kind(c)),
        }
    }
}

/// The lowest of the characters that differ from `c` by case alone.
fn first_of_its_kind(c: char) -> char {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    match class.try_case_fold_simple() {
        Ok(()) => class.iter().next().map_or(c, |range| range.start()),
        Err(_) => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut folding = Folding::default();
        text.chars().map(|c| folding.char(c)).collect()
    }

    #[test]
    fn case_alone_makes_no_difference() {
        assert_eq!(folded("Straße, ÉTÉ, Ωμέγα"), folded("sTRASSE, été, ωΜΈΓΑ".replace("SS", "ß").as_str()));
        // The Kelvin sign, the long s, and the three sigmas.
        assert_eq!(folded("\u{212a}ſς"), folded("ksσ"));
        assert_ne!(folded("ı"), folded("i"));
    }

    /// What the module promises, of every character there is.
    #[test]
    fn an_expression_that_ignores_case_agrees() {
        let mut folding = Folding::default();
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let folded = folding.char(c);
            assert_eq!(folding.char(folded), folded, "{c:?}");
            if folded != c {
                let expression = regex::RegexBuilder::new(&regex::escape(&c.to_string()))
                    .case_insensitive(true)
                    .build()
                    .unwrap();
                assert!(expression.is_match(&folded.to_string()), "{c:?} {folded:?}");
            }
        }
    }
}
