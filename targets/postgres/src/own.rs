//! hydrant's own tables: how far each sync has come, and how fresh its table is.

use crate::{name, transaction::Transaction};
use hydrant_contract::{Batch, Checkpoint, ErrorKind, Mismatch, Result, TargetError};
use tokio_postgres::{Error, types::Type};

/// Taken while hydrant creates tables: `hydrant` in ASCII, as good a number as any.
pub(crate) const ADVISORY_LOCK: i64 = 0x0068_7964_7261_6e74;

/// The columns of a checkpoint are NULL from the first claim of a sync to its first batch.
const TABLES: [(&str, &str); 2] = [
    (
        "checkpoint",
        "CREATE TABLE hydrant.checkpoint (sync text PRIMARY KEY, run bigint, epoch bigint NOT NULL, batch bigint, \
         first_change bigint, next_change bigint, at timestamptz NOT NULL DEFAULT now())",
    ),
    (
        "freshness",
        "CREATE TABLE hydrant.freshness (sync text PRIMARY KEY, run bigint NOT NULL, as_of timestamptz NOT NULL, \
         rows bigint NOT NULL)",
    ),
];

/// What is there of them, and what the account may do.
struct State {
    schema: bool,
    /// For each table whether it is there, and whether the account may read and write it.
    tables: Vec<(bool, bool)>,
    may_use_schema: bool,
    may_create_in_schema: bool,
    may_create_schema: bool,
    user: String,
    database: String,
}

async fn state(tx: &Transaction<'_>) -> std::result::Result<State, Error> {
    let names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    let head = "SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false), \
                coalesce(has_schema_privilege(n.oid, 'CREATE'), false), \
                has_database_privilege(current_database(), 'CREATE'), current_user::text, current_database()::text \
                FROM (VALUES (1)) AS one LEFT JOIN pg_namespace n ON n.nspname = 'hydrant'";
    let tables = "SELECT c.oid IS NOT NULL, coalesce(has_table_privilege(c.oid, 'SELECT') \
                  AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'), false) \
                  FROM unnest($1::text[]) WITH ORDINALITY AS t(name, at) \
                  LEFT JOIN pg_namespace n ON n.nspname = 'hydrant' \
                  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name::name ORDER BY t.at";
    let parameters = [(&names as _, Type::TEXT_ARRAY)];
    let (head, tables) = tokio::try_join!(tx.query(head, &[]), tx.query(tables, &parameters))?;
    let head = &head[0];
    Ok(State {
        schema: head.try_get(0)?,
        may_use_schema: head.try_get(1)?,
        may_create_in_schema: head.try_get(2)?,
        may_create_schema: head.try_get(3)?,
        user: name::quoted(head.try_get(4)?),
        database: name::quoted(head.try_get(5)?),
        tables: tables
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect::<std::result::Result<_, Error>>()?,
    })
}

impl State {
    fn is_complete(&self) -> bool {
        self.tables.iter().all(|(there, _)| *there)
    }

    /// What an administrator would have to run, if the account cannot help itself.
    fn missing_rights(&self) -> Option<Mismatch> {
        let can_make = match self.schema {
            true => self.may_create_in_schema,
            false => self.may_create_schema,
        };
        let can_write = !self.schema || self.may_use_schema;
        let can_write = can_write && self.tables.iter().all(|(there, may)| !*there || *may);
        if can_write && (self.is_complete() || can_make) {
            return None;
        }
        let mut statements = Vec::new();
        if !self.schema {
            statements.push("CREATE SCHEMA hydrant".to_owned());
        }
        let absent = TABLES.iter().zip(&self.tables).filter(|(_, (there, _))| !there);
        statements.extend(absent.map(|((_, create), _)| (*create).to_owned()));
        statements.push(format!("GRANT USAGE ON SCHEMA hydrant TO {}", self.user));
        statements.push(format!(
            "GRANT SELECT, INSERT, UPDATE ON hydrant.checkpoint, hydrant.freshness TO {}",
            self.user
        ));
        Some(Mismatch {
            column: None,
            problem: format!(
                "the account may neither use nor make hydrant's own tables; an administrator may make them (or GRANT CREATE ON DATABASE {} TO {})",
                self.database, self.user
            ),
            mend: statements.join("; "),
        })
    }
}

/// What keeps the account from using hydrant's own tables, or from making them.
pub(crate) async fn missing_rights(tx: &Transaction<'_>) -> std::result::Result<Option<Mismatch>, Error> {
    Ok(state(tx).await?.missing_rights())
}

/// Makes the tables if they are not there; with none of the rights to do so if they are.
async fn ensure(tx: &Transaction<'_>) -> Result<()> {
    let mut found = state(tx).await.map_err(|e| tx.error(e))?;
    if let Some(rights) = found.missing_rights() {
        let message = format!("{}: {}", rights.problem, rights.mend);
        return Err(TargetError::new(ErrorKind::Denied, tx.context(), message));
    }
    if found.is_complete() {
        return Ok(());
    }
    tx.query("SELECT pg_advisory_xact_lock($1)::text", &[(&ADVISORY_LOCK, Type::INT8)])
        .await
        .map_err(|e| tx.error(e))?;
    found = state(tx).await.map_err(|e| tx.error(e))?;
    if !found.schema {
        tx.run("CREATE SCHEMA hydrant").await.map_err(|e| tx.error(e))?;
    }
    for ((_, create), (there, _)) in TABLES.iter().zip(&found.tables) {
        if !there {
            tx.run(create).await.map_err(|e| tx.error(e))?;
        }
    }
    Ok(())
}

