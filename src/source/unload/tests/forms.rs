//! Values got back from files.

use crate::source::unload::form::{Form, restore};
use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array,
        Int8Array, Int64Array, ListArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    },
    datatypes::{DataType, Field, Float32Type, Int32Type, TimeUnit, i256},
    util::display::array_value_to_string,
};
use std::sync::Arc;

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

fn timestamp(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, None)
}

#[test]
fn what_is_the_same_or_only_wider_in_the_file_comes_back() {
    let decimals = |precision| {
        array(Decimal128Array::from(vec![Some(125), None]).with_precision_and_scale(precision, 2).unwrap())
    };
    assert_eq!(&restore(Form::AsIs, &decimals(5), &DataType::Decimal128(38, 2)).unwrap(), &decimals(38));
    // Snowflake's files have the smallest decimal that holds all values.
    let whole = array(Decimal128Array::from(vec![7]).with_precision_and_scale(1, 0).unwrap());
    assert_eq!(&restore(Form::AsIs, &whole, &DataType::Int64).unwrap(), &array(Int64Array::from(vec![7])));
    let booleans = array(BooleanArray::from(vec![Some(true), Some(false), None]));
    let bytes = array(Int8Array::from(vec![Some(1), Some(0), None]));
    assert_eq!(&restore(Form::AsIs, &booleans, &DataType::Int8).unwrap(), &bytes);
    let texts = array(StringArray::from(vec!["ü"]));
    let unmarked = array(BinaryArray::from(vec!["ü".as_bytes()]));
    assert_eq!(&restore(Form::AsIs, &unmarked, &DataType::Utf8).unwrap(), &texts);
    let micros = array(TimestampMicrosecondArray::from(vec![Some(-3_000_000), None]));
    let seconds = array(TimestampSecondArray::from(vec![Some(-3), None]));
    assert_eq!(&restore(Form::AsIs, &micros, &timestamp(TimeUnit::Second)).unwrap(), &seconds);
    let lists =
        array(ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0), Some(2.0)]), None]));
    let vector = DataType::FixedSizeList(Field::new("item", DataType::Float32, true).into(), 2);
    let restored = restore(Form::AsIs, &lists, &vector).unwrap();
    assert_eq!((restored.data_type(), restored.len(), restored.null_count()), (&vector, 2, 1));
}

#[test]
fn what_could_have_lost_something_on_its_way_is_refused() {
    let cases: [(ArrayRef, DataType, &str); 7] = [
        (
            array(Float64Array::from(vec![1.0])),
            DataType::Decimal128(38, 0),
            "holds Float64, and the source describes Decimal128(38, 0)",
        ),
        (
            array(TimestampMillisecondArray::from(vec![1])),
            timestamp(TimeUnit::Microsecond),
            "holds Timestamp(ms), and the source describes Timestamp(µs)",
        ),
        (
            array(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")),
            timestamp(TimeUnit::Microsecond),
            "holds Timestamp(µs, \"UTC\"), and the source describes Timestamp(µs)",
        ),
        (
            array(TimestampNanosecondArray::from(vec![1_000, 1])),
            timestamp(TimeUnit::Microsecond),
            "holds values of Timestamp(ns) that have more digits than Timestamp(µs) has",
        ),
        (
            array(Int64Array::from(vec![200])),
            DataType::Int8,
            "holds Int64, of which some values do not fit Int8",
        ),
        (
            array(BinaryArray::from(vec![&b"\xff"[..]])),
            DataType::Utf8,
            "holds Binary, of which some values do not fit Utf8",
        ),
        (
            array(Decimal128Array::from(vec![125]).with_precision_and_scale(5, 2).unwrap()),
            DataType::Decimal128(5, 1),
            "holds values of Decimal128(5, 2) that have more digits than Decimal128(5, 1) has",
        ),
    ];
    for (file, described, reason) in cases {
        assert_eq!(restore(Form::AsIs, &file, &described).unwrap_err(), reason);
    }
    let lists = array(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]));
    let texts = DataType::List(Field::new("item", DataType::Utf8, true).into());
    assert!(restore(Form::AsIs, &lists, &texts).is_err());
    let vector = DataType::FixedSizeList(Field::new("item", DataType::Int32, true).into(), 2);
    assert!(restore(Form::AsIs, &lists, &vector).is_err(), "a list of one is no vector of two");
}

