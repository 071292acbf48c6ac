//! The vectors of `docs/fingerprint.md`: what they say is what the code does, byte for byte, for ever.
//!
//! If one of these tests fails, every index that was ever published would be misread. Do not adapt the document;
//! raise `VERSION`.

use super::{batch, canonical};
use crate::fingerprint::{Fingerprinter, Fingerprints, VERSION};
use arrow::{array::*, buffer::OffsetBuffer, datatypes::*};
use hydrant_contract::{Column, Integer, Resolution, Shape, ValueType};
use std::{fmt::Write, sync::Arc};

const DOCUMENT: &str = include_str!("../../../docs/fingerprint.md");

fn decimal(unscaled: i128, scale: i8) -> (ValueType, ArrayRef) {
    let array = Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, scale).unwrap();
    (ValueType::Decimal { precision: 38, scale }, Arc::new(array))
}

fn wide(unscaled: &str, scale: i8) -> (ValueType, ArrayRef) {
    let unscaled = i256::from_string(unscaled).unwrap();
    let array = Decimal256Array::from(vec![unscaled]).with_precision_and_scale(76, scale).unwrap();
    (ValueType::Decimal { precision: 76, scale }, Arc::new(array))
}

fn float(f: f64) -> (ValueType, ArrayRef) {
    (ValueType::Float64, Arc::new(Float64Array::from(vec![f])))
}

fn text(text: &str) -> (ValueType, ArrayRef) {
    (ValueType::Text, Arc::new(StringArray::from(vec![text])))
}

fn whole(n: i64) -> (ValueType, ArrayRef) {
    (ValueType::Integer(Integer::I64), Arc::new(Int64Array::from(vec![n])))
}

fn null() -> (ValueType, ArrayRef) {
    (ValueType::Text, Arc::new(StringArray::from(vec![None::<&str>])))
}

fn micros(ticks: i64) -> (ValueType, ArrayRef) {
    (ValueType::Timestamp(Resolution::Micro), Arc::new(TimestampMicrosecondArray::from(vec![ticks])))
}

fn instant(ticks: i64) -> (ValueType, ArrayRef) {
    let array = TimestampNanosecondArray::from(vec![ticks]).with_timezone("UTC");
    (ValueType::Instant(Resolution::Nano), Arc::new(array))
}

fn list(items: Vec<Option<i64>>) -> (ValueType, ArrayRef) {
    let value = ValueType::List(Box::new(ValueType::Integer(Integer::I64)));
    let array = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(items)]);
    (value, Arc::new(array))
}

fn vector(items: [f32; 2]) -> (ValueType, ArrayRef) {
    let items = items.map(Some);
    (
        ValueType::Vector(2),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>([Some(items)], 2)),
    )
}

fn structure(parts: Vec<(&str, (ValueType, ArrayRef))>) -> (ValueType, ArrayRef) {
    let fields: Fields = parts.iter().map(|(name, (value, _))| value.field(name, true)).collect();
    let arrays = parts.iter().map(|(_, (_, array))| array.clone()).collect();
    let value =
        ValueType::Struct(parts.into_iter().map(|(name, (value, _))| (name.to_owned(), value)).collect());
    (value, Arc::new(StructArray::new(fields, arrays, None)))
}

fn map(entries: &[(&str, i64)]) -> (ValueType, ArrayRef) {
    let value = ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Integer(Integer::I64)));
    let DataType::Map(field, _) = value.carrier() else { unreachable!() };
    let DataType::Struct(parts) = field.data_type() else { unreachable!() };
    let keys = StringArray::from_iter_values(entries.iter().map(|(k, _)| k));
    let values = Int64Array::from_iter_values(entries.iter().map(|(_, v)| *v));
    let structs = StructArray::new(parts.clone(), vec![Arc::new(keys), Arc::new(values)], None);
    let array =
        MapArray::new(field.clone(), OffsetBuffer::from_lengths([entries.len()]), structs, None, false);
    (value, Arc::new(array))
}

