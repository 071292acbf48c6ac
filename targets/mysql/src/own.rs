//! hydrant's own tables: how far each sync has come, and how fresh its table is.
//!
//! They stand in the database of the URL, since many an account may use no other one.

use crate::{name, session::Server, transaction::Session};
use hydrant_contract::{Batch, Checkpoint, ErrorKind, Result, TargetError};
use mysql_async::{Row, Value, from_value_opt};

pub(crate) const CHECKPOINT: &str = "hydrant_checkpoint";
pub(crate) const FRESHNESS: &str = "hydrant_freshness";

/// The statements that make them. Names of syncs are compared byte by byte; the columns of a checkpoint are NULL from the
/// first claim of a sync to its first batch.
pub(crate) fn create(database: &str, server: &Server) -> [String; 2] {
    let collation = server.exact_collation();
    let sync = format!("`sync` VARCHAR(512) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL PRIMARY KEY");
    let of = |table: &str, columns: &str| {
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({sync}, {columns}) ENGINE=InnoDB",
            name::qualified(database, table)
        )
    };
    [
        of(
            CHECKPOINT,
            "`epoch` BIGINT UNSIGNED NOT NULL, `run` BIGINT UNSIGNED NULL, `batch` BIGINT UNSIGNED NULL, \
             `first_change` BIGINT UNSIGNED NULL, `next_change` BIGINT UNSIGNED NULL, \
             `at` DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)",
        ),
        of(
            FRESHNESS,
            "`run` BIGINT UNSIGNED NOT NULL, `as_of` DATETIME(6) NOT NULL, `rows` BIGINT UNSIGNED NOT NULL",
        ),
    ]
}

/// Which of the two are there.
pub(crate) async fn there(session: &mut Session<'_>) -> Result<[bool; 2]> {
    let database = session.database();
    let sql =
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?, ?)";
    let found = session.query(sql, vec![database.into(), CHECKPOINT.into(), FRESHNESS.into()]).await;
    let found = found.map_err(|e| session.error(e))?;
    let names: Vec<String> = found.iter().map(|row| crate::catalog::text(row, 0)).collect();
    Ok([CHECKPOINT, FRESHNESS].map(|table| names.iter().any(|name| name == table)))
}

/// Makes the tables that are missing; asks for no right if none is. Commits whatever was begun, so nothing may be.
pub(crate) async fn ensure(session: &mut Session<'_>) -> Result<()> {
    let there = there(session).await?;
    let statements = create(session.database(), &session.server());
    for (statement, there) in statements.iter().zip(there) {
        if !there {
            session.run(statement).await.map_err(|e| denied(session, e))?;
        }
    }
    Ok(())
}

fn denied(session: &Session<'_>, failure: crate::classify::Failure) -> TargetError {
    let error = session.error(failure);
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    let [checkpoint, freshness] = create(session.database(), &session.server());
    let message = format!(
        "the account may not make hydrant's own tables; an administrator may: {checkpoint}; {freshness}; {}",
        crate::grants::of_own(session.database(), &session.server().account)
    );
    TargetError::new(ErrorKind::Denied, session.context(), message)
}

/// What the row of a sync says.
struct Noted {
    epoch: u64,
    run: Option<u64>,
    batch: Option<u64>,
    first_change: Option<u64>,
    next_change: Option<u64>,
}

/// Reads the row of a sync, and locks it until the end of the transaction.
async fn locked(session: &mut Session<'_>, sync: &str) -> Result<Option<Noted>> {
    let table = name::qualified(session.database(), CHECKPOINT);
    let sql = format!(
        "SELECT `epoch`, `run`, `batch`, `first_change`, `next_change` FROM {table} WHERE `sync` = ? FOR UPDATE"
    );
    let rows = session.query(&sql, vec![sync.into()]).await.map_err(|e| session.error(e))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let number = |at: usize| number(row, at).map_err(|why| session.fail(ErrorKind::Broken, why));
    let (epoch, run, batch) = (number(0)?, number(1)?, number(2)?);
    let epoch = epoch.ok_or_else(|| unclaimed(session, sync))?;
    Ok(Some(Noted { epoch, run, batch, first_change: number(3)?, next_change: number(4)? }))
}

fn number(row: &Row, at: usize) -> std::result::Result<Option<u64>, String> {
    let value = row.as_ref(at).cloned().unwrap_or(Value::NULL);
    from_value_opt(value).map_err(|_| format!("column {} of {CHECKPOINT} is no number", at + 1))
}

