//! Values as MySQL reads them: one plain text form, for `LOAD DATA`, JSON documents and parameters of statements alike.
//!
//! A [`Codec`] is chosen once per column from the type of the values and the type of the column. It writes one value after
//! the other straight from the Arrow array into a buffer, and refuses what the column would cut, round or change: the
//! server would do so with a warning in `LOAD DATA LOCAL`, where even strict mode does not make it an error.

mod number;
mod text;
mod time;

use crate::{
    column_type::{Kind, SECOND_DIGITS_MAX},
    limits::range_of,
    session::Product,
};
use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Float32Type, Float64Type},
};
use hydrant_contract::{Resolution, ValueType};
use std::{borrow::Cow, io::Write};

pub(crate) use number::{Fit, Number};
pub(crate) use text::TextRule;
pub(crate) use time::{DAYS, MICROS, TIMESTAMP_MICROS};

/// Why a value cannot be held, in words for the owner of the data and without the value.
pub(crate) type Refused = Cow<'static, str>;

/// How the values of one column are written.
#[derive(Clone, Debug)]
pub(crate) enum Codec {
    Bool {
        bits: bool,
    },
    /// A whole number within a range.
    Int {
        from: Number,
        range: (i128, i128),
        bits: bool,
    },
    Decimal {
        from: Number,
        fit: Fit,
        scale: u8,
        unsigned: bool,
    },
    /// Widened to 64 bits, whose shortest digits name it exactly.
    Float32 {
        unsigned: bool,
    },
    Float64 {
        unsigned: bool,
    },
    Text(TextRule),
    /// A label of an enum.
    Label(Vec<String>),
    /// Labels of a set, parted by commas, in the set's order.
    Labels(Vec<String>),
    /// Text that is a UUID, in a column of UUIDs.
    TextAsUuid,
    UuidAsText,
    UuidAsBytes,
    Bytes {
        exactly: bool,
        max: u64,
    },
    Date,
    Time {
        unit: Resolution,
        digits: u8,
    },
    Timestamp {
        unit: Resolution,
        digits: u8,
        range: (i64, i64),
    },
    /// Text that is JSON.
    JsonText(JsonRule),
    /// A nested value, rendered as JSON.
    Json {
        value: ValueType,
        rule: JsonRule,
    },
}

/// What a column makes of JSON.
#[derive(Clone, Debug)]
pub(crate) struct JsonRule {
    /// MySQL's own type keeps a number as a 64-bit integer or a float.
    floats: bool,
    text: Option<TextRule>,
}

/// What the written form consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Digits and signs, which need no escaping anywhere.
    Plain,
    /// Any characters.
    Text,
    /// Any bytes.
    Bytes,
    /// Digits of a number that the server takes for bits only if it comes as a number.
    Bits,
}

