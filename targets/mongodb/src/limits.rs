//! What fields hold, as far as the [encoder](crate::encode) or a validator refuses.

use crate::{plan::Plan, validator::Validator};
use hydrant_contract::{Integer, Limits, Resolution, TableSpec, ValueType};

/// A BSON date has milliseconds.
const SECOND_DIGITS: u8 = 3;

/// The limits of a collection that `create` makes, whose documents nothing else limits.
pub(crate) fn created(spec: &TableSpec) -> Vec<Limits> {
    let columns = spec.shape.columns().iter();
    columns.map(|column| of(&column.name, &column.value, spec.shape.is_key(&column.name))).collect()
}

/// The limits of a collection that is there.
pub(crate) fn of_collection(spec: &TableSpec, plan: &Plan, validator: &Validator<'_>) -> Vec<Limits> {
    let mut limits = created(spec);
    for (limits, column) in limits.iter_mut().zip(spec.shape.columns()) {
        validator.limits(plan, limits, &column.value);
    }
    limits
}

/// The 34 digits of a Decimal128 are not among them: they float, and no digits after the point are too many by themselves.
fn of(name: &str, value: &ValueType, not_null: bool) -> Limits {
    let none = Limits { not_null, ..Limits::none(name) };
    match value {
        ValueType::Timestamp(Resolution::Micro | Resolution::Nano)
        | ValueType::Instant(Resolution::Micro | Resolution::Nano) => {
            Limits { second_digits: Some(SECOND_DIGITS), ..none }
        }
        ValueType::Integer(Integer::U64) => Limits { range: Some((0, i64::MAX.into())), ..none },
        _ => none,
    }
}
