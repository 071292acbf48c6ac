//! What did not go as the index says: rows refused, deletes refused, rows not there to be updated.
//!
//! It is written after every batch that has any, under the change with which the batch began, before the next batch is
//! sent. So when a run is resumed, only the last committed batch can lack its note, and that batch is applied again.

use super::ApplyError;
use crate::{
    fingerprint::UNKNOWN_ROW,
    store::{Exceptions, KEY_HASH, RejectRecord, Sealed, StoreError, SyncStore, hash_column, read_all},
};
use arrow::{
    array::{RecordBatch, UInt64Array},
    compute::take_record_batch,
    error::ArrowError,
};
use hydrant_contract::{Shape, json};
use object_store::path::Path;
use std::sync::Arc;

/// Rejects that are kept to be shown; all of them are in the store.
const SAMPLES: usize = 10;

pub(super) struct ExceptionLog<'a> {
    store: &'a SyncStore,
    sealed: &'a Sealed,
    exceptions: Exceptions,
    samples: Vec<RejectRecord>,
}

impl<'a> ExceptionLog<'a> {
    /// Goes on with the notes of the batches before this change.
    pub(super) async fn resume(
        store: &'a SyncStore,
        sealed: &'a Sealed,
        from: u64,
    ) -> Result<Self, ApplyError> {
        let mut log = Self { store, sealed, exceptions: Exceptions::default(), samples: Vec::new() };
        let names = store.names().run(sealed.run);
        for (folder, kind) in [(names.rejects(0), 0), (names.carried(0), 1), (names.absent(0), 2)] {
            let Some(folder) = parent(&folder) else { continue };
            let mut firsts: Vec<(u64, Path)> = store
                .list(&folder)
                .await?
                .into_iter()
                .filter_map(|path| Some((number(&path)?, path)))
                .collect();
            firsts.sort();
            for (first, path) in firsts {
                if first >= from {
                    store.delete(&path).await?;
                    continue;
                }
                let batch = read_all(store.get(&path).await?).map_err(|e| StoreError::corrupt(&path, e))?;
                match kind {
                    0 => log.count_rejects(first, &RejectRecord::decode(&batch, &path)?),
                    1 => log.exceptions.carried.push(first),
                    _ => {
                        log.exceptions.absents.push(first);
                        log.exceptions.absent += batch.num_rows() as u64;
                    }
                }
            }
        }
        Ok(log)
    }

    fn count_rejects(&mut self, first: u64, records: &[RejectRecord]) {
        self.exceptions.rejects.push(first);
        self.exceptions.rejected += records.len() as u64;
        let room = SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(records.iter().take(room).cloned());
    }

    pub(super) async fn write(
        &mut self,
        first: u64,
        records: &[RejectRecord],
        carried: Option<RecordBatch>,
        absent: &[u128],
    ) -> Result<(), ApplyError> {
        let names = self.store.names().run(self.sealed.run);
        if !records.is_empty() {
            self.store.put(&names.rejects(first), RejectRecord::encode(records)?).await?;
            self.count_rejects(first, records);
        }
        if let Some(keys) = carried {
            let bytes = crate::store::encode(keys.schema(), &[keys], crate::store::Codec::Fingerprints);
            self.store.put(&names.carried(first), bytes.map_err(ArrowError::from)?).await?;
            self.exceptions.carried.push(first);
        }
        if !absent.is_empty() {
            let batch = RecordBatch::try_from_iter([(KEY_HASH, Arc::new(hash_column(absent)) as _)])?;
            let bytes = crate::store::encode(batch.schema(), &[batch], crate::store::Codec::Fingerprints);
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

    pub(super) fn finish(self) -> (Exceptions, Vec<RejectRecord>) {
        (self.exceptions, self.samples)
    }
}

/// The key of a row (or of a batch of keys) as a JSON object.
pub(crate) fn key_text(rows: &RecordBatch, row: usize, shape: &Shape) -> String {
    let mut out = String::from("{");
    for column in shape.key_columns() {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(column.name.as_str()).to_string());
        out.push(':');
        let rendered = match rows.column_by_name(&column.name) {
            Some(array) => json::append(&mut out, array, row, &column.value).is_ok(),
            None => false,
        };
        if !rendered {
            out.push_str("null");
        }
    }
    out.push('}');
    out
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
