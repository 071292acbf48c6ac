//! Rows sent by binary COPY.

use crate::{
    encode::{Codec, Refused},
    plan::{ColumnPlan, Plan},
    statement,
    transaction::Transaction,
};
use arrow::{
    array::{Array, ArrayRef},
    record_batch::RecordBatch,
};
use bytes::{BufMut, Bytes};
use futures::SinkExt;
use hydrant_contract::{Batch, Part, Reject, SoftMark};
use std::{mem, ops::Range, pin::Pin};
use tokio_postgres::{CopyInSink, Error};

/// Measured best between 16 and 256 KiB: large enough to be one write, small enough to keep the server busy meanwhile.
const CHUNK_BYTES: usize = 64 * 1024;
/// Signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A COPY in progress. Dropped before the end, it fails on the server.
struct Copy<'t> {
    tx: &'t Transaction<'t>,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    buffer: Vec<u8>,
}

impl<'t> Copy<'t> {
    async fn begin(tx: &'t Transaction<'_>, sql: &str) -> Result<Self, Error> {
        let sink = Box::pin(tx.answer(tx.client().copy_in(sql)).await?);
        let mut buffer = chunk();
        buffer.put_slice(HEADER);
        Ok(Self { tx, sink, buffer })
    }

    /// Sends what has gathered, if it is enough.
    async fn send(&mut self) -> Result<(), Error> {
        if self.buffer.len() >= CHUNK_BYTES {
            let full = mem::replace(&mut self.buffer, chunk());
            self.tx.answer(self.sink.feed(full.into())).await?;
        }
        Ok(())
    }

    /// Appends a row for the temporary table: its part, its number there, and its fields. A refused one leaves no trace.
    fn put_staged(
        &mut self,
        plan: &Plan<'_>,
        arrays: &[Option<&ArrayRef>],
        part: Part,
        number: usize,
        row: usize,
    ) -> Result<(), BadRow> {
        let start = self.buffer.len();
        self.buffer.put_i16(i16::try_from(plan.columns.len() + 2).unwrap_or(i16::MAX));
        self.buffer.put_i32(2);
        self.buffer.put_i16(statement::part_number(part));
        self.buffer.put_i32(4);
        self.buffer.put_i32(i32::try_from(number).unwrap_or(i32::MAX));
        let put = put_row(plan, arrays, row, Codecs::Travel, &mut self.buffer);
        if put.is_err() {
            self.buffer.truncate(start);
        }
        put
    }

    /// Ends it and returns how many rows the server counted.
    async fn end(mut self) -> Result<u64, Error> {
        self.buffer.put_i16(-1);
        let end = async {
            self.sink.feed(self.buffer.into()).await?;
            self.sink.as_mut().finish().await
        };
        self.tx.answer(end).await
    }
}

/// Room for a chunk and the row that fills it.
fn chunk() -> Vec<u8> {
    Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8)
}

/// A row that the type rules refuse.
pub(crate) struct BadRow {
    pub(crate) row: usize,
    column: String,
    reason: Refused,
}

impl BadRow {
    pub(crate) fn reject(self, part: Part) -> Reject {
        let (column, reason) = (Some(self.column), self.reason.into_owned());
        Reject { part, row: self.row, column, reason, may_settle: false }
    }
}

/// What became of rows on their way straight into the table.
pub(crate) struct Copied {
    /// The number of rows that the server counted, or why it refused them all.
    pub(crate) count: Result<u64, Error>,
    /// Rows that were not sent.
    pub(crate) bad: Vec<BadRow>,
}

impl Copied {
    /// The row that the server means by the line number in its answer, where it gives one.
    pub(crate) fn guilty(&self, table: &str, rows: &Range<usize>) -> Option<usize> {
        let error = self.count.as_ref().err()?.as_db_error()?;
        let line = line_of(error.where_()?, table)?;
        let mut row = rows.start + line.checked_sub(1)?;
        for bad in &self.bad {
            if bad.row <= row {
                row += 1;
            }
        }
        rows.contains(&row).then_some(row)
    }
}

/// The number in `COPY <table>, line 7, column x`, in whatever language the server speaks.
fn line_of(context: &str, table: &str) -> Option<usize> {
    let context = context.lines().find_map(|line| line.strip_prefix("COPY ")?.strip_prefix(table))?;
    let digits = context.find(|c: char| c.is_ascii_digit())?;
    let digits = &context[digits..];
    digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
}

/// Copies these of the rows straight into the table. Fails only where the connection does.
pub(crate) async fn straight(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &RecordBatch,
    rows: Range<usize>,
) -> Result<Copied, Error> {
    let arrays = plan.arrays(batch, false);
    let mut copy = Copy::begin(tx, &statement::copy_straight(plan)).await?;
    let mut bad = Vec::new();
    for row in rows {
        let start = copy.buffer.len();
        let fields = plan.columns.len() + usize::from(plan.soft.is_some());
        copy.buffer.put_i16(i16::try_from(fields).unwrap_or(i16::MAX));
        match put_row(plan, &arrays, row, Codecs::Direct, &mut copy.buffer) {
            Ok(()) => {
                put_unmarked(plan, &mut copy.buffer);
                copy.send().await?;
            }
            Err(refused) => {
                copy.buffer.truncate(start);
                bad.push(refused);
            }
        }
    }
    Ok(Copied { count: copy.end().await, bad })
}

