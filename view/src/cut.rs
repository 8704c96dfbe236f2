//! One span's JSON as it streams by: cut where it is too long to be shown at once, or one member taken out of it as a whole. What is held
//! meanwhile is bounded, whatever the span holds.

use std::io::{self, Write};

use serde::Serialize;
use tracewal_format::json::write_str;

use crate::scan::{Members, Part, Token};
use crate::text::prefix;
use crate::unescape::Unescape;

/// What was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cut {
    /// The member of the span.
    pub(crate) field: String,
    /// How long it is, as JSON.
    pub(crate) bytes: u64,
    /// What stands there is the beginning of its JSON, as a string.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) json: bool,
}

/// Cuts texts in a span that are longer than one limit, and members that are still longer than another one then.
#[derive(Debug)]
pub(crate) struct Cutter {
    members: Members,
    member: Member,
    out: Vec<u8>,
    cuts: Vec<Cut>,
}

/// The member that is being read.
#[derive(Debug)]
struct Member {
    text_max: usize,
    member_max: usize,
    name: String,
    /// Its value, as far as it is kept.
    kept: Vec<u8>,
    bytes: u64,
    /// How long the text is that is being read.
    text: usize,
    is_cut: bool,
}

impl Cutter {
    pub(crate) fn new(text_max: usize, member_max: usize) -> Self {
        let member = Member {
            text_max,
            member_max,
            name: String::new(),
            kept: Vec::new(),
            bytes: 0,
            text: 0,
            is_cut: false,
        };
        Cutter { members: Members::default(), member, out: vec![b'{'], cuts: Vec::new() }
    }

    /// The span, and what was cut.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<Cut>) {
        self.out.push(b'}');
        (self.out, self.cuts)
    }
}

