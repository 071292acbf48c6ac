//! hydrant's own collections: how far each sync has come, and how fresh its table is.
//!
//! They lie in the database of the URL, since rights are mostly given for a database.

use crate::{connect::Link, reply::number, timeouts, transaction::Unit};
use hydrant_contract::{Batch, Checkpoint, ErrorKind, Result, TargetError};
use mongodb::bson::{DateTime, Document, doc};

pub(crate) const CHECKPOINT: &str = "hydrant_checkpoint";
pub(crate) const FRESHNESS: &str = "hydrant_freshness";

/// Takes a sync over; see [`Target::claim`](hydrant_contract::Target::claim).
pub(crate) async fn claim(link: &Link, sync: &str, epoch: u64, doing: &str) -> Result<Option<Checkpoint>> {
    make(link, doing).await?;
    let wanted = signed(&link.context(doing), epoch)?;
    // Whoever has a larger epoch keeps it: then the filter finds nothing, and a second document of the sync cannot be.
    let command = doc! {
        "findAndModify": CHECKPOINT,
        "query": { "_id": sync, "epoch": { "$lte": wanted } },
        "update": { "$set": { "epoch": wanted }, "$currentDate": { "at": true } },
        "upsert": true,
        "new": true,
        "maxTimeMS": timeouts::command_millis(),
        "writeConcern": link.concern(),
    };
    match link.run(&link.database, command, doing).await {
        Ok(reply) => {
            confirmed(&reply, link, doing)?;
            let found = reply.get_document("value").map_err(|_| {
                TargetError::new(ErrorKind::Broken, link.context(doing), "the claim left no document")
            })?;
            Ok(checkpoint(sync, found))
        }
        Err(error) if error.kind() == ErrorKind::ValueRefused => match find(link, sync, doing).await? {
            Some(found) => Err(fenced(&link.context(doing), sync, &found, epoch)),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Makes the collections that are missing. Within a transaction of a sharded cluster none can be made.
async fn make(link: &Link, doing: &str) -> Result<()> {
    let filter = doc! { "name": { "$in": [CHECKPOINT, FRESHNESS] } };
    let list = doc! {
        "listCollections": 1, "filter": filter, "nameOnly": true, "authorizedCollections": true,
        "maxTimeMS": timeouts::command_millis(),
    };
    let reply = link.run(&link.database, list, doing).await?;
    let there = |name: &str| {
        let first = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        first.is_ok_and(|found| {
            found.iter().any(|one| {
                one.as_document().is_some_and(|one| one.get_str("name").is_ok_and(|found| found == name))
            })
        })
    };
    for name in [CHECKPOINT, FRESHNESS].into_iter().filter(|name| !there(name)) {
        let create = doc! { "create": name, "writeConcern": link.concern() };
        match link.run(&link.database, create, doing).await {
            Ok(_) => {}
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::ShapeDiffers => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes the checkpoint of a batch if the writer has not lost its lease, and the server no batch: a member that took over
/// may not have what was written before with a weak write concern. Going on would bury the gap under the next checkpoint;
/// the next run goes on from the one that is there.
///
/// In a transaction this comes first: from here on a claim and this batch exclude one another.
pub(crate) async fn advance(unit: &mut Unit<'_>, checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { sync, run, epoch, batch, first_change, next_change } = checkpoint;
    let context = unit.context();
    let number = |value: u64| signed(&context, value);
    let mut command = doc! {
        "findAndModify": CHECKPOINT,
        "query": { "_id": sync, "epoch": number(*epoch)? },
        "update": {
            "$set": {
                "run": number(*run)?, "batch": number(*batch)?,
                "first_change": number(*first_change)?, "next_change": number(*next_change)?,
            },
            "$currentDate": { "at": true },
        },
        "new": false,
        "maxTimeMS": timeouts::command_millis(),
    };
    if !unit.is_transaction() {
        // A batch that leaves a gap must not be noted first and looked at then.
        guard(unit, checkpoint).await?;
        command.insert("writeConcern", unit.link.concern());
    }
    let database = unit.link.database.clone();
    let reply = unit.run(&database, command).await?;
    confirmed(&reply, unit.link, "noting a batch")?;
    match reply.get_document("value") {
        Ok(before) => gap(&context, before, checkpoint),
        Err(_) => guard(unit, checkpoint).await,
    }
}

/// Excludes a claim for the time of this transaction, without noting a batch: other transactions of it follow. Fails if the
/// writer has lost its lease.
pub(crate) async fn hold(unit: &mut Unit<'_>, checkpoint: &Checkpoint) -> Result<()> {
    let epoch = signed(&unit.context(), checkpoint.epoch)?;
    let command = doc! {
        "findAndModify": CHECKPOINT,
        "query": { "_id": &checkpoint.sync, "epoch": epoch },
        "update": { "$currentDate": { "at": true } },
        "new": false,
        "maxTimeMS": timeouts::command_millis(),
    };
    let database = unit.link.database.clone();
    let reply = unit.run(&database, command).await?;
    match reply.get_document("value") {
        Ok(before) => gap(&unit.context(), before, checkpoint),
        Err(_) => guard(unit, checkpoint).await,
    }
}

/// Fails if the writer has lost its lease, or the server a batch.
pub(crate) async fn guard(unit: &mut Unit<'_>, checkpoint: &Checkpoint) -> Result<()> {
    let (sync, context) = (checkpoint.sync.as_str(), unit.context());
    let database = unit.link.database.clone();
    let mut find = doc! {
        "find": CHECKPOINT, "filter": { "_id": sync }, "limit": 1, "singleBatch": true,
        "maxTimeMS": timeouts::command_millis(),
    };
    if !unit.is_transaction() {
        find.insert("readConcern", unit.link.read_concern());
    }
    let reply = unit.run(&database, find).await?;
    let found = first(&reply);
    let seen = found.as_ref().and_then(|found| number(found, "epoch")).map(i64::unsigned_abs);
    match (seen, found) {
        (Some(seen), Some(found)) if seen == checkpoint.epoch => gap(&context, &found, checkpoint),
        (Some(seen), Some(found)) if seen > checkpoint.epoch => {
            Err(fenced(&context, sync, &found, checkpoint.epoch))
        }
        _ => {
            let message = format!(
                "the document of sync {sync:?} in {CHECKPOINT} is gone, or was set back, since it was claimed"
            );
            Err(TargetError::new(ErrorKind::Broken, context, message))
        }
    }
}

fn gap(context: &str, before: &Document, checkpoint: &Checkpoint) -> Result<()> {
    let run = number(before, "run").map(i64::unsigned_abs).filter(|run| *run == checkpoint.run);
    let last = run.and(number(before, "batch")).map_or(0, i64::unsigned_abs);
    if last + 1 >= checkpoint.batch {
        return Ok(());
    }
    let message = format!(
        "batch {last} is the last of run {} that the server knows, later ones were written and are lost (a failover?); the \
         next run sends them again",
        checkpoint.run
    );
    Err(TargetError::new(ErrorKind::Broken, context, message))
}

/// Writes the freshness of a batch, if it has one.
pub(crate) async fn freshen(unit: &mut Unit<'_>, batch: &Batch) -> Result<()> {
    let Some(freshness) = &batch.freshness else { return Ok(()) };
    let context = unit.context();
    let change = doc! { "$set": {
        "run": signed(&context, batch.checkpoint.run)?,
        "as_of": DateTime::from_millis(freshness.as_of.timestamp_millis()),
        "rows": signed(&context, freshness.rows)?,
    } };
    let update = doc! { "q": { "_id": &batch.checkpoint.sync }, "u": change, "upsert": true };
    let mut command =
        doc! { "update": FRESHNESS, "updates": [update], "maxTimeMS": timeouts::command_millis() };
    if !unit.is_transaction() {
        command.insert("writeConcern", unit.link.concern());
    }
    let database = unit.link.database.clone();
    let reply = unit.run(&database, command).await?;
    match crate::reply::refusals(&reply, &context)?.into_iter().next() {
        None => Ok(()),
        // Two that insert the first document of a sync at a time.
        Some((_, refusal)) if refusal.is_duplicate() => {
            Err(TargetError::new(ErrorKind::Conflict, context, refusal.reason))
        }
        Some((_, refusal)) => Err(TargetError::new(ErrorKind::Broken, context, refusal.reason)),
    }
}

async fn find(link: &Link, sync: &str, doing: &str) -> Result<Option<Document>> {
    let find = doc! {
        "find": CHECKPOINT, "filter": { "_id": sync }, "limit": 1, "singleBatch": true,
        "maxTimeMS": timeouts::command_millis(), "readConcern": link.read_concern(),
    };
    Ok(first(&link.run(&link.database, find, doing).await?))
}

fn first(reply: &Document) -> Option<Document> {
    let batch = reply.get_document("cursor").ok()?.get_array("firstBatch").ok()?;
    batch.first()?.as_document().cloned()
}

/// The last checkpoint, if a batch was written.
fn checkpoint(sync: &str, found: &Document) -> Option<Checkpoint> {
    let number = |name: &str| number(found, name).map(i64::unsigned_abs);
    Some(Checkpoint {
        sync: sync.to_owned(),
        run: number("run")?,
        epoch: number("epoch")?,
        batch: number("batch")?,
        first_change: number("first_change")?,
        next_change: number("next_change")?,
    })
}

/// A `findAndModify` says in its reply, and not by an error, that too few servers confirmed it.
fn confirmed(reply: &Document, link: &Link, doing: &str) -> Result<()> {
    crate::reply::refusals(reply, &link.context(doing)).map(drop)
}

fn signed(context: &str, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| {
        TargetError::new(
            ErrorKind::LimitExceeded,
            context,
            format!("{number} does not fit 64 bits with a sign"),
        )
    })
}

fn fenced(context: &str, sync: &str, found: &Document, epoch: u64) -> TargetError {
    let seen = number(found, "epoch").unwrap_or_default();
    let message = format!("the sync {sync:?} was taken over with epoch {seen}; this writer has {epoch}");
    TargetError::new(ErrorKind::Fenced, context, message)
}
