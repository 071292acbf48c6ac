//! Rows of an export on their way past the diff: they wait on local disk until it is known which of them have changed, and
//! those are read again.
//!
//! They are written to one file as Arrow IPC, in small blocks of whole rows, as they are in memory: nothing is encoded and
//! nothing compressed, and a block in which no row has changed is not read. Memory is that of the rows that wait to be
//! written, however many there are in all.

use super::sliced_bytes;
use crate::store::StoreError;
use arrow::{
    array::{RecordBatch, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use roaring::{RoaringTreemap, treemap::IntoIter};
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    iter::Peekable,
    path::{Path, PathBuf},
};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Rows of a block, and their bytes: small enough that few rows are read beside those that have changed, large enough that
/// what is noted of a block is nothing beside its rows.
const BLOCK_ROWS: usize = 4096;
const BLOCK_BYTES: usize = 1 << 20;
/// Rows that are gathered before they are written, in the background while the next ones are gathered.
const GATHERED_BYTES: usize = 8 << 20;
/// Rows that are picked at once, their bytes, and the blocks that are looked into for them: whoever asks to stop does not wait
/// long.
const PICKED_ROWS: usize = 8192;
const PICKED_BYTES: usize = 4 << 20;
const BLOCKS_AT_ONCE: usize = 64;

/// Rows that are being set aside.
pub struct RowSpill {
    scratch: PathBuf,
    state: State,
    gathered: Vec<RecordBatch>,
    bytes: usize,
}

/// The file is where somebody works on it.
enum State {
    Idle(Box<Blocks>),
    Writing(JoinHandle<Result<Box<Blocks>, ArrowError>>),
    /// It failed before.
    Broken,
}

/// A file of blocks. It is gone from its folder already: nothing stays behind, however the process ends.
struct Blocks {
    writer: FileWriter<BufWriter<File>>,
    file: File,
    /// The position of the first row of each block, and the end.
    starts: Vec<u64>,
}

/// All rows of an export, of which some can be had again.
pub struct SpilledRows {
    scratch: PathBuf,
    reader: Option<Box<FileReader<BufReader<File>>>>,
    starts: Vec<u64>,
}

impl RowSpill {
    /// Sets rows with these columns aside, in a file in `scratch`.
    ///
    /// # Errors
    ///
    /// If there cannot be a file there.
    pub fn new(schema: &SchemaRef, scratch: &Path) -> Result<Self, StoreError> {
        let begin = || -> Result<Blocks, ArrowError> {
            let file = tempfile::tempfile_in(scratch)?;
            let writer = FileWriter::try_new(BufWriter::new(file.try_clone()?), schema)?;
            Ok(Blocks { writer, file, starts: vec![0] })
        };
        let state = State::Idle(Box::new(begin().map_err(|e| failed(scratch, &e))?));
        Ok(Self { scratch: scratch.to_owned(), state, gathered: Vec::new(), bytes: 0 })
    }

    /// Adds the next rows.
    pub async fn add(&mut self, rows: RecordBatch) -> Result<(), StoreError> {
        self.bytes += rows.columns().iter().map(sliced_bytes).sum::<usize>();
        self.gathered.push(rows);
        if self.bytes >= GATHERED_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    /// Ends the writing.
    pub async fn finish(mut self) -> Result<SpilledRows, StoreError> {
        self.write().await?;
        let Blocks { mut writer, file, starts } = *self.idle().await?;
        let scratch = self.scratch;
        let opened = spawn_blocking(move || {
            writer.finish()?;
            drop(writer);
            FileReader::try_new(BufReader::new(file), None)
        });
        let reader = done(&scratch, opened.await)?;
        Ok(SpilledRows { scratch, reader: Some(Box::new(reader)), starts })
    }

    /// Begins to write what is gathered.
    async fn write(&mut self) -> Result<(), StoreError> {
        let mut blocks = self.idle().await?;
        self.bytes = 0;
        let gathered = std::mem::take(&mut self.gathered);
        self.state = State::Writing(spawn_blocking(move || blocks.write(gathered).map(|()| blocks)));
        Ok(())
    }

    /// The file, when what was begun before is written.
    async fn idle(&mut self) -> Result<Box<Blocks>, StoreError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Idle(blocks) => Ok(blocks),
            State::Writing(writing) => done(&self.scratch, writing.await),
            State::Broken => Err(failed(&self.scratch, &"writing failed before")),
        }
    }
}

