//! Values as Postgres takes them in binary COPY (PostgreSQL documentation, "Binary Format" of COPY, and the `recv`
//! functions of the types).
//!
//! A [`Codec`] is chosen once per column from the type of the values and the type of the column; then it writes one value
//! after the other straight from the Arrow array into a buffer, without allocating.

mod checks;
mod numeric;
mod time;

use crate::column_type::{Kind, TextLimit};
use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
        UInt64Type, i256,
    },
};
use bytes::BufMut;
use hydrant_contract::{Resolution, ValueType};
use numeric::Unscaled;
use std::borrow::Cow;

pub(crate) use numeric::{Fit, digits_of};
pub(crate) use time::{DATES_SINCE_1970, DAYS_TO_2000, MICROS_SINCE_1970, MICROS_TO_2000};

/// Why a value cannot be held, in words for the owner of the data and without the value.
pub(crate) type Refused = Cow<'static, str>;

/// Postgres refuses to allocate a gigabyte, header included.
const VALUE_BYTES_MAX: usize = 0x3fff_ffff - 8;

/// Where encoded values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Straight into the table.
    Table,
    /// Into the temporary table, or as parameters of a query.
    Travel,
}

/// How the values of one column are written.
#[derive(Clone, Debug)]
pub(crate) enum Codec {
    Bool,
    /// A whole number of 2, 4 or 8 bytes.
    Int {
        bytes: u8,
        from: Number,
    },
    Numeric {
        from: Number,
        fit: Fit,
    },
    Float4,
    Float8,
    /// Float32 values in a column of float8.
    Float4As8,
    Text(TextLimit),
    /// Text that is a UUID, in a column of UUIDs.
    TextAsUuid,
    Uuid,
    /// UUIDs in a column of text.
    UuidAsText(TextLimit),
    Bytes,
    Date,
    Time {
        unit: Resolution,
        digits: u8,
    },
    Timestamp {
        unit: Resolution,
        digits: u8,
    },
    /// Text that is JSON.
    JsonText(JsonForm),
    /// A nested value, rendered as JSON.
    Json {
        value: ValueType,
        form: JsonForm,
    },
    Array {
        item: Box<Codec>,
        oid: u32,
    },
    Vector,
}

/// How JSON goes to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonForm {
    /// `jsonb` begins with its version, 1.
    version: bool,
    /// `jsonb` cannot hold the character NUL, even escaped.
    nul: bool,
}

/// The carrier of a number and how many of its digits stand after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Int64,
    UInt64,
    Decimal128(i32),
    Decimal256(i32),
}

impl Number {
    fn of(value: &ValueType) -> Option<Self> {
        match (value, value.carrier()) {
            (ValueType::Integer(_), DataType::UInt64) => Some(Self::UInt64),
            (ValueType::Integer(_), _) => Some(Self::Int64),
            (_, DataType::Decimal128(_, scale)) => Some(Self::Decimal128(scale.into())),
            (_, DataType::Decimal256(_, scale)) => Some(Self::Decimal256(scale.into())),
            _ => None,
        }
    }

    fn scale(self) -> i32 {
        match self {
            Self::Int64 | Self::UInt64 => 0,
            Self::Decimal128(scale) | Self::Decimal256(scale) => scale,
        }
    }

    fn at(self, array: &dyn Array, row: usize) -> Unscaled {
        match self {
            Self::Int64 => Unscaled::small(array.as_primitive::<Int64Type>().value(row).into()),
            Self::UInt64 => Unscaled::small(array.as_primitive::<UInt64Type>().value(row).into()),
            Self::Decimal128(_) => Unscaled::small(array.as_primitive::<Decimal128Type>().value(row)),
            Self::Decimal256(_) => {
                let value: i256 = array.as_primitive::<Decimal256Type>().value(row);
                value.to_i128().map_or_else(|| Unscaled::large(value), Unscaled::small)
            }
        }
    }
}

