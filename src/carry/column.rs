//! One array, of any Arrow type, into the carrier of its logical type.

use super::{
    error::{Fault, Misfits},
    foreign, leaf, nested,
};
use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::{CastOptions, cast_with_options, take},
    datatypes::DataType,
};
use hydrant_contract::ValueType;
use std::sync::Arc;

/// The array in its carrier. The array's logical type is `value`. Where a value is a misfit, anything may stand.
pub(super) fn carry(array: &ArrayRef, value: &ValueType, misfits: &mut Misfits) -> Result<ArrayRef, Fault> {
    let array = plain(array)?;
    if array.data_type() == &value.carrier() {
        return Ok(array);
    }
    match value {
        // A double and a UUID have no second form once dictionaries and runs are undone; a boolean may be a byte, of which 0
        // is false and everything else true.
        ValueType::Boolean | ValueType::Float64 | ValueType::Uuid => exact_cast(&array, &value.carrier()),
        // From at most 32 unsigned or 64 signed bits into Int64, and from a half float: every value fits.
        ValueType::Integer(_) | ValueType::Float32 => exact_cast(&array, &value.carrier()),
        ValueType::Decimal { .. } if array.data_type().is_string() => foreign::numeric(&array, misfits),
        ValueType::Decimal { precision, .. }
            if matches!(array.data_type(), DataType::FixedSizeBinary(16)) =>
        {
            foreign::hugeint(&array, *precision, misfits)
        }
        ValueType::Decimal { precision, scale } => leaf::decimal(&array, *precision, *scale, misfits),
        ValueType::Text | ValueType::Json | ValueType::Bytes => leaf::bytes(&array, &value.carrier()),
        ValueType::Date => Ok(leaf::date(&array, misfits)),
        ValueType::Time(_) => leaf::time(&array, misfits),
        ValueType::Instant(_) if array.data_type().is_nested() => {
            carry(&foreign::with_offset(&array)?, value, misfits)
        }
        ValueType::Timestamp(_) | ValueType::Instant(_) => leaf::timestamp(&array, &value.carrier(), misfits),
        ValueType::List(item) => nested::list(&array, item, misfits),
        ValueType::Vector(len) => nested::vector(&array, *len),
        ValueType::Struct(fields) => nested::structure(&array, fields, misfits),
        ValueType::Map(key, value) => nested::map(&array, key, value, misfits),
    }
}

/// Undoes dictionaries and runs, which may contain one another.
///
/// What a dictionary holds but no row refers to is dropped here, so that it is never judged.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let mut array = Arc::clone(array);
    loop {
        array = match array.data_type() {
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                gather(dictionary.values(), dictionary.keys())?
            }
            DataType::RunEndEncoded(_, values) => {
                let plain = exact_cast(&array, values.data_type())?;
                same_rows(array.len(), plain)?
            }
            _ => return Ok(array),
        }
    }
}

/// The values at these positions.
pub(super) fn gather(values: &ArrayRef, positions: &dyn Array) -> Result<ArrayRef, Fault> {
    same_rows(positions.len(), take(values, positions, None)?)
}

/// Arrow's kernel that gathers forgets how many values there are if each is of length 0 by its
/// type (`FixedSizeBinary(0)`, lists of fixed size 0).
fn same_rows(rows: usize, gathered: ArrayRef) -> Result<ArrayRef, Fault> {
    if gathered.len() == rows { Ok(gathered) } else { Err(Fault::column(NO_LENGTH)) }
}

const NO_LENGTH: &str =
    "its values are of length 0, which Arrow's kernels lose count of; leave it out of the query";

/// Arrow's own kernel, told to fail where it would otherwise write NULL.
pub(super) fn exact_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(array, to, &options)?)
}