fn values() -> Vec<(&'static str, (ValueType, ArrayRef))> {
    let time = Arc::new(Time64MicrosecondArray::from(vec![45_296_000_007]));
    let uuid = FixedSizeBinaryArray::try_from_iter(
        [*b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"].into_iter(),
    );
    vec![
        ("NULL of any type", null()),
        ("boolean false", (ValueType::Boolean, Arc::new(BooleanArray::from(vec![false])))),
        ("boolean true", (ValueType::Boolean, Arc::new(BooleanArray::from(vec![true])))),
        ("integer 0", whole(0)),
        ("integer 7", whole(7)),
        ("integer -1", whole(-1)),
        ("integer 9223372036854775807", whole(i64::MAX)),
        (
            "unsigned 9223372036854775808",
            (ValueType::Integer(Integer::U64), Arc::new(UInt64Array::from(vec![1_u64 << 63]))),
        ),
        ("decimal 7.00", decimal(700, 2)),
        ("decimal 0.000", decimal(0, 3)),
        ("decimal 12.50", decimal(1250, 2)),
        ("decimal -0.001", decimal(-1, 3)),
        ("decimal 18446744073709551615", decimal(u64::MAX.into(), 0)),
        ("decimal 18446744073709551616", decimal(1 << 64, 0)),
        ("decimal 100000000000000000000", decimal(1, -20)),
        ("decimal -1e38 + 1", decimal(-99_999_999_999_999_999_999_999_999_999_999_999_999, 0)),
        (
            "decimal 1234567890123456789012345678901234567890.5",
            wide("12345678901234567890123456789012345678905", 1),
        ),
        ("float 0.5", float(0.5)),
        ("float -0.0", float(-0.0)),
        ("float NaN", float(f64::NAN)),
        ("float -infinity", float(f64::NEG_INFINITY)),
        ("float 0.1 (64 bits)", float(0.1)),
        ("float 0.1 (32 bits)", (ValueType::Float32, Arc::new(Float32Array::from(vec![0.1])))),
        ("text, empty", text("")),
        ("text ab", text("ab")),
        ("text é (U+00E9)", text("é")),
        ("text 🚰 (U+1F6B0)", text("🚰")),
        ("JSON {\"a\": 1}", (ValueType::Json, Arc::new(StringArray::from(vec!["{\"a\": 1}"])))),
        ("bytes, empty", (ValueType::Bytes, Arc::new(BinaryArray::from(vec![&b""[..]])))),
        ("bytes 00 ff", (ValueType::Bytes, Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])))),
        ("date 1970-01-01", (ValueType::Date, Arc::new(Date32Array::from(vec![0])))),
        ("date 1969-12-31", (ValueType::Date, Arc::new(Date32Array::from(vec![-1])))),
        ("date 2026-11-21", (ValueType::Date, Arc::new(Date32Array::from(vec![20_778])))),
        ("time 12:34:56.000007", (ValueType::Time(Resolution::Micro), time)),
        ("timestamp 1970-01-01 00:00:00", micros(0)),
        ("timestamp 1969-12-31 23:59:59.999999", micros(-1)),
        ("instant 2026-11-21 04:15:00.000000001 UTC", instant(1_795_234_500_000_000_001)),
        ("uuid 01234567-89ab-cdef-fedc-ba9876543210", (ValueType::Uuid, Arc::new(uuid.unwrap()))),
        ("list, empty", list(vec![])),
        ("list [7, NULL]", list(vec![Some(7), None])),
        ("vector [0.5, 1.0]", vector([0.5, 1.0])),
        ("struct {b: 7, a: NULL}", structure(vec![("b", whole(7)), ("a", null())])),
        ("struct without fields", {
            (ValueType::Struct(vec![]), Arc::new(StructArray::new_empty_fields(1, None)))
        }),
        ("map, empty", map(&[])),
        ("map {b: 1, a: 2, ccc: 3}", map(&[("b", 1), ("a", 2), ("ccc", 3)])),
        ("map {b: 1, a: 2, b: 3}", map(&[("b", 1), ("a", 2), ("b", 3)])),
    ]
}

