//! The next batch, made ready while the target writes the ones before.

use super::{
    ApplyError,
    pieces::{Gathered, Pieces},
    unit::Unit,
};
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use hydrant_contract::{Checkpoint, TableSpec};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// The changes that are left, to be made into batches.
pub(super) struct Preparation {
    changes: Gathered,
    spec: Arc<TableSpec>,
    as_of: DateTime<Utc>,
    /// Of the last batch.
    checkpoint: Checkpoint,
}

/// A batch in the making. Dropped, it is given up.
pub(super) struct UnderWay(AbortOnDropHandle<Result<(Preparation, Unit), ApplyError>>);

impl Preparation {
    /// All changes that are left after this checkpoint.
    pub(super) fn new(
        changes: Pieces,
        spec: Arc<TableSpec>,
        as_of: DateTime<Utc>,
        checkpoint: Checkpoint,
    ) -> Self {
        Self { changes: Gathered::new(changes), spec, as_of, checkpoint }
    }

    /// Begins with the next batch, of at most so many rows.
    pub(super) fn begin(mut self, rows: usize) -> UnderWay {
        UnderWay(AbortOnDropHandle::new(tokio::spawn(async move {
            let gathered = self.changes.next(rows).await?;
            let rows: usize = gathered.iter().map(|piece| piece.batch().num_rows()).sum();
            self.checkpoint.batch += 1;
            self.checkpoint.first_change = self.checkpoint.next_change;
            self.checkpoint.next_change += rows as u64;
            let (spec, as_of, checkpoint) = (self.spec.clone(), self.as_of, self.checkpoint.clone());
            // Rows are copied and keys are hashed: work for a core.
            let work = move || Unit::new(&spec, checkpoint, as_of, &gathered);
            let unit = tokio::task::spawn_blocking(work).await.map_err(StoreError::memory)??;
            Ok((self, unit))
        })))
    }
}

impl UnderWay {
    /// The batch, when it is ready; one without rows is the end. May be asked again if the answer was not waited for.
    pub(super) async fn ready(&mut self) -> Result<(Preparation, Unit), ApplyError> {
        (&mut self.0).await.map_err(StoreError::memory)?
    }
}
