//! What the managed columns hold, beyond their types.

use crate::{
    catalog::Table,
    column_type::{self, KeyRoom, Kind},
    encode::{DAYS, Fit, MICROS, TIMESTAMP_MICROS},
    session::Server,
};
use hydrant_contract::{Column, Digits, Integer, Limits, Resolution, TableSpec, ValueType};

/// The limits of the columns of a table that is there.
pub(crate) fn of_table(spec: &TableSpec, table: &Table) -> Vec<Limits> {
    let limits = |wanted: &Column| match table.column(&wanted.name) {
        Some(column) if column.kind.takes(&wanted.value) => {
            let is_key = spec.shape.is_key(&wanted.name);
            let mut limits = of(&wanted.name, &wanted.value, &column.kind);
            limits.not_null = column.not_null;
            // In a key they would be equal to what they are without.
            let cut = is_key && wanted.value == ValueType::Text && column.ignores_spaces_at_end();
            limits.no_space_at_end |= cut;
            limits
        }
        _ => Limits::none(&wanted.name),
    };
    spec.shape.columns().iter().map(limits).collect()
}

/// The limits of the table that `create` makes.
pub(crate) fn of_created(spec: &TableSpec, server: &Server) -> Vec<Limits> {
    let room = KeyRoom::new(spec.shape.key_columns().map(|c| &c.value), server);
    let limits = |wanted: &Column| {
        let is_key = spec.shape.is_key(&wanted.name);
        let kind = column_type::created(&wanted.value, is_key.then_some(&room), server.product);
        let limits =
            kind.map_or_else(|| Limits::none(&wanted.name), |kind| of(&wanted.name, &wanted.value, &kind));
        Limits { not_null: is_key, ..limits }
    };
    spec.shape.columns().iter().map(limits).collect()
}

/// The limits that a column of this kind, which takes values of this type, has for them.
fn of(name: &str, value: &ValueType, kind: &Kind) -> Limits {
    let none = Limits::none(name);
    match (value, kind) {
        (ValueType::Text, Kind::Char { characters, .. }) => {
            Limits { characters: Some(*characters), no_space_at_end: true, ..none }
        }
        (ValueType::Text, Kind::Varchar { characters, .. }) => {
            Limits { characters: Some(*characters), ..none }
        }
        (ValueType::Integer(_) | ValueType::Decimal { .. }, Kind::Decimal { precision, scale, unsigned }) => {
            let digits = match Fit::new(value, *precision, *scale) {
                Fit::Always => None,
                Fit::Limit { precision, scale } => {
                    Some(Digits { precision: precision.into(), scale: scale.into() })
                }
            };
            let range = if *unsigned { narrowed(value, (0, i128::MAX)) } else { None };
            Limits { digits, range, ..none }
        }
        (ValueType::Integer(_) | ValueType::Decimal { .. }, kind) => {
            Limits { range: range_of(kind).and_then(|range| narrowed(value, range)), ..none }
        }
        (ValueType::Float32 | ValueType::Float64, _) => Limits { no_nan: true, ..none },
        (ValueType::Date, _) => Limits { range: Some((DAYS.0.into(), DAYS.1.into())), ..none },
        (ValueType::Time(unit), Kind::Time(kept)) => Limits { second_digits: digits(*unit, *kept), ..none },
        (ValueType::Timestamp(unit) | ValueType::Instant(unit), Kind::Datetime(kept)) => {
            let range = match unit {
                Resolution::Micro => Some(whole_steps(MICROS, *kept)),
                // Nanoseconds in 64 bits end long before the calendar does.
                Resolution::Nano => None,
            };
            Limits { range, second_digits: digits(*unit, *kept), ..none }
        }
        (ValueType::Instant(unit), Kind::Timestamp(kept)) => {
            let (low, high) = whole_steps(TIMESTAMP_MICROS, *kept);
            let factor = match unit {
                Resolution::Micro => 1,
                Resolution::Nano => 1000,
            };
            let range = Some((low * factor, high * factor));
            Limits { range, second_digits: digits(*unit, *kept), ..none }
        }
        _ => none,
    }
}

