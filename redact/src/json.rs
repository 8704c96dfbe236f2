//! The strings of a JSON text, each with what it is the value of.

use crate::bytes::is_name;

/// A string, or a number, of a JSON text.
#[derive(Debug)]
pub(crate) struct Value {
    /// Where it is; of a string, what is between its quotes.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where the name is that it is known by: the key of a member, in an array too; or the `"name": "..."` beside its `"value"`, or the
    /// element in front of it.
    pub(crate) name: Option<(usize, usize)>,
    pub(crate) is_string: bool,
}

/// Nesting deeper than this has no names.
const DEPTH_MAX: usize = 512;

/// Names under which an object says what its `value` is.
const NAMES: [&[u8]; 4] = [b"name", b"key", b"Name", b"Key"];
const VALUES: [&[u8]; 2] = [b"value", b"Value"];

/// Calls `visit` for every string and number. Returns false, having called it for some, where the text is no JSON: nothing but strings,
/// numbers, `true`, `false`, `null` and what stands between them. That brackets match is not asked for, and there may be several texts.
pub(crate) fn values(text: &[u8], visit: &mut dyn FnMut(&Value)) -> bool {
    let mut stack: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let start = at;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            b':' => {
                if let Some(level) = stack.last_mut() {
                    level.after_colon = true;
                }
                at += 1;
            }
            b',' => {
                if let Some(level) = stack.last_mut() {
                    level.after_colon = false;
                }
                at += 1;
            }
            b'{' | b'[' => {
                // The elements of an array are known by the array's name.
                let name = stack.last().and_then(|level| level.member).filter(|_| *byte == b'[');
                if stack.len() < DEPTH_MAX {
                    stack.push(Level { is_object: *byte == b'{', member: name, ..Level::default() });
                }
                at += 1;
            }
            b'}' | b']' => {
                stack.pop();
                at += 1;
            }
            b'"' => {
                let Some(end) = string_end(text, at + 1) else { return false };
                at = end + 1;
                string(text, start + 1, end, stack.last_mut(), visit);
            }
            b'-' | b'0'..=b'9' => {
                let is_number =
                    |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
                at = crate::bytes::run_end(text, at, usize::MAX, is_number);
                let name = stack.last().and_then(Level::name);
                visit(&Value { start, end: at, name, is_string: false });
            }
            b't' | b'f' | b'n' => {
                let rest = text.get(at..).unwrap_or_default();
                match [b"true".as_slice(), b"false", b"null"].into_iter().find(|word| rest.starts_with(word))
                {
                    Some(word) => at += word.len(),
                    None => return false,
                }
            }
            _ => return false,
        }
    }
    true
}

/// Whether a text looks as if it were JSON that holds strings.
pub(crate) fn looks_like(text: &[u8]) -> bool {
    let trimmed = text.trim_ascii();
    matches!(trimmed.first(), Some(b'{' | b'[' | b'"')) && matches!(trimmed.last(), Some(b'}' | b']' | b'"'))
}

/// An object or array that is open.
#[derive(Debug, Default)]
struct Level {
    is_object: bool,
    after_colon: bool,
    /// The key of the member whose value comes; of an array, the name that it has itself.
    member: Option<(usize, usize)>,
    /// The value of the member that says what the object's value is called.
    called: Option<(usize, usize)>,
    /// The element before this one.
    before: Option<(usize, usize)>,
}

impl Level {
    fn name(&self) -> Option<(usize, usize)> {
        if self.is_object { self.member.filter(|_| self.after_colon) } else { self.member }
    }
}

fn string(text: &[u8], start: usize, end: usize, level: Option<&mut Level>, visit: &mut dyn FnMut(&Value)) {
    let slice = |(start, end): (usize, usize)| text.get(start..end).unwrap_or_default();
    let mut name = None;
    if let Some(level) = level {
        if level.is_object && !level.after_colon {
            level.member = Some((start, end));
        } else if level.is_object {
            let key = level.member.map(slice).unwrap_or_default();
            if NAMES.contains(&key) {
                level.called = Some((start, end));
            }
            name = if VALUES.contains(&key) { level.called.or(level.member) } else { level.member };
        } else {
            // ["--password", "..."]
            let is_option =
                |option: &[u8]| option.starts_with(b"-") && option.iter().all(|byte| is_name(*byte));
            name = level.before.filter(|before| is_option(slice(*before))).or(level.member);
            level.before = Some((start, end));
        }
    }
    visit(&Value { start, end, name, is_string: true });
}

/// Where the string ends that begins at `at`: its closing quote.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (Vec<String>, bool) {
        let mut shown = Vec::new();
        let is_json = values(text.as_bytes(), &mut |value| {
            let name = value.name.map_or("", |(start, end)| &text[start..end]);
            shown.push(format!("{name}={}", &text[value.start..value.end]));
        });
        (shown, is_json)
    }

    #[test]
    fn values_have_the_names_that_they_are_known_by() {
        let text = r#"{"a":"b","c":{"d":["e","f"],"n":-1.5e3},"x":[["--password","h\"u"],["- my password","v"]],"env":[{"name":"K","value":"v"}]}
            "alone" {"t":true}"#;
        let (values, is_json) = shown(text);
        assert!(is_json);
        let named: Vec<&str> =
            values.iter().map(String::as_str).filter(|value| !value.starts_with('=')).collect();
        let expected = [
            "a=b",
            "d=e",
            "d=f",
            "n=-1.5e3",
            "x=--password",
            r#"--password=h\"u"#,
            "x=- my password",
            "x=v",
            "name=K",
            "K=v",
        ];
        assert_eq!(named, expected);
        assert!(values.contains(&"=alone".to_owned()) && values.contains(&"=env".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_told() {
        for text in ["{\"a\":b}", "\"open", "'a'", "[1] x", "tru"] {
            assert!(!shown(text).1, "{text}");
        }
    }
}
