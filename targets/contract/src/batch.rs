//! What is written as one unit.

use crate::TableSpec;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// A part of a change set, applied in one transaction together with its [`Checkpoint`].
///
/// A key occurs at most once in a batch. That a row stands among the inserts or among the updates is what hydrant
/// *believes* of the table; it chooses the fast path, never the outcome (see [`Target::apply`](crate::Target::apply)).
#[derive(Clone, Debug)]
pub struct Batch {
    /// The table.
    pub spec: Arc<TableSpec>,
    /// What is noted in the same transaction.
    pub checkpoint: Checkpoint,
    /// The as-of time of the run; soft deletes with [`SoftMark::Time`](crate::SoftMark) write it.
    pub as_of: DateTime<Utc>,
    /// Set in the last batch of a run: from this commit on the table is this fresh.
    pub freshness: Option<Freshness>,
    /// Keys ([`Shape::key_schema`](crate::Shape::key_schema)) of rows that left the query.
    pub deletes: RecordBatch,
    /// Rows ([`Shape::schema`](crate::Shape::schema)) whose key is believed absent.
    pub inserts: RecordBatch,
    /// Rows whose key is believed present.
    pub updates: RecordBatch,
}

impl Batch {
    /// A batch that writes no row.
    pub fn empty(spec: Arc<TableSpec>, checkpoint: Checkpoint, as_of: DateTime<Utc>) -> Self {
        let rows = RecordBatch::new_empty(spec.shape.schema());
        let deletes = RecordBatch::new_empty(spec.shape.key_schema());
        Self { spec, checkpoint, as_of, freshness: None, deletes, inserts: rows.clone(), updates: rows }
    }

    /// Number of rows and keys.
    pub fn len(&self) -> usize {
        self.deletes.num_rows() + self.inserts.num_rows() + self.updates.num_rows()
    }

    /// Whether no row is touched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How far a run has come in a target, written in the transaction of every batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The sync.
    pub sync: String,
    /// The run whose change set is being applied.
    pub run: u64,
    /// The epoch of the lease under which the writer works. A target refuses an epoch below the one it has seen.
    pub epoch: u64,
    /// Number of the batch within the run, from 1; 0 after a claim.
    pub batch: u64,
    /// Position in the run's change set of the batch's first change.
    pub first_change: u64,
    /// Position of the first change that is not done yet.
    pub next_change: u64,
}

/// How fresh a table is; applications read it to show "as of".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// When the query began: the table shows no older state.
    pub as_of: DateTime<Utc>,
    /// Rows that the query returned.
    pub rows: u64,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that were refused, each with the reason; all others are written.
    pub rejects: Vec<Reject>,
    /// The way the rows took (`copy`, `merge`, …), for the report.
    pub path: &'static str,
}

/// One row that the type rules or the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// In which part of the batch it stands.
    pub part: Part,
    /// Its position there.
    pub row: usize,
    /// The column at fault, where one can be named.
    pub column: Option<String>,
    /// Why, in words for the owner of the data, without the value itself (it may be secret).
    pub reason: String,
    /// Whether the row may be accepted once other rows of the same change set are written (by a later batch, or by another
    /// sync): another row has its value in a unique column, or a foreign key of the row finds no parent, or the row is
    /// still referred to. False if only another value or another table would help.
    pub may_settle: bool,
}

/// A part of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// [`Batch::deletes`].
    Deletes,
    /// [`Batch::inserts`].
    Inserts,
    /// [`Batch::updates`].
    Updates,
}
