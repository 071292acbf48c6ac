//! Rows read back by their keys.

use crate::{
    classify,
    connect::Link,
    decode::{self, Cell},
    encode::document,
    plan::{ColumnPlan, ID, Plan, Rows},
    statement, timeouts, write,
};
use arrow::{
    array::{Array, ArrayRef},
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use hydrant_contract::{ErrorKind, Nulls, Result, TableSpec, TargetError, ValueType};
use mongodb::{
    Collection,
    bson::{Bson, Document, RawDocument, RawDocumentBuf, doc},
};

/// Keys of one query. Keys of several fields are alternatives, each of which the server plans by itself.
const KEYS_MAX: usize = 5_000;
const ALTERNATIVES_MAX: usize = 500;
/// Bytes of keys in one query.
const KEY_BYTES_MAX: usize = 4 << 20;

/// Reads; see [`Target::read`](hydrant_contract::Target::read).
pub(crate) async fn read(
    link: &Link,
    spec: &TableSpec,
    keys: &RecordBatch,
    doing: &str,
) -> Result<RecordBatch> {
    let plan = write::find(link, spec, doing).await?;
    let rows = plan.rows(keys, true);
    let documents = by_keys(link, &plan, &rows, 0..rows.count, projection(&plan), doing).await?;
    let broken = |message: String| TargetError::new(ErrorKind::Broken, link.context(doing), message);
    let columns: Result<Vec<ArrayRef>> = plan
        .columns
        .iter()
        .map(|column| {
            decoded(&plan, column, documents.iter())
                .filter(|array| !column.is_key || array.null_count() == 0)
                .ok_or_else(|| {
                    broken(format!(
                        "the field {:?} of a document holds what is no {}, which hydrant did not write",
                        column.name, column.value
                    ))
                })
        })
        .collect();
    RecordBatch::try_new(spec.shape.schema(), columns?).map_err(|e| broken(e.to_string()))
}

/// The fields that hold managed columns, and the mark of soft deletes.
pub(crate) fn projection(plan: &Plan) -> Document {
    let mut fields = doc! { ID: i32::from(plan.is_in_id()) };
    let columns = plan.columns.iter().filter(|column| column.path.first().is_none_or(|first| first != ID));
    for name in columns.map(|column| &column.name).chain(plan.soft.iter().map(|(name, _)| name)) {
        fields.insert(name, 1);
    }
    fields
}

pub(crate) fn collection(link: &Link, plan: &Plan) -> Collection<RawDocumentBuf> {
    link.client.database(&plan.database).collection(&plan.collection)
}

/// The documents of the rows with these numbers. A row whose key has no place in a document has none.
pub(crate) async fn by_keys(
    link: &Link,
    plan: &Plan,
    rows: &Rows<'_>,
    numbers: impl Iterator<Item = usize>,
    projection: Document,
    doing: &str,
) -> Result<Vec<RawDocumentBuf>> {
    let mut found = Vec::new();
    let (mut keys, mut bytes) = (Vec::new(), 0);
    let max = if plan.key_fields().len() == 1 { KEYS_MAX } else { ALTERNATIVES_MAX };
    for number in numbers {
        if let Some((key, size)) = key_document(plan, rows, number) {
            keys.push(key);
            bytes += size;
        }
        if keys.len() >= max || bytes >= KEY_BYTES_MAX {
            bytes = 0;
            found.extend(
                find(link, plan, any_of(plan, std::mem::take(&mut keys)), projection.clone(), doing).await?,
            );
        }
    }
    if !keys.is_empty() {
        found.extend(find(link, plan, any_of(plan, keys), projection, doing).await?);
    }
    Ok(found)
}

/// The key of a row as a filter, and its size in bytes.
pub(crate) fn key_document(plan: &Plan, rows: &Rows<'_>, row: usize) -> Option<(Document, usize)> {
    let mut bytes = Vec::new();
    let whole = document::open(&mut bytes);
    statement::key(&mut bytes, plan, rows, row).ok()?;
    document::close(&mut bytes, whole);
    let size = bytes.len();
    let raw = RawDocumentBuf::from_bytes(bytes).ok()?;
    Some((Document::try_from(&raw).ok()?, size))
}

/// A filter for any of these keys.
fn any_of(plan: &Plan, keys: Vec<Document>) -> Document {
    match plan.key_fields()[..] {
        [field] => {
            let values: Vec<Bson> = keys.into_iter().filter_map(|mut key| key.remove(field)).collect();
            doc! { field: { "$in": values } }
        }
        _ => doc! { "$or": keys },
    }
}

/// The documents that a filter finds, with these fields.
pub(crate) async fn find(
    link: &Link,
    plan: &Plan,
    filter: Document,
    projection: Document,
    doing: &str,
) -> Result<Vec<RawDocumentBuf>> {
    let collection = collection(link, plan);
    let query = async {
        let concern = match link.facts.has_transactions {
            true => mongodb::options::ReadConcern::majority(),
            false => mongodb::options::ReadConcern::local(),
        };
        let find = collection.find(filter).projection(projection).read_concern(concern);
        find.max_time(timeouts::COMMAND).await?.try_collect().await
    };
    within(link, query, doing).await
}

/// A query's answer, for which nobody waits for ever.
pub(crate) async fn within<T>(
    link: &Link,
    query: impl Future<Output = mongodb::error::Result<T>>,
    doing: &str,
) -> Result<T> {
    match tokio::time::timeout(timeouts::ANSWER, query).await {
        Ok(answer) => answer.map_err(|e| classify::error(link.context(doing), e)),
        Err(_) => {
            let message = format!("no answer within {} s", timeouts::ANSWER.as_secs());
            Err(TargetError::new(ErrorKind::Unreachable, link.context(doing), message))
        }
    }
}

/// A column of these documents in its carrier, if all of them hold what it may hold.
pub(crate) fn decoded<'d>(
    plan: &Plan,
    column: &ColumnPlan,
    documents: impl Iterator<Item = &'d RawDocumentBuf>,
) -> Option<ArrayRef> {
    let cells: Option<Vec<Cell<'d>>> = documents
        .map(|document| {
            if column.is_key && plan.is_in_id() && plan.key.len() > 1 && !has_key_form(plan, document) {
                return None;
            }
            cell(document, &column.path)
        })
        .collect();
    match column.value == ValueType::Json && plan.nulls == Nulls::Omit {
        true => decode::json_column(&cells?),
        false => decode::column(&column.value, &cells?),
    }
}

