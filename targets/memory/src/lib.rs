//! A target in memory: what the engine's own tests write to.
//!
//! It keeps the whole promise of [`Target`] and passes the conformance suite, so that a test of the engine may trust it.
//! It is no database: all rows are in memory, and tables know nothing of one another.

mod scan;
mod table;
mod unique;

pub use table::{MemoryColumn, Refuse};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Freshness, Inspection,
    Mismatch, Rebuildable, Result, Scanned, ServerInfo, TableName, TableSpec, Target, TargetError,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use table::Table;

/// A handle on a database in memory; its clones share the database.
#[derive(Clone, Default)]
pub struct MemoryTarget {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, Table>,
    syncs: BTreeMap<String, Sync>,
    applied: Vec<Checkpoint>,
}

/// What stands in the places of `hydrant_checkpoint` and `hydrant_freshness`.
#[derive(Default)]
struct Sync {
    epoch: u64,
    checkpoint: Option<Checkpoint>,
    freshness: Option<(u64, Freshness)>,
}

impl MemoryTarget {
    /// An empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a table as an application would. The key identifies rows; without one all columns do, and no sync fits.
    pub fn make(&self, table: &TableName, columns: Vec<MemoryColumn>, key: Vec<String>) {
        self.state().tables.insert(table.to_string(), Table::new(columns, key));
    }

    /// Makes the values of these columns, taken together, unique in a table, where none of them is NULL.
    ///
    /// # Panics
    ///
    /// If the table or a column is not there.
    pub fn unique(&self, table: &TableName, columns: &[&str]) {
        self.state().tables.get_mut(&table.to_string()).expect("the table is there").make_unique(columns);
    }

    /// Inserts rows as an application would; columns that the batch does not name get their defaults.
    ///
    /// # Panics
    ///
    /// If the table or a column is not there.
    pub fn insert(&self, table: &TableName, rows: &RecordBatch) {
        self.state().tables.get_mut(&table.to_string()).expect("the table is there").insert(rows);
    }

    /// All columns of all rows in the order of the key; none if there is no such table.
    pub fn rows(&self, table: &TableName) -> Option<RecordBatch> {
        self.state().tables.get(&table.to_string()).map(Table::all)
    }

    /// The checkpoint of a sync: the last batch that was written.
    pub fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        self.state().syncs.get(sync)?.checkpoint.clone()
    }

    /// The freshness of a sync, and the run that wrote it.
    pub fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        self.state().syncs.get(sync)?.freshness.clone()
    }

    /// The checkpoint of every batch that was written since the beginning, in order, repetitions included.
    pub fn applied(&self) -> Vec<Checkpoint> {
        self.state().applied.clone()
    }

    /// A test that panicked elsewhere shall not hide what it was about behind a poisoned lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that can fail is asked before the first change, so that a batch is one unit under the lock.
#[async_trait]
impl Target for MemoryTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            transactions: true,
            schemas: true,
            unique_columns: true,
            rebuild: false,
            ahead: true,
        })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        Ok(ServerInfo { product: "memory".to_owned(), place: "this process".to_owned() })
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        Ok(match self.state().tables.get(&spec.table.to_string()) {
            Some(table) => {
                Inspection::Present { mismatches: table.mismatches(spec), limits: table.limits(spec) }
            }
            None => Inspection::Absent {
                statements: vec![format!("make the table {} in memory", spec.table)],
                limits: Table::of(spec).limits(spec),
            },
        })
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        self.state().tables.entry(spec.table.to_string()).or_insert_with(|| Table::of(spec));
        Ok(())
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let mut state = self.state();
        let sync = state.syncs.entry(sync.to_owned()).or_default();
        fence(sync.epoch, epoch, "claiming the sync")?;
        sync.epoch = epoch;
        Ok(sync.checkpoint.clone())
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let mut state = self.state();
        let State { tables, syncs, applied } = &mut *state;
        let Checkpoint { sync, epoch, run, .. } = &batch.checkpoint;
        let sync = syncs.entry(sync.clone()).or_default();
        fence(sync.epoch, *epoch, "writing a batch")?;
        let rejects = if batch.is_empty() {
            Vec::new()
        } else {
            let table = find(tables.get_mut(&batch.spec.table.to_string()), &batch.spec, "writing a batch")?;
            check_carriers(batch)?;
            fits(table.mismatches(&batch.spec))?;
            table.write(batch)
        };
        sync.epoch = *epoch;
        sync.checkpoint = Some(batch.checkpoint.clone());
        if let Some(freshness) = &batch.freshness {
            sync.freshness = Some((*run, freshness.clone()));
        }
        applied.push(batch.checkpoint.clone());
        Ok(Applied { rejects, path: "memory" })
    }

    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(Some(Box::new(Ahead { target: self, batch })))
    }

    async fn rebuildable(&self, _: &TableSpec) -> Result<Rebuildable> {
        Ok(Rebuildable::never("memory"))
    }

    async fn rebuild(&self, last: &Batch, _: &mut dyn Changes) -> Result<()> {
        let doing = format!("building {} anew", last.spec.table);
        Err(TargetError::new(ErrorKind::Broken, doing, "memory does not build tables anew"))
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        let state = self.state();
        let table = find(state.tables.get(&spec.table.to_string()), spec, "reading rows")?;
        fits(table.mismatches(spec))?;
        Ok(table.read(spec, keys))
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        let state = self.state();
        let table = find(state.tables.get(&spec.table.to_string()), spec, "scanning a table")?;
        fits(table.mismatches(spec))?;
        table
            .scan(spec, after, rows)
            .map_err(|e| TargetError::new(ErrorKind::Broken, "scanning a table", e.to_string()))
    }
}

fn fence(seen: u64, epoch: u64, doing: &str) -> Result<()> {
    if epoch >= seen {
        return Ok(());
    }
    Err(TargetError::new(
        ErrorKind::Fenced,
        doing,
        format!("epoch {seen} was claimed, this writer has {epoch}"),
    ))
}

fn find<T>(table: Option<T>, spec: &TableSpec, doing: &str) -> Result<T> {
    table.ok_or_else(|| {
        TargetError::new(ErrorKind::Missing, doing, format!("there is no table {}", spec.table))
    })
}

fn fits(mismatches: Vec<Mismatch>) -> Result<()> {
    let Some(first) = mismatches.first() else { return Ok(()) };
    Err(TargetError::new(ErrorKind::ShapeDiffers, "looking at the table", first.to_string()))
}

/// The engine's tests rely on this: what is written comes in the carriers of the contract.
fn check_carriers(batch: &Batch) -> Result<()> {
    let shape = &batch.spec.shape;
    for (part, rows, schema) in [
        ("deletes", &batch.deletes, shape.key_schema()),
        ("inserts", &batch.inserts, shape.schema()),
        ("updates", &batch.updates, shape.schema()),
    ] {
        if rows.schema() != schema {
            let message =
                format!("the {part} are not in their carriers: {:?}, not {schema:?}", rows.schema());
            return Err(TargetError::new(ErrorKind::Broken, "writing a batch", message));
        }
    }
    Ok(())
}

/// What stands in memory is written at once; there is only a turn to wait for.
struct Ahead<'a> {
    target: &'a MemoryTarget,
    batch: &'a Batch,
}

#[async_trait]
impl Begun for Ahead<'_> {
    async fn commit(self: Box<Self>) -> Result<Applied> {
        self.target.apply(self.batch).await
    }
}
