//! The types of Postgres that hydrant knows, and which values go where.

use crate::name;
use hydrant_contract::{Integer, ValueType};

/// The type of a column, with all that decides whether a value fits. Domains are seen as their base type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    /// `numeric`, with precision and scale if it has any.
    Numeric(Option<NumericLimit>),
    Float4,
    Float8,
    /// `text`, `varchar(n)`, `char(n)`.
    Text(TextLimit),
    /// `citext` of the extension.
    Citext,
    Enum,
    Bytea,
    Date,
    /// `time(p)`: the digits of the second that it keeps.
    Time(u8),
    Timestamp(u8),
    Timestamptz(u8),
    Uuid,
    Json,
    Jsonb,
    /// An array of this item, whose type has this oid.
    Array(Box<Kind>, u32),
    /// `vector(n)` of the extension pgvector.
    Vector(Option<i32>),
    /// A type that is only known by its text form.
    Other,
}

/// The digits that a `numeric(p, s)` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumericLimit {
    pub(crate) precision: i32,
    pub(crate) scale: i32,
}

/// The characters that a text column keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextLimit {
    None,
    /// At most so many.
    Varchar(usize),
    /// Exactly so many, filled up with spaces that do not count.
    Char(usize),
}

/// What the catalog says of a type, after following domains to their base.
#[derive(Clone, Debug)]
pub(crate) struct CatalogType {
    pub(crate) oid: u32,
    pub(crate) name: String,
    /// `b` base, `e` enum, `c` composite, `r` range, `m` multirange.
    pub(crate) class: char,
    /// `A` arrays, `I` network addresses, `U` user-defined …
    pub(crate) category: char,
    pub(crate) modifier: i32,
    /// The type of the items, if it is an array.
    pub(crate) item: Option<(u32, String, char)>,
}

/// Header of a variable-length value, which type modifiers of some types include for historical reasons.
const MODIFIER_HEADER: i32 = 4;

impl Kind {
    pub(crate) fn of(from: &CatalogType) -> Self {
        if let (Some((oid, name, class)), 'A') = (&from.item, from.category) {
            let item = CatalogType {
                oid: *oid,
                name: name.clone(),
                class: *class,
                category: ' ',
                modifier: from.modifier,
                item: None,
            };
            return Self::Array(Box::new(Self::of(&item)), *oid);
        }
        let modifier = from.modifier;
        let characters = usize::try_from(modifier - MODIFIER_HEADER).ok();
        let digits = u8::try_from(modifier).unwrap_or(6).min(6);
        match from.oid {
            16 => Self::Bool,
            17 => Self::Bytea,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            25 => Self::Text(TextLimit::None),
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            // Without a length it takes any number of characters, but a space at the end does not count either.
            1042 => Self::Text(TextLimit::Char(characters.unwrap_or(usize::MAX))),
            1043 => Self::Text(characters.map_or(TextLimit::None, TextLimit::Varchar)),
            1082 => Self::Date,
            1083 => Self::Time(digits),
            1114 => Self::Timestamp(digits),
            1184 => Self::Timestamptz(digits),
            1700 => Self::Numeric((modifier >= MODIFIER_HEADER).then(|| NumericLimit::of_modifier(modifier))),
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ if from.class == 'e' => Self::Enum,
            _ if from.name == "citext" && from.class == 'b' => Self::Citext,
            _ if from.name == "vector" && from.class == 'b' => {
                Self::Vector((modifier > 0).then_some(modifier))
            }
            _ => Self::Other,
        }
    }

    /// The built-in type, without a modifier, that values of this column take on the way in (in the temporary table)
    /// and out (in the answer to a query). Whatever Postgres may refuse for reasons of its own, such as a label of an
    /// enum, travels as text and is cast when it is written.
    pub(crate) fn travel(&self) -> Kind {
        match self {
            Self::Text(_) | Self::Citext | Self::Enum | Self::Json | Self::Jsonb | Self::Other => {
                Self::Text(TextLimit::None)
            }
            Self::Numeric(_) => Self::Numeric(None),
            Self::Time(_) => Self::Time(6),
            Self::Timestamp(_) => Self::Timestamp(6),
            Self::Timestamptz(_) => Self::Timestamptz(6),
            Self::Array(item, _) => {
                let item = item.travel();
                let oid = item.oid();
                Self::Array(Box::new(item), oid)
            }
            Self::Vector(_) => Self::Array(Box::new(Self::Float4), Self::Float4.oid()),
            Self::Bool
            | Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Float4
            | Self::Float8
            | Self::Bytea
            | Self::Date
            | Self::Uuid => self.clone(),
        }
    }