#[test]
fn times_are_counted_in_the_unit_that_is_described() {
    let numbers = array(Int64Array::from(vec![Some(-1), None, Some(1_700_000_000_123_456)]));
    let restored = restore(Form::Count, &numbers, &timestamp(TimeUnit::Microsecond)).unwrap();
    let micros = TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_700_000_000_123_456)]);
    assert_eq!(&restored, &array(micros));
    let decimals =
        Decimal128Array::from(vec![1_700_000_000_123_456_789]).with_precision_and_scale(38, 0).unwrap();
    let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
    let restored = restore(Form::Count, &array(decimals), &zoned).unwrap();
    assert_eq!(array_value_to_string(&restored, 0).unwrap(), "2023-11-14T23:13:20.123456789+01:00");
    let restored = restore(
        Form::Count,
        &array(Int64Array::from(vec![3_661_000_001])),
        &DataType::Time64(TimeUnit::Microsecond),
    );
    assert_eq!(&restored.unwrap(), &array(Time64MicrosecondArray::from(vec![3_661_000_001])));
    let far = Decimal128Array::from(vec![i128::from(i64::MAX) + 1]).with_precision_and_scale(38, 0).unwrap();
    assert!(restore(Form::Count, &array(far), &timestamp(TimeUnit::Nanosecond)).is_err());
    let text = array(StringArray::from(vec!["2024-01-01"]));
    assert_eq!(
        restore(Form::Count, &text, &timestamp(TimeUnit::Microsecond)).unwrap_err(),
        "holds Utf8 where a whole number was to be written"
    );
}

#[test]
fn decimals_come_back_from_text_with_every_digit() {
    let wide = DataType::Decimal256(76, 38);
    let texts =
        ["-0.00000000000000000000000000000000000001", "57896044618658097711785492504343953926", "1.5"];
    let restored = restore(Form::DecimalText, &array(StringArray::from(texts.to_vec())), &wide).unwrap();
    let shown: Vec<_> = (0..3).map(|row| array_value_to_string(&restored, row).unwrap()).collect();
    assert_eq!(shown[0], texts[0]);
    assert!(shown[1].starts_with(texts[1]) && shown[2].starts_with("1.50"), "{shown:?}");
    assert_ne!(i256::ZERO, i256::ONE);
    for wrong in ["1e3", "", "NaN", "0.000000000000000000000000000000000000001", "1.", "--1"] {
        let text = array(StringArray::from(vec![wrong]));
        assert!(restore(Form::DecimalText, &text, &wide).is_err(), "{wrong}");
    }
}

#[test]
fn integers_of_128_bits_come_back_as_the_bytes_that_are_streamed() {
    let sixteen = DataType::FixedSizeBinary(16);
    let bytes = |integers: &[[u8; 16]]| {
        array(FixedSizeBinaryArray::try_from_iter(integers.iter().map(|bytes| &bytes[..])).unwrap())
    };
    let texts = array(StringArray::from(vec!["-1", "170141183460469231731687303715884105727"]));
    let restored = restore(Form::Int128Text, &texts, &sixteen).unwrap();
    assert_eq!(&restored, &bytes(&[(-1_i128).to_le_bytes(), i128::MAX.to_le_bytes()]));
    let texts = array(StringArray::from(vec!["340282366920938463463374607431768211455"]));
    assert_eq!(&restore(Form::UInt128Text, &texts, &sixteen).unwrap(), &bytes(&[u128::MAX.to_le_bytes()]));
    assert!(restore(Form::Int128Text, &texts, &sixteen).is_err());
    assert_eq!(
        restore(Form::UInt128Text, &texts, &DataType::Int64).unwrap_err(),
        "is an integer as text, and the source describes Int64"
    );
}
