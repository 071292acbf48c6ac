//! Postgres, and what speaks its protocol, as a hydrant target.
//!
//! A batch is one transaction: `own` compares the epoch and locks the sync's checkpoint, `write` moves the rows, `own`
//! writes checkpoint and freshness. Rows take the fastest way that keeps the promise:
//!
//! - rows that are believed absent go by binary COPY straight into the table (`copy`, `encode`);
//! - all others by binary COPY into a temporary table, and from there by set-based statements (`statement`) in the order
//!   of their keys;
//! - what the server refuses is searched for row by row (`careful`, `search`), and everything else is written.
//!
//! Where most rows change, and the sync allows it, the table is built anew beside itself instead (`rebuild`).
//!
//! Nothing outlives a transaction, so a pooler in transaction mode may stand in between.

mod ahead;
mod careful;
mod catalog;
mod classify;
mod column_type;
mod connect;
mod copy;
mod decode;
mod encode;
mod grants;
mod holders;
mod inspect;
mod limits;
mod name;
mod own;
mod plan;
mod read;
mod rebuild;
mod scan;
mod statement;
mod timeouts;
mod transaction;
mod unique;
mod write;

pub use hydrant_postgres::Settings;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use connect::Connector;
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Rebuildable,
    Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use transaction::Transaction;

/// A Postgres database that tables are kept in.
pub struct PostgresTarget {
    connector: Connector,
    /// For each sync the run in which rows that were believed absent turned out to be there: for the rest of that run
    /// rows are not copied straight, which would only fail again.
    wrong_beliefs: Mutex<HashMap<String, u64>>,
}

/// How long a call of many statements may take in all: longer than the search for refused rows may ([`careful`]), let alone
/// a batch. The server ends a single statement before ([`timeouts`]), and silence is noticed by each of them.
const CALL_MAX: Duration = Duration::from_secs(180);

impl PostgresTarget {
    /// Checks the settings. Connects to nothing and reads no file.
    ///
    /// # Errors
    ///
    /// What is wrong with the connection string, by the name of the parameter and without any secret.
    pub fn new(settings: Settings) -> Result<Self> {
        let connector = Connector::new(&settings)?;
        Ok(Self { connector, wrong_beliefs: Mutex::default() })
    }

    /// Ends a call that goes on and on although every statement ends in time. The dropped connection rolls back.
    async fn in_time<T>(&self, doing: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = CALL_MAX.max(self.connector.timeouts().statement * 3);
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            let doing = format!("{doing} on {}", self.connector.place());
            let message = format!("not done within {} s", limit.as_secs());
            Err(TargetError::new(ErrorKind::Unreachable, doing, message))
        })
    }

    async fn transaction(&self, doing: String) -> Result<Transaction<'_>> {
        Transaction::begin(&self.connector, doing).await
    }

    fn believes(&self, checkpoint: &Checkpoint) -> bool {
        let wrong = self.wrong_beliefs.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get(&checkpoint.sync) != Some(&checkpoint.run)
    }

    /// Remembers what a batch has shown of the belief that sorted its rows.
    fn learn(&self, batch: &Batch, written: write::Written) -> Applied {
        if written.wrong_belief {
            let mut wrong = self.wrong_beliefs.lock().unwrap_or_else(PoisonError::into_inner);
            wrong.insert(batch.checkpoint.sync.clone(), batch.checkpoint.run);
        }
        written.applied
    }
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTarget").field("place", &self.connector.place()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            transactions: true,
            schemas: true,
            unique_columns: true,
            rebuild: true,
            ahead: true,
        })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        let tx = self.transaction("asking for the version".to_owned()).await?;
        let outcome = tx.query("SELECT version()", &[]).await.map_err(|e| tx.error(e)).map(|rows| {
            let version: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
            // `PostgreSQL 15.18 (Debian …) on x86_64 …`: the first two words name product and version.
            let product = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            ServerInfo { product, place: tx.place().to_owned() }
        });
        tx.finish(outcome).await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        let doing = format!("inspecting {}", spec.table);
        self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = inspect::inspect(&tx, spec).await;
            let outcome = holders::named(&tx, Some(&spec.table), outcome).await;
            tx.finish(outcome).await
        })
        .await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        let tx = self.transaction(format!("creating {}", spec.table)).await?;
        let outcome = inspect::create(&tx, spec).await;
        tx.finish(outcome).await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let doing = format!("claiming the sync {sync:?}");
        self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = own::claim(&tx, sync, epoch).await;
            let outcome = holders::named(&tx, None, outcome).await;
            tx.finish(outcome).await
        })
        .await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let doing = writing(batch);
        let believes = self.believes(&batch.checkpoint);
        let written = self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = apply(&tx, batch, believes).await;
            let outcome = holders::named(&tx, Some(&batch.spec.table), outcome).await;
            tx.finish(outcome).await
        });
        Ok(self.learn(batch, written.await?))
    }

    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        if batch.is_empty() {
            return Ok(None);
        }
        let begun = self.in_time(&writing(batch), ahead::begin(self, batch)).await?;
        Ok(begun.map(|begun| Box::new(begun) as Box<dyn Begun + 'a>))
    }

    async fn rebuildable(&self, spec: &TableSpec) -> Result<Rebuildable> {
        let doing = format!("looking whether {} can be built anew", spec.table);
        self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = rebuild::rebuildable(&tx, spec).await;
            tx.finish(outcome).await
        })
        .await
    }

    /// Takes as long as the table is large: only its parts have limits, and those for whom others wait.
    async fn rebuild(&self, last: &Batch, changes: &mut dyn Changes) -> Result<()> {
        let Checkpoint { sync, run, .. } = &last.checkpoint;
        let doing = format!("building {} anew with the changes of run {run} of {sync:?}", last.spec.table);
        let tx = self.transaction(doing).await?;
        let outcome = rebuild::rebuild(&tx, last, changes).await;
        let outcome = holders::readers_named(&tx, &last.spec.table, outcome).await;
        tx.finish(outcome).await
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        let doing = format!("reading {}", spec.table);
        self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = read::read(&tx, spec, keys).await;
            tx.finish(outcome).await
        })
        .await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        let doing = format!("scanning {}", spec.table);
        self.in_time(&doing, async {
            let tx = self.transaction(doing.clone()).await?;
            let outcome = scan::scan(&tx, spec, after, rows.max(1)).await;
            tx.finish(outcome).await
        })
        .await
    }
}

fn writing(batch: &Batch) -> String {
    let Checkpoint { sync, run, batch: number, .. } = &batch.checkpoint;
    format!("writing batch {number} of run {run} of {sync:?} to {}", batch.spec.table)
}

async fn apply(tx: &Transaction<'_>, batch: &Batch, may_copy: bool) -> Result<write::Written> {
    own::guard(tx, &batch.checkpoint).await?;
    let written = match batch.is_empty() {
        true => {
            let applied = Applied { rejects: Vec::new(), path: "checkpoint only" };
            write::Written { applied, wrong_belief: false }
        }
        false => write::rows(tx, batch, may_copy).await?,
    };
    own::save(tx, batch).await?;
    Ok(written)
}
