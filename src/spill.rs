//! Fingerprints on their way from the export to the diff: parted by the first bits of the key hash, and moved to local disk
//! when they outgrow their budget of memory.
//!
//! Fingerprints arrive in the order of the export and are wanted by bucket. They are gathered in chunks; a full chunk is
//! ordered by partition (the finest bucket there is) and appended to an Arrow IPC file with one batch per partition, so
//! that a bucket is read by going to its place in every chunk. Memory is that of one chunk, and of the places.
//!
//! Where only the rows that changed are kept of an export, all of them wait here beside their fingerprints ([`RowSpill`]).

mod blocks;
mod rows;

pub use rows::{Picking, RowSpill, SpilledRows};

use blocks::{Blocks, BlocksWriter};

use crate::store::{BUCKETS_MAX, KEY_HASH, ROW_HASH, StoreError, hash_column, hashes_of};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array},
    compute::{concat_batches, take_arrays, take_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type},
    error::ArrowError,
};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

const POSITION: &str = "_hydrant_position";
/// A chunk is copied twice while it is put in order.
const COPIES: usize = 3;
/// A chunk that fits the caches of a processor is put in order faster than a large one: ten million rows took 6.4 s in chunks
/// of 11 MiB and 7.6 s in chunks of 85 MiB, and 190 MB less memory.
const CHUNK_BYTES_MIN: usize = 12 << 20;
/// Then chunks grow with what was gathered, so that the places of their partitions (24 KiB of each chunk) do not outgrow them.
const CHUNKS_BEFORE_GROWTH: usize = 512;
/// Bytes of a fingerprint without its key.
const FIXED_BYTES: usize = 16 + 8 + 8;

/// Gathers fingerprints.
pub struct Spill {
    schema: SchemaRef,
    chunk_bytes_max: usize,
    gathered_bytes: usize,
    scratch: PathBuf,
    hashes: Vec<u128>,
    rows: Vec<u64>,
    positions: Vec<u64>,
    keys: Vec<RecordBatch>,
    bytes: usize,
    chunks: Option<BlocksWriter>,
    total: u64,
}

/// All fingerprints of an export, to be read by bucket.
pub struct Fingerprinted {
    scratch: PathBuf,
    keys: SchemaRef,
    /// Chunks on disk, each a block for every partition.
    chunks: Option<Blocks>,
    /// The last chunk, ordered by partition, and where each begins.
    rest: Option<(RecordBatch, Vec<usize>)>,
    total: u64,
}

/// The fingerprints of one bucket, ordered by hash, then by position.
pub struct NewBucket {
    /// Key hashes.
    pub hashes: Vec<u128>,
    /// Row hashes.
    pub rows: Vec<u64>,
    /// Positions in the export.
    pub positions: Vec<u64>,
    /// The keys.
    pub keys: RecordBatch,
}

