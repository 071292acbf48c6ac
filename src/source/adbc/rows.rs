//! The rows of a running query.

use super::{
    error::{Told, died},
    session::Sessions,
    worker::{Cancel, Guard, spawn},
};
use crate::source::{Model, Rows, SourceError};
use adbc_core::Statement;
use arrow::{
    array::{Array, RecordBatch, RecordBatchReader},
    datatypes::SchemaRef,
};
use futures::{StreamExt, stream};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many batches may be ready before they are wanted: the driver goes on while one is written, and no further.
const BATCHES_AHEAD: usize = 2;

/// Rows per batch at most. Some drivers hand over a quarter of a million at once, of which everything downstream would
/// make copies.
const BATCH_ROWS_MAX: usize = 16_384;

/// What the thread sends: batches, and at last that there are no more. Without that the thread has died.
type Sent = Result<Option<RecordBatch>, SourceError>;

/// Runs the model; see [`crate::source::Source::open`].
pub(super) async fn open(sessions: Arc<Sessions>, model: Model) -> Result<Rows, SourceError> {
    let cancel = Arc::new(Cancel::default());
    let guard = Guard::new(&cancel);
    let (ready, started) = oneshot::channel();
    let (send, receive) = mpsc::channel(BATCHES_AHEAD);
    spawn(move || run(&sessions, &model, &cancel, ready, &send))?;
    let schema = match started.await.unwrap_or_else(|_| Err(died())) {
        Ok(schema) => schema,
        Err(error) => {
            guard.done();
            return Err(error);
        }
    };
    let batches = stream::unfold(Some((receive, guard)), |state| async move {
        // Dropping the stream drops the guard, which cancels the query.
        let (mut receive, guard) = state?;
        match receive.recv().await {
            Some(Ok(Some(batch))) => Some((Ok(batch), Some((receive, guard)))),
            Some(Ok(None)) => {
                guard.done();
                None
            }
            Some(Err(error)) => {
                guard.done();
                Some((Err(error), None))
            }
            None => Some((Err(died()), None)),
        }
    });
    Ok(Rows { schema, batches: batches.boxed() })
}

/// The thread's work: it ends with the rows, with the first error, or when nobody takes them any more.
fn run(
    sessions: &Sessions,
    model: &Model,
    cancel: &Cancel,
    ready: oneshot::Sender<Result<SchemaRef, SourceError>>,
    send: &mpsc::Sender<Sent>,
) {
    let told = Told::of(sessions, "running the query").with(model, 0);
    let started = sessions.connect().and_then(|mut session| {
        let mut statement = session.statement(&model.sql, cancel, &told)?;
        let reader = statement.execute().map_err(|error| told.query(&error))?;
        Ok((session, statement, reader))
    });
    // Dropped from the last to the first: a reader needs its statement, and that its connection.
    let (_session, _statement, mut reader) = match started {
        Ok(started) => started,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(reader.schema())).is_err() {
        return;
    }
    for batch in reader.by_ref() {
        let batch = match batch.map_err(|error| told.reading(&error)).and_then(|batch| checked(batch, &told))
        {
            Ok(batch) => batch,
            Err(error) => {
                let _ = send.blocking_send(Err(error));
                return;
            }
        };
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = (batch.num_rows() - from).min(BATCH_ROWS_MAX);
            if send.blocking_send(Ok(Some(batch.slice(from, rows)))).is_err() {
                return;
            }
            from += rows;
        }
    }
    let _ = send.blocking_send(Ok(None));
}

/// What comes from a library is looked at before it is trusted: lengths, offsets, keys of dictionaries, and that text is
/// UTF-8, which everything that follows relies on.
fn checked(batch: RecordBatch, told: &Told<'_>) -> Result<RecordBatch, SourceError> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        column.to_data().validate_full().map_err(|error| told.invalid(field.name(), &error))?;
    }
    Ok(batch)
}
