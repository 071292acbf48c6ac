//! Rows written column by column, each into a place of its own in one buffer.
//!
//! A column's type is looked at once for all rows of a block rather than for each of its values. The bytes of a row are those
//! that it has by itself.

use super::{canonical::Out, encoder::Encoder};
use std::{
    ops::Range,
    slice::{self, ChunksExactMut},
};

/// Rows of a block: with ten columns it stays within the processor's first caches.
pub(super) const ROWS: usize = 128;
/// Rows that may take more than this are written one by one: their bytes are what costs then.
const ROW_BYTES_MAX: usize = 1024;
/// A short text is copied as so many bytes, whatever its length: that is two instructions, where a copy of its very length is a
/// call that has to find out how.
const SHORT: usize = 32;

const PLACE: &str = "each row has a place as large as its columns take at most";

/// The buffer of a block, reused for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// How much of its place each row takes.
    lengths: Vec<usize>,
}

/// Where the values of a column go, each behind what its row has already.
pub(super) struct Places<'b> {
    bytes: ChunksExactMut<'b, u8>,
    lengths: slice::IterMut<'b, usize>,
}

/// Where the next bytes of a row go.
pub(super) struct Slot<'b> {
    bytes: &'b mut [u8],
    length: usize,
}

impl Out for Slot<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        // As an array, which is a store or two; the copy of a slice stays a call.
        *self.bytes[self.length..].first_chunk_mut().expect(PLACE) = bytes;
        self.length += N;
    }

    #[inline(always)]
    fn put_part(&mut self, all: &[u8], part: Range<usize>) {
        let (from, to) = (&all[part.start..], &mut self.bytes[self.length..]);
        match (from.first_chunk::<SHORT>(), to.first_chunk_mut::<SHORT>()) {
            (Some(from), Some(to)) if part.len() <= SHORT => *to = *from,
            _ => to[..part.len()].copy_from_slice(&from[..part.len()]),
        }
        self.length += part.len();
    }
}

impl Places<'_> {
    /// Has each row's value written, by the number of its row.
    #[inline(always)]
    pub(super) fn each(self, first: usize, put: impl Fn(&mut Slot<'_>, usize)) {
        for ((row, length), bytes) in (first..).zip(self.lengths).zip(self.bytes) {
            let mut slot = Slot { bytes, length: *length };
            put(&mut slot, row);
            *length = slot.length;
        }
    }
}

impl Block {
    /// The canonical forms of these columns, row by row; `None` where rows are to be written one by one.
    pub(super) fn write(
        &mut self,
        columns: &[Encoder<'_>],
        rows: Range<usize>,
    ) -> Option<impl Iterator<Item = &[u8]>> {
        let row_bytes = columns.iter().map(|column| column.bytes_max(rows.clone())).sum::<Option<usize>>()?;
        if row_bytes > ROW_BYTES_MAX {
            return None;
        }
        let (place, rows_here) = (row_bytes + SHORT, rows.len());
        if self.bytes.len() < place * rows_here {
            self.bytes.resize(place * rows_here, 0);
        }
        self.lengths.clear();
        self.lengths.resize(rows_here, 0);
        for column in columns {
            let bytes = self.bytes[..place * rows_here].chunks_exact_mut(place);
            column.write_column(rows.start, Places { bytes, lengths: self.lengths.iter_mut() });
        }
        let forms = self.bytes.chunks_exact(place).zip(&self.lengths);
        Some(forms.map(|(bytes, length)| &bytes[..*length]))
    }
}
