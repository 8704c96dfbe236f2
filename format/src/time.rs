//! Time: whole nanoseconds inside, milliseconds in JSON.

/// Nanoseconds since 1970-01-01T00:00:00Z, within ±10^30.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i128);

/// The largest distance from the epoch that a [`Time`] holds, in nanoseconds.
const LIMIT_NS: i128 = 10_i128.pow(30);
const NS_PER_MS: i128 = 1_000_000;

impl Time {
    /// A time from nanoseconds since the epoch; what is beyond ±10^30 is clamped.
    #[must_use]
    pub fn from_ns(ns: i128) -> Self {
        Time(ns.clamp(-LIMIT_NS, LIMIT_NS))
    }

    /// A time from whole milliseconds since the epoch.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Time(i128::from(ms) * NS_PER_MS)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn as_ns(self) -> i128 {
        self.0
    }

    /// Nanoseconds since the epoch, clamped to 64 bits (years 1677 to 2262).
    #[must_use]
    pub fn as_ns_i64(self) -> i64 {
        i64::try_from(self.0.clamp(i64::MIN.into(), i64::MAX.into())).unwrap_or_default()
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub fn as_ms_floor(self) -> i128 {
        self.0.div_euclid(NS_PER_MS)
    }
}

impl From<std::time::SystemTime> for Time {
    fn from(at: std::time::SystemTime) -> Self {
        let ns = |d: std::time::Duration| i128::try_from(d.as_nanos()).unwrap_or(LIMIT_NS);
        match at.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Time::from_ns(ns(after)),
            Err(before) => Time::from_ns(-ns(before.duration())),
        }
    }
}

/// Appends nanoseconds as milliseconds, in the form of SPEC.md section 8: the exact integer where it is one, else the nearest
/// binary64 as ECMAScript writes it.
pub fn write_ms(ns: i128, out: &mut Vec<u8>) {
    if ns % NS_PER_MS == 0 {
        out.extend_from_slice((ns / NS_PER_MS).to_string().as_bytes());
        return;
    }
    let sign = if ns < 0 { "-" } else { "" };
    let (ms, fraction) = (ns.unsigned_abs() / 1_000_000, ns.unsigned_abs() % 1_000_000);
    // Parsing the exact decimal is correctly rounded; dividing a rounded number would round twice.
    let value: f64 = format!("{sign}{ms}.{fraction:06}").parse().unwrap_or(0.0);
    write_f64(value, out);
}

/// Appends a number as ECMAScript's Number::toString does; what is not finite is `0`.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() && value != 0.0 {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.push(b'0');
    }
}

/// Reads a JSON number of milliseconds as nanoseconds, exactly, rounding halves away from zero. Clamped to ±10^30.
/// `None` when `text` is not a number.
#[must_use]
pub fn parse_ms(text: &str) -> Option<i128> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at + 1..)?),
        None => (unsigned, "0"),
    };
    let exponent: i64 = match exponent.strip_prefix('+').unwrap_or(exponent).parse() {
        Ok(exponent) => exponent,
        Err(_) if exponent.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+') => {
            if exponent.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) }
        }
        Err(_) => return None,
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    // The decimal point of the nanoseconds stands behind this many of the digits.
    let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(6);
    let mut ns: i128 = 0;
    let mut at = 0_i64;
    for digit in digits() {
        if at == point {
            if digit >= 5 {
                ns += 1;
            }
            break;
        }
        if at > point {
            break;
        }
        ns = (ns * 10 + digit).min(LIMIT_NS);
        at += 1;
    }
    while at < point && ns != 0 && ns < LIMIT_NS {
        ns = (ns * 10).min(LIMIT_NS);
        at += 1;
    }
    Some(if negative { -ns } else { ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ns: i128) -> String {
        let mut out = Vec::new();
        write_ms(ns, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn milliseconds_out() {
        assert_eq!(ms(0), "0");
        assert_eq!(ms(1_773_568_800_000_000_000), "1773568800000");
        assert_eq!(ms(1_773_568_800_000_123_456), "1773568800000.1235");
        assert_eq!(ms(1), "0.000001");
        assert_eq!(ms(-1_500_000), "-1.5");
        assert_eq!(ms(10_i128.pow(30)), "1000000000000000000000000");
    }

    #[test]
    fn milliseconds_in() {
        assert_eq!(parse_ms("1773568800000.123456"), Some(1_773_568_800_000_123_456));
        assert_eq!(parse_ms("1.0000005"), Some(1_000_001));
        assert_eq!(parse_ms("-1.0000005"), Some(-1_000_001));
        assert_eq!(parse_ms("1.00000049"), Some(1_000_000));
        assert_eq!(parse_ms("1e3"), Some(1_000_000_000));
        assert_eq!(parse_ms("1.5E-3"), Some(1_500));
        assert_eq!(parse_ms("0.0000005"), Some(1));
        assert_eq!(parse_ms("5e-7"), Some(1));
        assert_eq!(parse_ms("5e-8"), Some(0));
        assert_eq!(parse_ms("1e99999999999999999999"), Some(LIMIT_NS));
        assert_eq!(parse_ms("1e-99999999999999999999"), Some(0));
        assert_eq!(parse_ms("0e99999"), Some(0));
        assert_eq!(parse_ms("\"1\""), None);
        assert_eq!(parse_ms("null"), None);
    }

    #[test]
    fn round_trip_of_times_that_agents_have() {
        for ns in [
            1_773_568_800_000_000_000_i128,
            1_773_568_800_123_000_000,
            1_500_000,
            -62_135_596_800_000_000_000,
        ] {
            assert_eq!(parse_ms(&ms(ns)), Some(ns));
        }
    }
}
