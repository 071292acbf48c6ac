//! Changes in the order of the change set, joined and cut to the size of a batch.

use super::{rows::Picked, sizing};
use crate::{spill::sliced_bytes, store::StoreError};
use arrow::array::{BooleanArray, RecordBatch};
use futures::{Stream, TryStreamExt};
use std::pin::Pin;

/// All changes, from some position on.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Piece, StoreError>> + Send>>;

/// Changes that stand next to each other in the change set.
pub(super) enum Piece {
    /// Keys, with their hashes.
    Deletes(RecordBatch),
    /// Rows, and which of them are inserts.
    Rows(Picked, BooleanArray),
}

impl Piece {
    pub(super) fn batch(&self) -> &RecordBatch {
        match self {
            Self::Deletes(batch) => batch,
            Self::Rows(picked, _) => &picked.rows,
        }
    }

    fn slice(&self, from: usize, len: usize) -> Self {
        match self {
            Self::Deletes(batch) => Self::Deletes(batch.slice(from, len)),
            Self::Rows(picked, inserts) => Self::Rows(
                Picked {
                    rows: picked.rows.slice(from, len),
                    positions: picked.positions[from..from + len].to_vec(),
                },
                inserts.slice(from, len),
            ),
        }
    }
}

/// Pieces, joined and cut to the size of a batch.
pub(super) struct Gathered {
    pieces: Pieces,
    rest: Option<Piece>,
}

impl Gathered {
    pub(super) fn new(pieces: Pieces) -> Self {
        Self { pieces, rest: None }
    }

    /// The next changes, at most so many; none at the end.
    pub(super) async fn next(&mut self, rows: usize) -> Result<Vec<Piece>, StoreError> {
        let (mut gathered, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count < rows && bytes < sizing::BYTES_MAX {
            let piece = match self.rest.take() {
                Some(rest) => rest,
                None => match self.pieces.try_next().await? {
                    Some(piece) => piece,
                    None => break,
                },
            };
            let len = piece.batch().num_rows();
            let size: usize = piece.batch().columns().iter().map(sliced_bytes).sum();
            if len == 0 {
                continue;
            }
            // Of large rows, only as many as fit.
            let fitting = (sizing::BYTES_MAX - bytes) / (size / len).max(1);
            let taken = len.min(rows - count).min(fitting.max(1));
            gathered.push(piece.slice(0, taken));
            if taken < len {
                self.rest = Some(piece.slice(taken, len - taken));
            }
            count += taken;
            bytes += size / len * taken;
        }
        Ok(gathered)
    }
}
