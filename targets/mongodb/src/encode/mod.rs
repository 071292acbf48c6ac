//! Values from Arrow carriers into BSON, exactly or not at all.

pub(crate) mod decimal;
pub(crate) mod document;
mod json;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
        UInt64Type,
    },
};
use decimal::Decimal;
use document::tag;
use hydrant_contract::{Integer, Resolution, ValueType};

/// The subtype of plain bytes.
pub(crate) const BINARY_GENERIC: u8 = 0;
/// The subtype of a UUID in the order of RFC 9562.
pub(crate) const BINARY_UUID: u8 = 4;
/// Milliseconds of a day.
pub(crate) const DAY_MILLIS: i64 = 86_400_000;

/// What a value goes into.
#[derive(Clone, Copy)]
enum Name<'n> {
    Field(&'n str),
    Item(usize),
}

/// Appends the value at a row of an array, in the carrier of `value`, as a field.
///
/// # Errors
///
/// Why BSON cannot hold it, without the value. Then a part of it may have been appended.
pub(crate) fn field(
    out: &mut Vec<u8>,
    name: &str,
    array: &dyn Array,
    row: usize,
    value: &ValueType,
) -> Result<(), String> {
    append(out, Name::Field(name), array, row, value)
}

fn begin(out: &mut Vec<u8>, tag: u8, name: Name<'_>) {
    match name {
        Name::Field(name) => document::field(out, tag, name),
        Name::Item(position) => document::item(out, tag, position),
    }
}

fn append(
    out: &mut Vec<u8>,
    name: Name<'_>,
    array: &dyn Array,
    row: usize,
    value: &ValueType,
) -> Result<(), String> {
    if array.is_null(row) {
        begin(out, tag::NULL, name);
        return Ok(());
    }
    match value {
        ValueType::Boolean => {
            begin(out, tag::BOOLEAN, name);
            out.push(array.as_boolean().value(row).into());
        }
        ValueType::Integer(integer) => whole(out, name, array, row, *integer)?,
        ValueType::Float32 => double(out, name, array.as_primitive::<Float32Type>().value(row).into()),
        ValueType::Float64 => double(out, name, array.as_primitive::<Float64Type>().value(row)),
        ValueType::Decimal { precision, scale } => {
            let decimal = match precision {
                ..=38 => Decimal::of_i128(array.as_primitive::<Decimal128Type>().value(row), *scale),
                _ => Decimal::of_i256(array.as_primitive::<Decimal256Type>().value(row), *scale),
            };
            let many =
                || format!("the number has more than {} significant digits (Decimal128)", decimal::DIGITS);
            begin(out, tag::DECIMAL128, name);
            out.extend_from_slice(&decimal.ok_or_else(many)?.bytes());
        }
        ValueType::Text => {
            begin(out, tag::STRING, name);
            document::string_value(out, array.as_string::<i32>().value(row));
        }
        ValueType::Json => {
            if is_json_null(array, row, value) {
                return Err("the JSON null cannot be told from NULL; make it NULL in the query, or let NULL be no field \
                            (documents: { nulls: omit })"
                    .to_owned());
            }
            json::value(out, name, array.as_string::<i32>().value(row))?;
        }
        ValueType::Bytes => {
            binary(out, name, BINARY_GENERIC, array.as_binary::<i32>().value(row));
        }
        ValueType::Uuid => binary(out, name, BINARY_UUID, array.as_fixed_size_binary().value(row)),
        ValueType::Date => {
            begin(out, tag::DATE, name);
            let days: i64 = array.as_primitive::<Date32Type>().value(row).into();
            out.extend_from_slice(&(days * DAY_MILLIS).to_le_bytes());
        }
        ValueType::Time(resolution) => {
            let text = time_text(match resolution {
                Resolution::Micro => {
                    array.as_primitive::<Time64MicrosecondType>().value(row).checked_mul(1000)
                }
                Resolution::Nano => Some(array.as_primitive::<Time64NanosecondType>().value(row)),
            });
            begin(out, tag::STRING, name);
            document::string_value(out, &text.ok_or("the value is no time of day")?);
        }
        ValueType::Timestamp(resolution) | ValueType::Instant(resolution) => {
            let (ticks, unit) = match resolution {
                Resolution::Micro => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1000),
                Resolution::Nano => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000),
            };
            if ticks % unit != 0 {
                return Err(
                    "the time is finer than a millisecond, which is all that a BSON date has".to_owned()
                );
            }
            begin(out, tag::DATE, name);
            out.extend_from_slice(&(ticks / unit).to_le_bytes());
        }
        ValueType::List(item) => items(out, name, &array.as_list::<i32>().value(row), item)?,
        ValueType::Vector(_) => {
            items(out, name, &array.as_fixed_size_list().value(row), &ValueType::Float32)?;
        }
        ValueType::Struct(fields) => {
            let array = array.as_struct();
            begin(out, tag::DOCUMENT, name);
            let whole = document::open(out);
            for ((name, value), column) in fields.iter().zip(array.columns()) {
                append(out, Name::Field(name), column, row, value)?;
            }
            document::close(out, whole);
        }
        ValueType::Map(key, value) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            begin(out, tag::DOCUMENT, name);
            let whole = document::open(out);
            let mut names = std::collections::HashSet::new();
            for at in 0..entries.len() {
                let name = key_text(keys, at, key)?;
                append(out, Name::Field(&name), values, at, value)?;
                if !names.insert(name) {
                    return Err("the map has two entries of one key".to_owned());
                }
            }
            document::close(out, whole);
        }
    }
    Ok(())
}

