//! Diff: the last index against the new fingerprints, bucket by bucket, two at a time.
//!
//! The two may have different numbers of buckets, both powers of two. A unit of work is one bucket of the coarser side and
//! all of the finer side that lie in it; memory is that of one coarse bucket, and the coarser side has the fewer rows. What
//! is known on top of the index may be more than the index has, and comes with the finer parts.

use super::{
    Failure,
    base::Base,
    export::{NAMED, in_background},
};
use crate::{
    apply::shown::key_text,
    diff::{self, BucketDiff, New, Old, Rules, diff},
    guard::Hold,
    spill::{Fingerprinted, NewBucket},
    store::{
        Bucket, Changes, Codec, Index, Part, RunNames, StoreError, SyncStore, bounds, bucket_count, encode,
        fingerprint_batch,
    },
    sync::{DuplicateKeys, Redact},
};
use arrow::{array::RecordBatch, error::ArrowError};
use futures::{StreamExt, TryStreamExt, stream};
use hydrant_contract::Shape;
use roaring::RoaringTreemap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Units that are compared at the same time: as many as small machines have cores.
const UNITS_AT_ONCE: usize = 2;
/// Keys in one part of the deletes.
const DELETES_PART_ROWS: usize = 131_072;

/// Which differences are changes; see [`diff::Scope`].
pub(super) enum Scope {
    All,
    Unknown,
    /// Only what brings back what the target held by this earlier index.
    Restore(Box<Base>),
    Nothing,
}

/// What the compare found; the index and the deletes are in the store.
pub(super) struct Compared {
    pub(super) changes: Changes,
    pub(super) index: Index,
    /// Positions of rows, at first in all of the export.
    pub(super) inserts: RoaringTreemap,
    pub(super) updates: RoaringTreemap,
    /// Rows that the target is believed to hold, each key once.
    pub(super) known: u64,
}

impl Compared {
    /// Writes where the changed rows are.
    pub(super) async fn write_positions(
        &self,
        store: &SyncStore,
        names: &RunNames,
    ) -> Result<(), StoreError> {
        for (path, set) in [(names.inserts(), &self.inserts), (names.updates(), &self.updates)] {
            let mut bytes = Vec::with_capacity(set.serialized_size());
            set.serialize_into(&mut bytes).map_err(|e| StoreError::corrupt(&path, e))?;
            store.put(&path, bytes).await?;
        }
        Ok(())
    }
}

pub(super) struct Compare<'a> {
    pub(super) base: &'a Base,
    pub(super) fingerprints: Arc<Fingerprinted>,
    pub(super) shape: &'a Shape,
    pub(super) duplicate_keys: DuplicateKeys,
    /// The columns whose values are not shown.
    pub(super) redact: &'a Redact,
    /// Whether rows that left the query matter to this sync.
    pub(super) wants_deletes: bool,
    /// Kinds of changes that are held back.
    pub(super) hold: Hold,
    pub(super) scope: Scope,
    pub(super) store: &'a SyncStore,
    pub(super) names: RunNames,
    /// Asks to stop between two units.
    pub(super) stop: &'a CancellationToken,
    pub(super) progress: &'a (dyn Fn(u64, u64) + Send + Sync),
}

/// What was found so far, by all units.
#[derive(Default)]
struct Found {
    changes: Changes,
    buckets: Vec<Part>,
    inserts: RoaringTreemap,
    updates: RoaringTreemap,
    deletes: Vec<RecordBatch>,
    /// Position and key of duplicates, the first ones.
    duplicates: Vec<(u64, String)>,
    units: u64,
    known: u64,
}