impl Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Cutter { members, member, out, cuts } = self;
        members.push(bytes, |part| match part {
            Part::Begin(name) => member.begin(name),
            Part::Value(token) => member.add(token),
            Part::End => cuts.extend(member.end(out)),
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Member {
    fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.kept = Vec::new();
        (self.bytes, self.text, self.is_cut) = (0, 0, false);
    }

    fn add(&mut self, token: Token<'_>) {
        let single;
        let mut bytes = match token {
            Token::Text(text) => text,
            Token::Plain(byte) => {
                single = [byte];
                &single
            }
            Token::Quote | Token::EndQuote => b"\"",
        };
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if matches!(token, Token::Text(_)) {
            let room = self.text_max.saturating_sub(self.text);
            self.text = self.text.saturating_add(bytes.len());
            if bytes.len() > room {
                self.is_cut = true;
                // Where there are several, each is a byte.
                let several = bytes.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
                bytes = bytes.get(..room).filter(|_| several).unwrap_or_default();
            }
        } else {
            self.text = 0;
        }
        // What is over the limit only has to say so.
        if self.kept.len() <= self.member_max {
            self.kept.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Option<Cut> {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        write_str(&self.name, out);
        out.push(b':');
        let json = self.kept.len() > self.member_max;
        if json {
            let text = String::from_utf8_lossy(&self.kept);
            write_str(prefix(&text, self.text_max), out);
        } else {
            out.extend_from_slice(&self.kept);
        }
        let is_cut = self.is_cut || json;
        is_cut.then(|| Cut { field: self.name.clone(), bytes: self.bytes, json })
    }
}

/// Takes one member out of a span: a string as its text, anything else as its JSON.
#[derive(Debug)]
pub(crate) struct Extract<W> {
    members: Members,
    wanted: Wanted,
    buffer: Vec<u8>,
    out: W,
}

#[derive(Debug)]
struct Wanted {
    name: String,
    is_here: bool,
    /// It has been met.
    is_found: bool,
    /// It is a string. `None`: nothing of its value has come.
    is_text: Option<bool>,
    text: Unescape,
}

/// So much is collected before it is written.
const FLUSH_AT: usize = 64 * 1024;

impl<W: Write> Extract<W> {
    pub(crate) fn new(name: &str, out: W) -> Self {
        let wanted = Wanted {
            name: name.to_owned(),
            is_here: false,
            is_found: false,
            is_text: None,
            text: Unescape::default(),
        };
        Extract { members: Members::default(), wanted, buffer: Vec::new(), out }
    }

    /// Whether there was such a member.
    pub(crate) fn finish(mut self) -> io::Result<bool> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok(self.wanted.is_found)
    }
}

impl<W: Write> Write for Extract<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What comes at once is not more than the caller holds.
        let Extract { members, wanted, buffer, .. } = self;
        members.push(bytes, |part| wanted.take(part, buffer));
        if buffer.len() >= FLUSH_AT {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wanted {
    fn take(&mut self, part: Part<'_>, out: &mut Vec<u8>) {
        let mut emit = |text: &str| out.extend_from_slice(text.as_bytes());
        match part {
            Part::Begin(name) => {
                self.is_here = name == self.name && !self.is_found;
                self.is_found |= self.is_here;
            }
            Part::End => {
                if std::mem::take(&mut self.is_here) {
                    self.text.finish(&mut emit);
                }
            }
            Part::Value(token) if self.is_here => {
                let is_text = *self.is_text.get_or_insert(token == Token::Quote);
                match token {
                    Token::Quote | Token::EndQuote if is_text => self.text.push(b"\"", &mut emit),
                    Token::Text(text) if is_text => self.text.push(text, &mut emit),
                    Token::Quote | Token::EndQuote => out.push(b'"'),
                    Token::Text(text) => out.extend_from_slice(text),
                    Token::Plain(byte) => out.push(byte),
                }
            }
            Part::Value(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cut(json: &str, step: usize, text_max: usize, member_max: usize) -> (Value, Vec<Cut>) {
        let mut cutter = Cutter::new(text_max, member_max);
        json.as_bytes().chunks(step).for_each(|piece| cutter.write_all(piece).unwrap());
        let (json, cuts) = cutter.finish();
        (serde_json::from_slice(&json).unwrap(), cuts)
    }

    fn extracted(json: &str, step: usize, name: &str) -> Option<String> {
        let mut out = Vec::new();
        let mut extract = Extract::new(name, &mut out);
        json.as_bytes().chunks(step).for_each(|piece| extract.write_all(piece).unwrap());
        extract.finish().unwrap().then(|| String::from_utf8(out).unwrap())
    }

    const SPAN: &str =
        r#"{"a":"x\n\u00e9\"}","b":[1,{"c":"日本語😀\\","}":-1.5e3},"",null],"e":{},"tail":true}"#;

    #[test]
    fn what_is_short_stays_as_it_is() {
        for step in 1..=SPAN.len() {
            let (value, cuts) = cut(SPAN, step, 100, 1000);
            assert_eq!((value, cuts), (serde_json::from_str(SPAN).unwrap(), vec![]));
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for step in 1..=SPAN.len() {
            let (value, cuts) = cut(SPAN, step, 7, 1000);
            let expected =
                json!({"a": "x\n", "b": [1, {"c": "日本", "}": -1500.0}, "", null], "e": {}, "tail": true});
            assert_eq!(value, expected);
            let of = |field: &str, bytes| Cut { field: field.to_owned(), bytes, json: false };
            assert_eq!(cuts, [of("a", 14), of("b", 46)]);
        }
    }

    #[test]
    fn a_member_that_is_still_too_long_is_the_beginning_of_its_json() {
        let json = format!(r#"{{"a":[{}1],"b":2}}"#, "1,".repeat(1000));
        for step in [1, 7, 4000] {
            let (value, cuts) = cut(&json, step, 10, 100);
            assert_eq!(value, json!({"a": "[1,1,1,1,1", "b": 2}));
            assert_eq!(cuts, [Cut { field: "a".into(), bytes: 2003, json: true }]);
        }
    }

    #[test]
    fn a_member_is_taken_out_as_a_whole() {
        for step in 1..=SPAN.len() {
            assert_eq!(extracted(SPAN, step, "a").unwrap(), "x\né\"}");
            assert_eq!(extracted(SPAN, step, "b").unwrap(), r#"[1,{"c":"日本語😀\\","}":-1.5e3},"",null]"#);
            assert_eq!(extracted(SPAN, step, "tail").unwrap(), "true");
            assert_eq!(extracted(SPAN, step, "c"), None);
        }
    }
}
