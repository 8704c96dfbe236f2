//! Secrets that are told by where they stand: in an address, behind `Bearer`, between the lines of a private key.

use crate::bytes::{begins_at, entropy, run_end, run_start};
use crate::values::is_placeholder;

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `-----BEGIN PRIVATE KEY-----`
    PrivateKey,
    /// `Bearer ...`
    Bearer,
    /// `scheme://user:password@host`
    Url,
    /// `curl -u user:password`
    UserOption,
    /// `sshpass -p password`, `IDENTIFIED BY 'password'`, `login me password ...`
    Words,
    /// `somebody@example.org`
    Email,
}

/// In any case of letters.
pub(crate) const ANCHORS: &[(Place, &[&str])] = &[
    (Place::PrivateKey, &["-----begin "]),
    (Place::Bearer, &["bearer"]),
    (Place::Url, &["://"]),
    (Place::UserOption, &["-u ", "--user ", "--user="]),
    (Place::Words, WORDS),
    (Place::Email, &["@"]),
];
const WORDS: &[&str] = &["sshpass -p", "identified by ", "login "];

const KEY_MAX: usize = 64 << 10;
/// The lines of a key are base64; between two of them there is not more than this: a line number, say.
const BETWEEN_LINES_MAX: usize = 24;

impl Place {
    /// The rule that names what is found there.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Place::PrivateKey => "private-key",
            Place::Bearer => "bearer-token",
            Place::Url => "url-password",
            Place::UserOption | Place::Words => "password",
            Place::Email => "email",
        }
    }
}

