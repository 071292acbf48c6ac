//! Which types share canonical forms.

use hydrant_contract::ValueType;
use std::fmt;

/// A set of types in which equal values have equal canonical forms.
///
/// A column that changes its type within its class (`INT` to `BIGINT`, `DECIMAL(10, 2)` to `DECIMAL(12, 4)`, text to
/// JSON) keeps the hashes of all values that stayed the same; one that leaves its class has all of them changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Booleans.
    Boolean,
    /// Whole numbers and decimals.
    Number,
    /// Binary floating point numbers of either width.
    Float,
    /// Text, and JSON as the text it is.
    Text,
    /// Byte strings.
    Bytes,
    /// Days.
    Date,
    /// Times of day of either resolution.
    Time,
    /// Wall-clock times of either resolution.
    Timestamp,
    /// Instants of either resolution.
    Instant,
    /// UUIDs.
    Uuid,
    /// Lists and vectors.
    List(Box<Class>),
    /// Structs; fields by name.
    Struct(Vec<(String, Class)>),
    /// Maps.
    Map(Box<Class>, Box<Class>),
}

impl Class {
    /// The class of a type.
    pub fn of(value: &ValueType) -> Self {
        match value {
            ValueType::Boolean => Self::Boolean,
            ValueType::Integer(_) | ValueType::Decimal { .. } => Self::Number,
            ValueType::Float32 | ValueType::Float64 => Self::Float,
            ValueType::Text | ValueType::Json => Self::Text,
            ValueType::Bytes => Self::Bytes,
            ValueType::Date => Self::Date,
            ValueType::Time(_) => Self::Time,
            ValueType::Timestamp(_) => Self::Timestamp,
            ValueType::Instant(_) => Self::Instant,
            ValueType::Uuid => Self::Uuid,
            ValueType::List(item) => Self::List(Box::new(Self::of(item))),
            ValueType::Vector(_) => Self::List(Box::new(Self::Float)),
            ValueType::Struct(fields) => {
                let mut fields: Vec<_> =
                    fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                Self::Struct(fields)
            }
            ValueType::Map(key, value) => Self::Map(Box::new(Self::of(key)), Box::new(Self::of(value))),
        }
    }
}

/// The name under which `docs/fingerprint.md` specifies the class.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Instant => "instant",
            Self::Uuid => "uuid",
            Self::List(_) => "list",
            Self::Struct(_) => "struct",
            Self::Map(..) => "map",
        })
    }
}
