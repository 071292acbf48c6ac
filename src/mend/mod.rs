//! Mending: values that a column of the target cannot hold are made to fit, where the sync says so for the column.
//!
//! It happens before rows are fingerprinted, so the index says what the target holds, and a later look at the target finds
//! nothing to wonder about. What is judged are the [`Limits`] that a target states of its columns. What a constraint or a
//! trigger refuses is not known before a row is sent: it stays a reject, whatever the policy.
//!
//! Pure: arrays in, arrays and counts out. Columns without a policy are not looked at.

mod cut;
mod limit;
mod replacement;

#[cfg(test)]
mod tests;

use crate::{carry::Misfit, sync::Refused};
use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, Scalar},
    buffer::BooleanBuffer,
    compute::{kernels::zip::zip, nullif},
    error::ArrowError,
};
use hydrant_contract::{Limits, Shape, ValueType};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// How many values of each column were mended, and how.
pub type Mended = BTreeMap<String, BTreeMap<Way, u64>>;

/// How a value was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// NULL was written instead.
    Null,
    /// What fits of it was written.
    Truncate,
    /// The value of the configuration was written instead.
    Replace,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "replaced by NULL",
            Self::Truncate => "truncated",
            Self::Replace => "replaced",
        })
    }
}

/// Adds the counts of one to another.
pub fn add(to: &mut Mended, from: &Mended) {
    for (column, ways) in from {
        for (way, count) in ways {
            *to.entry(column.clone()).or_default().entry(*way).or_default() += count;
        }
    }
}

/// A policy that cannot be kept, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The column identifies the row.
    #[error(
        "refused: the column {0:?} is part of the key, where another value would be the key of another row"
    )]
    Key(String),
    /// The value of a `replace` is none of the column's.
    #[error("refused: the replacement for {column:?} ({of}) cannot be used: {reason}")]
    Replacement {
        /// The column.
        column: String,
        /// Its type.
        of: String,
        /// Why.
        reason: String,
    },
}

/// What is done about values that one column cannot hold.
#[derive(Clone, Debug)]
pub enum Policy {
    /// NULL, if the column takes it.
    Null,
    /// What fits of the value, where that has a meaning.
    Truncate,
    /// This, in an array of length 1 in the carrier of the column's type.
    Replace(ArrayRef),
}

impl Policy {
    fn way(&self) -> Way {
        match self {
            Self::Null => Way::Null,
            Self::Truncate => Way::Truncate,
            Self::Replace(_) => Way::Replace,
        }
    }
}

/// The policies of one sync's columns.
#[derive(Clone, Debug, Default)]
pub struct Mender {
    columns: Vec<Mending>,
}

#[derive(Clone, Debug)]
struct Mending {
    position: usize,
    name: String,
    value: ValueType,
    limits: Limits,
    policy: Policy,
}

impl Mender {
    /// Policies for the columns of a shape, whose limits in the target are these. Columns that the shape does not have are
    /// passed over. All that is wrong is told at once.
    pub fn new(
        refused: &BTreeMap<String, Refused>,
        shape: &Shape,
        limits: &[Limits],
    ) -> Result<Self, Vec<PolicyError>> {
        let (mut columns, mut errors) = (Vec::new(), Vec::new());
        for (position, column) in shape.columns().iter().enumerate() {
            let Some(refused) = refused.get(&column.name) else { continue };
            let name = column.name.clone();
            let none = || Limits::none(&name);
            let limits = limits.iter().find(|limits| limits.column == name).cloned().unwrap_or_else(none);
            let policy = match refused {
                Refused::Reject => continue,
                Refused::Null => Ok(Policy::Null),
                Refused::Truncate => Ok(Policy::Truncate),
                Refused::Replace(text) => {
                    replacement::parse(text, &column.value, &limits).map(Policy::Replace).map_err(|reason| {
                        let of = column.value.to_string();
                        PolicyError::Replacement { column: name.clone(), of, reason }
                    })
                }
            };
            match policy {
                _ if shape.is_key(&name) => errors.push(PolicyError::Key(name)),
                Ok(policy) => {
                    columns.push(Mending { position, name, value: column.value.clone(), limits, policy });
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { columns }) } else { Err(errors) }
    }

    /// The rows with everything mended that can be, and the misfits (in whose places NULL stands) that stay. What was mended
    /// is added to the counts.
    pub fn mend(
        &self,
        rows: RecordBatch,
        mut misfits: Vec<Misfit>,
        counts: &mut Mended,
    ) -> Result<(RecordBatch, Vec<Misfit>), ArrowError> {
        if self.columns.is_empty() {
            return Ok((rows, misfits));
        }
        let mut arrays = rows.columns().to_vec();
        for Mending { position, name, value, limits, policy } in &self.columns {
            let of_column = |misfit: &Misfit| misfit.column == *position;
            let holes: Vec<usize> = misfits.iter().filter(|m| of_column(m)).map(|m| m.row).collect();
            let (array, count) = mend(&arrays[*position], value, limits, policy, &holes)?;
            if count > 0 {
                arrays[*position] = array;
                *counts.entry(name.clone()).or_default().entry(policy.way()).or_default() += count;
            }
            if fills_holes(limits, policy) {
                misfits.retain(|misfit| !of_column(misfit));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok((RecordBatch::try_new_with_options(rows.schema(), arrays, &options)?, misfits))
    }
}

/// Whether a policy helps where no value could be carried at all.
fn fills_holes(limits: &Limits, policy: &Policy) -> bool {
    match policy {
        Policy::Null => !limits.not_null,
        Policy::Truncate => false,
        Policy::Replace(_) => true,
    }
}

/// Mends the values of a column that are beyond its limits, and those rows (ascending) in which a value could not be carried
/// and NULL stands for it. Returns the column and how many values were mended; what cannot be made to fit stays as it is.
pub fn mend(
    array: &ArrayRef,
    value: &ValueType,
    limits: &Limits,
    policy: &Policy,
    holes: &[usize],
) -> Result<(ArrayRef, u64), ArrowError> {
    let holes = if fills_holes(limits, policy) { holes } else { &[] };
    let Some(chosen) = chosen(limit::beyond(array, value, limits), holes, array.len()) else {
        return Ok((array.clone(), 0));
    };
    let count = chosen.count_set_bits() as u64;
    let chosen = || BooleanArray::new(chosen.clone(), None);
    match policy {
        Policy::Null if limits.not_null => Ok((array.clone(), 0)),
        Policy::Null => Ok((nullif(array, &chosen())?, count)),
        Policy::Truncate => cut::cut(array, value, limits, chosen().values()),
        Policy::Replace(with) => Ok((zip(&chosen(), &Scalar::new(with), array)?, count)),
    }
}

/// The rows that a policy is about, if there are any.
fn chosen(beyond: Option<BooleanBuffer>, holes: &[usize], rows: usize) -> Option<BooleanBuffer> {
    let beyond = beyond.filter(|rows| rows.count_set_bits() > 0);
    if holes.is_empty() {
        return beyond;
    }
    let mut is_hole = vec![false; rows];
    holes.iter().for_each(|row| is_hole[*row] = true);
    let holes = BooleanBuffer::from(is_hole);
    Some(beyond.map_or(holes.clone(), |beyond| &beyond | &holes))
}
