//! Which values there are, and the one Arrow carrier of each.

use crate::beside::{self, EXTENSION, JSON, UUID};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The logical type of a column, independent of the Arrow type that a source delivered it in.
///
/// Everything past the export sees each logical type in exactly one Arrow [carrier](ValueType::carrier), so that a
/// target encodes fourteen carriers and not the several dozen that Arrow knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// True or false. Carrier: `Boolean`.
    Boolean,
    /// A whole number. Carrier: `Int64`; for [`Integer::U64`] alone `UInt64`.
    Integer(Integer),
    /// IEEE 754 binary32 (half floats widen to it, exactly). Carrier: `Float32`.
    Float32,
    /// IEEE 754 binary64. Carrier: `Float64`.
    Float64,
    /// A decimal number of fixed scale. Carrier: `Decimal128` up to 38 digits, else `Decimal256`.
    Decimal {
        /// Number of significant decimal digits, 1 to 76.
        precision: u8,
        /// Number of digits after the point; negative for multiples of powers of ten.
        scale: i8,
    },
    /// Unicode text. Carrier: `Utf8`.
    Text,
    /// Bytes. Carrier: `Binary`.
    Bytes,
    /// A day of the proleptic Gregorian calendar. Carrier: `Date32`.
    Date,
    /// A time of day. Carrier: `Time64` of the resolution.
    Time(Resolution),
    /// A wall-clock date and time, in no particular zone. Carrier: `Timestamp(resolution, None)`.
    Timestamp(Resolution),
    /// An instant. Carrier: `Timestamp(resolution, "UTC")`; the zone it was displayed in is not kept.
    Instant(Resolution),
    /// A UUID (RFC 9562), from the extension type `arrow.uuid`. Carrier: `FixedSizeBinary(16)`.
    Uuid,
    /// A JSON text, from the extension type `arrow.json`. Carrier: `Utf8`.
    Json,
    /// A list of values. Carrier: `List` with the item field named `item`, nullable.
    List(Box<ValueType>),
    /// A list of this many binary32 numbers, as embeddings are. Carrier: `FixedSizeList(Float32)`, items nullable.
    Vector(i32),
    /// Named fields, in the order of the source; names are unique. Carrier: `Struct`, fields nullable.
    Struct(Vec<(String, ValueType)>),
    /// Keys to values. Carrier: `Map` with entries `key` (not null) and `value` (nullable), unsorted.
    Map(Box<ValueType>, Box<ValueType>),
}

/// The range of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Integer {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

/// The finest step that a time or timestamp can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// One millionth of a second; seconds and milliseconds are carried in it too.
    Micro,
    /// One thousandth of that.
    Nano,
}

impl Resolution {
    /// The unit as Arrow names it.
    pub fn unit(self) -> TimeUnit {
        match self {
            Self::Micro => TimeUnit::Microsecond,
            Self::Nano => TimeUnit::Nanosecond,
        }
    }

    pub(crate) fn of(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::Nanosecond => Self::Nano,
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond => Self::Micro,
        }
    }
}

/// An Arrow type that hydrant has no logical type for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} has the type {found}, which hydrant does not carry: {mend}")]
pub struct UnsupportedType {
    /// The column (with the path to the nested field, parted by dots).
    pub column: String,
    /// The Arrow type that was found.
    pub found: String,
    /// What to do about it, in the words of a query's author.
    pub mend: &'static str,
}

impl ValueType {
    /// The logical type of an Arrow field.
    pub fn of(field: &Field) -> Result<Self, UnsupportedType> {
        Self::at(field, field.name())
    }

