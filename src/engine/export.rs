//! Export and fingerprint: the model's rows pass, and are hashed while they do. Where they go is [`keep`](super::keep)'s.

use super::{
    Env, Failure,
    ahead::Ahead,
    keep::Keep,
    screen::{Screen, Screened},
};
use crate::{
    apply::shown::key_text,
    fingerprint::{Fingerprinter, Fingerprints, UNKNOWN_ROW},
    mend::Mended,
    source::Rows,
    spill::{Fingerprinted, Spill},
    store::{RejectRecord, StoreError},
    sync::{NullKeys, SyncSpec},
};
use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};
use hydrant_contract::Shape;

/// Rows that are refused in an export; with more the run fails, whatever its ceiling: they are held in memory.
pub(super) const REFUSED_MAX: usize = 100_000;
/// Examples that an error names.
pub(super) const NAMED: usize = 10;

/// What has passed.
pub(super) struct Exported<K> {
    /// What has become of the rows.
    pub(super) kept: K,
    pub(super) fingerprints: Fingerprinted,
    /// Rows that were refused, in their order.
    pub(super) refused: Vec<RejectRecord>,
    /// Values that are not the source's.
    pub(super) mended: Mended,
}

/// Lets all rows pass; `keep` takes them.
pub(super) async fn export<K: Keep>(
    env: &Env,
    sync: &SyncSpec,
    rows: Rows,
    mut screen: Screen<'_>,
    mut keep: K,
    lost: &tokio_util::sync::CancellationToken,
) -> Result<Exported<K::Kept>, Failure> {
    let shape = screen.shape();
    let mut prints = Prints {
        fingerprinter: Fingerprinter::new(shape),
        spill: Spill::new(shape.key_schema(), env.memory_bytes, &env.scratch),
        shape,
        sync,
        seen: 0,
        refused_count: 0,
        refused: Vec::new(),
        keyless_count: 0,
        keyless: Vec::new(),
    };
    let mut ahead = Ahead::new(rows, env, lost);
    while let Some(batch) = ahead.next().await? {
        let screened = screen.pass(&batch)?;
        prints.add(&screened)?;
        keep.add(screened.rows).await?;
        env.observer.exported(&sync.name, prints.seen);
    }
    prints.judge()?;
    Ok(Exported {
        kept: keep.finish().await?,
        fingerprints: prints.spill.finish()?,
        refused: prints.refused,
        mended: screen.mended,
    })
}

/// Fingerprints the rows that pass.
struct Prints<'a> {
    fingerprinter: Fingerprinter,
    spill: Spill,
    shape: &'a Shape,
    sync: &'a SyncSpec,
    seen: u64,
    refused_count: u64,
    refused: Vec<RejectRecord>,
    /// Rows whose NULL key fails the run, and the first of them in words.
    keyless_count: u64,
    keyless: Vec<String>,
}

impl Prints<'_> {
    fn add(&mut self, screened: &Screened) -> Result<(), Failure> {
        let Screened { rows: batch, refused, unreadable } = screened;
        let mut prints = Fingerprints::default();
        self.fingerprinter.hash(batch, &mut prints).map_err(StoreError::memory)?;
        let first = self.seen;
        self.seen += batch.num_rows() as u64;
        let keys = batch.project(&self.shape.key_positions()).map_err(StoreError::memory)?;
        for (row, record) in refused {
            let has_key = u32::try_from(*row).is_ok_and(|row| prints.null_keys.binary_search(&row).is_err());
            // It is there and stays there, whatever it holds.
            prints.rows[*row] = UNKNOWN_ROW;
            self.refuse(RejectRecord { hash: has_key.then(|| prints.keys[*row]), ..record.clone() });
        }
        for row in unreadable {
            prints.rows[*row] = UNKNOWN_ROW;
        }
        if prints.null_keys.is_empty() {
            let keys = RecordBatch::try_new(self.shape.key_schema(), keys.columns().to_vec())
                .map_err(StoreError::memory)?;
            return Ok(self.spill.push(&prints.keys, &prints.rows, first..self.seen, keys)?);
        }
        for row in prints.null_keys.iter().filter(|row| !refused.contains_key(&(**row as usize))) {
            self.null_key(batch, *row as usize, first + u64::from(*row));
        }
        let good: Vec<u32> =
            (0..batch.num_rows() as u32).filter(|row| prints.null_keys.binary_search(row).is_err()).collect();
        let pick = |row: &u32| *row as usize;
        let hashes: Vec<u128> = good.iter().map(|row| prints.keys[pick(row)]).collect();
        let rows: Vec<u64> = good.iter().map(|row| prints.rows[pick(row)]).collect();
        let positions: Vec<u64> = good.iter().map(|row| first + u64::from(*row)).collect();
        let keys = take_record_batch(&keys, &UInt32Array::from(good)).map_err(StoreError::memory)?;
        let keys = RecordBatch::try_new(self.shape.key_schema(), keys.columns().to_vec())
            .map_err(StoreError::memory)?;
        Ok(self.spill.push(&hashes, &rows, positions, keys)?)
    }

    fn null_key(&mut self, batch: &RecordBatch, row: usize, position: u64) {
        let key = key_text(batch, row, self.shape, &self.sync.redact);
        match self.sync.null_keys {
            NullKeys::Error => {
                self.keyless_count += 1;
                if self.keyless.len() < NAMED {
                    self.keyless.push(format!("row {} {key}", position + 1));
                }
            }
            NullKeys::Reject => self.refuse(RejectRecord {
                key,
                position: Some(position),
                reason: "a key column is NULL".to_owned(),
                ..RejectRecord::default()
            }),
        }
    }

    fn refuse(&mut self, record: RejectRecord) {
        self.refused_count += 1;
        // With more than these the run fails.
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(record);
        }
    }

    /// A failure if there are too many rows that cannot be sent.
    fn judge(&mut self) -> Result<(), Failure> {
        if self.keyless_count > 0 {
            let rows = std::mem::take(&mut self.keyless);
            return Err(Failure::NullKeys { count: self.keyless_count, rows });
        }
        let ceiling = self.sync.rejects.of(self.seen).min(REFUSED_MAX as u64);
        if self.refused_count > ceiling {
            let first = self.refused.first().map_or_else(String::new, RejectRecord::in_words);
            return Err(Failure::TooManyRejects { rejected: self.refused_count, ceiling, first });
        }
        // The batches' own order is by cause.
        self.refused.sort_by_key(|record| record.position);
        Ok(())
    }
}

/// Runs work for a core off the threads that wait. `path` is what the work is about.
pub(super) async fn in_background<T: Send + 'static>(
    path: &object_store::path::Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::corrupt(path, e))?
}
