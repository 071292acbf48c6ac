//! What a run, a plan or a look at the state has to tell. Stable: it is what `--output json` prints.

use super::{CursorReport, CursorStatus, UnloadReport};
use crate::{
    apply::Way,
    dbt::Node,
    diff::Held,
    guard::{Finding, Then},
    mend::Mended,
    store::{Changes, Kind, LeaseRecord, Published, RejectRecord, Sealed},
    sync::ExportKind,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run that was published.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// The sync.
    pub sync: String,
    /// Its number.
    pub run: u64,
    /// Where its rows are from.
    pub kind: Kind,
    /// The published run that it was compared with.
    pub base: Option<u64>,
    /// When the query began.
    pub as_of: DateTime<Utc>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Where the rows are kept: target and table.
    pub table: String,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the guard found: warnings, and why changes were withheld.
    pub findings: Vec<Finding>,
    /// Values that the target's columns could not hold and that were mended, by column and way.
    pub mended: Mended,
    /// Which rows of its export are kept, if not all of them.
    #[serde(skip_serializing_if = "ExportKind::is_full")]
    pub export: ExportKind,
    /// The first rejects.
    pub rejects: Vec<RejectRecord>,
    /// Batches by the way that their rows took.
    pub batches: BTreeMap<&'static str, u64>,
    /// Whether the table was built anew, and why or why not, where the sync allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Seconds that each step took.
    pub seconds: BTreeMap<&'static str, f64>,
    /// What the query was asked for, where the sync has a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorReport>,
    /// A run that an earlier process had sealed, and that was finished first.
    pub rolled_forward: Option<Box<RunReport>>,
    /// How the query's rows came, if the source was asked to unload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unload: Option<UnloadReport>,
}

/// How many rows went where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that the query returned.
    pub exported: u64,
    /// Rows that were new.
    pub inserts: u64,
    /// Rows that had changed.
    pub updates: u64,
    /// Rows that had left the query and were treated as the sync says.
    pub deletes: u64,
    /// Rows that were new and held back by the guard.
    pub inserts_withheld: u64,
    /// Rows that had changed and were held back by the guard.
    pub updates_withheld: u64,
    /// Rows that had left the query and were held back by the guard.
    pub deletes_withheld: u64,
    /// Rows that had not changed, and for which nothing was sent.
    pub unchanged: u64,
    /// Rows passed over because another one with the same key counts.
    pub duplicates: u64,
    /// Rows that were refused; they count among the inserts, updates or deletes, unless it was for a NULL key or
    /// a value that nothing can carry: such rows are not sent in the first place.
    pub rejected: u64,
    /// Rows that mode `update` did not find in the table.
    pub absent: u64,
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// The sync.
    pub sync: String,
    /// The model of dbt that its rows are of, if they are of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dbt: Option<Node>,
    /// Where the rows are kept: target and table.
    pub table: String,
    /// Statements that would create the table, if it is absent.
    pub ddl: Vec<String>,
    /// The published (or sealed) run that it was compared with.
    pub base: Option<u64>,
    /// A sealed run that would be finished first.
    pub pending: Option<u64>,
    /// The run whose state would be brought back, for the plan of a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_to: Option<BackTo>,
    /// How the query's rows would come, if the source was asked to unload. For the plan itself they are streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unload: Option<UnloadReport>,
    /// The counts; rejects are found only when rows are sent.
    #[serde(flatten)]
    pub counts: Counts,
    /// Whether the table would be built anew, and why or why not, where the sync allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// What the guard finds: warnings, why changes would be withheld, or the run stopped.
    pub findings: Vec<Finding>,
    /// Values that the target's columns cannot hold and that would be mended, by column and way.
    pub mended: Mended,
    /// What the query is asked for, where the sync has a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorReport>,
    /// A few changes of each kind.
    pub samples: Vec<Sample>,
}

/// The state that a rollback brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackTo {
    /// The table is as this run left it.
    pub run: u64,
    /// That was the query's state at this time.
    pub as_of: DateTime<Utc>,
    /// When that run was published.
    pub published_at: DateTime<Utc>,
}

impl PlanReport {
    /// Whether a run would write anything to the table.
    pub fn has_changes(&self) -> bool {
        let Counts { inserts, updates, deletes, .. } = self.counts;
        self.pending.is_some() || !self.ddl.is_empty() || inserts + updates + deletes > 0
    }
}

