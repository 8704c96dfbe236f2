//! What a byte is, as far as secrets are concerned.

/// A byte of a name: `DB_PASSWORD`, `x-api-key`, `spring.datasource.password`.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A byte that a token may be made of.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The first position at or behind `from`, and at most `limit` further, whose byte is not one of these.
pub(crate) fn run_end(text: &[u8], from: usize, limit: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take(limit).take_while(|byte| is(**byte)).count()
}

/// The beginning of the run of such bytes that ends at `to`, at most `limit` bytes before it.
pub(crate) fn run_start(text: &[u8], to: usize, limit: usize, is: impl Fn(u8) -> bool) -> usize {
    let before = text.get(..to).unwrap_or_default();
    to - before.iter().rev().take(limit).take_while(|byte| is(**byte)).count()
}

/// Whether a token may begin at `at`: there is no letter or digit in front of it, but for that of an escape such as `\n`.
pub(crate) fn begins_at(text: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|at| text.get(at)).copied();
    match before(1) {
        Some(b'n' | b'r' | b't' | b'b' | b'f') => before(2) == Some(b'\\'),
        Some(byte) => !(is_token(byte) || matches!(byte, b'+' | b'/')),
        None => true,
    }
}

/// Shannon's entropy of the bytes, in bits for each.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).fold(0.0, |sum, count| {
        let share = f64::from(*count) / total;
        sum - share * share.log2()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_textbook() {
        assert!(entropy(b"aaaa").abs() < 1e-12);
        assert!((entropy(b"abab") - 1.0).abs() < 1e-12);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_token_begins_behind_an_escape_and_not_within_a_word() {
        for (text, at, begins) in [
            ("sk-1", 0, true),
            (" sk-1", 1, true),
            ("task-1", 2, false),
            (r"\nsk-1", 2, true),
            ("nsk-1", 1, false),
        ] {
            assert_eq!(begins_at(text.as_bytes(), at), begins, "{text}");
        }
    }
}
