//! A declared table: its files, their common schema, and how the engine scans them.

use super::{
    error::data_error,
    format::Encoding,
    locate::Place,
    named::{Naming, named},
    schema::common_schema,
};
use crate::{
    config::{FileFormat as Declared, FileTable},
    object_storage::Storage,
    source::{SourceError, SourceErrorKind},
};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, Statistics, stats::Precision},
    datasource::{
        TableType,
        file_format::FileFormat,
        physical_plan::{FileGroup, FileScanConfigBuilder},
        table_schema::TableSchema,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::Expr,
    physical_plan::ExecutionPlan,
};
use datafusion_datasource::PartitionedFile;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use std::{fmt, sync::Arc};

/// How many files are looked into at the same time for their schema: hides the latency of object storage without being
/// throttled by it.
const FILES_AT_ONCE: usize = 8;

/// How much smaller text is when it is compressed, to tell a small table from a large one.
const COMPRESSION_GUESSED: usize = 5;

/// How long a value is in CSV and JSON, likewise.
const VALUE_BYTES_GUESSED: usize = 10;

/// A table of files whose schema is known.
pub(super) struct FilesTable {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    encoding: Encoding,
    reader: Arc<dyn FileFormat>,
    storage: ObjectStoreUrl,
    statistics: Statistics,
    naming: Naming,
}

impl FilesTable {
    /// Finds the table's files and reads their schemas; the rows are left for the query.
    pub(super) async fn open(
        name: &str,
        declared: &FileTable,
        place: &Place,
        storage: &Storage,
        url: ObjectStoreUrl,
        session: &dyn Session,
    ) -> Result<Self, SourceError> {
        let found = place.files(name, storage).await?;
        let show = |file: &ObjectMeta| storage.show(&file.location);
        let data = |message: String| SourceError {
            kind: SourceErrorKind::Data,
            message: format!("table {name}: {message}"),
            position: None,
        };
        let (encoding, files) = one_encoding(declared.format, place, found, storage).map_err(data)?;
        // No bytes are no Parquet and no header; files without a record are common where JSON is written.
        if encoding.format != Declared::Json
            && let Some(empty) = files.iter().find(|file| file.size == 0)
        {
            return Err(data(format!("{} is empty: its writer may have died", show(empty))));
        }
        let reader = encoding.reader();
        let mut naming =
            Naming { table: name.into(), storage: storage.clone(), schema: Arc::new(Schema::empty()) };
        let looking: Vec<_> = files.iter().map(|file| schema_of(&reader, file, &naming, session)).collect();
        let schemas: Vec<SchemaRef> =
            futures::stream::iter(looking).buffered(FILES_AT_ONCE).try_collect().await?;
        let shown: Vec<String> = files.iter().map(show).collect();
        let schema = common_schema(encoding.format, &shown, &schemas).map_err(data)?;
        if schema.fields().is_empty() {
            return Err(data("its files have no columns".to_owned()));
        }
        naming.schema = Arc::clone(&schema);
        let looking: Vec<_> =
            files.iter().map(|file| statistics_of(&reader, encoding, file, &naming, session)).collect();
        let statistics: Vec<Statistics> =
            futures::stream::iter(looking).buffered(FILES_AT_ONCE).try_collect().await?;
        let total =
            Statistics::try_merge_iter(statistics.iter(), &schema).map_err(|error| data_error(&error))?;
        let files = files.into_iter().map(PartitionedFile::new_from_meta);
        Ok(Self { schema, files: files.collect(), encoding, reader, storage: url, statistics: total, naming })
    }
}

async fn schema_of(
    reader: &Arc<dyn FileFormat>,
    file: &ObjectMeta,
    naming: &Naming,
    session: &dyn Session,
) -> Result<SchemaRef, SourceError> {
    let schema = reader.infer_schema(session, &naming.storage.store, std::slice::from_ref(file)).await;
    schema.map_err(|error| data_error(&naming.put_on(error, &file.location)))
}

/// How many rows and bytes a file has, as far as it can be told without reading it: what decides which side of a join is
/// held in memory.
///
/// Only ever an estimate, also where a footer is exact: rows come from the data, and no answer from a writer's statistics,
/// which have been wrong before.
async fn statistics_of(
    reader: &Arc<dyn FileFormat>,
    encoding: Encoding,
    file: &ObjectMeta,
    naming: &Naming,
    session: &dyn Session,
) -> Result<Statistics, SourceError> {
    let schema = Arc::clone(&naming.schema);
    if encoding.format == Declared::Parquet {
        let statistics = reader.infer_stats(session, &naming.storage.store, schema, file).await;
        return match statistics {
            Ok(statistics) => Ok(statistics.to_inexact()),
            Err(error) => Err(data_error(&naming.put_on(error, &file.location))),
        };
    }
    let unpacked = if encoding.compression.is_compressed() { COMPRESSION_GUESSED } else { 1 };
    let bytes = usize::try_from(file.size).unwrap_or(usize::MAX).saturating_mul(unpacked);
    let rows = bytes / (schema.fields().len().max(1) * VALUE_BYTES_GUESSED);
    Ok(Statistics::new_unknown(&schema)
        .with_num_rows(Precision::Inexact(rows))
        .with_total_byte_size(Precision::Inexact(bytes)))
}

/// How the files are read: all of them alike.
fn one_encoding(
    declared: Option<Declared>,
    place: &Place,
    files: Vec<ObjectMeta>,
    storage: &Storage,
) -> Result<(Encoding, Vec<ObjectMeta>), String> {
    let show = |file: &ObjectMeta| storage.show(&file.location);
    let mut kept: Vec<(Encoding, ObjectMeta)> = Vec::with_capacity(files.len());
    let mut passed_over = None;
    for file in files {
        match Encoding::of(file.location.filename().unwrap_or_default(), declared) {
            Some(encoding) => kept.push((encoding, file)),
            // A folder may hold a README; what is named, or matches a pattern, is meant.
            None if place.is_folder(&file.location) => passed_over = Some(file),
            None => {
                return Err(format!(
                    "the ending of {} tells no format that is known (.parquet, .csv, .json, .jsonl, .ndjson; CSV and \
                     JSON also with .gz or .zst); declare it with `format:`",
                    show(&file)
                ));
            }
        }
    }
    let Some((encoding, first)) = kept.first().cloned() else {
        let other =
            passed_over.map_or_else(String::new, |file| format!(", only {} and the like", show(&file)));
        return Err(format!(
            "the folder has no Parquet, CSV or JSON file{other}; declare the format with `format:`"
        ));
    };
    if let Some((other, file)) = kept.iter().find(|(other, _)| *other != encoding) {
        return Err(format!(
            "its files are of different kinds: {} is {}, {} is {}; declare one table for each kind, with a pattern",
            show(&first),
            encoding.shown(),
            show(file),
            other.shown(),
        ));
    }
    Ok((encoding, kept.into_iter().map(|(_, file)| file).collect()))
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = self.reader.file_source(TableSchema::from(Arc::clone(&self.schema)));
        // With one partition this is one group, in the order of the files' names.
        let groups = FileGroup::new(self.files.clone()).split_files(session.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.storage.clone(), source)
            .with_file_groups(groups)
            .with_statistics(self.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_file_compression_type(self.encoding.compression)
            .build();
        let scan = self.reader.create_physical_plan(session, config).await?;
        // Only Parquet can be cut anywhere: a line break within quotes looks like the end of a record.
        let splits = self.encoding.format == Declared::Parquet;
        Ok(named(scan, splits, self.naming.clone()))
    }
}

impl fmt::Debug for FilesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesTable")
            .field("schema", &self.schema)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
