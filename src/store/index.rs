//! The fingerprints of a published run, in buckets.

use super::{Codec, StoreError, encode};
use arrow::{
    array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch, UInt32Array, UInt64Array},
    buffer::{Buffer, ScalarBuffer},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type},
};
use object_store::path::Path;
use std::sync::Arc;

/// Column of the key hashes: 16 bytes, big-endian, so that their order as bytes is the order of the numbers.
pub const KEY_HASH: &str = "_hydrant_key_hash";
/// Column of the row hashes.
pub const ROW_HASH: &str = "_hydrant_row_hash";

/// Rows that a bucket should have: small enough that two buckets of two runs fit the memory of a small machine several
/// times, large enough that a table of a million rows needs a handful of objects.
const BUCKET_ROWS: u64 = 262_144;
/// Buckets that an index has at most: as fine as fingerprints are parted when they are spilled.
pub(crate) const BUCKETS_MAX: usize = 1024;

/// How many buckets an index of so many rows has: a power of two.
pub fn bucket_count(rows: u64) -> usize {
    let wanted = usize::try_from(rows.div_ceil(BUCKET_ROWS)).unwrap_or(BUCKETS_MAX);
    wanted.next_power_of_two().clamp(1, BUCKETS_MAX)
}

/// Fingerprints and their keys, ordered by key hash.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Key hashes, ascending.
    pub hashes: Vec<u128>,
    /// Row hashes.
    pub rows: Vec<u64>,
    /// The keys themselves.
    pub keys: RecordBatch,
}

impl Bucket {
    /// No fingerprints, for keys of this schema.
    pub fn empty(keys: SchemaRef) -> Self {
        Self { hashes: Vec::new(), rows: Vec::new(), keys: RecordBatch::new_empty(keys) }
    }

    /// The Parquet object for these fingerprints.
    pub fn encode(&self) -> Result<Vec<u8>, arrow::error::ArrowError> {
        let batch = to_batch(&self.hashes, &self.rows, &self.keys)?;
        Ok(encode(batch.schema(), &[batch], Codec::Fingerprints)?)
    }

    /// Fingerprints from a batch as [`Bucket::encode`] writes it, with keys of this schema.
    pub fn from_batch(batch: &RecordBatch, keys: &SchemaRef, path: &Path) -> Result<Self, StoreError> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| StoreError::corrupt(path, format!("it has no column {name}")))
        };
        let hashes = column(KEY_HASH)?;
        let hashes = hashes
            .as_fixed_size_binary_opt()
            .filter(|hashes| hashes.value_length() == 16)
            .ok_or_else(|| StoreError::corrupt(path, "hashes of another type"))?;
        let rows = column(ROW_HASH)?;
        let rows = rows
            .as_primitive_opt::<UInt64Type>()
            .ok_or_else(|| StoreError::corrupt(path, "hashes of another type"))?;
        let keys_found =
            keys.fields().iter().map(|field| column(field.name()).cloned()).collect::<Result<Vec<_>, _>>()?;
        let keys =
            RecordBatch::try_new(keys.clone(), keys_found).map_err(|e| StoreError::corrupt(path, e))?;
        Ok(Self { hashes: hashes_of(hashes), rows: rows.values().to_vec(), keys })
    }

    /// Adds fingerprints whose hashes come after those that are there.
    pub fn append(&mut self, later: Self) -> Result<(), arrow::error::ArrowError> {
        self.keys = concat_batches(&self.keys.schema(), [&self.keys, &later.keys])?;
        self.hashes.extend(later.hashes);
        self.rows.extend(later.rows);
        Ok(())
    }

    /// These fingerprints and others with other keys, in the order of their hashes.
    pub fn merge(self, other: Self) -> Result<Self, arrow::error::ArrowError> {
        let mut all = self;
        all.append(other)?;
        all.in_order()
    }

    /// Ordered by hash; of several with the same hash the first counts.
    pub(crate) fn in_order(self) -> Result<Self, arrow::error::ArrowError> {
        let mut order: Vec<(u128, u32)> = self.hashes.iter().copied().zip(0..).collect();
        order.sort_unstable();
        order.dedup_by_key(|(hash, _)| *hash);
        let indices = UInt32Array::from_iter_values(order.iter().map(|(_, at)| *at));
        Ok(Self {
            rows: order.iter().map(|(_, at)| self.rows[*at as usize]).collect(),
            hashes: order.into_iter().map(|(hash, _)| hash).collect(),
            keys: take_record_batch(&self.keys, &indices)?,
        })
    }

    /// The chosen fingerprints.
    pub fn select(&self, chosen: &[usize]) -> Result<Self, arrow::error::ArrowError> {
        let indices = UInt64Array::from_iter_values(chosen.iter().map(|at| *at as u64));
        Ok(Self {
            hashes: chosen.iter().map(|at| self.hashes[*at]).collect(),
            rows: chosen.iter().map(|at| self.rows[*at]).collect(),
            keys: take_record_batch(&self.keys, &indices)?,
        })
    }

    /// The fingerprints whose hash lies in the given bucket of an index with so many buckets.
    pub fn within(&self, bucket: usize, buckets: usize) -> Self {
        let (from, to) = bounds(&self.hashes, bucket, buckets);
        Self {
            hashes: self.hashes[from..to].to_vec(),
            rows: self.rows[from..to].to_vec(),
            keys: self.keys.slice(from, to - from),
        }
    }
}

