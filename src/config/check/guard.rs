//! The rules of the guard, with the defaults of those that nothing is said of.

use crate::{
    config::{
        number::{Count, Percent},
        raw,
        reader::Field,
        value::{Either, OneOf},
    },
    guard::{GuardRules, RowsRule, ShareRule, ShrinkRule, Then},
};

/// The rules of a sync.
pub(super) fn guard(raw: Field<raw::Guard>) -> Option<GuardRules> {
    let default = GuardRules::default();
    let Some(guard) = raw.optional()? else { return Some(default) };
    let guard = guard.value;
    Some(GuardRules {
        deletes: deletes(guard.deletes, default.deletes)?,
        changes: changes(guard.changes, default.changes)?,
        rows: rows(guard.rows, default.rows)?,
        shrink: shrink(guard.shrink, default.shrink)?,
        keys: guard.keys.or(OneOf(default.keys))?.0,
        schema: guard.schema.or(OneOf(default.schema))?.0,
    })
}

fn deletes(raw: Field<Either<OneOf<Then>, raw::GuardDeletes>>, default: ShareRule) -> Option<ShareRule> {
    let Some(raw) = raw.optional()? else { return Some(default) };
    match raw.value {
        Either::Short(OneOf(then)) => Some(ShareRule { then, ..default }),
        Either::Long(block) => share(block.rows, block.percent, block.then, default),
    }
}

fn changes(raw: Field<Either<OneOf<Then>, raw::GuardChanges>>, default: ShareRule) -> Option<ShareRule> {
    let Some(raw) = raw.optional()? else { return Some(default) };
    match raw.value {
        Either::Short(OneOf(then)) => Some(ShareRule { then, ..default }),
        Either::Long(block) => share(block.rows, block.percent, block.then, default),
    }
}

fn share(
    rows: Field<Count>,
    percent: Field<Percent>,
    then: Field<OneOf<Then>>,
    default: ShareRule,
) -> Option<ShareRule> {
    Some(ShareRule {
        rows: rows.or(Count(default.rows))?.0,
        percent: percent.or(Percent(default.percent))?.0,
        then: then.or(OneOf(default.then))?.0,
    })
}

fn rows(raw: Field<Either<Count, raw::GuardRows>>, default: RowsRule) -> Option<RowsRule> {
    let Some(raw) = raw.optional()? else { return Some(default) };
    match raw.value {
        Either::Short(Count(at_least)) => Some(RowsRule { at_least, ..default }),
        Either::Long(block) => Some(RowsRule {
            at_least: block.at_least.given()?.value.0,
            then: block.then.or(OneOf(default.then))?.0,
        }),
    }
}

fn shrink(raw: Field<Either<OneOf<Then>, raw::GuardShrink>>, default: ShrinkRule) -> Option<ShrinkRule> {
    let Some(raw) = raw.optional()? else { return Some(default) };
    match raw.value {
        Either::Short(OneOf(then)) => Some(ShrinkRule { then, ..default }),
        Either::Long(block) => Some(ShrinkRule {
            percent: block.percent.or(Percent(default.percent))?.0,
            then: block.then.or(OneOf(default.then))?.0,
        }),
    }
}
