//! Values of unique fields that move between the rows of a batch.
//!
//! The server checks uniqueness operation by operation. Where two rows swap their values, or many rotate them, no order of
//! writing them works: so the documents whose present value another row wants get a passing value first that nobody has.
//! Which those are, and which rows want what a document keeps, is read from the documents before anything is written. What
//! is read may be old when the batch is written; then the server refuses, and it is read again.
//!
//! Indexes with a collation, a condition, or another order than that of values are left to the server, row by row.

mod index;
mod passing;

use crate::{
    catalog,
    connect::Link,
    encode,
    plan::{ColumnPlan, ID, Plan},
    read,
    reply::Refusal,
    send::RowId,
    statement,
    write::{Refused, Work},
};
use hydrant_contract::{Part, Result};
use index::{Tuple, Unique};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use std::collections::{HashMap, HashSet};

/// Alternatives of one query for the documents that have a value.
const WANTED_MAX: usize = 500;
/// Operations of one command that puts values aside.
const PARKED_MAX: usize = 1_000;

/// How a value is put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A value of the column's type that nobody has.
    Passing,
    /// No field, where a validator refuses the passing value.
    Unset,
}

/// Ways to put values aside, best first: of documents without the field a unique index takes only one.
pub(crate) const WAYS: [Way; 2] = [Way::Passing, Way::Unset];

/// What was found of rows and the values they want.
#[derive(Default)]
pub(crate) struct Moving {
    /// Rows that want a value which a document keeps.
    pub(crate) refused: Refused,
    /// Documents whose value another row wants.
    pub(crate) wanted: Vec<Wanted>,
}

/// A document whose value another row wants.
pub(crate) struct Wanted {
    pub(crate) row: RowId,
    /// What finds it.
    key: Document,
    /// The managed columns to put aside, with what they hold.
    columns: Vec<(usize, Option<mongodb::bson::Bson>)>,
}

/// A row that is about to be written.
struct Coming {
    row: RowId,
    /// What the document has now in each index; nothing if there is no document.
    old: Option<Vec<Option<Tuple>>>,
    /// What it shall have.
    new: Vec<Option<Tuple>>,
    /// The document as it is.
    document: Option<RawDocumentBuf>,
}

/// Looks at the documents of these rows and at those that have what the rows want. `deleting`: the batch's deletes are
/// written before.
pub(crate) async fn resolve(
    link: &Link,
    work: &Work<'_>,
    writing: &[RowId],
    deleting: bool,
    doing: &str,
) -> Result<Moving> {
    let indexes = catalog::indexes(link, work.plan, doing).await?;
    let unique: Vec<Unique> = indexes.iter().filter_map(|index| Unique::of(index, work.plan)).collect();
    if unique.is_empty() {
        return Ok(Moving::default());
    }
    let coming = coming(link, work, writing, &unique, doing).await?;
    let deleted = match deleting {
        true => keys(work, Part::Deletes, 0..work.deletes.count),
        false => HashSet::new(),
    };
    let own: HashSet<Vec<u8>> =
        coming.iter().filter_map(|one| key_of_row(work, one.row)).chain(deleted).collect();
    let mut kept: Vec<HashSet<Tuple>> = Vec::with_capacity(unique.len());
    for (at, index) in unique.iter().enumerate() {
        let wanted: HashSet<&Tuple> = coming.iter().filter_map(|one| one.new[at].as_ref()).collect();
        kept.push(owners(link, work, index, &wanted, &own, doing).await?);
    }
    let refused = clashes(&unique, &coming, kept);
    let wanted = wanted(work, &unique, &coming, &refused);
    Ok(Moving { refused, wanted })
}

/// The rows with what their documents have and shall have.
async fn coming(
    link: &Link,
    work: &Work<'_>,
    writing: &[RowId],
    unique: &[Unique],
    doing: &str,
) -> Result<Vec<Coming>> {
    let plan = work.plan;
    let mut fields = read::projection(plan);
    for (field, _) in unique.iter().flat_map(|index| &index.fields) {
        // A path within a managed one would be a second projection of the same field.
        let managed = fields.keys().any(|name| {
            field == name || field.starts_with(&format!("{name}.")) || name.starts_with(&format!("{field}."))
        });
        if !managed {
            fields.insert(field, 1);
        }
    }
    let mut documents: HashMap<Vec<u8>, RawDocumentBuf> = HashMap::new();
    for part in [Part::Inserts, Part::Updates] {
        let numbers = writing.iter().filter(|row| row.part() == part).map(|row| row.row);
        let found = read::by_keys(link, plan, work.rows(part), numbers, fields.clone(), doing).await?;
        documents.extend(found.into_iter().filter_map(|found| Some((index::key(plan, &found)?, found))));
    }
    let inserts_only = work.write_way() == statement::Way::InsertIfAbsent;
    let updates_only = work.write_way() == statement::Way::Update;
    let mut coming = Vec::with_capacity(writing.len());
    for row in writing {
        let Some(key) = key_of_row(work, *row) else { continue };
        let document = documents.remove(&key);
        if (document.is_some() && inserts_only) || (document.is_none() && updates_only) {
            continue;
        }
        let Some(written) = written(work, *row) else { continue };
        let tuples = |of: &dyn Fn(&Unique) -> Option<Tuple>| unique.iter().map(of).collect::<Vec<_>>();
        let old = document.as_ref().map(|document| tuples(&|index| index.tuple(document)));
        let new = tuples(&|index| index.tuple_of_row(plan, &written, document.as_ref()));
        coming.push(Coming { row: *row, old, new, document });
    }
    Ok(coming)
}

