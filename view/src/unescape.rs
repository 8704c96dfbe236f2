//! A JSON string's text, a piece at a time: what is in a log may hold half of a surrogate pair, for which Rust's strings have no place.

/// Decodes the JSON of a string that comes in pieces. Half of a surrogate pair becomes U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Unescape {
    state: State,
    /// The first half of a surrogate pair.
    high: Option<u32>,
    /// Bytes of a character that was cut in two.
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first quote.
    #[default]
    Before,
    Plain,
    Escape,
    Unicode(u8, u32),
    /// Behind the last quote.
    Done,
}

impl Unescape {
    /// Takes in a piece.
    pub(crate) fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            match self.state {
                State::Before => {
                    if *byte == b'"' {
                        self.state = State::Plain;
                    }
                }
                State::Plain => {
                    let plain = rest.iter().position(|b| *b == b'"' || *b == b'\\').unwrap_or(rest.len());
                    if let Some((text, behind)) = rest.split_at_checked(plain).filter(|_| plain > 0) {
                        self.text(text, emit);
                        rest = behind;
                        continue;
                    }
                    self.state = if *byte == b'\\' { State::Escape } else { State::Done };
                }
                State::Escape => self.escape(*byte, emit),
                State::Unicode(digits, value) => {
                    let digit = char::from(*byte).to_digit(16).unwrap_or(0);
                    let value = value << 4 | digit;
                    self.state = State::Unicode(digits + 1, value);
                    if digits == 3 {
                        self.state = State::Plain;
                        self.unit(value, emit);
                    }
                }
                State::Done => return,
            }
            rest = behind;
        }
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, emit: &mut impl FnMut(&str)) {
        self.lone(emit);
        if !self.pending.is_empty() {
            emit("\u{fffd}");
            self.pending.clear();
        }
    }

    fn text(&mut self, bytes: &[u8], emit: &mut impl FnMut(&str)) {
        self.lone(emit);
        let joined;
        let bytes = if self.pending.is_empty() {
            bytes
        } else {
            self.pending.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.pending);
            &joined
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            emit(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            if chunks.peek().is_none() && chunk.invalid().len() < 4 {
                self.pending = chunk.invalid().to_vec();
            } else {
                emit("\u{fffd}");
            }
        }
    }

    fn escape(&mut self, byte: u8, emit: &mut impl FnMut(&str)) {
        self.state = State::Plain;
        let text = match byte {
            b'u' => {
                self.state = State::Unicode(0, 0);
                return;
            }
            b'n' => "\n",
            b't' => "\t",
            b'r' => "\r",
            b'b' => "\u{8}",
            b'f' => "\u{c}",
            b'/' => "/",
            b'\\' => "\\",
            _ => "\"",
        };
        self.lone(emit);
        emit(text);
    }

    /// One UTF-16 unit.
    fn unit(&mut self, unit: u32, emit: &mut impl FnMut(&str)) {
        let mut bytes = [0; 4];
        match (self.high, unit) {
            (Some(high), 0xDC00..0xE000) => {
                self.high = None;
                let value = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
                emit(char::from_u32(value).unwrap_or('\u{fffd}').encode_utf8(&mut bytes));
            }
            (_, 0xD800..0xDC00) => {
                self.lone(emit);
                self.high = Some(unit);
            }
            _ => {
                self.lone(emit);
                emit(char::from_u32(unit).unwrap_or('\u{fffd}').encode_utf8(&mut bytes));
            }
        }
    }

    fn lone(&mut self, emit: &mut impl FnMut(&str)) {
        if self.high.take().is_some() {
            emit("\u{fffd}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str, step: usize) -> String {
        let (mut text, mut decoder) = (String::new(), Unescape::default());
        for piece in json.as_bytes().chunks(step) {
            decoder.push(piece, &mut |piece: &str| text.push_str(piece));
        }
        decoder.finish(&mut |piece: &str| text.push_str(piece));
        text
    }

    #[test]
    fn pieces_of_any_length_give_the_same_text() {
        let cases = [
            (r#""plain""#, "plain"),
            (r#""a\n\t\"\\\/\u0041\u0000""#, "a\n\t\"\\/A\0"),
            (r#""\ud83d\ude00 \uD83D \ude00""#, "\u{1f600} \u{fffd} \u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            ("\"日本語\u{1f600}\u{2028}\"", "日本語\u{1f600}\u{2028}"),
            (r#""cut \ud83d"#, "cut \u{fffd}"),
        ];
        for (json, text) in cases {
            for step in 1..=json.len() {
                assert_eq!(decoded(json, step), text, "{json} in steps of {step}");
            }
        }
    }
}
