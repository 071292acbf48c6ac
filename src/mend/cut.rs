//! What fits of a value.

use super::limit::{Numbers, Texts, whole};
use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, MapArray, PrimitiveArray, StringBuilder,
        StructArray,
    },
    buffer::BooleanBuffer,
    datatypes::{
        DataType, Decimal128Type, Decimal256Type, Int64Type, Time64MicrosecondType, Time64NanosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampNanosecondType, i256,
    },
    error::ArrowError,
};
use hydrant_contract::{Integer, Limits, ValueType};
use std::{borrow::Cow, sync::Arc};

/// NUL as a JSON text has to write it.
pub(super) const ESCAPED_NUL: &str = "\\u0000";

/// The array with what fits of the chosen values, and how many were cut. A value that does not fit when it is cut, or of
/// which nothing can be cut, stays.
pub(super) fn cut(
    array: &ArrayRef,
    value: &ValueType,
    limits: &Limits,
    chosen: &BooleanBuffer,
) -> Result<(ArrayRef, u64), ArrowError> {
    let texts = |shorten: &dyn for<'a> Fn(&'a str) -> Cow<'a, str>| {
        let texts = map_texts(array, &|row, text| {
            if chosen.value(row) { shorten(text) } else { Cow::Borrowed(text) }
        });
        let count = chosen.set_indices().filter(|row| array.is_valid(*row)).count() as u64;
        Ok((texts, count))
    };
    match value {
        ValueType::Text => texts(&|text| shortened(text, limits)),
        ValueType::Json => texts(&|json| without_escaped_nul(json)),
        ValueType::List(_) | ValueType::Struct(_) | ValueType::Map(..) if limits.no_nul => {
            let count = chosen.set_indices().filter(|row| array.is_valid(*row)).count() as u64;
            Ok((without_nul(array, value)?, count))
        }
        ValueType::Decimal { precision: 39.., .. } => {
            let limit = Numbers::new(value, limits, i256::from_i128);
            let numbers = array.as_primitive::<Decimal256Type>();
            Ok(cut_numbers::<Decimal256Type>(array, chosen, |row| limit.cut(numbers.value(row))))
        }
        // Only of numbers with digits after the point can something be cut without becoming another number altogether;
        // a whole number is only ever out of range.
        ValueType::Integer(Integer::U64) => Ok((array.clone(), 0)),
        _ => {
            let Some(number) = whole(array.as_ref(), value) else { return Ok((array.clone(), 0)) };
            let limit = Numbers::new(value, limits, |n| n);
            let long = |row| limit.cut(number(row)).and_then(|n| i64::try_from(n).ok());
            Ok(match array.data_type() {
                DataType::Decimal128(..) => {
                    cut_numbers::<Decimal128Type>(array, chosen, |row| limit.cut(number(row)))
                }
                DataType::Int64 => cut_numbers::<Int64Type>(array, chosen, long),
                DataType::Time64(TimeUnit::Microsecond) => {
                    cut_numbers::<Time64MicrosecondType>(array, chosen, long)
                }
                DataType::Time64(_) => cut_numbers::<Time64NanosecondType>(array, chosen, long),
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    cut_numbers::<TimestampMicrosecondType>(array, chosen, long)
                }
                DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                    cut_numbers::<TimestampNanosecondType>(array, chosen, long)
                }
                _ => (array.clone(), 0),
            })
        }
    }
}

fn cut_numbers<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    chosen: &BooleanBuffer,
    cut: impl Fn(usize) -> Option<T::Native>,
) -> (ArrayRef, u64) {
    let numbers = array.as_primitive::<T>();
    let (mut values, mut count) = (numbers.values().to_vec(), 0);
    for row in chosen.set_indices().filter(|row| numbers.is_valid(*row)) {
        if let Some(value) = cut(row) {
            values[row] = value;
            count += 1;
        }
    }
    let cut = PrimitiveArray::<T>::new(values.into(), numbers.nulls().cloned());
    (Arc::new(cut.with_data_type(array.data_type().clone())), count)
}

fn map_texts(array: &ArrayRef, change: &dyn for<'a> Fn(usize, &'a str) -> Cow<'a, str>) -> ArrayRef {
    let texts = array.as_string::<i32>();
    let mut out = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for (row, text) in texts.iter().enumerate() {
        out.append_option(text.map(|text| change(row, text)));
    }
    Arc::new(out.finish())
}

/// The text without NUL, its first characters, without a space at the end: as far as the limits ask for it.
fn shortened<'a>(text: &'a str, limits: &Limits) -> Cow<'a, str> {
    let mut text = match limits.no_nul && text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "")),
        false => Cow::Borrowed(text),
    };
    let max = Texts(limits).characters();
    if let Some((end, _)) = text.char_indices().nth(max) {
        text = Cow::Owned(text[..end].to_owned());
    }
    if limits.no_space_at_end && text.ends_with(' ') {
        text = Cow::Owned(text.trim_end_matches(' ').to_owned());
    }
    text
}

/// The JSON text without the escapes that stand for NUL.
fn without_escaped_nul(json: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match rest.strip_prefix(ESCAPED_NUL) {
            Some(after) => rest = after,
            None => {
                let mut after = rest.chars();
                out.extend(after.by_ref().take(2));
                rest = after.as_str();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The same values without NUL in any of their texts.
fn without_nul(array: &ArrayRef, value: &ValueType) -> Result<ArrayRef, ArrowError> {
    let child = |array: &dyn Array| match array.data_type() {
        DataType::List(field) | DataType::Map(field, _) => Some(field.clone()),
        _ => None,
    };
    Ok(match value {
        ValueType::Text => map_texts(array, &|_, text| match text.contains('\0') {
            true => Cow::Owned(text.replace('\0', "")),
            false => Cow::Borrowed(text),
        }),
        ValueType::Json => map_texts(array, &|_, json| without_escaped_nul(json)),
        ValueType::List(item) => {
            let list = array.as_list::<i32>();
            let items = without_nul(list.values(), item)?;
            match child(list) {
                Some(field) => {
                    Arc::new(ListArray::try_new(field, list.offsets().clone(), items, list.nulls().cloned())?)
                }
                None => array.clone(),
            }
        }
        ValueType::Struct(fields) => {
            let whole = array.as_struct();
            let parts: Result<Vec<_>, _> = fields
                .iter()
                .zip(whole.columns())
                .map(|((_, value), column)| without_nul(column, value))
                .collect();
            Arc::new(StructArray::try_new_with_length(
                whole.fields().clone(),
                parts?,
                whole.nulls().cloned(),
                whole.len(),
            )?)
        }
        ValueType::Map(key, value) => {
            let map = array.as_map();
            let parts = vec![without_nul(map.keys(), key)?, without_nul(map.values(), value)?];
            let entries = StructArray::try_new(map.entries().fields().clone(), parts, None)?;
            match child(map) {
                Some(field) => Arc::new(MapArray::try_new(
                    field,
                    map.offsets().clone(),
                    entries,
                    map.nulls().cloned(),
                    false,
                )?),
                None => array.clone(),
            }
        }
        _ => array.clone(),
    })
}
