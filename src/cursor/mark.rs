//! One value of a cursor: the highest that is known, or the bound from which rows are asked for.

use super::Lookback;
use arrow::{
    array::{Array, ArrowPrimitiveType, AsArray},
    compute,
    datatypes::{
        ArrowNumericType, Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType,
        TimestampNanosecondType, UInt64Type,
    },
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use hydrant_contract::{Integer, Resolution, ValueType};
use serde::{Deserialize, Serialize};
use std::fmt;

const NANOS_PER_MICRO: i128 = 1_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
/// By so many hours a wall clock somewhere is ahead of UTC at most, or behind it.
const AHEAD_HOURS: i64 = 14;
const BEHIND_HOURS: i64 = 12;

/// A value of a cursor, independent of the Arrow type that carried it. In JSON it is text, as numbers there lose digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub enum Mark {
    /// A whole number.
    Integer(i128),
    /// A decimal number: its digits, and how many of them stand after the point.
    Decimal {
        /// The number without its point.
        unscaled: i128,
        /// Digits after the point.
        scale: u8,
    },
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since 1970-01-01 00:00:00, in no particular zone.
    Timestamp(i128),
    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    Instant(i128),
}

/// A mark as it stands in a manifest.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Integer(String),
    Decimal(String),
    Date(String),
    Timestamp(String),
    Instant(String),
}

impl Mark {
    /// The highest value of a column in the carrier of its type, as far as it can be relied on at this time. None if there is
    /// none but NULL, if the type cannot be a cursor, or if the value lies before the year 1, which SQL cannot write.
    ///
    /// A time that lies ahead of `now` says nothing about when its row changed (`9999-12-31` stands for "for ever"), and
    /// as a mark it would hide every later change. So a mark never lies ahead. A wall clock may be ahead of UTC, or
    /// behind it; where it must have been wrong, the mark is the earliest time that it can be anywhere.
    pub fn highest(array: &dyn Array, value: &ValueType, now: DateTime<Utc>) -> Option<Self> {
        let nanos = |resolution: Resolution| match resolution {
            Resolution::Micro => {
                max::<TimestampMicrosecondType>(array).map(|micros| i128::from(micros) * NANOS_PER_MICRO)
            }
            Resolution::Nano => max::<TimestampNanosecondType>(array).map(i128::from),
        };
        let mark = match value {
            ValueType::Integer(Integer::U64) => Self::Integer(max::<UInt64Type>(array)?.into()),
            ValueType::Integer(_) => Self::Integer(max::<Int64Type>(array)?.into()),
            ValueType::Decimal { scale, .. } => {
                Self::Decimal { unscaled: max::<Decimal128Type>(array)?, scale: u8::try_from(*scale).ok()? }
            }
            ValueType::Date => Self::Date(max::<Date32Type>(array)?),
            ValueType::Timestamp(resolution) => Self::Timestamp(nanos(*resolution)?),
            ValueType::Instant(resolution) => Self::Instant(nanos(*resolution)?),
            _ => return None,
        };
        mark.not_ahead_of(now).writable()
    }

    fn not_ahead_of(self, now: DateTime<Utc>) -> Self {
        let at = |hours| {
            let time = now + TimeDelta::hours(hours);
            i128::from(time.timestamp()) * NANOS_PER_SECOND + i128::from(time.timestamp_subsec_nanos())
        };
        // Days of the calendar fit.
        #[allow(clippy::cast_possible_truncation)]
        let day = |hours| at(hours).div_euclid(NANOS_PER_DAY) as i32;
        match self {
            Self::Instant(nanos) => Self::Instant(nanos.min(at(0))),
            Self::Timestamp(nanos) if nanos > at(AHEAD_HOURS) => Self::Timestamp(at(-BEHIND_HOURS)),
            Self::Date(days) if days > day(AHEAD_HOURS) => Self::Date(day(-BEHIND_HOURS)),
            Self::Timestamp(_) | Self::Date(_) | Self::Integer(_) | Self::Decimal { .. } => self,
        }
    }

    fn writable(self) -> Option<Self> {
        let year = match self {
            Self::Integer(_) | Self::Decimal { .. } => return Some(self),
            Self::Date(days) => date(days)?.year(),
            Self::Timestamp(nanos) | Self::Instant(nanos) => moment(nanos)?.year(),
        };
        (1..=9999).contains(&year).then_some(self)
    }

