//! Ids of OpenTelemetry, derived from those of the session.

use sha2::{Digest, Sha256};

/// The 16 bytes that stand for a trace. A trace id of 32 lower-case hexadecimal digits, or a UUID, is those bytes; of any other one they
/// are the first of SHA-256 over `tracewal trace`, a zero byte and the id.
#[must_use]
pub fn trace_id(trace_id: &str) -> [u8; 16] {
    let bare: String = match trace_id.len() {
        36 if is_uuid(trace_id) => trace_id.replace('-', ""),
        _ => trace_id.to_owned(),
    };
    hex(&bare).unwrap_or_else(|| hashed(&["tracewal trace", trace_id]))
}

/// The 8 bytes that stand for a span of a session. A span id of 16 lower-case hexadecimal digits is those bytes; of any other one they are
/// the first of SHA-256 over `tracewal span`, the session's id and the span's, with a zero byte between them.
#[must_use]
pub fn span_id(session_id: &str, span_id: &str) -> [u8; 8] {
    hex(span_id).unwrap_or_else(|| hashed(&["tracewal span", session_id, span_id]))
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    })
}

/// `None`: other digits, or zero, which is no id.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (bytes != [0; N]).then_some(bytes)
}

fn hashed<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hasher = Sha256::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hasher.update([0]);
        }
        hasher.update(part.as_bytes());
    }
    let (digest, mut bytes) = (hasher.finalize(), [0; N]);
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    if bytes == [0; N] {
        bytes = [1; N];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_fit_stay_and_others_are_hashed() {
        assert_eq!(to_hex(&trace_id("0af7651916cd43dd8448eb211c80319c")), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            to_hex(&trace_id("019a0c7e-5a5b-7c3d-8e9f-0123456789ab")),
            "019a0c7e5a5b7c3d8e9f0123456789ab"
        );
        assert_eq!(to_hex(&span_id("s", "b7ad6b7169203331")), "b7ad6b7169203331");
        // sha256sum of `printf 'tracewal span\0s\0a'` and `printf 'tracewal trace\0t'`.
        assert_eq!(to_hex(&span_id("s", "a")), SPAN);
        assert_eq!(to_hex(&trace_id("t")), TRACE);
        assert_ne!(span_id("s", "0000000000000000"), [0; 8]);
    }

    const SPAN: &str = "fc68ce4a4411064e";
    const TRACE: &str = "f5523f4e1a65561636c02b9170be1938";
}
