//! The last index, with what is known to differ from it in the target.

use super::{Failure, export::in_background};
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
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Buckets of the index that are kept while finer parts of them are asked for: one for each unit that is compared at the
/// same time.
const KEPT: usize = 2;

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
    /// The buckets that were read last, by their place, the oldest first.
    kept: Mutex<Vec<(usize, Arc<Bucket>)>>,
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
        self.forget_rows |= forgets_rows(sealed, spec, scheme);
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
            kept: Mutex::default(),
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

/// Whether no row of this run's index can be compared with new ones.
fn forgets_rows(sealed: &Sealed, spec: &TableSpec, scheme: &Scheme) -> bool {
    // In another mode the rows that the index knows were written by other rules, or not at all.
    let same_rules = sealed.spec.mode == spec.mode && sealed.spec.deletes == spec.deletes;
    !same_rules || !sealed.scheme.same_rows(scheme)
}

/// Whether of no row it is known what the target holds, so that every row of the query is a change.
pub(super) fn knows_no_row(history: &History, spec: &TableSpec, scheme: &Scheme) -> bool {
    let forgets = history.published.as_ref().is_none_or(|(sealed, _)| forgets_rows(sealed, spec, scheme));
    forgets || history.abandoned.iter().any(|(_, abandoned)| abandoned.lost)
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
    ///
    /// What is known on top of the index is added to the part that is asked for, never to a whole bucket of the index: an
    /// abandoned run can leave far more keys than the index has, and with enough parts each of them is small. A bucket is
    /// read once if its parts are asked for one after the other.
    pub(super) async fn bucket(&self, number: usize, of: usize) -> Result<Bucket, StoreError> {
        let own = self.buckets.len();
        if own == 0 {
            let path = self.names.index_bucket(number);
            return self.amended(Bucket::empty(self.keys.clone()), number, of, &path);
        }
        if own < of {
            let place = number * own / of;
            let part = self.kept(place).await?.within(number, of);
            return self.amended(part, number, of, &self.path(place));
        }
        let finer = own / of;
        let mut whole = Bucket::empty(self.keys.clone());
        for place in number * finer..(number + 1) * finer {
            let path = self.path(place);
            let bucket = self.amended(self.own_bucket(place).await?, place, own, &path)?;
            if finer == 1 {
                return Ok(bucket);
            }
            whole.append(bucket).map_err(|e| StoreError::corrupt(&path, e))?;
        }
        Ok(whole)
    }

    fn path(&self, place: usize) -> ObjectPath {
        self.names.index_bucket(self.buckets[place].number)
    }

    /// One bucket of the index as it lies in the store.
    async fn own_bucket(&self, place: usize) -> Result<Bucket, StoreError> {
        let path = self.path(place);
        let bytes = self.store.get(&path).await?;
        let (keys, named) = (self.keys.clone(), path.clone());
        in_background(&path, move || {
            let batch = read_all(bytes).map_err(|e| StoreError::corrupt(&named, e))?;
            Bucket::from_batch(&batch, &keys, &named)
        })
        .await
    }

    /// The same, and it stays in memory until others take its place.
    async fn kept(&self, place: usize) -> Result<Arc<Bucket>, StoreError> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bucket)) = lock().iter().find(|(kept, _)| *kept == place) {
            return Ok(bucket.clone());
        }
        let bucket = Arc::new(self.own_bucket(place).await?);
        let mut kept = lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((place, bucket.clone()));
        Ok(bucket)
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use object_store::memory::InMemory;

    /// Keys with hashes that are spread over all buckets.
    fn keys(ids: impl Iterator<Item = i64> + Clone) -> Bucket {
        let hash = |id: i64| (id as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let column = Arc::new(Int64Array::from_iter_values(ids.clone()));
        let keys = RecordBatch::try_from_iter([("id", column as _)]).unwrap();
        let bucket =
            Bucket { hashes: ids.clone().map(hash).collect(), rows: ids.map(|id| id as u64).collect(), keys };
        bucket.in_order().unwrap()
    }

    #[tokio::test]
    async fn one_bucket_of_the_index_is_read_once_and_its_parts_hold_only_their_own_keys() {
        let path = ObjectPath::default();
        let store = SyncStore::new(Arc::new(InMemory::new()), &path, "items");
        let (index, left) = (keys(1..40), keys(30..400));
        let schema = index.keys.schema();
        let number = 0;
        let object = store.names().run(1).index_bucket(number);
        store.put(&object, index.encode().unwrap()).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let base = || {
            let room = Room { memory_bytes: 4096, scratch: scratch.path() };
            let mut begin = BaseBuilder::new(&store, schema.clone(), room);
            begin.index = Some((1, vec![Part { number, rows: 39, bytes: 1 }]));
            begin.unsure(left.clone(), &path).unwrap().finish().unwrap()
        };
        let whole = base().bucket(0, 1).await.unwrap();
        assert_eq!(whole.hashes.len(), 399);
        assert_eq!(whole.rows.iter().filter(|row| **row == UNKNOWN_ROW).count(), 370);

        let base = base();
        let mut parts = Bucket::empty(schema.clone());
        for part in 0..16 {
            let bucket = base.bucket(part, 16).await.unwrap();
            assert_eq!(bucket.hashes, whole.within(part, 16).hashes, "part {part}");
            parts.append(bucket).unwrap();
            if part == 0 {
                store.delete(&object).await.unwrap();
            }
        }
        assert_eq!((parts.hashes, parts.rows, parts.keys), (whole.hashes, whole.rows, whole.keys));
    }
}