impl Codec {
    /// The codec for values of this type on the way to a column of this kind, if the kind [takes](Kind::takes) them. In
    /// some columns of the key, texts are equal that differ in spaces at the end alone.
    pub(crate) fn new(
        value: &ValueType,
        kind: &Kind,
        product: Product,
        no_space_at_end: bool,
    ) -> Option<Self> {
        if !kind.takes(value) {
            return None;
        }
        let text = || TextRule::new(kind, no_space_at_end);
        let json = || JsonRule { floats: *kind == Kind::Json && product == Product::MySql, text: text() };
        Some(match (value, kind) {
            (ValueType::Boolean, kind) => Self::Bool { bits: matches!(kind, Kind::Bit(_)) },
            (
                ValueType::Integer(_) | ValueType::Decimal { .. },
                Kind::Decimal { precision, scale, unsigned },
            ) => {
                let fit = Fit::new(value, *precision, *scale);
                Self::Decimal { from: Number::of(value)?, fit, scale: *scale, unsigned: *unsigned }
            }
            (ValueType::Integer(_) | ValueType::Decimal { .. }, kind) => {
                let bits = matches!(kind, Kind::Bit(_));
                Self::Int { from: Number::of(value)?, range: range_of(kind)?, bits }
            }
            (ValueType::Float32, Kind::Float { unsigned } | Kind::Double { unsigned }) => {
                Self::Float32 { unsigned: *unsigned }
            }
            (ValueType::Float64, Kind::Double { unsigned }) => Self::Float64 { unsigned: *unsigned },
            (ValueType::Text, Kind::Enum(labels)) => Self::Label(labels.clone()),
            (ValueType::Text, Kind::Set(labels)) => Self::Labels(labels.clone()),
            (ValueType::Text, Kind::Uuid) => Self::TextAsUuid,
            (ValueType::Text, Kind::Json) | (ValueType::Json, _) => Self::JsonText(json()),
            (ValueType::Text, _) => Self::Text(text()?),
            (ValueType::Bytes, Kind::Binary(max)) => Self::Bytes { exactly: true, max: *max },
            (ValueType::Bytes, Kind::Varbinary(max) | Kind::Blob(max)) => {
                Self::Bytes { exactly: false, max: *max }
            }
            (ValueType::Date, _) => Self::Date,
            (ValueType::Time(unit), Kind::Time(digits)) => Self::Time { unit: *unit, digits: *digits },
            (ValueType::Timestamp(unit) | ValueType::Instant(unit), Kind::Datetime(digits)) => {
                Self::Timestamp { unit: *unit, digits: *digits, range: MICROS }
            }
            (ValueType::Instant(unit), Kind::Timestamp(digits)) => {
                Self::Timestamp { unit: *unit, digits: *digits, range: TIMESTAMP_MICROS }
            }
            (ValueType::Uuid, kind) if kind.is_bytes() => Self::UuidAsBytes,
            (ValueType::Uuid, _) => Self::UuidAsText,
            (ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..), _) => {
                Self::Json { value: value.clone(), rule: json() }
            }
            _ => return None,
        })
    }

    /// What its written forms consist of.
    pub(crate) fn form(&self) -> Form {
        match self {
            Self::Bool { bits: true } | Self::Int { bits: true, .. } => Form::Bits,
            Self::Bool { .. }
            | Self::Int { .. }
            | Self::Decimal { .. }
            | Self::Float32 { .. }
            | Self::Float64 { .. }
            | Self::TextAsUuid
            | Self::UuidAsText
            | Self::Date
            | Self::Time { .. }
            | Self::Timestamp { .. } => Form::Plain,
            Self::Text(_) | Self::Label(_) | Self::Labels(_) | Self::JsonText(_) | Self::Json { .. } => {
                Form::Text
            }
            Self::Bytes { .. } | Self::UuidAsBytes => Form::Bytes,
        }
    }

    /// Appends a value that is not NULL. On a refusal the buffer holds rubbish behind its former end.
    pub(crate) fn put(&self, array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self {
            Self::Bool { .. } => out.push(if array.as_boolean().value(row) { b'1' } else { b'0' }),
            Self::Int { from, range, .. } => from.put_whole(array, row, *range, out)?,
            Self::Decimal { from, fit, scale, unsigned } => {
                from.put_decimal(array, row, fit, *scale, *unsigned, out)?;
            }
            Self::Float32 { unsigned } => {
                put_float(array.as_primitive::<Float32Type>().value(row).into(), *unsigned, out)?;
            }
            Self::Float64 { unsigned } => {
                put_float(array.as_primitive::<Float64Type>().value(row), *unsigned, out)?;
            }
            Self::Text(rule) => {
                let text = array.as_string::<i32>().value(row);
                rule.check(text)?;
                out.extend_from_slice(text.as_bytes());
            }
            Self::Label(labels) => {
                let text = array.as_string::<i32>().value(row);
                if !labels.iter().any(|label| label == text) {
                    return Err("the text is none of the labels of the column's ENUM".into());
                }
                out.extend_from_slice(text.as_bytes());
            }
            Self::Labels(labels) => {
                let text = array.as_string::<i32>().value(row);
                text::check_set(text, labels)?;
                out.extend_from_slice(text.as_bytes());
            }
            Self::TextAsUuid => {
                let text = array.as_string::<i32>().value(row);
                text::check_uuid(text)?;
                out.extend_from_slice(text.as_bytes());
            }
            Self::UuidAsText => {
                let uuid = uuid::Uuid::from_slice(array.as_fixed_size_binary().value(row))
                    .map_err(|_| "the value is not 16 bytes long")?;
                let mut buffer = uuid::Uuid::encode_buffer();
                out.extend_from_slice(uuid.hyphenated().encode_lower(&mut buffer).as_bytes());
            }
            Self::UuidAsBytes => out.extend_from_slice(array.as_fixed_size_binary().value(row)),
            Self::Bytes { exactly, max } => {
                let bytes = array.as_binary::<i32>().value(row);
                let length = bytes.len() as u64;
                if length > *max {
                    return Err(format!("the value is longer than the {max} bytes of the column").into());
                }
                if *exactly && length < *max {
                    return Err(format!("the value is shorter than the {max} bytes of the column, which would fill it up with zeros").into());
                }
                out.extend_from_slice(bytes);
            }
            Self::Date => time::put_date(array.as_primitive::<Date32Type>().value(row), out)?,
            Self::Time { unit, digits } => time::put_time(time::raw(array, row), *unit, *digits, out)?,
            Self::Timestamp { unit, digits, range } => {
                time::put_timestamp(time::raw(array, row), *unit, *digits, *range, out)?;
            }
            Self::JsonText(rule) => {
                let text = array.as_string::<i32>().value(row);
                serde_json::from_str::<serde::de::IgnoredAny>(text)
                    .map_err(|_| "the text is not valid JSON")?;
                rule.put(text, out)?;
            }
            Self::Json { value, rule } => {
                let mut text = String::new();
                hydrant_contract::json::append(&mut text, array, row, value).map_err(|e| e.to_string())?;
                rule.put(&text, out)?;
            }
        }
        Ok(())
    }
}

