//! Streamed text: pieces that are joined as bytes, whatever characters they were cut in.

use tracewal_format::event::Payload;
use tracewal_format::json::{self, write_str_inside};

/// Bytes that come in pieces, as text. Every maximal part that is not UTF-8 becomes one U+FFFD, as if the pieces had come as one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Joiner {
    /// The beginning of a character that the last piece was cut in.
    pending: [u8; 4],
    pending_len: u8,
    /// Whether anything so far was not UTF-8.
    broken: bool,
}

impl Joiner {
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&str)) {
        while self.pending_len > 0
            && let Some((byte, rest)) = bytes.split_first()
        {
            let length = usize::from(self.pending_len);
            if let Some(to) = self.pending.get_mut(length) {
                *to = *byte;
            }
            match std::str::from_utf8(self.pending.get(..=length).unwrap_or_default()) {
                Ok(character) => {
                    emit(character);
                    self.pending_len = 0;
                }
                Err(error) if error.error_len().is_none() => self.pending_len += 1,
                Err(_) => {
                    // The byte is not the next one of that character: what was pending is broken, and the byte begins anew.
                    self.cut(&mut emit);
                    continue;
                }
            }
            bytes = rest;
        }
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            if !chunk.valid().is_empty() {
                emit(chunk.valid());
            }
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let cut_off = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if let (true, Some(to)) = (cut_off, self.pending.get_mut(..invalid.len())) {
                to.copy_from_slice(invalid);
                self.pending_len = u8::try_from(invalid.len()).unwrap_or(0);
            } else {
                self.broken = true;
                emit("\u{FFFD}");
            }
        }
    }

    /// Nothing follows that could complete a character.
    pub(crate) fn cut(&mut self, mut emit: impl FnMut(&str)) {
        if self.pending_len > 0 {
            self.pending_len = 0;
            self.broken = true;
            emit("\u{FFFD}");
        }
    }
}

/// One piece of streamed text.
pub(crate) enum Piece<'a> {
    /// Bytes, and whether they are what the event said they are.
    Bytes(&'a [u8], bool),
    /// The inside of a JSON string, which stays as it was spelled.
    Spelled(&'a str),
}

impl<'a> Piece<'a> {
    /// The piece that a `span-text` event brings. `scratch` is used and left with anything in it.
    pub(crate) fn of(text: &'a Payload<'_>, scratch: &mut Vec<u8>) -> Self {
        if text.encoding != Payload::JSON {
            return Piece::Bytes(&text.bytes, text.encoding == Payload::STRING);
        }
        scratch.clear();
        let inside = std::str::from_utf8(&text.bytes)
            .ok()
            .filter(|spelled| spelled.trim_ascii_start().starts_with('"') && json::compact(spelled, scratch))
            .and_then(|spelled| spelled.trim_ascii().strip_prefix('"')?.strip_suffix('"'));
        inside.map_or(Piece::Bytes(&text.bytes, false), Piece::Spelled)
    }
}

/// Whether pieces of text make up valid text, as they are read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TextCheck {
    joiner: Joiner,
    untrue: bool,
}

impl TextCheck {
    pub(crate) fn push(&mut self, text: &Payload<'_>) {
        match Piece::of(text, &mut Vec::new()) {
            Piece::Bytes(bytes, true_to_itself) => {
                self.joiner.push(bytes, |_| ());
                self.untrue |= !true_to_itself;
            }
            Piece::Spelled(_) => self.joiner.cut(|_| ()),
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        !self.untrue && !self.joiner.broken && self.joiner.pending_len == 0
    }
}

/// Writes pieces of text as the inside of one JSON string.
#[derive(Debug, Default)]
pub(crate) struct TextWriter(Joiner);

impl TextWriter {
    pub(crate) fn push(&mut self, text: &Payload<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        match Piece::of(text, scratch) {
            Piece::Bytes(bytes, _) => self.0.push(bytes, |part| write_str_inside(part, out)),
            Piece::Spelled(spelled) => {
                self.finish(out);
                out.extend_from_slice(spelled.as_bytes());
            }
        }
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.0.cut(|part| write_str_inside(part, out));
    }
}

/// The first characters of a text that comes in pieces.
#[derive(Debug)]
pub(crate) struct Beginning {
    text: String,
    left: usize,
    joiner: Joiner,
}

impl Beginning {
    /// Of so many code points.
    pub(crate) fn new(code_points: usize) -> Self {
        Beginning { text: String::new(), left: code_points, joiner: Joiner::default() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn push_str(&mut self, part: &str) {
        for character in part.chars().take(self.left) {
            self.text.push(character);
            self.left -= 1;
        }
    }

    /// Bytes that should be text; every maximal part that is not is U+FFFD. No more is looked at than is taken.
    pub(crate) fn push_lossy(&mut self, bytes: &[u8]) {
        // A code point, or a part that is none, takes at most four bytes; what is cut behind the last of them is not taken.
        let most = self.left.saturating_add(1).saturating_mul(4);
        for chunk in bytes.get(..most).unwrap_or(bytes).utf8_chunks() {
            self.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.push_str("\u{FFFD}");
            }
            if self.is_full() {
                break;
            }
        }
    }

    /// A piece of streamed text.
    pub(crate) fn push_piece(&mut self, text: &Payload<'_>, scratch: &mut Vec<u8>) {
        let mut joiner = self.joiner;
        match Piece::of(text, scratch) {
            Piece::Bytes(bytes, _) => joiner.push(bytes, |part| self.push_str(part)),
            Piece::Spelled(spelled) => {
                joiner.cut(|part| self.push_str(part));
                self.push_spelled(spelled);
            }
        }
        self.joiner = joiner;
    }

    /// A JSON value: a string as the text that it is, anything else as its JSON.
    pub(crate) fn push_json(&mut self, json: &str) {
        match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(spelled) => self.push_spelled(spelled),
            None => self.push_str(json),
        }
    }

