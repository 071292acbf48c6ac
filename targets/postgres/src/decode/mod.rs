//! Answers of Postgres back into the Arrow carriers, exactly or not at all.

use crate::{
    column_type::Kind,
    encode::{self, DAYS_TO_2000, MICROS_TO_2000},
};
use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array,
        ListArray, StringArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, i256},
};
use hydrant_contract::{
    Resolution, ValueType,
    carrier::{Unreadable, decimals, item_field, parse_units, times, uuids, vectors},
    json,
};
use std::sync::Arc;

/// The values of one column from their binary forms in the [travelling](Kind::travel) type of a column of this kind.
pub(crate) fn column(
    value: &ValueType,
    kind: &Kind,
    cells: &[Option<&[u8]>],
) -> Result<ArrayRef, Unreadable> {
    match (value, kind.travel()) {
        (ValueType::List(_), Kind::Array(item, _)) => list(value, &item, cells),
        (ValueType::Vector(len), Kind::Array(item, _)) => {
            let items = list(&ValueType::List(Box::new(ValueType::Float32)), &item, cells)?;
            vectors(items.as_list::<i32>(), *len)
        }
        (ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..), _) => {
            let texts = collect(cells, text)?;
            json::read(value, &texts)
        }
        (_, travel) => scalars(value, &travel, cells),
    }
}

fn collect<'c, T>(
    cells: &[Option<&'c [u8]>],
    read: impl Fn(&'c [u8]) -> Option<T>,
) -> Result<Vec<Option<T>>, Unreadable> {
    let read = |cell: &'c [u8]| {
        read(cell).ok_or_else(|| "a value of the table cannot be carried exactly".to_owned())
    };
    cells.iter().map(|cell| cell.map(read).transpose()).collect()
}

fn scalars(value: &ValueType, kind: &Kind, cells: &[Option<&[u8]>]) -> Result<ArrayRef, Unreadable> {
    Ok(match value {
        ValueType::Boolean => Arc::new(BooleanArray::from(collect(cells, |c| c.first().map(|b| *b != 0))?)),
        ValueType::Integer(range) => {
            let (low, high) = range.range();
            let read = |c| number(kind, c, 0)?.to_i128().filter(|v| (low..=high).contains(v));
            match value.carrier() {
                DataType::UInt64 => {
                    let values = collect(cells, |c| u64::try_from(read(c)?).ok())?;
                    Arc::new(UInt64Array::from(values))
                }
                _ => Arc::new(Int64Array::from(collect(cells, |c| i64::try_from(read(c)?).ok())?)),
            }
        }
        ValueType::Decimal { precision, scale } => {
            // Units of a positive power of ten: read as whole numbers, then divided.
            let (places, factor) = ((*scale).max(0).unsigned_abs(), (*scale).min(0).unsigned_abs());
            let factor = i256::from_i128(10).checked_pow(factor.into()).ok_or("the scale is too large")?;
            let read = |c| {
                let units = number(kind, c, places.into())?;
                (units % factor == i256::ZERO).then(|| units / factor)
            };
            decimals(value, *precision, *scale, collect(cells, read)?)?
        }
        ValueType::Float32 => Arc::new(Float32Array::from(collect(cells, |c| match kind {
            Kind::Float8 => narrowed(f64::from_be_bytes(c.try_into().ok()?)),
            _ => Some(f32::from_be_bytes(c.try_into().ok()?)),
        })?)),
        ValueType::Float64 => {
            Arc::new(Float64Array::from(collect(cells, |c| Some(f64::from_be_bytes(c.try_into().ok()?)))?))
        }
        ValueType::Text if *kind == Kind::Uuid => {
            let texts = collect(cells, |c| Some(uuid::Uuid::from_slice(c).ok()?.to_string()))?;
            Arc::new(StringArray::from(texts))
        }
        ValueType::Text | ValueType::Json => Arc::new(StringArray::from(collect(cells, text)?)),
        ValueType::Bytes => Arc::new(BinaryArray::from(cells.to_vec())),
        ValueType::Date => {
            let day = |c: &[u8]| i32::from_be_bytes(c.try_into().ok()?).checked_add(DAYS_TO_2000);
            Arc::new(Date32Array::from(collect(cells, day)?))
        }
        ValueType::Time(unit) => times(value, collect(cells, |c| in_unit(long(c)?, *unit))?),
        ValueType::Timestamp(unit) | ValueType::Instant(unit) => {
            // The largest and the smallest number stand for infinity.
            let finite =
                |c| long(c).filter(|v| !matches!(*v, i64::MAX | i64::MIN))?.checked_add(MICROS_TO_2000);
            times(value, collect(cells, |c| in_unit(finite(c)?, *unit))?)
        }
        ValueType::Uuid => {
            let read = |c| match kind {
                Kind::Uuid => uuid::Uuid::from_slice(c).ok(),
                // As hydrant writes it: other texts of the same UUID are other keys to the table.
                _ => uuid::Uuid::try_parse(text(c)?).ok().filter(|u| u.to_string().as_bytes() == c),
            };
            uuids(collect(cells, read)?.into_iter().map(|u| u.map(uuid::Uuid::into_bytes)))?
        }
        ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..) => {
            return Err("a nested value is not a scalar".to_owned());
        }
    })
}

