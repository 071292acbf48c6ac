//! Values as JSON text and back, for targets that keep lists, structs and maps as JSON.
//!
//! One rendering for every target, so that the same list reads the same in SQLite and in Postgres: numbers with all
//! their digits, dates and times as in ISO 8601, instants in UTC with `Z`, bytes as lower-case hexadecimal digits, keys
//! of maps as strings.

mod read;

pub use read::column as read;

use crate::ValueType;
use arrow::{
    array::{Array, AsArray},
    datatypes::{Float32Type, Float64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use std::fmt::{Display, LowerExp, Write};

/// Why a value has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// NaN and the infinities.
    #[error("JSON has no form for the number {0}")]
    NotFinite(String),
    /// A value of type [`ValueType::Json`] is not JSON.
    #[error("the text is not valid JSON: {0}")]
    Invalid(String),
    /// A date or time outside the years that can be written down.
    #[error("the date or time is outside the calendar: {0}")]
    OutOfRange(String),
}

/// Appends the value at this row of an array (in the carrier of `value`) to `out`.
pub fn append(out: &mut String, array: &dyn Array, row: usize, value: &ValueType) -> Result<(), NotJson> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match value {
        ValueType::Boolean => push(out, array.as_boolean().value(row)),
        ValueType::Integer(_) | ValueType::Decimal { .. } => formatted(out, array, row)?,
        ValueType::Float32 => finite(out, array.as_primitive::<Float32Type>().value(row), f32::is_finite)?,
        ValueType::Float64 => finite(out, array.as_primitive::<Float64Type>().value(row), f64::is_finite)?,
        ValueType::Text => string(out, array.as_string::<i32>().value(row)),
        ValueType::Json => {
            let text = array.as_string::<i32>().value(row);
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|e| NotJson::Invalid(e.to_string()))?;
            out.push_str(text);
        }
        ValueType::Bytes => {
            out.push('"');
            for byte in array.as_binary::<i32>().value(row) {
                push(out, format_args!("{byte:02x}"));
            }
            out.push('"');
        }
        ValueType::Uuid => {
            let bytes = array.as_fixed_size_binary().value(row);
            let uuid = uuid::Uuid::from_slice(bytes).map_err(|e| NotJson::Invalid(e.to_string()))?;
            push(out, format_args!("\"{uuid}\""));
        }
        ValueType::Date | ValueType::Time(_) | ValueType::Timestamp(_) | ValueType::Instant(_) => {
            out.push('"');
            formatted(out, array, row)?;
            out.push('"');
        }
        ValueType::List(item) => items(out, &array.as_list::<i32>().value(row), item)?,
        ValueType::Vector(_) => items(out, &array.as_fixed_size_list().value(row), &ValueType::Float32)?,
        ValueType::Struct(fields) => {
            let array = array.as_struct();
            for (i, (name, value)) in fields.iter().enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                string(out, name);
                out.push(':');
                append(out, array.column(i), row, value)?;
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        ValueType::Map(key, value) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for i in 0..entries.len() {
                if i > 0 {
                    out.push(',');
                }
                let at = out.len();
                append(out, entries.column(0), i, key)?;
                if !out[at..].starts_with('"') {
                    let key = out.split_off(at);
                    string(out, &key);
                }
                out.push(':');
                append(out, entries.column(1), i, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn items(out: &mut String, items: &dyn Array, value: &ValueType) -> Result<(), NotJson> {
    out.push('[');
    for i in 0..items.len() {
        if i > 0 {
            out.push(',');
        }
        append(out, items, i, value)?;
    }
    out.push(']');
    Ok(())
}

/// Writing into a string does not fail.
fn push(out: &mut String, value: impl Display) {
    let _ = write!(out, "{value}");
}

fn string(out: &mut String, text: &str) {
    push(out, serde_json::Value::from(text));
}

/// The shortest digits that name the number; with an exponent where it would have many zeros, since parsers stumble over
/// hundreds of digits.
fn finite<F: Copy + Display + LowerExp + Into<f64>>(
    out: &mut String,
    number: F,
    is_finite: fn(F) -> bool,
) -> Result<(), NotJson> {
    if !is_finite(number) {
        return Err(NotJson::NotFinite(number.to_string()));
    }
    let size = number.into().abs();
    if size == 0.0 || (1e-5..1e16).contains(&size) {
        push(out, number);
    } else {
        push(out, format_args!("{number:e}"));
    }
    Ok(())
}

fn formatted(out: &mut String, array: &dyn Array, row: usize) -> Result<(), NotJson> {
    let of_range = |e: arrow::error::ArrowError| NotJson::OutOfRange(e.to_string());
    let slice = array.slice(row, 1);
    let text = ArrayFormatter::try_new(&slice, &FormatOptions::default()).map_err(of_range)?;
    push(out, text.value(0).try_to_string().map_err(of_range)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Integer, Resolution};
    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray,
    };
    use std::sync::Arc;

    fn json(array: &dyn Array, value: &ValueType) -> Result<String, NotJson> {
        let mut out = String::new();
        append(&mut out, array, 0, value).map(|()| out)
    }

    #[test]
    fn numbers_keep_all_digits() {
        let decimals =
            Decimal128Array::from(vec![-1_234_500_i128]).with_precision_and_scale(30, 4).expect("a decimal");
        assert_eq!(
            json(&decimals, &ValueType::Decimal { precision: 30, scale: 4 }).as_deref(),
            Ok("-123.4500")
        );
        let ints = Int64Array::from(vec![i64::MAX]);
        assert_eq!(json(&ints, &ValueType::Integer(Integer::I64)).as_deref(), Ok("9223372036854775807"));
        let float = |number| json(&Float64Array::from(vec![number]), &ValueType::Float64);
        assert_eq!(float(f64::MAX).as_deref(), Ok("1.7976931348623157e308"));
        assert_eq!(float(0.1).as_deref(), Ok("0.1"));
        assert!(float(f64::NAN).is_err());
    }

    #[test]
    fn times_are_iso_and_text_is_escaped() {
        assert_eq!(json(&Date32Array::from(vec![-1]), &ValueType::Date).as_deref(), Ok("\"1969-12-31\""));
        let at = TimestampMicrosecondArray::from(vec![1_700_000_000_123_456]).with_timezone("UTC");
        assert_eq!(
            json(&at, &ValueType::Instant(Resolution::Micro)).as_deref(),
            Ok("\"2023-11-14T22:13:20.123456Z\"")
        );
        assert_eq!(json(&StringArray::from(vec!["a\"\n"]), &ValueType::Text).as_deref(), Ok(r#""a\"\n""#));
    }

    #[test]
    fn lists_and_structs_nest() {
        let list =
            ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([Some([Some(1), None])]);
        let of = ValueType::List(Box::new(ValueType::Integer(Integer::I64)));
        let value = ValueType::Struct(vec![("x".into(), of)]);
        let fields = match value.carrier() {
            arrow::datatypes::DataType::Struct(fields) => fields,
            other => panic!("{other}"),
        };
        let array = StructArray::new(fields, vec![Arc::new(list)], None);
        assert_eq!(json(&array, &value).as_deref(), Ok(r#"{"x":[1,null]}"#));
    }
}
