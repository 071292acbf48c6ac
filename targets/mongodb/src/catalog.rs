//! Collections and their indexes, as the server describes them.

use crate::{
    classify::code,
    connect::{Failure, Link},
    plan::Plan,
    reply::number,
    timeouts,
};
use hydrant_contract::{ErrorKind, Mismatch, Result, TargetError};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

/// A collection that is there.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// `collection`, `view` or `timeseries`.
    kind: String,
    pub(crate) options: Document,
}

impl Kind {
    /// Why rows cannot be kept in it.
    pub(crate) fn problem(&self, plan: &Plan) -> Option<Mismatch> {
        let what = match self.kind.as_str() {
            "collection" if self.options.get_bool("capped").unwrap_or_default() => {
                "a capped collection, whose documents the server removes by itself"
            }
            "collection" => return None,
            "view" => "a view",
            "timeseries" => "a time series collection, whose documents have no unique key",
            _ => "of a kind that hydrant does not know",
        };
        Some(Mismatch {
            column: None,
            problem: format!("{}.{} is {what}", plan.database, plan.collection),
            mend: "name an ordinary collection in the configuration".to_owned(),
        })
    }

    /// Whether texts are compared otherwise than byte by byte where a query does not say how.
    pub(crate) fn collation(&self) -> Option<&Document> {
        self.options.get_document("collation").ok().filter(|collation| is_collated(collation))
    }
}

/// An index of a collection.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Its fields in order, each with its direction; text, hashed and other special indexes have another word there.
    pub(crate) keys: Vec<(String, Bson)>,
    pub(crate) unique: bool,
    pub(crate) sparse: bool,
    pub(crate) partial: bool,
    pub(crate) collated: bool,
    pub(crate) hidden: bool,
}

impl Index {
    fn of(found: &Document) -> Option<Self> {
        let flag = |name: &str| match found.get(name) {
            Some(Bson::Boolean(flag)) => *flag,
            Some(_) => number(found, name).is_some_and(|number| number != 0),
            None => false,
        };
        let keys = found.get_document("key").ok()?;
        Some(Self {
            name: found.get_str("name").unwrap_or_default().to_owned(),
            keys: keys.iter().map(|(field, way)| (field.clone(), way.clone())).collect(),
            unique: flag("unique"),
            sparse: flag("sparse"),
            partial: found.contains_key("partialFilterExpression"),
            collated: found.get_document("collation").is_ok_and(is_collated),
            hidden: flag("hidden"),
        })
    }

    /// Whether it is ordered by the values of its fields.
    pub(crate) fn is_ordered(&self) -> bool {
        self.keys.iter().all(|(_, way)| match way {
            Bson::Int32(1 | -1) | Bson::Int64(1 | -1) => true,
            Bson::Double(way) => way.abs() == 1.0,
            _ => false,
        })
    }

    /// Whether its fields are exactly these, in any order.
    pub(crate) fn is_on(&self, fields: &[&str]) -> bool {
        self.keys.len() == fields.len() && self.keys.iter().all(|(field, _)| fields.contains(&field.as_str()))
    }

    /// Its fields with their directions, as commands have them.
    pub(crate) fn pattern(&self) -> Document {
        self.keys.iter().cloned().collect()
    }
}

fn is_collated(collation: &Document) -> bool {
    collation.get_str("locale").is_ok_and(|locale| locale != "simple")
}

/// What kind of collection is there, if any; without its options. Asks for no more than writing needs.
pub(crate) async fn kind(link: &Link, plan: &Plan, doing: &str) -> Result<Option<Kind>> {
    match list(link, plan, true, doing).await {
        // An account that may only read one collection is not always let see that it is there; its indexes tell.
        Err(error) if error.kind() == ErrorKind::Denied => {
            let there = !indexes(link, plan, doing).await?.is_empty();
            Ok(there.then(|| Kind { kind: "collection".to_owned(), options: Document::new() }))
        }
        other => other,
    }
}

/// The same with options.
pub(crate) async fn described(link: &Link, plan: &Plan, doing: &str) -> Result<Option<Kind>> {
    list(link, plan, false, doing).await
}

async fn list(link: &Link, plan: &Plan, name_only: bool, doing: &str) -> Result<Option<Kind>> {
    let command = doc! {
        "listCollections": 1,
        "filter": { "name": &plan.collection },
        "nameOnly": name_only,
        "authorizedCollections": name_only,
        "maxTimeMS": timeouts::command_millis(),
    };
    let reply = link.run(&plan.database, command, doing).await?;
    let found = first_batch(&reply)
        .into_iter()
        .find(|one| one.get_str("name").is_ok_and(|name| name == plan.collection));
    Ok(found.map(|found| Kind {
        kind: found.get_str("type").unwrap_or("collection").to_owned(),
        options: found.get_document("options").cloned().unwrap_or_default(),
    }))
}

/// The indexes of a collection; none if there is no such collection. A collection has at most 64.
pub(crate) async fn indexes(link: &Link, plan: &Plan, doing: &str) -> Result<Vec<Index>> {
    let command = doc! { "listIndexes": &plan.collection, "cursor": { "batchSize": 1000 }, "maxTimeMS": timeouts::command_millis() };
    let raw = RawDocumentBuf::try_from(&command).map_err(|e| {
        TargetError::new(ErrorKind::Broken, link.context(doing), format!("encoding a command: {e}"))
    })?;
    match link.try_run(&plan.database, raw, None).await {
        Ok(reply) => Ok(first_batch(&reply).into_iter().filter_map(Index::of).collect()),
        Err(failure @ Failure::Said(_)) if failure.code() == Some(code::NAMESPACE_NOT_FOUND) => {
            Ok(Vec::new())
        }
        Err(failure) => Err(failure.into_error(&link.context(doing))),
    }
}

fn first_batch(reply: &Document) -> Vec<&Document> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.map_or_else(|_| Vec::new(), |batch| batch.iter().filter_map(Bson::as_document).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_as_servers_and_shells_write_it() {
        let index =
            Index::of(&doc! { "name": "k", "key": { "a": 1.0, "b": -1 }, "unique": 1 }).expect("an index");
        assert!(index.unique && index.is_ordered() && index.is_on(&["b", "a"]) && !index.is_on(&["a"]));
        let text =
            Index::of(&doc! { "name": "t", "key": { "_fts": "text" }, "collation": { "locale": "en" } });
        let text = text.expect("an index");
        assert!(!text.is_ordered() && text.collated);
        let simple = Index::of(&doc! { "name": "s", "key": { "a": 1 }, "collation": { "locale": "simple" } });
        assert!(!simple.expect("an index").collated);
    }
}
