//! Values that some drivers have a form of their own for, and say so beside the Arrow type.

use super::{
    error::{Fault, Misfits},
    leaf,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array},
    compute::{is_null, nullif},
    datatypes::{DataType, i256},
};
use std::sync::Arc;

const NO_NUMBER: &str =
    "it is no number (NaN or infinity), which a decimal cannot hold; make it NULL in the query";
const NUMERIC_DIGITS: &str = "it has more than 38 digits before the point, or more than 38 after it; cast it to NUMERIC(precision, scale) in the query";
const HUGEINT_DIGITS: &str = "the whole number has more than 38 digits; cast it to text in the query";

/// Digits on either side of the point of a numeric whose scale nobody knows.
const HALF: usize = 38;

/// Decimals that are written out, of any scale, as the ADBC driver of Postgres delivers NUMERIC.
pub(super) fn numeric(array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef, Fault> {
    let texts = leaf::bytes(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let mut value = |row| match texts.is_valid(row).then(|| written(texts.value(row).as_bytes())) {
        Some(Ok(value)) => value,
        Some(Err(reason)) => {
            misfits.add(row, reason);
            i256::ZERO
        }
        None => i256::ZERO,
    };
    let values: Vec<i256> = (0..texts.len()).map(&mut value).collect();
    let decimals = Decimal256Array::new(values.into(), texts.nulls().cloned());
    Ok(Arc::new(decimals.with_precision_and_scale(76, 38)?))
}

/// The number in units of the 38th digit after the point.
fn written(text: &[u8]) -> Result<i256, &'static str> {
    let (is_negative, number) = match text.strip_prefix(b"-") {
        Some(number) => (true, number),
        None => (false, text),
    };
    let point = number.iter().position(|byte| *byte == b'.').unwrap_or(number.len());
    let (whole, fraction) = (&number[..point], number.get(point + 1..).unwrap_or_default());
    if whole.len() + fraction.len() == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(NO_NUMBER);
    }
    let zeros = whole.iter().take_while(|digit| **digit == b'0').count();
    let whole = &whole[zeros..];
    let end = fraction.len() - fraction.iter().rev().take_while(|digit| **digit == b'0').count();
    let fraction = &fraction[..end];
    if whole.len() > HALF || fraction.len() > HALF {
        return Err(NUMERIC_DIGITS);
    }
    // 38 digits fit into 128 bits.
    let number = |digits: &[u8]| digits.iter().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let power = |digits: usize| (0..digits).fold(1_u128, |power, _| power * 10);
    let fraction = number(fraction) * power(HALF - fraction.len());
    let units = i256::from_parts(number(whole), 0)
        .wrapping_mul(i256::from_parts(power(HALF), 0))
        .wrapping_add(i256::from_parts(fraction, 0));
    Ok(if is_negative { units.wrapping_neg() } else { units })
}

/// 128-bit whole numbers of DuckDB, in little-endian bytes: those with a sign, which are decimals of 38 digits here, and those
/// without, which have 39.
pub(super) fn hugeint(array: &ArrayRef, precision: u8, misfits: &mut Misfits) -> Result<ArrayRef, Fault> {
    let bytes = array.as_fixed_size_binary();
    let number = |row| {
        let mut little = [0; 16];
        if bytes.is_valid(row) {
            little.copy_from_slice(bytes.value(row));
        }
        little
    };
    let rows = 0..bytes.len();
    if precision > 38 {
        let values: Vec<i256> =
            rows.map(|row| i256::from_parts(u128::from_le_bytes(number(row)), 0)).collect();
        let decimals = Decimal256Array::new(values.into(), bytes.nulls().cloned());
        return Ok(Arc::new(decimals.with_precision_and_scale(precision, 0)?));
    }
    const LIMIT: u128 = 10_u128.pow(38);
    let mut value = |row| {
        let value = i128::from_le_bytes(number(row));
        if value.unsigned_abs() >= LIMIT {
            misfits.add(row, HUGEINT_DIGITS);
            return 0;
        }
        value
    };
    let values: Vec<i128> = rows.map(&mut value).collect();
    let decimals = Decimal128Array::new(values.into(), bytes.nulls().cloned());
    Ok(Arc::new(decimals.with_precision_and_scale(precision, 0)?))
}

