//! A collection read from one end to the other, a piece at a time.
//!
//! Pieces follow the index on the key, in BSON's order of all types, so that documents whose key is of another type come
//! too. A comparison in a filter looks at one type alone; the one in an expression, and the bound of an index, look at all.

use crate::{
    catalog::{self, Index},
    connect::Link,
    plan::{ID, Plan},
    read, timeouts, write,
};
use futures::TryStreamExt;
use hydrant_contract::{Cursor, ErrorKind, Result, Scanned, SoftMark, TableSpec, TargetError};
use mongodb::{
    bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc},
    options::{Hint, ReadConcern},
};

/// Scans; see [`Target::scan`](hydrant_contract::Target::scan).
pub(crate) async fn scan(
    link: &Link,
    spec: &TableSpec,
    after: Option<&Cursor>,
    rows: usize,
    doing: &str,
) -> Result<Scanned> {
    let broken = |why: String| TargetError::new(ErrorKind::Broken, link.context(doing), why);
    let plan = write::find(link, spec, doing).await?;
    let index = index(link, &plan, doing).await?;
    let after = after.map(|cursor| place(&index, cursor)).transpose().map_err(broken)?;
    let found = piece(link, &plan, &index, after.as_ref(), rows, doing).await?;
    let next = match found.last().filter(|_| found.len() >= rows) {
        Some(last) => Some(cursor(&index, last).map_err(broken)?),
        None => None,
    };
    let mut foreign = 0;
    if next.is_none() && !plan.is_in_id() {
        foreign = arrays(link, &plan, doing).await?;
    }
    let there: Vec<&RawDocumentBuf> = found.iter().filter(|found| !is_gone(&plan, found)).collect();
    let sorted = Scanned::sort(&spec.shape, there.len(), next, |at, numbers| {
        read::decoded(&plan, &plan.columns[at], numbers.iter().map(|number| there[*number]))
    });
    let mut scanned = sorted.map_err(|e| broken(e.to_string()))?;
    scanned.foreign += foreign;
    Ok(scanned)
}

/// The index that the scan follows.
struct Order {
    fields: Vec<String>,
    pattern: Document,
}

async fn index(link: &Link, plan: &Plan, doing: &str) -> Result<Order> {
    let pattern = match plan.is_in_id() {
        true => doc! { ID: 1 },
        false => {
            let fields = plan.key_fields();
            let indexes = catalog::indexes(link, plan, doing).await?;
            let found = indexes.iter().find(|index| is_of_key(index, &fields)).ok_or_else(|| {
                let message = format!("there is no unique index on exactly {}", fields.join(", "));
                TargetError::new(ErrorKind::ShapeDiffers, link.context(doing), message)
            })?;
            found.pattern()
        }
    };
    Ok(Order { fields: pattern.keys().cloned().collect(), pattern })
}

/// Whether an index keeps keys unique, and shows every document.
pub(crate) fn is_of_key(index: &Index, fields: &[&str]) -> bool {
    index.unique
        && index.is_on(fields)
        && index.is_ordered()
        && !index.sparse
        && !index.partial
        && !index.hidden
}

/// The documents behind a place, in order.
async fn piece(
    link: &Link,
    plan: &Plan,
    order: &Order,
    after: Option<&Document>,
    rows: usize,
    doing: &str,
) -> Result<Vec<RawDocumentBuf>> {
    // An array is in the index item by item, and would come once for each; such keys are counted at the end.
    let scalar = |field: &String| doc! { field: { "$not": { "$type": "array" } } };
    let mut filter: Vec<Document> = match plan.is_in_id() {
        true => Vec::new(),
        false => order.fields.iter().map(scalar).collect(),
    };
    let mut bound = None;
    // The document at the place itself comes once more where the bound includes it.
    let mut wanted = rows;
    if let Some(after) = after {
        match &order.fields[..] {
            [field] => {
                let way = if descends(&order.pattern, field) { "$lt" } else { "$gt" };
                let place = after.get(field).cloned().unwrap_or(Bson::Null);
                let sides: Vec<Bson> = vec![format!("${field}").into(), doc! { "$literal": place }.into()];
                filter.push(doc! { "$expr": { way: sides } });
            }
            _ => {
                bound = Some(after.clone());
                wanted += 1;
            }
        }
    }
    let filter = match filter.is_empty() {
        true => doc! {},
        false => doc! { "$and": filter },
    };
    let collection = read::collection(link, plan);
    let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
    let query = async {
        // One snapshot, also if the answer takes several messages.
        let concern = match link.facts.has_transactions {
            true => ReadConcern::snapshot(),
            false => ReadConcern::local(),
        };
        let mut find = collection
            .find(filter)
            .projection(read::projection(plan))
            .sort(order.pattern.clone())
            .hint(Hint::Keys(order.pattern.clone()))
            .limit(limit)
            .batch_size(u32::try_from(wanted).unwrap_or(u32::MAX))
            .read_concern(concern)
            .max_time(timeouts::COMMAND);
        if let Some(bound) = bound.clone() {
            find = find.min(bound);
        }
        find.await?.try_collect::<Vec<_>>().await
    };
    let mut found = read::within(link, query, doing).await?;
    if let Some(bound) = bound {
        let at_place = |found: &RawDocumentBuf| cursor(order, found).is_ok_and(|at| at.0 == bytes(&bound));
        if found.first().is_some_and(at_place) {
            found.remove(0);
        }
        found.truncate(rows);
    }
    Ok(found)
}

fn descends(pattern: &Document, field: &str) -> bool {
    crate::reply::number(pattern, field).is_some_and(|way| way < 0)
}

/// The values of the index in this document, as they are: nothing is lost in between.
fn cursor(order: &Order, document: &RawDocument) -> std::result::Result<Cursor, String> {
    let mut place = Document::new();
    for field in &order.fields {
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        let found = read::cell(document, &path).flatten().unwrap_or(RawBsonRef::Null);
        let value = Bson::try_from(found).map_err(|e| format!("a key that is no BSON: {e}"))?;
        place.insert(field, value);
    }
    Ok(Cursor(bytes(&place)))
}

fn bytes(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).map(RawDocumentBuf::into_bytes).unwrap_or_default()
}

fn place(order: &Order, cursor: &Cursor) -> std::result::Result<Document, String> {
    let place = RawDocumentBuf::from_bytes(cursor.0.clone())
        .and_then(|raw| Document::try_from(&raw))
        .map_err(|e| format!("the place where the scan goes on is not one of this target's: {e}"))?;
    match place.keys().eq(order.fields.iter()) {
        true => Ok(place),
        false => Err("the index on the key has changed since the scan began".to_owned()),
    }
}

/// How many documents have an array in their key: never hydrant's, and not in order.
async fn arrays(link: &Link, plan: &Plan, doing: &str) -> Result<u64> {
    let filters: Vec<Document> =
        plan.key_fields().into_iter().map(|field| doc! { field: { "$type": "array" } }).collect();
    let collection = read::collection(link, plan);
    let query =
        async { collection.count_documents(doc! { "$or": filters }).max_time(timeouts::COMMAND).await };
    read::within(link, query, doing).await
}

/// Whether a soft delete marked the document.
fn is_gone(plan: &Plan, document: &RawDocument) -> bool {
    let Some((name, mark)) = &plan.soft else { return false };
    let path: Vec<String> = name.split('.').map(str::to_owned).collect();
    match (read::cell(document, &path).flatten(), mark) {
        (None | Some(RawBsonRef::Null), _) => false,
        (Some(found), SoftMark::Flag) => found.as_bool().unwrap_or_default(),
        (Some(_), SoftMark::Time) => true,
    }
}
