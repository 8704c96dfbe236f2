//! Which names are those of secrets, and which values may be secrets.

use crate::bytes::entropy;

/// What a name promises of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Something that a person may have thought up.
    Password,
    /// Something that a machine has made: a key or a token.
    Secret,
    /// What stands behind `Authorization`.
    Authorization,
}

/// How a value is given: how much is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// As data: a member of a JSON object, a line of an environment, an option of a command. It is what its name says.
    AsData,
    /// In quotes, in a text that may be a program.
    Quoted,
    /// Bare, in a text that may be a program or prose.
    Bare,
}

/// In a name, in any case of letters; where one is found, the name is looked at.
pub(crate) const NAME_ANCHORS: &[&str] = &[
    "passw",
    "pwd",
    "passphrase",
    "passcode",
    "_pass",
    "-pass",
    "pgpass",
    "sshpass",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "api.key",
    "_key",
    "-key",
    "access.key",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authkey",
    "masterkey",
    "accountkey",
    "sessionkey",
    "adminkey",
    "subscriptionkey",
    "credential",
    "authorization",
    "_auth",
    "auth_",
];

const PASSWORDS: &[&str] =
    &["password", "passwd", "passphrase", "passcode", "pwd", "pass", "sshpass", "passwort"];
const SECRETS: &[&str] =
    &["secret", "token", "apikey", "accesskey", "privatekey", "credential", "credentials", "auth"];
/// What a `key` is of that is secret.
const KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "signing",
    "encryption",
    "encrypt",
    "master",
    "account",
    "admin",
    "service",
    "app",
    "application",
    "subscription",
    "storage",
    "crypt",
    "jwt",
    "session",
    "shared",
    "hmac",
    "webhook",
    "deploy",
    "write",
    "ingest",
    "license",
    "functions",
    "decryption",
    "cookie",
];

/// What the name promises. `None`: nothing secret.
pub(crate) fn promise(name: &[u8]) -> Option<Promise> {
    let words = words(name);
    // `password2` and `API_KEY_1` are some of several.
    let plain = words.iter().rev().map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
    let mut last = plain.skip_while(|word| word.is_empty());
    let (last, before) = (last.next()?, last.next().unwrap_or_default());
    if name.eq_ignore_ascii_case(b"pwd") || name.eq_ignore_ascii_case(b"oldpwd") {
        return None; // The folder that a shell is in.
    }
    if matches!(last, "authorization") {
        return Some(Promise::Authorization);
    }
    let ends = |ends: &[&str]| ends.iter().any(|end| last.ends_with(end));
    if PASSWORDS.contains(&last) || ends(&["password", "passwd", "passphrase", "passwort"]) {
        let is_word = words.len() == 1 && last == "pass";
        return (!is_word).then_some(Promise::Password);
    }
    let of_key = |of: &str| KEYS.iter().any(|key| of.ends_with(key));
    let is_key = last == "key" && of_key(before)
        || last.strip_suffix("key").is_some_and(|of| !of.is_empty() && of_key(of));
    let is_secret =
        SECRETS.contains(&last) || ends(&["secret", "token", "apikey", "accesskey", "privatekey"]);
    (is_key || is_secret).then_some(Promise::Secret)
}

