//! Values that are given to names: `DB_PASSWORD=...`, `"apiKey": "..."`, `--token ...`, `Authorization: Bearer ...`.

use crate::bytes::{is_name, run_end, run_start};
use crate::values::{Given, Promise, promise, secret_in};

/// A name is not longer on either side of what gives it away.
const NAME_MAX: usize = 64;
const GAP_MAX: usize = 8;
const VALUE_MAX: usize = 4096;

/// A secret that a name gave away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) promise: Promise,
}

/// Where the name ends around what was found at `start..end`, so that no name is looked at twice.
pub(crate) fn name_around(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    (run_start(text, start, NAME_MAX, is_name), run_end(text, end, NAME_MAX, is_name))
}

/// The secret that the name at this range is given.
pub(crate) fn assigned(text: &[u8], name: (usize, usize)) -> Option<Assigned> {
    let (start, end) = name;
    let spelled = text.get(start..end)?;
    // A sentence ends in a full stop; `\n` in front of a name is none of its letters.
    let escape = usize::from(
        start > 0
            && text.get(start - 1) == Some(&b'\\')
            && spelled.first().is_some_and(|b| b"nrt".contains(b)),
    );
    let dashes = run_end(spelled, escape, 2, |byte| byte == b'-');
    let name = spelled.get(dashes..)?;
    let promise = promise(name)?;
    let is_option = dashes > escape;
    let is_loud = !name.iter().any(u8::is_ascii_lowercase);
    let (value, given) = value_behind(text, end, is_option, is_loud, promise)?;
    let (from, to) = secret_in(promise, given, text.get(value.0..value.1)?)?;
    Some(Assigned { start: value.0 + from, end: value.0 + to, promise })
}

fn value_behind(
    text: &[u8],
    name_end: usize,
    is_option: bool,
    is_loud: bool,
    promise: Promise,
) -> Option<((usize, usize), Given)> {
    let blank = |byte: u8| byte == b' ' || byte == b'\t';
    // `"password"`, `\"password\"`, `env["PASSWORD"]`
    let quoted = closing(text, name_end);
    let mut at = run_end(text, quoted, GAP_MAX, blank);
    let spaced = at > quoted;
    let mut separator = text.get(at..)?.iter().take(2);
    let (one, two) = (separator.next().copied(), separator.next().copied());
    let is_data = match (one, two) {
        (Some(b'='), Some(b'=')) | (Some(b':'), Some(b':')) => return None,
        (Some(b':'), Some(b'=')) | (Some(b'='), Some(b'>')) => {
            at += 2;
            false
        }
        (Some(b'='), _) => {
            at += 1;
            (is_loud || is_option) && !spaced && text.get(at).is_some_and(|byte| !blank(*byte))
        }
        (Some(b':'), _) => {
            at += 1;
            at = behind_type(text, at).unwrap_or(at);
            false
        }
        // In prose too: `give --password and ...`.
        _ if is_option && spaced => false,
        _ => return None,
    };
    let from = run_end(text, at, GAP_MAX, blank);
    let slashes = run_end(text, from, 8, |byte| byte == b'\\');
    match text.get(slashes) {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let end = quote_end(text, slashes + 1, *quote, slashes - from)?;
            let given = if is_data { Given::AsData } else { Given::Quoted };
            Some(((slashes + 1, end), given))
        }
        _ => {
            let start = if promise == Promise::Authorization { behind_scheme(text, from) } else { from };
            let stop: &[u8] = if is_data { b"\"'`\\" } else { b"\"'`\\,;&<>(){}" };
            let end = run_end(text, start, VALUE_MAX, |byte| byte > b' ' && !stop.contains(&byte));
            // A call, or an index, gives no value by itself.
            let is_call = matches!(text.get(end), Some(b'(' | b'{')) || text.get(end - 1) == Some(&b'[');
            let start = start.min(end);
            (!is_call && start < end)
                .then_some(((start, end), if is_data { Given::AsData } else { Given::Bare }))
        }
    }
}