/// A range of microseconds whose upper end is one that a column with so many digits of a second keeps.
fn whole_steps((low, high): (i64, i64), kept: u8) -> (i128, i128) {
    let step = 10_i64.pow(6 - u32::from(kept.min(6)));
    (low.into(), (high - high.rem_euclid(step)).into())
}

/// The whole numbers that a column of this kind holds.
pub(crate) fn range_of(kind: &Kind) -> Option<(i128, i128)> {
    Some(match kind {
        Kind::Int { bits, unsigned: true } => (0, (1 << bits) - 1),
        Kind::Int { bits, unsigned: false } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        Kind::Bit(bits) => (0, (1 << bits) - 1),
        // Two digits would be taken for a year of this century or the last.
        Kind::Year => (1901, 2155),
        _ => return None,
    })
}

/// The range, in units of the value's carrier, if the value's type is wider.
fn narrowed(value: &ValueType, (low, high): (i128, i128)) -> Option<(i128, i128)> {
    match value {
        ValueType::Integer(integer) => {
            let (min, max) = Integer::range(*integer);
            (min < low || max > high).then(|| (low.max(min), high.min(max)))
        }
        // Units are powers of ten, and a division cuts towards zero.
        ValueType::Decimal { precision, scale } => {
            let unit = match scale {
                ..0 => 10_i128.checked_pow(scale.unsigned_abs().into()).unwrap_or(i128::MAX),
                _ => 1,
            };
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

    fn limits(value: ValueType, kind: Kind) -> Limits {
        of("c", &value, &kind)
    }

    #[test]
    fn a_limit_is_stated_only_where_values_can_be_beyond_it() {
        let none = Limits::none("c");
        let small = Kind::Int { bits: 16, unsigned: false };
        assert_eq!(limits(ValueType::Integer(Integer::I16), small.clone()), none);
        assert_eq!(limits(ValueType::Integer(Integer::U32), small.clone()).range, Some((0, 32767)));
        let hundreds = ValueType::Decimal { precision: 38, scale: -2 };
        assert_eq!(limits(hundreds, small).range, Some((-327, 327)));
        assert_eq!(limits(ValueType::Integer(Integer::I64), Kind::Bit(3)).range, Some((0, 7)));
        assert_eq!(limits(ValueType::Integer(Integer::I64), Kind::Bit(64)).range, Some((0, i64::MAX.into())));
        assert_eq!(limits(ValueType::Integer(Integer::U64), Kind::Bit(64)), none);
        assert_eq!(limits(ValueType::Integer(Integer::I16), Kind::Year).range, Some((1901, 2155)));
        let decimal = ValueType::Decimal { precision: 10, scale: 2 };
        let kind = |precision, scale| Kind::Decimal { precision, scale, unsigned: false };
        assert_eq!(limits(decimal.clone(), kind(12, 4)), none);
        assert_eq!(limits(decimal, kind(12, 1)).digits, Some(Digits { precision: 12, scale: 1 }));
        assert_eq!(limits(ValueType::Time(Resolution::Micro), Kind::Time(6)), none);
        assert_eq!(limits(ValueType::Time(Resolution::Nano), Kind::Time(6)).second_digits, Some(6));
    }

    #[test]
    fn the_last_instant_is_one_that_the_column_keeps() {
        let whole = limits(ValueType::Instant(Resolution::Micro), Kind::Timestamp(0));
        assert_eq!(whole.range, Some((1_000_000, 2_147_483_647_000_000)));
        let nano = limits(ValueType::Instant(Resolution::Nano), Kind::Timestamp(6));
        assert_eq!(nano.range, Some((1_000_000_000, 2_147_483_647_999_999_000)));
    }
}