/// One change, to be looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// What happens to the row.
    pub change: ChangeKind,
    /// It would not happen: the guard would withhold it.
    pub withheld: bool,
    /// Its key as a JSON object.
    pub key: serde_json::Value,
    /// Per column the value before and after: all columns of an insert, the changed ones of an update.
    pub columns: Vec<ColumnChange>,
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Insert,
    /// It changed.
    Update,
    /// It left the query.
    Delete,
}

/// One value before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnChange {
    /// The column.
    pub column: String,
    /// What the target holds now.
    pub before: Option<serde_json::Value>,
    /// What it would hold.
    pub after: Option<serde_json::Value>,
}

/// What the store knows of a sync.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// The sync.
    pub sync: String,
    /// The last published run.
    pub published: Option<PublishedStatus>,
    /// A run that is sealed and not yet published.
    pub pending: Option<u64>,
    /// Who runs it now.
    pub running: Option<LeaseRecord>,
    /// How the last attempt ended, if it failed.
    pub failed: Option<FailedAttempt>,
}

/// The last published run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedStatus {
    /// Its number.
    pub run: u64,
    /// The table is as the query was then.
    pub as_of: DateTime<Utc>,
    /// Whether it is: an adopted table is as somebody else left it, and `as_of` only says when that was read.
    pub fresh: bool,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Where the rows are kept: target and table.
    pub table: String,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the guard found: warnings, and why changes were withheld.
    pub findings: Vec<Finding>,
    /// Values of it that the target's columns could not hold and that were mended, by column and way.
    pub mended: Mended,
    /// Which rows of its export are kept, if not all of them.
    #[serde(skip_serializing_if = "ExportKind::is_full")]
    pub export: ExportKind,
    /// When all rows were asked for last, where the sync has a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorStatus>,
}

/// The rejects of the last published run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectsReport {
    /// The sync.
    pub sync: String,
    /// The run; none if none was published yet.
    pub run: Option<u64>,
    /// How many rows it refused.
    pub rejected: u64,
    /// They, or the first of them.
    pub rejects: Vec<RejectRecord>,
}

/// An attempt that failed, as it is kept in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// Format of the store.
    pub format: u32,
    /// Its number.
    pub run: u64,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How far it came.
    pub step: String,
    /// What went wrong.
    pub message: String,
}

/// What `check` found of one sync.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The sync.
    pub sync: String,
    /// The model of dbt that its rows are of, if they are of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dbt: Option<Node>,
    /// Product and place of the source, and the account that queries run as.
    pub source: String,
    /// What is worth knowing of that account's rights.
    pub notes: Vec<String>,
    /// Product and place of the target.
    pub target: String,
    /// The table.
    pub table: String,
    /// Columns and their types.
    pub columns: Vec<(String, String)>,
    /// Statements that would create the table, if it is absent.
    pub ddl: Vec<String>,
    /// Why the table cannot be built anew, where the sync allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_rewrite: Option<String>,
    /// Which rows of its exports are going to be kept, if not all of them.
    #[serde(skip_serializing_if = "ExportKind::is_full")]
    pub export: ExportKind,
    /// How the query's rows would come, if the source was asked to unload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unload: Option<UnloadReport>,
}

impl Counts {
    /// What a sealed run shall do, and how it ended.
    pub(super) fn of(sealed: &Sealed, published: Option<&Published>) -> Self {
        let exceptions = published.map(|p| p.exceptions.clone()).unwrap_or_default();
        Self {
            rejected: exceptions.rejected + sealed.refused,
            absent: exceptions.absent,
            ..Self::planned(&sealed.changes, sealed.export.rows(), &sealed.findings)
        }
    }

    pub(super) fn planned(changes: &Changes, exported: u64, findings: &[Finding]) -> Self {
        // What earlier versions left alone in a repair or a retry counts as held too, but nobody has withheld it.
        let withheld = findings.iter().any(|finding| finding.then == Then::Withhold);
        let held = if withheld { changes.held } else { Held::default() };
        Self {
            exported,
            inserts: changes.inserts,
            updates: changes.updates,
            deletes: changes.deletes,
            inserts_withheld: held.inserts,
            updates_withheld: held.updates,
            deletes_withheld: held.deletes,
            unchanged: changes.unchanged,
            duplicates: changes.duplicates,
            rejected: 0,
            absent: 0,
        }
    }
}
