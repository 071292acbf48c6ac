//! Dates and times: Postgres counts days and microseconds from 2000-01-01.

use super::Refused;
use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use hydrant_contract::Resolution;

/// Days from 1970-01-01 to 2000-01-01.
pub(crate) const DAYS_TO_2000: i32 = 10_957;
/// The same in microseconds.
pub(crate) const MICROS_TO_2000: i64 = 946_684_800_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// First and first impossible value of `date` (`DATETIME_MIN_JULIAN` and `DATE_END_JULIAN` of `datetime.h`).
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
/// The same of `timestamp` (`MIN_TIMESTAMP` and `END_TIMESTAMP` of `timestamp.h`).
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
/// The dates that Postgres has, as days since 1970.
pub(crate) const DATES_SINCE_1970: std::ops::Range<i32> =
    DATES.start + DAYS_TO_2000..DATES.end + DAYS_TO_2000;
/// The timestamps that Postgres has, as microseconds since 1970; those that 64 bits hold end before Postgres does.
pub(crate) const MICROS_SINCE_1970: std::ops::RangeFrom<i64> = TIMESTAMPS.start + MICROS_TO_2000..;

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

/// A day since 1970 as a `date`.
pub(super) fn date(day: i32) -> Result<i32, Refused> {
    let day = day.checked_sub(DAYS_TO_2000).filter(|day| DATES.contains(day));
    day.ok_or_else(|| "the date is outside the range of Postgres (4713 BC to 5874897 AD)".into())
}

/// A time of day as a `time` that keeps so many digits of the second.
pub(super) fn time(time: i64, unit: Resolution, digits: u8) -> Result<i64, Refused> {
    let time = micros(time, unit, digits)?;
    // Midnight at the end of the day is a time for Postgres too.
    let time = Some(time).filter(|time| (0..=MICROS_PER_DAY).contains(time));
    time.ok_or_else(|| "the time is outside the day".into())
}

/// A time since 1970 as a `timestamp` or `timestamptz` that keeps so many digits of the second.
pub(super) fn timestamp(time: i64, unit: Resolution, digits: u8) -> Result<i64, Refused> {
    let time = micros(time, unit, digits)?.checked_sub(MICROS_TO_2000);
    let time = time.filter(|time| TIMESTAMPS.contains(time));
    time.ok_or_else(|| "the time is outside the range of Postgres (4713 BC to 294276 AD)".into())
}

/// In microseconds, if it is a whole number of them and of the column's own step.
fn micros(time: i64, unit: Resolution, digits: u8) -> Result<i64, Refused> {
    let micros = match unit {
        Resolution::Micro => time,
        Resolution::Nano if time % 1000 == 0 => time / 1000,
        Resolution::Nano => {
            return Err("the time has nanoseconds, and Postgres keeps whole microseconds".into());
        }
    };
    if digits < 6 && micros % 10_i64.pow(6 - u32::from(digits)) != 0 {
        return Err(
            format!("the time has more than the {digits} digits of a second that the column keeps").into()
        );
    }
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    #[test]
    fn the_edges_of_the_calendar() {
        // 4714-11-24 BC, which is year -4713 of astronomers, is the first day of Postgres.
        let first = NaiveDate::from_ymd_opt(-4713, 11, 24).expect("a date");
        let days = i32::try_from(first.signed_duration_since(NaiveDate::default()).num_days()).expect("days");
        assert_eq!(date(days), Ok(-2_451_545));
        assert!(date(days - 1).is_err() && date(i32::MIN).is_err() && date(i32::MAX).is_err());
        // Arrow's microseconds end before those of Postgres do.
        assert_eq!(timestamp(i64::MAX, Resolution::Micro, 6), Ok(i64::MAX - MICROS_TO_2000));
        assert!(timestamp(i64::MIN, Resolution::Micro, 6).is_err());
        let last = DateTime::parse_from_rfc3339("9999-12-31T23:59:59.999999Z").expect("a time");
        assert_eq!(
            timestamp(last.timestamp_micros(), Resolution::Micro, 6),
            Ok(last.timestamp_micros() - MICROS_TO_2000)
        );
    }

    #[test]
    fn a_time_that_would_be_rounded_is_refused() {
        assert_eq!(time(1_000, Resolution::Nano, 6), Ok(1));
        assert!(time(1_001, Resolution::Nano, 6).is_err());
        assert_eq!(time(1_000, Resolution::Micro, 3), Ok(1_000));
        assert!(time(1_001, Resolution::Micro, 3).is_err());
        assert!(timestamp(-1, Resolution::Micro, 0).is_err());
        assert_eq!(time(MICROS_PER_DAY, Resolution::Micro, 6), Ok(MICROS_PER_DAY));
        assert!(
            time(MICROS_PER_DAY + 1, Resolution::Micro, 6).is_err()
                && time(-1, Resolution::Micro, 6).is_err()
        );
    }

    proptest! {
        #[test]
        fn nanoseconds_and_microseconds_agree(micros in -9_000_000_000_000_000_i64..9_000_000_000_000_000) {
            prop_assert_eq!(
                timestamp(micros * 1000, Resolution::Nano, 6),
                timestamp(micros, Resolution::Micro, 6)
            );
        }
    }
}
