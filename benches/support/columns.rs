//! A column of every kind of value that docs/types.md has, in its carrier.

use super::standard::mix;
use arrow::{
    array::{builder::*, *},
    buffer::OffsetBuffer,
    datatypes::{DataType, i256},
};
use hydrant_contract::{Integer, Resolution, ValueType};
use std::sync::Arc;

/// The kinds, by the names that they have in the results.
pub(crate) const KINDS: [&str; 24] = [
    "boolean",
    "integer",
    "integer, unsigned 64-bit",
    "decimal(12, 2)",
    "decimal(38, 9)",
    "decimal(76, 2)",
    "float, 32-bit",
    "float, 64-bit",
    "text, short",
    "text, 200 characters",
    "bytes, 32",
    "date",
    "time",
    "timestamp without zone",
    "timestamp with zone",
    "timestamp with zone, ns",
    "uuid",
    "json",
    "list of 4 integers",
    "vector of 16 floats",
    "struct of integer and text",
    "map of 3 texts to integers",
    "text, half of it NULL",
    "text, all of it NULL",
];

/// So many values of a kind; `salt` makes columns of one kind differ.
pub(crate) fn column(kind: &str, rows: i64, salt: i64) -> (ValueType, ArrayRef) {
    let numbers = || (0..rows).map(move |n| mix(n * 31 + salt));
    let integer = || ValueType::Integer(Integer::I64);
    let value = match kind {
        "boolean" => ValueType::Boolean,
        "integer" => integer(),
        "integer, unsigned 64-bit" => ValueType::Integer(Integer::U64),
        "decimal(12, 2)" => ValueType::Decimal { precision: 12, scale: 2 },
        "decimal(38, 9)" => ValueType::Decimal { precision: 38, scale: 9 },
        "decimal(76, 2)" => ValueType::Decimal { precision: 76, scale: 2 },
        "float, 32-bit" => ValueType::Float32,
        "float, 64-bit" => ValueType::Float64,
        "bytes, 32" => ValueType::Bytes,
        "date" => ValueType::Date,
        "time" => ValueType::Time(Resolution::Micro),
        "timestamp without zone" => ValueType::Timestamp(Resolution::Micro),
        "timestamp with zone" => ValueType::Instant(Resolution::Micro),
        "timestamp with zone, ns" => ValueType::Instant(Resolution::Nano),
        "uuid" => ValueType::Uuid,
        "json" => ValueType::Json,
        "list of 4 integers" => ValueType::List(Box::new(integer())),
        "vector of 16 floats" => ValueType::Vector(16),
        "struct of integer and text" => {
            ValueType::Struct(vec![("id".to_owned(), integer()), ("name".to_owned(), ValueType::Text)])
        }
        "map of 3 texts to integers" => ValueType::Map(Box::new(ValueType::Text), Box::new(integer())),
        text if text.starts_with("text") => ValueType::Text,
        other => panic!("no kind is called {other:?}"),
    };
    let decimals = |numbers: &mut dyn Iterator<Item = i128>, precision, scale| -> ArrayRef {
        let array = Decimal128Array::from_iter_values(numbers);
        Arc::new(array.with_precision_and_scale(precision, scale).expect("decimals"))
    };
    let array: ArrayRef = match (&value, kind) {
        (ValueType::Boolean, _) => Arc::new(BooleanArray::from_iter(numbers().map(|n| Some(n % 3 == 0)))),
        (ValueType::Integer(Integer::U64), _) => {
            // Half of them are beyond a signed number, which is a form of its own.
            Arc::new(UInt64Array::from_iter_values(numbers().map(|n| (n as u64) << 3)))
        }
        (ValueType::Integer(_), _) => Arc::new(Int64Array::from_iter_values(numbers())),
        (ValueType::Decimal { precision: 12, .. }, _) => {
            decimals(&mut numbers().map(|n| i128::from(n % 10_000_000)), 12, 2)
        }
        (ValueType::Decimal { precision: 38, .. }, _) => {
            decimals(&mut numbers().map(|n| i128::from(n) << 60), 38, 9)
        }
        (ValueType::Decimal { precision, scale }, _) => {
            let wide = numbers().map(|n| i256::from_parts((n as u128) << 50, i128::from(n)));
            let array = Decimal256Array::from_iter_values(wide);
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("decimals"))
        }
        (ValueType::Float32, _) => Arc::new(Float32Array::from_iter_values(numbers().map(|n| n as f32))),
        (ValueType::Float64, _) => Arc::new(Float64Array::from_iter_values(numbers().map(|n| n as f64))),
        (ValueType::Bytes, _) => {
            let bytes = numbers().map(|n| [n.to_le_bytes(); 4].concat());
            Arc::new(BinaryArray::from_iter_values(bytes))
        }
        (ValueType::Date, _) => {
            Arc::new(Date32Array::from_iter_values(numbers().map(|n| (n % 20_000) as i32)))
        }
        (ValueType::Time(_), _) => {
            Arc::new(Time64MicrosecondArray::from_iter_values(numbers().map(|n| n % 86_400_000_000)))
        }
        (ValueType::Timestamp(_), _) => Arc::new(TimestampMicrosecondArray::from_iter_values(
            numbers().map(|n| n % 2_000_000_000_000_000),
        )),
        (ValueType::Instant(Resolution::Micro), _) => {
            let micros = numbers().map(|n| n % 2_000_000_000_000_000);
            Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
        }
        (ValueType::Instant(Resolution::Nano), _) => {
            Arc::new(TimestampNanosecondArray::from_iter_values(numbers()).with_timezone("UTC"))
        }
        (ValueType::Uuid, _) => {
            let bytes = numbers().map(|n| [n.to_le_bytes(); 2].concat());
            Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).expect("UUIDs"))
        }
        (ValueType::Json, _) => {
            let texts = numbers().map(|n| format!("{{\"plan\": \"team\", \"seats\": {}}}", n % 1_000));
            Arc::new(StringArray::from_iter_values(texts))
        }
        (ValueType::List(_), _) => {
            let DataType::List(field) = value.carrier() else { panic!("a list's carrier") };
            let items = Int64Array::from_iter_values((0..rows * 4).map(|n| mix(n + salt)));
            let offsets = OffsetBuffer::from_repeated_length(4, rows as usize);
            Arc::new(ListArray::new(field, offsets, Arc::new(items), None))
        }
        (ValueType::Vector(length), _) => {
            let DataType::FixedSizeList(field, _) = value.carrier() else { panic!("a vector's carrier") };
            let items = (0..rows * i64::from(*length)).map(|n| mix(n + salt) as f32);
            let items = Arc::new(Float32Array::from_iter_values(items));
            Arc::new(FixedSizeListArray::new(field, *length, items, None))
        }
        (ValueType::Struct(_), _) => {
            let DataType::Struct(fields) = value.carrier() else { panic!("a struct's carrier") };
            let parts = [column("integer", rows, salt).1, column("text, short", rows, salt).1];
            Arc::new(StructArray::new(fields, parts.to_vec(), None))
        }
        (ValueType::Map(..), _) => maps(rows, salt),
        (_, "text, 200 characters") => {
            Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("{n:0200}"))))
        }
        (_, "text, half of it NULL") => {
            Arc::new(StringArray::from_iter(numbers().map(|n| (n % 2 == 0).then(|| short(n)))))
        }
        (_, "text, all of it NULL") => Arc::new(StringArray::new_null(rows as usize)),
        (_, _) => Arc::new(StringArray::from_iter_values(numbers().map(short))),
    };
    (value, array)
}

/// A dozen characters, as names have.
fn short(n: i64) -> String {
    format!("name {:07}", n % 10_000_000)
}

fn maps(rows: i64, salt: i64) -> ArrayRef {
    let names =
        MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new());
    for row in 0..rows {
        for entry in ["seats", "events", "trials"] {
            maps.keys().append_value(entry);
            maps.values().append_value(mix(row + salt));
        }
        maps.append(true).expect("as many values as keys");
    }
    Arc::new(maps.finish())
}
