//! One configured sync, as the engine relies on it: checked, resolved, without defaults left to guess.

mod exposure;
mod order;

pub use crate::guard::GuardRules;
pub use exposure::ExposureSpec;
pub use order::in_order;

use crate::{cursor::Cursor, mapping::Mapping, source::Model};
use hydrant_contract::{Deletes, Documents, Mode, TableName};
use std::collections::{BTreeMap, BTreeSet};

/// One model kept in one target table.
#[derive(Clone, Debug)]
pub struct SyncSpec {
    /// Its name: the name of its folder in the store. Letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// The source that the model runs on.
    pub source: String,
    /// The query.
    pub model: Model,
    /// What is made of the columns that the query returns; without it they are taken as they are. All that follows names
    /// columns as the table has them.
    pub columns: Option<Mapping>,
    /// The column by which rows say when they changed; without it every run asks for all rows.
    pub cursor: Option<Cursor>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// The target that the table is kept in.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// Which rows are written.
    pub mode: Mode,
    /// What happens to rows that left the query.
    pub deletes: Deletes,
    /// How rows become documents, in targets that hold such.
    pub documents: Documents,
    /// Which rows of an export are kept in the store.
    pub export: ExportKind,
    /// What to do about two rows with the same key.
    pub duplicate_keys: DuplicateKeys,
    /// What to do about a row whose key is NULL.
    pub null_keys: NullKeys,
    /// When a change set is suspicious.
    pub guard: GuardRules,
    /// How many rows may be refused before the run fails.
    pub rejects: RejectCeiling,
    /// Whether the table may be built anew where most of it changes.
    pub rewrite: Rewrite,
    /// The syncs that it comes after, by name: if one of them was not published, it is not run. There are no cycles.
    pub after: Vec<String>,
    /// How long a run's files are kept.
    pub retain: Retention,
    /// The columns whose values are never shown.
    pub redact: Redact,
    /// What happens to a value that the target's column cannot hold, by column; [`Refused::Reject`] for all others. Key
    /// columns are not among them.
    pub refused: BTreeMap<String, Refused>,
    /// What dbt is told of it, if its model is one of dbt's.
    pub exposure: ExposureSpec,
}

/// Which rows of an export are kept in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// All of them.
    #[default]
    Full,
    /// Those that the run inserts or updates; the others wait on local disk until it is known that they did not change, and
    /// are gone then. What needs the others cannot be had: a rollback to the run, or what the query returned then.
    Changes,
}

impl ExportKind {
    pub(crate) fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// What to do about two rows of one export with the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateKeys {
    /// The run fails before anything is written, and names the first ten keys.
    #[default]
    Error,
    /// The row that came first in the export counts.
    First,
    /// The row that came last in the export counts.
    Last,
}

/// What to do about a row with NULL in a key column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullKeys {
    /// The run fails before anything is written, and names the first ten rows.
    #[default]
    Error,
    /// The row is a reject.
    Reject,
}

/// Whether a table may be built anew beside itself, and put in its place, instead of being changed row by row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rewrite {
    /// It is always changed in batches.
    #[default]
    Never,
    /// Where it is large, and about half of its rows change or go.
    Auto,
    /// Whenever a run changes anything.
    Always,
}

/// How many rows may be refused before the run fails: the larger of the two.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RejectCeiling {
    /// Up to this many rows.
    pub rows: u64,
    /// Up to this share of the export's rows, 0 to 100.
    pub percent: f64,
}

impl Default for RejectCeiling {
    fn default() -> Self {
        Self { rows: 100, percent: 1.0 }
    }
}

impl RejectCeiling {
    /// The number of rejects that a run over this many rows may have.
    pub fn of(&self, rows: u64) -> u64 {
        // A share of a count of rows: the loss of precision past 2^53 rows does not matter.
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = (rows as f64 * self.percent / 100.0) as u64;
        self.rows.max(share)
    }
}

/// How long the files of a published run are kept: as long as one of the two says so. What the last published run, a
/// sealed one or one that is under way needs is kept in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Retention {
    /// It is among the last so many published ones; at least 1.
    pub runs: u32,
    /// It is younger than so many days.
    pub days: u32,
}

impl Default for Retention {
    /// A day of hourly runs, and a week to find out that a run was wrong.
    fn default() -> Self {
        Self { runs: 24, days: 7 }
    }
}

/// The columns whose values never appear in reject records, samples, messages or logs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redact {
    /// These; none by default.
    Columns(BTreeSet<String>),
    /// All of them.
    All,
}

impl Default for Redact {
    fn default() -> Self {
        Self::Columns(BTreeSet::new())
    }
}

impl Redact {
    /// Whether the values of this column are hidden.
    pub fn hides(&self, column: &str) -> bool {
        match self {
            Self::Columns(columns) => columns.contains(column),
            Self::All => true,
        }
    }
}

/// What happens to a value that the target's column cannot hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The row is a reject.
    #[default]
    Reject,
    /// NULL is written instead.
    Null,
    /// What fits of it is written.
    Truncate,
    /// This is written instead: a value of the column's type, as text.
    Replace(String),
}
