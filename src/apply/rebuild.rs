//! All changes of a sealed run at once, by a target that builds the table anew.

use super::{ApplyError, Job, pieces::Gathered, unit::Unit};
use crate::{
    point::Point,
    store::{Commit, StoreError},
};
use async_trait::async_trait;
use hydrant_contract::{Batch, Changes, Checkpoint, ErrorKind, Freshness, TableSpec, TargetError};
use std::sync::Arc;

/// Rows that are handed over at a time. They go into one transaction anyway: this only bounds memory.
const ROWS: usize = 20_000;

impl Job<'_> {
    /// Has the target build the table anew. Returns why it is as it was, if so: then the changes are to be applied in batches.
    ///
    /// Where the answer to the commit is lost, the table may have been built, too. Batches then leave the same rows.
    pub(super) async fn rebuild(&self, spec: &Arc<TableSpec>) -> Result<Result<(), String>, ApplyError> {
        let total = self.sealed.changes.total();
        // Behind the last change from the first moment: whoever goes on from here has only freshness to write.
        let checkpoint = Checkpoint {
            sync: self.sealed.sync.clone(),
            run: self.sealed.run,
            epoch: self.epoch,
            batch: 1,
            first_change: total,
            next_change: total,
        };
        let mut last = Batch::empty(spec.clone(), checkpoint.clone(), self.sealed.as_of);
        if self.sealed.fresh {
            last.freshness = Some(Freshness { as_of: self.sealed.as_of, rows: self.sealed.export.rows() });
        }
        let pieces = Gathered::new(self.pieces(0).await?);
        let mut changes = Sealed { job: self, spec, checkpoint, pieces, done: 0, failed: None };
        (self.reached)(Point::Sending);
        let built = tokio::select! {
            biased;
            () = self.lease_lost.cancelled() => return Err(ApplyError::LeaseLost),
            // It may take minutes, and what is not done yet is undone by the server.
            () = self.stop.cancelled() => return Err(ApplyError::Stopped),
            built = self.target.rebuild(&last, &mut changes) => built,
        };
        if let Some(failed) = changes.failed {
            return Err(failed);
        }
        match built {
            Ok(()) => {
                (self.reached)(Point::Committed);
                (self.progress)(total, total);
                Ok(Ok(()))
            }
            Err(error) if error.kind() == ErrorKind::Fenced => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

/// The changes of a sealed run, read while they are written.
struct Sealed<'j> {
    job: &'j Job<'j>,
    spec: &'j Arc<TableSpec>,
    checkpoint: Checkpoint,
    pieces: Gathered,
    done: u64,
    /// Why the store could not supply them.
    failed: Option<ApplyError>,
}

impl Sealed<'_> {
    async fn read(&mut self) -> Result<Option<Batch>, ApplyError> {
        let total = self.job.sealed.changes.total();
        let gathered = self.pieces.next(ROWS).await?;
        if gathered.is_empty() && self.done < total {
            let seal = self.job.store.names().manifest(self.job.sealed.run, Commit::Sealed);
            let message = format!("it promises {total} changes, but its files hold {}", self.done);
            return Err(StoreError::corrupt(&seal, message).into());
        }
        if gathered.is_empty() {
            return Ok(None);
        }
        let unit = Unit::new(self.spec, self.checkpoint.clone(), self.job.sealed.as_of, &gathered)?;
        self.done += unit.batch.len() as u64;
        (self.job.progress)(self.done, total);
        Ok(Some(unit.batch))
    }
}

#[async_trait]
impl Changes for Sealed<'_> {
    async fn next(&mut self) -> hydrant_contract::Result<Option<Batch>> {
        self.read().await.map_err(|error| {
            let said =
                TargetError::new(ErrorKind::Broken, "reading the changes of the run", error.to_string());
            self.failed = Some(error);
            said
        })
    }
}
