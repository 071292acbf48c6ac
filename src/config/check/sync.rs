//! Syncs: each by itself, and against the others.

use crate::{
    config::{
        model, raw,
        reader::{At, Field, Reader},
        suggest::{closest, did_you_mean, listed},
        table,
        value::{Count, Either, List, Names, OneOf, Percent, Text},
    },
    sync::{DuplicateKeys, GuardRules, NullKeys, RejectCeiling, SyncSpec},
};
use hydrant_contract::{Deletes, Mode, SoftMark, TableName};
use std::{collections::BTreeMap, ops::Range};

/// The longest name of a sync: it is a folder in the store, and part of every object's name there.
const NAME_LENGTH_MAX: usize = 64;

/// The names that a sync may refer to; `None` where the whole block is wrong and nothing is known.
pub(super) struct Known<'a> {
    pub(super) sources: Option<Vec<&'a str>>,
    pub(super) targets: Option<Vec<&'a str>>,
}

/// A sync that is right by itself, and the places that errors about it and another one point at.
struct Checked {
    spec: SyncSpec,
    table: Range<usize>,
}

/// All syncs that are right.
pub(super) fn syncs(
    raw: Names<raw::Sync>,
    known: &Known<'_>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, SyncSpec> {
    names(&raw.0.iter().map(|named| named.name.clone()).collect::<Vec<_>>(), reader);
    let mut checked: Vec<Checked> = Vec::new();
    for (name, raw) in raw.right() {
        let Some(sync) = sync(name.value, raw.value, known, reader) else { continue };
        if let Some(other) = checked.iter().find(|other| both_mirror(&other.spec, &sync.spec)) {
            let (a, b) = (&other.spec.name, &sync.spec.name);
            let message =
                format!("the syncs `{a}` and `{b}` mirror into the same table of `{}`", sync.spec.target);
            let help =
                "each would delete the other's rows: join them into one query, or give each its own table";
            reader.problem(&sync.table, message, help.to_owned());
        }
        checked.push(sync);
    }
    checked.into_iter().map(|sync| (sync.spec.name.clone(), sync.spec)).collect()
}

fn both_mirror(a: &SyncSpec, b: &SyncSpec) -> bool {
    // Twice the same name is reported as such.
    a.name != b.name
        && a.mode == Mode::Mirror
        && b.mode == Mode::Mirror
        && a.target == b.target
        && a.table == b.table
}

/// Names are folders in the store, on file systems that do not tell case apart, too.
fn names(names: &[At<String>], reader: &mut Reader<'_>) {
    for (index, name) in names.iter().enumerate() {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.value.is_empty() || name.value.len() > NAME_LENGTH_MAX || !name.value.chars().all(is_plain) {
            reader.problem(
                &name.span,
                format!("`{}` cannot be the name of a sync", name.value),
                format!("use letters a to z, digits, `_` and `-`, at most {NAME_LENGTH_MAX} of them: the name is a folder in the store"),
            );
        }
        let same =
            |other: &&At<String>| other.value != name.value && other.value.eq_ignore_ascii_case(&name.value);
        if let Some(other) = names[..index].iter().find(same) {
            reader.problem(
                &name.span,
                format!("the syncs `{}` and `{}` differ only in case", other.value, name.value),
                "rename one: the names are folders, and some file systems do not tell case apart".to_owned(),
            );
        }
    }
}

fn sync(name: String, raw: raw::Sync, known: &Known<'_>, reader: &mut Reader<'_>) -> Option<Checked> {
    // All parts are checked before one that is wrong makes the sync wrong, so that all are complained about.
    let source = raw.source.given().and_then(|at| reference(at, "source", known.sources.as_deref(), reader));
    let model = raw.model.given().and_then(|at| model::model(&at, reader));
    let key = raw.key.given().and_then(|at| key(at, reader));
    let target = raw.target.given().and_then(|at| reference(at, "target", known.targets.as_deref(), reader));
    let table_span = raw.table.place();
    let table = raw.table.given().and_then(|at| table(at, reader));
    let mode = raw.mode.or(OneOf(Mode::default())).map(|mode| mode.0);
    let deletes = deletes(raw.deletes, mode, key.as_deref(), reader);
    let duplicate_keys = raw.duplicate_keys.or(OneOf(DuplicateKeys::default()));
    let null_keys = raw.null_keys.or(OneOf(NullKeys::default()));
    let guard = guard(raw.guard);
    let rejects = rejects(raw.rejects);
    let spec = SyncSpec {
        name,
        source: source?,
        model: model?,
        key: key?,
        target: target?,
        table: table?,
        mode: mode?,
        deletes: deletes?,
        duplicate_keys: duplicate_keys?.0,
        null_keys: null_keys?.0,
        guard: guard?,
        rejects: rejects?,
    };
    Some(Checked { spec, table: table_span? })
}

