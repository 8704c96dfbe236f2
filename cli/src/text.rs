//! Values as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracewal::Time;
use tracewal::event::Payload;
use unicode_width::UnicodeWidthChar;

/// `text` on one line. Control characters become spaces: what is in a log must not steer the terminal.
pub(crate) fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() || is_bidi_control(c) { ' ' } else { c };
    text.chars().map(clean).collect()
}

/// These reorder what stands around them.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// The columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `text` on one line in at most `columns`, with an ellipsis where something is cut off.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    // Long texts are looked at only as far as they are shown.
    let mut short = String::new();
    let mut used = 0;
    let mut fits_until = 0;
    for c in text.chars() {
        let c = if c.is_control() || is_bidi_control(c) { ' ' } else { c };
        let more = c.width().unwrap_or(0);
        if used + more > columns {
            short.truncate(fits_until);
            if columns > 0 {
                short.push('…');
            }
            return short;
        }
        short.push(c);
        used += more;
        if used < columns {
            fits_until = short.len();
        }
    }
    short
}

/// The end of `text` on one line in at most `columns`, with an ellipsis where something is cut off.
pub(crate) fn cut_before(text: &str, columns: usize) -> String {
    let line = one_line(text);
    if width(&line) <= columns {
        return line;
    }
    let mut used = 1;
    let mut from = line.len();
    for (at, c) in line.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        from = at;
    }
    if columns == 0 { String::new() } else { format!("…{}", line.get(from..).unwrap_or_default()) }
}

/// What stands in a log, on one line: a string as it is, other JSON as JSON.
pub(crate) fn payload(payload: &Payload<'_>, columns: usize) -> String {
    // Four bytes are the most that a column takes, but for combining characters and white space.
    let bytes = payload.bytes.get(..columns * 8).unwrap_or(&payload.bytes);
    if payload.encoding == Payload::JSON
        && let Ok(text) = serde_json::from_slice::<String>(&payload.bytes)
    {
        return cut(&text, columns);
    }
    cut(&String::from_utf8_lossy(bytes), columns)
}

/// A JSON value on one line.
pub(crate) fn json(raw: &str, columns: usize) -> String {
    match serde_json::from_str::<String>(raw) {
        Ok(text) => cut(&text, columns),
        Err(_) => cut(raw, columns),
    }
}

fn timestamp(time: Time) -> Timestamp {
    let end = if time.as_ns() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_nanosecond(time.as_ns()).unwrap_or(end)
}

/// A time where the reader is: `2026-03-15 10:00:00`.
pub(crate) fn local(time: Time) -> String {
    timestamp(time).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of day where the reader is: `10:00:00.123`.
pub(crate) fn time_of_day(time: Time) -> String {
    timestamp(time).to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// A time for programs: `2026-03-15T10:00:00.000Z`.
pub(crate) fn utc(time: Time) -> String {
    timestamp(time).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// How long: `850ms`, `12.8s`, `3m7s`, `2h5m`, `3d4h`.
pub(crate) fn duration(ns: i128) -> String {
    let ms = ns / 1_000_000;
    let s = ms / 1_000;
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{s}.{}s", ms % 1_000 / 100),
        60..3_600 => format!("{}m{}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{}h", s / 86_400, s / 3_600 % 24),
    }
}

/// `1 event`, `2 events`.
pub(crate) fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n)) }
}

/// `15,373,675`.
pub(crate) fn grouped(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

/// `12.3M`, for a narrow column.
pub(crate) fn short(n: u64) -> String {
    let in_units = |unit: u64, name: &str| {
        let tenths = n.saturating_add(unit / 20) / (unit / 10);
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    };
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => in_units(1_000, "k"),
        1_000_000..1_000_000_000 => in_units(1_000_000, "M"),
        _ => in_units(1_000_000_000, "G"),
    }
}

/// `$0.0150`.
pub(crate) fn dollars(cost: f64) -> String {
    format!("${cost:.4}")
}

/// `1.2 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    bytesize::ByteSize(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本", 4), "日本");
        assert_eq!(cut("a\nb\u{1b}[31m", 20), "a b [31m");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(["abc", "abcd", "日本語", ""].map(|text| cut_before(text, 3)), ["abc", "…cd", "…語", ""]);
        assert_eq!(cut_before("abc", 0), "");
    }

    #[test]
    fn durations_have_two_units() {
        let s = 1_000_000_000;
        let all = [850_000_000, 12 * s + 840_000_000, 187 * s, 7_500 * s, 90_000 * s].map(duration);
        assert_eq!(all, ["850ms", "12.8s", "3m7s", "2h5m", "1d1h"]);
    }

    #[test]
    fn absurd_times_are_shown() {
        assert_eq!(utc(Time::from_ns(0)), "1970-01-01T00:00:00.000Z");
        assert!(utc(Time::from_ns(i128::MAX)).starts_with("9999-"));
        assert!(local(Time::from_ns(i128::MIN)).starts_with('-'));
    }
}