/// Where the hashes of a bucket begin and end among sorted ones.
pub(crate) fn bounds(sorted: &[u128], bucket: usize, buckets: usize) -> (usize, usize) {
    let bits = buckets.trailing_zeros();
    let prefix = |hash: u128| if bits == 0 { 0 } else { (hash >> (128 - bits)) as usize };
    (sorted.partition_point(|h| prefix(*h) < bucket), sorted.partition_point(|h| prefix(*h) <= bucket))
}

/// Hashes as a column.
pub(crate) fn hash_column(hashes: impl Iterator<Item = u128>) -> FixedSizeBinaryArray {
    let bytes: Vec<[u8; 16]> = hashes.map(u128::to_be_bytes).collect();
    FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes.into_flattened()), None)
}

/// A column as hashes, without its NULLs.
pub(crate) fn hashes_of(column: &FixedSizeBinaryArray) -> Vec<u128> {
    if column.null_count() == 0 {
        let (hashes, _) = column.value_data().as_chunks();
        return hashes.iter().map(|hash| u128::from_be_bytes(*hash)).collect();
    }
    column.iter().flatten().filter_map(|hash| hash.try_into().ok()).map(u128::from_be_bytes).collect()
}

/// Fingerprints and keys as one batch.
pub(crate) fn to_batch(
    hashes: &[u128],
    rows: &[u64],
    keys: &RecordBatch,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let fields = [
        Field::new(KEY_HASH, DataType::FixedSizeBinary(16), false),
        Field::new(ROW_HASH, DataType::UInt64, false),
    ];
    let fields: Vec<_> =
        fields.into_iter().map(Arc::new).chain(keys.schema().fields().iter().cloned()).collect();
    let rows = UInt64Array::new(ScalarBuffer::from(rows.to_vec()), None);
    let mut columns: Vec<Arc<dyn Array>> =
        vec![Arc::new(hash_column(hashes.iter().copied())), Arc::new(rows)];
    columns.extend(keys.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;

    #[test]
    fn buckets_are_a_power_of_two_and_grow_with_rows() {
        assert_eq!([0, 1, 262_144, 262_145, 10_000_000, u64::MAX].map(bucket_count), [1, 1, 1, 2, 64, 1024]);
    }

    #[test]
    fn fingerprints_survive_the_parquet_file_and_are_found_by_prefix() {
        let hashes = vec![1, 1 << 126, (1 << 127) + 5, u128::MAX];
        let keys =
            RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["a", "b", "c", "d"])) as _)])
                .unwrap();
        let bucket = Bucket { hashes, rows: vec![1, 2, 3, u64::MAX], keys };
        let bytes = bucket.encode().unwrap();
        let batch = crate::store::read_all(bytes.into()).unwrap();
        let read = Bucket::from_batch(&batch, &bucket.keys.schema(), &Path::from("x")).unwrap();
        assert_eq!((&read.hashes, &read.rows), (&bucket.hashes, &bucket.rows));
        assert_eq!(read.within(1, 2).keys.column(0).as_string::<i32>().value(0), "c");
        assert_eq!([0, 1, 2, 3].map(|b| read.within(b, 4).hashes.len()), [1, 1, 1, 1]);
        assert_eq!(read.within(0, 1).hashes.len(), 4);
    }
}
