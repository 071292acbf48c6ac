//! Dates and times in the ISO form that the server writes.

use super::wire::{Read, Unfit};

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Days since 1970 of `2026-11-21`, `0044-03-15 BC`, `294276-12-31`.
pub(super) fn date(text: &str) -> Read<i32> {
    if matches!(text, "infinity" | "-infinity") {
        return Err(Unfit::Infinite);
    }
    let (text, is_before_christ) = era(text);
    i32::try_from(days(text, is_before_christ)?).map_err(|_| Unfit::TooLate)
}

/// Microseconds since midnight of `23:59:59.123456`.
pub(super) fn time(text: &str) -> Read<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|part| whole(part, 2));
    let mut next = || parts.next().unwrap_or(Err(Unfit::Malformed));
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    if parts.next().is_some() || fraction.len() > 6 {
        return Err(Unfit::Malformed);
    }
    let micros = match fraction {
        "" => 0,
        // Zeros at the end are not written.
        digits => whole(digits, digits.len())? * 10_i64.pow(6 - u32::try_from(digits.len()).unwrap_or(6)),
    };
    Ok((hours * 3600 + minutes * 60 + seconds) * MICROS_A_SECOND + micros)
}

/// Microseconds since 1970 of `2026-11-21 10:00:00.5`, with a zone (`+00`, `-03:30`) or without.
pub(super) fn timestamp(text: &str) -> Read<i64> {
    if matches!(text, "infinity" | "-infinity") {
        return Err(Unfit::Infinite);
    }
    let (text, is_before_christ) = era(text);
    let (day, clock) = text.split_once([' ', 'T']).ok_or(Unfit::Malformed)?;
    let (clock, offset) = match clock.find(['+', '-']) {
        Some(at) => (&clock[..at], zone(&clock[at..])?),
        None => (clock.strip_suffix('Z').unwrap_or(clock), 0),
    };
    let seconds = days(day, is_before_christ)? * SECONDS_A_DAY - offset;
    let micros = i128::from(seconds) * i128::from(MICROS_A_SECOND) + i128::from(time(clock)?);
    i64::try_from(micros).map_err(|_| Unfit::TooLate)
}

fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC").map_or((text, false), |text| (text, true))
}

/// Seconds east of Greenwich.
fn zone(text: &str) -> Read<i64> {
    let (sign, text) = (if text.starts_with('-') { -1 } else { 1 }, &text[1..]);
    let mut seconds = 0;
    for (part, factor) in text.split(':').zip([3600, 60, 1]) {
        seconds += whole(part, 2)? * factor;
    }
    Ok(sign * seconds)
}

/// Days since 1970 in the proleptic Gregorian calendar, by counting years from March on, so that the leap day comes last.
fn days(text: &str, is_before_christ: bool) -> Read<i64> {
    let mut parts = text.split('-');
    let mut next = || parts.next().ok_or(Unfit::Malformed);
    let year = next()?;
    let (year, month, day) = (whole(year, year.len())?, whole(next()?, 2)?, whole(next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(Unfit::Malformed);
    }
    // There is no year 0: 1 BC is the year before 1.
    let year = if is_before_christ { 1 - year } else { year };
    let year = if month <= 2 { year - 1 } else { year };
    let (century, of_century) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + of_year - 719_468)
}

fn whole(digits: &str, length: usize) -> Read<i64> {
    if digits.len() != length || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unfit::Malformed);
    }
    digits.parse().map_err(|_| Unfit::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_in_both_directions() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("0001-01-01", -719_162),
            ("0001-12-31 BC", -719_163),
            ("4713-01-01 BC", -2_440_550),
            ("5874897-12-31", 2_145_042_905),
        ] {
            assert_eq!(date(text), Ok(days), "{text}");
        }
        assert_eq!(date("-infinity"), Err(Unfit::Infinite));
        for bad in ["", "2000-13-01", "2000-1-1", "01/02/2000", "2000-01-01-01"] {
            assert_eq!(date(bad), Err(Unfit::Malformed), "{bad}");
        }
    }

    #[test]
    fn times_have_up_to_six_digits_and_zones_any_offset() {
        assert_eq!(time("00:00:01.5"), Ok(1_500_000));
        assert_eq!(time("24:00:00"), Ok(86_400_000_000));
        assert_eq!(timestamp("1970-01-01 00:00:00.000001+00"), Ok(1));
        assert_eq!(timestamp("1970-01-01 05:30:00+05:30"), Ok(0));
        assert_eq!(timestamp("1969-12-31 20:30:00-03:30"), Ok(0));
        assert_eq!(timestamp("1970-01-01 00:00:00"), Ok(0));
        assert_eq!(timestamp("294276-12-31 23:59:59"), Err(Unfit::TooLate));
        assert_eq!(timestamp("infinity"), Err(Unfit::Infinite));
        assert_eq!(timestamp("yesterday"), Err(Unfit::Malformed));
    }
}