/// Takes a sync over; see [`Target::claim`](hydrant_contract::Target::claim).
pub(crate) async fn claim(session: &mut Session<'_>, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
    let table = name::qualified(session.database(), CHECKPOINT);
    let mut noted = locked(session, sync).await?;
    if noted.is_none() {
        let insert = format!("INSERT INTO {table} (`sync`, `epoch`) VALUES (?, ?)");
        match session.execute(&insert, vec![sync.into(), epoch.into()]).await {
            Ok(_) => return Ok(None),
            // Somebody else claimed it in between.
            Err(e) if e.server().is_some_and(|e| crate::classify::is_duplicate(e.code)) => {
                noted = locked(session, sync).await?;
            }
            Err(e) => return Err(session.error(e)),
        }
    }
    let noted = noted.ok_or_else(|| unclaimed(session, sync))?;
    if noted.epoch > epoch {
        return Err(fenced(session, sync, noted.epoch, epoch));
    }
    if noted.epoch < epoch {
        let update = format!("UPDATE {table} SET `epoch` = ?, `at` = CURRENT_TIMESTAMP(6) WHERE `sync` = ?");
        session.execute(&update, vec![epoch.into(), sync.into()]).await.map_err(|e| session.error(e))?;
    }
    let written = (noted.run, noted.batch, noted.first_change, noted.next_change);
    let (Some(run), Some(batch), Some(first_change), Some(next_change)) = written else { return Ok(None) };
    Ok(Some(Checkpoint { sync: sync.to_owned(), run, epoch, batch, first_change, next_change }))
}

/// Locks the sync's checkpoint until the end of the transaction, and fails if the writer has lost its lease, or the server
/// a batch: a replica that took over, or a server that flushes its log less than once a commit and crashed, may not have
/// what was committed before. Going on would bury the gap under the next checkpoint; the next run goes on from the one
/// that is there.
pub(crate) async fn guard(session: &mut Session<'_>, checkpoint: &Checkpoint) -> Result<()> {
    let sync = checkpoint.sync.as_str();
    let Some(noted) = locked(session, sync).await? else { return Err(unclaimed(session, sync)) };
    let last = noted.run.filter(|run| *run == checkpoint.run).and(noted.batch).unwrap_or(0);
    match noted.epoch {
        seen if seen > checkpoint.epoch => Err(fenced(session, sync, seen, checkpoint.epoch)),
        seen if seen < checkpoint.epoch => Err(unclaimed(session, sync)),
        _ if last + 1 < checkpoint.batch => {
            let message = format!(
                "batch {last} is the last of run {} that the server knows, later ones were committed and are lost (a failover?); the next run sends them again",
                checkpoint.run
            );
            Err(session.fail(ErrorKind::Broken, message))
        }
        _ => Ok(()),
    }
}

/// Writes the checkpoint and the freshness of a batch.
pub(crate) async fn save(session: &mut Session<'_>, batch: &Batch) -> Result<()> {
    let Checkpoint { sync, run, epoch: _, batch: number, first_change, next_change } = &batch.checkpoint;
    let (checkpoint, freshness) =
        (name::qualified(session.database(), CHECKPOINT), name::qualified(session.database(), FRESHNESS));
    let update = format!(
        "UPDATE {checkpoint} SET `run` = ?, `batch` = ?, `first_change` = ?, `next_change` = ?, \
         `at` = CURRENT_TIMESTAMP(6) WHERE `sync` = ?"
    );
    let numbers = [run, number, first_change, next_change].map(|n| Value::from(*n));
    let parameters = numbers.into_iter().chain([sync.as_str().into()]).collect();
    session.execute(&update, parameters).await.map_err(|e| session.error(e))?;
    if let Some(fresh) = &batch.freshness {
        let as_of = timestamp(fresh.as_of);
        // The sync's checkpoint is locked, so that nobody writes this row in between.
        let set = format!("UPDATE {freshness} SET `run` = ?, `as_of` = ?, `rows` = ? WHERE `sync` = ?");
        let values =
            || vec![Value::from(*run), as_of.as_str().into(), fresh.rows.into(), sync.as_str().into()];
        let done = session.execute(&set, values()).await.map_err(|e| session.error(e))?;
        if done.rows == 0 {
            let insert =
                format!("INSERT INTO {freshness} (`run`, `as_of`, `rows`, `sync`) VALUES (?, ?, ?, ?)");
            session.execute(&insert, values()).await.map_err(|e| session.error(e))?;
        }
    }
    Ok(())
}

/// An instant as a DATETIME or TIMESTAMP of a session in UTC.
pub(crate) fn timestamp(instant: chrono::DateTime<chrono::Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn fenced(session: &Session<'_>, sync: &str, seen: u64, epoch: u64) -> TargetError {
    let message = format!("the sync {sync:?} was taken over with epoch {seen}; this writer has {epoch}");
    session.fail(ErrorKind::Fenced, message)
}

fn unclaimed(session: &Session<'_>, sync: &str) -> TargetError {
    let message =
        format!("the row of sync {sync:?} in {CHECKPOINT} is gone, or was set back, since it was claimed");
    session.fail(ErrorKind::Broken, message)
}