/// The managed fields of a row as a document, by their columns' names; `None` if a value has no place in one.
fn written(work: &Work<'_>, row: RowId) -> Option<HashMap<String, RawDocumentBuf>> {
    let rows = work.rows(row.part());
    let mut fields = HashMap::new();
    for (at, column) in work.plan.columns.iter().enumerate() {
        let mut bytes = Vec::new();
        let whole = encode::document::open(&mut bytes);
        let array = rows.arrays[at]?;
        encode::field(&mut bytes, "v", array, row.row, &column.value).ok()?;
        encode::document::close(&mut bytes, whole);
        fields.insert(column.name.clone(), RawDocumentBuf::from_bytes(bytes).ok()?);
    }
    Some(fields)
}

fn key_of_row(work: &Work<'_>, row: RowId) -> Option<Vec<u8>> {
    let (key, _) = read::key_document(work.plan, work.rows(row.part()), row.row)?;
    index::key(work.plan, &nested(work.plan, key)?)
}

/// A key as a document has it: paths with dots lead into nested documents.
fn nested(plan: &Plan, key: Document) -> Option<RawDocumentBuf> {
    let mut whole = Document::new();
    for (path, value) in key {
        match plan.is_in_id() {
            true => drop(whole.insert(path, value)),
            false => put(&mut whole, &path, value),
        }
    }
    RawDocumentBuf::try_from(&whole).ok()
}

fn put(document: &mut Document, path: &str, value: mongodb::bson::Bson) {
    match path.split_once('.') {
        None => drop(document.insert(path, value)),
        Some((first, rest)) => {
            if document.get_document(first).is_err() {
                document.insert(first, Document::new());
            }
            if let Ok(inner) = document.get_document_mut(first) {
                put(inner, rest, value);
            }
        }
    }
}

fn keys(work: &Work<'_>, part: Part, numbers: std::ops::Range<usize>) -> HashSet<Vec<u8>> {
    numbers.filter_map(|row| key_of_row(work, RowId::new(part, row))).collect()
}

/// Which of these tuples documents have that are none of the batch's own.
async fn owners(
    link: &Link,
    work: &Work<'_>,
    index: &Unique,
    wanted: &HashSet<&Tuple>,
    own: &HashSet<Vec<u8>>,
    doing: &str,
) -> Result<HashSet<Tuple>> {
    let mut fields = doc! { ID: 1 };
    for name in work.plan.key_fields().into_iter().chain(index.fields.iter().map(|(name, _)| name.as_str())) {
        fields.insert(name, 1);
    }
    let mut kept = HashSet::new();
    let wanted: Vec<_> = wanted.iter().collect();
    for some in wanted.chunks(WANTED_MAX) {
        let filters: Vec<Document> = some.iter().map(|tuple| index.filter(tuple)).collect();
        let found = read::find(link, work.plan, doc! { "$or": filters }, fields.clone(), doing).await?;
        for document in found {
            let is_own = index::key(work.plan, &document).is_some_and(|key| own.contains(&key));
            if !is_own {
                kept.extend(index.tuple(&document));
            }
        }
    }
    Ok(kept)
}

