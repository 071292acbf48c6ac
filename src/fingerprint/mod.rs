//! Fingerprints: a 128-bit hash of every row's key and a 64-bit hash of everything else.
//!
//! The hashes are over a byte form of our own, the *canonical form*, which depends on the logical values alone:
//! `docs/fingerprint.md` specifies it to the byte, with test vectors, so that another program (or a warehouse) can make
//! the same ones. Changing what any value's canonical form is means raising [`VERSION`]; otherwise every row of every
//! published index would look changed after an upgrade.
//!
//! Pure: no I/O, no clock. One row buffer is reused for all rows; nothing is allocated per row.

mod block;
mod canonical;
mod class;
mod encoder;
mod scheme;

#[cfg(test)]
mod tests;

pub use class::Class;
pub use scheme::Scheme;

use arrow::record_batch::RecordBatch;
use block::Block;
use encoder::{Encoder, Row};
use hydrant_contract::{Column, Shape};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The version of the canonical form and of the hashes over it (XXH3 with seed 0, see `docs/fingerprint.md`).
pub const VERSION: u32 = 1;

/// The row hash that an index holds where it does not know what the target has: it equals no row's hash.
pub const UNKNOWN_ROW: u64 = 0;

/// What a row hash becomes that happens to be [`UNKNOWN_ROW`].
const INSTEAD_OF_UNKNOWN: u64 = 1;

/// The fingerprints of one batch, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// The hash of each row's key columns, in the key's order.
    pub keys: Vec<u128>,
    /// The hash of each row's other columns, by name; never [`UNKNOWN_ROW`].
    pub rows: Vec<u64>,
    /// Positions within the batch, ascending, of rows that have NULL in a key column. They have hashes all the same.
    pub null_keys: Vec<u32>,
}

/// A batch that is not what the fingerprinter was made for: a fault of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// A column is missing, misplaced, or not in the carrier of its type.
    #[error("the batch has no column {column:?} of {expected} where the shape has it, but {found}")]
    Column {
        /// The column of the shape.
        column: String,
        /// Its carrier.
        expected: String,
        /// What stands in its place.
        found: String,
    },
    /// Positions in a batch are 32-bit numbers.
    #[error("the batch has {0} rows, which is more than 4294967295; pass smaller batches")]
    TooManyRows(usize),
}

/// Makes the fingerprints of rows of one shape.
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    /// Key columns in the key's order, with their position among all columns.
    key: Vec<(usize, Column)>,
    /// The others, by name.
    values: Vec<(usize, Column)>,
    row: Row,
    block: Block,
}

impl Fingerprinter {
    /// A fingerprinter of rows of this shape.
    pub fn new(shape: &Shape) -> Self {
        let columns = shape.columns();
        let key = shape.key_positions().into_iter().map(|i| (i, columns[i].clone())).collect();
        let mut values: Vec<_> =
            columns.iter().cloned().enumerate().filter(|(_, c)| !shape.is_key(&c.name)).collect();
        values.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        Self { key, values, row: Row::default(), block: Block::default() }
    }

    /// Replaces `out` with the fingerprints of a batch: all columns of the shape in their order and carriers, as from
    /// [`Carrier::carry`](crate::carry::Carrier::carry). Key columns may hold NULL.
    pub fn hash(&mut self, batch: &RecordBatch, out: &mut Fingerprints) -> Result<(), FingerprintError> {
        let rows = batch.num_rows();
        u32::try_from(rows).map_err(|_| FingerprintError::TooManyRows(rows))?;
        let key = encoders(&self.key, batch)?;
        let values = encoders(&self.values, batch)?;

        out.keys.clear();
        out.keys.reserve(rows);
        out.rows.clear();
        out.rows.reserve(rows);
        out.null_keys.clear();
        for first in (0..rows).step_by(block::ROWS) {
            let rows = first..rows.min(first + block::ROWS);
            match self.block.write(&key, rows.clone()) {
                Some(forms) => out.keys.extend(forms.map(xxh3_128)),
                None => out.keys.extend(rows.clone().map(|row| xxh3_128(self.row.write(&key, row)))),
            }
            match self.block.write(&values, rows.clone()) {
                Some(forms) => out.rows.extend(forms.map(|form| known(xxh3_64(form)))),
                None => out.rows.extend(rows.map(|row| known(xxh3_64(self.row.write(&values, row))))),
            }
        }
        if key.iter().any(Encoder::has_nulls) {
            let is_null = |row: &usize| key.iter().any(|column| column.is_null(*row));
            #[allow(clippy::cast_possible_truncation)]
            out.null_keys.extend((0..rows).filter(is_null).map(|row| row as u32));
        }
        Ok(())
    }
}

/// The hash of a row that is there, which never says "unknown".
fn known(hash: u64) -> u64 {
    if hash == UNKNOWN_ROW { INSTEAD_OF_UNKNOWN } else { hash }
}

fn encoders<'a>(
    columns: &'a [(usize, Column)],
    batch: &'a RecordBatch,
) -> Result<Vec<Encoder<'a>>, FingerprintError> {
    let schema = batch.schema_ref();
    columns
        .iter()
        .map(|(position, column)| {
            let found = schema.fields().get(*position).filter(|field| field.name() == &column.name);
            found.and_then(|_| Encoder::new(batch.column(*position).as_ref(), &column.value)).ok_or_else(
                || FingerprintError::Column {
                    column: column.name.clone(),
                    expected: column.value.carrier().to_string(),
                    found: schema.fields().get(*position).map_or_else(
                        || "no such column".to_owned(),
                        |field| format!("{:?} of {}", field.name(), field.data_type()),
                    ),
                },
            )
        })
        .collect()
}
