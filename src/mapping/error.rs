//! Why a mapping does not fit what a query returns.

use crate::carry::CarryError;
use arrow::error::ArrowError;
use hydrant_contract::UnsupportedType;

/// What is wrong with one entry of a mapping, now that the query's columns are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It names a column that the query does not return.
    #[error("the query does not return the column {from:?}")]
    Missing {
        /// The column.
        from: String,
        /// The name that it would have in the table; none if it was to be left out.
        name: Option<String>,
    },
    /// It names a column that the query returns twice.
    #[error("the query returns the column {from:?} twice: give one of them another name with AS")]
    Twice {
        /// The column.
        from: String,
    },
    /// The query returns a column of the name that another entry gives.
    #[error(
        "{name:?} would be there twice: the query returns such a column, and `\"*\"` takes it along; leave it out (`\"*\": {{ except: [{name}] }}`), or give yours another name"
    )]
    Collides {
        /// The name.
        name: String,
    },
    /// Its values are of a type that the transform does not take.
    #[error("{transform} takes {takes}, but the column {from:?} is {value}: convert it in the query")]
    Type {
        /// The column.
        from: String,
        /// The transform, as it is written.
        transform: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What the column holds.
        value: String,
    },
    /// Its values are of a type that hydrant does not carry.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
}

/// Why the mapping of a batch failed.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The batch has other columns than the source had said.
    #[error("the source changed its columns while it was read, run the sync again: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Columns(Vec<MappingError>),
    /// A column of the batch cannot be carried.
    #[error(transparent)]
    Carry(#[from] CarryError),
    /// A column of the batch cannot be mapped as a whole.
    #[error("column {column:?}: {reason}")]
    Column {
        /// Its name in the table.
        column: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl MapError {
    pub(super) fn column(column: &str, error: &ArrowError) -> Self {
        let reason = match error {
            ArrowError::OffsetOverflowError(_) => {
                "one batch holds more than 2 GiB of it; let the source return smaller batches".to_owned()
            }
            error => error.to_string(),
        };
        Self::Column { column: column.to_owned(), reason }
    }
}
