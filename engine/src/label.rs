//! Words that may be shown to anybody: names that a programmer chose, and nothing that a user, a file system or a key ring gave
//! (SPEC.md section 11.10).

/// What stands in place of everything else.
pub const REDACTED: &str = "redacted";

/// The most characters of a label.
const LONGEST: usize = 120;

/// Beginnings of keys and tokens.
const SECRET_STARTS: [&str; 11] =
    ["sk-", "pk-", "ghp_", "gho_", "ghs_", "xox", "AKIA", "eyJ", "Bearer", "bearer", "BEARER"];

/// The text if it is a label, else [`REDACTED`]: paths, addresses, sentences with punctuation, and what looks like a secret are none.
///
/// ```
/// use tracewal_engine::label::label;
///
/// assert_eq!(label("mcp__github__list_issues"), "mcp__github__list_issues");
/// assert_eq!(label("/home/alice/notes"), "redacted");
/// assert_eq!(label("sk-live-1"), "redacted");
/// ```
#[must_use]
pub fn label(text: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _.:+-".contains(&byte);
    let fits = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_plain);
    if fits && !is_secret(text) { text } else { REDACTED }
}

/// Whether a text looks like a key or a token, or has one in it.
fn is_secret(text: &str) -> bool {
    if SECRET_STARTS.iter().any(|start| text.starts_with(start)) {
        return true;
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() >= 40 || (part.len() >= 12 && digits >= 3 && digits < part.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown() {
        for name in [
            "bash",
            "ListMcpResourcesTool",
            "functions.exec_command",
            "instance-dispose-all",
            "lifecycle:instance-dispose-all:mf3k9x2a:1z",
            "config changed",
            "20260315",
            "POST session.abort",
        ] {
            assert_eq!(label(name), name);
        }
    }

    #[test]
    fn what_may_be_private_is_not() {
        let long = "a".repeat(121);
        for text in [
            "",
            "/etc/passwd",
            "C:\\Users\\alice",
            "https://example.org",
            "alice@example.org",
            "rm -rf ~",
            "two\nlines",
            "schlüssel",
            "xoxb-1",
            "AKIAIOSFODNN7EXAMPLE",
            "token: 7f3a9c2b4d51",
            "canary7f3a9c2b4d51",
            long.as_str(),
        ] {
            assert_eq!(label(text), REDACTED, "{text}");
        }
    }
}
