//! BSON values as JSON texts, and the keys of maps from names.

use crate::encode::decimal::Decimal;
use arrow::array::{Array, ArrayRef, BinaryArray, FixedSizeBinaryBuilder, StringArray, new_empty_array};
use hydrant_contract::ValueType;
use mongodb::bson::RawBsonRef;
use std::{fmt::Write, sync::Arc};

/// The JSON text of a value; `None` if a part of it is nothing that JSON has.
pub(super) fn text(found: RawBsonRef<'_>) -> Option<String> {
    let mut out = String::new();
    append(&mut out, found).map(|()| out)
}

fn append(out: &mut String, found: RawBsonRef<'_>) -> Option<()> {
    match found {
        RawBsonRef::Null => out.push_str("null"),
        RawBsonRef::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
        RawBsonRef::Int32(number) => write!(out, "{number}").ok()?,
        RawBsonRef::Int64(number) => write!(out, "{number}").ok()?,
        RawBsonRef::Double(number) if number.is_finite() => {
            // The shortest digits that name the number; integers keep a point, since they are doubles.
            let number = serde_json::Number::from_f64(number)?;
            write!(out, "{number}").ok()?;
        }
        RawBsonRef::Decimal128(number) => out.push_str(&Decimal::of_bytes(number.bytes())?.digits()),
        RawBsonRef::String(text) => string(out, text)?,
        RawBsonRef::Array(items) => {
            out.push('[');
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                append(out, item.ok()?)?;
            }
            out.push(']');
        }
        RawBsonRef::Document(fields) => {
            out.push('{');
            for (at, field) in fields.into_iter().enumerate() {
                let (name, value) = field.ok()?;
                if at > 0 {
                    out.push(',');
                }
                string(out, name.as_str())?;
                out.push(':');
                append(out, value)?;
            }
            out.push('}');
        }
        _ => return None,
    }
    Some(())
}

fn string(out: &mut String, text: &str) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

/// Names as the keys of a map of this type, if each is what hydrant writes for a key.
pub(super) fn keys(value: &ValueType, names: &[&str]) -> Option<ArrayRef> {
    if names.is_empty() {
        return Some(new_empty_array(&value.carrier()));
    }
    let texts = || -> ArrayRef { Arc::new(StringArray::from(names.to_vec())) };
    let keys: ArrayRef = match value {
        ValueType::Text => return Some(texts()),
        ValueType::Bytes => {
            let bytes: Option<Vec<_>> = names.iter().map(|name| hex(name)).collect();
            Arc::new(BinaryArray::from_iter_values(bytes?))
        }
        ValueType::Uuid => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(names.len(), 16);
            for name in names {
                builder.append_value(uuid::Uuid::parse_str(name).ok()?.as_bytes()).ok()?;
            }
            Arc::new(builder.finish())
        }
        _ => {
            let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
            arrow::compute::cast_with_options(&texts(), &value.carrier(), &options).ok()?
        }
    };
    // One key, one name: what would be written otherwise is none of hydrant's.
    for (at, name) in names.iter().enumerate() {
        let mut again = String::new();
        hydrant_contract::json::append(&mut again, &keys, at, value).ok()?;
        let same = keys.is_valid(at) && again.trim_matches('"') == *name;
        if !same {
            return None;
        }
    }
    Some(keys)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::Integer;
    use mongodb::bson::rawdoc;

    #[test]
    fn json_keeps_kinds_and_order() {
        let document = rawdoc! { "v": { "b": [1, 2.0, 1e300, null, true], "a": "x\"\n" } };
        let found = document.get("v").expect("BSON").expect("a value");
        assert_eq!(text(found).as_deref(), Some(r#"{"b":[1,2.0,1e+300,null,true],"a":"x\"\n"}"#));
        let odd = rawdoc! { "v": mongodb::bson::oid::ObjectId::new() };
        assert_eq!(text(odd.get("v").expect("BSON").expect("a value")), None);
    }

    #[test]
    fn a_key_has_one_name() {
        let ints = ValueType::Integer(Integer::I64);
        assert!(keys(&ints, &["-1", "20"]).is_some());
        assert!(keys(&ints, &["01"]).is_none() && keys(&ints, &["x"]).is_none());
        assert!(keys(&ValueType::Bytes, &["00ff"]).is_some() && keys(&ValueType::Bytes, &["0"]).is_none());
        assert!(keys(&ValueType::Date, &["2024-02-29"]).is_some());
    }
}