/// Whether the value is the JSON null, which in a document is the same as SQL's NULL: what was written could not be told
/// from what is read.
pub(crate) fn is_json_null(array: &dyn Array, row: usize, value: &ValueType) -> bool {
    *value == ValueType::Json && array.is_valid(row) && array.as_string::<i32>().value(row).trim() == "null"
}

/// Whole numbers of up to 32 bits are `int`, all others `long`; the server compares them as one.
fn whole(
    out: &mut Vec<u8>,
    name: Name<'_>,
    array: &dyn Array,
    row: usize,
    integer: Integer,
) -> Result<(), String> {
    let number = match integer {
        Integer::U64 => i64::try_from(array.as_primitive::<UInt64Type>().value(row))
            .map_err(|_| "the number is larger than the largest of 64 bits with a sign".to_owned())?,
        _ => array.as_primitive::<Int64Type>().value(row),
    };
    match integer {
        Integer::I8 | Integer::I16 | Integer::I32 | Integer::U8 | Integer::U16 => {
            let number = i32::try_from(number)
                .map_err(|_| "the number is out of the range of its column's type".to_owned())?;
            begin(out, tag::INT32, name);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Integer::I64 | Integer::U32 | Integer::U64 => {
            begin(out, tag::INT64, name);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    Ok(())
}

fn double(out: &mut Vec<u8>, name: Name<'_>, number: f64) {
    begin(out, tag::DOUBLE, name);
    out.extend_from_slice(&number.to_le_bytes());
}

fn binary(out: &mut Vec<u8>, name: Name<'_>, subtype: u8, bytes: &[u8]) {
    begin(out, tag::BINARY, name);
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(subtype);
    out.extend_from_slice(bytes);
}

fn items(out: &mut Vec<u8>, name: Name<'_>, items: &dyn Array, value: &ValueType) -> Result<(), String> {
    begin(out, tag::ARRAY, name);
    let whole = document::open(out);
    for at in 0..items.len() {
        append(out, Name::Item(at), items, at, value)?;
    }
    document::close(out, whole);
    Ok(())
}

/// A time of day as `HH:MM:SS`, with a fraction where there is one, without zeros at its end: one text for one time,
/// whatever the resolution, and texts sort as times do.
pub(crate) fn time_text(nanos: Option<i64>) -> Option<String> {
    const DAY_NANOS: i64 = 86_400_000_000_000;
    let nanos = nanos.filter(|nanos| (0..DAY_NANOS).contains(nanos))?;
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match fraction {
        0 => clock,
        _ => format!("{clock}.{}", format!("{fraction:09}").trim_end_matches('0')),
    })
}

/// The key of a map's entry, as the contract's JSON writes it.
fn key_text(keys: &dyn Array, at: usize, value: &ValueType) -> Result<String, String> {
    let text = match value {
        ValueType::Text => keys.as_string::<i32>().value(at).to_owned(),
        _ => {
            let mut text = String::new();
            hydrant_contract::json::append(&mut text, keys, at, value).map_err(|e| e.to_string())?;
            match text.starts_with('"') {
                true => serde_json::from_str(&text).map_err(|e| e.to_string())?,
                false => text,
            }
        }
    };
    match text.contains('\0') {
        true => {
            Err("a key of the map contains the character NUL, which names in BSON have no room for"
                .to_owned())
        }
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_text() {
        assert_eq!(time_text(Some(0)).as_deref(), Some("00:00:00"));
        assert_eq!(time_text(Some(86_399_999_999_000)).as_deref(), Some("23:59:59.999999"));
        assert_eq!(time_text(Some(1_500_000_000)).as_deref(), Some("00:00:01.5"));
        assert_eq!(time_text(Some(-1)), None);
        assert_eq!(time_text(Some(86_400_000_000_000)), None);
    }
}
