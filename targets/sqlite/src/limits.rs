//! What the columns of a table hold, as far as the [encoder](crate::encode) refuses.

use crate::encode::CALENDAR;
use chrono::{DateTime, NaiveDate};
use hydrant_contract::{Column, Integer, Limits, Resolution, TableSpec, ValueType};

/// The limits of the table that `create` makes.
pub(crate) fn created(spec: &TableSpec) -> Vec<Limits> {
    spec.shape.columns().iter().map(|column| of(column, spec.shape.is_key(&column.name))).collect()
}

/// The limits of a column that takes values of this type. What SQLite itself limits is known from constraints alone: it
/// does not look at the length in `VARCHAR(20)`.
pub(crate) fn of(column: &Column, not_null: bool) -> Limits {
    let limits = Limits { not_null, ..Limits::none(&column.name) };
    match &column.value {
        ValueType::Text => Limits { no_nul: true, ..limits },
        ValueType::Integer(Integer::U64) => Limits { range: Some((0, i64::MAX.into())), ..limits },
        ValueType::Float32 | ValueType::Float64 => Limits { no_nan: true, ..limits },
        ValueType::Date => {
            let day = |date: NaiveDate| (date - DateTime::UNIX_EPOCH.date_naive()).num_days().into();
            Limits { range: calendar().map(|(first, last)| (day(first), day(last))), ..limits }
        }
        ValueType::Timestamp(Resolution::Micro) | ValueType::Instant(Resolution::Micro) => {
            let tick = |date: NaiveDate, hour, minute, second, micro| {
                let at = date.and_hms_micro_opt(hour, minute, second, micro)?;
                Some(at.and_utc().timestamp_micros().into())
            };
            let range = calendar()
                .and_then(|(first, last)| Some((tick(first, 0, 0, 0, 0)?, tick(last, 23, 59, 59, 999_999)?)));
            Limits { range, ..limits }
        }
        // Nanoseconds in 64 bits end long before the calendar does.
        ValueType::Timestamp(Resolution::Nano)
        | ValueType::Instant(Resolution::Nano)
        | ValueType::Boolean
        | ValueType::Integer(_)
        | ValueType::Decimal { .. }
        | ValueType::Bytes
        | ValueType::Time(_)
        | ValueType::Uuid
        | ValueType::Json
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => limits,
    }
}

/// The first and the last day that SQLite's functions know.
fn calendar() -> Option<(NaiveDate, NaiveDate)> {
    let (first, last) = (*CALENDAR.start(), *CALENDAR.end());
    Some((NaiveDate::from_ymd_opt(first, 1, 1)?, NaiveDate::from_ymd_opt(last, 12, 31)?))
}