/// Rows: a name, the key columns in the key's order, the other columns in the query's order.
type NamedRow =
    (&'static str, Vec<(&'static str, (ValueType, ArrayRef))>, Vec<(&'static str, (ValueType, ArrayRef))>);

fn rows() -> Vec<NamedRow> {
    let plain = || vec![("name", text("Ada")), ("score", float(0.5)), ("balance", decimal(1250, 2))];
    vec![
        ("key (id = 1), nothing else", vec![("id", whole(1))], vec![]),
        ("key (id = 1); name = Ada, score = 0.5, balance = 12.50", vec![("id", whole(1))], plain()),
        (
            "key (id = 1); the same with name = NULL",
            vec![("id", whole(1))],
            [vec![("name", null())], plain().split_off(1)].concat(),
        ),
        ("key (a = ab, b = c); x = NULL", vec![("a", text("ab")), ("b", text("c"))], vec![("x", null())]),
        ("key (a = a, b = bc); x = NULL", vec![("a", text("a")), ("b", text("bc"))], vec![("x", null())]),
        ("key (b = c, a = ab); x = NULL", vec![("b", text("c")), ("a", text("ab"))], vec![("x", null())]),
        ("key (id = NULL); x = NULL", vec![("id", null())], vec![("x", null())]),
        (
            "key (id = uuid above); t = instant above, l = [7, NULL], m = {b: 1, a: 2}",
            vec![(
                "id",
                (ValueType::Uuid, values().iter().find(|(n, _)| n.starts_with("uuid")).unwrap().1.1.clone()),
            )],
            vec![
                ("t", instant(1_795_234_500_000_000_001)),
                ("l", list(vec![Some(7), None])),
                ("m", map(&[("b", 1), ("a", 2)])),
            ],
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn in_document(table: &str) {
    assert!(
        DOCUMENT.contains(table),
        "docs/fingerprint.md says something else than the code, which makes of its examples:\n{table}"
    );
}

#[test]
fn the_document_names_the_version_of_the_code() {
    assert_eq!(VERSION, 1);
    assert!(DOCUMENT.contains("`VERSION` 1"));
}

#[test]
fn single_values_have_the_documented_form() {
    let mut table = "| value | canonical form |\n|---|---|\n".to_owned();
    for (name, (value, array)) in values() {
        writeln!(table, "| {name} | `{}` |", hex(&canonical(array.as_ref(), &value, 0))).unwrap();
    }
    in_document(&table);
}

#[test]
fn rows_have_the_documented_hashes() {
    let mut examples = Vec::new();
    for (name, key, others) in rows() {
        let named = key.iter().chain(&others);
        let columns: Vec<_> =
            named.clone().map(|(n, (v, _))| Column { name: (*n).into(), value: v.clone() }).collect();
        let shape = Shape::new(columns, key.iter().map(|(n, _)| (*n).to_owned()).collect()).unwrap();
        let batch = batch(named.map(|(n, (v, a))| (v.field(n, true), a.clone())).collect());
        let mut out = Fingerprints::default();
        Fingerprinter::new(&shape).hash(&batch, &mut out).unwrap();

        let bytes = |columns: &[(&str, (ValueType, ArrayRef))]| {
            hex(&columns.iter().flat_map(|(_, (v, a))| canonical(a.as_ref(), v, 0)).collect::<Vec<_>>())
        };
        let mut by_name = others.clone();
        by_name.sort_by_key(|(name, _)| *name);
        let example = format!(
            "**{name}**\n\n    key bytes  {}\n    key hash   {:032x}\n    row bytes  {}\n    row hash   {:016x}\n",
            bytes(&key),
            out.keys[0],
            bytes(&by_name),
            out.rows[0],
        );
        examples.push(example.replace("  \n", "\n"));
    }
    in_document(&examples.join("\n"));
}