/// The words of a name, in lower case: `DB_PASSWORD`, `x-api-key` and `clientSecret` have two or three.
fn words(name: &[u8]) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut was_lower = false;
    for byte in name {
        let is_part = byte.is_ascii_alphanumeric();
        if (!is_part || (byte.is_ascii_uppercase() && was_lower)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if is_part {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        was_lower = byte.is_ascii_lowercase() || byte.is_ascii_digit();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The part of the value that is secret, as a range of it. `None`: it is no secret, or none that can be told from other things.
pub(crate) fn secret_in(promise: Promise, given: Given, value: &[u8]) -> Option<(usize, usize)> {
    let whole = (0, value.len());
    match promise {
        Promise::Authorization => {
            let scheme = value.iter().position(|byte| *byte == b' ');
            let start = scheme.map_or(0, |space| crate::bytes::run_end(value, space, 8, |byte| byte == b' '));
            let token = value.get(start..)?;
            let is_one = token.len() >= 8 && token.iter().all(is_made_of);
            let is_one = is_one && !is_placeholder(token) && !is_path(token);
            // What is base64 may have no digit.
            let is_made = token.iter().any(u8::is_ascii_digit) || token.ends_with(b"=");
            (is_one && is_made && entropy(token) >= 2.5).then_some((start, value.len()))
        }
        Promise::Password if value.len() > 512 || value.len() < 4 || is_placeholder(value) => None,
        Promise::Password => match given {
            Given::AsData => (!is_reference(value)).then_some(whole),
            Given::Quoted => {
                (value.len() >= 6 && !value.contains(&b' ') && is_chosen(value) && !is_reference(value))
                    .then_some(whole)
            }
            Given::Bare => (value.len() >= 6 && is_chosen(value) && !is_code(value)).then_some(whole),
        },
        Promise::Secret if value.len() > 4096 || is_placeholder(value) => None,
        Promise::Secret => {
            let least = if given == Given::Bare { 16 } else { 12 };
            let bits = if given == Given::AsData { 2.8 } else { 3.2 };
            (is_made(value, least, bits) && (given == Given::AsData || !is_code(value))).then_some(whole)
        }
    }
}

/// Whether a machine may have made it: letters and digits mixed, without order, and no spaces.
fn is_made(value: &[u8], least: usize, bits: f64) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    value.len() >= least
        && value.iter().all(is_made_of)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_path(value)
        && entropy(value) >= bits
}

fn is_made_of(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !b"\"'`<>(){}".contains(byte)
}

/// Whether a password may look like it, and a word hardly does.
fn is_chosen(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let letters = has(u8::is_ascii_alphabetic);
    letters
        && (has(u8::is_ascii_digit)
            || has(|byte| matches!(byte, b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'*' | b'~')))
}

/// A name of something instead of the thing: a variable, a call, a type.
fn is_code(value: &[u8]) -> bool {
    let has = |bytes: &[u8]| value.iter().any(|byte| bytes.contains(byte));
    let is_name = value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let is_dotted = is_name
        && value.contains(&b'.')
        && value.split(|byte| *byte == b'.').all(|part| part.first().is_some_and(u8::is_ascii_alphabetic));
    // snake_case or SNAKE_CASE, and a number in it.
    let is_mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let is_snake = is_name && value.contains(&b'_') && !is_mixed;
    let is_path_of_names = value.windows(2).any(|two| two == b"::" || two == b"->");
    has(b"(){}<>[]|\\;$") || is_dotted || is_snake || is_path_of_names || is_reference(value)
}

/// A value that stands for another one.
fn is_reference(value: &[u8]) -> bool {
    let begins = |with: &[u8]| value.starts_with(with);
    begins(b"$")
        || begins(b"%") && value.ends_with(b"%")
        || begins(b"{{")
        || begins(b"<") && value.ends_with(b">")
        || begins(b"/") && is_path(value)
        || value.windows(2).any(|two| two == b"${" || two == b"$(" || two == b"{{")
}

/// Whether it is a path or an address, and not base64 with slashes: those have no parts that are long.
fn is_path(value: &[u8]) -> bool {
    if value.windows(3).any(|three| three == b"://") {
        return true;
    }
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'/').collect();
    let is_word = |part: &&[u8]| {
        part.iter().filter(|byte| byte.is_ascii_digit()).count() * 4 <= part.len()
            && !part.iter().any(|byte| matches!(byte, b'+' | b'='))
    };
    let begins = [b"/".as_slice(), b"./", b"~/", b"../"].iter().any(|start| value.starts_with(start));
    let (upper, all) = (value.iter().filter(|byte| byte.is_ascii_uppercase()).count(), value.len());
    (begins || (parts.len() >= 3 && upper * 4 <= all))
        && parts.iter().all(|part| part.len() <= 24 && is_word(part))
}

/// Words that stand where a secret would.
const PLACEHOLDERS: &[&str] = &[
    "password",
    "passwd",
    "pass",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "undefined",
    "string",
    "str",
    "text",
    "example",
    "redacted",
    "hidden",
    "masked",
    "your-password",
    "optional",
    "required",
    "boolean",
    "number",
    "object",
    "unknown",
    "empty",
    "default",
    "enabled",
    "disabled",
    "bearer",
    "basic",
    "todo",
    "tbd",
    "n/a",
    "username",
    "value",
    "any",
    "bytes",
    "secretstr",
    "yourpassword",
    "mypassword",
];

/// Whether it only shows where a secret would stand.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_word = PLACEHOLDERS.iter().any(|word| word.as_bytes() == lower);
    let has = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    let is_worn = value.iter().all(|byte| Some(byte) == value.first())
        || value.windows(4).any(|four| matches!(four, b"****" | b"...." | b"xxxx" | b"XXXX" | b"----"))
        || value.ends_with("\u{2026}".as_bytes());
    let is_asked = lower.starts_with(b"your")
        || has(b"placeholder")
        || has(b"your-")
        || has(b"your_")
        || has(b"_here")
        || has(b"-here");
    is_word
        || is_worn
        || is_asked
        || has(b"[redacted")
        || crate::vendors::EXAMPLES.iter().any(|example| example.as_bytes() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_what_they_say() {
        use Promise::{Authorization, Password, Secret};
        for (name, says) in [
            ("DB_PASSWORD", Some(Password)),
            ("dbPassword", Some(Password)),
            ("spring.datasource.password", Some(Password)),
            ("MYSQL_PWD", Some(Password)),
            ("SMTP_PASS", Some(Password)),
            ("PGPASSWORD", Some(Password)),
            ("password2", Some(Password)),
            ("PWD", None),
            ("OLDPWD", None),
            ("password_policy", None),
            ("AWS_SECRET_ACCESS_KEY", Some(Secret)),
            ("x-api-key", Some(Secret)),
            ("clientSecret", Some(Secret)),
            ("accessToken", Some(Secret)),
            ("public_key", None),
            ("key", None),
            ("primary_key", None),
            ("max_tokens", None),
            ("Authorization", Some(Authorization)),
        ] {
            assert_eq!(promise(name.as_bytes()), says, "{name}");
        }
    }

    #[test]
    fn values_are_secrets_or_not() {
        use {Given::*, Promise::*};
        let yes = [
            (Password, AsData, "hunter2"),
            (Password, AsData, "correct horse battery staple"),
            (Password, Quoted, "hunter2"),
            (Password, Bare, "hunter2"),
            (Secret, AsData, "b1946ac92492d2347c6235b4d2611184"),
            (Secret, Bare, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            (Authorization, AsData, "Bearer abcdef0123456789abcdef"),
        ];
        for (promise, given, value) in yes {
            assert!(secret_in(promise, given, value.as_bytes()).is_some(), "{promise:?} {given:?} {value}");
        }
        let no = [
            (Password, AsData, "${DB_PASSWORD}"),
            (Password, AsData, "<password>"),
            (Password, AsData, "********"),
            (Password, Quoted, "Enter your password 1"),
            (Password, Bare, "getpass.getpass1"),
            (Password, Bare, "string"),
            (Secret, Bare, "self.config.token2value"),
            (Secret, Bare, "_bindgen_ty_5::IFLA_INET6_TOKEN"),
            (Secret, Bare, "DEFAULT_TOKEN_V2_NAME"),
            (Secret, Quoted, "not-a-secret-at-all"),
            (Secret, AsData, "/run/secrets/token1"),
            (Secret, AsData, "[redacted:github-token:1a2b3c4d5e6f]"),
            (Authorization, AsData, "Bearer <token>"),
        ];
        for (promise, given, value) in no {
            assert!(secret_in(promise, given, value.as_bytes()).is_none(), "{promise:?} {given:?} {value}");
        }
    }
}
