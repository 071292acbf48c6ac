//! How a source says no.

use std::path::PathBuf;

/// An error of a source.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What the caller can do.
    pub kind: SourceErrorKind,
    /// What went wrong, with the place (table, file, and for a query the line and column with the line itself), and
    /// without values of rows (they may be secret).
    pub message: String,
    /// Where in the query it went wrong: its file, if it has one, and line and column, from 1.
    pub position: Option<(Option<PathBuf>, u64, u64)>,
}

/// Kinds of source errors, named for what the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// The query is wrong: mend the SQL.
    Query,
    /// A file or table is not there.
    Missing,
    /// The account may not read it.
    Denied,
    /// The source or its storage cannot be reached; try again later.
    Unreachable,
    /// The data itself cannot be read (a broken file, a value that does not parse).
    Data,
    /// Anything else.
    Broken,
}
