//! Puts a file's name on whatever goes wrong while it is read: the engine's own errors do not say which of a hundred
//! files is the broken one.
//!
//! A scan is the engine's own, wrapped: [`NamingSource`] makes planners, planners make morsels, and each passes on the
//! file that it reads.

use super::error::FileError;
use crate::object_storage::Storage;
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use datafusion::{
    common::{Result, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    datasource::physical_plan::{FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource},
    datasource::source::DataSourceExec,
    error::DataFusionError,
    physical_expr::{
        EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr, projection::ProjectionExprs,
    },
    physical_plan::{
        DisplayFormatType, ExecutionPlan, SortOrderPushdownResult,
        filter_pushdown::FilterPushdownPropagation, metrics::ExecutionPlanMetricsSet,
    },
};
use datafusion_datasource::{
    PartitionedFile,
    morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer},
    table_schema::TableSchema,
};
use futures::{StreamExt, stream::BoxStream};
use object_store::{ObjectStore, path::Path};
use std::{fmt, sync::Arc};

/// What there is to say about a table's files when one of them is at fault.
#[derive(Clone)]
pub(super) struct Naming {
    pub(super) table: Arc<str>,
    pub(super) storage: Storage,
    /// The columns, as the files have them.
    pub(super) schema: SchemaRef,
}

impl Naming {
    /// The error, with the file's name on it.
    pub(super) fn put_on(&self, error: DataFusionError, path: &Path) -> DataFusionError {
        DataFusionError::External(Box::new(FileError {
            table: Arc::clone(&self.table),
            file: self.storage.show(path),
            schema: Arc::clone(&self.schema),
            error,
        }))
    }
}

/// The scan with names on its errors.
pub(super) fn named(scan: Arc<dyn ExecutionPlan>, splits: bool, naming: Naming) -> Arc<dyn ExecutionPlan> {
    let Some(exec) = scan.downcast_ref::<DataSourceExec>() else { return scan };
    let Some(config) = exec.data_source().downcast_ref::<FileScanConfig>() else { return scan };
    let inner = Arc::clone(config.file_source());
    let source = Arc::new(NamingSource { inner, splits, naming });
    DataSourceExec::from_data_source(FileScanConfigBuilder::from(config.clone()).with_source(source).build())
}

/// A source of files whose errors carry the file's name; all else is the inner one's business.
struct NamingSource {
    inner: Arc<dyn FileSource>,
    /// Whether a file may be cut into ranges that are read at the same time.
    splits: bool,
    naming: Naming,
}

impl NamingSource {
    fn around(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { inner, splits: self.splits, naming: self.naming.clone() })
    }
}

impl FileSource for NamingSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self.inner.create_morselizer(store, config, partition)?;
        Ok(Box::new(NamingMorselizer { inner, naming: self.naming.clone() }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.around(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(format, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.splits && self.inner.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        partitions: usize,
        file_bytes_min: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        if !self.splits {
            return Ok(None);
        }
        // The inner one copies the configuration it is given, with this source in it.
        self.inner.repartitioned(partitions, file_bytes_min, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_filters(filters, config)?;
        let updated_node = pushed.updated_node.map(|inner| self.around(inner));
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_sort(order, properties)?.map(|inner| self.around(inner)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_projection(projection)?.map(|inner| self.around(inner)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

/// Names the error of one file.
#[derive(Clone)]
struct Name {
    path: Path,
    naming: Naming,
}

impl Name {
    fn put_on(&self, error: DataFusionError) -> DataFusionError {
        self.naming.put_on(error, &self.path)
    }
}

struct NamingMorselizer {
    inner: Box<dyn Morselizer>,
    naming: Naming,
}

impl Morselizer for NamingMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let name = Name { path: file.path().clone(), naming: self.naming.clone() };
        let inner = self.inner.plan_file(file).map_err(|error| name.put_on(error))?;
        Ok(Box::new(NamingPlanner { inner, name }))
    }
}

struct NamingPlanner {
    inner: Box<dyn MorselPlanner>,
    name: Name,
}

impl NamingPlanner {
    fn around(inner: Box<dyn MorselPlanner>, name: &Name) -> Box<dyn MorselPlanner> {
        Box::new(Self { inner, name: name.clone() })
    }
}

impl MorselPlanner for NamingPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { inner, name } = *self;
        let Some(mut plan) = inner.plan().map_err(|error| name.put_on(error))? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter();
        let planners = plan.take_ready_planners().into_iter();
        let mut named = MorselPlan::new()
            .with_morsels(
                morsels.map(|inner| Box::new(NamingMorsel { inner, name: name.clone() }) as _).collect(),
            )
            .with_planners(planners.map(|inner| Self::around(inner, &name)).collect());
        if let Some(pending) = plan.take_pending_planner() {
            named.set_pending_planner(async move {
                let inner = pending.await.map_err(|error| name.put_on(error))?;
                Ok(Self::around(inner, &name))
            });
        }
        Ok(Some(named))
    }
}

struct NamingMorsel {
    inner: Box<dyn Morsel>,
    name: Name,
}

impl Morsel for NamingMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { inner, name } = *self;
        inner.into_stream().map(move |batch| batch.map_err(|error| name.put_on(error))).boxed()
    }
}

impl fmt::Debug for NamingMorselizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for NamingPlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for NamingMorsel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