    /// Whether a value that travelled must be cast to be written.
    pub(crate) fn needs_cast(&self) -> bool {
        match self {
            Self::Text(limit) => matches!(limit, TextLimit::Char(_)),
            Self::Array(item, _) => !matches!(**item, Self::Text(TextLimit::None)) && item.needs_cast(),
            Self::Citext | Self::Enum | Self::Json | Self::Jsonb | Self::Vector(_) | Self::Other => true,
            Self::Bool
            | Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Numeric(_)
            | Self::Float4
            | Self::Float8
            | Self::Bytea
            | Self::Date
            | Self::Time(_)
            | Self::Timestamp(_)
            | Self::Timestamptz(_)
            | Self::Uuid => false,
        }
    }

    /// The SQL name of a [travelling](Kind::travel) type.
    pub(crate) fn travel_sql(&self) -> String {
        let scalar = match self.travel() {
            Self::Array(item, _) => return format!("{}[]", item.travel_sql()),
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Numeric(_) => "numeric",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::Timestamptz(_) => "timestamptz",
            Self::Uuid => "uuid",
            _ => "text",
        };
        format!("pg_catalog.{scalar}")
    }

    /// The oid of a [travelling](Kind::travel) scalar type.
    pub(crate) fn oid(&self) -> u32 {
        match self.travel() {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Date => 1082,
            Self::Time(_) => 1083,
            Self::Timestamp(_) => 1114,
            Self::Timestamptz(_) => 1184,
            Self::Numeric(_) => 1700,
            Self::Uuid => 2950,
            _ => 25,
        }
    }

    /// Whether rows can be copied straight into a column of this type.
    pub(crate) fn is_binary(&self) -> bool {
        match self {
            Self::Other => false,
            Self::Array(item, _) => item.is_binary(),
            _ => true,
        }
    }

    /// Whether values of this type go to a column of this kind: exactly, or refused one by one.
    pub(crate) fn takes(&self, value: &ValueType) -> bool {
        match (value, self) {
            (ValueType::Boolean, Self::Bool)
            | (ValueType::Integer(_), Self::Int2 | Self::Int4 | Self::Int8 | Self::Numeric(_))
            | (ValueType::Decimal { .. }, Self::Numeric(_))
            | (ValueType::Float32, Self::Float4 | Self::Float8)
            | (ValueType::Float64, Self::Float8)
            | (
                ValueType::Text,
                Self::Text(_)
                | Self::Citext
                | Self::Enum
                | Self::Uuid
                | Self::Json
                | Self::Jsonb
                | Self::Other,
            )
            | (ValueType::Bytes, Self::Bytea)
            | (ValueType::Date, Self::Date)
            | (ValueType::Time(_), Self::Time(_))
            | (ValueType::Timestamp(_), Self::Timestamp(_))
            | (ValueType::Instant(_), Self::Timestamptz(_))
            | (ValueType::Uuid, Self::Uuid | Self::Text(_) | Self::Citext)
            | (ValueType::Json, Self::Json | Self::Jsonb | Self::Text(TextLimit::None))
            | (
                ValueType::List(_) | ValueType::Vector(_) | ValueType::Struct(_) | ValueType::Map(..),
                Self::Json | Self::Jsonb,
            ) => true,
            // Whole numbers often arrive as decimals without digits after the point.
            (ValueType::Decimal { scale, .. }, Self::Int2 | Self::Int4 | Self::Int8) => *scale <= 0,
            (ValueType::List(item), Self::Array(kind, _)) => {
                is_scalar(item)
                    && kind.is_binary()
                    && !matches!(**kind, Self::Json | Self::Jsonb)
                    && kind.takes(item)
            }
            (ValueType::Vector(_), Self::Array(kind, _)) => matches!(**kind, Self::Float4 | Self::Float8),
            (ValueType::Vector(len), Self::Vector(limit)) => limit.is_none_or(|limit| limit == *len),
            _ => false,
        }
    }
}

