//! What most cases begin with: a target, a table and a writer.

use crate::{Rig, Value, carriers};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Cursor, Deletes, Freshness, Inspection, Mode, Part, Resolution,
    Shape, TableSpec, Target, ValueType,
};
use std::{cell::Cell, sync::Arc};

/// One sync that writes one table.
pub struct Scene<'a> {
    /// The rig.
    pub rig: &'a dyn Rig,
    /// A target.
    pub target: Arc<dyn Target>,
    /// The table.
    pub spec: Arc<TableSpec>,
    /// The sync's name.
    pub sync: String,
    /// The epoch that batches are written with.
    pub epoch: Cell<u64>,
    batches: Cell<u64>,
}

impl<'a> Scene<'a> {
    /// A mirror with hard deletes of these columns. Neither is the table made nor the sync claimed.
    pub fn new(rig: &'a dyn Rig, stem: &str, columns: &[(&str, ValueType)], key: &[&str]) -> Self {
        let columns =
            columns.iter().map(|(name, value)| Column { name: (*name).to_owned(), value: value.clone() });
        let shape = Shape::new(columns.collect(), key.iter().map(|k| (*k).to_owned()).collect());
        let table = rig.table(stem);
        let sync = format!("sync_{}", table.name);
        let spec = TableSpec {
            table,
            shape: shape.expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: rig.documents(),
        };
        rig.about(&spec);
        let (epoch, batches) = (Cell::new(1), Cell::new(0));
        Self { rig, target: rig.target(), spec: Arc::new(spec), sync, epoch, batches }
    }

    /// The same with another mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        Arc::make_mut(&mut self.spec).mode = mode;
        self
    }

    /// The same with other deletes.
    #[must_use]
    pub fn deletes(mut self, deletes: Deletes) -> Self {
        Arc::make_mut(&mut self.spec).deletes = deletes;
        self
    }

    /// Makes the table through the target, and claims the sync.
    pub async fn created(self) -> Self {
        self.target.create(&self.spec).await.expect("the table is made");
        self.claimed().await
    }

    /// Claims the sync with the scene's epoch.
    pub async fn claimed(self) -> Self {
        self.target.claim(&self.sync, self.epoch.get()).await.expect("the sync is claimed");
        self
    }

    /// What `inspect` says is wrong with the table, as text.
    ///
    /// # Panics
    ///
    /// If there is no table.
    pub async fn mismatches(&self) -> Vec<String> {
        match self.target.inspect(&self.spec).await.expect("an inspection") {
            Inspection::Present { mismatches, .. } => mismatches.iter().map(ToString::to_string).collect(),
            Inspection::Absent { statements, .. } => panic!("absent, to be made by {statements:?}"),
        }
    }

    /// Rows in carriers.
    pub fn rows(&self, rows: &[Vec<Value>]) -> RecordBatch {
        carriers::to_batch(self.spec.shape.schema(), self.spec.shape.columns(), rows)
    }

    /// Keys in carriers.
    pub fn keys(&self, keys: &[Vec<Value>]) -> RecordBatch {
        carriers::to_batch(self.spec.shape.key_schema(), &self.key_columns(), keys)
    }

    /// From now on batches follow on this one: those between were never written.
    pub fn follow(&self, batch: u64) {
        self.batches.set(batch);
    }

    /// The next batch, with its checkpoint and with freshness.
    pub fn batch(&self, deletes: &[Vec<Value>], inserts: &[Vec<Value>], updates: &[Vec<Value>]) -> Batch {
        let (deletes, inserts, updates) = (self.keys(deletes), self.rows(inserts), self.rows(updates));
        let number = self.batches.get() + 1;
        self.batches.set(number);
        let checkpoint = Checkpoint {
            sync: self.sync.clone(),
            run: 7,
            epoch: self.epoch.get(),
            batch: number,
            first_change: number * 1_000_000,
            next_change: number * 1_000_000
                + (deletes.num_rows() + inserts.num_rows() + updates.num_rows()) as u64,
        };
        Batch {
            spec: self.spec.clone(),
            checkpoint,
            as_of: as_of(self.rig),
            freshness: Some(Freshness { as_of: as_of(self.rig), rows: number }),
            deletes,
            inserts,
            updates,
        }
    }

    /// Applies a batch of these rows, of which none may be refused.
    pub async fn write(
        &self,
        deletes: &[Vec<Value>],
        inserts: &[Vec<Value>],
        updates: &[Vec<Value>],
    ) -> Batch {
        let batch = self.batch(deletes, inserts, updates);
        let applied = self.target.apply(&batch).await.expect("the batch is written");
        assert_eq!(applied.rejects, [], "no row is refused");
        batch
    }

    /// Applies a batch of these rows, and returns which ones were refused, sorted; each with a reason.
    pub async fn write_some(
        &self,
        deletes: &[Vec<Value>],
        inserts: &[Vec<Value>],
        updates: &[Vec<Value>],
    ) -> Vec<(Part, usize)> {
        let batch = self.batch(deletes, inserts, updates);
        let applied = self.target.apply(&batch).await.expect("the batch is written, but for some rows");
        refused(&applied)
    }

    /// Asserts that the table holds exactly these rows, by the rig and by [`Target::read`].
    pub async fn expect(&self, rows: &[Vec<Value>]) {
        self.expect_by_rig(rows).await;
        self.expect_by_target(rows).await;
    }

    /// Asserts that the table holds exactly these rows, in the managed columns.
    pub async fn expect_by_rig(&self, rows: &[Vec<Value>]) {
        self.expect_columns(self.spec.shape.columns(), rows).await;
    }

    /// Asserts that [`Target::read`] returns exactly these rows for their keys.
    pub async fn expect_by_target(&self, rows: &[Vec<Value>]) {
        let positions = self.spec.shape.key_positions();
        let keys: Vec<Vec<Value>> =
            rows.iter().map(|row| positions.iter().map(|i| row[*i].clone()).collect()).collect();
        let read = self.target.read(&self.spec, &self.keys(&keys)).await.expect("rows are read");
        assert_eq!(read.schema(), self.spec.shape.schema(), "the schema of rows read");
        let read = carriers::from_batch(&read, self.spec.shape.columns());
        assert_same("read by the target", read, rows.to_vec());
    }

    /// Asserts that the table holds exactly these rows in these columns, which may be any of the table.
    pub async fn expect_columns(&self, columns: &[Column], rows: &[Vec<Value>]) {
        let found = self.rig.rows(&self.spec.table, columns).await;
        assert_same("in the table", found, rows.to_vec());
    }

    /// Scans the whole table in pieces of so many rows.
    pub async fn scan(&self, rows: usize) -> Whole {
        self.scan_by(&self.target, None, rows).await
    }

    /// The same through another target, and from where another scan ended.
    pub async fn scan_by(&self, target: &Arc<dyn Target>, after: Option<Cursor>, rows: usize) -> Whole {
        let (mut whole, mut after) = (Whole::default(), after);
        for _ in 0..CALLS_MAX {
            let piece = target.scan(&self.spec, after.as_ref(), rows).await.expect("a piece of the table");
            assert_eq!(piece.rows.schema(), self.spec.shape.schema(), "the schema of rows scanned");
            assert_eq!(piece.unreadable.schema(), self.spec.shape.key_schema(), "the schema of keys");
            assert!(piece.rows.num_rows() + piece.unreadable.num_rows() <= rows, "at most {rows} rows");
            whole.rows.extend(carriers::from_batch(&piece.rows, self.spec.shape.columns()));
            whole.unreadable.extend(carriers::from_batch(&piece.unreadable, &self.key_columns()));
            whole.foreign += piece.foreign;
            whole.calls += 1;
            after = piece.next;
            if after.is_none() {
                return whole;
            }
        }
        panic!("no end after {CALLS_MAX} pieces: {whole:?}");
    }

    /// Asserts that a scan in pieces of so many rows returns exactly these rows and nothing else.
    pub async fn expect_by_scan(&self, pieces: usize, rows: &[Vec<Value>]) {
        let whole = self.scan(pieces).await;
        assert_same("scanned", whole.rows, rows.to_vec());
        assert_eq!((whole.unreadable, whole.foreign), (vec![], 0), "in pieces of {pieces}");
    }

    fn key_columns(&self) -> Vec<Column> {
        self.spec.shape.key_columns().cloned().collect()
    }
}

