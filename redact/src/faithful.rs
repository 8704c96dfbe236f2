//! Whether an event is another one with markers in place of parts of its strings, and nothing else: found out without the code that
//! replaces.

use memchr::memmem::find;

/// Compares two events as JSON.
pub(crate) fn is_faithful(old: &[u8], new: &[u8]) -> bool {
    let (mut old, mut new) = (Parts(old), Parts(new));
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(Part::String(old)), Some(Part::String(new))) if is_cut_from(new, old) => {}
            (Some(Part::Other(old)), Some(Part::Other(new))) if old == new => {}
            // A number that was a password.
            (Some(Part::Other(old)), Some(Part::String(new))) if is_number(old) && new.starts_with(BEGIN) => {
            }
            _ => return false,
        }
    }
}

const BEGIN: &[u8] = b"[redacted:";

/// Whether `new` is `old` with markers in it, and with parts left out where they stand, or, in a piece of a text, at an end of it.
fn is_cut_from(new: &[u8], old: &[u8]) -> bool {
    let mut rest = old;
    let mut new = new;
    while !new.is_empty() && new != rest {
        let marker = find(new, BEGIN).filter(|at| new.get(*at..).is_some_and(|from| from.contains(&b']')));
        let (kept, behind) = match marker {
            Some(at) => {
                let close =
                    new.iter().skip(at).position(|byte| *byte == b']').map_or(new.len(), |len| at + len + 1);
                (new.get(..at), new.get(close..))
            }
            None => (Some(new), Some([].as_slice())),
        };
        let (kept, behind) = (kept.unwrap_or_default(), behind.unwrap_or_default());
        let Some(at) = find(rest, kept) else { return false };
        rest = rest.get(at + kept.len()..).unwrap_or_default();
        new = behind;
    }
    true
}

fn is_number(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}

#[derive(Debug)]
enum Part<'t> {
    /// What is between its quotes.
    String(&'t [u8]),
    /// A number, or a word, or one of the signs between them.
    Other(&'t [u8]),
}

/// The parts of a JSON text.
struct Parts<'t>(&'t [u8]);

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        self.0 = self.0.trim_ascii_start();
        let text = self.0;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let first = *text.first()?;
        if first == b'"' {
            let mut end = 1;
            while *text.get(end)? != b'"' {
                end += if text.get(end) == Some(&b'\\') { 2 } else { 1 };
            }
            self.0 = text.get(end + 1..).unwrap_or_default();
            return Some(Part::String(text.get(1..end)?));
        }
        let end = crate::bytes::run_end(text, 0, usize::MAX, is_word).max(1);
        self.0 = text.get(end..).unwrap_or_default();
        Some(Part::Other(text.get(..end)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_in_strings_are_all_that_may_differ() {
        let old = br#"{"a":"x secret y","n":12345,"b":[true,"secret"]}"#;
        let yes = [
            r#"{"a":"x [redacted:q:1] y","n":12345,"b":[true,"[redacted:q:1]"]}"#,
            r#"{"a":"x ","n":"[redacted:q:1]","b":[true,"secret"]}"#,
            r#"{"a":"x secret y","n":12345,"b":[true,"secret"]}"#,
        ];
        for new in yes {
            assert!(is_faithful(old, new.as_bytes()), "{new}");
        }
        let no = [
            r#"{"a":"x secret z","n":12345,"b":[true,"secret"]}"#,
            r#"{"a":"x secret y","n":12346,"b":[true,"secret"]}"#,
            r#"{"a":"x secret y","n":12345,"b":[true]}"#,
            r#"{"a":"x secret y","n":12345,"b":[false,"secret"]}"#,
            r#"{"a":"x secret y","n":"12345","b":[true,"secret"]}"#,
            r#"{"a":"y [redacted:q:1] x","n":12345,"b":[true,"secret"]}"#,
            r#"{"a":"x secret y","n":12345,"b":[true,"secret"],"c":1}"#,
        ];
        for new in no {
            assert!(!is_faithful(old, new.as_bytes()), "{new}");
        }
    }
}