impl NumericLimit {
    /// Precision in the upper half, scale as 11 bits with a sign in the lower one (`numeric.c`, since PostgreSQL 15; the
    /// same for the scales that earlier versions allow).
    fn of_modifier(modifier: i32) -> Self {
        let packed = modifier - MODIFIER_HEADER;
        Self { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 }
    }
}

fn is_scalar(value: &ValueType) -> bool {
    match value {
        ValueType::Json
        | ValueType::List(_)
        | ValueType::Vector(_)
        | ValueType::Struct(_)
        | ValueType::Map(..) => false,
        ValueType::Boolean
        | ValueType::Integer(_)
        | ValueType::Float32
        | ValueType::Float64
        | ValueType::Decimal { .. }
        | ValueType::Text
        | ValueType::Bytes
        | ValueType::Date
        | ValueType::Time(_)
        | ValueType::Timestamp(_)
        | ValueType::Instant(_)
        | ValueType::Uuid => true,
    }
}

/// The type that a column is created with. `vector` is the qualified name of pgvector's type, if it is installed.
pub(crate) fn created(value: &ValueType, vector: Option<&str>) -> String {
    let name = match value {
        ValueType::Boolean => "boolean",
        ValueType::Integer(Integer::I8 | Integer::I16 | Integer::U8) => "smallint",
        ValueType::Integer(Integer::I32 | Integer::U16) => "integer",
        ValueType::Integer(Integer::I64 | Integer::U32) => "bigint",
        ValueType::Integer(Integer::U64) => "numeric(20)",
        ValueType::Float32 => "real",
        ValueType::Float64 => "double precision",
        ValueType::Decimal { precision, scale } => {
            // Before PostgreSQL 15 a scale is neither negative nor above the precision.
            let (precision, scale) = (i32::from(*precision), i32::from(*scale));
            return match scale {
                ..0 => format!("numeric({})", precision - scale),
                0 => format!("numeric({precision})"),
                _ => format!("numeric({}, {scale})", precision.max(scale)),
            };
        }
        ValueType::Text => "text",
        ValueType::Bytes => "bytea",
        ValueType::Date => "date",
        ValueType::Time(_) => "time",
        ValueType::Timestamp(_) => "timestamp",
        ValueType::Instant(_) => "timestamptz",
        ValueType::Uuid => "uuid",
        ValueType::List(item) if is_scalar(item) => return format!("{}[]", created(item, vector)),
        ValueType::Vector(len) => {
            return vector.map_or_else(|| "real[]".to_owned(), |vector| format!("{vector}({len})"));
        }
        ValueType::Json | ValueType::List(_) | ValueType::Struct(_) | ValueType::Map(..) => "jsonb",
    };
    name.to_owned()
}

/// The name of pgvector's type in a schema.
pub(crate) fn vector_name(schema: &str) -> String {
    name::qualified(schema, "vector")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_contract::Resolution;

    #[test]
    fn modifiers_of_numeric_are_unpacked() {
        let of = |modifier| {
            let limit = NumericLimit::of_modifier(modifier);
            (limit.precision, limit.scale)
        };
        assert_eq!(of(((10 << 16) | 2) + 4), (10, 2));
        assert_eq!(of(((3 << 16) | (-2_i32 & 0x7ff)) + 4), (3, -2));
        assert_eq!(of((1000 << 16) + 4), (1000, 0));
    }

    #[test]
    fn instants_and_wall_clocks_never_mix() {
        let micro = Resolution::Micro;
        assert!(Kind::Timestamptz(6).takes(&ValueType::Instant(micro)));
        assert!(!Kind::Timestamp(6).takes(&ValueType::Instant(micro)));
        assert!(!Kind::Timestamptz(6).takes(&ValueType::Timestamp(micro)));
        assert!(!Kind::Timestamp(6).takes(&ValueType::Date));
    }

    #[test]
    fn what_is_created_takes_what_it_was_created_for() {
        let decimal = |precision, scale| created(&ValueType::Decimal { precision, scale }, None);
        assert_eq!(decimal(10, 2), "numeric(10, 2)");
        assert_eq!(decimal(5, -2), "numeric(7)");
        assert_eq!(decimal(3, 5), "numeric(5, 5)");
        assert_eq!(
            created(&ValueType::List(Box::new(ValueType::Integer(Integer::U64))), None),
            "numeric(20)[]"
        );
        assert_eq!(created(&ValueType::Vector(3), Some("\"x\".\"vector\"")), "\"x\".\"vector\"(3)");
    }
}
