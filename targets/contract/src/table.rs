//! What a table shall hold, and how rows get there.

use crate::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a table; never folded, always quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema (or database), where the target has such and the configuration names one.
    pub schema: Option<String>,
    /// The table itself.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Which rows a sync writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The table's managed rows equal the query's: insert, update and delete.
    #[default]
    Mirror,
    /// Insert and update; rows that leave the query stay.
    Upsert,
    /// Insert rows whose key is not there; rows that are there stay as they are.
    Insert,
    /// Update rows whose key is there; never insert.
    Update,
}

/// What happens in the table to a row that left the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// The row is deleted.
    #[default]
    Hard,
    /// The row stays, and a column of its own says that it is gone. A row that comes back is unmarked.
    Soft {
        /// The marking column; hydrant manages it, the query must not return it.
        column: String,
        /// What the column holds.
        mark: SoftMark,
    },
    /// The row stays, its managed columns other than the key become NULL.
    NullOut,
    /// Nothing.
    Ignore,
}

/// What a soft delete writes into the marking column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftMark {
    /// True for rows that are gone, false for the others.
    Flag,
    /// The run's as-of time for rows that are gone, NULL for the others.
    Time,
}

/// How a row becomes a document, in a target that holds documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// Where the key is kept.
    pub id: DocumentId,
    /// Whether an update writes the whole document, so that fields of the application's go; otherwise it sets the managed
    /// fields and leaves all others as they are.
    pub replace: bool,
    /// What NULL becomes.
    pub nulls: Nulls,
}

/// Where a document keeps the key of its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentId {
    /// In the identity of the document (`_id`), and nowhere else: the value of the one key column, or a document of the key
    /// columns in the order of the key.
    #[default]
    Key,
    /// In fields of their own under a unique index; the database or the application chooses the identity.
    Fields,
}

/// What NULL becomes in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// A field that is null.
    #[default]
    Keep,
    /// No field.
    Omit,
}

impl Documents {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One table as a sync wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// Its name.
    pub table: TableName,
    /// The managed columns and the key.
    pub shape: Shape,
    /// Which rows are written.
    pub mode: Mode,
    /// What happens to rows that left the query.
    pub deletes: Deletes,
    /// How a row becomes a document; targets that hold tables do not look at it.
    #[serde(default, skip_serializing_if = "Documents::is_default")]
    pub documents: Documents,
}

impl TableSpec {
    /// The column that marks soft deletes, if this table has one.
    pub fn soft_column(&self) -> Option<(&str, SoftMark)> {
        match &self.deletes {
            Deletes::Soft { column, mark } => Some((column, *mark)),
            Deletes::Hard | Deletes::NullOut | Deletes::Ignore => None,
        }
    }
}
