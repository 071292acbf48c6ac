//! What columns hold, as far as the [encoder](crate::encode) refuses.

use crate::{
    catalog::Table,
    column_type::{Kind, TextLimit},
    encode::{DATES_SINCE_1970, Fit, MICROS_SINCE_1970},
};
use hydrant_contract::{Column, Digits, Integer, Limits, Resolution, TableSpec, ValueType};

/// The digits after the point of a second that Postgres keeps at the most.
const SECOND_DIGITS_MAX: u8 = 6;

/// The limits of a table that is there.
pub(crate) fn of_table(spec: &TableSpec, table: &Table) -> Vec<Limits> {
    let of = |wanted: &Column| match table.column(&wanted.name).filter(|c| c.kind.takes(&wanted.value)) {
        Some(column) => Limits { not_null: column.not_null, ..of(&wanted.name, &wanted.value, &column.kind) },
        None => Limits::none(&wanted.name),
    };
    spec.shape.columns().iter().map(of).collect()
}

/// The limits of the table that `create` makes. Its columns are as wide as their types wherever Postgres has such.
pub(crate) fn of_created(spec: &TableSpec) -> Vec<Limits> {
    let of = |wanted: &Column| {
        let kind = match &wanted.value {
            ValueType::Text => Some(Kind::Text(TextLimit::None)),
            // A list of texts becomes an array of them, whose items have the same limit.
            ValueType::Json | ValueType::List(_) | ValueType::Struct(_) | ValueType::Map(..) => {
                Some(Kind::Jsonb)
            }
            ValueType::Date => Some(Kind::Date),
            ValueType::Time(_) => Some(Kind::Time(SECOND_DIGITS_MAX)),
            ValueType::Timestamp(_) => Some(Kind::Timestamp(SECOND_DIGITS_MAX)),
            ValueType::Instant(_) => Some(Kind::Timestamptz(SECOND_DIGITS_MAX)),
            ValueType::Boolean
            | ValueType::Integer(_)
            | ValueType::Float32
            | ValueType::Float64
            | ValueType::Decimal { .. }
            | ValueType::Bytes
            | ValueType::Uuid
            | ValueType::Vector(_) => None,
        };
        let limits =
            kind.map_or_else(|| Limits::none(&wanted.name), |kind| of(&wanted.name, &wanted.value, &kind));
        Limits { not_null: spec.shape.is_key(&wanted.name), ..limits }
    };
    spec.shape.columns().iter().map(of).collect()
}

/// The limits that a column of this kind, which takes values of this type, has for them.
fn of(name: &str, value: &ValueType, kind: &Kind) -> Limits {
    let none = Limits::none(name);
    match (value, kind) {
        (ValueType::Text, _) => {
            let characters = match kind {
                Kind::Text(TextLimit::Varchar(max) | TextLimit::Char(max)) if *max < usize::MAX => {
                    Some(*max as u64)
                }
                _ => None,
            };
            let no_space_at_end = matches!(kind, Kind::Text(TextLimit::Char(_)));
            Limits { characters, no_nul: true, no_space_at_end, ..none }
        }
        (ValueType::Json, Kind::Jsonb) => Limits { no_nul: true, ..none },
        (ValueType::List(_) | ValueType::Struct(_) | ValueType::Map(..), Kind::Jsonb | Kind::Array(..)) => {
            Limits { no_nul: has_text(value), ..none }
        }
        (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Int2 | Kind::Int4 | Kind::Int8) => {
            let integer = match kind {
                Kind::Int2 => Integer::I16,
                Kind::Int4 => Integer::I32,
                _ => Integer::I64,
            };
            Limits { range: narrowed(value, integer), ..none }
        }
        (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Numeric(limit)) => {
            let digits = match Fit::new(value, *limit) {
                Fit::Always => None,
                Fit::Limit(limit) => Some(Digits { precision: limit.precision, scale: limit.scale }),
            };
            Limits { digits, ..none }
        }
        (ValueType::Date, _) => Limits {
            range: Some((DATES_SINCE_1970.start.into(), i128::from(DATES_SINCE_1970.end) - 1)),
            ..none
        },
        (ValueType::Time(unit), Kind::Time(kept)) => Limits { second_digits: digits(*unit, *kept), ..none },
        (
            ValueType::Timestamp(unit) | ValueType::Instant(unit),
            Kind::Timestamp(kept) | Kind::Timestamptz(kept),
        ) => {
            let range = match unit {
                // The last microsecond that Arrow counts is earlier than the last of Postgres.
                Resolution::Micro => Some((MICROS_SINCE_1970.start.into(), i64::MAX.into())),
                // Nanoseconds in 64 bits end long before the calendar does.
                Resolution::Nano => None,
            };
            Limits { range, second_digits: digits(*unit, *kept), ..none }
        }
        _ => none,
    }
}

