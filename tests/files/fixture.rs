//! A folder of files that a test makes, and a source over it.

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
    util::pretty::pretty_format_batches,
};
use futures::StreamExt;
use hydrant::{
    config::{FileFormat, FileTable, FilesSpec, Location},
    source::{Model, Source, SourceError, files::FilesSource},
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use std::{fs::File, path::PathBuf, sync::Arc};
use tempfile::TempDir;

pub(crate) struct Fixture {
    folder: TempDir,
    spec: FilesSpec,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), spec: FilesSpec::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Writes a file, and the folders that it needs.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn parquet(&self, name: &str, batches: &[RecordBatch]) {
        self.write(name, parquet_bytes(batches, 1 << 20));
    }

    /// Declares a table.
    pub(crate) fn table(mut self, name: &str, location: &str) -> Self {
        self.declare(name, location, None);
        self
    }

    pub(crate) fn declare(&mut self, name: &str, location: &str, format: Option<FileFormat>) {
        let location = match location.contains("://") {
            true => Location::Url(location.to_owned()),
            false => Location::Local(self.path(location)),
        };
        self.spec.tables.insert(name.to_owned(), FileTable { location, format });
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.spec.options.insert(name.to_owned(), hydrant::secret::Secret::new(value));
        self
    }

    pub(crate) fn try_source(&self) -> Result<FilesSource, SourceError> {
        FilesSource::new(&self.spec)
    }

    pub(crate) fn source(&self) -> FilesSource {
        self.try_source().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The rows of a query, drawn as a table; what `describe` says must be what comes.
    pub(crate) async fn show(&self, sql: &str) -> String {
        let (schema, batches) = self.rows(sql).await;
        let described = self.source().describe(&model(sql)).await.unwrap();
        assert_eq!(described, schema, "described and delivered");
        for batch in &batches {
            assert_eq!(batch.schema(), schema, "delivered and declared");
        }
        pretty_format_batches(&batches).unwrap().to_string()
    }

    pub(crate) async fn rows(&self, sql: &str) -> (SchemaRef, Vec<RecordBatch>) {
        let rows = self.source().open(&model(sql)).await.unwrap_or_else(|error| panic!("{error}"));
        let batches =
            rows.batches.map(|batch| batch.unwrap_or_else(|error| panic!("{error}"))).collect().await;
        (rows.schema, batches)
    }

    /// The columns of a query, with their types.
    pub(crate) async fn types(&self, sql: &str) -> String {
        let schema = self.source().describe(&model(sql)).await.unwrap_or_else(|error| panic!("{error}"));
        schema
            .fields()
            .iter()
            .map(|f| format!("{}: {}", f.name(), f.data_type()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The error of a query, wherever it comes up, and how many rows came before it.
    pub(crate) async fn failure(&self, sql: &str) -> (SourceError, usize) {
        let mut batches = match self.source().open(&model(sql)).await {
            Ok(rows) => rows.batches,
            Err(error) => return (error, 0),
        };
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => rows += batch.num_rows(),
                Err(error) => {
                    assert!(batches.next().await.is_none(), "the stream ends after its first error");
                    return (error, rows);
                }
            }
        }
        panic!("no error, but {rows} rows");
    }

    /// The kind and text of the error of a query, with the test's folder cut out.
    pub(crate) async fn refusal(&self, sql: &str) -> String {
        let (error, _) = self.failure(sql).await;
        format!("{:?}: {}", error.kind, self.without_folder(&error.message))
    }

    pub(crate) fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path("").display().to_string().trim_end_matches('/')), "")
    }
}

pub(crate) fn model(sql: &str) -> Model {
    Model { sql: sql.to_owned(), ..Model::default() }
}

/// Rows with an `id` from a range and a `name` made of it.
pub(crate) fn people(ids: std::ops::Range<i64>) -> RecordBatch {
    let names: StringArray = ids.clone().map(|id| Some(format!("name {id}"))).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef),
        ("name", Arc::new(names) as ArrayRef),
    ])
    .unwrap()
}

pub(crate) fn parquet_bytes(batches: &[RecordBatch], row_group_rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// Writes many rows without holding them: `id` from 0, and a text and a number made of it.
pub(crate) fn write_large_parquet(path: &std::path::Path, rows: i64, row_group_rows: usize) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_dictionary_enabled(false)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), people(0..1).schema(), Some(properties)).unwrap();
    for start in (0..rows).step_by(50_000) {
        writer.write(&people(start..rows.min(start + 50_000))).unwrap();
    }
    writer.close().unwrap();
}

/// The values of an integer column.
pub(crate) fn integers(batches: &[RecordBatch], column: &str) -> Vec<i64> {
    let values = |batch: &RecordBatch| {
        let array = batch.column_by_name(column).unwrap().clone();
        array.as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
    };
    batches.iter().flat_map(values).collect()
}
