//! What a look at a table has to tell. Stable: it is what `--output json` prints.

use crate::engine::{ColumnChange, RunReport};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// How a table differs from what was written to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The sync.
    pub sync: String,
    /// The published run that the table was compared with.
    pub run: u64,
    /// As of when that run's rows are.
    pub as_of: DateTime<Utc>,
    /// When that run was published.
    pub published_at: DateTime<Utc>,
    /// What was read: target and table.
    pub table: String,
    /// Rows that were read from it.
    pub rows: u64,
    /// Rows that were written and are gone.
    pub missing: u64,
    /// Rows that have other values than were written.
    pub changed: u64,
    /// Rows that the query does not have; in modes, and with deletes, that leave such rows alone they are not counted.
    pub extra: u64,
    /// Rows of which it is not known what was written last: they were refused, mode `update` did not find them, or a run
    /// was abandoned. They count as nothing else; the next run sends them.
    pub unknown: u64,
    /// Whether values were compared. In mode `insert` they were not: a row that is there belongs to the application.
    pub values_compared: bool,
    /// The first rows of each kind.
    pub samples: Vec<Differing>,
    /// Seconds that it took, the pauses included.
    pub seconds: f64,
}

impl VerifyReport {
    /// Whether there is a difference that counts.
    pub fn differs(&self, extra_counts: bool) -> bool {
        self.missing + self.changed > 0 || (extra_counts && self.extra > 0)
    }
}

/// One row that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Differing {
    /// How.
    pub kind: DifferingKind,
    /// Its key as a JSON object.
    pub key: serde_json::Value,
    /// Of a changed row, the columns that differ: `before` is what the table holds, `after` what a repair would write. None
    /// if the last export does not have the row as it was written: the guard held its change back, or only rows that changed
    /// were kept.
    pub columns: Vec<ColumnChange>,
    /// Whether the table holds a value that the column's type in the query cannot hold.
    pub unreadable: bool,
}

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferingKind {
    /// It was written and is gone.
    Missing,
    /// It has other values.
    Changed,
    /// The query does not have it.
    Extra,
}

/// What a repair found, and what it wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairReport {
    /// The sync.
    pub sync: String,
    /// What was found.
    pub found: VerifyReport,
    /// The run that wrote it; none if there was nothing to repair.
    pub repair: Option<RunReport>,
    /// Rows that were found and left alone: those that the query does not have, unless they were to be deleted.
    pub left: u64,
}
