//! What a sync makes of the columns that its query returns, as far as it can be judged without the query.

use super::sync::{items, none_twice};
use crate::{
    config::{
        raw,
        reader::{At, Field, Reader},
        suggest::{closest, did_you_mean, listed},
        value::{Either, List, Named, Names, Text, YesNo},
    },
    mapping::{Mapping, SALT_BYTES_MIN, Salt, Transforms, Wanted},
};

/// The name of the entry that stands for all other columns, and what it is made from.
const OTHERS: &str = "*";

const ALL_OTHERS: &str = "for all columns that no other entry is made from, write `\"*\": \"*\"` in a block";

/// The mapping, if there is one. `key` names columns as they are after it.
pub(super) fn columns(
    raw: Field<raw::Columns>,
    key: Option<&[At<Text>]>,
    reader: &mut Reader<'_>,
) -> Option<Option<Mapping>> {
    let Some(raw) = raw.optional()? else { return Some(None) };
    let mapping = match raw.value {
        Either::Short(list) => selected(list, reader)?,
        Either::Long(Names(entries)) if entries.is_empty() => {
            let help = "name the columns that you want, or remove `columns` to take all of them";
            reader.problem(&raw.span, "`columns` is empty", help.to_owned());
            return None;
        }
        Either::Long(Names(entries)) => {
            // All are read before one that is wrong makes the mapping wrong, so that all are complained about.
            let wanted: Vec<Option<Wanted>> =
                entries.into_iter().map(|entry| wanted(entry, reader)).collect();
            Mapping { columns: wanted.into_iter().collect::<Option<_>>()? }
        }
    };
    let unfit = key.unwrap_or_default().iter().filter(|column| !identifies(column, &mapping, reader)).count();
    (unfit == 0).then_some(Some(mapping))
}

/// These columns, under their own names.
fn selected(list: List<Text>, reader: &mut Reader<'_>) -> Option<Mapping> {
    let items = items(At { value: Either::Long(list), span: 0..0 });
    let is_right = none_twice(&items, "`columns`", "column", reader);
    let wanted = items.into_iter().map(|item| {
        if item.value.text == OTHERS {
            reader.problem(&item.span, "`*` is the name of no column", ALL_OTHERS.to_owned());
            return None;
        }
        let (name, from) = (item.value.text.clone(), item.value.text);
        Some(Wanted::Column { name, from, transforms: Transforms::default() })
    });
    let columns = wanted.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    is_right.then_some(Mapping { columns })
}

/// One entry of the block.
fn wanted(entry: Named<raw::ColumnFrom>, reader: &mut Reader<'_>) -> Option<Wanted> {
    let (name, at) = (entry.name, entry.value?);
    let is_others = name.value == OTHERS;
    let of_one = "the name `*` stands for all other columns, and cannot be one of them";
    match at.value {
        raw::ColumnFrom::Name(from) if from.text == OTHERS => {
            if !is_others {
                let message =
                    format!("`*` is the name of no column that `{}` could be made from", name.value);
                reader.problem(&at.span, message, ALL_OTHERS.to_owned());
                return None;
            }
            Some(Wanted::Others { except: Default::default() })
        }
        raw::ColumnFrom::Others(block) => {
            let except = block.except.given()?;
            let except = items(except);
            let is_right = none_twice(&except, "`except`", "column", reader);
            if !is_others {
                let message = "`except` has a meaning only for all other columns";
                reader.problem(&name.span, message, "write `\"*\": { except: [a, b] }`".to_owned());
                return None;
            }
            let except = except.into_iter().map(|column| column.value.text).collect();
            is_right.then_some(Wanted::Others { except })
        }
        _ if is_others => {
            let help = "write `\"*\": \"*\"`, or `\"*\": { except: [a, b] }`";
            reader.problem(&at.span, of_one, help.to_owned());
            None
        }
        raw::ColumnFrom::Name(from) => {
            Some(Wanted::Column { name: name.value, from: from.text, transforms: Transforms::default() })
        }
        raw::ColumnFrom::Constant(block) => {
            Some(Wanted::Constant { name: name.value, value: block.constant.given()?.value.0 })
        }
        raw::ColumnFrom::Column(block) => {
            let from = block.from.optional();
            let (trim, lower) = (block.trim.or(YesNo(false)), block.lower.or(YesNo(false)));
            let hash = match block.hash.optional()? {
                Some(hash) => Some(salt(hash.value, reader)?),
                None => None,
            };
            let transforms = Transforms { trim: trim?.0, lower: lower?.0, hash };
            let from = from?.map_or_else(|| name.value.clone(), |from| from.value.text);
            Some(Wanted::Column { name: name.value, from, transforms })
        }
    }
}

fn salt(raw: raw::Hash, reader: &mut Reader<'_>) -> Option<Salt> {
    let salt = raw.salt.given()?;
    let made = Salt::new(salt.value.0);
    if made.is_none() {
        let message = format!("`salt` is too short: it has fewer than {SALT_BYTES_MIN} bytes");
        let help = "make a random one and keep it, for example with `openssl rand -hex 32`";
        reader.problem(&salt.span, message, help.to_owned());
    }
    made
}

/// Whether a column of the key is among those that the mapping gives, and can tell rows apart.
fn identifies(key: &At<Text>, mapping: &Mapping, reader: &mut Reader<'_>) -> bool {
    let typed = &key.value.typed;
    match mapping.columns.iter().find(|wanted| wanted.name() == Some(key.value.text.as_str())) {
        Some(Wanted::Constant { .. }) => {
            let message = format!("the key column `{typed}` is a constant, which tells no rows apart");
            reader.problem(&key.span, message, "remove it from `key`".to_owned());
            false
        }
        Some(Wanted::Column { .. } | Wanted::Others { .. }) => true,
        None if mapping.takes_others() => true,
        None => {
            let names: Vec<&str> = mapping.names().collect();
            // A guess would tell what was filled in.
            let help = match closest(&key.value.text, &names) {
                Some(name) if !key.value.is_foreign => did_you_mean(name),
                _ => format!("`key` names columns of the table; `columns` gives {}", listed(&names)),
            };
            reader.problem(&key.span, format!("the key column `{typed}` is not among `columns`"), help);
            false
        }
    }
}
