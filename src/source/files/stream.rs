//! The rows of a running query.

use super::error::data_error;
use crate::source::{SourceError, SourceErrorKind};
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, stream::BoxStream};
use tokio::{sync::mpsc, task::JoinSet};

/// How many batches may be ready before they are wanted: the query goes on while a batch is written, and no further.
const BATCHES_AHEAD: usize = 2;

/// Runs the query in a task of its own, so that reading and whatever the caller does with the rows go on at the same time.
///
/// The task ends with the stream, after the first error, or when the stream is dropped.
pub(super) fn running(
    mut rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<RecordBatch, SourceError>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(batch) = rows.next().await {
            let failed = batch.is_err();
            if sender.send(batch.map_err(|error| data_error(&error))).await.is_err() || failed {
                break;
            }
        }
    });
    // Dropping the set, with the stream that owns it, aborts the task.
    futures::stream::unfold(Some((receiver, task)), |state| async move {
        let (mut receiver, mut task) = state?;
        if let Some(batch) = receiver.recv().await {
            let failed = batch.is_err();
            return Some((batch, (!failed).then_some((receiver, task))));
        }
        // The channel is closed: by a task that came to the end of the rows, or by one that died on the way.
        match task.join_next().await {
            Some(Err(died)) => {
                let message = format!("running the query: the engine failed: {died}");
                Some((Err(SourceError { kind: SourceErrorKind::Broken, message, position: None }), None))
            }
            _ => None,
        }
    })
    .boxed()
}
