//! Giving a sealed run up: what it may have changed is unknown from then on, so that the next run sends it again.

use super::{Env, Failure, Held, RunError, run::aside};
use crate::{
    apply::{pick, read_bitmap},
    fingerprint::{Fingerprinter, UNKNOWN_ROW},
    point::Point,
    store::{
        Abandoned, Bucket, Codec, Commit, FORMAT, Part, ProcessId, Sealed, StoreError, encode,
        fingerprint_batch, read_all,
    },
    sync::SyncSpec,
};
use arrow::array::RecordBatch;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use serde::Serialize;

/// A run that was abandoned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AbandonReport {
    /// The sync.
    pub sync: String,
    /// The run.
    pub run: u64,
    /// The last published run, which the next one is compared with.
    pub published: Option<u64>,
    /// Rows of which it is not known now what the target holds; the next run sends them, or deletes them, again.
    pub unknown: u64,
    /// The run's files could not be read: nothing is known of any row, and the next run sends all of them.
    pub lost: bool,
    /// When.
    pub abandoned_at: DateTime<Utc>,
}

/// Gives a sealed run up. Neither source nor target is touched, since one of them may be the reason.
pub async fn abandon(env: &Env, sync: &SyncSpec, run: u64) -> Result<AbandonReport, RunError> {
    aside(env, sync, move |held| Box::pin(held.abandon(run))).await
}

impl Held<'_> {
    async fn abandon(&mut self, run: u64) -> Result<AbandonReport, Failure> {
        let history = self.take_over().await?;
        let published = history.published.map(|(sealed, _)| sealed.run);
        let sealed = match history.pending {
            Some(sealed) if sealed.run == run => sealed,
            other => return Err(Failure::NotPending { run, pending: other.map(|sealed| sealed.run) }),
        };
        let keys = self.keys(&sealed).await?;
        let lost = keys.is_none();
        let keys = keys.unwrap_or_default();
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
            published,
            unknown: abandoned.keys.iter().map(|part| part.rows).sum(),
            lost,
            abandoned_at: abandoned.abandoned_at,
        })
    }

    /// Writes down every key that the run may have changed, and where; none if that cannot be told. Its own files may be
    /// gone or damaged: that may be why it is abandoned.
    async fn keys(&self, sealed: &Sealed) -> Result<Option<Vec<Part>>, Failure> {
        let unreadable =
            |error: &StoreError| error.is_missing() || matches!(error, StoreError::Corrupt { .. });
        match self.write_changed(sealed).await {
            Err(error) if unreadable(&error) => {
                tracing::warn!(%error, run = sealed.run, "which rows the run has changed cannot be told");
            }
            written => return Ok(Some(written?)),
        }
        match self.write_all(sealed).await {
            Err(error) if unreadable(&error) => {
                tracing::warn!(%error, run = sealed.run, "nor which rows it knew");
                Ok(None)
            }
            written => Ok(Some(written?)),
        }
    }

    /// Keys that left the query.
    async fn write_deletes(&self, sealed: &Sealed) -> Result<Vec<Part>, StoreError> {
        let names = self.env.store.names().run(sealed.run);
        let mut parts = Vec::new();
        for part in &sealed.changes.deletes_parts {
            let bucket = self.stored_keys(sealed, &names.deletes_part(part.number)).await?;
            parts.push(self.write_part(sealed, parts.len(), &bucket.hashes, &bucket.keys).await?);
        }
        Ok(parts)
    }

    /// Every key of the run's index, and those that left the query: more than it has changed, but nothing less.
    async fn write_all(&self, sealed: &Sealed) -> Result<Vec<Part>, StoreError> {
        let names = self.env.store.names().run(sealed.run);
        let mut parts = self.write_deletes(sealed).await?;
        for part in &sealed.index.buckets {
            let bucket = self.stored_keys(sealed, &names.index_bucket(part.number)).await?;
            parts.push(self.write_part(sealed, parts.len(), &bucket.hashes, &bucket.keys).await?);
        }
        Ok(parts)
    }

    async fn stored_keys(&self, sealed: &Sealed, path: &Path) -> Result<Bucket, StoreError> {
        let batch = read_all(self.env.store.get(path).await?).map_err(|e| StoreError::corrupt(path, e))?;
        Bucket::from_batch(&batch, &sealed.spec.shape.key_schema(), path)
    }

    /// Every key that the change set names.
    async fn write_changed(&self, sealed: &Sealed) -> Result<Vec<Part>, StoreError> {
        let store = &self.env.store;
        let names = store.names().run(sealed.run);
        let mut parts = self.write_deletes(sealed).await?;
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
