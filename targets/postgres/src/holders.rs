//! Who holds the lock that was not had in time.
//!
//! When the wait is over, the server no longer knows whom it was for. So those are named that hold locks on the table with
//! which rows can be locked or others kept out; nearly always it is the one whose transaction is the oldest.

use crate::{
    name,
    transaction::{PINNED, Transaction},
};
use hydrant_contract::{Result, TableName, TargetError};
use std::error::Error as _;
use tokio_postgres::{Error, Row, error::SqlState, types::Type};

/// Every account may see these columns. Sessions that only read cannot be in the way of a batch, nor can what cleans the table
/// up; but they are in the way of a table that shall take this one's place (`$3`).
const HOLDERS: &str = "\
SELECT n.nspname || '.' || c.relname, l.pid, a.usename::text, a.application_name, a.state,
       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (n.nspname = $1 AND c.relname = $2 OR n.nspname = 'hydrant' AND c.relname = 'checkpoint')
  AND (l.mode IN ('RowShareLock', 'RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                  'AccessExclusiveLock') OR l.mode = 'AccessShareLock' AND $3)
GROUP BY 1, 2, 3, 4, 5, 6, a.xact_start ORDER BY a.xact_start NULLS LAST, l.pid LIMIT 3";

/// Adds the holders to an error that says that a lock on this table (or on hydrant's own) was not had in time. The
/// transaction has failed; it is rolled back first.
pub(crate) async fn named<T>(
    tx: &Transaction<'_>,
    table: Option<&TableName>,
    outcome: Result<T>,
) -> Result<T> {
    who(tx, table, false, outcome).await
}

/// The same where those who only read are waited for, too.
pub(crate) async fn readers_named<T>(
    tx: &Transaction<'_>,
    table: &TableName,
    outcome: Result<T>,
) -> Result<T> {
    who(tx, Some(table), true, outcome).await
}

async fn who<T>(
    tx: &Transaction<'_>,
    table: Option<&TableName>,
    readers: bool,
    outcome: Result<T>,
) -> Result<T> {
    let error = match outcome {
        Err(error) if is_lock_timeout(&error) => error,
        other => return other,
    };
    // Without an answer, what is known already must do.
    match find(tx, table, readers).await {
        Ok(holders) if !holders.is_empty() => {
            let cause = error.to_string();
            let message = cause.strip_prefix(&format!("{}: ", tx.context())).unwrap_or(&cause);
            let message = format!("{message}; {}", holders.join("; "));
            Err(TargetError::new(error.kind(), tx.context(), message).with_source(error))
        }
        Ok(_) | Err(_) => Err(error),
    }
}

fn is_lock_timeout(error: &TargetError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
    cause.and_then(Error::code) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

async fn find(
    tx: &Transaction<'_>,
    table: Option<&TableName>,
    readers: bool,
) -> std::result::Result<Vec<String>, Error> {
    tx.run(&format!("ROLLBACK; BEGIN READ ONLY; {PINNED}")).await?;
    let (schema, name) = table.map_or(("", ""), |table| (name::schema_of(table), table.name.as_str()));
    let rows =
        tx.query(HOLDERS, &[(&schema, Type::TEXT), (&name, Type::TEXT), (&readers, Type::BOOL)]).await?;
    rows.iter().map(holder).collect()
}

fn holder(row: &Row) -> std::result::Result<String, Error> {
    let (table, process): (&str, i32) = (row.try_get(0)?, row.try_get(1)?);
    let mut words = vec![format!("process {process}")];
    for (label, column) in [("user", 2), ("application", 3), ("now", 4), ("transaction since", 5)] {
        if let Some(value) = row.try_get::<_, Option<&str>>(column)?.filter(|value| !value.is_empty()) {
            let utc = if column == 5 { " UTC" } else { "" };
            words.push(format!("{label} {value}{utc}"));
        }
    }
    Ok(format!("{table} is locked by {}", words.join(", ")))
}
