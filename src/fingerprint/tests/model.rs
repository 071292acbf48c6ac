//! A second implementation of `docs/fingerprint.md`, for the tests: slow, over plain values, sharing no code with the
//! first. Decimals are strings of digits here.

use arrow::datatypes::i256;
use hydrant_contract::ValueType;

/// A logical value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum V {
    Null,
    Bool(bool),
    Whole(i128),
    /// Unscaled; the scale is the type's.
    Decimal(i256, i8),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Day(i32),
    /// Of a time, a timestamp or an instant.
    Nanos(i128),
    Uuid([u8; 16]),
    List(Vec<V>),
    /// In the order of the type's fields.
    Struct(Vec<V>),
    Map(Vec<(V, V)>),
}

pub(super) fn canonical(v: &V, value: &ValueType) -> Vec<u8> {
    match (v, value) {
        (V::Null, _) => vec![0x00],
        (V::Bool(b), _) => vec![if *b { 0x02 } else { 0x01 }],
        (V::Whole(n), _) => number(&n.to_string(), 0),
        (V::Decimal(unscaled, scale), _) => number(&unscaled.to_string(), (*scale).into()),
        (V::Float(f), _) => {
            let bits = match f {
                f if f.is_nan() => 0x7ff8 << 48,
                f if *f == 0.0 => 0,
                f => f.to_bits(),
            };
            [&[0x07], &bits.to_le_bytes()[..]].concat()
        }
        (V::Text(text), _) => counted(0x08, text.len(), text.as_bytes()),
        (V::Bytes(bytes), _) => counted(0x09, bytes.len(), bytes),
        (V::Day(days), _) => [&[0x0a], &days.to_le_bytes()[..]].concat(),
        (V::Nanos(n), value) => {
            let tag = match value {
                ValueType::Time(_) => 0x0b,
                ValueType::Timestamp(_) => 0x0c,
                ValueType::Instant(_) => 0x0d,
                other => panic!("{other} has no nanoseconds"),
            };
            let seconds = i64::try_from(n.div_euclid(1_000_000_000)).unwrap();
            let nanos = u32::try_from(n.rem_euclid(1_000_000_000)).unwrap();
            [&[tag], &seconds.to_le_bytes()[..], &nanos.to_le_bytes()].concat()
        }
        (V::Uuid(bytes), _) => [&[0x0e], &bytes[..]].concat(),
        (V::List(items), ValueType::List(item)) => list(items, item),
        (V::List(items), ValueType::Vector(_)) => list(items, &ValueType::Float32),
        (V::Struct(parts), ValueType::Struct(fields)) => {
            let mut named: Vec<_> = fields.iter().zip(parts).collect();
            named.sort_by_key(|((name, _), _)| name.as_bytes().to_vec());
            let mut payload = Vec::new();
            for ((name, value), part) in named {
                payload.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
                payload.extend(name.bytes());
                payload.extend(canonical(part, value));
            }
            counted(0x10, parts.len(), &payload)
        }
        (V::Map(entries), ValueType::Map(key, value)) => {
            let mut forms: Vec<_> =
                entries.iter().map(|(k, v)| (canonical(k, key), canonical(v, value))).collect();
            forms.sort_by_key(|(key, _)| key.clone());
            let payload: Vec<u8> = forms.into_iter().flat_map(|(k, v)| [k, v].concat()).collect();
            counted(0x11, entries.len(), &payload)
        }
        (v, value) => panic!("{v:?} is no {value}"),
    }
}

fn list(items: &[V], item: &ValueType) -> Vec<u8> {
    counted(0x0f, items.len(), &items.iter().flat_map(|v| canonical(v, item)).collect::<Vec<_>>())
}

fn counted(tag: u8, count: usize, payload: &[u8]) -> Vec<u8> {
    [&[tag], &u32::try_from(count).unwrap().to_le_bytes()[..], payload].concat()
}

/// The number that the digits mean when the point stands `scale` places from their end.
fn number(digits: &str, scale: i16) -> Vec<u8> {
    let short = digits.trim_end_matches('0');
    if short.is_empty() || short == "-" {
        return [&[0x03], &[0; 8][..]].concat();
    }
    let scale = scale - i16::try_from(digits.len() - short.len()).unwrap();
    if scale <= 0 {
        let whole = format!("{short}{}", "0".repeat(usize::from(scale.unsigned_abs())));
        if let Ok(whole) = whole.parse::<i64>() {
            return [&[0x03], &whole.to_le_bytes()[..]].concat();
        }
        if let Ok(whole) = whole.parse::<u64>() {
            return [&[0x04], &whole.to_le_bytes()[..]].concat();
        }
    }
    match short.parse::<i128>() {
        Ok(unscaled) => [&[0x05], &scale.to_le_bytes()[..], &unscaled.to_le_bytes()].concat(),
        Err(_) => {
            let unscaled = i256::from_string(short).expect("at most 76 digits");
            [&[0x06], &scale.to_le_bytes()[..], &unscaled.to_le_bytes()].concat()
        }
    }
}