impl Spill {
    /// Gathers fingerprints with keys of this schema in at most `budget_bytes` of memory, the rest goes to a file in
    /// `scratch`.
    pub fn new(keys: SchemaRef, budget_bytes: usize, scratch: &Path) -> Self {
        let fixed = [
            Field::new(KEY_HASH, DataType::FixedSizeBinary(16), false),
            Field::new(ROW_HASH, DataType::UInt64, false),
            Field::new(POSITION, DataType::UInt64, false),
        ];
        let fields: Vec<_> = fixed.into_iter().map(Arc::new).chain(keys.fields().iter().cloned()).collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            chunk_bytes_max: budget_bytes / COPIES,
            gathered_bytes: 0,
            scratch: scratch.to_owned(),
            hashes: Vec::new(),
            rows: Vec::new(),
            positions: Vec::new(),
            keys: Vec::new(),
            bytes: 0,
            chunks: None,
            total: 0,
        }
    }

    /// Adds fingerprints; positions must not be lower than those added before.
    pub fn push(
        &mut self,
        hashes: &[u128],
        rows: &[u64],
        positions: impl IntoIterator<Item = u64>,
        keys: RecordBatch,
    ) -> Result<(), StoreError> {
        if hashes.is_empty() {
            return Ok(());
        }
        self.hashes.extend_from_slice(hashes);
        self.rows.extend_from_slice(rows);
        self.positions.extend(positions);
        self.total += hashes.len() as u64;
        self.bytes += hashes.len() * FIXED_BYTES + keys.columns().iter().map(sliced_bytes).sum::<usize>();
        self.keys.push(keys);
        let chunk_bytes = (self.gathered_bytes / CHUNKS_BEFORE_GROWTH).max(CHUNK_BYTES_MIN);
        if self.bytes >= chunk_bytes.min(self.chunk_bytes_max) {
            self.gathered_bytes += self.bytes;
            let (batch, starts) = self.order()?;
            self.write(&batch, &starts).map_err(|e| scratch_error(&self.scratch, &e))?;
        }
        Ok(())
    }

    /// Moves a chunk to disk.
    fn write(&mut self, batch: &RecordBatch, starts: &[usize]) -> Result<(), ArrowError> {
        let chunks = match &mut self.chunks {
            Some(chunks) => chunks,
            none => none.insert(BlocksWriter::create(&self.scratch, &self.schema)?),
        };
        starts.windows(2).try_for_each(|bounds| chunks.write(&batch.slice(bounds[0], bounds[1] - bounds[0])))
    }

    /// Ends the gathering. What did not fill a chunk stays in memory.
    pub fn finish(mut self) -> Result<Fingerprinted, StoreError> {
        let rest = if self.hashes.is_empty() { None } else { Some(self.order()?) };
        let chunks = self.chunks.map(BlocksWriter::finish).transpose();
        let chunks = chunks.map_err(|e| scratch_error(&self.scratch, &e))?;
        let keys = Arc::new(Schema::new(self.schema.fields()[3..].to_vec()));
        Ok(Fingerprinted { scratch: self.scratch, keys, chunks, rest, total: self.total })
    }

    /// The gathered fingerprints, ordered by partition and within each as they came: one counting sort. What they were gathered
    /// in is used again: memory that the system gives anew has to be cleared first.
    fn order(&mut self) -> Result<(RecordBatch, Vec<usize>), StoreError> {
        let mut starts = vec![0; BUCKETS_MAX + 1];
        for hash in &self.hashes {
            starts[partition(*hash) + 1] += 1;
        }
        for p in 0..BUCKETS_MAX {
            starts[p + 1] += starts[p];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; self.hashes.len()];
        for (at, hash) in (0_u32..).zip(&self.hashes) {
            let slot = &mut next[partition(*hash)];
            order[*slot] = at;
            *slot += 1;
        }
        let in_order =
            |values: &[u64]| UInt64Array::from_iter_values(order.iter().map(|at| values[*at as usize]));
        let columns: [ArrayRef; 3] = [
            Arc::new(hash_column(order.iter().map(|at| self.hashes[*at as usize]))),
            Arc::new(in_order(&self.rows)),
            Arc::new(in_order(&self.positions)),
        ];
        let arrange = || -> Result<RecordBatch, ArrowError> {
            let keys = concat_batches(&self.keys[0].schema(), &self.keys)?;
            // Not as a batch of their own: where only the hashes matter there is no key, and such a batch has no length.
            let keys = take_arrays(keys.columns(), &UInt32Array::from(order), None)?;
            RecordBatch::try_new(self.schema.clone(), columns.into_iter().chain(keys).collect())
        };
        let batch = arrange().map_err(|e| scratch_error(&self.scratch, &e))?;
        self.hashes.clear();
        self.rows.clear();
        self.positions.clear();
        self.keys.clear();
        self.bytes = 0;
        Ok((batch, starts))
    }
}

impl Fingerprinted {
    /// Number of fingerprints.
    pub fn rows(&self) -> u64 {
        self.total
    }

    /// One of `buckets` buckets; a power of two, at most [`BUCKETS_MAX`].
    pub fn bucket(&self, bucket: usize, buckets: usize) -> Result<NewBucket, StoreError> {
        let each = BUCKETS_MAX / buckets;
        let partitions = bucket * each..(bucket + 1) * each;
        self.gather(partitions).map_err(|e| scratch_error(&self.scratch, &e))
    }

