//! JSON back into lists, structs and maps: the reverse of [`append`](super::append).
//!
//! Numbers are kept as text until their type is known, so that none passes through a float that does not belong there.

use crate::{
    Resolution, ValueType,
    carrier::{Unreadable, decimals, item_field, parse_units, times, uuids, vectors},
};
use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array,
        ListArray, MapArray, StringArray, StructArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::DataType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, sync::Arc};

const NOT_AS_WANTED: &str = "a JSON value of the table is not what the sync writes there";

/// The values from JSON texts; an absent one, or the JSON `null`, is NULL.
pub fn column(value: &ValueType, texts: &[Option<&str>]) -> Result<ArrayRef, Unreadable> {
    let texts: Vec<_> = texts
        .iter()
        .map(|t| t.map(str::trim).filter(|t| *t != "null" || *value == ValueType::Json))
        .collect();
    let nulls = || Some(NullBuffer::from_iter(texts.iter().map(Option::is_some)));
    let arrow = |e: arrow::error::ArrowError| e.to_string();
    Ok(match value {
        ValueType::Boolean => Arc::new(BooleanArray::from(each(&texts, |t| t.parse().ok())?)),
        ValueType::Integer(range) => {
            let (low, high) = range.range();
            let read = |t: &str| whole(t)?.to_i128().filter(|v| (low..=high).contains(v));
            match value.carrier() {
                DataType::UInt64 => {
                    Arc::new(UInt64Array::from(each(&texts, |t| u64::try_from(read(t)?).ok())?))
                }
                _ => Arc::new(Int64Array::from(each(&texts, |t| i64::try_from(read(t)?).ok())?)),
            }
        }
        ValueType::Decimal { precision, scale } => {
            let read = |t: &str| {
                let units = parse_units(t, (*scale).max(0).unsigned_abs().into())?;
                let factor = arrow::datatypes::i256::from_i128(10)
                    .checked_pow((*scale).min(0).unsigned_abs().into())?;
                (units % factor == arrow::datatypes::i256::ZERO).then(|| units / factor)
            };
            decimals(value, *precision, *scale, each(&texts, read)?)?
        }
        ValueType::Float32 => Arc::new(Float32Array::from(each(&texts, |t| t.parse().ok())?)),
        ValueType::Float64 => Arc::new(Float64Array::from(each(&texts, |t| t.parse().ok())?)),
        ValueType::Text => Arc::new(StringArray::from(each(&texts, string)?)),
        ValueType::Json => Arc::new(StringArray::from(texts)),
        ValueType::Bytes => {
            let bytes = each(&texts, |t| hex(&string(t)?))?;
            Arc::new(BinaryArray::from_iter(bytes))
        }
        ValueType::Uuid => {
            let read = |t: &str| uuid::Uuid::try_parse(&string(t)?).ok();
            uuids(each(&texts, read)?.into_iter().map(|u| u.map(uuid::Uuid::into_bytes)))?
        }
        ValueType::Date => {
            let read = |t: &str| {
                let date: NaiveDate = string(t)?.parse().ok()?;
                i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
            };
            Arc::new(Date32Array::from(each(&texts, read)?))
        }
        ValueType::Time(_) | ValueType::Timestamp(_) | ValueType::Instant(_) => {
            times(value, each(&texts, |t| time(value, &string(t)?))?)
        }
        ValueType::List(item) => {
            let (items, lengths) = items(&texts)?;
            let items: Vec<_> = items.iter().map(|raw| Some(raw.get())).collect();
            let lengths = OffsetBuffer::from_lengths(lengths);
            let list = ListArray::try_new(item_field(value)?, lengths, column(item, &items)?, nulls());
            Arc::new(list.map_err(arrow)?)
        }
        ValueType::Vector(len) => {
            let lists = column(&ValueType::List(Box::new(ValueType::Float32)), &texts)?;
            vectors(lists.as_list::<i32>(), *len)?
        }
        ValueType::Struct(fields) => {
            let objects = objects(&texts)?;
            let columns = fields.iter().map(|(name, value)| {
                let texts: Vec<_> = objects.iter().map(|o| Some(o.as_ref()?.get(name)?.get())).collect();
                column(value, &texts)
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let DataType::Struct(fields) = value.carrier() else { return Err(NOT_AS_WANTED.to_owned()) };
            let array = StructArray::try_new_with_length(fields, columns, nulls(), texts.len());
            Arc::new(array.map_err(arrow)?)
        }
        ValueType::Map(key, item) => {
            let objects = objects(&texts)?;
            let lengths = objects.iter().map(|o| o.as_ref().map_or(0, BTreeMap::len));
            let lengths = OffsetBuffer::from_lengths(lengths);
            let entries: Vec<_> = objects.iter().flatten().flatten().collect();
            // A key that is not a string in JSON was written as one.
            let keys: Vec<_> = entries.iter().map(|(name, _)| key_text(key, name)).collect();
            let keys: Vec<_> = keys.iter().map(|k| Some(k.as_str())).collect();
            let values: Vec<_> = entries.iter().map(|(_, raw)| Some(raw.get())).collect();
            let columns = vec![column(key, &keys)?, column(item, &values)?];
            let DataType::Map(field, sorted) = value.carrier() else { return Err(NOT_AS_WANTED.to_owned()) };
            let DataType::Struct(fields) = field.data_type().clone() else {
                return Err(NOT_AS_WANTED.to_owned());
            };
            let entries =
                StructArray::try_new_with_length(fields, columns, None, entries.len()).map_err(arrow)?;
            Arc::new(MapArray::try_new(field, lengths, entries, nulls(), sorted).map_err(arrow)?)
        }
    })
}

fn each<T>(texts: &[Option<&str>], read: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, Unreadable> {
    texts.iter().map(|t| t.map(|t| read(t).ok_or_else(|| NOT_AS_WANTED.to_owned())).transpose()).collect()
}

fn items<'t>(texts: &[Option<&'t str>]) -> Result<(Vec<&'t RawValue>, Vec<usize>), Unreadable> {
    let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(texts.len()));
    for text in texts {
        let list: Vec<&RawValue> = match text {
            Some(text) => serde_json::from_str(text).map_err(|_| NOT_AS_WANTED)?,
            None => Vec::new(),
        };
        lengths.push(list.len());
        items.extend(list);
    }
    Ok((items, lengths))
}

