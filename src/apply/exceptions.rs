//! What did not go as the index says: rows refused, deletes refused, rows not there to be updated.
//!
//! It is written after every batch that has any, under the change with which the batch began, before the next batch is
//! sent. So when a run is resumed, only the last committed batch can lack its note, and that batch is applied again.
//!
//! Nobody keeps a holder of the lease that has lost it and does not know yet from writing to the store. So each holder notes
//! in a folder of its own, and whoever resumes a run begins by copying what those before it have noted: what a published
//! run names, only its publisher has written.

use super::ApplyError;
use crate::{
    fingerprint::UNKNOWN_ROW,
    store::{
        Codec, Exceptions, KEY_HASH, NoteNames, RejectRecord, RunNames, Sealed, Since, StoreError, SyncStore,
        encode, hash_column, hashes_of, read_all,
    },
};
use arrow::{
    array::{AsArray, BooleanArray, RecordBatch, UInt64Array},
    compute::{filter_record_batch, take_record_batch},
    error::ArrowError,
};
use object_store::path::Path;
use std::{collections::HashSet, sync::Arc};

/// Rejects that are kept to be shown; all of them are in the store.
const SAMPLES: usize = 10;

pub(super) struct ExceptionLog<'a> {
    store: &'a SyncStore,
    names: NoteNames,
    exceptions: Exceptions,
    since: Since,
    /// Rejects that may settle, among those that are counted.
    waiting: u64,
    samples: Vec<RejectRecord>,
}