    /// The higher one of two values of the same cursor; of different kinds the other one.
    pub fn max(self, other: Self) -> Self {
        let is_higher = match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a > b,
            (Self::Decimal { unscaled: a, scale: s }, Self::Decimal { unscaled: b, scale: t }) => {
                s == t && a > b
            }
            (Self::Date(a), Self::Date(b)) => a > b,
            (Self::Timestamp(a), Self::Timestamp(b)) | (Self::Instant(a), Self::Instant(b)) => a > b,
            _ => false,
        };
        if is_higher { self } else { other }
    }

    /// So far below this one; `None` if the lookback is not for such marks. What is not below zero does not get below it, and no
    /// time before the year 1.
    pub fn back(self, lookback: Lookback) -> Option<Self> {
        let first = i128::from(NaiveDate::MIN.with_year(1)?.num_days_from_ce() - EPOCH_DAYS) * NANOS_PER_DAY;
        Some(match (self, lookback) {
            (Self::Integer(number), Lookback::Number(by)) => Self::Integer(below(number, by.into())),
            (Self::Decimal { unscaled, scale }, Lookback::Number(by)) => {
                let by = 10_i128.checked_pow(scale.into()).and_then(|one| one.checked_mul(by.into()));
                Self::Decimal { unscaled: below(unscaled, by.unwrap_or(i128::MAX)), scale }
            }
            (Self::Timestamp(nanos), Lookback::Time(by)) => {
                Self::Timestamp(nanos.saturating_sub(ticks(by)).max(first))
            }
            (Self::Instant(nanos), Lookback::Time(by)) => {
                Self::Instant(nanos.saturating_sub(ticks(by)).max(first))
            }
            (Self::Date(days), Lookback::Time(by)) => {
                let nanos = (i128::from(days) * NANOS_PER_DAY).saturating_sub(ticks(by)).max(first);
                Self::Date(i32::try_from(nanos.div_euclid(NANOS_PER_DAY)).ok()?)
            }
            _ => return None,
        })
    }
}

/// Days from the first day of the year 1, counted as 1, to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;

fn below(number: i128, by: i128) -> i128 {
    let lower = number.saturating_sub(by);
    if number >= 0 { lower.max(0).min(number) } else { lower }
}

fn ticks(duration: std::time::Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn max<T: ArrowPrimitiveType + ArrowNumericType>(array: &dyn Array) -> Option<T::Native> {
    compute::max(array.as_primitive_opt::<T>()?)
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAYS)?)
}

fn moment(nanos: i128) -> Option<NaiveDateTime> {
    let seconds = i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?;
    Some(DateTime::from_timestamp(seconds, rest)?.naive_utc())
}

fn nanos(moment: NaiveDateTime) -> i128 {
    let moment = moment.and_utc();
    i128::from(moment.timestamp()) * NANOS_PER_SECOND + i128::from(moment.timestamp_subsec_nanos())
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal { unscaled, scale: 0 } => write!(f, "{unscaled}"),
            Self::Decimal { unscaled, scale } => {
                let (sign, width) = (if *unscaled < 0 { "-" } else { "" }, usize::from(*scale) + 1);
                let digits = format!("{:0>width$}", unscaled.unsigned_abs());
                let (whole, rest) = digits.split_at(digits.len() - usize::from(*scale));
                write!(f, "{sign}{whole}.{rest}")
            }
            Self::Date(days) => match date(*days) {
                Some(date) => write!(f, "{date}"),
                None => write!(f, "day {days}"),
            },
            Self::Timestamp(nanos) => match moment(*nanos) {
                Some(moment) => write!(f, "{}", moment.format("%F %T%.f")),
                None => write!(f, "{nanos} ns"),
            },
            Self::Instant(nanos) => match moment(*nanos) {
                Some(moment) => write!(f, "{}Z", moment.format("%FT%T%.f")),
                None => write!(f, "{nanos} ns"),
            },
        }
    }
}

