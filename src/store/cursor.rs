//! What a run with a cursor leaves for the next one.

use crate::cursor::Mark;
use serde::{Deserialize, Serialize};

/// How far a run has come by the cursor of its sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorState {
    /// The column.
    pub column: String,
    /// A digest of everything that decides what a row of the export looks like: query, source, cursor, policies. A run that has
    /// another one cannot go on from this export.
    pub basis: String,
    /// The highest value of the column in any row up to this run; none if no row had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Rows with NULL in the column, in the last full run.
    pub nulls: u64,
    /// The last run that asked for all rows; may be this one.
    pub last_full: u64,
    /// Runs since then that asked for a part, this one included.
    pub increments: u32,
    /// What this run has asked for.
    pub extent: Extent,
}

/// Which rows of the query a run asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of them.
    Full {
        /// Why.
        why: WhyFull,
        /// The same in words.
        because: String,
    },
    /// Those whose cursor is not below a value; the others are those of the export before.
    Since {
        /// That value.
        from: Mark,
        /// Rows that came.
        arrived: u64,
    },
}

/// Why a run asks for all rows although the sync has a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyFull {
    /// Nothing is published yet.
    First,
    /// Somebody has asked for it.
    Asked,
    /// One run of so many does.
    Due,
    /// The query, its columns or what the sync says of them are other ones than in the last run.
    Changed,
    /// The last run is none that could be gone on from.
    Base,
    /// No row had a value in the cursor.
    NoMark,
    /// More rows have changed than are worth merging.
    TooMany,
    /// The source did not take the query with the cursor's condition around it.
    Refused,
}
