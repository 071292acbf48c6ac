//! A source that works ahead in a task of its own, so that reading, hashing and writing overlap.

use super::{Env, Failure};
use crate::{
    source::{Rows, SourceError, SourceErrorKind},
    store::LeaseError,
};
use arrow::array::RecordBatch;
use futures::StreamExt;
use tokio::sync::mpsc::Receiver;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Batches that are read before they are wanted.
const BATCHES_AHEAD: usize = 2;

/// The rows of a source, being read. Dropping it ends the query.
pub(super) struct Ahead<'a> {
    batches: Receiver<Result<RecordBatch, SourceError>>,
    reader: Option<AbortOnDropHandle<()>>,
    env: &'a Env,
    lost: &'a CancellationToken,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(rows: Rows, env: &'a Env, lost: &'a CancellationToken) -> Self {
        let (send, batches) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
        let reader = tokio::spawn(async move {
            let mut batches = rows.batches;
            while let Some(batch) = batches.next().await {
                let failed = batch.is_err();
                if send.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { batches, reader: Some(AbortOnDropHandle::new(reader)), env, lost }
    }

    /// The next batch; none at the end. A failure if somebody asks to stop, or the lease is lost.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        let batch = tokio::select! {
            biased;
            () = self.env.stop.cancelled() => return Err(Failure::Stopped),
            () = self.lost.cancelled() => return Err(Failure::Lease(LeaseError::Lost(0))),
            batch = self.batches.recv() => batch,
        };
        if let Some(batch) = batch {
            return Ok(Some(batch?));
        }
        // The stream has ended, but it is complete only if the reader came to its end too: a reader that panicked must not
        // look like a query that returned fewer rows.
        if let Some(reader) = self.reader.take() {
            reader.await.map_err(|error| SourceError {
                kind: SourceErrorKind::Broken,
                message: format!("reading the source stopped in the middle: {error}"),
                position: None,
            })?;
        }
        Ok(None)
    }
}
