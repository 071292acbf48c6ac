//! What SQLite stores back to Arrow carriers.

use crate::nested::{Found, parse};
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray,
        MapArray, StringArray, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, i256},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use hydrant_contract::{Integer, Resolution, ValueType};
use sqlx::{Decode, TypeInfo, ValueRef, sqlite::SqliteValueRef};
use std::{borrow::Cow, sync::Arc};

/// A value of a row; those of nested types are taken apart.
pub(crate) fn found<'r>(stored: SqliteValueRef<'r>, value: &ValueType) -> Result<Found<'r>, String> {
    if stored.is_null() {
        return Ok(Found::Null);
    }
    let class = stored.type_info().name().to_owned();
    let said = |e: sqlx::error::BoxDynError| e.to_string();
    Ok(match class.as_str() {
        "INTEGER" => Found::Integer(i64::decode(stored).map_err(said)?),
        "REAL" => Found::Real(f64::decode(stored).map_err(said)?),
        "BLOB" => Found::Blob(<&[u8]>::decode(stored).map_err(said)?),
        "TEXT" => {
            let text = <&str>::decode(stored).map_err(said)?;
            match value {
                ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..) => {
                    parse(text, value)?
                }
                _ => Found::Text(Cow::Borrowed(text)),
            }
        }
        other => return Err(format!("a value of the storage class {other}")),
    })
}

/// Values in the carrier of their type. Fails with the first value that the carrier cannot hold.
pub(crate) fn array(values: &[Found<'_>], value: &ValueType) -> Result<ArrayRef, String> {
    Ok(match value {
        ValueType::Boolean => Arc::new(each::<_, BooleanArray>(values, boolean)?),
        ValueType::Integer(Integer::U64) => Arc::new(each::<u64, UInt64Array>(values, whole)?),
        ValueType::Integer(integer) => {
            let (low, high) = integer.range();
            let within = |v: &Found<'_>| match whole::<i64>(v)? {
                number if (low..=high).contains(&number.into()) => Ok(number),
                _ => Err("a whole number out of range".to_owned()),
            };
            Arc::new(each::<i64, Int64Array>(values, within)?)
        }
        ValueType::Float32 => Arc::new(each::<f32, Float32Array>(values, float32)?),
        ValueType::Float64 => Arc::new(each::<f64, Float64Array>(values, float64)?),
        ValueType::Decimal { precision, scale } => decimals(values, *precision, *scale)?,
        ValueType::Text | ValueType::Json => Arc::new(each::<_, StringArray>(values, text)?),
        ValueType::Bytes => Arc::new(each::<_, BinaryArray>(values, bytes)?),
        ValueType::Date => Arc::new(each::<_, Date32Array>(values, |v| days(&text(v)?))?),
        ValueType::Time(Resolution::Micro) => {
            Arc::new(each::<_, Time64MicrosecondArray>(values, |v| time(&text(v)?, Resolution::Micro))?)
        }
        ValueType::Time(Resolution::Nano) => {
            Arc::new(each::<_, Time64NanosecondArray>(values, |v| time(&text(v)?, Resolution::Nano))?)
        }
        ValueType::Timestamp(Resolution::Micro) => {
            Arc::new(each::<_, TimestampMicrosecondArray>(values, |v| wall(&text(v)?, Resolution::Micro))?)
        }
        ValueType::Timestamp(Resolution::Nano) => {
            Arc::new(each::<_, TimestampNanosecondArray>(values, |v| wall(&text(v)?, Resolution::Nano))?)
        }
        ValueType::Instant(Resolution::Micro) => {
            let ticks = |v: &_| wall(utc(&text(v)?)?, Resolution::Micro);
            Arc::new(each::<_, TimestampMicrosecondArray>(values, ticks)?.with_timezone("UTC"))
        }
        ValueType::Instant(Resolution::Nano) => {
            let ticks = |v: &_| wall(utc(&text(v)?)?, Resolution::Nano);
            Arc::new(each::<_, TimestampNanosecondArray>(values, ticks)?.with_timezone("UTC"))
        }
        ValueType::Uuid => {
            let uuids = values.iter().map(|v| {
                present(v)
                    .map(|v| Ok(uuid::Uuid::parse_str(&text(v)?).map_err(|e| e.to_string())?.into_bytes()))
            });
            let uuids: Vec<Option<[u8; 16]>> = uuids.map(Option::transpose).collect::<Result<_, String>>()?;
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16)
                    .map_err(|e| e.to_string())?,
            )
        }
        ValueType::List(item) => {
            let items = values.iter().map(items).collect::<Result<Vec<_>, _>>()?;
            let lengths = OffsetBuffer::from_lengths(items.iter().map(|items| items.len()));
            let DataType::List(field) = value.carrier() else {
                return Err("a list without a carrier".into());
            };
            Arc::new(ListArray::new(field, lengths, array(&items.concat(), item)?, nulls(values)))
        }
        ValueType::Vector(len) => {
            let width = usize::try_from(*len).map_err(|e| e.to_string())?;
            let mut flat = Vec::with_capacity(values.len() * width);
            for found in values {
                let items = items(found)?;
                match found {
                    Found::Null => flat.resize(flat.len() + width, Found::Null),
                    _ if items.len() == width => flat.extend_from_slice(items),
                    _ => return Err(format!("{} numbers in a vector of {len}", items.len())),
                }
            }
            let DataType::FixedSizeList(field, _) = value.carrier() else {
                return Err("a vector without a carrier".into());
            };
            let items = array(&flat, &ValueType::Float32)?;
            Arc::new(FixedSizeListArray::new(field, *len, items, nulls(values)))
        }
        ValueType::Struct(fields) => {
            let DataType::Struct(arrow) = value.carrier() else {
                return Err("a struct without a carrier".into());
            };
            let column = |(name, value): &(String, ValueType)| {
                array(&values.iter().map(|v| field(v, name)).collect::<Result<Vec<_>, _>>()?, value)
            };
            let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            // A struct without fields does not know its length by itself.
            Arc::new(
                StructArray::try_new_with_length(arrow, columns, nulls(values), values.len())
                    .map_err(|e| e.to_string())?,
            )
        }
        ValueType::Map(key, item) => {
            let entries = values.iter().map(fields).collect::<Result<Vec<_>, _>>()?;
            let lengths = OffsetBuffer::from_lengths(entries.iter().map(|entries| entries.len()));
            let keys: Vec<_> = entries
                .iter()
                .flat_map(|entries| entries.iter().map(|(key, _)| Found::Text(Cow::Borrowed(key.as_str()))))
                .collect();
            let items: Vec<_> =
                entries.iter().flat_map(|entries| entries.iter().map(|(_, v)| v.clone())).collect();
            let DataType::Map(field, _) = value.carrier() else {
                return Err("a map without a carrier".into());
            };
            let DataType::Struct(kv) = field.data_type() else { return Err("a map without entries".into()) };
            let kv = StructArray::new(kv.clone(), vec![array(&keys, key)?, array(&items, item)?], None);
            Arc::new(MapArray::new(field, lengths, kv, nulls(values), false))
        }
    })
}