/// The mark of a row that is not deleted.
fn put_unmarked(plan: &Plan<'_>, out: &mut Vec<u8>) {
    match plan.soft {
        Some((_, SoftMark::Flag)) => {
            out.put_i32(1);
            out.put_u8(0);
        }
        Some((_, SoftMark::Time)) => out.put_i32(-1),
        None => {}
    }
}

/// The rows that wait in the temporary table, by their number there: first the deletes, then the others.
#[derive(Default)]
pub(crate) struct Staged {
    rows: Vec<(Part, u32)>,
    deletes: usize,
}

impl Staged {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many of them are deletes.
    pub(crate) fn deletes(&self) -> usize {
        self.deletes
    }

    /// Where a row came from.
    pub(crate) fn origin(&self, number: usize) -> (Part, usize) {
        let (part, row) = self.rows[number];
        (part, row as usize)
    }
}

/// Makes the temporary table and copies deletes, updates and, if asked, inserts into it. Returns the rows that the type
/// rules refuse beside those that were staged.
pub(crate) async fn stage(
    tx: &Transaction<'_>,
    plan: &Plan<'_>,
    batch: &Batch,
    with_inserts: bool,
) -> Result<(Staged, Vec<Reject>), Error> {
    tx.run(&statement::create_stage(plan)).await?;
    let mut copy = Copy::begin(tx, &statement::copy_to_stage(plan)).await?;
    let (mut staged, mut rejects) = (Staged::default(), Vec::new());
    let parts =
        [(Part::Deletes, &batch.deletes), (Part::Updates, &batch.updates), (Part::Inserts, &batch.inserts)];
    for (part, rows) in parts.into_iter().filter(|(part, _)| *part != Part::Inserts || with_inserts) {
        let arrays = plan.arrays(rows, part == Part::Deletes);
        for row in 0..rows.num_rows() {
            match copy.put_staged(plan, &arrays, part, staged.rows.len(), row) {
                Ok(()) => {
                    staged.rows.push((part, u32::try_from(row).unwrap_or(u32::MAX)));
                    copy.send().await?;
                }
                Err(refused) => {
                    // A key that the column cannot hold is not in the table: there is nothing to delete.
                    if part != Part::Deletes {
                        rejects.push(refused.reject(part));
                    }
                }
            }
        }
        if part == Part::Deletes {
            staged.deletes = staged.rows.len();
        }
    }
    copy.end().await?;
    Ok((staged, rejects))
}

/// Copies keys into the temporary table, which is there. Only whether a key is there counts, not its number.
pub(crate) async fn keys(tx: &Transaction<'_>, plan: &Plan<'_>, keys: &RecordBatch) -> Result<(), Error> {
    let mut copy = Copy::begin(tx, &statement::copy_to_stage(plan)).await?;
    let arrays = plan.arrays(keys, true);
    for row in 0..keys.num_rows() {
        // A key that the column cannot hold is not in the table: there is nothing to delete.
        if copy.put_staged(plan, &arrays, Part::Deletes, 0, row).is_ok() {
            copy.send().await?;
        }
    }
    copy.end().await.map(|_| ())
}

/// Which codecs a row is written with.
#[derive(Clone, Copy)]
enum Codecs {
    Direct,
    Travel,
}

impl Codecs {
    fn of<'p>(self, column: &'p ColumnPlan<'_>) -> Option<&'p Codec> {
        match self {
            Self::Direct => column.direct.as_ref(),
            Self::Travel => Some(&column.travel),
        }
    }
}

/// Appends the fields of a row. A column without an array (of a row that is deleted) is NULL.
fn put_row(
    plan: &Plan<'_>,
    arrays: &[Option<&ArrayRef>],
    row: usize,
    codecs: Codecs,
    out: &mut Vec<u8>,
) -> Result<(), BadRow> {
    for (column, array) in plan.columns.iter().zip(arrays) {
        let bad = |reason| BadRow { row, column: column.column.name.clone(), reason };
        let (Some(array), Some(codec)) = (array, codecs.of(column)) else {
            out.put_i32(-1);
            continue;
        };
        if column.column.not_null && array.is_null(row) {
            return Err(bad("the value is NULL, and the column is NOT NULL".into()));
        }
        codec.put(array.as_ref(), row, out).map_err(bad)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_numbers_are_found_in_any_language_and_below_other_contexts() {
        assert_eq!(line_of("COPY t, line 7, column a: \"x\"", "t"), Some(7));
        assert_eq!(line_of("COPY t1, Zeile 12", "t1"), Some(12));
        assert_eq!(line_of("PL/pgSQL function f() line 3 at RAISE\nCOPY a, line 2", "a"), Some(2));
        assert_eq!(line_of("SQL statement \"SELECT 1\"", "t"), None);
    }
}
