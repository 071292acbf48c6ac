//! The last index, with what is known to differ from it in the target.

use super::Failure;
use crate::{
    fingerprint::{Scheme, UNKNOWN_ROW},
    spill::{Fingerprinted, Spill},
    store::{
        Bucket, KEY_HASH, Part, Published, RunNames, Sealed, StoreError, SyncStore, hashes_of, read_all,
    },
};
use arrow::{
    array::{AsArray, RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{Schema, SchemaRef},
};
use hydrant_contract::TableSpec;
use object_store::path::Path as ObjectPath;
use std::{path::Path, sync::Arc};

/// What the target is believed to hold.
///
/// That is the index of the last published run, and on top of it: keys whose delete was withheld or refused are still
/// there; of rows that were refused, or were not there to be updated, the content is not known.
pub(super) struct Base {
    /// The run, if any was published.
    pub(super) run: Option<u64>,
    store: SyncStore,
    names: RunNames,
    buckets: Vec<Part>,
    keys: SchemaRef,
    carried: Fingerprinted,
    unknown: Fingerprinted,
    /// No row hash of it can be compared with new ones.
    forget_rows: bool,
}

/// What limits the memory for exceptions.
pub(super) struct Room<'a> {
    pub(super) memory_bytes: usize,
    pub(super) scratch: &'a Path,
}

impl Base {
    /// Nothing: this is the first run.
    pub(super) fn none(store: &SyncStore, keys: SchemaRef) -> Result<Self, Failure> {
        let empty = |keys: &SchemaRef| Spill::new(keys.clone(), 0, Path::new("")).finish();
        Ok(Self {
            run: None,
            store: store.clone(),
            names: store.names().run(0),
            buckets: Vec::new(),
            carried: empty(&keys)?,
            unknown: empty(&Arc::new(Schema::empty()))?,
            keys,
            forget_rows: false,
        })
    }

    /// The index of a sealed run. `published` tells how it ended; without it (for a plan) it is taken to succeed.
    pub(super) async fn of(
        store: &SyncStore,
        sealed: &Sealed,
        published: Option<&Published>,
        spec: &TableSpec,
        scheme: &Scheme,
        resend: bool,
        room: Room<'_>,
    ) -> Result<Self, Failure> {
        let names = store.names().run(sealed.run);
        let keys = spec.shape.key_schema();
        // In another mode the rows that the index knows were written by other rules, or not at all.
        let same_rules = sealed.spec.mode == spec.mode && sealed.spec.deletes == spec.deletes;
        let exceptions = published.map(|p| p.exceptions.clone()).unwrap_or_default();
        let mut carried = Spill::new(keys.clone(), room.memory_bytes / 4, room.scratch);
        let withheld = sealed.changes.deletes_parts.iter().filter(|_| sealed.withheld.is_some());
        let paths = withheld.map(|part| names.deletes_part(part.number));
        for path in paths.chain(exceptions.carried.iter().map(|first| names.carried(*first))) {
            let bucket = Bucket::from_batch(&fetch(store, &path).await?, &keys, &path)?;
            carried.push(&bucket.hashes, &bucket.rows, (0..).take(bucket.hashes.len()), bucket.keys)?;
        }
        let none = Arc::new(Schema::empty());
        let mut unknown = Spill::new(none.clone(), room.memory_bytes / 4, room.scratch);
        let rejects = exceptions.rejects.iter().map(|first| names.rejects(*first));
        for path in rejects.chain(exceptions.absents.iter().map(|first| names.absent(*first))) {
            let batch = fetch(store, &path).await?;
            let column = batch.column_by_name(KEY_HASH).and_then(|c| c.as_fixed_size_binary_opt());
            let hashes = hashes_of(column.ok_or_else(|| StoreError::corrupt(&path, "it has no key hashes"))?);
            let keys = RecordBatch::try_new_with_options(
                none.clone(),
                Vec::new(),
                &arrow::array::RecordBatchOptions::new().with_row_count(Some(hashes.len())),
            );
            let keys = keys.map_err(|e| StoreError::corrupt(&path, e))?;
            unknown.push(&hashes, &vec![UNKNOWN_ROW; hashes.len()], (0..).take(hashes.len()), keys)?;
        }
        Ok(Self {
            run: Some(sealed.run),
            store: store.clone(),
            names,
            buckets: sealed.index.buckets.clone(),
            keys,
            carried: carried.finish()?,
            unknown: unknown.finish()?,
            forget_rows: resend || !same_rules || !sealed.scheme.same_rows(scheme),
        })
    }

    /// Number of buckets, if there is anything.
    pub(super) fn buckets(&self) -> Option<usize> {
        (!self.buckets.is_empty()).then_some(self.buckets.len())
    }

    /// Rows that are believed to be in the target.
    pub(super) fn rows(&self) -> u64 {
        self.buckets.iter().map(|b| b.rows).sum::<u64>() + self.carried.rows()
    }

    /// One bucket of the index.
    pub(super) async fn bucket(&self, number: usize) -> Result<Bucket, StoreError> {
        let (Some(part), of) = (self.buckets.get(number), self.buckets.len()) else {
            return Ok(Bucket::empty(self.keys.clone()));
        };
        let path = self.names.index_bucket(part.number);
        let mut bucket = Bucket::from_batch(&fetch(&self.store, &path).await?, &self.keys, &path)?;
        if self.carried.rows() > 0 {
            bucket = self.with_carried(bucket, number, of, &path)?;
        }
        if self.forget_rows {
            bucket.rows.fill(UNKNOWN_ROW);
        } else if self.unknown.rows() > 0 {
            let unknown = self.unknown.bucket(number, of)?;
            for hash in unknown.hashes {
                if let Ok(at) = bucket.hashes.binary_search(&hash) {
                    bucket.rows[at] = UNKNOWN_ROW;
                }
            }
        }
        Ok(bucket)
    }

    fn with_carried(
        &self,
        bucket: Bucket,
        number: usize,
        of: usize,
        path: &ObjectPath,
    ) -> Result<Bucket, StoreError> {
        let carried = self.carried.bucket(number, of)?;
        let arrow = |e| StoreError::corrupt(path, e);
        let keys = concat_batches(&self.keys, [&bucket.keys, &carried.keys]).map_err(arrow)?;
        let rows = [bucket.rows, carried.rows].concat();
        let hashes = [bucket.hashes, carried.hashes].concat();
        let mut order: Vec<(u128, u32)> = hashes.into_iter().zip(0..).collect();
        order.sort_unstable();
        // The index itself wins over what was carried along.
        order.dedup_by_key(|(hash, _)| *hash);
        let indices = UInt32Array::from_iter_values(order.iter().map(|(_, at)| *at));
        Ok(Bucket {
            rows: order.iter().map(|(_, at)| rows[*at as usize]).collect(),
            hashes: order.into_iter().map(|(hash, _)| hash).collect(),
            keys: take_record_batch(&keys, &indices).map_err(arrow)?,
        })
    }
}

async fn fetch(store: &SyncStore, path: &ObjectPath) -> Result<RecordBatch, StoreError> {
    read_all(store.get(path).await?).map_err(|e| StoreError::corrupt(path, e))
}
