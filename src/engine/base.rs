//! The last index, with what is known to differ from it in the target.

use super::Failure;
use crate::{
    fingerprint::{Scheme, UNKNOWN_ROW},
    spill::{Fingerprinted, Spill},
    store::{
        Abandoned, Bucket, History, KEY_HASH, Part, Published, RunNames, Sealed, StoreError, SyncStore,
        bucket_count, hashes_of, read_all,
    },
};
use arrow::{
    array::{AsArray, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use hydrant_contract::TableSpec;
use object_store::path::Path as ObjectPath;
use std::{path::Path, sync::Arc};

/// What the target is believed to hold.
///
/// That is the index of the last published run, and on top of it: keys whose delete was refused are still there; of rows
/// that were refused, were not there to be updated, or belong to an abandoned run, the content is not known.
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
#[derive(Clone, Copy)]
pub(super) struct Room<'a> {
    pub(super) memory_bytes: usize,
    pub(super) scratch: &'a Path,
}

/// Puts a [`Base`] together. Begins with nothing: no run was published.
pub(super) struct BaseBuilder {
    store: SyncStore,
    keys: SchemaRef,
    index: Option<(u64, Vec<Part>)>,
    carried: Spill,
    unknown: Spill,
    forget_rows: bool,
}

impl BaseBuilder {
    /// Nothing yet, for keys of this schema.
    pub(super) fn new(store: &SyncStore, keys: SchemaRef, room: Room<'_>) -> Self {
        let spill = |keys| Spill::new(keys, room.memory_bytes / 4, room.scratch);
        Self {
            store: store.clone(),
            index: None,
            carried: spill(keys.clone()),
            unknown: spill(Arc::new(Schema::empty())),
            keys,
            forget_rows: false,
        }
    }

    /// Everything that is known of a sync.
    pub(super) async fn history(
        mut self,
        history: &History,
        spec: &TableSpec,
        scheme: &Scheme,
    ) -> Result<Self, Failure> {
        if let Some((sealed, published)) = &history.published {
            self = self.index(sealed, Some(published), spec, scheme).await?;
        }
        self.abandoned(&history.abandoned).await
    }

    /// The index of a sealed run. `published` tells how it ended; without it (for a plan) it is taken to succeed.
    pub(super) async fn index(
        mut self,
        sealed: &Sealed,
        published: Option<&Published>,
        spec: &TableSpec,
        scheme: &Scheme,
    ) -> Result<Self, Failure> {
        let names = self.store.names().run(sealed.run);
        self.index = Some((sealed.run, sealed.index.buckets.clone()));
        // In another mode the rows that the index knows were written by other rules, or not at all.
        let same_rules = sealed.spec.mode == spec.mode && sealed.spec.deletes == spec.deletes;
        self.forget_rows |= !same_rules || !sealed.scheme.same_rows(scheme);
        let exceptions = published.map(|p| p.exceptions.clone()).unwrap_or_default();
        let notes = published.map_or_else(|| names.notes(sealed.run), |p| p.notes(self.store.names()));
        let held = sealed.changes.held_parts.iter().map(|part| names.deletes_part(part.number));
        for path in held.chain(exceptions.carried.iter().map(|first| notes.carried(*first))) {
            let bucket = self.bucket(&path).await?;
            self.carry(bucket)?;
        }
        let rejects = exceptions.rejects.iter().map(|first| notes.rejects(*first));
        for path in rejects.chain(exceptions.absents.iter().map(|first| notes.absent(*first))) {
            let batch = fetch(&self.store, &path).await?;
            let column = batch.column_by_name(KEY_HASH).and_then(|c| c.as_fixed_size_binary_opt());
            let hashes = hashes_of(column.ok_or_else(|| StoreError::corrupt(&path, "it has no key hashes"))?);
            self.forget(&hashes, &path)?;
        }
        Ok(self)
    }

    /// The keys of runs that were begun and will not be finished.
    async fn abandoned(mut self, runs: &[(Sealed, Abandoned)]) -> Result<Self, Failure> {
        for (sealed, abandoned) in runs {
            self.forget_rows |= abandoned.lost;
            let names = self.store.names().run(sealed.run);
            for part in &abandoned.keys {
                let path = names.unknown_part(part.number);
                let bucket = self.bucket(&path).await?;
                self = self.unsure(bucket, &path)?;
            }
        }
        Ok(self)
    }

    /// Of these keys it is not known whether the target has them, and what.
    pub(super) fn unsure(mut self, keys: Bucket, path: &ObjectPath) -> Result<Self, Failure> {
        self.forget(&keys.hashes, path)?;
        self.carry(Bucket { rows: vec![UNKNOWN_ROW; keys.hashes.len()], ..keys })?;
        Ok(self)
    }

    /// It is not known with what content the target has these of its keys, or whether it has them.
    pub(super) fn forget_of(mut self, keys: &Fingerprinted) -> Result<Self, Failure> {
        let parts = bucket_count(keys.rows());
        let path = self.store.names().runs();
        for part in 0..parts {
            self.forget(&keys.bucket(part, parts)?.hashes, &path)?;
        }
        Ok(self)
    }

    /// Of these keys, gathered before, it is not known whether the target has them, and what.
    pub(super) fn unsure_of(mut self, keys: &Fingerprinted) -> Result<Self, Failure> {
        let parts = bucket_count(keys.rows());
        for part in 0..parts {
            let keys = keys.bucket(part, parts)?;
            let keys = Bucket { hashes: keys.hashes, rows: keys.rows, keys: keys.keys };
            let path = self.store.names().runs();
            self = self.unsure(keys, &path)?;
        }
        Ok(self)
    }

    /// No row hash can be relied on.
    pub(super) fn resend(mut self, resend: bool) -> Self {
        self.forget_rows |= resend;
        self
    }

    pub(super) fn finish(self) -> Result<Base, Failure> {
        let (run, buckets) = self.index.map_or((None, Vec::new()), |(run, buckets)| (Some(run), buckets));
        Ok(Base {
            run,
            names: self.store.names().run(run.unwrap_or_default()),
            store: self.store,
            buckets,
            keys: self.keys,
            carried: self.carried.finish()?,
            unknown: self.unknown.finish()?,
            forget_rows: self.forget_rows,
        })
    }

    async fn bucket(&self, path: &ObjectPath) -> Result<Bucket, StoreError> {
        Bucket::from_batch(&fetch(&self.store, path).await?, &self.keys, path)
    }

    fn carry(&mut self, bucket: Bucket) -> Result<(), StoreError> {
        let positions = (0..).take(bucket.hashes.len());
        self.carried.push(&bucket.hashes, &bucket.rows, positions, bucket.keys)
    }

    fn forget(&mut self, hashes: &[u128], path: &ObjectPath) -> Result<(), StoreError> {
        let options = RecordBatchOptions::new().with_row_count(Some(hashes.len()));
        let keys = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
            .map_err(|e| StoreError::corrupt(path, e))?;
        self.unknown.push(hashes, &vec![UNKNOWN_ROW; hashes.len()], (0..).take(hashes.len()), keys)
    }
}

impl Base {
    /// Number of buckets, if there is anything.
    pub(super) fn buckets(&self) -> Option<usize> {
        (!self.buckets.is_empty()).then_some(self.buckets.len())
    }

    /// At most so many rows are believed to be in the target: a key may be in the index and carried along as well.
    pub(super) fn rows(&self) -> u64 {
        self.buckets.iter().map(|b| b.rows).sum::<u64>() + self.carried.rows()
    }

    /// What is believed of the keys whose hash lies in this bucket, of so many.
    pub(super) async fn bucket(&self, number: usize, of: usize) -> Result<Bucket, StoreError> {
        let own = self.buckets.len();
        if own == 0 {
            let path = self.names.index_bucket(number);
            return self.amended(Bucket::empty(self.keys.clone()), number, of, &path);
        }
        if own <= of {
            let bucket = self.own_bucket(number * own / of).await?;
            return Ok(if own == of { bucket } else { bucket.within(number, of) });
        }
        let finer = own / of;
        let mut whole = Bucket::empty(self.keys.clone());
        for number in number * finer..(number + 1) * finer {
            whole
                .append(self.own_bucket(number).await?)
                .map_err(|e| StoreError::corrupt(&self.names.index_bucket(number), e))?;
        }
        Ok(whole)
    }

    /// One bucket of the index as it lies in the store.
    async fn own_bucket(&self, number: usize) -> Result<Bucket, StoreError> {
        let path = self.names.index_bucket(self.buckets[number].number);
        let bucket = Bucket::from_batch(&fetch(&self.store, &path).await?, &self.keys, &path)?;
        self.amended(bucket, number, self.buckets.len(), &path)
    }

    /// With what is known on top of the index.
    fn amended(
        &self,
        mut bucket: Bucket,
        number: usize,
        of: usize,
        path: &ObjectPath,
    ) -> Result<Bucket, StoreError> {
        if self.carried.rows() > 0 {
            bucket = self.with_carried(bucket, number, of, path)?;
        }
        if self.forget_rows {
            bucket.rows.fill(UNKNOWN_ROW);
        } else if self.unknown.rows() > 0 {
            for hash in self.unknown.bucket(number, of)?.hashes {
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
        // The index itself wins over what was carried along.
        let carried = Bucket { hashes: carried.hashes, rows: carried.rows, keys: carried.keys };
        bucket.merge(carried).map_err(|e| StoreError::corrupt(path, e))
    }
}

async fn fetch(store: &SyncStore, path: &ObjectPath) -> Result<RecordBatch, StoreError> {
    read_all(store.get(path).await?).map_err(|e| StoreError::corrupt(path, e))
}
