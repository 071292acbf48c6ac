//! Whatever the values, limits and policies: what is mended fits, what fitted is untouched, and all of it is counted.

use super::{Mended, Mender, Policy, PolicyError, Way, limit, mend, replacement};
use crate::{carry::Misfit, sync::Refused};
use arrow::{array::*, buffer::OffsetBuffer, datatypes::*};
use hydrant_contract::{Digits, Integer, Limits, Resolution, Shape, ValueType};
use proptest::prelude::*;
use std::sync::Arc;

fn none() -> Limits {
    Limits::none("c")
}

fn cut(array: ArrayRef, value: &ValueType, limits: &Limits) -> (ArrayRef, u64) {
    mend(&array, value, limits, &Policy::Truncate, &[]).unwrap()
}

fn texts(array: &ArrayRef) -> Vec<Option<&str>> {
    array.as_string::<i32>().iter().collect()
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn texts_are_cut_between_characters_and_lose_nul_and_the_space_that_ends_up_last() {
    let limits = Limits { characters: Some(3), no_nul: true, no_space_at_end: true, ..none() };
    let values = [Some("äöüß"), Some("a\0b"), Some("ab cd"), Some("abc"), None, Some("a\0\0bcd"), Some("")];
    let (cut, count) = cut(strings(&values), &ValueType::Text, &limits);
    let expected = [Some("äöü"), Some("ab"), Some("ab"), Some("abc"), None, Some("abc"), Some("")];
    assert_eq!((texts(&cut).as_slice(), count), (expected.as_slice(), 4));
}

#[test]
fn json_loses_the_escapes_that_stand_for_nul_and_no_others() {
    let limits = Limits { no_nul: true, ..none() };
    let values = [Some(r#""a\u0000b\\u0000""#), Some(r#""\\u0000""#), Some(r#"{"\u0000k":"\n\u0000"}"#)];
    let (cut, count) = cut(strings(&values), &ValueType::Json, &limits);
    let expected = [Some(r#""ab\\u0000""#), Some(r#""\\u0000""#), Some(r#"{"k":"\n"}"#)];
    assert_eq!((texts(&cut).as_slice(), count), (expected.as_slice(), 2));
}

#[test]
fn nul_is_found_and_removed_inside_lists_structs_and_maps() {
    let limits = Limits { no_nul: true, ..none() };
    let list = |texts: Vec<&str>, lengths: Vec<usize>| -> ArrayRef {
        let item = Arc::new(ValueType::Text.field("item", true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Arc::new(ListArray::new(item, offsets, Arc::new(StringArray::from(texts)), None))
    };
    let value = ValueType::List(Box::new(ValueType::Text));
    let (cut_list, count) = cut(list(vec!["a", "b\0", "c"], vec![1, 2]), &value, &limits);
    assert_eq!((cut_list, count), (list(vec!["a", "b", "c"], vec![1, 2]), 1));

    let map = ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Integer(Integer::I64)));
    let value = ValueType::Struct(vec![("m".to_owned(), map.clone())]);
    let of = |key: &str| -> ArrayRef {
        let DataType::Map(field, _) = map.carrier() else { unreachable!() };
        let DataType::Struct(fields) = field.data_type().clone() else { unreachable!() };
        let entries = StructArray::new(
            fields,
            vec![Arc::new(StringArray::from(vec![key])), Arc::new(Int64Array::from(vec![1]))],
            None,
        );
        let map = MapArray::new(field, OffsetBuffer::from_lengths([1]), entries, None, false);
        let DataType::Struct(fields) = value.carrier() else { unreachable!() };
        Arc::new(StructArray::new(fields, vec![Arc::new(map)], None))
    };
    assert_eq!(cut(of("k\0"), &value, &limits), (of("k"), 1));
    let nulled = mend(&of("k\0"), &value, &limits, &Policy::Null, &[]).unwrap();
    assert_eq!((nulled.0.null_count(), nulled.1), (1, 1));
}

#[test]
fn decimals_are_cut_towards_zero_and_only_if_the_rest_fits() {
    let value = ValueType::Decimal { precision: 10, scale: 4 };
    let limits = Limits { digits: Some(Digits { precision: 4, scale: 2 }), ..none() };
    let numbers = |values: Vec<i128>| Decimal128Array::from(values).with_precision_and_scale(10, 4).unwrap();
    let before = numbers(vec![12_3456, -12_3456, 99_9999, 100_0000, 123_4567, 1200, 0]);
    let (after, count) = cut(Arc::new(before), &value, &limits);
    let expected = numbers(vec![12_3400, -12_3400, 99_9900, 100_0000, 123_4567, 1200, 0]);
    assert_eq!((after.as_primitive::<Decimal128Type>(), count), (&expected, 3));
}

#[test]
fn times_are_cut_to_the_earlier_tick() {
    let value = ValueType::Timestamp(Resolution::Nano);
    let limits = Limits { second_digits: Some(6), ..none() };
    let before = TimestampNanosecondArray::from(vec![1_001, -1, 2_000, 0]);
    let (after, count) = cut(Arc::new(before), &value, &limits);
    let expected = TimestampNanosecondArray::from(vec![1_000, -1_000, 2_000, 0]);
    assert_eq!((after.as_primitive::<TimestampNanosecondType>(), count), (&expected, 2));
    // There is no earlier tick within the range of 64 bits.
    let first: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![i64::MIN]));
    assert_eq!(cut(first.clone(), &value, &limits), (first, 0));
}

#[test]
fn whole_numbers_nan_and_null_can_be_replaced_but_not_cut() {
    let of = |limits: Limits, value: &ValueType, array: ArrayRef, with: &str| {
        assert_eq!(cut(array.clone(), value, &limits), (array.clone(), 0));
        let with = replacement::parse(with, value, &limits).unwrap();
        mend(&array, value, &limits, &Policy::Replace(with), &[]).unwrap()
    };
    let limits = Limits { range: Some((-5, 5)), not_null: true, ..none() };
    let numbers = Int64Array::from(vec![Some(6), None, Some(5)]);
    let (numbers, count) = of(limits, &ValueType::Integer(Integer::I64), Arc::new(numbers), "0");
    assert_eq!((numbers.as_primitive::<Int64Type>(), count), (&Int64Array::from(vec![0, 0, 5]), 2));
    let numbers = Float64Array::from(vec![Some(f64::NAN), None, Some(f64::INFINITY)]);
    let limits = Limits { no_nan: true, ..none() };
    let (numbers, count) = of(limits, &ValueType::Float64, Arc::new(numbers), "-1");
    let expected = Float64Array::from(vec![Some(-1.0), None, Some(f64::INFINITY)]);
    assert_eq!((numbers.as_primitive::<Float64Type>(), count), (&expected, 1));
}

#[test]
fn null_is_no_way_out_of_a_column_that_refuses_it() {
    let limits = Limits { characters: Some(1), not_null: true, ..none() };
    let array = strings(&[Some("ab"), None]);
    let (same, count) = mend(&array, &ValueType::Text, &limits, &Policy::Null, &[]).unwrap();
    assert_eq!((same, count), (array, 0));
}

#[test]
fn replacements_are_of_the_column_s_type_and_fit_it() {
    let ok = |text, value: ValueType| replacement::parse(text, &value, &none()).unwrap();
    let no = |text, value: ValueType, limits: Limits| {
        replacement::parse(text, &value, &limits).expect_err("no such value")
    };
    let decimal = |precision, scale| ValueType::Decimal { precision, scale };
    let unscaled = |text, precision, scale| {
        ok(text, decimal(precision, scale)).as_primitive::<Decimal128Type>().value(0)
    };
    assert_eq!(unscaled("-12.50", 10, 2), -1250);
    assert_eq!(unscaled("12.50000", 10, 1), 125);
    assert_eq!(unscaled(".5", 3, 3), 500);
    assert_eq!(unscaled("1200", 3, -2), 12);
    assert_eq!(unscaled("0", 3, -2), 0);
    assert!(no("1.25", decimal(10, 1), none()).contains("scale is 1"));
    assert!(no("1250", decimal(10, -2), none()).contains("scale is -2"));
    assert!(no("1000", decimal(3, 0), none()).contains("3 digits"));
    let wide = ok("1", decimal(60, 1));
    assert_eq!(wide.as_primitive::<Decimal256Type>().value(0), i256::from_i128(10));
    for wrong in ["", "-", ".", "1e3", "x", "1.2.3"] {
        no(wrong, decimal(10, 2), none());
    }
    no("256", ValueType::Integer(Integer::U8), none());
    no("-1", ValueType::Integer(Integer::U64), none());
    no("1.5", ValueType::Integer(Integer::I64), none());
    no("yes", ValueType::Boolean, none());
    no("{", ValueType::Json, none());
    no("[1]", ValueType::List(Box::new(ValueType::Text)), none());
    no("00:00:00.0000001", ValueType::Time(Resolution::Micro), none());
    no("9999-12-31T00:00:00", ValueType::Timestamp(Resolution::Nano), none());
    assert_eq!(ok("1970-01-02", ValueType::Date).as_primitive::<Date32Type>().value(0), 1);
    let at = ok("1970-01-01T01:00:01+01:00", ValueType::Instant(Resolution::Micro));
    assert_eq!(at.data_type(), &ValueType::Instant(Resolution::Micro).carrier());
    assert_eq!(at.as_primitive::<TimestampMicrosecondType>().value(0), 1_000_000);
    let at = ok("1970-01-01 00:00:01.5", ValueType::Timestamp(Resolution::Nano));
    assert_eq!(at.as_primitive::<TimestampNanosecondType>().value(0), 1_500_000_000);
    assert_eq!(ok("00fF", ValueType::Bytes).as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(ok("00:00:01", ValueType::Time(Resolution::Nano)).len(), 1);
    no("0", ValueType::Bytes, none());
    let short = Limits { characters: Some(3), ..none() };
    assert!(no("none", ValueType::Text, short).contains("does not hold it either"));
}

#[test]
fn a_mender_looks_at_its_columns_alone_and_takes_away_the_misfits_that_it_mends() {
    let rows = RecordBatch::try_from_iter([
        ("id", strings(&[Some("a"), Some("b")])),
        ("name", strings(&[Some("long"), None])),
        ("note", strings(&[Some("long"), None])),
    ])
    .unwrap();
    let shape = Shape::of(&rows.schema(), vec!["id".into()]).unwrap();
    let limits = shape.columns().iter().map(|c| Limits { characters: Some(2), ..Limits::none(&c.name) });
    let limits: Vec<_> = limits.collect();
    let refused = [("name".to_owned(), Refused::Replace("?".to_owned()))].into();
    let mender = Mender::new(&refused, &shape, &limits).unwrap();
    let misfit = |column| Misfit { column, path: "x".to_owned(), row: 1, reason: "no carrier" };
    let mut counts = Mended::new();
    let (mended, left) = mender.mend(rows.clone(), vec![misfit(1), misfit(2)], &mut counts).unwrap();
    assert_eq!(texts(mended.column(1)), [Some("?"), Some("?")]);
    assert_eq!(mended.column(2), rows.column(2));
    assert_eq!(left, [misfit(2)]);
    assert_eq!(counts, [("name".to_owned(), [(Way::Replace, 2)].into())].into());

    let refused = [
        ("id".to_owned(), Refused::Null),
        ("name".to_owned(), Refused::Replace("abc".to_owned())),
        ("note".to_owned(), Refused::Reject),
    ];
    let errors = Mender::new(&refused.into(), &shape, &limits).unwrap_err();
    assert!(matches!(&errors[..], [PolicyError::Key(_), PolicyError::Replacement { .. }]), "{errors:?}");
}

/// A column of some type with some values, and limits that concern it.
fn column() -> impl Strategy<Value = (ArrayRef, ValueType, Limits)> {
    let not_null = any::<bool>();
    let number = prop_oneof![any::<i64>(), -2_000..2_000_i64];
    let numbers = proptest::collection::vec(proptest::option::of(number), 0..20);
    let texts = proptest::collection::vec(proptest::option::of("[aé \\x00]{0,6}"), 0..20);
    let range = (-2_000..0_i128, 0..2_000_i128);
    let digits = (1..6_i32, -2..6_i32);
    let of_text = (texts, proptest::option::of(0..5_u64), any::<bool>(), any::<bool>(), not_null).prop_map(
        |(texts, characters, no_nul, no_space_at_end, not_null)| {
            let limits = Limits { characters, no_nul, no_space_at_end, not_null, ..none() };
            (Arc::new(StringArray::from(texts)) as ArrayRef, ValueType::Text, limits)
        },
    );
    let of_number = (numbers, 0..4_u8, range, digits, 0..9_u8, any::<bool>()).prop_map(
        |(numbers, kind, range, (precision, scale), second_digits, not_null)| {
            let limits = Limits { not_null, ..none() };
            let digits = Some(Digits { precision, scale });
            match kind {
                0 => {
                    let limits = Limits { range: Some(range), ..limits };
                    let value = ValueType::Integer(Integer::I64);
                    (Arc::new(Int64Array::from(numbers)) as ArrayRef, value, limits)
                }
                1 => {
                    let wide = numbers.iter().map(|n| n.map(i128::from)).collect::<Decimal128Array>();
                    let array = wide.with_precision_and_scale(38, 3).unwrap();
                    let value = ValueType::Decimal { precision: 38, scale: 3 };
                    (Arc::new(array) as ArrayRef, value, Limits { digits, ..limits })
                }
                2 => {
                    let wide = numbers
                        .iter()
                        .map(|n| n.map(|n| i256::from_i128(n.into())))
                        .collect::<Decimal256Array>();
                    let array = wide.with_precision_and_scale(60, 3).unwrap();
                    let value = ValueType::Decimal { precision: 60, scale: 3 };
                    (Arc::new(array) as ArrayRef, value, Limits { digits, ..limits })
                }
                _ => {
                    let value = ValueType::Timestamp(Resolution::Nano);
                    let limits = Limits { second_digits: Some(second_digits), ..limits };
                    (Arc::new(TimestampNanosecondArray::from(numbers)) as ArrayRef, value, limits)
                }
            }
        },
    );
    prop_oneof![of_text, of_number]
}

/// What a replacement may be for the types of [`column`].
fn replacements(value: &ValueType) -> &'static [&'static str] {
    match value {
        ValueType::Text => &["", "a", "aaaa"],
        ValueType::Timestamp(_) => &["1970-01-01T00:00:00"],
        _ => &["0", "100"],
    }
}

proptest! {
    /// Contract: C6
    #[test]
    fn what_is_mended_fits_and_what_fitted_is_untouched(
        (array, value, limits) in column(),
        policy in 0..3_u8,
        hole in proptest::option::of(0..20_usize),
    ) {
        let policy = match policy {
            0 => Policy::Null,
            1 => Policy::Truncate,
            _ => {
                let fitting = replacements(&value).iter().find_map(|t| replacement::parse(t, &value, &limits).ok());
                prop_assume!(fitting.is_some());
                Policy::Replace(fitting.unwrap())
            }
        };
        let holes: Vec<usize> =
            hole.filter(|row| *row < array.len() && array.is_null(*row)).into_iter().collect();
        let (mended, count) = mend(&array, &value, &limits, &policy, &holes).unwrap();
        prop_assert_eq!(mended.data_type(), array.data_type());
        prop_assert_eq!(mended.len(), array.len());
        let is_beyond = |array: &ArrayRef, row| limit::beyond(array, &value, &limits).is_some_and(|b| b.value(row));
        let mut touched = 0;
        for row in 0..array.len() {
            let (before, after) = (array.slice(row, 1), mended.slice(row, 1));
            if !is_beyond(&array, row) {
                let filled = holes.contains(&row) && matches!(policy, Policy::Replace(_));
                let expected = match (&policy, filled) { (Policy::Replace(with), true) => with.clone(), _ => before };
                prop_assert_eq!(&after, &expected, "what fitted is as it was");
                let counted = holes.contains(&row)
                    && (filled || (matches!(policy, Policy::Null) && !limits.not_null));
                touched += u64::from(counted);
                continue;
            }
            if is_beyond(&mended, row) {
                prop_assert_eq!(&after, &before, "what cannot be mended is as it was");
                prop_assert!(!matches!(policy, Policy::Replace(_)), "a replacement fits");
                prop_assert!(!matches!(policy, Policy::Null) || limits.not_null);
                prop_assert!(!matches!((&policy, &value), (Policy::Truncate, ValueType::Text)) || before.is_null(0));
                continue;
            }
            touched += 1;
        }
        prop_assert_eq!(count, touched);
    }
}