/// The name of a source or target that is there.
fn reference(at: At<Text>, what: &str, known: Option<&[&str]>, reader: &mut Reader<'_>) -> Option<String> {
    let known = known?;
    let name = at.value;
    if known.contains(&name.text.as_str()) {
        return Some(name.text);
    }
    // A guess would tell what was filled in.
    let help = match closest(&name.text, known) {
        Some(word) if !name.is_foreign => did_you_mean(word),
        _ if known.is_empty() => format!("describe it under `{what}s`"),
        _ => format!("known {what}s: {}", listed(known)),
    };
    reader.problem(&at.span, format!("there is no {what} `{}`", name.typed), help);
    None
}

fn key(at: At<Either<Text, List<Text>>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let columns = match at.value {
        Either::Short(column) => vec![At { value: column, span: at.span }],
        Either::Long(list) => list.0,
    };
    let mut names: Vec<String> = Vec::new();
    let mut is_right = true;
    for column in columns {
        if names.contains(&column.value.text) {
            let message = format!("the key names the column `{}` twice", column.value.typed);
            reader.problem(&column.span, message, "remove one".to_owned());
            is_right = false;
        }
        names.push(column.value.text);
    }
    is_right.then_some(names)
}

fn table(at: At<Either<Text, raw::Table>>, reader: &mut Reader<'_>) -> Option<TableName> {
    match at.value {
        Either::Short(text) => match table::table_name(&text.text) {
            Ok(name) => Some(name),
            Err(why) => {
                let help = r#"write `name` or `schema.name`; a name with dots in double quotes: `'"a.b"'`"#;
                reader.problem(
                    &at.span,
                    format!("`{}` is no table name: {why}", text.typed),
                    help.to_owned(),
                );
                None
            }
        },
        Either::Long(block) => {
            let schema = block.schema.optional();
            let name = block.name.given();
            Some(TableName { schema: schema?.map(|at| at.value.text), name: name?.value.text })
        }
    }
}

fn deletes(
    raw: Field<Either<OneOf<raw::DeletesWord>, raw::DeletesBlock>>,
    mode: Option<Mode>,
    key: Option<&[String]>,
    reader: &mut Reader<'_>,
) -> Option<Deletes> {
    let Some(raw) = raw.optional()? else {
        return Some(if mode? == Mode::Mirror { Deletes::default() } else { Deletes::Ignore });
    };
    let deletes = match raw.value {
        Either::Short(OneOf(raw::DeletesWord::Hard)) => Deletes::Hard,
        Either::Short(OneOf(raw::DeletesWord::NullOut)) => Deletes::NullOut,
        Either::Short(OneOf(raw::DeletesWord::Ignore)) => Deletes::Ignore,
        Either::Long(block) => soft(block.soft.given()?, key, reader)?,
    };
    if mode? != Mode::Mirror && deletes != Deletes::Ignore {
        let help =
            "remove `deletes`, or use mode `mirror`: the other modes leave rows alone that left the query";
        reader.problem(&raw.span, "`deletes` has no effect in this mode", help.to_owned());
        return None;
    }
    Some(deletes)
}

fn soft(at: At<Either<Text, raw::Soft>>, key: Option<&[String]>, reader: &mut Reader<'_>) -> Option<Deletes> {
    let (column, mark) = match at.value {
        Either::Short(column) => (At { value: column, span: at.span }, SoftMark::Flag),
        Either::Long(block) => {
            let mark = block.mark.or(OneOf(SoftMark::Flag));
            (block.column.given()?, mark?.0)
        }
    };
    if key.is_some_and(|key| key.contains(&column.value.text)) {
        let message =
            format!("the column `{}` is part of the key and cannot mark deletes", column.value.typed);
        reader.problem(&column.span, message, "name a column that only hydrant writes".to_owned());
        return None;
    }
    Some(Deletes::Soft { column: column.value.text, mark })
}

fn guard(raw: Field<raw::Guard>) -> Option<GuardRules> {
    let default = GuardRules::default();
    let Some(guard) = raw.optional()? else { return Some(default) };
    let Some(deletes) = guard.value.deletes.optional()? else { return Some(default) };
    Some(GuardRules {
        delete_rows: deletes.value.rows.or(Count(default.delete_rows))?.0,
        delete_percent: deletes.value.percent.or(Percent(default.delete_percent))?.0,
    })
}

fn rejects(raw: Field<raw::Rejects>) -> Option<RejectCeiling> {
    let default = RejectCeiling::default();
    let Some(rejects) = raw.optional()? else { return Some(default) };
    Some(RejectCeiling {
        rows: rejects.value.rows.or(Count(default.rows))?.0,
        percent: rejects.value.percent.or(Percent(default.percent))?.0,
    })
}