/// Behind what closes a name: quotes, and a bracket.
fn closing(text: &[u8], at: usize) -> usize {
    let at = run_end(text, at, 8, |byte| matches!(byte, b'\\' | b'"' | b'\'' | b'`'));
    run_end(text, at, 1, |byte| byte == b']')
}

/// `password: str = "..."`: behind the `=`.
fn behind_type(text: &[u8], at: usize) -> Option<usize> {
    let is_type = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.' | b'[' | b']' | b'&' | b'\'' | b'<' | b'>' | b'?' | b'|')
    };
    let from = run_end(text, at, GAP_MAX, |byte| byte == b' ');
    let end = run_end(text, from, 40, is_type);
    let equals = run_end(text, end, GAP_MAX, |byte| byte == b' ');
    (end > from && text.get(equals) == Some(&b'=') && text.get(equals + 1) != Some(&b'='))
        .then_some(equals + 1)
}

/// Behind `Bearer `, or another word that says what kind of authorization it is.
fn behind_scheme(text: &[u8], at: usize) -> usize {
    let end = run_end(text, at, 16, |byte| byte.is_ascii_alphabetic());
    let next = run_end(text, end, GAP_MAX, |byte| byte == b' ');
    if end > at && next > end { next } else { at }
}

/// Where the quotes close that were opened behind so many backslashes: on the same line.
fn quote_end(text: &[u8], from: usize, quote: u8, slashes: usize) -> Option<usize> {
    let mut before = 0_usize;
    for (at, byte) in text.iter().enumerate().skip(from).take(VALUE_MAX) {
        match *byte {
            b'\n' => return None,
            b'\\' => before += 1,
            byte if byte == quote && before <= slashes => return Some(at - before),
            _ => before = 0,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found behind the name that holds `anchor`.
    fn found<'t>(text: &'t str, anchor: &str) -> Option<&'t str> {
        let at = text.to_ascii_lowercase().find(anchor)?;
        let name = name_around(text.as_bytes(), at, at + anchor.len());
        assigned(text.as_bytes(), name).map(|found| &text[found.start..found.end])
    }

    #[test]
    fn a_value_is_found_however_it_is_given() {
        for text in [
            "DB_PASSWORD=hunter2 ./run",
            "export DB_PASSWORD=hunter2\n",
            "DB_PASSWORD='hunter2'",
            r#"{"password": "hunter2"}"#,
            r#"{\"password\":\"hunter2\"}"#,
            r#"{\\\"password\\\":\\\"hunter2\\\"}"#,
            "password: hunter2\n",
            "password = 'hunter2';",
            "password: str = \"hunter2\"",
            "--password hunter2",
            "--db-password=hunter2",
            r#"os.environ["PASSWORD"] = "hunter2""#,
            "Server=db;Password=hunter2;Timeout=3",
            "PASSWORD => hunter2",
            r"one\npassword=hunter2\ntwo",
        ] {
            assert_eq!(found(text, "passw"), Some("hunter2"), "{text}");
        }
        assert_eq!(found("Authorization: Bearer abc123def456ghi", "authorization"), Some("abc123def456ghi"));
        assert_eq!(
            found("-H 'authorization: Basic dXNlcjpwYXNzMQ=='", "authorization"),
            Some("dXNlcjpwYXNzMQ==")
        );
        let token = "0123456789abcdef0123456789abcdef";
        assert_eq!(found(&format!("x-api-key: {token}"), "api-key"), Some(token));
    }

    #[test]
    fn what_gives_no_value_is_left() {
        for text in [
            "password == hunter2",
            "if password: return",
            "password = getPassword2()",
            "the password hunter2",
            "password=$PASSWORD2",
            "const password1: string = props.password1;",
            "PASSWORD=",
        ] {
            assert_eq!(found(text, "passw"), None, "{text}");
        }
    }
}