impl Blocks {
    fn write(&mut self, gathered: Vec<RecordBatch>) -> Result<(), ArrowError> {
        // Sources give rows by the dozen, or by the hundred thousand.
        let (mut small, mut small_rows) = (Vec::new(), 0);
        for rows in gathered {
            if rows.num_rows() < BLOCK_ROWS / 2 {
                small_rows += rows.num_rows();
                small.push(rows);
                if small_rows < BLOCK_ROWS {
                    continue;
                }
                self.write_joined(&std::mem::take(&mut small))?;
            } else {
                self.write_joined(&std::mem::take(&mut small))?;
                self.write_cut(&rows)?;
            }
            small_rows = 0;
        }
        self.write_joined(&small)
    }

    fn write_joined(&mut self, rows: &[RecordBatch]) -> Result<(), ArrowError> {
        match rows {
            [] => Ok(()),
            [only] => self.write_cut(only),
            [first, ..] => self.write_cut(&concat_batches(&first.schema(), rows)?),
        }
    }

    fn write_cut(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let bytes: usize = rows.columns().iter().map(sliced_bytes).sum();
        let fitting = BLOCK_BYTES.saturating_mul(rows.num_rows()) / bytes.max(1);
        let step = fitting.clamp(1, BLOCK_ROWS);
        let mut end = self.starts.last().copied().unwrap_or_default();
        for from in (0..rows.num_rows()).step_by(step) {
            let block = rows.slice(from, step.min(rows.num_rows() - from));
            self.writer.write(&block)?;
            end += block.num_rows() as u64;
            self.starts.push(end);
        }
        Ok(())
    }
}

impl SpilledRows {
    /// How many there are.
    pub fn rows(&self) -> u64 {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Those at these positions, in their order.
    pub fn pick(&mut self, positions: RoaringTreemap) -> Picking<'_> {
        Picking { wanted: Some(positions.into_iter().peekable()), rows: self }
    }
}

/// Reads some of the rows again.
pub struct Picking<'a> {
    rows: &'a mut SpilledRows,
    wanted: Option<Peekable<IntoIter>>,
}

impl Picking<'_> {
    /// The next few thousand; none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        let Some(mut wanted) = self.wanted.take() else { return Ok(None) };
        if wanted.peek().is_none() {
            return Ok(None);
        }
        let scratch = self.rows.scratch.clone();
        let Some(mut reader) = self.rows.reader.take() else {
            return Err(failed(&scratch, &"reading failed before"));
        };
        let starts = std::mem::take(&mut self.rows.starts);
        let picked = spawn_blocking(move || {
            let picked = picked(&mut reader, &starts, &mut wanted)?;
            Ok((picked, reader, starts, wanted))
        });
        let (picked, reader, starts, wanted) = done(&scratch, picked.await)?;
        (self.rows.reader, self.rows.starts, self.wanted) = (Some(reader), starts, Some(wanted));
        Ok(Some(picked))
    }
}

fn picked(
    reader: &mut FileReader<BufReader<File>>,
    starts: &[u64],
    wanted: &mut Peekable<IntoIter>,
) -> Result<RecordBatch, ArrowError> {
    let (mut found, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for _ in 0..BLOCKS_AT_ONCE {
        let Some(first) = wanted.peek().copied() else { break };
        let after = starts.partition_point(|start| *start <= first);
        let Some(&[from, to]) = after.checked_sub(1).and_then(|block| starts.get(block..=after)) else {
            return Err(ArrowError::InvalidArgumentError(format!("there is no row {first}")));
        };
        let here: UInt64Array =
            std::iter::from_fn(|| wanted.next_if(|at| *at < to)).map(|at| Some(at - from)).collect();
        reader.set_index(after - 1)?;
        let whole = reader.next().transpose()?;
        let whole = whole.ok_or_else(|| ArrowError::IpcError(format!("there is no block of row {first}")))?;
        let some = match here.len() == whole.num_rows() {
            true => whole,
            false => take_record_batch(&whole, &here)?,
        };
        rows += some.num_rows();
        bytes += some.columns().iter().map(sliced_bytes).sum::<usize>();
        found.push(some);
        if rows >= PICKED_ROWS || bytes >= PICKED_BYTES {
            break;
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        many => concat_batches(&reader.schema(), many),
    }
}

/// What came of work in the background.
fn done<T>(scratch: &Path, outcome: Result<Result<T, ArrowError>, JoinError>) -> Result<T, StoreError> {
    outcome.map_err(|e| failed(scratch, &e))?.map_err(|e| failed(scratch, &e))
}

fn failed(place: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::SetAside { place: place.display().to_string(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