/// The moments of `arrow.timestamp_with_offset`, a struct of a moment and an offset.
pub(super) fn with_offset(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let parts = array.as_struct();
    Ok(nullif(parts.column(0), &is_null(parts)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carry::{Carried, Carrier};
    use arrow::{
        array::*,
        buffer::OffsetBuffer,
        datatypes::{Field, Schema, TimeUnit},
        record_batch::RecordBatch,
    };
    use hydrant_contract::{Shape, ValueType};
    use proptest::prelude::*;

    /// A column with these notes beside its type, carried under a key; and its misfits by row.
    fn carried(array: ArrayRef, notes: &[(&str, &str)]) -> (ValueType, ArrayRef, Vec<(usize, &'static str)>) {
        let metadata = notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let field = Field::new("v", array.data_type().clone(), true).with_metadata(metadata.collect());
        let value = ValueType::of(&field).unwrap();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..array.len() as i64));
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), field]));
        let rows = RecordBatch::try_new(schema.clone(), vec![ids, array]).unwrap();
        let shape = Shape::of(&schema, vec!["id".into()]).unwrap();
        let Carried { rows, misfits } = Carrier::new(&schema, &shape).unwrap().carry(&rows).unwrap();
        (value, rows.column(1).clone(), misfits.iter().map(|misfit| (misfit.row, misfit.reason)).collect())
    }

    fn opaque(name: &str, vendor: &str) -> [(&'static str, String); 2] {
        let named = format!(r#"{{"type_name": "{name}", "vendor_name": "{vendor}"}}"#);
        [("ARROW:extension:name", "arrow.opaque".to_owned()), ("ARROW:extension:metadata", named)]
    }

    fn carried_opaque(
        array: ArrayRef,
        name: &str,
        vendor: &str,
    ) -> (ValueType, ArrayRef, Vec<(usize, &'static str)>) {
        let notes = opaque(name, vendor);
        carried(array, &notes.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>())
    }

    #[test]
    fn numerics_of_any_scale_are_exact_or_refused() {
        let nines = "9".repeat(38);
        let (most, long) = (format!("-{nines}.{nines}"), format!("0.{}1", "0".repeat(38)));
        let texts: Vec<Option<&str>> = vec![
            Some("1.50"),
            None,
            Some(&most),
            Some("-0.0"),
            Some("00012"),
            Some("nan"),
            Some("-inf"),
            Some(&long),
            Some("100000000000000000000000000000000000000"),
        ];
        let zeros = format!("7.{}", "0".repeat(60));
        let texts: Vec<_> = texts.into_iter().chain([Some(zeros.as_str())]).collect();
        let wanted: Vec<Option<i256>> = ["1.50", "", &most, "0", "12", "", "", "", "", "7"]
            .iter()
            .map(|text| hydrant_contract::carrier::parse_units(text, 38))
            .collect();
        for array in [
            Arc::new(StringArray::from(texts.clone())) as ArrayRef,
            Arc::new(LargeStringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
        ] {
            let (value, column, misfits) = carried_opaque(array, "numeric", "PostgreSQL");
            assert_eq!(value, ValueType::Decimal { precision: 76, scale: 38 });
            let expected = Decimal256Array::from(wanted.clone()).with_precision_and_scale(76, 38).unwrap();
            assert_eq!(column.as_ref(), &expected as &dyn Array);
            assert_eq!(misfits, [(5, NO_NUMBER), (6, NO_NUMBER), (7, NUMERIC_DIGITS), (8, NUMERIC_DIGITS)]);
        }
        for bad in ["", "-", ".", "+1", "1e5", "1,5", "1.2.3", " 1", "--1", "0x1"] {
            assert_eq!(written(bad.as_bytes()), Err(NO_NUMBER), "{bad:?}");
        }
    }

    #[test]
    fn numerics_in_lists_and_dictionaries_are_numbers_too() {
        let keys = Int8Array::from(vec![Some(1), None, Some(0)]);
        let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["2", "3.5"])));
        let (_, column, misfits) = carried_opaque(Arc::new(dictionary), "numeric", "PostgreSQL");
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("3.5"), None, Some("2")]));
        assert_eq!((column, misfits), {
            let (_, column, misfits) = carried_opaque(texts, "numeric", "PostgreSQL");
            (column, misfits)
        });

        let notes = opaque("hugeint", "DuckDB").map(|(key, value)| (key.to_owned(), value));
        let item = Field::new("l", DataType::FixedSizeBinary(16), true).with_metadata(notes.into());
        let items = little([Some(3), Some(i128::MAX), None]);
        let lists = ListArray::new(Arc::new(item), OffsetBuffer::from_lengths([1, 2]), items, None);
        let (value, column, misfits) = carried(Arc::new(lists), &[]);
        assert_eq!(value, ValueType::List(Box::new(ValueType::Decimal { precision: 38, scale: 0 })));
        assert_eq!((column.is_null(0), misfits), (false, vec![(1, HUGEINT_DIGITS)]));
    }

    fn little(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
        let bytes = values.into_iter().map(|value| value.map(i128::to_le_bytes));
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).unwrap())
    }

    #[test]
    fn hugeints_are_whole_numbers_of_38_digits_and_those_without_sign_of_39() {
        let most = 10_i128.pow(38) - 1;
        let array = little([Some(1), None, Some(-most), Some(most), Some(most + 1), Some(i128::MIN)]);
        let (value, column, misfits) = carried_opaque(array.clone(), "hugeint", "DuckDB");
        let expected = Decimal128Array::from(vec![Some(1), None, Some(-most), Some(most), None, None]);
        let expected = expected.with_precision_and_scale(38, 0).unwrap();
        assert_eq!(value, ValueType::Decimal { precision: 38, scale: 0 });
        assert_eq!(column.as_ref(), &expected as &dyn Array);
        assert_eq!(misfits, [(4, HUGEINT_DIGITS), (5, HUGEINT_DIGITS)]);

        let (value, column, misfits) =
            carried_opaque(little([Some(-1), None, Some(7)]), "uhugeint", "DuckDB");
        assert_eq!((value, misfits), (ValueType::Decimal { precision: 39, scale: 0 }, vec![]));
        let expected =
            [Some(i256::from_parts(u128::MAX, 0)), None, Some(i256::from_i128(7))].into_iter().collect();
        let expected: Decimal256Array = expected;
        let expected = expected.with_precision_and_scale(39, 0).unwrap();
        assert_eq!(column.as_ref(), &expected as &dyn Array);
    }

    #[test]
    fn a_byte_is_a_boolean_where_the_driver_says_so() {
        let bytes = Arc::new(Int8Array::from(vec![Some(0), Some(1), None, Some(-1)]));
        let (value, column, _) = carried(bytes, &[("ARROW:extension:name", "arrow.bool8")]);
        assert_eq!(value, ValueType::Boolean);
        let expected = BooleanArray::from(vec![Some(false), Some(true), None, Some(true)]);
        assert_eq!(column.as_boolean(), &expected);
    }

    #[test]
    fn a_timestamp_with_an_offset_is_the_moment() {
        let moments = TimestampSecondArray::from(vec![1, 2, i64::MAX, i64::MAX]).with_timezone("UTC");
        let fields = vec![
            Field::new("timestamp", DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), false),
            Field::new("offset_minutes", DataType::Int16, false),
        ];
        let offsets: ArrayRef = Arc::new(Int16Array::from(vec![0, -300, 60, 60]));
        let nulls = arrow::buffer::NullBuffer::from(vec![true, true, true, false]);
        let parts = StructArray::new(fields.into(), vec![Arc::new(moments), offsets], Some(nulls));
        let (value, column, misfits) =
            carried(Arc::new(parts), &[("ARROW:extension:name", "arrow.timestamp_with_offset")]);
        assert_eq!(value.to_string(), "timestamp with zone in microseconds");
        let expected = TimestampMicrosecondArray::from(vec![Some(1_000_000), Some(2_000_000), None, None]);
        assert_eq!(column.as_ref(), &expected.with_timezone("UTC") as &dyn Array);
        assert_eq!(
            misfits.iter().map(|(row, _)| *row).collect::<Vec<_>>(),
            [2],
            "what hides under NULL is not judged"
        );
    }

    proptest! {
        /// Against the parser that targets read decimals back with, which shares no code with this one.
        #[test]
        fn every_numeric_that_can_be_written_is_read_to_the_last_digit(
            sign in "-?", whole in "[0-9]{1,40}", fraction in "(\\.[0-9]{0,40})?",
        ) {
            let text = format!("{sign}{whole}{fraction}");
            let fits = whole.trim_start_matches('0').len() <= 38;
            let expected = hydrant_contract::carrier::parse_units(&text, 38).filter(|_| fits);
            prop_assert_eq!(written(text.as_bytes()).ok(), expected);
        }
    }
}
