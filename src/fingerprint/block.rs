//! Rows written column by column, each into a place of its own in one buffer.
//!
//! A column's type is looked at once for all rows of a block rather than for each of its values. The bytes of a row are those
//! that it has by itself.

use super::{canonical::Out, encoder::Encoder};
use std::ops::Range;

/// Rows of a block: with ten columns it stays within the processor's first caches.
pub(super) const ROWS: usize = 256;
/// Rows that may take more than this are written one by one: their bytes are what costs then.
const ROW_BYTES_MAX: usize = 1024;

/// The buffer of a block, reused for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

/// Where the values of a column go, each behind what its row has already.
pub(super) struct Places<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) ends: &'b mut [usize],
}

/// Where the next bytes of a row go.
pub(super) struct Slot<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) at: usize,
}

impl Out for Slot<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

impl Block {
    /// The canonical forms of these columns, row by row; `None` where rows are to be written one by one.
    pub(super) fn write(
        &mut self,
        columns: &[Encoder<'_>],
        rows: Range<usize>,
    ) -> Option<impl Iterator<Item = &[u8]>> {
        let place = columns.iter().map(|column| column.bytes_max(rows.clone())).sum::<Option<usize>>()?;
        if place > ROW_BYTES_MAX {
            return None;
        }
        if self.bytes.len() < place * rows.len() {
            self.bytes.resize(place * rows.len(), 0);
        }
        self.ends.clear();
        self.ends.extend((0..rows.len()).map(|row| row * place));
        for column in columns {
            column.write_column(rows.start, Places { bytes: &mut self.bytes, ends: &mut self.ends });
        }
        let bytes = &self.bytes;
        Some(self.ends.iter().enumerate().map(move |(row, end)| &bytes[row * place..*end]))
    }
}