impl From<Mark> for Written {
    fn from(mark: Mark) -> Self {
        let text = mark.to_string();
        match mark {
            Mark::Integer(_) => Self::Integer(text),
            Mark::Decimal { .. } => Self::Decimal(text),
            Mark::Date(_) => Self::Date(text),
            Mark::Timestamp(_) => Self::Timestamp(text),
            Mark::Instant(_) => Self::Instant(text),
        }
    }
}

impl TryFrom<Written> for Mark {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let parsed = match &written {
            Written::Integer(text) => text.parse().ok().map(Self::Integer),
            Written::Decimal(text) => decimal(text),
            Written::Date(text) => {
                text.parse::<NaiveDate>().ok().map(|date| Self::Date(date.num_days_from_ce() - EPOCH_DAYS))
            }
            Written::Timestamp(text) => {
                let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok();
                moment.map(|moment| Self::Timestamp(nanos(moment)))
            }
            Written::Instant(text) => {
                let moment = DateTime::parse_from_rfc3339(text).ok();
                moment.map(|moment| Self::Instant(nanos(moment.naive_utc())))
            }
        };
        parsed.ok_or_else(|| {
            let (Written::Integer(text)
            | Written::Decimal(text)
            | Written::Date(text)
            | Written::Timestamp(text)
            | Written::Instant(text)) = written;
            format!("{text:?} is no value of a cursor")
        })
    }
}