/// More pieces than any case's table has rows.
const CALLS_MAX: usize = 10_000;

/// A whole table, scanned.
#[derive(Debug, Default)]
pub struct Whole {
    /// Its rows, in the order in which they came.
    pub rows: Vec<Vec<Value>>,
    /// Keys of rows that hold a strange value.
    pub unreadable: Vec<Vec<Value>>,
    /// Number of rows with a strange key.
    pub foreign: u64,
    /// Number of pieces.
    pub calls: usize,
}

/// Which rows a batch's answer says were refused, sorted. Each must have its reason, and no row may be named twice.
pub(crate) fn refused(applied: &Applied) -> Vec<(Part, usize)> {
    for reject in &applied.rejects {
        assert!(!reject.reason.is_empty(), "a reject without a reason: {reject:?}");
    }
    let mut refused: Vec<_> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
    refused.sort_by_key(|(part, row)| (*part as u8, *row));
    let twice = refused.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "a row refused twice");
    refused
}

/// The as-of time of every batch: to the microsecond, where the database has room for it.
pub(crate) fn as_of(rig: &dyn Rig) -> DateTime<Utc> {
    let micros = Value::Instant("2023-11-14T22:13:20.123456Z".to_owned());
    let micros = match rig.has_room(&micros, &ValueType::Instant(Resolution::Micro)) {
        true => 1_700_000_000_123_456,
        false => 1_700_000_000_123_000,
    };
    DateTime::from_timestamp_micros(micros).expect("in the calendar")
}

pub(crate) fn assert_same(place: &str, mut found: Vec<Vec<Value>>, mut expected: Vec<Vec<Value>>) {
    let by_text = |row: &Vec<Value>| format!("{row:?}");
    found.sort_by_cached_key(by_text);
    expected.sort_by_cached_key(by_text);
    // The difference, not thousands of rows.
    if let Some(at) = (0..found.len().max(expected.len())).find(|i| found.get(*i) != expected.get(*i)) {
        panic!(
            "{place}: {} rows where {} are expected; the first difference: found {:?}, expected {:?}",
            found.len(),
            expected.len(),
            found.get(at),
            expected.get(at)
        );
    }
}