impl Compare<'_> {
    pub(super) async fn run(&self) -> Result<Compared, Failure> {
        // At least as fine as what the base needs: keys whose delete is withheld may be far more than the export's.
        let fine = bucket_count(self.fingerprints.rows().max(self.base.rows()));
        let old = self.base.buckets().unwrap_or(fine);
        let units = old.min(fine);
        let found = Mutex::new(Found::default());
        stream::iter(0..units)
            .map(|unit| self.unit(unit, old, fine, &found, units as u64))
            .buffer_unordered(UNITS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.duplicate_keys == DuplicateKeys::Error && found.changes.duplicates > 0 {
            found.duplicates.sort();
            let keys = found.duplicates.into_iter().map(|(_, key)| key).collect();
            return Err(Failure::DuplicateKeys { count: found.changes.duplicates, keys });
        }
        let rest = std::mem::take(&mut found.deletes);
        let number = found.changes.deletes_parts.len();
        found.changes.deletes_parts.extend(self.write_deletes(number, rest).await?);
        found.buckets.sort_by_key(|b| b.number);
        let index = Index { buckets: found.buckets };
        let Found { changes, inserts, updates, known, .. } = found;
        Ok(Compared { changes, index, inserts, updates, known })
    }

    /// Compares one bucket of the coarser side.
    async fn unit(
        &self,
        unit: usize,
        old: usize,
        new: usize,
        found: &Mutex<Found>,
        of: u64,
    ) -> Result<(), Failure> {
        if self.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        if old <= new {
            let finer = new / old;
            for number in unit * finer..(unit + 1) * finer {
                let before = self.base.bucket(number, new).await?;
                let after = self.new_bucket(number, new).await?;
                let mut result = self.compare(&before, &after, 0..after.hashes.len(), (number, new)).await?;
                let kept = std::mem::take(&mut result.kept);
                let stay = self.stay(&before, &result)?;
                self.take(&before, &after, result, found).await?;
                self.write_index(number, after, kept, stay, found).await?;
            }
        } else {
            let after = self.new_bucket(unit, new).await?;
            let finer = old / new;
            let mut kept = Vec::new();
            let mut stay = Bucket::empty(self.shape.key_schema());
            for number in unit * finer..(unit + 1) * finer {
                let before = self.base.bucket(number, old).await?;
                let (from, to) = bounds(&after.hashes, number, old);
                let result = self.compare(&before, &after, from..to, (number, old)).await?;
                kept.extend(result.kept.iter().map(|at| at + from));
                stay.append(self.stay(&before, &result)?)
                    .map_err(|e| StoreError::corrupt(&self.names.index_bucket(unit), e))?;
                self.take(&before, &after, result, found).await?;
            }
            self.write_index(unit, after, kept, stay, found).await?;
        }
        let done = {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.units += 1;
            found.units
        };
        (self.progress)(done, of);
        Ok(())
    }

    async fn new_bucket(&self, number: usize, of: usize) -> Result<NewBucket, StoreError> {
        let fingerprints = self.fingerprints.clone();
        in_background(&self.names.index_bucket(number), move || fingerprints.bucket(number, of)).await
    }

    /// Compares what lies in the same range of hashes: bucket `place.0` of `place.1`.
    async fn compare(
        &self,
        before: &Bucket,
        after: &NewBucket,
        range: std::ops::Range<usize>,
        place: (usize, usize),
    ) -> Result<BucketDiff, StoreError> {
        let then;
        let scope = match &self.scope {
            Scope::All => diff::Scope::All,
            Scope::Unknown => diff::Scope::Unknown,
            Scope::Restore(base) => {
                then = base.bucket(place.0, place.1).await?;
                diff::Scope::Restore(Old { hashes: &then.hashes, rows: &then.rows })
            }
            Scope::Nothing => diff::Scope::Nothing,
        };
        let mut result = diff(
            Old { hashes: &before.hashes, rows: &before.rows },
            New {
                hashes: &after.hashes[range.clone()],
                rows: &after.rows[range.clone()],
                positions: &after.positions[range.clone()],
            },
            Rules {
                duplicate_keys: self.duplicate_keys,
                deletes: self.wants_deletes,
                hold: self.hold,
                scope,
            },
        );
        result.duplicates.iter_mut().for_each(|at| *at += range.start);
        Ok(result)
    }

    /// Fingerprints that the new index takes over from the old one.
    fn stay(&self, before: &Bucket, result: &BucketDiff) -> Result<Bucket, StoreError> {
        if result.stay.is_empty() {
            return Ok(Bucket::empty(self.shape.key_schema()));
        }
        before.select(&result.stay).map_err(|e| StoreError::corrupt(self.names.folder(), e))
    }

    /// Adds what one comparison found to what was found so far.
    async fn take(
        &self,
        before: &Bucket,
        after: &NewBucket,
        mut result: BucketDiff,
        found: &Mutex<Found>,
    ) -> Result<(), StoreError> {
        result.inserts.sort_unstable();
        result.updates.sort_unstable();
        let inserts: RoaringTreemap = result.inserts.iter().copied().collect();
        let updates: RoaringTreemap = result.updates.iter().copied().collect();
        let deletes = self.deleted(before, &result.deletes)?;
        let full = {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.known += before.hashes.len() as u64;
            found.changes.inserts += inserts.len();
            found.changes.updates += updates.len();
            found.changes.unchanged += result.unchanged;
            found.changes.held.add(result.held);
            found.changes.out_of_scope.add(result.out_of_scope);
            found.changes.duplicates += result.duplicates.len() as u64;
            found.inserts |= inserts;
            found.updates |= updates;
            if self.duplicate_keys == DuplicateKeys::Error {
                for at in &result.duplicates {
                    let key = key_text(&after.keys, *at, self.shape, self.redact);
                    found.duplicates.push((after.positions[*at], key));
                }
                found.duplicates.sort();
                found.duplicates.truncate(NAMED);
            }
            found.changes.deletes += deletes.as_ref().map_or(0, |d| d.num_rows() as u64);
            found.deletes.extend(deletes);
            let rows: usize = found.deletes.iter().map(RecordBatch::num_rows).sum();
            (rows >= DELETES_PART_ROWS).then(|| {
                let number = found.changes.deletes_parts.len();
                // Its place is taken now; size and rows are filled in when it is written.
                found.changes.deletes_parts.push(Part { number, rows: 0, bytes: 0 });
                (number, std::mem::take(&mut found.deletes))
            })
        };
        if let Some((number, batches)) = full
            && let Some(part) = self.write_deletes(number, batches).await?
        {
            found.lock().unwrap_or_else(PoisonError::into_inner).changes.deletes_parts[number] = part;
        }
        Ok(())
    }

    fn deleted(&self, before: &Bucket, gone: &[usize]) -> Result<Option<RecordBatch>, StoreError> {
        if gone.is_empty() {
            return Ok(None);
        }
        let batch = before.select(gone).and_then(|b| fingerprint_batch(&b.hashes, &b.rows, &b.keys));
        batch.map(Some).map_err(|e| StoreError::corrupt(&self.names.deletes_part(0), e))
    }

    async fn write_deletes(
        &self,
        number: usize,
        batches: Vec<RecordBatch>,
    ) -> Result<Option<Part>, StoreError> {
        let Some(first) = batches.first() else { return Ok(None) };
        let path = self.names.deletes_part(number);
        let (schema, rows) = (first.schema(), batches.iter().map(|b| b.num_rows() as u64).sum());
        let bytes = {
            let (named, work) = (path.clone(), move || encode(schema, &batches, Codec::Fingerprints));
            in_background(&path, move || work().map_err(|e| StoreError::corrupt(&named, e))).await?
        };
        let size = bytes.len() as u64;
        self.store.put(&path, bytes).await?;
        Ok(Some(Part { number, rows, bytes: size }))
    }

    async fn write_index(
        &self,
        number: usize,
        after: NewBucket,
        kept: Vec<usize>,
        stay: Bucket,
        found: &Mutex<Found>,
    ) -> Result<(), StoreError> {
        let path = self.names.index_bucket(number);
        let NewBucket { hashes, rows, keys, .. } = after;
        let work = move || {
            let mut bucket = Bucket { hashes, rows, keys };
            if kept.len() < bucket.hashes.len() {
                bucket = bucket.select(&kept)?;
            }
            if !stay.hashes.is_empty() {
                bucket = bucket.merge(stay)?;
            }
            Ok((bucket.hashes.len() as u64, bucket.encode()?))
        };
        let (rows, bytes) = {
            let named = path.clone();
            let failed = move |e: ArrowError| StoreError::corrupt(&named, e);
            in_background(&path, move || work().map_err(failed)).await?
        };
        let size = bytes.len() as u64;
        self.store.put(&path, bytes).await?;
        found.lock().unwrap_or_else(PoisonError::into_inner).buckets.push(Part { number, rows, bytes: size });
        Ok(())
    }
}
