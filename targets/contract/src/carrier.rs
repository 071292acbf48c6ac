//! Values that a target has read into their carriers, exactly or not at all.

use crate::{Resolution, ValueType};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, FixedSizeListArray,
        Float32Array, ListArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
        TimestampNanosecondArray,
    },
    datatypes::{DataType, FieldRef, Float32Type, i256},
};
use std::sync::Arc;

/// Why what was read cannot be carried, in words.
pub type Unreadable = String;

/// Whole numbers of units as decimals of this precision and scale.
pub fn decimals(
    value: &ValueType,
    precision: u8,
    scale: i8,
    values: Vec<Option<i256>>,
) -> Result<ArrayRef, Unreadable> {
    let wrong = |e: arrow::error::ArrowError| e.to_string();
    // Arrow's own check of the precision stumbles over negative scales.
    let limit = i256::from_i128(10).checked_pow(precision.into()).unwrap_or(i256::MAX);
    if values.iter().flatten().any(|v| *v >= limit || *v <= -limit) {
        return Err("a number of the table has too many digits".to_owned());
    }
    if let DataType::Decimal256(..) = value.carrier() {
        let array = Decimal256Array::from(values);
        return Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(wrong)?));
    }
    let array = Decimal128Array::from_iter(values.into_iter().map(|v| v.map(i256::as_i128)));
    Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(wrong)?))
}

/// Times, timestamps or instants, in the unit of their carrier.
pub fn times(value: &ValueType, values: Vec<Option<i64>>) -> ArrayRef {
    match value {
        ValueType::Time(Resolution::Micro) => Arc::new(Time64MicrosecondArray::from(values)),
        ValueType::Time(Resolution::Nano) => Arc::new(Time64NanosecondArray::from(values)),
        ValueType::Timestamp(Resolution::Micro) => Arc::new(TimestampMicrosecondArray::from(values)),
        ValueType::Timestamp(Resolution::Nano) => Arc::new(TimestampNanosecondArray::from(values)),
        ValueType::Instant(Resolution::Nano) => {
            Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"))
        }
        _ => Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")),
    }
}

/// The bytes of UUIDs.
pub fn uuids(values: impl Iterator<Item = Option<[u8; 16]>>) -> Result<ArrayRef, Unreadable> {
    let array =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).map_err(|e| e.to_string())?;
    Ok(Arc::new(array))
}

/// The field of the items of a list or vector, as the carrier has it.
pub fn item_field(value: &ValueType) -> Result<FieldRef, Unreadable> {
    match value.carrier() {
        DataType::List(field) | DataType::FixedSizeList(field, _) => Ok(field),
        other => Err(format!("{other} has no items")),
    }
}

/// Lists that all have the length of the vector, where they are not NULL.
pub fn vectors(lists: &ListArray, len: i32) -> Result<ArrayRef, Unreadable> {
    let mut values: Vec<Option<f32>> = Vec::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            values.extend(std::iter::repeat_n(None, usize::try_from(len).unwrap_or_default()));
            continue;
        }
        if lists.value_length(row) != len {
            return Err(format!("a vector of the table has not {len} dimensions"));
        }
        values.extend(lists.value(row).as_primitive::<Float32Type>().iter());
    }
    let field = item_field(&ValueType::Vector(len))?;
    let values = Arc::new(Float32Array::from(values));
    let array = FixedSizeListArray::try_new(field, len, values, lists.nulls().cloned());
    Ok(Arc::new(array.map_err(|e| e.to_string())?))
}

/// A number in units of this scale, if it is one without a rest. It may have an exponent, as numbers in JSON do.
pub fn parse_units(text: &str, scale: u32) -> Option<i256> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?)
        }
        None => (text, 0_i64),
    };
    let (sign, number) = mantissa.strip_prefix('-').map_or(("", mantissa), |number| ("-", number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The power of ten of the last digit, in units.
    let power = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(scale.into())?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(i256::ZERO);
    }
    let shifted = match usize::try_from(power.unsigned_abs()).ok()? {
        // No number that fits has as many digits.
        zeros if power >= 0 => (zeros < 100).then(|| format!("{digits}{}", "0".repeat(zeros)))?,
        cut => digits.strip_suffix("0".repeat(cut.min(1000)).as_str())?.to_owned(),
    };
    i256::from_string(&format!("{sign}{shifted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_without_rounding() {
        assert_eq!(parse_units("-1.50", 2), Some(i256::from_i128(-150)));
        assert_eq!(parse_units("1.505", 2), None);
        assert_eq!(parse_units("7", 0), Some(i256::from_i128(7)));
        assert_eq!(parse_units(".5", 1), Some(i256::from_i128(5)));
        assert_eq!(parse_units("1.5e3", 1), Some(i256::from_i128(15_000)));
        assert_eq!(parse_units("1e20", 0), Some(i256::from_i128(100_000_000_000_000_000_000)));
        assert_eq!(parse_units("1500e-2", 0), Some(i256::from_i128(15)));
        assert_eq!(parse_units("15e-1", 0), None);
        assert_eq!(parse_units("0.000", 0), Some(i256::ZERO));
        for bad in ["", "-", ".", "1e", "e5", "1e999999999999", "x", "1.2.3"] {
            assert_eq!(parse_units(bad, 5), None, "{bad}");
        }
    }
}
