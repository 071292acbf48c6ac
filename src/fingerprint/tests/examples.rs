//! What shall agree and what shall differ, by example.

use super::{FingerprintError, batch, fingerprints};
use crate::fingerprint::{Fingerprinter, Fingerprints, Scheme, UNKNOWN_ROW, VERSION, known};
use arrow::{array::*, compute::cast, datatypes::*};
use hydrant_contract::{Column, Integer, Resolution, Shape, ValueType};
use std::sync::Arc;

/// The row hashes of one column, next to a key that counts up.
fn rows_of(array: ArrayRef) -> Vec<u64> {
    let ids = Int64Array::from_iter_values(0..array.len() as i64);
    let column = Field::new("v", array.data_type().clone(), true);
    let batch = batch(vec![(Field::new("id", DataType::Int64, true), Arc::new(ids)), (column, array)]);
    fingerprints(&[batch], &["id"]).unwrap().rows
}

fn agree(a: ArrayRef, b: ArrayRef) {
    assert_eq!(rows_of(a.clone()), rows_of(b.clone()), "{} and {} shall agree", a.data_type(), b.data_type());
}

fn differ(a: ArrayRef, b: ArrayRef) {
    let (left, right) = (rows_of(a.clone()), rows_of(b.clone()));
    assert!(left.iter().zip(&right).all(|(l, r)| l != r), "{} and {}", a.data_type(), b.data_type());
}

#[test]
fn numbers_agree_by_value() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(-100), None, Some(0)]));
    for other in [
        DataType::Int8,
        DataType::Int32,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, 0),
        DataType::Decimal128(38, 10),
        DataType::Decimal256(76, 30),
        DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Int16)),
    ] {
        agree(numbers.clone(), cast(&numbers, &other).unwrap());
    }
    // A float is another thing: 7.0 and 7 are told apart, and so are a float and its decimal digits.
    agree(cast(&numbers, &DataType::Float16).unwrap(), cast(&numbers, &DataType::Float64).unwrap());
    differ(Arc::new(Int64Array::from(vec![7])), Arc::new(Float64Array::from(vec![7.0])));
}

#[test]
fn times_agree_by_value_and_zones_are_display_only() {
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(1_795_234_500), Some(-1), None]));
    let with = |unit, zone: Option<&str>| {
        // Through a number: Arrow's cast between zones would move wall-clock times.
        let factor = match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        };
        let ticks: Int64Array = seconds.as_primitive::<TimestampSecondType>().unary(|s| s * factor);
        cast(&ticks, &DataType::Timestamp(unit, zone.map(Into::into))).unwrap()
    };
    for unit in [TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        agree(with(TimeUnit::Second, None), with(unit, None));
        agree(with(TimeUnit::Second, Some("UTC")), with(unit, Some("America/New_York")));
    }
    let (wall, instant) =
        (with(TimeUnit::Second, None).slice(0, 2), with(TimeUnit::Second, Some("UTC")).slice(0, 2));
    differ(wall, instant);
}

#[test]
fn text_and_bytes_of_the_same_letters_differ_and_so_do_null_and_nothing() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", ""]));
    differ(text.clone(), cast(&text, &DataType::Binary).unwrap());
    differ(Arc::new(StringArray::from(vec![""])), Arc::new(StringArray::from(vec![None::<&str>])));
    let item = |values: Vec<Option<Vec<Option<i64>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(values))
    };
    differ(item(vec![Some(vec![])]), item(vec![None]));
    differ(item(vec![Some(vec![])]), item(vec![Some(vec![None])]));
}

#[test]
fn a_vector_agrees_with_the_list_of_its_numbers() {
    let vector: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        [Some([Some(0.5), None]), None],
        2,
    ));
    let list: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(0.5), None]), None]));
    agree(vector.clone(), list.clone());
    agree(vector.slice(1, 1), list.slice(1, 1));
}

#[test]
fn a_field_that_is_null_differs_from_a_field_that_is_not_there() {
    let one = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let field = |name| Arc::new(Field::new(name, DataType::Int64, true));
    let short = StructArray::from(vec![(field("a"), one())]);
    let long =
        StructArray::from(vec![(field("a"), one()), (field("b"), new_null_array(&DataType::Int64, 1))]);
    differ(Arc::new(short), Arc::new(long));
}

#[test]
fn rows_with_a_null_key_are_reported_with_their_positions() {
    let a = StringArray::from(vec![Some("x"), None, Some("y"), Some("")]);
    let b = Int32Array::from(vec![Some(1), Some(2), None, Some(0)]);
    let batch = batch(vec![
        (Field::new("a", DataType::Utf8, true), Arc::new(a)),
        (Field::new("b", DataType::Int32, true), Arc::new(b)),
    ]);
    let out = fingerprints(&[batch.slice(0, 1), batch.slice(1, 3)], &["b", "a"]).unwrap();
    assert_eq!(out.null_keys, [1, 2]);
    assert_eq!((out.keys.len(), out.rows.len()), (4, 4));
}

