//! A target whose calls are made again when that may help.

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, Inspection, Rebuildable, Result,
    Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a call is made again after it first failed: a restart or a lock passes meanwhile, and many a fail-over; a run that
/// waited longer would hold its lease for nothing, and the scheduler's next run goes on anyway.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// Waits of 0.2 s, 0.4 s, 0.8 s … 4 s, each lengthened at random by up to the same again, so that many runs that fail at once
/// do not come back at once.
fn policy() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(4))
        .with_factor(2.0)
        .without_max_times()
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
        // From the first failure, not from the first call: one that was long without an answer has a second chance.
        let mut failed: Option<Instant> = None;
        call.retry(policy())
            .when(|error: &TargetError| {
                error.kind().is_transient() && failed.get_or_insert_with(Instant::now).elapsed() < RETRY_FOR
            })
            .notify(|error, delay| {
                tracing::warn!(error = %error, kind = %error.kind(), delay_ms = delay.as_millis(), "the target failed, trying again");
            })
            .await
    }
}

#[async_trait]
impl Target for Retrying {
    async fn capabilities(&self) -> Result<Capabilities> {
        self.again(|| self.inner.capabilities()).await
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

    /// Not again: a batch that cannot be begun is applied, which is.
    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        self.inner.begin(batch).await
    }

    async fn rebuildable(&self, spec: &TableSpec) -> Result<Rebuildable> {
        self.again(|| self.inner.rebuildable(spec)).await
    }

    /// Not again: the changes are used up. Who calls it writes them in batches then, which are.
    async fn rebuild(&self, last: &Batch, changes: &mut dyn Changes) -> Result<()> {
        self.inner.rebuild(last, changes).await
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        self.again(|| self.inner.read(spec, keys)).await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        self.again(|| self.inner.scan(spec, after, rows)).await
    }
}
