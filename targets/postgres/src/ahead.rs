//! Batches that are begun while the ones before them are still being written.
//!
//! Rows for the temporary table can always be sent ahead: it is this transaction's own. Rows that go straight into the table
//! are there as soon as they are sent, though nobody sees them; who else inserts the same value of a unique index waits for
//! them, and this transaction waits for its turn. So they are sent ahead only where nothing but the key, which is theirs alone,
//! can be waited for.

use crate::{
    PostgresTarget,
    catalog::Table,
    copy, holders, own,
    plan::Plan,
    transaction::{self, Transaction},
    write::{self, Waiting, Written},
    writing,
};
use async_trait::async_trait;
use hydrant_contract::{Applied, Batch, Begun, ErrorKind, Part, Reject, Result, TargetError};
use tokio_postgres::types::Type;

/// How long the server keeps what is begun, from before the first row is sent until the turn comes, while nothing is heard. A
/// process that is frozen meanwhile, and may have lost its lease, is not to keep its successor from inserting the same keys for
/// longer than that waits for a lock.
const TURN_TIMEOUT: &str = "SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// A batch in an open transaction, of which nobody sees anything yet.
pub(crate) struct Ahead<'a> {
    target: &'a PostgresTarget,
    tx: Transaction<'a>,
    batch: &'a Batch,
    table: Table,
    straight: bool,
    sent: Sent,
}

/// What the server has of it.
enum Sent {
    /// All of it, in the table, but for the rows that the type rules refused.
    Copied(Vec<Reject>),
    /// What goes through the temporary table.
    Staged(Waiting),
}

/// Sends what can be sent ahead of a batch that is not empty; `None` if that is nothing. Whatever is refused is an error.
pub(crate) async fn begin<'a>(target: &'a PostgresTarget, batch: &'a Batch) -> Result<Option<Ahead<'a>>> {
    let tx = target.transaction(writing(batch)).await?;
    let outcome = async {
        tx.run(TURN_TIMEOUT).await.map_err(|e| tx.error(e))?;
        let table = write::find(&tx, &batch.spec).await?;
        let plan = write::plan(&tx, &batch.spec, &table)?;
        let straight = write::straight(&plan, batch, target.believes(&batch.checkpoint));
        let sent = match write::stage(&tx, &plan, batch, straight).await? {
            Some(waiting) => Some(Sent::Staged(waiting)),
            None if waits_for_nobody(&tx, &table).await? => {
                Some(Sent::Copied(copied(&tx, &plan, batch).await?))
            }
            None => None,
        };
        Ok(sent.map(|sent| (table, straight, sent)))
    }
    .await;
    match outcome {
        Ok(Some((table, straight, sent))) => Ok(Some(Ahead { target, tx, batch, table, straight, sent })),
        Ok(None) => tx.finish(Ok(None)).await,
        Err(error) => tx.finish(Err(error)).await,
    }
}

/// Whether rows that are inserted can be in nobody's way: nothing but the key is unique, nothing refers elsewhere, and no
/// trigger does anything.
async fn waits_for_nobody(tx: &Transaction<'_>, table: &Table) -> Result<bool> {
    if table.has_triggers {
        return Ok(false);
    }
    let rows = tx
        .query(
            "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = $1 AND (indisunique OR indisexclusion)) = 1 \
             AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1 AND contype = 'f')",
            &[(&table.oid, Type::OID)],
        )
        .await
        .map_err(|e| tx.error(e))?;
    rows.first().map_or(Ok(false), |row| row.try_get(0).map_err(|e| tx.error(e)))
}

/// Copies all inserts into the table.
async fn copied(tx: &Transaction<'_>, plan: &Plan<'_>, batch: &Batch) -> Result<Vec<Reject>> {
    let all = batch.inserts.num_rows();
    let copied = copy::straight(tx, plan, &batch.inserts, 0..all).await.map_err(|e| tx.error(e))?;
    let count = copied.count.map_err(|e| tx.error(e))?;
    if count != (all - copied.bad.len()) as u64 {
        let message = format!("of {all} rows {count} were written");
        return Err(TargetError::new(ErrorKind::ValueRefused, tx.context(), message));
    }
    Ok(copied.bad.into_iter().map(|bad| bad.reject(Part::Inserts)).collect())
}

#[async_trait]
impl Begun for Ahead<'_> {
    async fn commit(self: Box<Self>) -> Result<Applied> {
        let Self { target, tx, batch, table, straight, sent } = *self;
        let doing = writing(batch);
        let written = target.in_time(&doing, async {
            let outcome = write(&tx, batch, &table, straight, sent).await;
            let outcome = holders::named(&tx, Some(&batch.spec.table), outcome).await;
            tx.finish(outcome).await
        });
        Ok(target.learn(batch, written.await?))
    }
}

async fn write(
    tx: &Transaction<'_>,
    batch: &Batch,
    table: &Table,
    straight: bool,
    sent: Sent,
) -> Result<Written> {
    tx.run(transaction::IDLE_AS_USUAL).await.map_err(|e| tx.error(e))?;
    own::guard(tx, &batch.checkpoint).await?;
    let written = match sent {
        Sent::Copied(rejects) => Written { applied: Applied { rejects, path: "copy" }, wrong_belief: false },
        Sent::Staged(waiting) => {
            let plan = write::plan(tx, &batch.spec, table)?;
            write::merge(tx, &plan, batch, straight, Some(waiting)).await?
        }
    };
    own::save(tx, batch).await?;
    Ok(written)
}
