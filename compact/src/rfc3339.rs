//! A time as RFC 3339, in UTC with milliseconds.

use tracewal_format::time::Time;

const MS_PER_DAY: i128 = 86_400_000;
/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
const YEARS_MS: (i128, i128) = (-62_167_219_200_000, 253_402_300_799_999);

/// Appends `"2026-03-15T10:00:00.000Z"`. Years outside 0000 to 9999 are clamped.
pub fn write(time: Time, out: &mut Vec<u8>) {
    let ms = time.as_ms_floor().clamp(YEARS_MS.0, YEARS_MS.1);
    let (days, of_day) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY));
    let (year, month, day) = civil(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, ms) = (of_day / 1_000 % 60, of_day % 1_000);
    out.extend_from_slice(
        format!("\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z\"").as_bytes(),
    );
}

/// Year, month and day of a count of days since 1970-01-01, by counting from 1 March of the year 0, so that leap days come
/// last in a year, and years in eras of 400.
fn civil(days: i128) -> (i128, i128, i128) {
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let text = |ns: i128| {
            let mut out = Vec::new();
            write(Time::from_ns(ns), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(text(1_773_568_800_123_999_999), "\"2026-03-15T10:00:00.123Z\"");
        assert_eq!(text(951_782_400_000_000_000), "\"2000-02-29T00:00:00.000Z\"");
        assert_eq!(text(-1), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(text(-62_167_219_200_000_000_000), "\"0000-01-01T00:00:00.000Z\"");
        assert_eq!(text(-(10_i128.pow(30))), "\"0000-01-01T00:00:00.000Z\"");
        assert_eq!(text(10_i128.pow(30)), "\"9999-12-31T23:59:59.999Z\"");
    }

    #[test]
    fn every_day_has_a_successor() {
        let (mut days, mut before) = (-719_528, (0, 1, 1));
        while days < 2_932_896 {
            days += 1;
            let after = civil(days);
            let leap = before.0 % 4 == 0 && (before.0 % 100 != 0 || before.0 % 400 == 0);
            let length = match before.1 {
                2 => 28 + i128::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match before {
                (y, 12, 31) => (y + 1, 1, 1),
                (y, m, d) if d == length => (y, m + 1, 1),
                (y, m, d) => (y, m, d + 1),
            };
            assert_eq!(after, expected);
            before = after;
        }
    }
}