    fn at(field: &Field, path: &str) -> Result<Self, UnsupportedType> {
        let refused = |found, mend| UnsupportedType { column: path.to_owned(), found, mend };
        let no = |mend| refused(field.data_type().to_string(), mend);
        // What is said of a dictionary or of runs is said of the values in them.
        let is_encoded = matches!(field.data_type(), DataType::Dictionary(..) | DataType::RunEndEncoded(..));
        if !is_encoded && let Some(said) = beside::said_of(field) {
            return said.map_err(|(found, mend)| refused(found, mend));
        }
        Ok(match field.data_type() {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Integer(Integer::I8),
            DataType::Int16 => Self::Integer(Integer::I16),
            DataType::Int32 => Self::Integer(Integer::I32),
            DataType::Int64 => Self::Integer(Integer::I64),
            DataType::UInt8 => Self::Integer(Integer::U8),
            DataType::UInt16 => Self::Integer(Integer::U16),
            DataType::UInt32 => Self::Integer(Integer::U32),
            DataType::UInt64 => Self::Integer(Integer::U64),
            DataType::Float16 | DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                Self::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Bytes,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(unit) | DataType::Time64(unit) => Self::Time(Resolution::of(*unit)),
            DataType::Timestamp(unit, None) => Self::Timestamp(Resolution::of(*unit)),
            DataType::Timestamp(unit, Some(_)) => Self::Instant(Resolution::of(*unit)),
            DataType::Dictionary(_, values) => {
                let values = Field::new(field.name(), (**values).clone(), true)
                    .with_metadata(field.metadata().clone());
                Self::at(&values, path)?
            }
            DataType::RunEndEncoded(_, values) => {
                let mut metadata = field.metadata().clone();
                metadata.extend(values.metadata().clone());
                Self::at(&values.as_ref().clone().with_metadata(metadata), path)?
            }
            DataType::FixedSizeList(item, len) if item.data_type() == &DataType::Float32 => {
                Self::Vector(*len)
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => {
                Self::List(Box::new(Self::at(item, &format!("{path}.item"))?))
            }
            DataType::Struct(fields) => {
                let mut names = std::collections::HashSet::new();
                if !fields.iter().all(|f| names.insert(f.name())) {
                    return Err(no("two of its fields have the same name, rename one in the query"));
                }
                Self::Struct(
                    fields
                        .iter()
                        .map(|f| Ok((f.name().clone(), Self::at(f, &format!("{path}.{}", f.name()))?)))
                        .collect::<Result<_, _>>()?,
                )
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(kv) if kv.len() == 2 => Self::Map(
                    Box::new(Self::at(&kv[0], &format!("{path}.key"))?),
                    Box::new(Self::at(&kv[1], &format!("{path}.value"))?),
                ),
                _ => return Err(no("a map has entries of a key and a value")),
            },
            DataType::Null => {
                return Err(no("give it a type in the query, for example CAST(NULL AS VARCHAR)"));
            }
            DataType::Duration(_) | DataType::Interval(_) => {
                return Err(no("turn it into a number of seconds or into text in the query"));
            }
            DataType::Union(..) => return Err(no("select one of its alternatives in the query")),
        })
    }

    /// The one Arrow type that carries values of this type past the export.
    pub fn carrier(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer(Integer::U64) => DataType::UInt64,
            Self::Integer(_) => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } if *precision <= 38 => {
                DataType::Decimal128(*precision, *scale)
            }
            Self::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale),
            Self::Text | Self::Json => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time(resolution) => DataType::Time64(resolution.unit()),
            Self::Timestamp(resolution) => DataType::Timestamp(resolution.unit(), None),
            Self::Instant(resolution) => DataType::Timestamp(resolution.unit(), Some("UTC".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::List(item) => DataType::List(item.child("item")),
            Self::Vector(len) => DataType::FixedSizeList(Self::Float32.child("item"), *len),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, value)| value.child(name)).collect())
            }
            Self::Map(key, value) => {
                let key = Arc::new(key.field("key", false));
                let entries = DataType::Struct([key, value.child("value")].into_iter().collect());
                DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
            }
        }
    }

    /// A field of this name that carries values of this type, and says so where the carrier alone does not.
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.carrier(), nullable);
        match self {
            Self::Uuid => field.with_metadata([(EXTENSION.to_owned(), UUID.to_owned())].into()),
            Self::Json => field.with_metadata([(EXTENSION.to_owned(), JSON.to_owned())].into()),
            _ => field,
        }
    }

    fn child(&self, name: &str) -> FieldRef {
        Arc::new(self.field(name, true))
    }
}

impl Integer {
    /// The smallest and the largest value.
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::I8 => (i8::MIN.into(), i8::MAX.into()),
            Self::I16 => (i16::MIN.into(), i16::MAX.into()),
            Self::I32 => (i32::MIN.into(), i32::MAX.into()),
            Self::I64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |r: &Resolution| match r {
            Resolution::Micro => "microseconds",
            Resolution::Nano => "nanoseconds",
        };
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer(integer) => f.write_str(match integer {
                Integer::I8 => "8-bit integer",
                Integer::I16 => "16-bit integer",
                Integer::I32 => "32-bit integer",
                Integer::I64 => "64-bit integer",
                Integer::U8 => "unsigned 8-bit integer",
                Integer::U16 => "unsigned 16-bit integer",
                Integer::U32 => "unsigned 32-bit integer",
                Integer::U64 => "unsigned 64-bit integer",
            }),
            Self::Float32 => f.write_str("32-bit float"),
            Self::Float64 => f.write_str("64-bit float"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            Self::Text => f.write_str("text"),
            Self::Bytes => f.write_str("bytes"),
            Self::Date => f.write_str("date"),
            Self::Time(r) => write!(f, "time of day in {}", of(r)),
            Self::Timestamp(r) => write!(f, "timestamp without zone in {}", of(r)),
            Self::Instant(r) => write!(f, "timestamp with zone in {}", of(r)),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::List(item) => write!(f, "list of {item}"),
            Self::Vector(len) => write!(f, "vector of {len} 32-bit floats"),
            Self::Struct(fields) => {
                f.write_str("struct of ")?;
                for (i, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {value}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Map(key, value) => write!(f, "map of {key} to {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_is_its_own_logical_type() {
        let types = [
            ValueType::Boolean,
            ValueType::Integer(Integer::U64),
            ValueType::Integer(Integer::I64),
            ValueType::Decimal { precision: 60, scale: 4 },
            ValueType::Instant(Resolution::Nano),
            ValueType::Uuid,
            ValueType::Vector(3),
            ValueType::List(Box::new(ValueType::Struct(vec![("a".into(), ValueType::Json)]))),
            ValueType::Map(Box::new(ValueType::Text), Box::new(ValueType::Time(Resolution::Micro))),
        ];
        for value in types {
            assert_eq!(ValueType::of(&value.field("c", true)), Ok(value));
        }
    }

    #[test]
    fn what_cannot_be_carried_names_the_nested_field_and_the_mend() {
        let inner = Field::new("gap", DataType::Duration(TimeUnit::Second), true);
        let error =
            ValueType::of(&Field::new("visit", DataType::Struct([inner].into_iter().collect()), true))
                .unwrap_err();
        assert_eq!(error.column, "visit.gap");
        assert!(error.to_string().contains("number of seconds"), "{error}");
    }
}