type Object<'t> = Option<BTreeMap<String, &'t RawValue>>;

fn objects<'t>(texts: &[Option<&'t str>]) -> Result<Vec<Object<'t>>, Unreadable> {
    let object = |text: &'t str| serde_json::from_str(text).map_err(|_| NOT_AS_WANTED.to_owned());
    texts.iter().map(|text| text.map(object).transpose()).collect()
}

fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

fn whole(text: &str) -> Option<arrow::datatypes::i256> {
    parse_units(text, 0)
}

fn key_text(key: &ValueType, name: &str) -> String {
    match key {
        ValueType::Boolean
        | ValueType::Integer(_)
        | ValueType::Decimal { .. }
        | ValueType::Float32
        | ValueType::Float64
        | ValueType::Json => name.to_owned(),
        _ => serde_json::Value::from(name).to_string(),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A time or timestamp in the unit of its carrier.
fn time(value: &ValueType, text: &str) -> Option<i64> {
    let of = |seconds: i64, nanos: u32, unit: Resolution| {
        let nanos = i64::from(nanos);
        match unit {
            Resolution::Nano => seconds.checked_mul(1_000_000_000)?.checked_add(nanos),
            Resolution::Micro => seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000),
        }
    };
    match value {
        ValueType::Time(unit) => {
            let time: NaiveTime = text.parse().ok()?;
            of(time.num_seconds_from_midnight().into(), time.nanosecond(), *unit)
        }
        ValueType::Timestamp(unit) => {
            let time = text.parse::<NaiveDateTime>().ok()?.and_utc();
            of(time.timestamp(), time.timestamp_subsec_nanos(), *unit)
        }
        ValueType::Instant(unit) => {
            let time = DateTime::parse_from_rfc3339(text).ok()?;
            of(time.timestamp(), time.timestamp_subsec_nanos(), *unit)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Integer;
    use arrow::array::Array;

    fn round_trip(value: &ValueType, texts: &[Option<&str>]) {
        let array = column(value, texts).expect("a column");
        assert_eq!(array.data_type(), &value.carrier());
        for (row, text) in texts.iter().enumerate() {
            let mut out = String::new();
            super::super::append(&mut out, array.as_ref(), row, value).expect("JSON");
            assert_eq!(out, text.unwrap_or("null"));
        }
    }

    #[test]
    fn nested_values_come_back_as_they_were() {
        let decimal = ValueType::Decimal { precision: 38, scale: 4 };
        let row = ValueType::Struct(vec![
            ("a".into(), ValueType::List(Box::new(decimal))),
            ("b".into(), ValueType::Instant(Resolution::Nano)),
        ]);
        round_trip(
            &ValueType::List(Box::new(row)),
            &[
                Some(
                    r#"[{"a":[1234567890123456789012345678901234.5678,null],"b":"2024-02-29T12:00:00.000000001Z"},null]"#,
                ),
                None,
                Some("[]"),
            ],
        );
        let map = ValueType::Map(Box::new(ValueType::Integer(Integer::U64)), Box::new(ValueType::Bytes));
        round_trip(&map, &[Some(r#"{"18446744073709551615":"00ff"}"#), None, Some("{}")]);
        let map = ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Time(Resolution::Micro)));
        round_trip(&map, &[Some(r#"{"a\"b":"23:59:59.999999","c":null}"#)]);
    }

    #[test]
    fn what_is_not_as_wanted_is_an_error_not_a_guess() {
        let numbers = ValueType::List(Box::new(ValueType::Integer(Integer::I8)));
        assert!(column(&numbers, &[Some("[1, 200]")]).is_err());
        assert!(column(&numbers, &[Some(r#"["1"]"#)]).is_err());
        assert!(column(&numbers, &[Some("{}")]).is_err());
    }
}