/// What a path leads to; `None` if something else than a document is in the way.
pub(crate) fn cell<'d>(document: &'d RawDocument, path: &[String]) -> Option<Cell<'d>> {
    let (first, rest) = path.split_first()?;
    let found = document.get(first).ok()?;
    match (found, rest) {
        (found, []) => Some(found),
        (None | Some(mongodb::bson::RawBsonRef::Null), _) => Some(None),
        (Some(mongodb::bson::RawBsonRef::Document(inner)), rest) => cell(inner, rest),
        (Some(_), _) => None,
    }
}

/// Whether the identity is a document of exactly the key's columns in the key's order: another order is another key.
fn has_key_form(plan: &Plan, document: &RawDocument) -> bool {
    let Ok(id) = document.get_document(ID) else { return false };
    let mut fields = id.iter();
    let same = plan.key_columns().all(|(_, column)| {
        fields.next().is_some_and(|field| field.is_ok_and(|(name, _)| name.as_str() == column.name))
    });
    same && fields.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::rawdoc;

    #[test]
    fn a_path_leads_through_documents_alone() {
        let document = rawdoc! { "a": { "b": 1, "n": null }, "l": [ { "b": 1 } ] };
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let at = |name: &str| cell(&document, &path(name));
        assert_eq!(at("a.b"), Some(Some(mongodb::bson::RawBsonRef::Int32(1))));
        assert_eq!(at("a.n"), Some(Some(mongodb::bson::RawBsonRef::Null)));
        assert_eq!((at("x.y"), at("a.n.z"), at("a.c")), (Some(None), Some(None), Some(None)));
        assert_eq!((at("a.b.c"), at("l.b")), (None, None));
    }
}
