//! Texts as they are shown: cut, and on one line.

use serde_json::value::RawValue;

/// The beginning of a text, of at most so many bytes, cut at a character.
pub(crate) fn prefix(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A text on one line, of at most so many characters; an ellipsis where something is cut off.
pub(crate) fn one_line(text: &str, characters: usize) -> String {
    let mut line = String::new();
    let mut rest = text.chars();
    for c in rest.by_ref().take(characters) {
        line.push(if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    }
    if rest.next().is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// A JSON value on one line: a string as it is, of anything else its JSON.
pub(crate) fn preview(json: &str, characters: usize) -> String {
    // No character takes more than 12 bytes of JSON; what is behind is not looked at.
    let head = prefix(json, characters.saturating_mul(12).saturating_add(2));
    if !head.starts_with('"') {
        return one_line(head, characters);
    }
    one_line(&string_prefix(head), characters)
}

/// The text of a JSON string that may be cut off anywhere. Lone surrogates become U+FFFD.
pub(crate) fn string_prefix(json: &str) -> String {
    let mut text = String::new();
    let mut decoder = crate::unescape::Unescape::default();
    decoder.push(json.as_bytes(), &mut |piece: &str| text.push_str(piece));
    decoder.finish(&mut |piece: &str| text.push_str(piece));
    text
}

/// The text of a JSON string, or the JSON of anything else.
pub(crate) fn text_of(json: &RawValue) -> String {
    if json.get().starts_with('"') { string_prefix(json.get()) } else { json.get().to_owned() }
}
