//! Why rows cannot be carried.

use hydrant_contract::UnsupportedType;

/// Why a source's columns or rows cannot be carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// A column has a type that hydrant has no logical type for.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// The source's columns are not the shape's, or a later batch has other columns than the first.
    #[error(
        "column {position} was {expected} and is now {found}: the source changed its columns while it was read; run the sync again"
    )]
    Columns {
        /// Position of the column, from 1.
        position: usize,
        /// Name and type, or `none`.
        expected: String,
        /// Name and type, or `none`.
        found: String,
    },
    /// A value has no exact form in the carrier of its type.
    #[error("column {column:?}, row {row} of the batch: {reason}")]
    Value {
        /// The column (with the path to the nested value, parted by dots).
        column: String,
        /// The row, counted from 0 within the batch.
        row: usize,
        /// What is wrong with it and what to do, without the value itself (it may be secret).
        reason: &'static str,
    },
    /// A column of one batch cannot be carried as a whole.
    #[error("column {column:?}: {reason}")]
    Column {
        /// The column (with the path to the nested value, parted by dots).
        column: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// A [`CarryError`] on its way out of nested values: the path grows and the row is translated at every level.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    row: Option<usize>,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Known(&'static str),
    Kernel(String),
}

/// More than an Arrow carrier with 32-bit offsets can address.
const TOO_LARGE: &str =
    "one batch holds more than 2 GiB (or 2^31 items) of it; let the source return smaller batches";

impl Fault {
    pub(super) fn value(row: usize, reason: &'static str) -> Self {
        Self { path: String::new(), row: Some(row), reason: Reason::Known(reason) }
    }

    pub(super) fn column(reason: &'static str) -> Self {
        Self { path: String::new(), row: None, reason: Reason::Known(reason) }
    }

    pub(super) fn too_large() -> Self {
        Self::column(TOO_LARGE)
    }

    /// This fault as the parent of `child` sees it; `row` turns the child's row into the parent's.
    pub(super) fn within(self, child: &str, row: impl FnOnce(usize) -> usize) -> Self {
        let path = format!(".{child}{}", self.path);
        Self { path, row: self.row.map(row), reason: self.reason }
    }

    pub(super) fn into_error(self, column: &str) -> CarryError {
        let column = format!("{column}{}", self.path);
        match (self.row, self.reason) {
            (Some(row), Reason::Known(reason)) => CarryError::Value { column, row, reason },
            (_, Reason::Known(reason)) => CarryError::Column { column, reason: reason.to_owned() },
            (_, Reason::Kernel(reason)) => CarryError::Column { column, reason },
        }
    }
}

impl From<arrow::error::ArrowError> for Fault {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::OffsetOverflowError(_) => Self::too_large(),
            error => Self { path: String::new(), row: None, reason: Reason::Kernel(error.to_string()) },
        }
    }
}
