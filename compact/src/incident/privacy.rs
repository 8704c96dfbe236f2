//! What may be told of texts that somebody wrote: which error they look like, and never a word of them (SPEC.md section 11.10).

use tracewal_engine::evidence::ApiError;
use tracewal_engine::label::REDACTED;
use tracewal_format::event::ErrorInfo;

use super::cause::{Cause, CrashKind};
use crate::summary::Crash;
use tracewal_format::event::FoundBy;

/// No more of a text than this is looked at, in bytes.
const LOOKED_AT: usize = 4096;

/// What an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Api(ApiError),
    ConnectionLost,
    Timeout,
    Aborted,
}

const WORDS: [(Says, &[&str]); 8] = [
    (Says::Api(ApiError::RateLimit), &["rate limit", "rate_limit", "ratelimit", "too many requests", "429"]),
    (Says::Api(ApiError::Quota), &["quota", "billing", "insufficient credit", "payment required", "402"]),
    (
        Says::Api(ApiError::Auth),
        &[
            "unauthorized",
            "unauthenticated",
            "authentication",
            "forbidden",
            "api key",
            "api_key",
            "401",
            "403",
        ],
    ),
    (Says::Api(ApiError::Overloaded), &["overloaded", "service unavailable", "503", "529"]),
    (
        Says::Api(ApiError::Context),
        &[
            "context length",
            "context_length",
            "context window",
            "prompt is too long",
            "maximum context",
            "413",
        ],
    ),
    (
        Says::ConnectionLost,
        &[
            "econnreset",
            "econnrefused",
            "econnaborted",
            "epipe",
            "enotfound",
            "eai_again",
            "socket hang up",
            "connection reset",
            "connection closed",
            "connection refused",
            "connection error",
            "network error",
            "fetch failed",
            "broken pipe",
            "stream closed",
            "unexpected eof",
        ],
    ),
    (Says::Timeout, &["etimedout", "timed out", "timeout", "deadline exceeded"]),
    (Says::Aborted, &["abort", "cancelled", "canceled"]),
];

impl Says {
    /// What a text says, if it says anything that is known.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = lower(text);
        let found = |word: &&str| contains(&text, word);
        WORDS.iter().find(|(_, words)| words.iter().any(found)).map(|(says, _)| *says)
    }

    /// What an error says: its code, then its name, then its message.
    pub(crate) fn of_error(error: &ErrorInfo<'_>) -> Option<Self> {
        [&error.code, &error.name, &error.message].into_iter().flatten().find_map(|text| Says::of(text))
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Says::Api(kind) => kind.as_str(),
            Says::ConnectionLost => "connection-lost",
            Says::Timeout => "timeout",
            Says::Aborted => "aborted",
        }
    }

    /// The cause that a text alone gives.
    pub(crate) fn cause(says: Option<Self>) -> Cause {
        match says {
            Some(Says::Api(kind)) => Cause::ApiError(kind),
            Some(Says::ConnectionLost | Says::Timeout) => Cause::TransportDisconnect,
            Some(Says::Aborted) | None => Cause::Unknown,
        }
    }

    /// How it is shown that there was an error.
    pub(crate) fn shown(says: Option<Self>) -> &'static str {
        says.map_or(REDACTED, Says::as_str)
    }
}

/// The beginning of a text in lower case; only ASCII letters change.
fn lower(text: &str) -> String {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// Whether a word is in a text; a number not inside a longer one.
fn contains(text: &str, word: &str) -> bool {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.contains(word);
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_digit(before) && !is_digit(bytes.get(at + word.len()))
    })
}

const SIGNALS: [&str; 18] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGXCPU", "SIGXFSZ", "SIGSYS",
];

/// A text that is the name of a signal, and nothing else.
pub(crate) fn signal(text: &str) -> Option<&str> {
    let number = text.strip_prefix("signal ").filter(|number| number.len() < 12);
    let is_number = number.is_some_and(|number| number.parse::<i32>().is_ok());
    (is_number || SIGNALS.contains(&text)).then_some(text)
}

const NO_MEMORY: [&str; 4] = ["out of memory", "memory allocation of", "outofmemory", "oom-kill"];

/// How a process crashed, as its record tells.
pub(crate) fn crash_kind(crash: &Crash) -> CrashKind {
    let (class, message) =
        crash.exception.as_ref().map_or(("", ""), |(class, message, _)| (class.as_str(), message.as_str()));
    let no_memory = [crash.reason.as_str(), class, message].into_iter().any(|text| {
        let text = lower(text);
        NO_MEMORY.iter().any(|word| text.contains(word))
    });
    if no_memory {
        CrashKind::OutOfMemory
    } else if crash.exception.is_some() || crash.found_by == Some(FoundBy::PanicHook) {
        CrashKind::Panic
    } else if crash.signal.is_some() || signal(&crash.reason).is_some() {
        CrashKind::Signal
    } else if crash.found_by == Some(FoundBy::Recovery) || (crash.slot.is_some() && crash.reason == "unknown")
    {
        CrashKind::Vanished
    } else {
        CrashKind::Reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_they_look_like() {
        let says = |text: &str| Says::shown(Says::of(text));
        assert_eq!(says("read ECONNRESET"), "connection-lost");
        assert_eq!(says("HTTP 429: Too Many Requests"), "rate-limit");
        assert_eq!(says("error 14290"), "redacted");
        assert_eq!(says("status=503"), "overloaded");
        assert_eq!(says("You exceeded your current quota"), "quota");
        assert_eq!(says("Incorrect API key provided: sk-123"), "auth");
        assert_eq!(says("prompt is too long: 210000 tokens"), "context");
        assert_eq!(says("The operation was aborted"), "aborted");
        assert_eq!(says("deadline exceeded"), "timeout");
        assert_eq!(says("cannot open /home/alice"), "redacted");
    }

    #[test]
    fn a_text_of_any_length_and_spelling_is_looked_at_in_bounds() {
        assert_eq!(Says::of(&"é".repeat(100_000)), None);
        assert_eq!(Says::of(&format!("{}timeout", "x".repeat(LOOKED_AT))), None);
        assert_eq!(Says::of(""), None);
    }
}
