//! The same value in every row.

use arrow::{
    array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray},
    datatypes::DataType,
    error::ArrowError,
};
use std::{iter::repeat_n, sync::Arc};

/// A value that a configuration states, of the type that it is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    /// Text.
    Text(String),
    /// A boolean.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A decimal with as many digits as were written: `1.50` is a decimal(3, 2).
    Decimal {
        /// The digits, without the point.
        unscaled: i128,
        /// How many there are; at most 38.
        precision: u8,
        /// How many of them stand after the point.
        scale: i8,
    },
}

impl Constant {
    /// The decimal number that is written so: digits, a point, digits. `None` if it is not, or has more than 38 digits.
    pub fn decimal(written: &str) -> Option<Self> {
        let (sign, number) = match written.strip_prefix('-') {
            Some(number) => (-1, number),
            None => (1, written.strip_prefix('+').unwrap_or(written)),
        };
        let (whole, fraction) = number.split_once('.')?;
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
        if digits.len() > 38 {
            return None;
        }
        let unscaled: i128 = digits.parse().ok()?;
        let precision = u8::try_from(digits.len()).ok()?;
        let scale = i8::try_from(fraction.len()).ok()?;
        Some(Self::Decimal { unscaled: sign * unscaled, precision, scale })
    }

    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Boolean(_) => DataType::Boolean,
            Self::Integer(_) => DataType::Int64,
            Self::Decimal { precision, scale, .. } => DataType::Decimal128(*precision, *scale),
        }
    }

    pub(super) fn rows(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(text) => {
                if text.len().saturating_mul(rows) > i32::MAX.unsigned_abs() as usize {
                    return Err(ArrowError::OffsetOverflowError(text.len().saturating_mul(rows)));
                }
                Arc::new(StringArray::from_iter_values(repeat_n(text.as_str(), rows)))
            }
            Self::Boolean(flag) => Arc::new(BooleanArray::from(vec![*flag; rows])),
            Self::Integer(number) => Arc::new(Int64Array::from(vec![*number; rows])),
            Self::Decimal { unscaled, precision, scale } => Arc::new(
                Decimal128Array::from(vec![*unscaled; rows]).with_precision_and_scale(*precision, *scale)?,
            ),
        })
    }
}