fn each<'a, T, A: FromIterator<Option<T>>>(
    values: &'a [Found<'a>],
    of: impl Fn(&'a Found<'a>) -> Result<T, String>,
) -> Result<A, String> {
    values.iter().map(|v| present(v).map(&of).transpose()).collect()
}

fn present<'a, 'b>(found: &'a Found<'b>) -> Option<&'a Found<'b>> {
    (*found != Found::Null).then_some(found)
}

fn nulls(values: &[Found<'_>]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(values.iter().map(|v| *v != Found::Null)))
}

fn items<'a, 'b>(found: &'a Found<'b>) -> Result<&'a [Found<'b>], String> {
    match found {
        Found::Null => Ok(&[]),
        Found::List(items) => Ok(items),
        other => Err(not("a list", other)),
    }
}

fn fields<'a, 'b>(found: &'a Found<'b>) -> Result<&'a [(String, Found<'b>)], String> {
    match found {
        Found::Null => Ok(&[]),
        Found::Fields(fields) => Ok(fields),
        other => Err(not("a JSON object", other)),
    }
}

fn field<'b>(found: &Found<'b>, name: &str) -> Result<Found<'b>, String> {
    Ok(fields(found)?.iter().find(|(n, _)| n == name).map_or(Found::Null, |(_, value)| value.clone()))
}

fn boolean(found: &Found<'_>) -> Result<bool, String> {
    match found {
        Found::Bool(value) => Ok(*value),
        Found::Integer(0) => Ok(false),
        Found::Integer(1) => Ok(true),
        Found::Text(text) if text == "true" => Ok(true),
        Found::Text(text) if text == "false" => Ok(false),
        other => Err(not("0 or 1", other)),
    }
}

fn whole<T: TryFrom<i128>>(found: &Found<'_>) -> Result<T, String> {
    let number: i128 = match found {
        Found::Integer(number) => (*number).into(),
        Found::Number(digits) => digits.parse().map_err(|_| not("a whole number", found))?,
        // The key of a map.
        Found::Text(digits) => digits.parse().map_err(|_| not("a whole number", found))?,
        other => return Err(not("a whole number", other)),
    };
    T::try_from(number).map_err(|_| "a whole number out of range".to_owned())
}

fn float64(found: &Found<'_>) -> Result<f64, String> {
    match found {
        Found::Real(number) => Ok(*number),
        // A column that is not declared as REAL keeps 1.0 as 1. Past 2^53 not every integer has a float.
        Found::Integer(number) if number.unsigned_abs() <= 1 << 53 => {
            #[allow(clippy::cast_precision_loss)]
            let number = *number as f64;
            Ok(number)
        }
        Found::Number(digits) => digits.parse().map_err(|_| not("a number", found)),
        other => Err(not("a number", other)),
    }
}

fn float32(found: &Found<'_>) -> Result<f32, String> {
    if let Found::Number(digits) = found {
        return digits.parse().map_err(|_| not("a number", found));
    }
    let number = float64(found)?;
    #[allow(clippy::cast_possible_truncation)]
    let narrow = number as f32;
    if f64::from(narrow).to_bits() == number.to_bits() {
        Ok(narrow)
    } else {
        Err("a number that is no 32-bit float".to_owned())
    }
}

