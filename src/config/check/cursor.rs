//! The column by which rows say when they changed.

use crate::{
    config::{
        number::{Count, Whole},
        raw,
        reader::{At, Field, Reader},
        time_span::TimeSpan,
        value::{Either, Text},
    },
    cursor::{Cursor, FULL_EVERY, Lookback},
    sync::{DuplicateKeys, ExportKind},
};

/// The cursor of a sync that treats duplicate keys so, and keeps these rows of its exports.
pub(super) fn cursor(
    raw: Field<Either<Text, raw::Cursor>>,
    duplicate_keys: Option<DuplicateKeys>,
    export: Option<ExportKind>,
    reader: &mut Reader<'_>,
) -> Option<Option<Cursor>> {
    let Some(At { value, span }) = raw.optional()? else { return Some(None) };
    let cursor = match value {
        Either::Short(column) => Cursor { column: column.text, lookback: None, full_every: FULL_EVERY },
        Either::Long(block) => {
            let column = block.column.given();
            let lookback = block.lookback.optional();
            let full_every = block.full_every.or(Whole(FULL_EVERY));
            let lookback = lookback?.map(|lookback| match lookback.value {
                Either::Short(TimeSpan(time)) => Lookback::Time(time),
                Either::Long(Count(number)) => Lookback::Number(number),
            });
            Cursor { column: column?.value.text, lookback, full_every: full_every?.0 }
        }
    };
    if export? == ExportKind::Changes {
        let help = "write `export: full` for this sync, or remove `cursor`: rows that do not come again are taken from the last export, which must have them all";
        reader.problem(&span, "`cursor` does not go with `export: changes`", help.to_owned());
        return None;
    }
    if duplicate_keys? == DuplicateKeys::First {
        let help = "make the key unique in the query, or remove `cursor`: a row that comes later takes the place of the one before";
        reader.problem(&span, "`cursor` does not go with `duplicate_keys: first`", help.to_owned());
        return None;
    }
    Some(Some(cursor))
}
