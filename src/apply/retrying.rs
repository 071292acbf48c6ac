//! A target whose calls are made again when that may help.

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use hydrant_contract::{
    Applied, Batch, Capabilities, Checkpoint, Cursor, Inspection, Result, Scanned, ServerInfo, TableSpec,
    Target, TargetError,
};
use std::{sync::Arc, time::Duration};

/// Seven calls within about half a minute: long enough for a fail-over or a lock to pass, short enough that a run does
/// not hold its lease for nothing; the scheduler's next run goes on anyway.
fn policy() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(8))
        .with_factor(2.0)
        .with_max_times(6)
        .with_jitter()
}

/// Repeats calls that failed for a [transient](hydrant_contract::ErrorKind::is_transient) reason; the contract lets every
/// call be repeated.
pub struct Retrying {
    inner: Arc<dyn Target>,
}

impl Retrying {
    /// Wraps a target.
    pub fn new(inner: Arc<dyn Target>) -> Self {
        Self { inner }
    }

    async fn again<T, F: Future<Output = Result<T>>>(&self, call: impl FnMut() -> F) -> Result<T> {
        call.retry(policy())
            .when(|error: &TargetError| error.kind().is_transient())
            .notify(|error, delay| {
                tracing::warn!(error = %error, kind = %error.kind(), delay_ms = delay.as_millis(), "the target failed, trying again");
            })
            .await
    }
}

#[async_trait]
impl Target for Retrying {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn probe(&self) -> Result<ServerInfo> {
        self.again(|| self.inner.probe()).await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        self.again(|| self.inner.inspect(spec)).await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        self.again(|| self.inner.create(spec)).await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        self.again(|| self.inner.claim(sync, epoch)).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        self.again(|| self.inner.apply(batch)).await
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        self.again(|| self.inner.read(spec, keys)).await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        self.again(|| self.inner.scan(spec, after, rows)).await
    }
}
