//! Syncs: each by itself, and against the others.

use super::{columns::columns, cursor::cursor, dbt::Project, guard::guard, order, retention};
use crate::{
    config::{
        model,
        number::{Count, Percent},
        policy::Policy,
        raw,
        reader::{At, Field, Reader},
        suggest::{closest, did_you_mean, listed},
        table,
        value::{Either, List, Names, OneOf, Text, YesNo},
    },
    sync::{
        DuplicateKeys, ExportKind, NullKeys, Redact, Refused, RejectCeiling, Retention, Rewrite, SyncSpec,
    },
};
use hydrant_contract::{Deletes, Documents, Mode, SoftMark, TableName};
use std::{collections::BTreeMap, ops::Range};

/// The longest name of a sync: it is a folder in the store, and part of every object's name there.
const NAME_LENGTH_MAX: usize = 64;

/// What a sync may refer to, or takes where it says nothing itself.
pub(super) struct Known<'a> {
    /// Names of sources; `None` where the whole block is wrong and nothing is known.
    pub(super) sources: Option<Vec<&'a str>>,
    /// Names of targets, likewise.
    pub(super) targets: Option<Vec<&'a str>>,
    /// The targets that are right, with their kinds.
    pub(super) kinds: BTreeMap<&'a str, &'static str>,
    /// Which rows of exports are kept.
    pub(super) export: ExportKind,
    /// How long files are kept.
    pub(super) retain: Retention,
    /// The dbt project.
    pub(super) dbt: &'a Project,
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
    let all: Vec<At<String>> = raw.0.iter().map(|named| named.name.clone()).collect();
    names(&all, reader);
    let all: Vec<&str> = all.iter().map(|name| name.value.as_str()).collect();
    let mut checked: Vec<Checked> = Vec::new();
    let mut waiting = Vec::new();
    for (name, mut raw) in raw.right() {
        // Also of a sync in which something else is wrong, so that a cycle is seen at once.
        let after = order::after(std::mem::take(&mut raw.value.after), &name.value, &all, reader);
        if let Some(after) = &after {
            waiting.push((name.value.clone(), after.clone()));
        }
        let Some(sync) = sync(name.value, raw.value, after, known, reader) else { continue };
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
    order::refuse_cycles(&waiting, reader);
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

fn sync(
    name: String,
    raw: raw::Sync,
    after: Option<Vec<At<String>>>,
    known: &Known<'_>,
    reader: &mut Reader<'_>,
) -> Option<Checked> {
    // All parts are checked before one that is wrong makes the sync wrong, so that all are complained about.
    let source = raw.source.given().and_then(|at| reference(at, "source", known.sources.as_deref(), reader));
    let model = raw.model.given().and_then(|at| model::model(&at, known.dbt, reader));
    let key = raw.key.given().and_then(|at| each_once(at, "the key", "column", reader));
    let columns = columns(raw.columns, key.as_deref(), reader);
    let key = key.map(|columns| columns.into_iter().map(|at| at.value.text).collect::<Vec<_>>());
    let target = raw.target.given().and_then(|at| reference(at, "target", known.targets.as_deref(), reader));
    let table_span = raw.table.place();
    let table = raw.table.given().and_then(|at| table(at, reader));
    let mode = raw.mode.or(OneOf(Mode::default())).map(|mode| mode.0);
    let deletes = deletes(raw.deletes, mode, key.as_deref(), reader);
    let documents = documents(raw.document, target.as_deref(), known, reader);
    let duplicate_keys = raw.duplicate_keys.or(OneOf(DuplicateKeys::default()));
    let duplicate_keys = duplicate_keys.map(|duplicate_keys| duplicate_keys.0);
    let export = raw.export.or(OneOf(known.export)).map(|export| export.0);
    let cursor = cursor(raw.cursor, duplicate_keys, export, reader);
    let null_keys = raw.null_keys.or(OneOf(NullKeys::default()));
    let guard = guard(raw.guard);
    let rejects = rejects(raw.rejects);
    let rewrite = rewrite(raw.rewrite, mode, deletes.as_ref(), target.as_deref(), known, reader);
    let refused = refused(raw.refused, key.as_deref(), reader);
    let redact = redact(raw.redact, reader);
    let retain = retention(raw.retain, known.retain);
    let exposure = known.dbt.exposure(raw.exposure, model.as_ref(), reader);
    let spec = SyncSpec {
        name,
        source: source?,
        model: model?,
        columns: columns?,
        cursor: cursor?,
        key: key?,
        target: target?,
        table: table?,
        mode: mode?,
        deletes: deletes?,
        documents: documents?,
        export: export?,
        duplicate_keys: duplicate_keys?,
        null_keys: null_keys?.0,
        guard: guard?,
        rejects: rejects?,
        rewrite: rewrite?,
        after: after?.into_iter().map(|at| at.value).collect(),
        retain: retain?,
        redact: redact?,
        refused: refused?,
        exposure: exposure?,
    };
    Some(Checked { spec, table: table_span? })
}

/// The name of a source, target or sync that is there.
pub(super) fn reference(
    at: At<Text>,
    what: &str,
    known: Option<&[&str]>,
    reader: &mut Reader<'_>,
) -> Option<String> {
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

/// The names in a list, or the one name; `what` each is the name of.
fn each_once(
    at: At<Either<Text, List<Text>>>,
    list: &str,
    what: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<At<Text>>> {
    let items = items(at);
    none_twice(&items, list, what, reader).then_some(items)
}

/// The items of a list, or the one that stands for a list.
pub(super) fn items(at: At<Either<Text, List<Text>>>) -> Vec<At<Text>> {
    match at.value {
        Either::Short(item) => vec![At { value: item, span: at.span }],
        Either::Long(list) => list.0,
    }
}

/// Whether no name stands in a list twice.
pub(super) fn none_twice(items: &[At<Text>], list: &str, what: &str, reader: &mut Reader<'_>) -> bool {
    let mut is_right = true;
    for (index, item) in items.iter().enumerate() {
        if items[..index].iter().any(|other| other.value.text == item.value.text) {
            let message = format!("{list} names the {what} `{}` twice", item.value.typed);
            reader.problem(&item.span, message, "remove one".to_owned());
            is_right = false;
        }
    }
    is_right
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

fn documents(
    raw: Field<raw::Document>,
    target: Option<&str>,
    known: &Known<'_>,
    reader: &mut Reader<'_>,
) -> Option<Documents> {
    let Some(raw) = raw.optional()? else { return Some(Documents::default()) };
    if let Some(target) = target
        && let Some(kind) = known.kinds.get(target).filter(|kind| **kind != "mongodb")
    {
        let message = format!("`document` has no effect: the target `{target}` is of the type `{kind}`");
        let help = "remove it, or name a target that holds documents (`type: mongodb`)";
        reader.problem(&raw.span, message, help.to_owned());
        return None;
    }
    let default = Documents::default();
    let (id, nulls) = (raw.value.id.or(OneOf(default.id)), raw.value.nulls.or(OneOf(default.nulls)));
    let replace = raw.value.replace.or(YesNo(default.replace));
    Some(Documents { id: id?.0, replace: replace?.0, nulls: nulls?.0 })
}

/// Said of a sync that nothing can be built anew for, it is a mistake about what will happen.
fn rewrite(
    raw: Field<OneOf<Rewrite>>,
    mode: Option<Mode>,
    deletes: Option<&Deletes>,
    target: Option<&str>,
    known: &Known<'_>,
    reader: &mut Reader<'_>,
) -> Option<Rewrite> {
    let Some(raw) = raw.optional()? else { return Some(Rewrite::default()) };
    if raw.value.0 == Rewrite::Never {
        return Some(Rewrite::Never);
    }
    if let Some(target) = target
        && let Some(kind) = known.kinds.get(target).filter(|kind| **kind != "postgres")
    {
        let message = format!("`rewrite` has no effect: the target `{target}` is of the type `{kind}`");
        let help = "remove it: only tables of a target of the type `postgres` are built anew";
        reader.problem(&raw.span, message, help.to_owned());
        return None;
    }
    if mode? != Mode::Mirror || *deletes? != Deletes::Hard {
        let help = "remove it, or use mode `mirror` with `deletes: hard`";
        let message = "`rewrite` has no effect: only a mirror with hard deletes is built anew";
        reader.problem(&raw.span, message, help.to_owned());
        return None;
    }
    Some(raw.value.0)
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

fn rejects(raw: Field<raw::Rejects>) -> Option<RejectCeiling> {
    let default = RejectCeiling::default();
    let Some(rejects) = raw.optional()? else { return Some(default) };
    Some(RejectCeiling {
        rows: rejects.value.rows.or(Count(default.rows))?.0,
        percent: rejects.value.percent.or(Percent(default.percent))?.0,
    })
}

fn refused(
    raw: Field<Names<Policy>>,
    key: Option<&[String]>,
    reader: &mut Reader<'_>,
) -> Option<BTreeMap<String, Refused>> {
    let Some(raw) = raw.optional()? else { return Some(BTreeMap::new()) };
    let is_whole = raw.value.0.iter().all(|named| named.value.is_some());
    let mut policies = BTreeMap::new();
    let mut is_right = is_whole;
    for (column, policy) in raw.value.right() {
        let refused = policy.value.0;
        if refused != Refused::Reject && key.is_some_and(|key| key.contains(&column.value)) {
            let message =
                format!("the column `{}` is part of the key: it can only be `reject`", column.value);
            let help = "another value would make it the key of another row; mend it in the query";
            reader.problem(&policy.span, message, help.to_owned());
            is_right = false;
        }
        policies.insert(column.value, refused);
    }
    is_right.then_some(policies)
}

fn redact(raw: Field<Either<Text, List<Text>>>, reader: &mut Reader<'_>) -> Option<Redact> {
    let Some(raw) = raw.optional()? else { return Some(Redact::default()) };
    if let Either::Short(word) = &raw.value
        && word.text == "all"
    {
        return Some(Redact::All);
    }
    let columns = each_once(raw, "`redact`", "column", reader)?;
    Some(Redact::Columns(columns.into_iter().map(|at| at.value.text).collect()))
}
