//! The rows of the files, and the end of the files.

use super::{
    Form, Outcome, form,
    job::{Batches, Job, Written, broken},
    object::Object,
};
use crate::source::{SourceError, SourceErrorKind};
use arrow::{array::RecordBatch, datatypes::SchemaRef, record_batch::RecordBatchOptions};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{ParquetRecordBatchStreamBuilder, async_reader::ParquetRecordBatchStream},
    errors::ParquetError,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a batch should have at most, in bytes and rows: rows of a kilobyte come a few thousand at a time, documents one by one.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_ROWS: usize = 8192;

/// Files that are removed at the same time.
const REMOVED_AT_ONCE: usize = 8;

impl Job {
    /// The rows of the files, one file after the other, and then the end of the files.
    pub(super) fn read(self, written: Written) -> Batches {
        let job = Arc::new(self);
        let read = Arc::new(AtomicU64::new(0));
        let rows = {
            let (job, read) = (job.clone(), read.clone());
            stream::iter(written.files.clone())
                .then(move |file| job.clone().open(file))
                .try_flatten()
                .inspect_ok(move |batch| {
                    read.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                })
        };
        let last = async move { job.finish(written, read.load(Ordering::Relaxed)).await };
        // `Ok(())` becomes nothing, an error the last item.
        let last = stream::once(last).filter_map(async |done| done.err().map(Err));
        rows.chain(last).boxed()
    }

    async fn open(self: Arc<Self>, file: ObjectMeta) -> Result<Batches, SourceError> {
        let path = file.location.clone();
        let rows = self.rows_of(file).await.map_err(|error| self.parquet(&path, &error))?;
        // By their names: a warehouse may order columns as it likes.
        let positions = self.positions(&path, rows.schema())?;
        let restored = rows.map(move |batch| {
            let batch = batch.map_err(|error| self.parquet(&path, &error))?;
            self.restore(&path, &batch, &positions)
        });
        Ok(restored.boxed())
    }

    async fn rows_of(&self, meta: ObjectMeta) -> Result<ParquetRecordBatchStream<Object>, ParquetError> {
        let object = Object { store: self.into.objects.clone(), meta };
        let builder = ParquetRecordBatchStreamBuilder::new(object).await?;
        let groups = builder.metadata().row_groups();
        let total: usize = groups.iter().map(|g| usize::try_from(g.total_byte_size()).unwrap_or(0)).sum();
        let rows: usize = groups.iter().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
        let batch_rows = (BATCH_BYTES.saturating_mul(rows.max(1)) / total.max(1)).clamp(1, BATCH_ROWS);
        builder.with_batch_size(batch_rows).build()
    }

    /// Where the described columns are in a file.
    fn positions(&self, path: &Path, file: &SchemaRef) -> Result<Vec<usize>, SourceError> {
        let wanted: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let found: Vec<_> = wanted
            .iter()
            .filter_map(|name| file.fields().iter().position(|field| field.name() == name))
            .collect();
        if found.len() == wanted.len() && file.fields().len() == wanted.len() {
            return Ok(found);
        }
        let names: Vec<&str> = file.fields().iter().map(|field| field.name().as_str()).collect();
        Err(broken(format!(
            "{path}, which the source wrote, has the columns {}, and the model has {}",
            names.join(", "),
            wanted.join(", ")
        )))
    }

    fn restore(
        &self,
        path: &Path,
        batch: &RecordBatch,
        positions: &[usize],
    ) -> Result<RecordBatch, SourceError> {
        let mut columns = Vec::with_capacity(positions.len());
        for ((field, form), at) in self.schema.fields().iter().zip(&self.recipe.forms).zip(positions) {
            let restored = form::restore(*form, batch.column(*at), field.data_type());
            columns.push(restored.map_err(|what| self.column(path, field.name(), *form, &what))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| data(path, &error))
    }

    /// Counts, and removes the files.
    async fn finish(&self, written: Written, read: u64) -> Result<(), SourceError> {
        if let Some(rows) = written.rows.filter(|rows| *rows != read) {
            return Err(broken(format!(
                "the source says that it has unloaded {rows} rows, and the files in {} hold {read}",
                self.into.show()
            )));
        }
        let (files, bytes) = (written.files.len() as u64, written.files.iter().map(|file| file.size).sum());
        let removed = written.files.into_iter().map(|file| file.location).chain(written.others);
        let objects = &self.into.objects;
        stream::iter(removed)
            .for_each_concurrent(REMOVED_AT_ONCE, async |path| match objects.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                // It does no harm where it lies, and goes with the run.
                Err(error) => tracing::warn!(%error, %path, "what was unloaded is left in the store"),
            })
            .await;
        if let Some(folder) = self.into.local() {
            // As little as it would matter if it stayed.
            let _ = tokio::fs::remove_dir(&folder).await;
        }
        let _ = self.outcome.set(Outcome::Read { files, bytes });
        Ok(())
    }

    fn column(&self, path: &Path, column: &str, form: Form, what: &str) -> SourceError {
        tracing::debug!(?form, column, "a column of an unloaded file does not fit");
        SourceError {
            kind: SourceErrorKind::Data,
            message: format!(
                "{path}, which the source wrote, cannot be used: the column {column} {what}; cast it in the model, or take `unload` away"
            ),
            position: None,
        }
    }

    fn parquet(&self, path: &Path, error: &ParquetError) -> SourceError {
        match error {
            ParquetError::External(cause) => match cause.downcast_ref::<object_store::Error>() {
                Some(cause) => self.storage("reading", path, cause),
                None => data(path, error),
            },
            _ => data(path, error),
        }
    }
}

fn data(path: &Path, error: &dyn std::fmt::Display) -> SourceError {
    SourceError {
        kind: SourceErrorKind::Data,
        message: format!("{path}, which the source wrote, cannot be read: {error}"),
        position: None,
    }
}
