//! Tables of files: SQL over Parquet, CSV and JSON, on disk or in object storage.
//!
//! What users need to know stands in `docs/sources/files.md`. The engine is DataFusion; here it is told which files a
//! table has ([`locate`]), how to read them ([`format`], [`schema`], [`table`]), what a model may do ([`query`]), and its
//! errors are put into words ([`query_error`] for the query, [`error`] for the data).

mod engine;
mod error;
mod format;
mod locate;
mod named;
mod pattern;
mod query;
mod query_error;
mod schema;
mod stream;
mod table;

use super::{About, Dialect, Model, Rows, Source, SourceError, SourceErrorKind, Staging, Unload};
use crate::{
    config::{FileTable, FilesSpec, Location},
    object_storage::{Storage, StorageError, connect},
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    execution::{
        SessionStateBuilder, TaskContext,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        object_store::ObjectStoreUrl,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    physical_plan::ExecutionPlan,
    prelude::{SessionConfig, SessionContext},
};
use engine::Engine;
use locate::Place;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::Arc,
    thread::available_parallelism,
};

/// Rows per batch: large enough that what is done once per batch costs nothing, small enough that a batch of wide rows
/// still fits a processor's cache.
const BATCH_ROWS: usize = 8192;

/// Memory for sorts, joins and aggregates if nobody says otherwise, in bytes: half of the 512 MB that a run shall stay
/// below.
const MEMORY_BYTES: u64 = 256 << 20;

/// The share of the memory that each sort keeps free for merging what it spilled: one in this many.
const SORT_RESERVE_PART: u64 = 8;

/// How many partitions at most a query that makes its own order is cut into. Each needs its share of the memory, and past
/// four the target, not the source, is what a run waits for.
const PARTITIONS_MAX: usize = 4;

/// Tables of files that queries run on.
///
/// Columns, tables and aliases are taken as they are written: upper and lower case count, quoted or not.
pub struct FilesSource {
    inner: Arc<Inner>,
    engine: Arc<Engine>,
}

/// What a query needs to know of its source.
#[derive(Clone)]
struct Inner {
    tables: BTreeMap<String, (FileTable, Place)>,
    /// Clients, by what names their bucket or the local disk.
    storages: BTreeMap<String, Storage>,
    memory_bytes: u64,
    scratch: Option<PathBuf>,
}

/// A query that is ready to run.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    /// Whether its rows shall come in the order of the files.
    in_order: bool,
}

impl FilesSource {
    /// Takes the declared tables and makes the clients for their storage; nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`SourceErrorKind::Broken`] for an address or option that cannot be used, with the table that has it.
    pub fn new(spec: &FilesSpec) -> Result<Self, SourceError> {
        let (mut tables, mut storages) = (BTreeMap::new(), BTreeMap::new());
        for (name, table) in &spec.tables {
            let wrong = |error: StorageError| SourceError {
                kind: SourceErrorKind::Missing,
                message: format!("table {name}: {error}"),
                position: None,
            };
            let place = Place::of(&table.location).map_err(wrong)?;
            let base = place.base.to_string();
            if let Entry::Vacant(vacant) = storages.entry(base) {
                let location = Location::Url(vacant.key().clone());
                vacant.insert(connect(&location, &spec.options).map_err(wrong)?);
            }
            tables.insert(name.clone(), (table.clone(), place));
        }
        let inner = Inner { tables, storages, memory_bytes: MEMORY_BYTES, scratch: None };
        Ok(Self { inner: Arc::new(inner), engine: Arc::new(Engine::new()?) })
    }

    /// How much memory, in bytes, the sorts, joins and aggregates of one query may use before they spill to disk.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.inner).memory_bytes = bytes;
        self
    }

    /// The folder for what is spilled; the system's temporary folder if not set. It is left as it was found.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        Arc::make_mut(&mut self.inner).scratch = Some(folder.into());
        self
    }
}