fn text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok()
}

fn long(cell: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(cell.try_into().ok()?))
}

/// A number in units of this scale.
fn number(kind: &Kind, cell: &[u8], scale: u32) -> Option<i256> {
    let whole = match kind {
        Kind::Int2 => i16::from_be_bytes(cell.try_into().ok()?).to_string(),
        Kind::Int4 => i32::from_be_bytes(cell.try_into().ok()?).to_string(),
        Kind::Int8 => long(cell)?.to_string(),
        _ => encode::digits_of(cell)?,
    };
    parse_units(&whole, scale)
}

/// A float that was widened, or would be again without loss.
fn narrowed(wide: f64) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation)]
    let narrow = wide as f32;
    (wide.is_nan() || f64::from(narrow) == wide).then_some(narrow)
}

fn in_unit(micros: i64, unit: Resolution) -> Option<i64> {
    match unit {
        Resolution::Micro => Some(micros),
        Resolution::Nano => micros.checked_mul(1000),
    }
}

/// Arrays of one dimension (`array_send`).
fn list(value: &ValueType, kind: &Kind, cells: &[Option<&[u8]>]) -> Result<ArrayRef, Unreadable> {
    let ValueType::List(item) = value else { return Err(format!("{value} is not a list")) };
    let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(cells.len()));
    for cell in cells {
        let before = items.len();
        if let Some(cell) = cell {
            array_items(cell, &mut items).ok_or("an array of the table has more than one dimension")?;
        }
        lengths.push(items.len() - before);
    }
    let nulls = NullBuffer::from_iter(cells.iter().map(Option::is_some));
    let items = column(item, kind, &items)?;
    let list =
        ListArray::try_new(item_field(value)?, OffsetBuffer::from_lengths(lengths), items, Some(nulls));
    Ok(Arc::new(list.map_err(|e| e.to_string())?))
}

fn array_items<'c>(cell: &'c [u8], items: &mut Vec<Option<&'c [u8]>>) -> Option<()> {
    let word = |at: usize| Some(i32::from_be_bytes(cell.get(at..at + 4)?.try_into().ok()?));
    let count = match word(0)? {
        0 => return Some(()),
        1 => word(12)?,
        _ => return None,
    };
    let mut at = 20;
    for _ in 0..count {
        let length = word(at)?;
        at += 4;
        match usize::try_from(length) {
            Ok(length) => {
                items.push(Some(cell.get(at..at + length)?));
                at += length;
            }
            Err(_) => items.push(None),
        }
    }
    Some(())
}
