//! The rows of a running query.

use super::{engine::Engine, error::data_error};
use crate::source::{SourceError, SourceErrorKind};
use arrow::record_batch::RecordBatch;
use datafusion::{
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        ExecutionPlan, ExecutionPlanProperties, execute_stream, stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many batches may be ready before they are wanted: the query goes on while a batch is written, and no further.
const BATCHES_AHEAD: usize = 2;

/// Begins a query; with `in_order`, the partitions of its plan (the parts of a UNION ALL) come one after the other rather
/// than as they are ready.
pub(super) fn begin(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    in_order: bool,
) -> Result<SendableRecordBatchStream, SourceError> {
    let partitions = plan.output_partitioning().partition_count();
    if !in_order || partitions <= 1 {
        return execute_stream(plan, context).map_err(|error| data_error(&error));
    }
    let schema = plan.schema();
    let parts =
        futures::stream::iter(0..partitions).map(move |part| plan.execute(part, Arc::clone(&context)));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, parts.try_flatten())))
}

/// Runs the query on the engine's threads, so that reading and whatever the caller does with the rows go on at the same
/// time.
///
/// It ends with the stream, after the first error, or when the stream is dropped.
pub(super) fn running(
    engine: Arc<Engine>,
    mut rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<RecordBatch, SourceError>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let task = engine.spawn(async move {
        while let Some(batch) = rows.next().await {
            let failed = batch.is_err();
            if sender.send(batch.map_err(|error| data_error(&error))).await.is_err() || failed {
                break;
            }
        }
    });
    // Dropping the task's set, with the stream that owns it, aborts the task.
    futures::stream::unfold(Some((receiver, task, engine)), |state| async move {
        let (mut receiver, mut task, engine) = state?;
        if let Some(batch) = receiver.recv().await {
            let failed = batch.is_err();
            return Some((batch, (!failed).then_some((receiver, task, engine))));
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
