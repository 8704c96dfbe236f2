//! A text with its backslash escapes taken away, and where each of its bytes came from.

/// Where the bytes of an unescaped text were.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    escapes: Vec<Escape>,
}

/// An escape: `spelled` bytes at `raw` that stand for `plain` bytes at `at`.
#[derive(Clone, Copy, Debug)]
struct Escape {
    at: usize,
    plain: u8,
    raw: usize,
    spelled: u8,
}

impl Origin {
    /// Where a range of the unescaped text was. An escape is taken as a whole.
    pub(crate) fn range(&self, start: usize, end: usize) -> (usize, usize) {
        (self.position(start, false), self.position(end, true))
    }

    fn position(&self, at: usize, is_end: bool) -> usize {
        let behind = self.escapes.partition_point(|escape| escape.at < at || (!is_end && escape.at == at));
        let Some(escape) = behind.checked_sub(1).and_then(|index| self.escapes.get(index)) else { return at };
        let (into, plain, spelled) = (at - escape.at, usize::from(escape.plain), usize::from(escape.spelled));
        if into >= plain {
            escape.raw + spelled + (into - plain)
        } else if is_end {
            escape.raw + spelled
        } else {
            escape.raw
        }
    }
}

/// The text without its escapes, those of JSON; what is no escape stays. `None`: there are none.
pub(crate) fn unescape(text: &[u8]) -> Option<(Vec<u8>, Origin)> {
    let first = text.iter().position(|byte| *byte == b'\\')?;
    let (mut plain, mut origin) = (Vec::with_capacity(text.len()), Origin::default());
    plain.extend_from_slice(text.get(..first)?);
    let mut at = first;
    while let Some(byte) = text.get(at) {
        let Some((bytes, len, spelled)) = (*byte == b'\\').then(|| escape_at(text, at)).flatten() else {
            plain.push(*byte);
            at += 1;
            continue;
        };
        origin.escapes.push(Escape {
            at: plain.len(),
            plain: u8::try_from(len).unwrap_or(0),
            raw: at,
            spelled: u8::try_from(spelled).unwrap_or(0),
        });
        plain.extend(bytes.into_iter().take(len));
        at += spelled;
    }
    (!origin.escapes.is_empty()).then_some((plain, origin))
}

/// What the escape at `at` stands for, how many bytes of that there are, and how many it is spelled with.
fn escape_at(text: &[u8], at: usize) -> Option<([u8; 4], usize, usize)> {
    let one = |byte: u8| Some(([byte, 0, 0, 0], 1, 2));
    match text.get(at + 1)? {
        b'n' => one(b'\n'),
        b'r' => one(b'\r'),
        b't' => one(b'\t'),
        b'b' => one(8),
        b'f' => one(12),
        byte @ (b'"' | b'\\' | b'/') => one(*byte),
        b'u' => {
            let unit = unit_at(text, at)?;
            if (0xD800..0xDC00).contains(&unit)
                && let Some(low) = unit_at(text, at + 6).filter(|low| (0xDC00..0xE000).contains(low))
            {
                return Some(encoded(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), 12));
            }
            Some(encoded(unit, 6))
        }
        _ => None,
    }
}

fn encoded(code: u32, spelled: usize) -> ([u8; 4], usize, usize) {
    // A surrogate that stands alone is no character, and in no secret.
    let mut bytes = [0; 4];
    let len = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes).len();
    (bytes, len, spelled)
}

fn unit_at(text: &[u8], at: usize) -> Option<u32> {
    let spelled = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(spelled).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back_as_they_were_spelled() {
        let text = br"a\u0067h\u00e9p\ud83d\ude00\nx\q\u12";
        let (plain, origin) = unescape(text).unwrap();
        assert_eq!(plain, "agh\u{e9}p\u{1f600}\nx\\q\\u12".as_bytes());
        let back = |start, end| {
            let (start, end) = origin.range(start, end);
            std::str::from_utf8(&text[start..end]).unwrap()
        };
        assert_eq!(back(0, 1), "a");
        assert_eq!(back(1, 3), r"\u0067h");
        assert_eq!(back(3, 5), r"\u00e9");
        assert_eq!(back(3, 4), r"\u00e9", "a part of a character");
        assert_eq!(back(5, 10), r"p\ud83d\ude00");
        assert_eq!(back(10, 12), r"\nx");
        assert_eq!(back(11, plain.len()), r"x\q\u12");
        assert_eq!(back(0, plain.len()).len(), text.len());
        assert!(unescape(b"none").is_none() && unescape(br"\q").is_none());
    }
}
