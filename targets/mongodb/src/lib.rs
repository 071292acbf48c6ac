//! MongoDB, and what speaks its protocol, as a hydrant target.
//!
//! A row becomes a document (`plan`, `encode`) and an operation of a write command (`statement`, `send`), raw BSON all the
//! way. On replica sets and sharded clusters a batch is one transaction (`transaction`): `own` notes the checkpoint, which
//! fences, and `write` moves the rows. What the server refuses undoes the transaction, and is then searched for and left out
//! (`careful`, `moves`). A server without transactions gets command by command, the checkpoint last (`direct`).

mod careful;
mod catalog;
mod classify;
mod config;
mod connect;
mod decode;
mod direct;
mod encode;
mod inspect;
mod limits;
mod moves;
mod own;
mod path;
mod plan;
mod read;
mod reply;
mod rights;
mod scan;
mod send;
mod shown;
mod statement;
mod timeouts;
mod transaction;
mod validator;
mod write;

pub use config::Settings;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use config::Config;
use connect::{Connector, Link};
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Rebuildable,
    Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// A MongoDB database that tables are kept in.
pub struct MongodbTarget {
    connector: Connector,
    /// For each sync the run in which rows that were believed absent turned out to be there: for the rest of that run
    /// rows are not inserted straight, which would only fail again.
    wrong_beliefs: Mutex<HashMap<String, u64>>,
}

impl MongodbTarget {
    /// Checks the settings. Connects to nothing and reads no file.
    ///
    /// # Errors
    ///
    /// What is wrong with the connection string, without any secret.
    pub fn new(settings: Settings) -> Result<Self> {
        let connector = Connector::new(Config::new(&settings)?);
        Ok(Self { connector, wrong_beliefs: Mutex::default() })
    }

    /// Ends a call that goes on and on although every command ends in time.
    async fn in_time<'s, T, F: Future<Output = Result<T>>>(
        &'s self,
        doing: &str,
        call: impl FnOnce(&'s Link) -> F,
    ) -> Result<T> {
        let link = self.connector.link().await?;
        tokio::time::timeout(timeouts::CALL, call(link)).await.unwrap_or_else(|_| {
            let message = format!("not done within {} s", timeouts::CALL.as_secs());
            Err(TargetError::new(ErrorKind::Unreachable, link.context(doing), message))
        })
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

impl fmt::Debug for MongodbTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongodbTarget").field("place", &self.connector.config.place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Target for MongodbTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        let link = self.connector.link().await?;
        Ok(Capabilities {
            transactions: link.transactions,
            schemas: true,
            unique_columns: true,
            rebuild: false,
            ahead: false,
        })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        let doing = "asking who is logged in";
        self.in_time(doing, |link| async move {
            // The client may have connected long ago; and some servers answer the first commands to everybody.
            rights::of_account(link, doing).await?;
            let product = format!("MongoDB {}", link.facts.version);
            Ok(ServerInfo { product, place: link.place.clone() })
        })
        .await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        let doing = &format!("inspecting {}", spec.table);
        self.in_time(doing, |link| inspect::inspect(link, spec, doing)).await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        let doing = &format!("creating {}", spec.table);
        self.in_time(doing, |link| inspect::create(link, spec, doing)).await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let doing = &format!("claiming the sync {sync:?}");
        self.in_time(doing, |link| async move {
            let since = Instant::now();
            loop {
                let claimed =
                    write::again_on_conflict(link, doing, || own::claim(link, sync, epoch, doing)).await;
                match claimed {
                    // A process that died inside of a transaction has left it to the server, with the sync's checkpoint.
                    Err(error)
                        if error.kind() == ErrorKind::Busy && since.elapsed() < timeouts::ABANDONED =>
                    {
                        tokio::time::sleep(timeouts::PAUSE).await;
                    }
                    claimed => return claimed,
                }
            }
        })
        .await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let Checkpoint { sync, run, batch: number, .. } = &batch.checkpoint;
        let doing = &format!("writing batch {number} of run {run} of {sync:?} to {}", batch.spec.table);
        let believes = self.believes(&batch.checkpoint);
        let written = self.in_time(doing, |link| write::batch(link, batch, believes, doing)).await?;
        if written.wrong_belief {
            self.disbelieve(&batch.checkpoint);
        }
        Ok(written.applied)
    }

    async fn begin<'a>(&'a self, _: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(None)
    }

    async fn rebuildable(&self, _: &TableSpec) -> Result<Rebuildable> {
        Ok(Rebuildable::never("MongoDB"))
    }

    async fn rebuild(&self, last: &Batch, _: &mut dyn Changes) -> Result<()> {
        let doing = format!("building {} anew", last.spec.table);
        Err(TargetError::new(ErrorKind::Broken, doing, "MongoDB does not build tables anew"))
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        let doing = &format!("reading {}", spec.table);
        self.in_time(doing, |link| read::read(link, spec, keys, doing)).await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        let doing = &format!("scanning {}", spec.table);
        self.in_time(doing, |link| scan::scan(link, spec, after, rows.max(1), doing)).await
    }
}
