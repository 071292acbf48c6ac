//! A table built anew beside itself, and put in its place.
//!
//! One transaction does it all, so whatever ends it (a kill, a refused row, a lock that is not had in time) leaves the table
//! as it was, and nothing beside it:
//!
//! 1. the shadow: a table like the table, without indexes. The changed rows go by COPY straight into it, the keys of deleted
//!    rows into a temporary table. Nobody waits for anything.
//! 2. `LOCK … IN SHARE MODE`: from here on those who write wait, those who read go on. All rows whose key did not come are
//!    copied from the table, the application's own among them; then the indexes are built.
//! 3. the epoch is compared, as for every batch.
//! 4. `LOCK … IN ACCESS EXCLUSIVE MODE`: for the moment that it takes to drop the one and rename the other. What the catalog
//!    says of both is compared ([`portrait`]): a difference undoes everything.
//!
//! What a table may have that is not carried over is asked for before ([`obstacles`]).

mod carry;
mod obstacles;
mod portrait;

pub(crate) use obstacles::rebuildable;

use crate::{catalog::Table, copy, name, own, plan::Plan, statement, transaction::Transaction, write};
use hydrant_contract::{Batch, Changes, ErrorKind, Result, TargetError};
use std::time::{Duration, Instant};
use tokio_postgres::{Error, error::SqlState};

/// How long the application's writers wait at the most, but for the last moment. What takes longer is given up.
const LOCKED_MAX: Duration = Duration::from_secs(600);
/// How long the rebuild waits until those are done who write to the table.
const SHARE_WAIT: Duration = Duration::from_secs(3);
/// How often, and for how long at a time, it waits at the end until those are done who read: 3 seconds in all. Others queue
/// behind a waiting `ACCESS EXCLUSIVE`, so it lets them pass in between. Shorter than the second after which the server looks
/// for deadlocks: one who read and now waits to write is not thrown out for it.
const SWAP_WAITS: u32 = 3;
const SWAP_WAIT: Duration = Duration::from_millis(900);
const SWAP_PAUSE: Duration = Duration::from_millis(150);
/// Has the server end the statement of a client that is gone, instead of keeping the locks until it is done. Before version 14
/// there is no such setting, and on some systems it cannot be set.
const NOTICE_SILENCE: &str = "SAVEPOINT hydrant_silence; SET LOCAL client_connection_check_interval = 1000";

/// All keys are compared with all keys: looked up one by one they would take far longer, and in the 4 MB that servers grant by
/// default they would go to disk and back (measured for a million of them).
const JOIN_WHOLE: &str = "SET LOCAL enable_nestloop = off; \
     SELECT pg_catalog.set_config('work_mem', '65536', true) FROM pg_catalog.pg_settings \
     WHERE name = 'work_mem' AND setting::pg_catalog.int8 < 65536";

/// Builds; see [`Target::rebuild`](hydrant_contract::Target::rebuild).
pub(crate) async fn rebuild(tx: &Transaction<'_>, last: &Batch, changes: &mut dyn Changes) -> Result<()> {
    let failed = |e: Error| tx.error(e);
    if let Err(error) = tx.run(NOTICE_SILENCE).await {
        if error.as_db_error().is_none() {
            return Err(failed(error));
        }
        tx.run("ROLLBACK TO SAVEPOINT hydrant_silence").await.map_err(failed)?;
    }
    let table = write::find(tx, &last.spec).await?;
    let found = obstacles::of_table(tx, &last.spec, &table).await?;
    if let Some(first) = found.first() {
        return Err(TargetError::new(ErrorKind::ShapeDiffers, tx.context(), first.clone()));
    }
    let shadow = Shadow::make(tx, &last.spec.table, &table).await.map_err(failed)?;
    let (old, oid) = (table.quoted.clone(), table.oid);
    // The same columns under another name: what is copied goes there.
    let new = Table { quoted: shadow.quoted.clone(), name: shadow.name.clone(), ..table };
    let plan = write::plan(tx, &last.spec, &new)?;
    shadow.fill(tx, &plan, changes).await?;

    lock(tx, &old, "SHARE", SHARE_WAIT).await.map_err(failed)?;
    let limit = Limit { since: Instant::now() };
    let rest = statement::copy_rest(&plan, &old);
    tx.run(JOIN_WHOLE).await.map_err(failed)?;
    limit.run(tx, &rest).await?;
    tx.run("SET LOCAL enable_nestloop TO DEFAULT").await.map_err(failed)?;
    let indexes = carry::indexes(tx, oid, &shadow).await.map_err(failed)?;
    for index in &indexes {
        for statement in &index.made {
            limit.run(tx, statement).await?;
        }
    }
    for statement in carry::settings(tx, oid, &shadow).await.map_err(failed)? {
        tx.run(&statement).await.map_err(failed)?;
    }
    // Its first readers shall not be planned for without statistics.
    limit.run(tx, &format!("ANALYZE {}", shadow.quoted)).await?;

    own::guard(tx, &last.checkpoint).await?;
    take(tx, &old).await?;
    // Whoever has added something meanwhile is done by now, and whoever is about to waits.
    let found = obstacles::of_table(tx, &last.spec, &write::find(tx, &last.spec).await?).await?;
    if let Some(first) = found.first() {
        return Err(TargetError::new(ErrorKind::ShapeDiffers, tx.context(), first.clone()));
    }
    let before = portrait::of(tx, oid).await.map_err(failed)?;
    for statement in carry::sequences(tx, oid, &shadow).await.map_err(failed)? {
        tx.run(&statement).await.map_err(failed)?;
    }
    // Without CASCADE: what depends on it, and is not known here, keeps it.
    tx.run(&format!("DROP TABLE {old}")).await.map_err(failed)?;
    let renamed = format!("ALTER TABLE {} RENAME TO {}", shadow.quoted, name::quoted(&last.spec.table.name));
    tx.run(&renamed).await.map_err(failed)?;
    for index in &indexes {
        tx.run(&index.named).await.map_err(failed)?;
    }
    let after = portrait::of(tx, shadow.oid).await.map_err(failed)?;
    if let Some(difference) = portrait::difference(&before, &after) {
        let message = format!("the table that was built differs from the one that is there: {difference}");
        return Err(TargetError::new(ErrorKind::ShapeDiffers, tx.context(), message));
    }
    own::save(tx, last).await
}