impl Inner {
    /// The plan of a model, over the files that are there now.
    async fn plan(&self, model: &Model) -> Result<Planned, SourceError> {
        let mut session = SessionStateBuilder::new_with_default_features()
            .with_config(self.config())
            .with_runtime_env(self.runtime()?)
            .build();
        let statement = query::parse(&session, model)?;
        let declared: Vec<&str> = self.tables.keys().map(String::as_str).collect();
        let read = query::tables(&session, &statement, model, &declared)?;
        let context = SessionContext::new_with_state(session.clone());
        for name in &read {
            self.register(name, &context).await?;
        }
        let plan = query::plan(&session, statement, model).await?;
        let in_order = query::keeps_file_order(&plan);
        let partitions = match in_order {
            // Files are then read one after the other, each from its first row to its last.
            true => 1,
            false => available_parallelism().map_or(1, |cores| cores.get().min(PARTITIONS_MAX)),
        };
        session.config_mut().options_mut().execution.target_partitions = partitions;
        // What now() and current_date give for the whole query.
        session.mark_start_execution();
        let plan = session
            .create_physical_plan(&plan)
            .await
            .map_err(|error| query_error::planning_error(model, &error))?;
        Ok(Planned { plan, context: Arc::new(TaskContext::from(&session)), in_order })
    }

    async fn register(&self, name: &str, context: &SessionContext) -> Result<(), SourceError> {
        let broken = |message: String| SourceError { kind: SourceErrorKind::Broken, message, position: None };
        let (declared, place) =
            self.tables.get(name).ok_or_else(|| broken(format!("table {name} is not declared")))?;
        let (at, (_, storage)) = self
            .storages
            .iter()
            .enumerate()
            .find(|(_, (base, _))| **base == place.base.as_str())
            .ok_or_else(|| broken(format!("table {name} has no storage")))?;
        // The engine tells stores apart by host alone; containers of one Azure account would be mixed up.
        let url = ObjectStoreUrl::parse(format!("hydrant://storage-{at}"))
            .map_err(|error| broken(error.to_string()))?;
        context.register_object_store(url.as_ref(), Arc::clone(&storage.store));
        let table = table::FilesTable::open(name, declared, place, storage, url, &context.state()).await?;
        let bare = datafusion::common::TableReference::bare(name);
        context.register_table(bare, Arc::new(table)).map_err(|error| broken(error.to_string()))?;
        Ok(())
    }

    fn config(&self) -> SessionConfig {
        let mut config = SessionConfig::new().with_batch_size(BATCH_ROWS);
        let options = config.options_mut();
        // Names as the files and the application have them: folding them to lower case would lose `accountId`.
        options.sql_parser.enable_ident_normalization = false;
        // 0.1 means 0.1.
        options.sql_parser.parse_float_as_decimal = true;
        // Without a zone here, TIMESTAMPTZ would mean a time without a zone.
        options.execution.time_zone = Some("UTC".to_owned());
        // Positions for messages.
        options.sql_parser.collect_spans = true;
        // One sort that spills, rather than several whose merge finds no memory left for itself.
        options.optimizer.repartition_sorts = false;
        options.execution.sort_spill_reservation_bytes =
            usize::try_from(self.memory_bytes / SORT_RESERVE_PART).unwrap_or(usize::MAX);
        config
    }

    /// A runtime of its own for each query: its memory, its spilled files, and no listing or footer from an earlier run.
    fn runtime(&self) -> Result<Arc<RuntimeEnv>, SourceError> {
        let mode = match &self.scratch {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(
                usize::try_from(self.memory_bytes).unwrap_or(usize::MAX),
            )))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
            .build_arc()
            .map_err(|error| SourceError {
                kind: SourceErrorKind::Broken,
                message: format!("making a place for spilled rows: {}", error.message()),
                position: None,
            })
    }
}

#[async_trait]
impl Source for FilesSource {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    async fn about(&self) -> Result<About, SourceError> {
        let tables = self.inner.tables.len();
        let place = format!("{tables} declared table{}", if tables == 1 { "" } else { "s" });
        Ok(About { product: "files".to_owned(), place, ..About::default() })
    }

    async fn describe(&self, model: &Model) -> Result<SchemaRef, SourceError> {
        let (inner, model) = (Arc::clone(&self.inner), model.clone());
        let planned = self.engine.run(async move { inner.plan(&model).await }).await?;
        Ok(planned.plan.schema())
    }

    async fn open(&self, model: &Model) -> Result<Rows, SourceError> {
        let (inner, model) = (Arc::clone(&self.inner), model.clone());
        let opened = self.engine.run(async move {
            let Planned { plan, context, in_order } = inner.plan(&model).await?;
            let schema = plan.schema();
            Ok((schema, stream::begin(plan, context, in_order)?))
        });
        let (schema, rows) = opened.await?;
        Ok(Rows { schema, batches: stream::running(Arc::clone(&self.engine), rows) })
    }

    /// It reads what lies in storage already.
    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}
