//! Three characters in a row as a word of the index.
//!
//! Of each piece the index is given every trigram once, and not its text: it would cut the text into as many words as it has characters, and look most of them
//! up for nothing (measured: a third of the time).

use std::fmt::Write as _;

/// Numbers of trigrams are smaller than this.
const NUMBERS: u32 = 1 << 25;
/// Below are those of three ASCII characters, each with a number of its own. Others may share one: then more is looked at, and nothing is missed.
const ASCII_NUMBERS: u32 = 1 << 21;
/// Of five bits each.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The different trigrams of a text.
#[derive(Debug)]
pub(crate) struct Trigrams {
    /// One bit for each number.
    seen: Vec<u64>,
    numbers: Vec<u32>,
    last: [char; 2],
    length: usize,
}

impl Default for Trigrams {
    fn default() -> Self {
        let words = usize::try_from(NUMBERS / 64).unwrap_or_default();
        Trigrams { seen: vec![0; words], numbers: Vec::new(), last: ['\0'; 2], length: 0 }
    }
}

impl Trigrams {
    /// The next character.
    pub(crate) fn push(&mut self, c: char) {
        let [a, b] = self.last;
        self.last = [b, c];
        self.length += 1;
        if self.length >= 3 {
            let number = number([a, b, c]);
            let (word, bit) = (usize::try_from(number / 64).unwrap_or_default(), 1_u64 << (number % 64));
            if let Some(seen) = self.seen.get_mut(word)
                && *seen & bit == 0
            {
                *seen |= bit;
                self.numbers.push(number);
            }
        }
    }

    /// Another text begins: no trigram stands in both.
    pub(crate) fn begin_text(&mut self) {
        self.length = 0;
    }

    /// All of them as words, and nothing is left.
    pub(crate) fn take_words(&mut self) -> String {
        let mut words = String::with_capacity(self.numbers.len() * 6);
        for number in self.numbers.drain(..) {
            if let Some(seen) = self.seen.get_mut(usize::try_from(number / 64).unwrap_or_default()) {
                *seen = 0;
            }
            put(number, &mut words);
            words.push(' ');
        }
        self.length = 0;
        words
    }
}

/// The word of one.
pub(crate) fn word(trigram: [char; 3]) -> String {
    let mut word = String::new();
    put(number(trigram), &mut word);
    word
}

fn number(trigram: [char; 3]) -> u32 {
    let [a, b, c] = trigram.map(u32::from);
    if trigram.iter().all(char::is_ascii) {
        return a << 14 | b << 7 | c;
    }
    // 21 bits each. The upper bits of a product with a number that is odd depend on all of them.
    let all = u64::from(a) << 42 | u64::from(b) << 21 | u64::from(c);
    let mixed = u32::try_from(all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).unwrap_or_default();
    ASCII_NUMBERS + mixed % (NUMBERS - ASCII_NUMBERS)
}

fn put(number: u32, to: &mut String) {
    for shift in [20, 15, 10, 5, 0] {
        let digit = DIGITS.get(usize::try_from(number >> shift & 31).unwrap_or_default());
        let _ = to.write_char(digit.map_or('a', |digit| char::from(*digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<String> {
        let mut trigrams = Trigrams::default();
        for text in texts {
            trigrams.begin_text();
            text.chars().for_each(|c| trigrams.push(c));
        }
        let words = trigrams.take_words();
        assert!(trigrams.seen.iter().all(|word| *word == 0) && trigrams.numbers.is_empty());
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn each_is_a_word_once() {
        assert_eq!(words(&["abcabc"]), [['a', 'b', 'c'], ['b', 'c', 'a'], ['c', 'a', 'b']].map(word));
        assert_eq!(words(&["ab", "cd", "", "日本語"]), [word(['日', '本', '語'])]);
        assert_eq!(words(&["日本語ab"]).len(), 3);
    }

    #[test]
    fn those_of_ascii_are_all_different() {
        let mut all: Vec<u32> = Vec::new();
        let ascii = || (0..128_u8).map(char::from);
        for (a, b) in ascii().flat_map(|a| ascii().map(move |b| (a, b))) {
            all.extend(ascii().map(|c| number([a, b, c])));
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1 << 21);
        assert_eq!(word(['\0', '\0', '\0']), "aaaaa");
        assert!(word([char::MAX; 3]).len() == 5 && number(['é', 'a', 'b']) >= ASCII_NUMBERS);
    }
}
