//! MySQL and MariaDB as a hydrant target.
//!
//! A batch is one transaction: `own` compares the epoch and locks the sync's checkpoint, `write` moves the rows, `own` writes
//! checkpoint and freshness. Rows take the fastest way that the server and the account allow and that keeps the promise:
//!
//! - rows that are believed absent go by `LOAD DATA LOCAL INFILE`, from memory, straight into the table (`load`, `rows`,
//!   `encode`);
//! - all others go the same way into a temporary table, while nothing is locked yet, and from there by set-based statements
//!   (`statement`) in the order of their keys;
//! - without `local_infile`, or without temporary tables, rows travel in the parameters of statements (`document`,
//!   `careful`); so they do when the server refused something, until the refused rows are found (`search`) and everything
//!   else is written.
//!
//! The two products share all of it; where they differ, the session knows which one it talks to (`session`).

mod careful;
mod catalog;
mod classify;
mod column_type;
mod config;
mod conflicts;
mod connect;
mod decode;
mod document;
mod encode;
mod grants;
mod inspect;
mod limits;
mod load;
mod name;
mod own;
mod plan;
mod read;
mod rows;
mod scan;
mod session;
mod statement;
mod timeouts;
mod transaction;
mod unique;
mod write;

pub use config::Settings;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use config::Config;
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
use transaction::Session;
use write::Written;

/// A MySQL or MariaDB database that tables are kept in.
pub struct MysqlTarget {
    connector: Connector,
    /// For each sync the run in which rows that were believed absent turned out to be there: for the rest of that run
    /// rows are not loaded straight, which would only fail again.
    wrong_beliefs: Mutex<HashMap<String, u64>>,
}

/// How long a call of many statements may take in all: longer than the search for refused rows may ([`careful`]), let alone
/// a batch. Silence is noticed by each of them.
const CALL_MAX: Duration = Duration::from_secs(180);

impl MysqlTarget {
    /// Checks the settings. Connects to nothing and reads no file.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, by the name of the option and without any secret.
    pub fn new(settings: Settings) -> Result<Self> {
        let connector = Connector::new(Config::new(&settings)?);
        Ok(Self { connector, wrong_beliefs: Mutex::default() })
    }

    /// Ends a call that goes on and on although every statement ends in time. The dropped connection rolls back.
    async fn in_time<T>(&self, doing: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = CALL_MAX.max(self.connector.timeouts().statement * 3);
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            let doing = format!("{doing} on {}", self.connector.config().place());
            let message = format!("not done within {} s", limit.as_secs());
            Err(TargetError::new(ErrorKind::Unreachable, doing, message))
        })
    }

    async fn session(&self, doing: &str) -> Result<Session<'_>> {
        Session::open(&self.connector, doing.to_owned()).await
    }

    fn believes(&self, checkpoint: &Checkpoint) -> bool {
        let wrong = self.wrong_beliefs.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get(&checkpoint.sync) != Some(&checkpoint.run)
    }

    fn disbelieve(&self, checkpoint: &Checkpoint) {
        let mut wrong = self.wrong_beliefs.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.insert(checkpoint.sync.clone(), checkpoint.run);
    }
}

impl fmt::Debug for MysqlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.connector.config().place();
        f.debug_struct("MysqlTarget").field("place", &place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Target for MysqlTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            transactions: true,
            schemas: true,
            unique_columns: true,
            rebuild: false,
            ahead: false,
        })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        let session = self.session("asking for the version").await?;
        let info = ServerInfo { product: session.server().shown(), place: session.place().to_owned() };
        session.finish(Ok(info)).await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        let doing = format!("inspecting {}", spec.table);
        self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = inspect::inspect(&mut session, spec).await;
            session.finish(outcome).await
        })
        .await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        let doing = format!("creating {}", spec.table);
        self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = inspect::create(&mut session, spec).await;
            session.finish(outcome).await
        })
        .await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let doing = format!("claiming the sync {sync:?}");
        self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = claim(&mut session, sync, epoch).await;
            session.finish(outcome).await
        })
        .await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let Checkpoint { sync, run, batch: number, .. } = &batch.checkpoint;
        let doing = format!("writing batch {number} of run {run} of {sync:?} to {}", batch.spec.table);
        let believes = self.believes(&batch.checkpoint);
        let written = self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = apply(&mut session, batch, believes).await;
            session.finish(outcome).await
        });
        let written = written.await?;
        if written.wrong_belief {
            self.disbelieve(&batch.checkpoint);
        }
        Ok(written.applied)
    }

    async fn begin<'a>(&'a self, _: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(None)
    }

    async fn rebuildable(&self, _: &TableSpec) -> Result<Rebuildable> {
        Ok(Rebuildable::never("MySQL"))
    }

    async fn rebuild(&self, last: &Batch, _: &mut dyn Changes) -> Result<()> {
        let doing = format!("building {} anew", last.spec.table);
        Err(TargetError::new(ErrorKind::Broken, doing, "MySQL does not build tables anew"))
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        let doing = format!("reading {}", spec.table);
        self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = read::read(&mut session, spec, keys).await;
            session.finish(outcome).await
        })
        .await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        let doing = format!("scanning {}", spec.table);
        self.in_time(&doing, async {
            let mut session = self.session(&doing).await?;
            let outcome = scan::scan(&mut session, spec, after, rows.max(1)).await;
            session.finish(outcome).await
        })
        .await
    }
}

async fn claim(session: &mut Session<'_>, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
    // Making a table would commit what was begun.
    own::ensure(session).await?;
    session.begin().await.map_err(|e| session.error(e))?;
    own::claim(session, sync, epoch).await
}

async fn apply(session: &mut Session<'_>, batch: &Batch, believes: bool) -> Result<Written> {
    let prepared = match batch.is_empty() {
        true => None,
        false => Some(write::prepare(session, batch, believes).await?),
    };
    session.begin().await.map_err(|e| session.error(e))?;
    own::guard(session, &batch.checkpoint).await?;
    let written = match prepared {
        None => {
            let applied = Applied { rejects: Vec::new(), path: "checkpoint only" };
            Written { applied, wrong_belief: false }
        }
        Some(prepared) => write::rows(session, prepared, batch).await?,
    };
    own::save(session, batch).await?;
    Ok(written)
}