/// Takes a sync over; see [`Target::claim`](hydrant_contract::Target::claim).
pub(crate) async fn claim(tx: &Transaction<'_>, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
    ensure(tx).await?;
    let new = signed(tx, epoch)?;
    let parameters = [(&sync as _, Type::TEXT), (&new as _, Type::INT8)];
    tx.execute(
        "INSERT INTO hydrant.checkpoint (sync, epoch) VALUES ($1, $2) ON CONFLICT (sync) DO NOTHING",
        &parameters,
    )
    .await
    .map_err(|e| tx.error(e))?;
    let rows = tx
        .query(
            "SELECT epoch, run, batch, first_change, next_change FROM hydrant.checkpoint WHERE sync = $1 FOR UPDATE",
            &parameters[..1],
        )
        .await
        .map_err(|e| tx.error(e))?;
    let row = rows.first().ok_or_else(|| unclaimed(tx, sync))?;
    let seen: i64 = row.try_get(0).map_err(|e| tx.error(e))?;
    if seen > new {
        return Err(fenced(tx, sync, seen, epoch));
    }
    if seen < new {
        tx.execute("UPDATE hydrant.checkpoint SET epoch = $2, at = now() WHERE sync = $1", &parameters)
            .await
            .map_err(|e| tx.error(e))?;
    }
    let number = |column: usize| {
        let number = row.try_get::<_, Option<i64>>(column).map_err(|e| tx.error(e))?;
        Ok(number.map(i64::unsigned_abs))
    };
    let written = (number(1)?, number(2)?, number(3)?, number(4)?);
    let (Some(run), Some(batch), Some(first_change), Some(next_change)) = written else { return Ok(None) };
    Ok(Some(Checkpoint { sync: sync.to_owned(), run, epoch, batch, first_change, next_change }))
}

/// Locks the sync's checkpoint until the end of the transaction, and fails if the writer has lost its lease, or the server
/// a batch: a standby that took over, or a server without `synchronous_commit` that crashed, may not have what was
/// committed before. Going on would bury the gap under the next checkpoint; the next run goes on from the one that is there.
pub(crate) async fn guard(tx: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<()> {
    let sync = checkpoint.sync.as_str();
    let epoch = signed(tx, checkpoint.epoch)?;
    let rows = tx
        .query(
            "SELECT epoch, run, batch FROM hydrant.checkpoint WHERE sync = $1 FOR UPDATE",
            &[(&sync, Type::TEXT)],
        )
        .await
        .map_err(|e| tx.error(e))?;
    let seen = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose().map_err(|e| tx.error(e))?;
    let number = |column: usize| -> Result<Option<u64>> {
        let number = rows.first().map(|row| row.try_get::<_, Option<i64>>(column)).transpose();
        Ok(number.map_err(|e| tx.error(e))?.flatten().map(i64::unsigned_abs))
    };
    let last = number(1)?.filter(|run| *run == checkpoint.run).and(number(2)?).unwrap_or(0);
    match seen {
        Some(seen) if seen == epoch && last + 1 < checkpoint.batch => {
            let message = format!(
                "batch {last} is the last of run {} that the server knows, later ones were committed and are lost (a failover?); the next run sends them again",
                checkpoint.run
            );
            Err(TargetError::new(ErrorKind::Broken, tx.context(), message))
        }
        Some(seen) if seen == epoch => Ok(()),
        Some(seen) if seen > epoch => Err(fenced(tx, sync, seen, checkpoint.epoch)),
        Some(_) | None => Err(unclaimed(tx, sync)),
    }
}

/// Writes the checkpoint and the freshness of a batch.
pub(crate) async fn save(tx: &Transaction<'_>, batch: &Batch) -> Result<()> {
    let Checkpoint { sync, run, epoch: _, batch: number, first_change, next_change } = &batch.checkpoint;
    let run = signed(tx, *run)?;
    let (number, first, next) = (signed(tx, *number)?, signed(tx, *first_change)?, signed(tx, *next_change)?);
    tx.execute(
        "UPDATE hydrant.checkpoint SET run = $2, batch = $3, first_change = $4, next_change = $5, at = now() \
         WHERE sync = $1",
        &[
            (sync, Type::TEXT),
            (&run, Type::INT8),
            (&number, Type::INT8),
            (&first, Type::INT8),
            (&next, Type::INT8),
        ],
    )
    .await
    .map_err(|e| tx.error(e))?;
    if let Some(freshness) = &batch.freshness {
        let rows = signed(tx, freshness.rows)?;
        let as_of = timestamp(freshness.as_of.timestamp_micros());
        tx.execute(
            "INSERT INTO hydrant.freshness AS f (sync, run, as_of, rows) VALUES ($1, $2, $3::text::timestamptz, $4) \
             ON CONFLICT (sync) DO UPDATE SET run = excluded.run, as_of = excluded.as_of, rows = excluded.rows",
            &[(sync, Type::TEXT), (&run, Type::INT8), (&as_of, Type::TEXT), (&rows, Type::INT8)],
        )
        .await
        .map_err(|e| tx.error(e))?;
    }
    Ok(())
}

/// An instant as Postgres reads it whatever its settings are.
pub(crate) fn timestamp(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

fn signed(tx: &Transaction<'_>, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| {
        TargetError::new(ErrorKind::LimitExceeded, tx.context(), format!("{number} does not fit a bigint"))
    })
}

fn fenced(tx: &Transaction<'_>, sync: &str, seen: i64, epoch: u64) -> TargetError {
    let message = format!("the sync {sync:?} was taken over with epoch {seen}; this writer has {epoch}");
    TargetError::new(ErrorKind::Fenced, tx.context(), message)
}

fn unclaimed(tx: &Transaction<'_>, sync: &str) -> TargetError {
    let message = format!(
        "the row of sync {sync:?} in hydrant.checkpoint is gone, or was set back, since it was claimed"
    );
    TargetError::new(ErrorKind::Broken, tx.context(), message)
}
