//! Dates and times, in the proleptic Gregorian calendar that Arrow and MySQL share.

use super::Refused;
use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use hydrant_contract::Resolution;

/// The first and the last day: 0001-01-01 and 9999-12-31, counted from 1970. MySQL promises its functions from the year 1000
/// on, but keeps and compares earlier dates as well; of the year 0 it makes nothing.
pub(crate) const DAYS: (i32, i32) = (-719_162, 2_932_896);
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The first and the last microsecond of these days.
pub(crate) const MICROS: (i64, i64) =
    (DAYS.0 as i64 * MICROS_PER_DAY, (DAYS.1 as i64 + 1) * MICROS_PER_DAY - 1);
/// What TIMESTAMP holds: the second 0 stands for none, and the last one is the last of 31 bits.
pub(crate) const TIMESTAMP_MICROS: (i64, i64) = (1_000_000, 2_147_483_647_999_999);

/// The number that a time or timestamp is carried in.
pub(super) fn raw(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Time64(TimeUnit::Nanosecond) => array.as_primitive::<Time64NanosecondType>().value(row),
        DataType::Time64(_) => array.as_primitive::<Time64MicrosecondType>().value(row),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().value(row)
        }
        _ => array.as_primitive::<TimestampMicrosecondType>().value(row),
    }
}

/// Appends a day since 1970.
pub(super) fn put_date(day: i32, out: &mut Vec<u8>) -> Result<(), Refused> {
    if !(DAYS.0..=DAYS.1).contains(&day) {
        return Err("the date is outside the range of MySQL (0001-01-01 to 9999-12-31)".into());
    }
    put_day(day.into(), out);
    Ok(())
}

/// Appends a time of day for a column that keeps so many digits of the second.
pub(super) fn put_time(time: i64, unit: Resolution, digits: u8, out: &mut Vec<u8>) -> Result<(), Refused> {
    let micros = micros(time, unit, digits)?;
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return Err("the time is outside the day".into());
    }
    put_clock(micros, digits, out);
    Ok(())
}

/// Appends a time since 1970 for a column that keeps so many digits of the second.
pub(super) fn put_timestamp(
    time: i64,
    unit: Resolution,
    digits: u8,
    (low, high): (i64, i64),
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    let micros = micros(time, unit, digits)?;
    if !(low..=high).contains(&micros) {
        return Err(match low == TIMESTAMP_MICROS.0 {
            true => "the time is outside the range of TIMESTAMP (1970-01-01 00:00:01 to 2038-01-19 03:14:07); DATETIME(6) holds it",
            false => "the time is outside the range of MySQL (0001-01-01 to 9999-12-31)",
        }
        .into());
    }
    put_day(micros.div_euclid(MICROS_PER_DAY), out);
    out.push(b' ');
    put_clock(micros.rem_euclid(MICROS_PER_DAY), digits, out);
    Ok(())
}

/// In microseconds, if it is a whole number of them and of the column's own step.
fn micros(time: i64, unit: Resolution, digits: u8) -> Result<i64, Refused> {
    let micros = match unit {
        Resolution::Micro => time,
        Resolution::Nano if time % 1000 == 0 => time / 1000,
        Resolution::Nano => return Err("the time has nanoseconds, and MySQL keeps whole microseconds".into()),
    };
    if digits < super::SECONDS && micros % 10_i64.pow(6 - u32::from(digits)) != 0 {
        return Err(
            format!("the time has more than the {digits} digits of a second that the column keeps").into()
        );
    }
    Ok(micros)
}

/// Year, month and day of a day since 1970, by whole eras of 400 years that begin on the first of March.
fn put_day(day: i64, out: &mut Vec<u8>) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    put_digits(year, 4, out);
    out.push(b'-');
    put_digits(month, 2, out);
    out.push(b'-');
    put_digits(day, 2, out);
}

fn put_clock(micros: i64, digits: u8, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    put_digits(seconds / 3600, 2, out);
    out.push(b':');
    put_digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    put_digits(seconds % 60, 2, out);
    if digits > 0 {
        out.push(b'.');
        let digits = digits.min(6);
        put_digits(micros % 1_000_000 / 10_i64.pow(6 - u32::from(digits)), digits.into(), out);
    }
}

/// The last so many decimal digits of a number that is not negative.
fn put_digits(number: i64, count: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + count, b'0');
    let mut rest = number;
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, NaiveDate, TimeDelta};
    use proptest::prelude::*;

    fn date(day: i32) -> String {
        let mut out = Vec::new();
        put_date(day, &mut out).expect("a date");
        String::from_utf8(out).expect("digits")
    }

    fn timestamp(micros: i64, digits: u8) -> Result<String, Refused> {
        let mut out = Vec::new();
        put_timestamp(micros, Resolution::Micro, digits, MICROS, &mut out)?;
        Ok(String::from_utf8(out).expect("digits"))
    }

    #[test]
    fn the_edges_of_the_calendar() {
        assert_eq!((date(DAYS.0), date(DAYS.1)), ("0001-01-01".into(), "9999-12-31".into()));
        assert!(
            put_date(DAYS.0 - 1, &mut Vec::new()).is_err() && put_date(i32::MAX, &mut Vec::new()).is_err()
        );
        assert_eq!(timestamp(MICROS.0, 0), Ok("0001-01-01 00:00:00".into()));
        assert_eq!(timestamp(MICROS.1, 6), Ok("9999-12-31 23:59:59.999999".into()));
        assert!(timestamp(MICROS.1, 3).is_err() && timestamp(MICROS.1 + 1, 6).is_err());
        assert_eq!(timestamp(-1_000, 3), Ok("1969-12-31 23:59:59.999".into()));
    }

    #[test]
    fn a_time_that_would_be_rounded_is_refused() {
        let time = |v, unit, digits| {
            let mut out = Vec::new();
            put_time(v, unit, digits, &mut out).map(|()| String::from_utf8(out).expect("digits"))
        };
        assert_eq!(time(1_000, Resolution::Nano, 6), Ok("00:00:00.000001".into()));
        assert!(time(1_001, Resolution::Nano, 6).is_err() && time(1_001, Resolution::Micro, 3).is_err());
        assert!(
            time(MICROS_PER_DAY, Resolution::Micro, 6).is_err() && time(-1, Resolution::Micro, 6).is_err()
        );
        assert_eq!(time(MICROS_PER_DAY - 1_000_000, Resolution::Micro, 0), Ok("23:59:59".into()));
    }

    proptest! {
        #[test]
        fn days_and_clocks_agree_with_another_calendar(micros in MICROS.0..=MICROS.1) {
            let expected = DateTime::from_timestamp_micros(micros).expect("in the calendar");
            prop_assert_eq!(timestamp(micros, 6), Ok(expected.format("%Y-%m-%d %H:%M:%S%.6f").to_string()));
            let day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).expect("a day");
            let expected = NaiveDate::default() + TimeDelta::days(day.into());
            prop_assert_eq!(date(day), expected.format("%Y-%m-%d").to_string());
        }
    }
}
