//! Rows of the protocol, in binary or as text, straight into Arrow: exactly, or not at all.

mod binary;
mod builder;
mod calendar;
mod numeric;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use super::column::Column;
use crate::source::{Dialect, SourceError, SourceErrorKind};
use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use binary::Binary;
use builder::Builder;
use std::sync::Arc;
use text::Text;
use wire::{Unfit, Wire};

/// Rows per batch: large enough that what is done once per batch costs nothing.
const BATCH_ROWS: usize = 8192;
/// Bytes per batch, as they came from the server: memory stays small where rows are wide. A row that is wider is a batch of
/// its own.
const BATCH_BYTES: usize = 8 << 20;

/// Collects rows into batches.
pub(super) struct Decoder {
    schema: SchemaRef,
    columns: Vec<(Column, Builder)>,
    rows: usize,
    bytes: usize,
    /// Rows of the batches before.
    before: u64,
}

impl Decoder {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let schema = schema(&columns);
        let with_builder = |column: Column| {
            let builder = Builder::new(&column.kind, BATCH_ROWS);
            (column, builder)
        };
        let columns = columns.into_iter().map(with_builder).collect();
        Self { schema, columns, rows: 0, bytes: 0, before: 0 }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How many values a row has.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether a batch should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Takes a row in binary form, of which there are as many values as columns.
    pub(super) fn binary<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c [u8]>>,
    ) -> Result<(), SourceError> {
        self.row::<Binary>(cells)
    }

    /// Takes a row in text form, likewise.
    pub(super) fn text<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c str>>,
    ) -> Result<(), SourceError> {
        self.row::<Text>(cells.map(|cell| cell.map(str::as_bytes)))
    }

    fn row<'c, W: Wire>(&mut self, cells: impl Iterator<Item = Option<&'c [u8]>>) -> Result<(), SourceError> {
        let number = self.before + self.rows as u64 + 1;
        for ((column, builder), cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += cell.map_or(0, <[u8]>::len);
            builder.push::<W>(cell).map_err(|unfit| refused(unfit, column, number))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows that were taken since the last batch, if there are any.
    pub(super) fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let broken = |error: arrow::error::ArrowError| SourceError {
            kind: SourceErrorKind::Broken,
            message: format!("making a batch of rows: {error}"),
            position: None,
        };
        let columns = self.columns.iter_mut().map(|(_, builder)| builder.finish());
        let columns = columns.collect::<Result<_, _>>().map_err(broken)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema(), columns, &options).map_err(broken)?;
        self.before += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(batch))
    }
}

/// The Arrow schema of columns.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|column| column.kind.field(&column.name)).collect::<Vec<_>>()))
}

/// A value that has no exact form, with its place, and what the query can do about it.
fn refused(unfit: Unfit, column: &Column, row: u64) -> SourceError {
    let name = Dialect::Postgres.column(&column.name);
    let (kind, reason) = match unfit {
        Unfit::NotANumber => (
            SourceErrorKind::Data,
            format!(
                "the number is NaN or infinite, which decimals are not; write NULLIF({name}, 'NaN') in the query, or cast it to double precision"
            ),
        ),
        Unfit::TooManyDigits { precision, scale } => {
            let before = i32::from(precision) - i32::from(scale);
            (
                SourceErrorKind::Data,
                format!(
                    "the number has more than {before} digits before the point or more than {scale} behind it; say in the query what shall be kept: {name}::numeric(38, 10), or {name}::text"
                ),
            )
        }
        Unfit::Infinite => (
            SourceErrorKind::Data,
            format!(
                "infinity is no date or time; write CASE WHEN isfinite({name}) THEN {name} END in the query (NULL instead), or a date far away"
            ),
        ),
        Unfit::TooLate => (
            SourceErrorKind::Data,
            "the time is beyond the range of 64-bit microseconds (years -290308 to 294247); look for a placeholder"
                .to_owned(),
        ),
        Unfit::Dimensions => (
            SourceErrorKind::Data,
            format!("the array has more than one dimension; write to_jsonb({name}) in the query"),
        ),
        Unfit::Length => (
            SourceErrorKind::Data,
            "the vector has another number of dimensions than its type says".to_owned(),
        ),
        Unfit::NotUtf8 => (
            SourceErrorKind::Data,
            format!(
                "the text is not UTF-8 (a database in SQL_ASCII checks nothing); write convert_from({name}::bytea, 'LATIN1') or whatever it is in the query"
            ),
        ),
        Unfit::Malformed => (
            SourceErrorKind::Broken,
            "the server sent a value that its type cannot have".to_owned(),
        ),
    };
    SourceError { kind, message: format!("column {name}, row {row}: {reason}"), position: None }
}