#[test]
fn no_row_hash_is_the_one_that_means_unknown() {
    assert_eq!((UNKNOWN_ROW, known(UNKNOWN_ROW)), (0, 1));
    assert_eq!((known(1), known(u64::MAX)), (1, u64::MAX));
}

#[test]
fn a_batch_that_is_not_in_its_carriers_is_refused_with_the_column() {
    let value = |value| vec![Column { name: "id".into(), value }];
    let shape = Shape::new(value(ValueType::Instant(Resolution::Micro)), vec!["id".into()]).unwrap();
    let wall: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]));
    let batch = batch(vec![(Field::new("id", wall.data_type().clone(), true), wall)]);
    let error = Fingerprinter::new(&shape).hash(&batch, &mut Fingerprints::default()).unwrap_err();
    assert!(matches!(&error, FingerprintError::Column { column, .. } if column == "id"), "{error}");
    assert!(error.to_string().contains("Timestamp(µs)"), "{error}");
}

#[test]
fn a_scheme_stays_comparable_while_columns_stay_within_their_class() {
    let scheme = |columns: &[(&str, ValueType)], key: &[&str]| {
        let columns = columns
            .iter()
            .map(|(name, value)| Column { name: (*name).into(), value: value.clone() })
            .collect();
        Scheme::of(&Shape::new(columns, key.iter().map(|k| (*k).to_owned()).collect()).unwrap())
    };
    let int = |width| ValueType::Integer(width);
    let then =
        scheme(&[("id", int(Integer::I32)), ("b", ValueType::Text), ("a", ValueType::Float32)], &["id"]);
    assert_eq!(then.version, VERSION);
    assert_eq!(then.values.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);

    let reordered =
        scheme(&[("a", ValueType::Float32), ("id", int(Integer::I32)), ("b", ValueType::Text)], &["id"]);
    assert_eq!(then, reordered);

    let decimal = ValueType::Decimal { precision: 10, scale: 2 };
    let widened = scheme(&[("id", decimal), ("b", ValueType::Json), ("a", ValueType::Float64)], &["id"]);
    assert!(then != widened && then.same_keys(&widened) && then.same_rows(&widened));

    let grown =
        scheme(&[("id", int(Integer::I32)), ("b", ValueType::Text), ("c", ValueType::Float32)], &["id"]);
    assert!(then.same_keys(&grown) && !then.same_rows(&grown));
    let retyped =
        scheme(&[("id", int(Integer::I32)), ("b", ValueType::Bytes), ("a", ValueType::Float32)], &["id"]);
    assert!(then.same_keys(&retyped) && !then.same_rows(&retyped));

    let rekeyed =
        scheme(&[("id", ValueType::Text), ("b", ValueType::Text), ("a", ValueType::Float32)], &["id"]);
    assert!(!then.same_keys(&rekeyed) && !then.same_rows(&rekeyed));
    let newer = Scheme { version: VERSION + 1, ..then.clone() };
    assert!(!then.same_keys(&newer) && !then.same_rows(&newer));

    let json = serde_json::to_string(&then).unwrap();
    assert_eq!(serde_json::from_str::<Scheme>(&json).unwrap(), then);
}

/// Rows are written in blocks, and one by one where they are long or nested; in all three ways they are the same rows.
#[test]
fn a_row_among_many_has_the_fingerprints_that_it_has_alone() {
    let rows = 1_500_usize;
    let ids = Int64Array::from_iter_values((0..rows as i64).map(|id| id * 7));
    // Whole blocks are short, some have one long row.
    let texts = StringArray::from_iter((0..rows).map(|row| {
        let length = if row % 700 == 650 { 5_000 } else { row % 40 };
        (row % 3 != 0).then(|| "é".repeat(length))
    }));
    let prices = Decimal128Array::from_iter((0..rows as i128).map(|row| (row % 5 != 0).then_some(row * 10)));
    let prices = prices.with_precision_and_scale(12, 2).unwrap();
    let nested = ListArray::from_iter_primitive::<Int64Type, _, _>(
        (0..rows as i64).map(|row| Some((0..row % 3).map(Some).collect::<Vec<_>>())),
    );
    let flat = vec![
        (Field::new("id", DataType::Int64, true), Arc::new(ids) as ArrayRef),
        (Field::new("text", DataType::Utf8, true), Arc::new(texts)),
        (Field::new("price", prices.data_type().clone(), true), Arc::new(prices)),
    ];
    let mut all = flat.clone();
    all.push((Field::new("list", nested.data_type().clone(), true), Arc::new(nested)));
    for columns in [flat, all] {
        for key in [&["id"][..], &["text", "id"]] {
            let many = batch(columns.clone());
            let one_by_one: Vec<_> = (0..rows).map(|row| many.slice(row, 1)).collect();
            let together = fingerprints(&[many.slice(100, rows - 100)], key).unwrap();
            let alone = fingerprints(&one_by_one[100..], key).unwrap();
            assert_eq!(together, alone);
            assert_eq!(together.null_keys.is_empty(), key.len() == 1);
        }
    }
}