impl Codec {
    /// The codec for values of this type on the way to a column of this kind, if the kind
    /// [takes](Kind::takes) them.
    pub(crate) fn new(value: &ValueType, kind: &Kind, wire: Wire) -> Option<Self> {
        if !kind.takes(value) || (wire == Wire::Table && !kind.is_binary()) {
            return None;
        }
        let json = |kind: &Kind| JsonForm {
            version: *kind == Kind::Jsonb && wire == Wire::Table,
            nul: *kind == Kind::Jsonb,
        };
        Some(match (value, kind) {
            (ValueType::Boolean, _) => Self::Bool,
            (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Int2) => {
                Self::Int { bytes: 2, from: Number::of(value)? }
            }
            (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Int4) => {
                Self::Int { bytes: 4, from: Number::of(value)? }
            }
            (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Int8) => {
                Self::Int { bytes: 8, from: Number::of(value)? }
            }
            (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Numeric(limit)) => {
                let from = Number::of(value)?;
                Self::Numeric { from, fit: Fit::new(value, *limit) }
            }
            (ValueType::Float32, Kind::Float4) => Self::Float4,
            (ValueType::Float32, _) => Self::Float4As8,
            (ValueType::Float64, _) => Self::Float8,
            (ValueType::Text | ValueType::Json, Kind::Json | Kind::Jsonb) => Self::JsonText(json(kind)),
            (ValueType::Text, Kind::Uuid) => Self::TextAsUuid,
            (ValueType::Text, Kind::Text(limit)) => Self::Text(*limit),
            (ValueType::Text | ValueType::Json, _) => Self::Text(TextLimit::None),
            (ValueType::Bytes, _) => Self::Bytes,
            (ValueType::Date, _) => Self::Date,
            (ValueType::Time(unit), Kind::Time(digits)) => Self::Time { unit: *unit, digits: *digits },
            (ValueType::Timestamp(unit), Kind::Timestamp(digits))
            | (ValueType::Instant(unit), Kind::Timestamptz(digits)) => {
                Self::Timestamp { unit: *unit, digits: *digits }
            }
            (ValueType::Uuid, Kind::Uuid) => Self::Uuid,
            (ValueType::Uuid, Kind::Text(limit)) => Self::UuidAsText(*limit),
            (ValueType::Uuid, _) => Self::UuidAsText(TextLimit::None),
            (ValueType::List(item), Kind::Array(kind, oid)) => {
                let oid = if wire == Wire::Table { *oid } else { kind.oid() };
                Self::Array { item: Box::new(Self::new(item, kind, wire)?), oid }
            }
            (ValueType::Vector(_), Kind::Array(kind, oid)) => {
                Self::Array { item: Box::new(Self::new(&ValueType::Float32, kind, wire)?), oid: *oid }
            }
            (ValueType::Vector(_), Kind::Vector(_)) => Self::Vector,
            (
                ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..),
                Kind::Json | Kind::Jsonb,
            ) => Self::Json { value: value.clone(), form: json(kind) },
            _ => return None,
        })
    }

    /// Appends the field: its length and its bytes. On a refusal the buffer holds rubbish behind its former end.
    pub(crate) fn put(&self, array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), Refused> {
        if array.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        match self {
            Self::Bool => {
                out.put_i32(1);
                out.put_u8(array.as_boolean().value(row).into());
            }
            Self::Int { bytes, from } => {
                let value = from.at(array, row).whole(from.scale());
                let value = value.and_then(|v| i64::try_from(v).ok());
                let range = "the number is outside the range of the column";
                match (bytes, value) {
                    (2, Some(v)) => put(out, &i16::try_from(v).map_err(|_| range)?.to_be_bytes()),
                    (4, Some(v)) => put(out, &i32::try_from(v).map_err(|_| range)?.to_be_bytes()),
                    (_, Some(v)) => put(out, &v.to_be_bytes()),
                    (_, None) => return Err(range.into()),
                }
            }
            Self::Numeric { from, fit } => numeric::put(&from.at(array, row), from.scale(), fit, out)?,
            Self::Float4 => put(out, &array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
            Self::Float4As8 => {
                put(out, &f64::from(array.as_primitive::<Float32Type>().value(row)).to_be_bytes());
            }
            Self::Float8 => put(out, &array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
            Self::Text(limit) => {
                let text = array.as_string::<i32>().value(row);
                checks::text(text, *limit)?;
                put_long(out, text.as_bytes())?;
            }
            Self::TextAsUuid => {
                let text = array.as_string::<i32>().value(row);
                let uuid = uuid::Uuid::try_parse(text).map_err(|_| "the text is not a UUID")?;
                let mut buffer = uuid::Uuid::encode_buffer();
                // Two texts of one UUID are two keys to hydrant and one to the table.
                if uuid.hyphenated().encode_lower(&mut buffer) != text {
                    return Err(
                        "a UUID is written in lower case with hyphens; lower() in the query makes it so"
                            .into(),
                    );
                }
                put(out, uuid.as_bytes());
            }
            Self::Uuid => put(out, array.as_fixed_size_binary().value(row)),
            Self::UuidAsText(limit) => {
                let uuid = uuid::Uuid::from_slice(array.as_fixed_size_binary().value(row))
                    .map_err(|_| "the value is not 16 bytes long")?;
                let mut buffer = uuid::Uuid::encode_buffer();
                let text = uuid.hyphenated().encode_lower(&mut buffer);
                checks::text(text, *limit)?;
                put(out, text.as_bytes());
            }
            Self::Bytes => put_long(out, array.as_binary::<i32>().value(row))?,
            Self::Date => {
                put(out, &time::date(array.as_primitive::<Date32Type>().value(row))?.to_be_bytes());
            }
            Self::Time { unit, digits } => {
                put(out, &time::time(time::raw(array, row), *unit, *digits)?.to_be_bytes());
            }
            Self::Timestamp { unit, digits } => {
                put(out, &time::timestamp(time::raw(array, row), *unit, *digits)?.to_be_bytes());
            }
            Self::JsonText(form) => put_json(out, array.as_string::<i32>().value(row), *form)?,
            Self::Json { value, form } => {
                let mut text = String::new();
                hydrant_contract::json::append(&mut text, array, row, value).map_err(|e| e.to_string())?;
                put_json(out, &text, *form)?;
            }
            Self::Array { item, oid } => put_array(out, array, row, item, *oid)?,
            Self::Vector => put_vector(out, array, row)?,
        }
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Lengths are of fixed types, or checked by the caller.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    out.put_i32(bytes.len() as i32);
    out.extend_from_slice(bytes);
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err("the value is larger than the gigabyte that Postgres takes".into());
    }
    put(out, bytes);
    Ok(())
}

fn put_json(out: &mut Vec<u8>, text: &str, form: JsonForm) -> Result<(), Refused> {
    if form.nul && checks::has_escaped_nul(text) {
        return Err("the JSON contains the character NUL (\\u0000), which jsonb cannot hold".into());
    }
    checks::text(text, TextLimit::None)?;
    if !form.version {
        return put_long(out, text.as_bytes());
    }
    let at = out.len();
    put_long(out, text.as_bytes())?;
    // One byte more for the version, in front of the text.
    let length = i32::try_from(text.len() + 1).map_err(|_| "the value is too long")?;
    out.truncate(at);
    out.put_i32(length);
    out.put_u8(1);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn put_array(
    out: &mut Vec<u8>,
    array: &dyn Array,
    row: usize,
    item: &Codec,
    oid: u32,
) -> Result<(), Refused> {
    let values = match array.data_type() {
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => array.as_list::<i32>().value(row),
    };
    let start = out.len();
    out.put_i32(0); // the length, known at the end
    let len = i32::try_from(values.len()).map_err(|_| "the list is too long")?;
    out.put_i32((len > 0).into());
    out.put_i32((values.null_count() > 0).into());
    out.put_u32(oid);
    if len > 0 {
        out.put_i32(len);
        out.put_i32(1); // the first subscript
    }
    for i in 0..values.len() {
        item.put(&values, i, out).map_err(|why| format!("item {} of the list: {why}", i + 1))?;
    }
    finish(out, start)
}

/// pgvector's `vector_recv`: dimensions, an unused word, the numbers.
fn put_vector(out: &mut Vec<u8>, array: &dyn Array, row: usize) -> Result<(), Refused> {
    let values = array.as_fixed_size_list().value(row);
    let values = values.as_primitive::<Float32Type>();
    let start = out.len();
    out.put_i32(0);
    out.put_u16(u16::try_from(values.len()).map_err(|_| "the vector has too many dimensions")?);
    out.put_u16(0);
    if values.null_count() > 0 || values.values().iter().any(|v| !v.is_finite()) {
        return Err("a vector holds neither NULL nor NaN nor infinity".into());
    }
    for value in values.values() {
        out.put_f32(*value);
    }
    finish(out, start)
}

/// Fills in the length of the field that began at `start`.
fn finish(out: &mut [u8], start: usize) -> Result<(), Refused> {
    let length = out.len() - start - 4;
    if length > VALUE_BYTES_MAX {
        return Err("the value is larger than the gigabyte that Postgres takes".into());
    }
    let length = i32::try_from(length).map_err(|_| "the value is too long")?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        BinaryArray, Decimal128Array, Float32Array, Int64Array, ListArray, StringArray, UInt64Array,
    };
    use hydrant_contract::Integer;

    fn encoded(value: ValueType, kind: Kind, wire: Wire, array: &dyn Array) -> Result<Vec<u8>, Refused> {
        let mut out = Vec::new();
        Codec::new(&value, &kind, wire).expect("a codec").put(array, 0, &mut out)?;
        Ok(out)
    }

    #[test]
    fn whole_numbers_are_checked_against_the_column() {
        let value = ValueType::Integer(Integer::I64);
        let small = |v| encoded(value.clone(), Kind::Int2, Wire::Table, &Int64Array::from(vec![v]));
        assert_eq!(small(-2), Ok(vec![0, 0, 0, 2, 0xff, 0xfe]));
        assert!(small(32_768).is_err());
        let unsigned = ValueType::Integer(Integer::U64);
        assert!(encoded(unsigned, Kind::Int8, Wire::Table, &UInt64Array::from(vec![u64::MAX])).is_err());
        let decimal = ValueType::Decimal { precision: 5, scale: -2 };
        let hundreds = Decimal128Array::from(vec![7_i128]).with_precision_and_scale(5, -2).expect("decimal");
        assert_eq!(encoded(decimal, Kind::Int4, Wire::Table, &hundreds), Ok(vec![0, 0, 0, 4, 0, 0, 2, 0xbc]));
    }

    #[test]
    fn null_is_a_length_of_minus_one() {
        let null = BinaryArray::from(vec![None]);
        assert_eq!(encoded(ValueType::Bytes, Kind::Bytea, Wire::Table, &null), Ok(vec![0xff; 4]));
    }

    #[test]
    fn jsonb_has_a_version_only_on_the_way_into_the_table() {
        let text = StringArray::from(vec!["{}"]);
        assert_eq!(
            encoded(ValueType::Json, Kind::Jsonb, Wire::Table, &text),
            Ok(vec![0, 0, 0, 3, 1, b'{', b'}'])
        );
        assert_eq!(
            encoded(ValueType::Json, Kind::Jsonb, Wire::Travel, &text),
            Ok(vec![0, 0, 0, 2, b'{', b'}'])
        );
        let nul = StringArray::from(vec![r#""a\u0000""#]);
        assert!(encoded(ValueType::Json, Kind::Jsonb, Wire::Travel, &nul).is_err());
    }

    #[test]
    fn lists_carry_dimensions_nulls_and_the_type_of_their_items() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
        let value = ValueType::List(Box::new(ValueType::Integer(Integer::I64)));
        let kind = Kind::Array(Box::new(Kind::Int2), 21);
        let expected: Vec<u8> = [
            &[0, 0, 0, 30][..],        // length
            &[0, 0, 0, 1, 0, 0, 0, 1], // one dimension, has nulls
            &[0, 0, 0, 21],            // int2
            &[0, 0, 0, 2, 0, 0, 0, 1], // two items, from 1
            &[0, 0, 0, 2, 0, 1],       // 1
            &[0xff; 4],                // NULL
        ]
        .concat();
        assert_eq!(encoded(value, kind, Wire::Table, &list), Ok(expected));
    }

    #[test]
    fn a_float_widens_exactly() {
        let array = Float32Array::from(vec![0.1_f32]);
        let expected = [&[0, 0, 0, 8][..], &f64::from(0.1_f32).to_be_bytes()].concat();
        assert_eq!(encoded(ValueType::Float32, Kind::Float8, Wire::Table, &array), Ok(expected));
    }
}
