//! Values, independent of Arrow and of every database.

use hydrant_contract::ValueType;
use std::collections::BTreeMap;

/// A value in one canonical form, so that two paths that carried the same value agree with `==`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A number in decimal digits without exponent, without zeros at the end of the fraction, without `-0`; of floats the
    /// shortest digits that name it, or `NaN`, `inf`, `-inf`.
    Number(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `2024-02-29`; `day 2147483647`, counted from 1970, for days past the calendar.
    Date(String),
    /// `23:59:59.999999`, without zeros at the end of the fraction.
    Time(String),
    /// `2024-02-29T23:59:59.999999`; `tick 9223372036854775807`, counted from 1970, for times past the calendar.
    Timestamp(String),
    /// As a timestamp, with `Z`.
    Instant(String),
    /// In lower case with hyphens.
    Uuid(String),
    /// JSON, compared as a document: neither spaces nor the order of fields count.
    Json(serde_json::Value),
    /// A list or vector.
    List(Vec<Value>),
    /// A struct by field names, or a map by its keys as text.
    Fields(BTreeMap<String, Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl Value {
    /// Reads a value of this type from the text that a database's own tools print: numbers in digits, `t`, `true` or `1`,
    /// bytes in hexadecimal (after `\x` or not), dates and times in ISO 8601 (with `T` or a space, instants with `Z` or
    /// `+00`), lists, structs and maps as JSON.
    ///
    /// # Panics
    ///
    /// If the text is nothing of that.
    pub fn parse(text: &str, value: &ValueType) -> Self {
        match value {
            ValueType::Boolean => match text {
                "t" | "true" | "1" => Self::Bool(true),
                "f" | "false" | "0" => Self::Bool(false),
                _ => panic!("{text:?} is no boolean"),
            },
            ValueType::Integer(_) | ValueType::Decimal { .. } => Self::Number(digits(text)),
            ValueType::Float32 => Self::float32(text.parse().unwrap_or_else(|e| panic!("{text:?}: {e}"))),
            ValueType::Float64 => Self::float64(text.parse().unwrap_or_else(|e| panic!("{text:?}: {e}"))),
            ValueType::Text => Self::Text(text.to_owned()),
            ValueType::Bytes => Self::Bytes(hex(text.strip_prefix("\\x").unwrap_or(text))),
            ValueType::Date => Self::Date(text.to_owned()),
            ValueType::Time(_) => Self::Time(short_fraction(text)),
            ValueType::Timestamp(_) => Self::Timestamp(short_fraction(&text.replacen(' ', "T", 1))),
            ValueType::Instant(_) => {
                let wall = ["Z", "+00:00", "+00"].iter().find_map(|zone| text.strip_suffix(zone));
                let wall = wall.unwrap_or_else(|| panic!("{text:?} is no instant in UTC"));
                Self::Instant(format!("{}Z", short_fraction(&wall.replacen(' ', "T", 1))))
            }
            ValueType::Uuid => Self::Uuid(text.to_lowercase()),
            ValueType::Json => Self::Json(json(text)),
            ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..) => {
                Self::of_json(&json(text), value)
            }
        }
    }

    fn of_json(found: &serde_json::Value, value: &ValueType) -> Self {
        use serde_json::Value as Json;
        match (found, value) {
            (_, ValueType::Json) => Self::Json(found.clone()),
            (Json::Null, _) => Self::Null,
            (Json::Array(items), ValueType::List(item)) => {
                Self::List(items.iter().map(|found| Self::of_json(found, item)).collect())
            }
            (Json::Array(items), ValueType::Vector(_)) => {
                Self::List(items.iter().map(|found| Self::of_json(found, &ValueType::Float32)).collect())
            }
            (Json::Object(found), ValueType::Struct(fields)) => {
                assert_eq!(found.len(), fields.len(), "fields of {found:?}");
                let field = |(name, value): &(String, ValueType)| {
                    (name.clone(), Self::of_json(found.get(name).expect("every field"), value))
                };
                Self::Fields(fields.iter().map(field).collect())
            }
            (Json::Object(found), ValueType::Map(_, value)) => Self::Fields(
                found.iter().map(|(key, found)| (key.clone(), Self::of_json(found, value))).collect(),
            ),
            (Json::String(text), _) => Self::parse(text, value),
            (Json::Bool(_) | Json::Number(_), _) => Self::parse(&found.to_string(), value),
            _ => panic!("{found} is no {value}"),
        }
    }

    /// A 64-bit float.
    pub fn float64(number: f64) -> Self {
        Self::Number(if number == 0.0 { "0".to_owned() } else { number.to_string() })
    }

    /// A 32-bit float.
    pub fn float32(number: f32) -> Self {
        Self::Number(if number == 0.0 { "0".to_owned() } else { number.to_string() })
    }

    /// The value as SQL writes it, for the kinds that [`Rig::insert`](crate::Rig::insert) gets.
    ///
    /// # Panics
    ///
    /// If the value is of another kind: those have no literal that every database reads alike.
    pub fn literal(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Bool(value) => value.to_string().to_uppercase(),
            Self::Number(digits) => digits.clone(),
            Self::Text(text) | Self::Instant(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Bytes(_)
            | Self::Date(_)
            | Self::Time(_)
            | Self::Timestamp(_)
            | Self::Uuid(_)
            | Self::Json(_)
            | Self::List(_)
            | Self::Fields(_) => panic!("{self:?} has no literal that every database reads"),
        }
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{text:?} is no JSON: {e}"))
}

/// A decimal number without what does not count.
pub(crate) fn digits(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    assert!(
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        "{text:?} is no number in plain digits"
    );
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits if digits.starts_with('.') => format!("{sign}0{digits}"),
        digits => format!("{sign}{digits}"),
    }
}

/// A time without zeros at the end of its fraction.
pub(crate) fn short_fraction(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap_or_else(|| panic!("{text:?} is not hexadecimal"));
    assert_eq!(text.len() % 2, 0, "{text:?} has half a byte");
    // Two hexadecimal digits fit a byte.
    #[allow(clippy::cast_possible_truncation)]
    text.as_bytes().chunks(2).map(|pair| (digit(pair[0]) * 16 + digit(pair[1])) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::{Integer, Resolution};

    #[test]
    fn what_databases_print_differently_reads_the_same() {
        let decimal = ValueType::Decimal { precision: 9, scale: 3 };
        for (a, b, value) in [
            ("-0.500", "-.5", &decimal),
            ("-0.000", "0", &decimal),
            ("t", "1", &ValueType::Boolean),
            ("0.1", "0.10000000149011612", &ValueType::Float32),
            ("-0", "0", &ValueType::Float64),
            (
                "2024-02-29 01:02:03.5+00",
                "2024-02-29T01:02:03.500000Z",
                &ValueType::Instant(Resolution::Micro),
            ),
            (r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#, &ValueType::Json),
            ("[1,null]", "[1, null]", &ValueType::List(Box::new(ValueType::Integer(Integer::I64)))),
            ("\\x00fF", "00FF", &ValueType::Bytes),
        ] {
            assert_eq!(Value::parse(a, value), Value::parse(b, value));
        }
    }

    #[test]
    fn what_differs_reads_differently() {
        let decimal = ValueType::Decimal { precision: 9, scale: 3 };
        for (a, b, value) in [
            ("0.500", "0.501", &decimal),
            ("100", "1", &decimal),
            ("0.1", "0.10000000000000002", &ValueType::Float64),
            ("01:02:03", "01:02:03.000001", &ValueType::Time(Resolution::Micro)),
            ("a", "a ", &ValueType::Text),
        ] {
            assert_ne!(Value::parse(a, value), Value::parse(b, value));
        }
    }
}
