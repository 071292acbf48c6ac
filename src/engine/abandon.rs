//! Giving a sealed run up: what it may have changed is unknown from then on, so that the next run sends it again.

use super::{Env, Failure, Held, RunError, RunOptions, run::under_lease};
use crate::{
    apply::{pick, read_bitmap},
    fingerprint::{Fingerprinter, UNKNOWN_ROW},
    point::Point,
    store::{
        Abandoned, Bucket, Codec, Commit, FORMAT, History, Part, ProcessId, Sealed, StoreError, encode,
        fingerprint_batch, read_all,
    },
    sync::SyncSpec,
};
use arrow::array::RecordBatch;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;

/// A run that was abandoned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AbandonReport {
    /// The sync.
    pub sync: String,
    /// The run.
    pub run: u64,
    /// Rows of which it is not known now what the target holds; the next run sends them, or deletes them, again.
    pub unknown: u64,
    /// The run's files could not be read: nothing is known of any row, and the next run sends all of them.
    pub lost: bool,
    /// When.
    pub abandoned_at: DateTime<Utc>,
}

/// Gives a sealed run up. Neither source nor target is touched, since one of them may be the reason.
pub async fn abandon(env: &Env, sync: &SyncSpec, run: u64) -> Result<AbandonReport, RunError> {
    under_lease(env, sync, RunOptions::default(), async |held| held.abandon(run).await).await
}

impl Held<'_> {
    async fn abandon(&mut self, run: u64) -> Result<AbandonReport, Failure> {
        let history = self.take_over().await?;
        let Some(sealed) = history.pending.filter(|sealed| sealed.run == run) else {
            let pending = History::load(&self.env.store).await?.pending.map(|sealed| sealed.run);
            return Err(Failure::NotPending { run, pending });
        };
        let (keys, lost) = match self.write_keys(&sealed).await {
            Ok(keys) => (keys, false),
            // Its own files are gone or damaged; that may be why it is abandoned.
            Err(error) if error.is_missing() || matches!(error, StoreError::Corrupt { .. }) => {
                tracing::warn!(%error, run, "what the run has changed cannot be told");
                (Vec::new(), true)
            }
            Err(error) => return Err(error.into()),
        };
        self.reached(Point::Abandoning);
        self.go_on()?;
        let abandoned = Abandoned {
            format: FORMAT,
            sync: sealed.sync.clone(),
            run,
            epoch: self.epoch(),
            abandoned_at: self.env.clock.now(),
            by: ProcessId::current(),
            keys,
            lost,
        };
        self.env.store.create(&self.env.store.names().manifest(run, Commit::Abandoned), &abandoned).await?;
        Ok(AbandonReport {
            sync: sealed.sync,
            run,
            unknown: abandoned.keys.iter().map(|part| part.rows).sum(),
            lost,
            abandoned_at: abandoned.abandoned_at,
        })
    }

    /// Writes down every key that the change set names, and where.
    async fn write_keys(&self, sealed: &Sealed) -> Result<Vec<Part>, StoreError> {
        let store = &self.env.store;
        let names = store.names().run(sealed.run);
        let mut parts = Vec::new();
        for part in &sealed.changes.deletes_parts {
            let path = names.deletes_part(part.number);
            let batch = read_all(store.get(&path).await?).map_err(|e| StoreError::corrupt(&path, e))?;
            let bucket = Bucket::from_batch(&batch, &sealed.spec.shape.key_schema(), &path)?;
            parts.push(self.write_part(sealed, parts.len(), &bucket.hashes, &bucket.keys).await?);
        }
        let changed =
            read_bitmap(store, &names.inserts()).await? | read_bitmap(store, &names.updates()).await?;
        let shape = &sealed.spec.shape;
        let mut fingerprinter = Fingerprinter::new(shape);
        let picked = pick(store.clone(), names.clone(), &sealed.export, changed, shape.schema());
        let mut picked = std::pin::pin!(picked);
        let mut prints = crate::fingerprint::Fingerprints::default();
        while let Some(rows) = picked.try_next().await? {
            let corrupt = |e: &dyn std::fmt::Display| StoreError::corrupt(&names.export_part(0), e);
            fingerprinter.hash(&rows.rows, &mut prints).map_err(|e| corrupt(&e))?;
            let keys = rows.rows.project(&shape.key_positions()).map_err(|e| corrupt(&e))?;
            let keys = RecordBatch::try_new(shape.key_schema(), keys.columns().to_vec());
            let keys = keys.map_err(|e| corrupt(&e))?;
            parts.push(self.write_part(sealed, parts.len(), &prints.keys, &keys).await?);
        }
        Ok(parts)
    }

    async fn write_part(
        &self,
        sealed: &Sealed,
        number: usize,
        hashes: &[u128],
        keys: &RecordBatch,
    ) -> Result<Part, StoreError> {
        let path = self.env.store.names().run(sealed.run).unknown_part(number);
        let batch = fingerprint_batch(hashes, &vec![UNKNOWN_ROW; hashes.len()], keys)
            .map_err(|e| StoreError::corrupt(&path, e))?;
        let bytes = encode(batch.schema(), &[batch], Codec::Fingerprints)
            .map_err(|e| StoreError::corrupt(&path, e))?;
        let size = bytes.len() as u64;
        self.env.store.put(&path, bytes).await?;
        Ok(Part { number, rows: hashes.len() as u64, bytes: size })
    }
}
