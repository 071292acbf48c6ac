//! Rows in the order of their key, a piece at a time.

use crate::table::{Cell, Table, is_within};
use arrow::{array::Array, array::ArrayRef, array::AsArray, error::ArrowError};
use hydrant_contract::{Cursor, Scanned, SoftMark, TableSpec};
use std::ops::Bound;

impl Table {
    /// See [`Target::scan`](hydrant_contract::Target::scan). The cursor is the key in the byte form that rows are sorted by.
    pub(crate) fn scan(
        &self,
        spec: &TableSpec,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Scanned, ArrowError> {
        let parser = self.by_key.parser();
        let from = match after {
            Some(Cursor(bytes)) => Bound::Excluded(parser.parse(bytes).owned()),
            None => Bound::Unbounded,
        };
        let found: Vec<_> = self.rows.range((from, Bound::Unbounded)).take(rows.max(1)).collect();
        let next = found.last().filter(|_| found.len() == rows.max(1));
        let next = next.map(|(key, _)| Cursor(key.as_ref().to_vec()));
        let there: Vec<&Vec<Cell>> =
            found.into_iter().map(|(_, cells)| cells).filter(|cells| !self.is_gone(spec, cells)).collect();
        let columns = spec.shape.columns();
        Scanned::sort(&spec.shape, there.len(), next, |at, numbers| {
            let rows: Vec<_> = numbers.iter().map(|row| there[*row]).collect();
            let array: ArrayRef = self.gather(&rows, self.position(&columns[at].name));
            let within =
                (0..array.len()).all(|row| array.is_null(row) || is_within(&columns[at].value, &array, row));
            within.then_some(array)
        })
    }

    /// Whether a soft delete marked the row.
    fn is_gone(&self, spec: &TableSpec, cells: &[Cell]) -> bool {
        let Some((column, mark)) = spec.soft_column() else { return false };
        let Cell { array, row } = &cells[self.position(column)];
        array.is_valid(*row)
            && match mark {
                SoftMark::Flag => array.as_boolean().value(*row),
                SoftMark::Time => true,
            }
    }
}