impl<'a> ExceptionLog<'a> {
    /// Goes on with the notes of the batches before this change, as the holder of this epoch.
    pub(super) async fn resume(
        store: &'a SyncStore,
        sealed: &Sealed,
        epoch: u64,
        from: u64,
    ) -> Result<Self, ApplyError> {
        let run = store.names().run(sealed.run);
        let names = run.notes(epoch);
        let since = Since::new(store, sealed.run, sealed.base);
        let (exceptions, samples) = (Exceptions::default(), Vec::new());
        let mut log = Self { store, names, exceptions, since, waiting: 0, samples };
        // The run's own holder is the first one.
        if epoch == sealed.run {
            return Ok(log);
        }
        if from > 0 {
            let begun = store.list(&run.finishers()).await?;
            let last = begun.iter().filter_map(RunNames::finisher_of).filter(|by| *by < epoch).max();
            log.copy(&run.notes(last.unwrap_or(sealed.run)), from).await?;
        }
        store.put(&log.names.begun(), br#"{}"#.to_vec()).await?;
        Ok(log)
    }

    /// Takes over what somebody else has noted of the batches before this change.
    async fn copy(&mut self, theirs: &NoteNames, from: u64) -> Result<(), ApplyError> {
        for kind in [NoteNames::rejects, NoteNames::carried, NoteNames::absent] {
            let Some(folder) = parent(&kind(theirs, 0)) else { continue };
            let listed = self.store.list(&folder).await?;
            let mut firsts: Vec<u64> =
                listed.iter().filter_map(number).filter(|first| *first < from).collect();
            firsts.sort_unstable();
            for first in firsts {
                let bytes = self.store.get(&kind(theirs, first)).await?;
                let path = kind(&self.names, first);
                self.store.put(&path, bytes).await?;
                let batch = self.batch(&path).await?;
                if path == self.names.rejects(first) {
                    self.count_rejects(first, &RejectRecord::decode(&batch, &path)?);
                } else if path == self.names.carried(first) {
                    self.exceptions.carried.push(first);
                } else {
                    self.exceptions.absents.push(first);
                    self.exceptions.absent += batch.num_rows() as u64;
                }
            }
        }
        Ok(())
    }

    /// Where it notes.
    pub(super) fn names(&self) -> &NoteNames {
        &self.names
    }

    fn count_rejects(&mut self, first: u64, records: &[RejectRecord]) {
        self.exceptions.rejects.push(first);
        self.exceptions.rejected += records.len() as u64;
        self.waiting += records.iter().filter(|r| r.may_settle).count() as u64;
        let room = SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(records.iter().take(room).cloned());
    }

    pub(super) async fn write(
        &mut self,
        first: u64,
        mut records: Vec<RejectRecord>,
        carried: Option<RecordBatch>,
        absent: &[u128],
    ) -> Result<(), ApplyError> {
        let names = self.names.clone();
        if !records.is_empty() {
            self.since.note(&mut records).await?;
            self.store.put(&names.rejects(first), RejectRecord::encode(&records)?).await?;
            self.count_rejects(first, &records);
        }
        if let Some(keys) = carried {
            let bytes = encode(keys.schema(), &[keys], Codec::Fingerprints);
            self.store.put(&names.carried(first), bytes.map_err(ArrowError::from)?).await?;
            self.exceptions.carried.push(first);
        }
        if !absent.is_empty() {
            let batch =
                RecordBatch::try_from_iter([(KEY_HASH, Arc::new(hash_column(absent.iter().copied())) as _)])?;
            let bytes = encode(batch.schema(), &[batch], Codec::Fingerprints);
            self.store.put(&names.absent(first), bytes.map_err(ArrowError::from)?).await?;
            self.exceptions.absents.push(first);
            self.exceptions.absent += absent.len() as u64;
        }
        Ok(())
    }

    pub(super) fn rejected(&self) -> u64 {
        self.exceptions.rejected
    }

    pub(super) fn samples(&self) -> &[RejectRecord] {
        &self.samples
    }

    /// How many of the rejects may settle.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Batches with deletes that were refused.
    pub(super) fn carried(&self) -> &[u64] {
        &self.exceptions.carried
    }

    /// The rejects that may settle and have not done so.
    pub(super) async fn may_settle(&self, settled: &HashSet<u128>) -> Result<Vec<RejectRecord>, ApplyError> {
        let waits = |r: &RejectRecord| r.may_settle && !is_among(settled, r);
        let mut all = Vec::new();
        if self.waiting > settled.len() as u64 {
            for first in &self.exceptions.rejects {
                all.extend(self.rejects(*first).await?.into_iter().filter(waits));
            }
        }
        Ok(all)
    }

    /// Leaves out the notes of rows that are written after all. What was noted stays where it is until the run is
    /// published: a standby that takes over may have lost the commits by which they settled.
    pub(super) async fn without(&mut self, settled: &HashSet<u128>) -> Result<(), ApplyError> {
        if settled.is_empty() {
            return Ok(());
        }
        let all = std::mem::take(&mut self.exceptions);
        let to = self.names.settled();
        (self.waiting, self.samples) = (0, Vec::new());
        for first in all.rejects {
            let mut records = self.rejects(first).await?;
            records.retain(|record| !is_among(settled, record));
            if !records.is_empty() {
                self.store.put(&to.rejects(first), RejectRecord::encode(&records)?).await?;
                self.count_rejects(first, &records);
            }
        }
        for first in all.carried {
            let batch = self.batch(&self.names.carried(first)).await?;
            let column = batch.column_by_name(KEY_HASH).map(|c| hashes_of(c.as_fixed_size_binary()));
            let stays: BooleanArray =
                column.unwrap_or_default().iter().map(|hash| Some(!settled.contains(hash))).collect();
            let rest = filter_record_batch(&batch, &stays)?;
            if rest.num_rows() > 0 {
                let bytes = encode(rest.schema(), &[rest], Codec::Fingerprints).map_err(ArrowError::from)?;
                self.store.put(&to.carried(first), bytes).await?;
                self.exceptions.carried.push(first);
            }
        }
        for first in &all.absents {
            self.store.put(&to.absent(*first), self.store.get(&self.names.absent(*first)).await?).await?;
        }
        self.exceptions.absents = all.absents;
        self.exceptions.absent = all.absent;
        self.exceptions.settled = true;
        Ok(())
    }

    async fn rejects(&self, first: u64) -> Result<Vec<RejectRecord>, StoreError> {
        let path = self.names.rejects(first);
        RejectRecord::decode(&self.batch(&path).await?, &path)
    }

    async fn batch(&self, path: &Path) -> Result<RecordBatch, StoreError> {
        read_all(self.store.get(path).await?).map_err(|e| StoreError::corrupt(path, e))
    }

    /// All exceptions, and the first rejects.
    pub(super) fn finish(self) -> (Exceptions, Vec<RejectRecord>) {
        (self.exceptions, self.samples)
    }
}

fn is_among(hashes: &HashSet<u128>, record: &RejectRecord) -> bool {
    record.hash.is_some_and(|hash| hashes.contains(&hash))
}

/// Keys whose delete was refused: they are in the target still, and belong to the base of the next compare.
pub(super) fn carried(
    keys: &RecordBatch,
    hashes: &[u128],
    rows: &[usize],
) -> Result<RecordBatch, ArrowError> {
    let indices = UInt64Array::from_iter_values(rows.iter().map(|r| *r as u64));
    let chosen: Vec<u128> = rows.iter().map(|r| hashes[*r]).collect();
    crate::store::fingerprint_batch(
        &chosen,
        &vec![UNKNOWN_ROW; rows.len()],
        &take_record_batch(keys, &indices)?,
    )
}

fn parent(path: &Path) -> Option<Path> {
    let mut parts: Vec<_> = path.parts().collect();
    parts.pop()?;
    Some(parts.into_iter().collect())
}

fn number(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".parquet")?.parse().ok()
}