/// Whether there are texts in values of this type.
fn has_text(value: &ValueType) -> bool {
    match value {
        ValueType::Text | ValueType::Json => true,
        ValueType::List(item) => has_text(item),
        ValueType::Struct(fields) => fields.iter().any(|(_, value)| has_text(value)),
        ValueType::Map(key, value) => has_text(key) || has_text(value),
        ValueType::Boolean
        | ValueType::Integer(_)
        | ValueType::Float32
        | ValueType::Float64
        | ValueType::Decimal { .. }
        | ValueType::Bytes
        | ValueType::Date
        | ValueType::Time(_)
        | ValueType::Timestamp(_)
        | ValueType::Instant(_)
        | ValueType::Uuid
        | ValueType::Vector(_) => false,
    }
}

/// The range of whole numbers, in units of the value's carrier, if the value's type is wider.
fn narrowed(value: &ValueType, column: Integer) -> Option<(i128, i128)> {
    let (low, high) = column.range();
    match value {
        ValueType::Integer(integer) => {
            let (min, max) = integer.range();
            (min < low || max > high).then(|| (low.max(min), high.min(max)))
        }
        // Units are powers of ten, and a division cuts towards zero.
        ValueType::Decimal { precision, scale } => {
            let unit = 10_i128.checked_pow(scale.unsigned_abs().into()).unwrap_or(i128::MAX);
            let largest = 10_i128.checked_pow((*precision).into()).map_or(i128::MAX, |power| power - 1);
            let (low, high) = (low / unit, high / unit);
            (-largest < low || largest > high).then(|| (low.max(-largest), high.min(largest)))
        }
        _ => None,
    }
}

/// How many digits of a second the column keeps, if values have more.
fn digits(unit: Resolution, kept: u8) -> Option<u8> {
    let has = match unit {
        Resolution::Micro => 6,
        Resolution::Nano => 9,
    };
    (kept < has).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_type::NumericLimit;

    fn limits(value: ValueType, kind: Kind) -> Limits {
        of("c", &value, &kind)
    }

    #[test]
    fn a_limit_is_stated_only_where_values_can_be_beyond_it() {
        let none = Limits::none("c");
        assert_eq!(limits(ValueType::Integer(Integer::I16), Kind::Int2), none);
        let small = limits(ValueType::Integer(Integer::U32), Kind::Int2);
        assert_eq!(small.range, Some((0, 32767)));
        let hundreds = ValueType::Decimal { precision: 38, scale: -2 };
        assert_eq!(limits(hundreds, Kind::Int2).range, Some((-327, 327)));
        let numeric = |precision, scale| Kind::Numeric(Some(NumericLimit { precision, scale }));
        let decimal = ValueType::Decimal { precision: 10, scale: 2 };
        assert_eq!(limits(decimal.clone(), numeric(12, 4)), none);
        assert_eq!(limits(decimal, numeric(12, 1)).digits, Some(Digits { precision: 12, scale: 1 }));
        assert_eq!(limits(ValueType::Time(Resolution::Micro), Kind::Time(6)), none);
        assert_eq!(limits(ValueType::Time(Resolution::Nano), Kind::Time(6)).second_digits, Some(6));
        assert_eq!(limits(ValueType::Time(Resolution::Micro), Kind::Time(0)).second_digits, Some(0));
    }

    #[test]
    fn texts_are_limited_by_the_kind_of_their_column() {
        let text = |limit| limits(ValueType::Text, Kind::Text(limit));
        assert_eq!(text(TextLimit::Varchar(5)).characters, Some(5));
        let char = text(TextLimit::Char(5));
        assert!(char.no_space_at_end && char.no_nul && char.characters == Some(5));
        assert_eq!(text(TextLimit::Char(usize::MAX)).characters, None);
        assert!(limits(ValueType::Json, Kind::Jsonb).no_nul && !limits(ValueType::Json, Kind::Json).no_nul);
    }
}