    fn push_spelled(&mut self, spelled: &str) {
        for character in Unescaped::of(spelled).take(self.left) {
            self.text.push(character.unwrap_or('\u{FFFD}'));
            self.left -= 1;
        }
    }

    pub(crate) fn finish(mut self) -> String {
        let mut joiner = self.joiner;
        joiner.cut(|part| self.push_str(part));
        self.text
    }
}

/// The characters of a JSON string from its inside; `None` for a lone surrogate.
pub(crate) struct Unescaped<'a>(std::str::Chars<'a>);

impl<'a> Unescaped<'a> {
    /// `spelled` is what stands between the quotes of a valid JSON string.
    pub(crate) fn of(spelled: &'a str) -> Self {
        Unescaped(spelled.chars())
    }

    fn unit(rest: &mut std::str::Chars<'a>) -> u32 {
        rest.by_ref().take(4).fold(0, |unit, digit| unit * 16 + digit.to_digit(16).unwrap_or(0))
    }
}

impl Iterator for Unescaped<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Self::Item> {
        let character = self.0.next()?;
        if character != '\\' {
            return Some(Some(character));
        }
        Some(match self.0.next()? {
            'b' => Some('\u{8}'),
            'f' => Some('\u{C}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let unit = Self::unit(&mut self.0);
                let mut behind = self.0.clone();
                let low = match (unit, behind.next(), behind.next()) {
                    (0xD800..=0xDBFF, Some('\\'), Some('u')) => Self::unit(&mut behind),
                    _ => 0,
                };
                if (0xDC00..=0xDFFF).contains(&low) {
                    self.0 = behind;
                    char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                } else {
                    char::from_u32(unit)
                }
            }
            itself => Some(itself),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&[u8]]) -> (String, bool) {
        let (mut joiner, mut text) = (Joiner::default(), String::new());
        for piece in pieces {
            joiner.push(piece, |part| text.push_str(part));
        }
        joiner.cut(|part| text.push_str(part));
        (text, !joiner.broken)
    }

    #[test]
    fn a_character_cut_between_pieces_is_whole_again() {
        assert_eq!(joined(&[b"a\xF0\x9F", b"\x98", b"\x80b"]), ("a\u{1F600}b".into(), true));
        assert_eq!(joined(&[b"\xC3", b"", b"\xA9"]), ("\u{E9}".into(), true));
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_as_if_they_had_come_at_once() {
        let bytes = b"a\xFF\xF0\x9F\x98b\xE2\x82\xC3\xA9\xF0\x9F\xFFz\xE2\x82";
        let expected = String::from_utf8_lossy(bytes);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let (text, valid) = joined(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
                assert_eq!(text, expected, "cut at {first} and {second}");
                assert!(!valid);
            }
        }
    }

    #[test]
    fn escapes() {
        let text = |spelled| Unescaped::of(spelled).map(|c| c.unwrap_or('?')).collect::<String>();
        assert_eq!(text(r#"a\"\\\/\n\u00e9\ud83d\ude00"#), "a\"\\/\n\u{E9}\u{1F600}");
        assert_eq!(text(r"\ud83d\ud83d\ude00\ude00x"), "?\u{1F600}?x");
        assert_eq!(text(r"\ud83dx"), "?x");
    }

    #[test]
    fn a_piece_spelled_as_json_stays_as_spelled() {
        let (mut writer, mut scratch, mut out) = (TextWriter::default(), Vec::new(), Vec::new());
        let mut check = TextCheck::default();
        for piece in [
            Payload::string("a\"\n"),
            Payload::json(r#" "\u0041\ud83d" "#),
            Payload::string(b"\xE2\x82"),
            Payload::string(b"\xAC"),
        ] {
            writer.push(&piece, &mut scratch, &mut out);
            check.push(&piece);
        }
        writer.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"a\"\n\u0041\ud83d€"#);
        assert!(check.is_valid());
        check.push(&Payload::json("no string"));
        assert!(!check.is_valid());
    }
}
