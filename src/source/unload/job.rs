//! The statement, and the files that it wrote.
//!
//! No row may be missing without being missed: an empty result would delete a table. So the folder must be empty before; every
//! file in it afterwards must be one that the statement writes; and the rows that were read must be as many as the warehouse says
//! it has written. Where it says nothing and there is no file, the model is streamed, which tells an empty result from a lost one.

use super::{
    Form, Outcome, Recipe, Staging, Warehouse, form,
    receipt::{self, Manifest, Receipt},
};
use crate::{
    object_storage::{StorageError, StorageErrorKind},
    source::{Model, Rows, SourceError, SourceErrorKind},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{ObjectMeta, ObjectStoreExt, path::Path};
use std::sync::{Arc, OnceLock};

pub(super) type Batches = BoxStream<'static, Result<RecordBatch, SourceError>>;

/// How the name of a file with rows ends.
const ENDING: &str = ".parquet";

/// Everything that it takes to unload one model.
pub(super) struct Job {
    pub(super) recipe: Recipe,
    pub(super) model: Model,
    /// The schema of the rows.
    pub(super) schema: SchemaRef,
    pub(super) into: Staging,
    pub(super) warehouse: Arc<dyn Warehouse>,
    pub(super) outcome: Arc<OnceLock<Outcome>>,
}

/// What the statement left in the folder.
pub(super) struct Written {
    pub(super) files: Vec<ObjectMeta>,
    /// Objects that are no files with rows.
    pub(super) others: Vec<Path>,
    /// How many rows the warehouse says are in the files.
    pub(super) rows: Option<u64>,
}

impl Job {
    /// The rows. Nothing is done before the first one is asked for.
    pub(super) fn rows(self) -> Batches {
        stream::once(self.begin()).try_flatten().boxed()
    }

    async fn begin(self) -> Result<Batches, SourceError> {
        self.prepare().await?;
        tracing::info!(into = self.into.show(), "the source unloads the model");
        let told = self.write().await?;
        let written = self.find(told).await?;
        if written.files.is_empty() && written.rows.is_none() {
            let because = "the statement wrote no file, and the source does not say how many rows there are";
            return self.stream(because).await;
        }
        Ok(self.read(written))
    }

    /// An empty folder.
    async fn prepare(&self) -> Result<(), SourceError> {
        if let Some(folder) = self.into.local() {
            tokio::fs::create_dir_all(&folder).await.map_err(|error| SourceError {
                kind: SourceErrorKind::Broken,
                message: format!("making the folder {} for unloaded rows: {error}", folder.display()),
                position: None,
            })?;
        }
        match self.list().await?.first() {
            None => Ok(()),
            Some(there) => Err(broken(format!(
                "there is {} before anything was unloaded: something else writes into the store's folders",
                there.location
            ))),
        }
    }

    /// Runs the statement. Returns how many rows it says it has written.
    async fn write(&self) -> Result<Option<u64>, SourceError> {
        let returned = self.warehouse.write(&self.recipe).await.map_err(|error| SourceError {
            message: format!("unloading into {}: {}", self.into.show(), error.message),
            // It would be one in the statement, which is not what people have written.
            position: None,
            ..error
        })?;
        match self.recipe.receipt {
            Receipt::Column(name) => match receipt::of_column(&returned, name) {
                Some(rows) => Ok(Some(rows)),
                None => Err(broken(format!(
                    "unloading into {}: the source does not say in {name} how many rows it has written",
                    self.into.show()
                ))),
            },
            Receipt::Manifest(_) | Receipt::None => Ok(None),
        }
    }

    /// The files, in the order of their names.
    async fn find(&self, told: Option<u64>) -> Result<Written, SourceError> {
        let (mut files, others): (Vec<_>, Vec<_>) =
            self.list().await?.into_iter().partition(|meta| meta.location.as_ref().ends_with(ENDING));
        files.sort_by(|a, b| a.location.cmp(&b.location));
        let others: Vec<Path> = others.into_iter().map(|meta| meta.location).collect();
        let rows = match self.recipe.receipt {
            Receipt::Manifest(name) => self.manifest(name, &files, &others).await?,
            Receipt::Column(_) | Receipt::None => told,
        };
        let known = |path: &&Path| matches!(self.recipe.receipt, Receipt::Manifest(name) if path.filename() == Some(name));
        if let Some(unknown) = others.iter().find(|path| !known(path)) {
            return Err(broken(format!("unloading has left {unknown}, which is no Parquet file")));
        }
        if let (true, Some(rows @ 1..)) = (files.is_empty(), rows) {
            return Err(SourceError {
                kind: SourceErrorKind::Missing,
                message: format!(
                    "the source says that it has unloaded {rows} rows, and there is no file in {}: does it write into another place?",
                    self.into.show()
                ),
                position: None,
            });
        }
        Ok(Written { files, others, rows })
    }

    /// The number of rows by a manifest, which must name these files and no others; `None` if there is neither.
    async fn manifest(
        &self,
        name: &str,
        files: &[ObjectMeta],
        others: &[Path],
    ) -> Result<Option<u64>, SourceError> {
        let Some(path) = others.iter().find(|path| path.filename() == Some(name)) else {
            return match files.is_empty() {
                true => Ok(None),
                false => Err(broken(format!("unloading into {} has left no {name}", self.into.show()))),
            };
        };
        let bytes = async { self.into.objects.get(path).await?.bytes().await };
        let bytes = bytes.await.map_err(|error| self.storage("reading the manifest of", path, &error))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| broken(format!("{path}, which the source wrote, cannot be read: {error}")))?;
        let found: Vec<_> = files.iter().filter_map(|file| file.location.filename()).collect();
        match manifest.names() == found {
            true => Ok(Some(manifest.rows())),
            false => Err(broken(format!(
                "the source says that it has unloaded {} files, and there are {} in {}",
                manifest.entries.len(),
                found.len(),
                self.into.show()
            ))),
        }
    }

    async fn list(&self) -> Result<Vec<ObjectMeta>, SourceError> {
        let Staging { objects, folder, .. } = &self.into;
        objects
            .list(Some(folder))
            .try_collect()
            .await
            .map_err(|error| self.storage("listing", folder, &error))
    }

    /// The model's rows, streamed after all.
    async fn stream(self, because: &'static str) -> Result<Batches, SourceError> {
        tracing::info!(because, "streamed");
        let Rows { batches, .. } = self.warehouse.open(&self.model).await?;
        let _ = self.outcome.set(Outcome::Streamed { because: because.to_owned() });
        // In the types that were promised, which say less of how values are sent.
        let promised = batches.map(move |batch| {
            let batch = batch?;
            let fields = self.schema.fields().iter().zip(batch.columns());
            let columns = fields.map(|(field, column)| {
                form::restore(Form::AsIs, column, field.data_type())
                    .map_err(|what| broken(format!("streaming: the column {} {what}", field.name())))
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            RecordBatch::try_new(self.schema.clone(), columns).map_err(|error| broken(error.to_string()))
        });
        Ok(promised.boxed())
    }

    pub(super) fn storage(&self, doing: &str, path: &Path, error: &object_store::Error) -> SourceError {
        let StorageError { kind, message } = StorageError::new(&format!("{doing} {path}"), error);
        SourceError { kind: kind_of(kind), message, position: None }
    }
}

pub(super) fn broken(message: String) -> SourceError {
    SourceError { kind: SourceErrorKind::Broken, message, position: None }
}

fn kind_of(kind: StorageErrorKind) -> SourceErrorKind {
    match kind {
        StorageErrorKind::Missing => SourceErrorKind::Missing,
        StorageErrorKind::Denied => SourceErrorKind::Denied,
        StorageErrorKind::Unreachable => SourceErrorKind::Unreachable,
        StorageErrorKind::Misconfigured | StorageErrorKind::Full | StorageErrorKind::Broken => {
            SourceErrorKind::Broken
        }
    }
}