    fn gather(&self, partitions: Range<usize>) -> Result<NewBucket, ArrowError> {
        // The partitions of a bucket are next to each other in a chunk: they are read at once.
        let chunks = match &self.chunks {
            Some(blocks) => (0..blocks.len())
                .step_by(BUCKETS_MAX)
                .map(|chunk| blocks.read(chunk + partitions.start..chunk + partitions.end))
                .collect::<Result<Vec<_>, _>>()?,
            None => Vec::new(),
        };
        let mut found = Vec::new();
        let mut ends = Vec::with_capacity(partitions.len());
        let mut end = 0;
        for (at, partition) in partitions.enumerate() {
            let on_disk = chunks.iter().map(|chunk| chunk.batch(at));
            let rest = self.rest.iter().map(|(batch, starts)| {
                Ok(batch.slice(starts[partition], starts[partition + 1] - starts[partition]))
            });
            for part in on_disk.chain(rest) {
                let part = part?;
                end += part.num_rows();
                found.extend((part.num_rows() > 0).then_some(part));
            }
            ends.push(end);
        }
        let Some(first) = found.first() else {
            let keys = RecordBatch::new_empty(self.keys.clone());
            return Ok(NewBucket { hashes: Vec::new(), rows: Vec::new(), positions: Vec::new(), keys });
        };
        let all = concat_batches(&first.schema(), &found)?;
        let hashes = hashes_of(all.column(0).as_fixed_size_binary());
        // Chunks come in the order of positions and keep it within a partition: the index is as good a tie-breaker.
        let mut order: Vec<(u128, u32)> = hashes.into_iter().zip(0..).collect();
        // They come by partition: many small sorts are less work than a large one, and stay in the caches.
        let mut start = 0;
        for end in ends {
            order[start..end].sort_unstable();
            start = end;
        }
        let indices = UInt32Array::from_iter_values(order.iter().map(|(_, at)| *at));
        let sorted = take_record_batch(&all.project(&(1..all.num_columns()).collect::<Vec<_>>())?, &indices)?;
        let numbers = |i: usize| sorted.column(i).as_primitive::<UInt64Type>().values().to_vec();
        Ok(NewBucket {
            hashes: order.into_iter().map(|(hash, _)| hash).collect(),
            rows: numbers(0),
            positions: numbers(1),
            keys: RecordBatch::try_new_with_options(
                self.keys.clone(),
                sorted.columns()[2..].to_vec(),
                &arrow::array::RecordBatchOptions::new().with_row_count(Some(sorted.num_rows())),
            )?,
        })
    }
}

fn partition(hash: u128) -> usize {
    (hash >> (128 - BUCKETS_MAX.trailing_zeros())) as usize
}

/// Memory that an array holds on its own: a slice may share its buffers with others.
pub(crate) fn sliced_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

fn scratch_error(place: &Path, error: &ArrowError) -> StoreError {
    StoreError::Scratch { place: place.display().to_string(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use proptest::prelude::*;

    fn keys(range: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap()
    }

    fn hash(i: i64) -> u128 {
        // Spread over all partitions, with repetitions.
        u128::from((i % 700) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    /// `keyed`: where only hashes matter, they come without keys.
    fn gathered(total: i64, step: usize, budget: usize, keyed: bool) -> Fingerprinted {
        let folder = tempfile::tempdir().unwrap();
        let keys = |range| if keyed { keys(range) } else { keys(range).project(&[]).unwrap() };
        let mut spill = Spill::new(keys(0..0).schema(), budget, folder.path());
        for from in (0..total).step_by(step) {
            let range = from..(from + step as i64).min(total);
            let hashes: Vec<_> = range.clone().map(hash).collect();
            let rows: Vec<_> = range.clone().map(|i| i as u64 * 3).collect();
            spill.push(&hashes, &rows, range.clone().map(|i| i as u64), keys(range)).unwrap();
        }
        let all = spill.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left in the folder");
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Every fingerprint is in the bucket of its hash, once, in order, whether or not it went to disk.
        #[test]
        fn buckets_hold_everything_in_order(
            total in 0i64..3000, step in 1usize..500, budget in 1usize..200_000, bits in 0u32..5, keyed: bool,
        ) {
            let all = gathered(total, step, budget, keyed);
            let buckets = 1 << bits;
            let mut seen = 0;
            for b in 0..buckets {
                let bucket = all.bucket(b, buckets).unwrap();
                prop_assert_eq!(bucket.keys.num_rows(), bucket.hashes.len());
                for i in 0..bucket.hashes.len() {
                    let id = bucket.positions[i] as i64;
                    prop_assert_eq!((bucket.hashes[i], bucket.rows[i]), (hash(id), id as u64 * 3));
                    for key in bucket.keys.columns() {
                        prop_assert_eq!(key.as_primitive::<arrow::datatypes::Int64Type>().value(i), id);
                    }
                    prop_assert_eq!((bucket.hashes[i].checked_shr(128 - bits).unwrap_or(0)) as usize, b);
                }
                let order: Vec<_> = bucket.hashes.iter().zip(&bucket.positions).collect();
                prop_assert!(order.is_sorted());
                seen += bucket.hashes.len();
            }
            prop_assert_eq!(seen as i64, total);
            prop_assert_eq!(all.rows() as i64, total);
        }
    }

    #[test]
    fn an_unwritable_scratch_folder_is_named() {
        let mut spill = Spill::new(keys(0..0).schema(), 1, Path::new("/nonexistent/scratch"));
        let error = spill.push(&[1], &[1], [0], keys(0..1)).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/scratch"), "{error}");
    }
}
