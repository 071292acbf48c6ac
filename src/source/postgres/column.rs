//! The columns of a result: what each is in Arrow, and how it travels.

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use hydrant_contract::ValueType;
use std::sync::Arc;
use tokio_postgres::{
    Statement,
    types::{Kind as TypeKind, Oid, Type},
};

/// Precision and scale of a number whose type gives none: as many digits before the point as behind it.
const UNBOUNDED: (u8, i8) = (76, 38);
/// Header of a variable-length value, which the modifier of `numeric` includes.
const MODIFIER_HEADER: i32 = 4;
/// `int2vector` and `oidvector` of the catalog, whose text form is not that of arrays.
const CATALOG_VECTORS: [Oid; 2] = [22, 30];

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The type that the query casts it to, since its own has no form that hydrant reads.
    pub(super) cast: Option<&'static str>,
}

/// A type that hydrant reads, in both forms of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// `numeric` of at most this many digits, so many of them behind the point.
    Numeric {
        precision: u8,
        scale: i8,
    },
    /// Everything whose both forms are the text itself.
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Json,
    Jsonb,
    Array(Box<Kind>),
    /// `vector(n)` of the extension pgvector.
    Vector(i32),
}

/// The columns that a prepared query returns.
pub(super) fn columns(statement: &Statement) -> Vec<Column> {
    let column = |column: &tokio_postgres::Column| {
        let name = column.name().to_owned();
        match Kind::of(column.type_(), column.type_modifier()) {
            Some(kind) => Column { name, kind, cast: None },
            None if is_array(column.type_()) => {
                Column { name, kind: Kind::Array(Box::new(Kind::Text)), cast: Some("text[]") }
            }
            None => Column { name, kind: Kind::Text, cast: Some("text") },
        }
    };
    statement.columns().iter().map(column).collect()
}

fn is_array(of: &Type) -> bool {
    match of.kind() {
        TypeKind::Array(_) => !CATALOG_VECTORS.contains(&of.oid()),
        TypeKind::Domain(base) => is_array(base),
        _ => false,
    }
}

impl Kind {
    /// How values of a type are read; `None` if only its text can be had.
    fn of(of: &Type, modifier: i32) -> Option<Self> {
        if let Some(known) = Self::built_in(of.oid(), modifier) {
            return Some(known);
        }
        match of.kind() {
            TypeKind::Enum(_) => Some(Self::Text),
            TypeKind::Domain(base) => Self::of(base, modifier),
            TypeKind::Array(item) if is_array(of) => {
                // An array of arrays is what a domain over an array can make; its text is clearer.
                let item = Self::of(item, modifier).filter(|item| !matches!(item, Self::Array(_)))?;
                Some(Self::Array(Box::new(item)))
            }
            TypeKind::Simple => match of.name() {
                "citext" => Some(Self::Text),
                "vector" if modifier > 0 => Some(Self::Vector(modifier)),
                _ => None,
            },
            _ => None,
        }
    }

    fn built_in(oid: Oid, modifier: i32) -> Option<Self> {
        Some(match oid {
            16 => Self::Bool,
            17 => Self::Bytea,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            26 => Self::Oid,
            // text, varchar, char(n), name
            25 | 1043 | 1042 | 19 => Self::Text,
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::Timestamptz,
            1700 => Self::numeric(modifier),
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => return None,
        })
    }

    /// Precision in the upper half of the modifier, scale as 11 bits with a sign in the lower one (`numeric.c`, since
    /// PostgreSQL 15; the same for the scales that earlier versions allow).
    fn numeric(modifier: i32) -> Self {
        let (most, unbounded_scale) = UNBOUNDED;
        let unbounded = Self::Numeric { precision: most, scale: unbounded_scale };
        if modifier < MODIFIER_HEADER {
            return unbounded;
        }
        let packed = modifier - MODIFIER_HEADER;
        let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
        // A scale above the precision means zeros behind the point, which Arrow counts as digits.
        let precision = precision.max(scale);
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if precision <= most => Self::Numeric { precision, scale },
            // More digits than Arrow has room for: those before the point are what may be missing.
            (_, Ok(scale)) if scale <= unbounded_scale => Self::Numeric { precision: most, scale },
            _ => unbounded,
        }
    }

    /// The Arrow field of a column of this kind. It may be NULL: a query does not say that it never is.
    pub(super) fn field(&self, name: &str) -> Field {
        match self {
            Self::Uuid => ValueType::Uuid.field(name, true),
            Self::Json | Self::Jsonb => ValueType::Json.field(name, true),
            _ => Field::new(name, self.data_type(), true),
        }
    }

    /// The field of the items of a list or vector.
    pub(super) fn item(&self) -> FieldRef {
        Arc::new(self.field("item"))
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Numeric { precision, scale } if *precision <= 38 => {
                DataType::Decimal128(*precision, *scale)
            }
            Self::Numeric { precision, scale } => DataType::Decimal256(*precision, *scale),
            Self::Text | Self::Json | Self::Jsonb => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Array(item) => DataType::List(item.item()),
            Self::Vector(length) => DataType::FixedSizeList(Self::Float4.item(), *length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_precision_and_scale_as_far_as_arrow_has_room() {
        let of = |precision: i32, scale: i32| {
            let Kind::Numeric { precision, scale } =
                Kind::numeric(((precision << 16) | (scale & 0x7ff)) + MODIFIER_HEADER)
            else {
                panic!("a number");
            };
            (precision, scale)
        };
        assert_eq!(of(12, 2), (12, 2));
        assert_eq!(of(76, 0), (76, 0));
        assert_eq!(of(3, -2), (3, -2));
        assert_eq!(of(3, 5), (5, 5));
        assert_eq!(of(100, 2), (76, 2));
        assert_eq!(of(1000, 500), UNBOUNDED);
        assert_eq!(of(90, 60), UNBOUNDED);
        assert_eq!(Kind::numeric(-1), Kind::Numeric { precision: 76, scale: 38 });
    }

    #[test]
    fn a_type_without_a_form_of_its_own_is_text() {
        for of in [Type::INTERVAL, Type::INET, Type::TIMETZ, Type::MONEY, Type::INT4_RANGE, Type::INT2_VECTOR]
        {
            assert_eq!(Kind::of(&of, -1), None, "{of}");
        }
        assert_eq!(Kind::of(&Type::INT4_ARRAY, -1), Some(Kind::Array(Box::new(Kind::Int4))));
        assert_eq!(Kind::of(&Type::INET_ARRAY, -1), None);
        assert!(is_array(&Type::INET_ARRAY) && !is_array(&Type::INT2_VECTOR));
    }
}