impl JsonRule {
    fn put(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.floats && !number::json_survives(text) {
            return Err("the JSON holds a number with more digits than MySQL's JSON keeps; write it as a string in the query, or into a text column".into());
        }
        if let Some(rule) = &self.text {
            rule.check(text)?;
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn put_float(number: f64, unsigned: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
    if !number.is_finite() {
        return Err("MySQL holds neither NaN nor infinity".into());
    }
    if unsigned && number < 0.0 {
        return Err("the number is negative, and the column is unsigned".into());
    }
    // Writing into a vector does not fail. The exponent keeps the text short at both ends of the range.
    let _ = write!(out, "{number:e}");
    Ok(())
}

/// A value of the day, in the digits of a second that the widest column keeps.
pub(crate) const SECONDS: u8 = SECOND_DIGITS_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_type::Charset;
    use arrow::array::{BinaryArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray};
    use hydrant_contract::Integer;

    fn written(value: ValueType, kind: Kind, array: &dyn Array) -> Result<String, Refused> {
        let codec = Codec::new(&value, &kind, Product::MySql, false).expect("a codec");
        let mut out = Vec::new();
        codec.put(array, 0, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn whole_numbers_are_checked_against_the_column() {
        let int =
            |v: i64, kind: Kind| written(ValueType::Integer(Integer::I64), kind, &Int64Array::from(vec![v]));
        let small = Kind::Int { bits: 16, unsigned: false };
        assert_eq!(int(-32768, small.clone()), Ok("-32768".into()));
        assert!(int(32768, small).is_err());
        let medium = Kind::Int { bits: 24, unsigned: true };
        assert_eq!(int(16_777_215, medium.clone()), Ok("16777215".into()));
        assert!(int(-1, medium).is_err());
        assert_eq!(int(2024, Kind::Year), Ok("2024".into()));
        assert!(int(24, Kind::Year).is_err() && int(0, Kind::Year).is_err());
        assert!(int(8, Kind::Bit(3)).is_err());
    }

    #[test]
    fn floats_are_written_so_that_they_are_read_back() {
        let narrow =
            |v| written(ValueType::Float32, Kind::Float { unsigned: false }, &Float32Array::from(vec![v]));
        let wide =
            |v| written(ValueType::Float64, Kind::Double { unsigned: false }, &Float64Array::from(vec![v]));
        for v in [0.1_f32, f32::MAX, f32::MIN_POSITIVE, -0.0, 16_777_217.0] {
            let text = narrow(v).expect("a number");
            #[allow(clippy::cast_possible_truncation)]
            let back = text.parse::<f64>().expect("a number") as f32;
            assert_eq!(back.to_bits(), v.to_bits(), "{text}");
        }
        assert_eq!(wide(1e300), Ok("1e300".into()));
        assert!(wide(f64::NAN).is_err() && wide(f64::INFINITY).is_err());
        let unsigned = Kind::Double { unsigned: true };
        assert!(written(ValueType::Float64, unsigned, &Float64Array::from(vec![-1.0])).is_err());
    }

    #[test]
    fn what_a_column_would_cut_or_fill_is_refused() {
        let text = |t: &str, kind: Kind| written(ValueType::Text, kind, &StringArray::from(vec![t]));
        let varchar = |characters| Kind::Varchar { characters, charset: Charset::Utf8mb4 };
        assert!(text("äöü", varchar(3)).is_ok() && text("äöüß", varchar(3)).is_err());
        assert!(text("abc ", varchar(3)).is_err(), "spaces at the end are characters");
        let char = Kind::Char { characters: 5, charset: Charset::Latin1 };
        assert!(text("a ", char.clone()).is_err() && text("łódź", char).is_err());
        let tiny = Kind::Text { bytes: 255, charset: Charset::Utf8mb4 };
        assert!(text(&"é".repeat(127), tiny.clone()).is_ok() && text(&"é".repeat(128), tiny).is_err());
        let labels = Kind::Enum(vec!["a".into(), "B".into()]);
        assert!(text("B", labels.clone()).is_ok() && text("b", labels).is_err());
        let set = Kind::Set(vec!["x".into(), "y".into()]);
        for (good, bad) in [("x,y", "y,x"), ("", "x,x"), ("y", "z")] {
            assert!(text(good, set.clone()).is_ok() && text(bad, set.clone()).is_err(), "{good} {bad}");
        }
        let bytes = |b: &[u8], kind| written(ValueType::Bytes, kind, &BinaryArray::from(vec![b]));
        assert!(bytes(b"ab", Kind::Binary(3)).is_err() && bytes(b"abcd", Kind::Varbinary(3)).is_err());
        assert!(bytes(b"abc", Kind::Binary(3)).is_ok());
    }

    #[test]
    fn decimals_lose_no_digit() {
        let array =
            |v: i128| Decimal128Array::from(vec![v]).with_precision_and_scale(38, 4).expect("a decimal");
        let value = ValueType::Decimal { precision: 38, scale: 4 };
        let kind = |precision, scale| Kind::Decimal { precision, scale, unsigned: false };
        let put = |v, kind| written(value.clone(), kind, &array(v));
        assert_eq!(put(-15_000, kind(5, 2)), Ok("-1.50".into()));
        assert_eq!(put(5, kind(10, 4)), Ok("0.0005".into()));
        assert!(put(15_001, kind(5, 2)).is_err(), "a digit would be rounded");
        assert!(put(10_000_000, kind(5, 2)).is_err(), "no room");
        assert_eq!(put(9_999_900, kind(5, 2)), Ok("999.99".into()));
        let unsigned = Kind::Decimal { precision: 10, scale: 4, unsigned: true };
        assert!(put(-1, unsigned).is_err());
    }
}
