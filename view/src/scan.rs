//! Compact JSON that comes in pieces, told apart into what is inside its strings and what is not. Nothing is held but one character.

/// A part of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A string begins: its quote.
    Quote,
    /// What is inside a string, whole: characters of one byte each, or one other character, or one escape.
    Text(&'a [u8]),
    /// A string ends: its quote.
    EndQuote,
    /// A byte outside of strings.
    Plain(u8),
}

/// Tells the parts of valid JSON apart.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    in_string: bool,
    /// A character that has not been read to its end.
    unit: [u8; 6],
    filled: usize,
    wanted: usize,
}

impl Scanner {
    pub(crate) fn push(&mut self, bytes: &[u8], mut token: impl FnMut(Token<'_>)) {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if self.in_string && self.filled == 0 {
                let is_plain = |byte: &u8| byte.is_ascii() && *byte != b'"' && *byte != b'\\';
                let plain = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
                if let Some((text, behind)) = rest.split_at_checked(plain).filter(|_| plain > 0) {
                    token(Token::Text(text));
                    rest = behind;
                    continue;
                }
            }
            rest = behind;
            if !self.in_string {
                self.in_string = *byte == b'"';
                token(if self.in_string { Token::Quote } else { Token::Plain(*byte) });
                continue;
            }
            if self.filled == 0 {
                match *byte {
                    b'"' => {
                        self.in_string = false;
                        token(Token::EndQuote);
                        continue;
                    }
                    // A backslash is the first of two bytes, or of more.
                    0x00..0xE0 => self.wanted = 2,
                    0xE0..0xF0 => self.wanted = 3,
                    _ => self.wanted = 4,
                }
            }
            if self.filled == 1 && *byte == b'u' && self.unit.first() == Some(&b'\\') {
                self.wanted = 6;
            }
            if let Some(to) = self.unit.get_mut(self.filled) {
                *to = *byte;
            }
            self.filled += 1;
            if self.filled == self.wanted {
                token(Token::Text(self.unit.get(..self.filled).unwrap_or_default()));
                self.filled = 0;
            }
        }
    }
}

/// A part of an object that is read member by member.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// A member's value begins.
    Begin(&'a str),
    /// A part of that value.
    Value(Token<'a>),
    /// The value is over.
    End,
}

/// Finds the members of the outermost object.
#[derive(Debug, Default)]
pub(crate) struct Members {
    scanner: Scanner,
    depth: u32,
    key: Vec<u8>,
    in_value: bool,
}

impl Members {
    pub(crate) fn push(&mut self, bytes: &[u8], mut part: impl FnMut(Part<'_>)) {
        let Members { scanner, depth, key, in_value } = self;
        scanner.push(bytes, |token| {
            match token {
                Token::Plain(b':') if *depth == 1 && !*in_value => {
                    part(Part::Begin(std::str::from_utf8(key).unwrap_or_default()));
                    key.clear();
                    *in_value = true;
                    return;
                }
                Token::Plain(b',' | b'}') if *depth == 1 => {
                    if std::mem::take(in_value) {
                        part(Part::End);
                    }
                    return;
                }
                Token::Plain(b'{' | b'[') => *depth += 1,
                Token::Plain(b'}' | b']') => *depth = depth.saturating_sub(1),
                Token::Text(text) if !*in_value => key.extend_from_slice(text),
                _ => {}
            }
            if *in_value {
                part(Part::Value(token));
            }
        });
    }
}