/// The secret at a place whose anchor begins at `at`.
pub(crate) fn secret_at(place: Place, text: &[u8], at: usize) -> Option<(usize, usize)> {
    let (start, end) = match place {
        Place::PrivateKey => private_key(text, at)?,
        Place::Bearer => bearer(text, at)?,
        Place::Url => url(text, at)?,
        Place::UserOption => user_option(text, at)?,
        Place::Words => words(text, at)?,
        Place::Email => email(text, at)?,
    };
    // What begins with dashes looks like a rule that is drawn.
    (place == Place::PrivateKey || !is_placeholder(text.get(start..end)?)).then_some((start, end))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The whole block; of one that is cut off, what is there.
fn private_key(text: &[u8], at: usize) -> Option<(usize, usize)> {
    const BEGIN: usize = "-----BEGIN ".len();
    let label_end = run_end(text, at + BEGIN, 48, |byte| {
        byte.is_ascii_uppercase() || byte == b' ' || byte.is_ascii_digit()
    });
    let label = text.get(at + BEGIN..label_end)?;
    let is_private = label.windows(11).any(|part| part == b"PRIVATE KEY");
    if !is_private || !text.get(label_end..)?.starts_with(b"-----") {
        return None;
    }
    let body = label_end + 5;
    let rest = text.get(body..text.len().min(body + KEY_MAX))?;
    let dashes = rest.windows(5).position(|five| five == b"-----");
    let closes = dashes.filter(|dashes| rest.get(dashes + 5..).is_some_and(|rest| rest.starts_with(b"END ")));
    let inside = rest.get(..dashes.unwrap_or(rest.len()))?;
    let lines_end = lines_end(inside)?;
    let end = match closes {
        Some(dashes) => {
            let from = body + dashes + "-----END ".len();
            let end = run_end(text, from, 48, |byte| byte != b'-' && byte >= b' ');
            run_end(text, end, 5, |byte| byte == b'-')
        }
        None => body + lines_end,
    };
    Some((at, end))
}

/// Where the lines of base64 end, if there are any: at least 16 characters in one piece to begin with, behind headers at most.
fn lines_end(inside: &[u8]) -> Option<usize> {
    let (mut at, mut end) = (0, None);
    let mut gap_max = 400;
    loop {
        let line = inside
            .get(at..)?
            .windows(16)
            .take(gap_max)
            .position(|line| line.iter().all(|byte| is_base64(*byte)));
        let Some(line) = line else { break };
        at = run_end(inside, at + line, usize::MAX, is_base64);
        end = Some(at);
        gap_max = BETWEEN_LINES_MAX;
    }
    // The last line may be short.
    end.map(|end| {
        let next = run_end(inside, end, BETWEEN_LINES_MAX, |byte| !is_base64(byte));
        let short = run_end(inside, next, 15, is_base64);
        if inside.get(end..next).is_some_and(|gap| gap.contains(&b'\n'))
            && inside.get(short).is_none_or(|byte| !byte.is_ascii_graphic())
        {
            short
        } else {
            end
        }
    })
}

fn bearer(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let word_end = at + "bearer".len();
    let start = run_end(text, word_end, 4, |byte| matches!(byte, b' ' | b'\t' | b'+'));
    let end = run_end(text, start, 4096, |byte| is_base64(byte) || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    let token = text.get(start..end)?.trim_ascii_end();
    let has_digit = token.iter().any(u8::is_ascii_digit);
    (start > word_end && begins_at(text, at) && token.len() >= 16 && has_digit && entropy(token) >= 3.0)
        .then_some((start, end))
}

fn url(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let scheme =
        run_start(text, at, 32, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'));
    let from = at + "://".len();
    let end = run_end(text, from, 1024, |byte| {
        byte > b' ' && !matches!(byte, b'/' | b'?' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
    });
    let authority = text.get(from..end)?;
    let host = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority.get(..host)?;
    let is_reference = |secret: &[u8]| {
        secret.iter().any(|byte| matches!(byte, b'$' | b'{' | b'}' | b'(' | b'*'))
            && !secret.iter().any(u8::is_ascii_digit)
            || secret.starts_with(b"$")
            || secret.starts_with(b"{")
    };
    let (start, secret) = match user.iter().position(|byte| *byte == b':') {
        Some(colon) => (from + colon + 1, user.get(colon + 1..)?),
        // A token in place of a user.
        None if user.len() >= 20 && entropy(user) >= 3.5 && user.iter().any(u8::is_ascii_digit) => {
            (from, user)
        }
        None => return None,
    };
    let is_secret = scheme < at && secret.len() >= 3 && !is_reference(secret) && host + 1 < authority.len();
    is_secret.then_some((start, from + host))
}

fn user_option(text: &[u8], at: usize) -> Option<(usize, usize)> {
    if !begins_option(text, at) {
        return None;
    }
    let option = run_end(text, at, 8, |byte| !matches!(byte, b' ' | b'='));
    let from = run_end(text, option, 4, |byte| matches!(byte, b' ' | b'=' | b'"' | b'\'' | b'\\'));
    let user = run_end(text, from, 64, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'+')
    });
    let start = user + 1;
    let end = run_end(text, start, 256, |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'\\' | b'`'));
    let password = text.get(start..end)?;
    let is_password = password.len() >= 4
        && password.iter().any(u8::is_ascii_alphabetic)
        && password.iter().any(|byte| !byte.is_ascii_alphabetic())
        && !password.iter().any(|byte| matches!(byte, b'$' | b'/' | b'{' | b'<'));
    (user > from && text.get(user) == Some(&b':') && is_password).then_some((start, end))
}

fn begins_option(text: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| text.get(before))
        .is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'"' | b'\''))
}

fn words(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let anchor = WORDS.iter().find(|word| {
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    })?;
    let mut from = at + anchor.len();
    let is_login = anchor.starts_with("login");
    if is_login {
        let user = run_end(text, from, 128, |byte| byte > b' ');
        let word = run_end(text, user, 16, |byte| byte.is_ascii_whitespace());
        if user == from || !text.get(word..)?.starts_with(b"password ") {
            return None;
        }
        from = word + "password ".len();
    }
    let start = run_end(text, from, 8, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\'));
    let end =
        run_end(text, start, 256, |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'\\' | b'`' | b';'));
    let password = text.get(start..end)?;
    // Of SQL, quotes are asked for.
    let is_quoted = start > from && text.get(start - 1).is_some_and(|byte| matches!(byte, b'"' | b'\''));
    let is_password = password.len() >= 4 && !password.iter().any(|byte| b"${}<>()".contains(byte));
    (is_password && (is_quoted || !anchor.starts_with("identified"))).then_some((start, end))
}

fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let start = run_start(text, at, 64, is_local);
    let end = run_end(text, at + 1, 253, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let domain = text.get(at + 1..end)?;
    let trimmed = domain.trim_ascii_end();
    let len = trimmed.iter().rposition(|byte| !matches!(byte, b'.' | b'-'))? + 1;
    let domain = domain.get(..len)?;
    let dot = domain.iter().rposition(|byte| *byte == b'.')?;
    let top = domain.get(dot + 1..)?;
    let is_address = dot > 0 && (2..=24).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    // Whoever has the repository is no person: git@github.com:some/thing.
    let local = text.get(start..at)?;
    (is_address && !local.is_empty() && local != b"git").then_some((start, at + 1 + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(place: Place, text: &str) -> Option<&str> {
        let anchors = ANCHORS.iter().find(|(of, _)| *of == place).unwrap().1;
        let lower = text.to_ascii_lowercase();
        let at = anchors.iter().find_map(|anchor| lower.find(anchor))?;
        secret_at(place, text.as_bytes(), at).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn addresses_give_their_passwords() {
        for (text, secret) in [
            ("postgres://me:s3cret@db/x", Some("s3cret")),
            ("mongodb+srv://me:p%40ss@h.net/?x", Some("p%40ss")),
            ("redis://:abc123@h", Some("abc123")),
            ("https://0123456789abcdefghij@host/", Some("0123456789abcdefghij")),
            ("amqp://u:a:b@c@host", Some("a:b@c")),
            ("https://user@host/", None),
            ("http://localhost:8080/@scope", None),
            ("https://$USER:$PASS@host", None),
            ("https://user:password@host", None),
        ] {
            assert_eq!(found(Place::Url, text), secret, "{text}");
        }
    }

    #[test]
    fn private_keys_are_taken_whole_and_cut_off() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        for between in ["\n", "\\n", "\\\\n", "\r\n", "\n     2\u{2192}", "\n+ "] {
            let key = format!("-----BEGIN RSA PRIVATE KEY-----{between}{line}{between}{line}{between}abc=");
            let whole = format!("{key}{between}-----END RSA PRIVATE KEY-----");
            assert_eq!(found(Place::PrivateKey, &format!("x {whole} y")), Some(whole.as_str()));
            let cut = format!("x {key}");
            let found = found(Place::PrivateKey, &cut).unwrap();
            assert!(found.matches(line).count() == 2, "{found}");
        }
        assert_eq!(found(Place::PrivateKey, "-----BEGIN PRIVATE KEY----- is how it begins"), None);
        assert_eq!(found(Place::PrivateKey, &format!("-----BEGIN PUBLIC KEY-----\n{line}")), None);
    }

    #[test]
    fn other_places() {
        assert_eq!(found(Place::Bearer, "Bearer abcdef0123456789x."), Some("abcdef0123456789x."));
        assert_eq!(found(Place::Bearer, "a bearer of good news"), None);
        assert_eq!(found(Place::UserOption, "curl -u me:hunter2 http"), Some("hunter2"));
        assert_eq!(found(Place::UserOption, "docker run -u 1000:1000 x"), None);
        assert_eq!(found(Place::Words, "sshpass -p 'hunter2' ssh"), Some("hunter2"));
        assert_eq!(found(Place::Words, "identified by the team"), None);
        assert_eq!(found(Place::Words, "machine x login me password hunter2"), Some("hunter2"));
        assert_eq!(found(Place::Email, "to a.b+c@example.org."), Some("a.b+c@example.org"));
        assert_eq!(found(Place::Email, "git@github.com:x"), None);
        assert_eq!(found(Place::Email, "lodash@4.17.21"), None);
    }
}
