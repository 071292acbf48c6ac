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
    /// A column of one batch cannot be carried as a whole.
    #[error("column {column:?}: {reason}")]
    Column {
        /// The column (with the path to the nested value, parted by dots).
        column: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// A value that has no exact form in the carrier of its type. NULL stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Position of its column in the shape, from 0.
    pub column: usize,
    /// The column's name, with the path to the nested value, parted by dots.
    pub path: String,
    /// Its row, from 0 within the batch.
    pub row: usize,
    /// What is wrong with it and what to do, without the value itself (it may be secret).
    pub reason: &'static str,
}

/// The misfits of one array on their way out of nested values: paths grow and rows are translated at every level.
#[derive(Debug, Default)]
pub(super) struct Misfits(Vec<(String, usize, &'static str)>);

impl Misfits {
    pub(super) fn add(&mut self, row: usize, reason: &'static str) {
        self.0.push((String::new(), row, reason));
    }

    /// These, as the parent of `child` sees them; `row` turns the child's row into the parent's.
    pub(super) fn within(&mut self, child: &str, inner: Self, row: impl Fn(usize) -> usize) {
        self.0.extend(
            inner.0.into_iter().map(|(path, at, reason)| (format!(".{child}{path}"), row(at), reason)),
        );
    }

    /// The first one of every row, by row.
    pub(super) fn of_column(mut self, column: usize, name: &str) -> Vec<Misfit> {
        self.0.sort_by_key(|(_, row, _)| *row);
        self.0.dedup_by_key(|(_, row, _)| *row);
        let of = |(path, row, reason)| Misfit { column, path: format!("{name}{path}"), row, reason };
        self.0.into_iter().map(of).collect()
    }
}

/// A [`CarryError`] about a whole column, on its way out of nested values.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    reason: String,
}

/// More than an Arrow carrier with 32-bit offsets can address.
const TOO_LARGE: &str =
    "one batch holds more than 2 GiB (or 2^31 items) of it; let the source return smaller batches";

impl Fault {
    pub(super) fn column(reason: &str) -> Self {
        Self { path: String::new(), reason: reason.to_owned() }
    }

    pub(super) fn too_large() -> Self {
        Self::column(TOO_LARGE)
    }

    /// This fault as the parent of `child` sees it.
    pub(super) fn within(self, child: &str) -> Self {
        Self { path: format!(".{child}{}", self.path), reason: self.reason }
    }

    pub(super) fn into_error(self, column: &str) -> CarryError {
        CarryError::Column { column: format!("{column}{}", self.path), reason: self.reason }
    }
}

impl From<arrow::error::ArrowError> for Fault {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::OffsetOverflowError(_) => Self::too_large(),
            error => Self::column(&error.to_string()),
        }
    }
}
