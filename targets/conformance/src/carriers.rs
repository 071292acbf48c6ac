//! Values into Arrow carriers and out of them, on a path of the suite's own.

use crate::{Value, value::digits, value::short_fraction};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray,
        MapArray, StringArray, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type, SchemaRef,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
        UInt64Type, i256,
    },
    record_batch::RecordBatch,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use hydrant_contract::{Column, Integer, Resolution, ValueType};
use std::sync::Arc;

/// Rows as a record batch of this schema.
pub fn to_batch(schema: SchemaRef, columns: &[Column], rows: &[Vec<Value>]) -> RecordBatch {
    assert!(rows.iter().all(|row| row.len() == columns.len()), "a value for each of {columns:?}: {rows:?}");
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(i, column)| array(&rows.iter().map(|row| row[i].clone()).collect::<Vec<_>>(), &column.value))
        .collect();
    RecordBatch::try_new(schema, arrays).expect("the values fit the schema")
}

/// The rows of a record batch.
pub fn from_batch(batch: &RecordBatch, columns: &[Column]) -> Vec<Vec<Value>> {
    let columns: Vec<_> =
        columns.iter().zip(batch.columns()).map(|(c, array)| values(array, &c.value)).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect()).collect()
}

fn array(values: &[Value], value: &ValueType) -> ArrayRef {
    use Resolution::{Micro, Nano};
    fn each<'a, T, A: FromIterator<Option<T>> + Array + 'static>(
        values: &'a [Value],
        of: impl Fn(&'a Value) -> T,
    ) -> ArrayRef {
        Arc::new(values.iter().map(|v| (*v != Value::Null).then(|| of(v))).collect::<A>())
    }
    match value {
        ValueType::Boolean => each::<_, BooleanArray>(values, |v| match v {
            Value::Bool(value) => *value,
            other => panic!("{other:?} is no boolean"),
        }),
        ValueType::Integer(Integer::U64) => each::<u64, UInt64Array>(values, number),
        ValueType::Integer(_) => each::<i64, Int64Array>(values, number),
        ValueType::Float32 => each::<f32, Float32Array>(values, number),
        ValueType::Float64 => each::<f64, Float64Array>(values, number),
        ValueType::Decimal { precision, scale } if *precision <= 38 => {
            let unscaled = values.iter().map(|v| unscaled(v, *scale).map(|d| d.parse().expect("38 digits")));
            let array: Decimal128Array = unscaled.collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("a decimal"))
        }
        ValueType::Decimal { precision, scale } => {
            let unscaled =
                values.iter().map(|v| unscaled(v, *scale).map(|d| i256::from_string(&d).expect("76 digits")));
            let array: Decimal256Array = unscaled.collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("a decimal"))
        }
        ValueType::Text => each::<&str, StringArray>(values, |v| match v {
            Value::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }),
        ValueType::Json => each::<String, StringArray>(values, |v| match v {
            Value::Json(json) => json.to_string(),
            other => panic!("{other:?} is no JSON"),
        }),
        ValueType::Bytes => each::<&[u8], BinaryArray>(values, |v| match v {
            Value::Bytes(bytes) => bytes,
            other => panic!("{other:?} are no bytes"),
        }),
        ValueType::Date => each::<i32, Date32Array>(values, days),
        ValueType::Time(Micro) => {
            each::<i64, Time64MicrosecondArray>(values, |v| nanos_of_day(v) / i64::from(1000))
        }
        ValueType::Time(Nano) => each::<i64, Time64NanosecondArray>(values, nanos_of_day),
        ValueType::Timestamp(Micro) => each::<i64, TimestampMicrosecondArray>(values, |v| ticks(v, Micro)),
        ValueType::Timestamp(Nano) => each::<i64, TimestampNanosecondArray>(values, |v| ticks(v, Nano)),
        ValueType::Instant(Micro) => {
            let ticks = values.iter().map(|v| (*v != Value::Null).then(|| ticks(v, Micro)));
            Arc::new(ticks.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        ValueType::Instant(Nano) => {
            let ticks = values.iter().map(|v| (*v != Value::Null).then(|| ticks(v, Nano)));
            Arc::new(ticks.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        }
        ValueType::Uuid => {
            let bytes = values.iter().map(|v| match v {
                Value::Null => None,
                Value::Uuid(text) => match Value::parse(&text.replace('-', ""), &ValueType::Bytes) {
                    Value::Bytes(bytes) => Some(bytes),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?} is no UUID"),
            });
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).expect("16 bytes each"))
        }
        ValueType::List(item) => {
            let items: Vec<Value> = values.iter().flat_map(items).cloned().collect();
            let DataType::List(field) = value.carrier() else { unreachable!("the carrier of a list") };
            let lengths = OffsetBuffer::from_lengths(values.iter().map(|v| items_of(v).len()));
            Arc::new(ListArray::new(field, lengths, array(&items, item), present(values)))
        }
        ValueType::Vector(len) => {
            let width = usize::try_from(*len).expect("a length");
            let nulls = vec![Value::Null; width];
            let mut items = Vec::new();
            for value in values {
                items.extend_from_slice(if *value == Value::Null { &nulls } else { items_of(value) });
            }
            let DataType::FixedSizeList(field, _) = value.carrier() else {
                unreachable!("the carrier of a vector")
            };
            let items = array(&items, &ValueType::Float32);
            Arc::new(FixedSizeListArray::new(field, *len, items, present(values)))
        }
        ValueType::Struct(fields) => {
            let DataType::Struct(arrow) = value.carrier() else { unreachable!("the carrier of a struct") };
            let children = fields
                .iter()
                .map(|(name, value)| {
                    let child = |v: &Value| match v {
                        Value::Fields(fields) => fields[name].clone(),
                        _ => Value::Null,
                    };
                    array(&values.iter().map(child).collect::<Vec<_>>(), value)
                })
                .collect();
            Arc::new(StructArray::new(arrow, children, present(values)))
        }
        ValueType::Map(key, item) => {
            let DataType::Map(entries, _) = value.carrier() else { unreachable!("the carrier of a map") };
            let DataType::Struct(kv) = entries.data_type() else { unreachable!("the entries of a map") };
            let (mut keys, mut items, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
            for value in values {
                let Value::Fields(fields) = value else {
                    lengths.push(0);
                    continue;
                };
                lengths.push(fields.len());
                keys.extend(fields.keys().map(|text| Value::parse(text, key)));
                items.extend(fields.values().cloned());
            }
            let kv = StructArray::new(kv.clone(), vec![array(&keys, key), array(&items, item)], None);
            let lengths = OffsetBuffer::from_lengths(lengths);
            Arc::new(MapArray::new(entries, lengths, kv, present(values), false))
        }
    }
}

fn values(array: &dyn Array, value: &ValueType) -> Vec<Value> {
    assert_eq!(array.data_type(), &value.carrier(), "the carrier of {value}");
    (0..array.len())
        .map(|row| if array.is_null(row) { Value::Null } else { present_value(array, row, value) })
        .collect()
}

fn present_value(array: &dyn Array, row: usize, value: &ValueType) -> Value {
    use Resolution::{Micro, Nano};
    match value {
        ValueType::Boolean => Value::Bool(array.as_boolean().value(row)),
        ValueType::Integer(Integer::U64) => {
            Value::Number(array.as_primitive::<UInt64Type>().value(row).to_string())
        }
        ValueType::Integer(_) => Value::from(array.as_primitive::<Int64Type>().value(row)),
        ValueType::Float32 => Value::float32(array.as_primitive::<Float32Type>().value(row)),
        ValueType::Float64 => Value::float64(array.as_primitive::<Float64Type>().value(row)),
        ValueType::Decimal { precision, scale } if *precision <= 38 => {
            Value::Number(scaled(&array.as_primitive::<Decimal128Type>().value(row).to_string(), *scale))
        }
        ValueType::Decimal { scale, .. } => {
            Value::Number(scaled(&array.as_primitive::<Decimal256Type>().value(row).to_string(), *scale))
        }
        ValueType::Text | ValueType::Json => Value::parse(array.as_string::<i32>().value(row), value),
        ValueType::Bytes => Value::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        ValueType::Date => Value::Date(day_text(array.as_primitive::<Date32Type>().value(row))),
        ValueType::Time(Micro) => {
            Value::Time(time_text(array.as_primitive::<Time64MicrosecondType>().value(row) * 1000))
        }
        ValueType::Time(Nano) => {
            Value::Time(time_text(array.as_primitive::<Time64NanosecondType>().value(row)))
        }
        ValueType::Timestamp(r) | ValueType::Instant(r) => {
            let ticks = match r {
                Micro => array.as_primitive::<TimestampMicrosecondType>().value(row),
                Nano => array.as_primitive::<TimestampNanosecondType>().value(row),
            };
            let wall = tick_text(ticks, *r);
            match value {
                ValueType::Instant(_) => Value::Instant(format!("{wall}Z")),
                _ => Value::Timestamp(wall),
            }
        }
        ValueType::Uuid => {
            let hex: Vec<String> =
                array.as_fixed_size_binary().value(row).iter().map(|b| format!("{b:02x}")).collect();
            let group = |from: usize, to: usize| hex[from..to].concat();
            Value::Uuid([group(0, 4), group(4, 6), group(6, 8), group(8, 10), group(10, 16)].join("-"))
        }
        ValueType::List(item) => Value::List(values(&array.as_list::<i32>().value(row), item)),
        ValueType::Vector(_) => {
            Value::List(values(&array.as_fixed_size_list().value(row), &ValueType::Float32))
        }
        ValueType::Struct(fields) => Value::Fields(
            fields
                .iter()
                .zip(array.as_struct().columns())
                .map(|((name, value), column)| (name.clone(), values(&column.slice(row, 1), value).remove(0)))
                .collect(),
        ),
        ValueType::Map(key, item) => {
            let entries = array.as_map().value(row);
            let keys = values(entries.column(0), key).into_iter().map(|key| match key {
                Value::Bool(key) => key.to_string(),
                Value::Number(key)
                | Value::Text(key)
                | Value::Date(key)
                | Value::Time(key)
                | Value::Timestamp(key)
                | Value::Instant(key)
                | Value::Uuid(key) => key,
                other => panic!("{other:?} as the key of a map"),
            });
            Value::Fields(keys.zip(values(entries.column(1), item)).collect())
        }
    }
}

fn present(values: &[Value]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(values.iter().map(|v| *v != Value::Null)))
}

fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    items_of(value).iter()
}

fn items_of(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        Value::Null => &[],
        other => panic!("{other:?} is no list"),
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    match value {
        Value::Number(digits) => digits.parse().unwrap_or_else(|e| panic!("{digits}: {e:?}")),
        other => panic!("{other:?} is no number"),
    }
}

/// The digits of a decimal without its point, as many after it as the scale says.
fn unscaled(value: &Value, scale: i8) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Number(text) => text,
        other => panic!("{other:?} is no decimal"),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(match usize::try_from(scale) {
        Ok(scale) => {
            assert!(fraction.len() <= scale, "{text} has more than {scale} digits after the point");
            format!("{whole}{fraction:0<scale$}")
        }
        Err(_) if text == "0" => text.clone(),
        Err(_) => {
            let zeros = "0".repeat(usize::from(scale.unsigned_abs()));
            text.strip_suffix(&zeros).unwrap_or_else(|| panic!("{text} ends in {zeros}")).to_owned()
        }
    })
}

fn scaled(unscaled: &str, scale: i8) -> String {
    let (sign, number) = match unscaled.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", unscaled),
    };
    digits(&match usize::try_from(scale) {
        Ok(scale) => {
            let padded = format!("{number:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{number}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    })
}

fn epoch() -> NaiveDateTime {
    DateTime::UNIX_EPOCH.naive_utc()
}

fn days(value: &Value) -> i32 {
    let Value::Date(text) = value else { panic!("{value:?} is no date") };
    match text.strip_prefix("day ") {
        Some(day) => day.parse().expect("a count of days"),
        None => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap_or_else(|e| panic!("{text}: {e}"));
            i32::try_from((date - epoch().date()).num_days()).expect("a count of days")
        }
    }
}

fn day_text(days: i32) -> String {
    match epoch().date().checked_add_signed(TimeDelta::days(days.into())) {
        Some(date) => date.to_string(),
        None => format!("day {days}"),
    }
}

fn nanos_of_day(value: &Value) -> i64 {
    let Value::Time(text) = value else { panic!("{value:?} is no time") };
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").unwrap_or_else(|e| panic!("{text}: {e}"));
    (time - NaiveTime::MIN).num_nanoseconds().expect("less than a day")
}

fn time_text(nanos: i64) -> String {
    let (time, past) = NaiveTime::MIN.overflowing_add_signed(TimeDelta::nanoseconds(nanos));
    assert_eq!(past, 0, "{nanos} ns is no time of day");
    short_fraction(&time.format("%H:%M:%S%.f").to_string())
}

fn ticks(value: &Value, resolution: Resolution) -> i64 {
    let text = match value {
        Value::Timestamp(text) => text,
        Value::Instant(text) => text.strip_suffix('Z').expect("an instant in UTC"),
        other => panic!("{other:?} is no timestamp"),
    };
    if let Some(ticks) = text.strip_prefix("tick ") {
        return ticks.parse().expect("a count of ticks");
    }
    let at =
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").unwrap_or_else(|e| panic!("{text}: {e}"));
    let since = at - epoch();
    match resolution {
        Resolution::Micro => since.num_microseconds(),
        Resolution::Nano => since.num_nanoseconds(),
    }
    .expect("a count of ticks")
}

fn tick_text(ticks: i64, resolution: Resolution) -> String {
    let since = match resolution {
        Resolution::Micro => TimeDelta::microseconds(ticks),
        Resolution::Nano => TimeDelta::nanoseconds(ticks),
    };
    match epoch().checked_add_signed(since) {
        Some(at) => short_fraction(&at.format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
        None => format!("tick {ticks}"),
    }
}
