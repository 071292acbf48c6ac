//! Arrow carriers to what SQLite stores.

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
        UInt64Type,
    },
};
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike};
use hydrant_contract::{Integer, Resolution, ValueType, json};
use sqlx::{Arguments, sqlite::SqliteArguments};
use std::{fmt::Write, ops::RangeInclusive, sync::Arc};

/// The years that SQLite's functions of dates know.
pub(crate) const CALENDAR: RangeInclusive<i32> = 0..=9999;

/// A value as SQLite stores it; cheap to clone, since a refused statement is sent again in parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Arc<str>),
    Blob(Arc<[u8]>),
}

impl Cell {
    /// Binds the value to the next parameter.
    pub(crate) fn bind(&self, arguments: &mut SqliteArguments) {
        match self {
            Self::Null => arguments.add(None::<i64>),
            Self::Integer(value) => arguments.add(*value),
            Self::Real(value) => arguments.add(*value),
            Self::Text(value) => arguments.add(value.clone()),
            Self::Blob(value) => arguments.add(value.as_ref()),
        }
        .expect("no value of these types fails to encode");
    }
}

/// The value at this row of an array in the carrier of `value`, or why SQLite cannot hold it exactly.
pub(crate) fn cell(array: &dyn Array, row: usize, value: &ValueType) -> Result<Cell, String> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    let out_of_calendar = || "SQLite's dates end with the years 0 and 9999".to_owned();
    Ok(match value {
        ValueType::Boolean => Cell::Integer(array.as_boolean().value(row).into()),
        ValueType::Integer(Integer::U64) => {
            let number = array.as_primitive::<UInt64Type>().value(row);
            Cell::Integer(number.try_into().map_err(|_| "SQLite's integers end at 2^63 - 1".to_owned())?)
        }
        ValueType::Integer(_) => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
        ValueType::Float32 => real(array.as_primitive::<Float32Type>().value(row).into())?,
        ValueType::Float64 => real(array.as_primitive::<Float64Type>().value(row))?,
        ValueType::Decimal { precision, scale } => {
            let text = match precision {
                ..=38 => array.as_primitive::<Decimal128Type>().value_as_string(row),
                39.. => array.as_primitive::<Decimal256Type>().value_as_string(row),
            };
            // Multiples of thousands are written with their zeros; none of them is just 0.
            let zero = *scale < 0 && text.bytes().all(|digit| digit == b'0');
            Cell::Text(if zero { "0".into() } else { text.into() })
        }
        ValueType::Text => {
            let text = array.as_string::<i32>().value(row);
            // It would be stored, but SQLite's own functions and most tools take it for the end of the text.
            if text.contains('\0') {
                return Err("the text has a NUL character, at which SQLite's functions cut it".to_owned());
            }
            Cell::Text(text.into())
        }
        ValueType::Bytes => Cell::Blob(array.as_binary::<i32>().value(row).into()),
        ValueType::Date => {
            let days = TimeDelta::days(array.as_primitive::<Date32Type>().value(row).into());
            let date =
                DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(days).ok_or_else(out_of_calendar)?;
            let mut out = String::with_capacity(10);
            push_date(&mut out, date).ok_or_else(out_of_calendar)?;
            Cell::Text(out.into())
        }
        ValueType::Time(resolution) => {
            let (nanos, step) = match resolution {
                Resolution::Micro => (array.as_primitive::<Time64MicrosecondType>().value(row), 1000),
                Resolution::Nano => (array.as_primitive::<Time64NanosecondType>().value(row), 1),
            };
            let since = TimeDelta::nanoseconds(nanos.saturating_mul(step));
            let time = DateTime::UNIX_EPOCH.naive_utc() + since;
            if time.date() != DateTime::UNIX_EPOCH.date_naive() {
                return Err("it is not a time between 00:00 and 24:00".to_owned());
            }
            let mut out = String::with_capacity(18);
            push_time(&mut out, time, *resolution);
            Cell::Text(out.into())
        }
        ValueType::Timestamp(resolution) | ValueType::Instant(resolution) => {
            let wall = match resolution {
                Resolution::Micro => DateTime::from_timestamp_micros(
                    array.as_primitive::<TimestampMicrosecondType>().value(row),
                )
                .ok_or_else(out_of_calendar)?,
                Resolution::Nano => {
                    DateTime::from_timestamp_nanos(array.as_primitive::<TimestampNanosecondType>().value(row))
                }
            };
            let zone = if matches!(value, ValueType::Instant(_)) { "Z" } else { "" };
            timestamp(wall.naive_utc(), *resolution, zone).ok_or_else(out_of_calendar)?
        }
        ValueType::Uuid => {
            let bytes = array.as_fixed_size_binary().value(row);
            Cell::Text(uuid::Uuid::from_slice(bytes).map_err(|e| e.to_string())?.to_string().into())
        }
        ValueType::Json
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => {
            let mut out = String::new();
            json::append(&mut out, array, row, value).map_err(|e| e.to_string())?;
            Cell::Text(out.into())
        }
    })
}

/// An instant as hydrant writes it: ISO 8601 in UTC with microseconds, so that texts sort like times.
pub(crate) fn instant(at: DateTime<chrono::Utc>) -> String {
    match timestamp(at.naive_utc(), Resolution::Micro, "Z") {
        Some(Cell::Text(text)) => text.as_ref().to_owned(),
        // Clocks do not show such years.
        _ => at.to_rfc3339(),
    }
}

fn real(number: f64) -> Result<Cell, String> {
    // SQLite would store NULL.
    if number.is_nan() { Err("SQLite has no NaN".to_owned()) } else { Ok(Cell::Real(number)) }
}

fn timestamp(wall: NaiveDateTime, resolution: Resolution, zone: &str) -> Option<Cell> {
    let mut out = String::with_capacity(30);
    push_date(&mut out, wall)?;
    out.push('T');
    push_time(&mut out, wall, resolution);
    out.push_str(zone);
    Some(Cell::Text(out.into()))
}

// Writing into a string does not fail.
fn push_date(out: &mut String, at: NaiveDateTime) -> Option<()> {
    let year = Some(at.year()).filter(|year| CALENDAR.contains(year))?;
    let _ = write!(out, "{year:04}-{:02}-{:02}", at.month(), at.day());
    Some(())
}

fn push_time(out: &mut String, at: NaiveDateTime, resolution: Resolution) {
    let _ = write!(out, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    let _ = match resolution {
        Resolution::Micro => write!(out, ".{:06}", at.nanosecond() / 1000),
        Resolution::Nano => write!(out, ".{:09}", at.nanosecond()),
    };
}