/// The table that is being built.
struct Shadow {
    oid: u32,
    schema: String,
    name: String,
    /// Both, quoted.
    quoted: String,
}

impl Shadow {
    async fn make(
        tx: &Transaction<'_>,
        table: &hydrant_contract::TableName,
        like: &Table,
    ) -> std::result::Result<Self, Error> {
        let schema = name::schema_of(table).to_owned();
        // Nobody sees it before it has its proper name. Two at a time wait for each other.
        let name = format!("hydrant_rebuild_{}", like.oid);
        let quoted = name::qualified(&schema, &name);
        for statement in carry::made(tx, like, &quoted).await? {
            tx.run(&statement).await?;
        }
        let of_this_name = hydrant_contract::TableName { schema: Some(schema.clone()), name: name.clone() };
        let oid = Table::find(tx, &of_this_name).await?.map_or(0, |made| made.oid);
        Ok(Self { oid, schema, name, quoted })
    }

    /// The changed rows into it, the keys of deleted rows into the temporary table.
    async fn fill(&self, tx: &Transaction<'_>, plan: &Plan<'_>, changes: &mut dyn Changes) -> Result<()> {
        let failed = |e: Error| tx.error(e);
        tx.run(&statement::create_stage(plan)).await.map_err(failed)?;
        while let Some(batch) = changes.next().await? {
            if batch.deletes.num_rows() > 0 {
                copy::keys(tx, plan, &batch.deletes).await.map_err(failed)?;
            }
            for rows in [&batch.inserts, &batch.updates].into_iter().filter(|rows| rows.num_rows() > 0) {
                let copied = copy::straight(tx, plan, rows, 0..rows.num_rows()).await.map_err(failed)?;
                if let Some(bad) = copied.bad.into_iter().next() {
                    return Err(refused(tx, &bad.reject(hydrant_contract::Part::Updates)));
                }
                copied.count.map_err(failed)?;
            }
        }
        // What is joined with the table is best looked at before.
        tx.run(&format!("{}; ANALYZE {}", statement::ANALYZE_STAGE, self.quoted)).await.map_err(failed)
    }
}

fn refused(tx: &Transaction<'_>, reject: &hydrant_contract::Reject) -> TargetError {
    let column = reject.column.as_deref().unwrap_or_default();
    let message = format!("a row is refused: column {column:?}: {}", reject.reason);
    TargetError::new(ErrorKind::ValueRefused, tx.context(), message)
}

/// Takes a lock on a table, or fails when it is not had in this time.
async fn lock(
    tx: &Transaction<'_>,
    table: &str,
    mode: &str,
    wait: Duration,
) -> std::result::Result<(), Error> {
    tx.run(&format!("SET LOCAL lock_timeout = {}; LOCK TABLE {table} IN {mode} MODE", wait.as_millis())).await
}

/// Takes the table for itself, in several short attempts.
async fn take(tx: &Transaction<'_>, table: &str) -> Result<()> {
    for attempt in 1.. {
        tx.run("SAVEPOINT hydrant_take").await.map_err(|e| tx.error(e))?;
        let error = match lock(tx, table, "ACCESS EXCLUSIVE", SWAP_WAIT).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if attempt == SWAP_WAITS || error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Err(tx.error(error));
        }
        tx.run("ROLLBACK TO SAVEPOINT hydrant_take; RELEASE SAVEPOINT hydrant_take")
            .await
            .map_err(|e| tx.error(e))?;
        tokio::time::sleep(SWAP_PAUSE).await;
    }
    Ok(())
}

/// How long it may go on while others wait to write.
struct Limit {
    since: Instant,
}

impl Limit {
    async fn run(&self, tx: &Transaction<'_>, sql: &str) -> Result<()> {
        let left = LOCKED_MAX.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            let message = format!("others have waited for {} s to write to the table", LOCKED_MAX.as_secs());
            return Err(TargetError::new(ErrorKind::Busy, tx.context(), message));
        }
        tx.run_within(sql, left).await.map_err(|e| tx.error(e))
    }
}