fn decimal(text: &str) -> Option<Mark> {
    let scale = text.split_once('.').map_or(0, |(_, rest)| rest.len());
    let unscaled = text.replacen('.', "", 1).parse().ok()?;
    Some(Mark::Decimal { unscaled, scale: u8::try_from(scale).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Date32Array, Decimal128Array, Int64Array, TimestampMicrosecondArray, TimestampNanosecondArray,
        UInt64Array,
    };
    use proptest::prelude::*;
    use std::time::Duration;

    fn now() -> DateTime<Utc> {
        "2026-01-02T03:04:05.000006Z".parse().unwrap()
    }

    fn instant(text: &str) -> Mark {
        Mark::try_from(Written::Instant(text.to_owned())).unwrap()
    }

    fn timestamp(text: &str) -> Mark {
        Mark::try_from(Written::Timestamp(text.to_owned())).unwrap()
    }

    #[test]
    fn marks_are_shown_as_people_write_them_and_kept_as_text() {
        for (mark, shown, json) in [
            (Mark::Integer(u64::MAX.into()), "18446744073709551615", r#"{"integer":"18446744073709551615"}"#),
            (Mark::Decimal { unscaled: -5, scale: 2 }, "-0.05", r#"{"decimal":"-0.05"}"#),
            (Mark::Decimal { unscaled: 1250, scale: 2 }, "12.50", r#"{"decimal":"12.50"}"#),
            (Mark::Decimal { unscaled: 7, scale: 0 }, "7", r#"{"decimal":"7"}"#),
            (Mark::Date(-1), "1969-12-31", r#"{"date":"1969-12-31"}"#),
            (Mark::Timestamp(0), "1970-01-01 00:00:00", r#"{"timestamp":"1970-01-01 00:00:00"}"#),
            (
                Mark::Instant(-1_000),
                "1969-12-31T23:59:59.999999Z",
                r#"{"instant":"1969-12-31T23:59:59.999999Z"}"#,
            ),
        ] {
            assert_eq!(mark.to_string(), shown);
            assert_eq!(serde_json::to_string(&mark).unwrap(), json);
            assert_eq!(serde_json::from_str::<Mark>(json).unwrap(), mark);
        }
        assert!(serde_json::from_str::<Mark>(r#"{"date":"yesterday"}"#).is_err());
    }

    #[test]
    fn the_highest_value_of_each_type_is_found() {
        let highest = |array: &dyn Array, value: &ValueType| Mark::highest(array, value, now());
        let integers = Int64Array::from(vec![Some(3), None, Some(-7)]);
        assert_eq!(highest(&integers, &ValueType::Integer(Integer::I8)), Some(Mark::Integer(3)));
        let unsigned = UInt64Array::from(vec![u64::MAX, 1]);
        let value = ValueType::Integer(Integer::U64);
        assert_eq!(highest(&unsigned, &value), Some(Mark::Integer(u64::MAX.into())));
        let decimals = Decimal128Array::from(vec![125, 99]).with_precision_and_scale(9, 2).unwrap();
        let value = ValueType::Decimal { precision: 9, scale: 2 };
        assert_eq!(highest(&decimals, &value), Some(Mark::Decimal { unscaled: 125, scale: 2 }));
        assert_eq!(highest(&Date32Array::from(vec![5, 9]), &ValueType::Date), Some(Mark::Date(9)));
        let micros = TimestampMicrosecondArray::from(vec![5, 9]);
        let value = ValueType::Timestamp(Resolution::Micro);
        assert_eq!(highest(&micros, &value), Some(Mark::Timestamp(9_000)));
        let nanos = TimestampNanosecondArray::from(vec![5, 9]).with_timezone("UTC");
        assert_eq!(highest(&nanos, &ValueType::Instant(Resolution::Nano)), Some(Mark::Instant(9)));
        let nothing = Int64Array::from(vec![None, None]);
        assert_eq!(highest(&nothing, &ValueType::Integer(Integer::I64)), None);
        assert_eq!(highest(&micros, &ValueType::Float64), None);
    }

    #[test]
    fn a_time_that_lies_ahead_does_not_become_the_mark() {
        let capped = |mark: Mark| mark.not_ahead_of(now());
        assert_eq!(capped(instant("9999-12-31T00:00:00Z")), instant("2026-01-02T03:04:05.000006Z"));
        assert_eq!(capped(instant("2026-01-02T03:04:05Z")), instant("2026-01-02T03:04:05Z"));
        // It is that late in Kiribati.
        let kiribati = timestamp("2026-01-02 17:04:05");
        assert_eq!(capped(kiribati), kiribati);
        assert_eq!(capped(timestamp("2026-01-02 17:04:06")), timestamp("2026-01-01 15:04:05.000006"));
        assert_eq!(capped(Mark::Date(i32::MAX)), Mark::Date(20_454));
        assert_eq!(Mark::Date(20_454).to_string(), "2026-01-01");
        assert_eq!(Mark::Timestamp(i128::from(i64::MIN)).writable(), Some(Mark::Timestamp(i64::MIN.into())));
        assert_eq!(Mark::Timestamp(i128::from(i64::MIN) * 1_000).writable(), None, "before the year 1");
    }

    #[test]
    fn looking_back_takes_the_unit_of_the_mark() {
        let hour = Lookback::Time(Duration::from_secs(3600));
        assert_eq!(Mark::Integer(50).back(Lookback::Number(20)), Some(Mark::Integer(30)));
        assert_eq!(Mark::Integer(5).back(Lookback::Number(20)), Some(Mark::Integer(0)));
        assert_eq!(Mark::Integer(-5).back(Lookback::Number(20)), Some(Mark::Integer(-25)));
        let decimal = Mark::Decimal { unscaled: 1250, scale: 2 };
        assert_eq!(decimal.back(Lookback::Number(2)), Some(Mark::Decimal { unscaled: 1050, scale: 2 }));
        assert_eq!(
            Mark::Date(10).back(hour),
            Some(Mark::Date(9)),
            "an hour before a day begins is the day before"
        );
        assert_eq!(Mark::Date(10).back(Lookback::Time(Duration::ZERO)), Some(Mark::Date(10)));
        let at = instant("2026-01-02T03:04:05Z");
        assert_eq!(at.back(hour), Some(instant("2026-01-02T02:04:05Z")));
        assert_eq!(at.back(Lookback::Number(1)), None);
        let long = Lookback::Time(Duration::from_secs(u64::MAX));
        assert_eq!(at.back(long).unwrap().to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Mark::Date(10).back(long).unwrap().to_string(), "0001-01-01");
    }

    proptest! {
        #[test]
        fn a_lower_bound_never_lies_above_its_mark(number in any::<i64>(), by in any::<u64>(), seconds in any::<u32>()) {
            let mark = Mark::Integer(number.into());
            prop_assert_eq!(mark.back(Lookback::Number(by)).unwrap().max(mark), mark);
            let mark = Mark::Instant(i128::from(number % (1 << 60)));
            let back = mark.back(Lookback::Time(Duration::from_secs(seconds.into()))).unwrap();
            prop_assert_eq!(back.max(mark), mark);
            let text = serde_json::to_string(&back).unwrap();
            prop_assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), back);
        }
    }
}
