//! Answers of MySQL back into the Arrow carriers, exactly or not at all.

use crate::column_type::Kind;
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array,
        StringArray, UInt64Array,
    },
    datatypes::{DataType, i256},
};
use chrono::NaiveDate;
use hydrant_contract::{
    Resolution, ValueType,
    carrier::{Unreadable, decimals, parse_units, times, uuids},
    json,
};
use mysql_async::Value;
use std::sync::Arc;

/// The values of one column, as the binary protocol brings them from a column of this kind.
pub(crate) fn column(value: &ValueType, kind: &Kind, cells: &[&Value]) -> Result<ArrayRef, Unreadable> {
    Ok(match value {
        ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..) => {
            json::read(value, &collect(cells, text)?)?
        }
        ValueType::Boolean => Arc::new(BooleanArray::from(collect(cells, |c| match whole(kind, c)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })?)),
        ValueType::Integer(range) => {
            let (low, high) = range.range();
            let read = |c| whole(kind, c).filter(|v| (low..=high).contains(v));
            match value.carrier() {
                DataType::UInt64 => {
                    Arc::new(UInt64Array::from(collect(cells, |c| u64::try_from(read(c)?).ok())?))
                }
                _ => Arc::new(Int64Array::from(collect(cells, |c| i64::try_from(read(c)?).ok())?)),
            }
        }
        ValueType::Decimal { precision, scale } => {
            // Units of a positive power of ten: read as whole numbers, then divided.
            let factor = i256::from_i128(10).checked_pow((*scale).min(0).unsigned_abs().into());
            let factor = factor.ok_or("the scale is too large")?;
            let read = |c: &Value| {
                let units = match c {
                    Value::Bytes(_) if !matches!(kind, Kind::Bit(_)) => {
                        parse_units(text(c)?, (*scale).max(0).unsigned_abs().into())?
                    }
                    _ => i256::from_i128(whole(kind, c)?),
                };
                (units % factor == i256::ZERO).then(|| units / factor)
            };
            decimals(value, *precision, *scale, collect(cells, read)?)?
        }
        ValueType::Float32 => Arc::new(Float32Array::from(collect(cells, |c| match c {
            Value::Float(number) => Some(*number),
            Value::Double(number) => narrowed(*number),
            _ => None,
        })?)),
        ValueType::Float64 => Arc::new(Float64Array::from(collect(cells, |c| match c {
            Value::Double(number) => Some(*number),
            _ => None,
        })?)),
        ValueType::Text | ValueType::Json => Arc::new(StringArray::from(collect(cells, text)?)),
        ValueType::Bytes => Arc::new(BinaryArray::from(collect(cells, bytes)?)),
        ValueType::Date => {
            let day = |c: &Value| match c {
                Value::Date(year, month, day, 0, 0, 0, 0) => days(*year, *month, *day),
                _ => None,
            };
            Arc::new(Date32Array::from(collect(cells, |c| i32::try_from(day(c)?).ok())?))
        }
        ValueType::Time(unit) => times(value, collect(cells, |c| in_unit(time_of_day(c)?, *unit))?),
        ValueType::Timestamp(unit) | ValueType::Instant(unit) => {
            times(value, collect(cells, |c| in_unit(timestamp(c)?, *unit))?)
        }
        ValueType::Uuid => {
            let read = |c| match bytes(c)? {
                raw if kind.is_bytes() => raw.try_into().ok(),
                // As hydrant writes it: other texts of the same UUID are other keys to the table.
                raw => uuid::Uuid::try_parse(std::str::from_utf8(raw).ok()?)
                    .ok()
                    .filter(|uuid| uuid.to_string().as_bytes() == raw)
                    .map(uuid::Uuid::into_bytes),
            };
            uuids(collect(cells, read)?.into_iter())?
        }
    })
}

fn collect<'c, T>(
    cells: &[&'c Value],
    read: impl Fn(&'c Value) -> Option<T>,
) -> Result<Vec<Option<T>>, Unreadable> {
    let strange = || "a value of the table cannot be carried exactly".to_owned();
    let read = |cell: &&'c Value| match cell {
        Value::NULL => Ok(None),
        cell => read(cell).map(Some).ok_or_else(strange),
    };
    cells.iter().map(read).collect()
}

fn bytes(cell: &Value) -> Option<&[u8]> {
    match cell {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(cell: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(cell)?).ok()
}

/// A whole number from a column of whole numbers, decimals, bits or years.
fn whole(kind: &Kind, cell: &Value) -> Option<i128> {
    match (cell, kind) {
        (Value::Int(number), _) => Some((*number).into()),
        (Value::UInt(number), _) => Some((*number).into()),
        (Value::Bytes(bits), Kind::Bit(_)) => {
            Some(bits.iter().fold(0, |number, byte| (number << 8) | i128::from(*byte)))
        }
        (cell, _) => parse_units(text(cell)?, 0)?.to_i128(),
    }
}

/// A float that was widened, or would be again without loss.
fn narrowed(wide: f64) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation)]
    let narrow = wide as f32;
    (f64::from(narrow) == wide).then_some(narrow)
}

/// Days since 1970. The server has days that are none, the 30th of February and the year 0 among them.
fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into()).filter(|_| year > 0)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days())
}

fn timestamp(cell: &Value) -> Option<i64> {
    let Value::Date(year, month, day, hour, minute, second, micros) = cell else { return None };
    let clock = (i64::from(*hour) * 60 + i64::from(*minute)) * 60 + i64::from(*second);
    Some((days(*year, *month, *day)? * 86_400 + clock) * 1_000_000 + i64::from(*micros))
}

/// A time that is one of a day: the server's go from -838 to 838 hours.
fn time_of_day(cell: &Value) -> Option<i64> {
    let Value::Time(false, 0, hour, minute, second, micros) = cell else { return None };
    let clock = (i64::from(*hour) * 60 + i64::from(*minute)) * 60 + i64::from(*second);
    Some(clock * 1_000_000 + i64::from(*micros))
}

fn in_unit(micros: i64, unit: Resolution) -> Option<i64> {
    match unit {
        Resolution::Micro => Some(micros),
        Resolution::Nano => micros.checked_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::Integer;

    #[test]
    fn what_is_none_of_its_type_is_an_error_not_a_guess() {
        let int = Kind::Int { bits: 64, unsigned: false };
        let small = ValueType::Integer(Integer::I8);
        assert!(column(&small, &int, &[&Value::Int(7), &Value::NULL]).is_ok());
        assert!(column(&small, &int, &[&Value::Int(200)]).is_err());
        assert!(column(&ValueType::Boolean, &int, &[&Value::Int(2)]).is_err());
        assert!(column(&ValueType::Boolean, &Kind::Bit(1), &[&Value::Bytes(vec![1])]).is_ok());
        let zero = Value::Date(0, 0, 0, 0, 0, 0, 0);
        assert!(column(&ValueType::Date, &Kind::Date, &[&zero]).is_err());
        let long = Value::Time(false, 1, 2, 0, 0, 0);
        assert!(column(&ValueType::Time(Resolution::Micro), &Kind::Time(0), &[&long]).is_err());
        let capitals = Value::Bytes(b"0190B5C0-7D2A-7ABC-8DEF-0123456789AB".to_vec());
        assert!(column(&ValueType::Uuid, &Kind::Uuid, &[&capitals]).is_err());
    }
}
