//! One configured sync, as the engine relies on it: checked, resolved, without defaults left to guess.

use crate::source::Model;
use hydrant_contract::{Deletes, Mode, TableName};

/// One model kept in one target table.
#[derive(Clone, Debug)]
pub struct SyncSpec {
    /// Its name: the name of its folder in the store. Letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// The source that the model runs on.
    pub source: String,
    /// The query.
    pub model: Model,
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
    /// What to do about two rows with the same key.
    pub duplicate_keys: DuplicateKeys,
    /// What to do about a row whose key is NULL.
    pub null_keys: NullKeys,
    /// When a change set is suspicious.
    pub guard: GuardRules,
    /// How many rows may be refused before the run fails.
    pub rejects: RejectCeiling,
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

/// When deletes are withheld: an empty export, or more deletes than `rows` *and* more than `percent` of the last index.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GuardRules {
    /// Up to this many deletes always pass.
    pub delete_rows: u64,
    /// Up to this share of the published rows always passes, 0 to 100.
    pub delete_percent: f64,
}

impl Default for GuardRules {
    /// Small enough that losing a tenth of a table is noticed, large enough that everyday churn passes.
    fn default() -> Self {
        Self { delete_rows: 10, delete_percent: 10.0 }
    }
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