/// The rows that want what somebody keeps. Who had a value before the batch keeps it; of two that come to it the first
/// does. A row that is refused keeps its old values, which may be wanted by another: so until nobody is refused any more.
fn clashes(unique: &[Unique], coming: &[Coming], mut kept: Vec<HashSet<Tuple>>) -> Refused {
    let mut refused = Refused::new();
    for (at, kept) in kept.iter_mut().enumerate() {
        for one in coming {
            let old = one.old.as_ref().and_then(|old| old[at].as_ref());
            if old.is_some() && old == one.new[at].as_ref() {
                kept.extend(old.cloned());
            }
        }
    }
    loop {
        let before = refused.len();
        let mut taken = kept.clone();
        for one in coming.iter().filter(|one| !refused.contains_key(&one.row)).collect::<Vec<_>>() {
            let moves = |at: usize| {
                let old = one.old.as_ref().and_then(|old| old[at].as_ref());
                one.new[at].as_ref().filter(|new| old != Some(*new))
            };
            let clash = (0..unique.len()).find(|at| moves(*at).is_some_and(|new| taken[*at].contains(new)));
            match clash {
                Some(at) => {
                    for (at, kept) in kept.iter_mut().enumerate() {
                        kept.extend(one.old.as_ref().and_then(|old| old[at].clone()));
                    }
                    refused.insert(one.row, Refusal::taken(&unique[at].names()));
                }
                None => {
                    for (at, taken) in taken.iter_mut().enumerate() {
                        taken.extend(moves(at).cloned());
                    }
                }
            }
        }
        if refused.len() == before {
            return refused;
        }
    }
}

/// The documents whose present value another row comes to.
fn wanted(work: &Work<'_>, unique: &[Unique], coming: &[Coming], refused: &Refused) -> Vec<Wanted> {
    let there: Vec<&Coming> = coming.iter().filter(|one| !refused.contains_key(&one.row)).collect();
    let mut found: Vec<Wanted> = Vec::new();
    let mut by_row: HashMap<RowId, usize> = HashMap::new();
    for (at, index) in unique.iter().enumerate() {
        let moving =
            |one: &&&Coming| one.old.as_ref().and_then(|old| old[at].as_ref()) != one.new[at].as_ref();
        let wanted: HashSet<&Tuple> =
            there.iter().filter(moving).filter_map(|one| one.new[at].as_ref()).collect();
        for one in there.iter().filter(moving) {
            let (Some(old), Some(document)) = (&one.old, &one.document) else { continue };
            let in_the_way = old[at].as_ref().is_some_and(|old| wanted.contains(old));
            let Some(column) = index.parked(work.plan).filter(|_| in_the_way) else { continue };
            let Some((key, _)) = read::key_document(work.plan, work.rows(one.row.part()), one.row.row) else {
                continue;
            };
            let entry = *by_row.entry(one.row).or_insert_with(|| {
                found.push(Wanted { row: one.row, key, columns: Vec::new() });
                found.len() - 1
            });
            if found[entry].columns.iter().all(|(parked, _)| *parked != column) {
                let path = &work.plan.columns[column].path;
                let held = read::cell(document, path).flatten();
                let held = held.and_then(|held| mongodb::bson::Bson::try_from(held).ok());
                found[entry].columns.push((column, held));
            }
        }
    }
    found
}

/// The commands that put the values of these documents aside.
pub(crate) fn parking(link: &Link, work: &Work<'_>, wanted: &[Wanted], way: Way) -> Vec<Document> {
    commands(link, work, wanted, |column, _| match way {
        Way::Passing => passing::value(&column.value),
        Way::Unset => None,
    })
}

/// The commands that bring the values of these documents back.
pub(crate) fn restoring(link: &Link, work: &Work<'_>, wanted: &[Wanted]) -> Vec<Document> {
    commands(link, work, wanted, |_, held| held.cloned())
}

fn commands(
    link: &Link,
    work: &Work<'_>,
    wanted: &[Wanted],
    value: impl Fn(&ColumnPlan, Option<&mongodb::bson::Bson>) -> Option<mongodb::bson::Bson>,
) -> Vec<Document> {
    let operation = |wanted: &Wanted| {
        let (mut set, mut unset) = (Document::new(), Document::new());
        for (at, held) in &wanted.columns {
            let column = &work.plan.columns[*at];
            match value(column, held.as_ref()) {
                Some(value) => set.insert(&column.name, value),
                None => unset.insert(&column.name, ""),
            };
        }
        let mut change = Document::new();
        for (operator, fields) in [("$set", set), ("$unset", unset)] {
            if !fields.is_empty() {
                change.insert(operator, fields);
            }
        }
        doc! { "q": wanted.key.clone(), "u": change }
    };
    wanted
        .chunks(PARKED_MAX)
        .map(|some| {
            let updates: Vec<Document> = some.iter().map(operation).collect();
            let mut command = doc! {
                "update": &work.plan.collection, "updates": updates, "ordered": link.transactions,
                "maxTimeMS": crate::timeouts::command_millis(),
            };
            if !link.transactions {
                command.insert("writeConcern", link.concern());
            }
            command
        })
        .collect()
}
