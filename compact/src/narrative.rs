//! The session in a sentence, and how amounts are written in it.

use tracewal_format::time::{write_f64, write_ms};

use crate::summary::{Status, Summary};

/// One sentence about a session that has ended. `names` are the tools that it used most; `tools` is how many different ones.
pub(crate) fn narrative(summary: &Summary, tools: usize, names: &[&str], loops: usize) -> Option<String> {
    let prefix = match summary.status {
        Status::Running => return None,
        Status::Completed => "Completed in",
        Status::Error => "Failed after",
        Status::Crashed => "Crashed after",
    };
    let calls = match summary.generations {
        0 => String::new(),
        1 => ". Made 1 LLM call".to_owned(),
        n => format!(". Made {n} LLM calls"),
    };
    let tools = match tools {
        0 => String::new(),
        n => format!(" using {n} tools ({})", names.join(", ")),
    };
    let loops = match loops {
        0 => String::new(),
        n => format!(" Warning: {n} loop(s) detected."),
    };
    let (duration, cost) = (duration(summary.duration_ns()), dollars(summary.total_cost));
    Some(format!("{prefix} {duration}{calls}{tools}.{loops} Total cost: {cost}."))
}

/// The root's output when the session has ended in order.
pub(crate) fn totals(summary: &Summary) -> String {
    format!(
        "{} generations, {} tool calls, {} tokens, {}",
        summary.generations,
        summary.tool_calls,
        summary.tokens.total(),
        dollars(summary.total_cost)
    )
}

/// `850ms`, `12.8s`, `3m7s`.
fn duration(ns: i128) -> String {
    let ms = (ns + 500_000) / 1_000_000;
    let whole_ms = ns / 1_000_000;
    if whole_ms < 1_000 {
        format!("{ms}ms")
    } else if whole_ms < 60_000 {
        let mut text = Vec::new();
        write_ms(ns, &mut text);
        let ms: f64 = std::str::from_utf8(&text).ok().and_then(|t| t.parse().ok()).unwrap_or(0.0);
        format!("{}s", fixed(ms / 1_000.0, 1))
    } else {
        format!("{}m{}s", whole_ms / 60_000, whole_ms % 60_000 / 1_000)
    }
}

fn dollars(cost: f64) -> String {
    format!("${}", fixed(cost, 4))
}

/// ECMAScript's Number::toFixed: the exact binary value, rounded to so many decimals, halves away from zero.
fn fixed(value: f64, decimals: u8) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    if value.abs() >= 1e21 {
        let mut text = Vec::new();
        write_f64(value, &mut text);
        return String::from_utf8(text).unwrap_or_default();
    }
    // The value lies halfway between two decimals exactly when this is an odd integer. The formatter rounds halves to even.
    let halves = value.abs() * f64::from(1_u32 << (decimals + 1));
    let magnitude = if halves % 2.0 == 1.0 { value.abs().next_up() } else { value.abs() };
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{magnitude:.*}", usize::from(decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (ms, expected) in [
            (0, "0ms"),
            (850, "850ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (12_800, "12.8s"),
            // 12.85 and 12.95 are a little less in binary, 1.25 is exact.
            (12_850, "12.8s"),
            (12_950, "12.9s"),
            (1_250, "1.3s"),
            (59_999, "60.0s"),
            (60_000, "1m0s"),
            (187_999, "3m7s"),
        ] {
            assert_eq!(duration(ms * 1_000_000), expected, "{ms}");
        }
        assert_eq!(duration(499_999), "0ms");
        assert_eq!(duration(850_500_000), "851ms");
        assert_eq!(duration(999_500_000), "1000ms");
    }

    #[test]
    fn dollars_as_the_field_writes_them() {
        assert_eq!(dollars(0.015), "$0.0150");
        assert_eq!(dollars(0.03125), "$0.0313");
        assert_eq!(dollars(0.09375), "$0.0938");
        assert_eq!(dollars(1.000_05), "$1.0001");
        assert_eq!(dollars(-0.03125), "$-0.0313");
        assert_eq!(dollars(1e21), "$1e+21");
        assert_eq!(dollars(f64::NAN), "$0.0000");
        assert_eq!(dollars(f64::MAX), "$1.7976931348623157e+308");
    }
}
