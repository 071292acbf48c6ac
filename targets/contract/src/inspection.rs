//! What a target found when it compared a table with what a sync wants.

use crate::Limits;
use serde::Serialize;
use std::fmt;

/// The state of a table, compared with a [`TableSpec`](crate::TableSpec).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// There is no such table; these statements (or commands), in this order, would make it.
    Absent {
        /// Ready to be shown and to be run by hand.
        statements: Vec<String>,
        /// What each managed column of that table would hold, in the order of the shape.
        limits: Vec<Limits>,
    },
    /// The table is there. It fits if there is no mismatch; otherwise these are *all* of them.
    Present {
        /// Every difference that keeps a sync from running.
        mismatches: Vec<Mismatch>,
        /// What each managed column holds, in the order of the shape. A column that is missing, or that does not take its
        /// type, has no limits.
        limits: Vec<Limits>,
    },
}

/// One difference between a table and what a sync wants of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The column, where it concerns one.
    pub column: Option<String>,
    /// What is wrong, in one sentence without a full stop.
    pub problem: String,
    /// The statement that mends it, or what to change in the query.
    pub mend: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column:?}: {}; mend: {}", self.problem, self.mend),
            None => write!(f, "{}; mend: {}", self.problem, self.mend),
        }
    }
}
