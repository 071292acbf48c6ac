//! What the guard looks for, and what it does about it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the guard looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Many rows would be deleted.
    Deletes,
    /// Many rows would be updated.
    Changes,
    /// The export has few rows.
    Rows,
    /// The export has far fewer rows than the one before.
    Shrink,
    /// No key of the last run is in the export.
    Keys,
    /// The query's columns are others than in the last run.
    Schema,
}

impl Rule {
    /// Its name, as in the configuration and in approvals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deletes => "deletes",
            Self::Changes => "changes",
            Self::Rows => "rows",
            Self::Shrink => "shrink",
            Self::Keys => "keys",
            Self::Schema => "schema",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens when a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Nothing: the rule is not looked at.
    Off,
    /// The run goes on, and says so.
    Warn,
    /// What the rule is about is held back in this run, the rest goes.
    Withhold,
    /// The run fails before anything is sealed: nothing is written.
    Stop,
}

/// When a change set is suspicious. The defaults let everyday churn pass, and hold back what cannot be had back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardRules {
    /// Rows that would be deleted. An export without any row fires it whatever the limits are.
    pub deletes: ShareRule,
    /// Rows that would be updated.
    pub changes: ShareRule,
    /// Rows of the export.
    pub rows: RowsRule,
    /// Rows of the export against those of the one before.
    pub shrink: ShrinkRule,
    /// None of many known keys is in an export of many rows.
    pub keys: Then,
    /// Columns were added, dropped or retyped.
    pub schema: Then,
}

/// A rule that fires above a number of rows *and* above a share of the published rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareRule {
    /// Up to this many rows always pass.
    pub rows: u64,
    /// Up to this share of the published rows always passes, 0 to 100.
    pub percent: f64,
    /// What happens otherwise.
    pub then: Then,
}

/// A rule that fires on an export with few rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowsRule {
    /// As many rows are expected at least; 0 never fires.
    pub at_least: u64,
    /// What happens otherwise.
    pub then: Then,
}

/// A rule that fires on an export that has become small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShrinkRule {
    /// Up to this share of the rows may be gone, 0 to 100.
    pub percent: f64,
    /// What happens otherwise.
    pub then: Then,
}

impl Default for GuardRules {
    fn default() -> Self {
        Self {
            // Losing a tenth of a table is noticed, small tables and everyday churn pass.
            deletes: ShareRule { rows: 10, percent: 10.0, then: Then::Withhold },
            // A whole table updated is load, vacuum and WAL on a primary, and often a mistake in a join. But a query
            // with a daily figure in each row does just that every day, and the next run mends a wrong value: no
            // reason to leave a table stale.
            changes: ShareRule { rows: 1000, percent: 50.0, then: Then::Warn },
            // Only those who know the table can say.
            rows: RowsRule { at_least: 0, then: Then::Withhold },
            // A partition that has not arrived yet. Wider than the rule for deletes: it is there for syncs in which
            // that one was given more room or turned off.
            shrink: ShrinkRule { percent: 50.0, then: Then::Withhold },
            // There is no everyday reason for it, and it writes every row twice: once as a delete, once as an insert.
            keys: Then::Withhold,
            // People add columns, and the target refuses what it cannot hold.
            schema: Then::Warn,
        }
    }
}