fn decimals(values: &[Found<'_>], precision: u8, scale: i8) -> Result<ArrayRef, String> {
    let unscaled = |found: &Found<'_>| unscaled(found, precision, scale);
    Ok(if precision <= 38 {
        let of = |v: &_| unscaled(v)?.parse::<i128>().map_err(|e| e.to_string());
        let array = each::<_, Decimal128Array>(values, of)?;
        Arc::new(array.with_precision_and_scale(precision, scale).map_err(|e| e.to_string())?)
    } else {
        let of = |v: &_| i256::from_string(&unscaled(v)?).ok_or_else(|| "a decimal out of range".to_owned());
        let array = each::<_, Decimal256Array>(values, of)?;
        Arc::new(array.with_precision_and_scale(precision, scale).map_err(|e| e.to_string())?)
    })
}

/// The digits of a decimal without its point, as many after it as the scale says.
fn unscaled(found: &Found<'_>, precision: u8, scale: i8) -> Result<String, String> {
    let digits: Cow<'_, str> = match found {
        Found::Integer(number) => number.to_string().into(),
        Found::Number(digits) => (*digits).into(),
        Found::Text(digits) => digits.as_ref().into(),
        other => return Err(not("a decimal as text", other)),
    };
    let wrong = || format!("a text that is no decimal({precision}, {scale})");
    let (sign, number) = digits.strip_prefix('-').map_or(("", digits.as_ref()), |number| ("-", number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || whole.is_empty() {
        return Err(wrong());
    }
    let unscaled = match usize::try_from(scale) {
        Ok(scale) if fraction.len() <= scale => format!("{whole}{fraction:0<scale$}"),
        Err(_) if whole == "0" && fraction.is_empty() => "0".to_owned(),
        Err(_) if fraction.is_empty() => {
            let zeros = "0".repeat(usize::from(scale.unsigned_abs()));
            whole.strip_suffix(&zeros).ok_or_else(wrong)?.to_owned()
        }
        _ => return Err(wrong()),
    };
    match unscaled.trim_start_matches('0') {
        "" => Ok("0".to_owned()),
        digits if digits.len() > usize::from(precision) => Err(wrong()),
        digits => Ok(format!("{sign}{digits}")),
    }
}

fn text<'a>(found: &'a Found<'_>) -> Result<Cow<'a, str>, String> {
    match found {
        Found::Text(text) => Ok(Cow::Borrowed(text)),
        other => Err(not("text", other)),
    }
}

fn bytes<'a>(found: &'a Found<'_>) -> Result<Cow<'a, [u8]>, String> {
    match found {
        Found::Blob(bytes) => Ok(Cow::Borrowed(bytes)),
        // In JSON, bytes are hexadecimal digits.
        Found::Text(digits) if digits.len() % 2 == 0 && digits.is_ascii() => (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| not("bytes", found)))
            .collect(),
        other => Err(not("bytes", other)),
    }
}

fn days(text: &str) -> Result<i32, String> {
    let date =
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|e| format!("a text that is no date: {e}"))?;
    i32::try_from((date - DateTime::UNIX_EPOCH.date_naive()).num_days()).map_err(|e| e.to_string())
}

fn time(text: &str, resolution: Resolution) -> Result<i64, String> {
    let time =
        NaiveTime::parse_from_str(text, "%H:%M:%S%.f").map_err(|e| format!("a text that is no time: {e}"))?;
    ticks(time - NaiveTime::MIN, resolution)
}

fn utc(text: &str) -> Result<&str, String> {
    let zones = ["Z", "+00:00", "+00"];
    let wall = zones.iter().find_map(|zone| text.strip_suffix(zone));
    wall.ok_or_else(|| "a text that is no instant in UTC".to_owned())
}

fn wall(text: &str, resolution: Resolution) -> Result<i64, String> {
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map_err(|e| format!("a text that is no date and time: {e}"))?;
    ticks(at - DateTime::UNIX_EPOCH.naive_utc(), resolution)
}

fn ticks(since: TimeDelta, resolution: Resolution) -> Result<i64, String> {
    let ticks = match resolution {
        Resolution::Micro if since.subsec_nanos() % 1000 != 0 => None,
        Resolution::Micro => since.num_microseconds(),
        Resolution::Nano => since.num_nanoseconds(),
    };
    ticks.ok_or_else(|| "a time that is too fine or too far away".to_owned())
}

fn not(what: &str, found: &Found<'_>) -> String {
    let class = match found {
        Found::Null => "NULL",
        Found::Bool(_) => "a boolean",
        Found::Integer(_) => "an integer",
        Found::Real(_) => "a real number",
        Found::Number(_) => "a number",
        Found::Text(_) => "text",
        Found::Blob(_) => "a blob",
        Found::List(_) => "a list",
        Found::Fields(_) => "a JSON object",
    };
    format!("{class} where {what} is expected")
}
