//! The threads that queries run on.

use crate::source::{SourceError, SourceErrorKind};
use futures::Future;
use std::thread::available_parallelism;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
};

/// At most so many threads: more would take the processor from what the rows are wanted for.
const THREADS_MAX: usize = 4;

/// Threads of a source's own.
///
/// A query computes for seconds between two points where it can be stopped. On the caller's threads it would keep leases
/// from being renewed and signals from being heard; here it keeps nobody from anything, and a query that nobody waits for
/// any more is left behind until it notices.
pub(super) struct Engine {
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Engine {
    pub(super) fn new() -> Result<Self, SourceError> {
        let threads = available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("hydrant-query")
            .enable_all()
            .build()
            .map_err(|error| broken(&format!("starting threads for queries: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    /// Runs a task here; it is aborted when the set is dropped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinSet<T> {
        let mut task = JoinSet::new();
        task.spawn_on(work, &self.handle);
        task
    }

    /// Runs a piece of work here and waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SourceError>> + Send + 'static,
    ) -> Result<T, SourceError> {
        match self.spawn(work).join_next().await {
            Some(Ok(result)) => result,
            Some(Err(died)) => Err(broken(&format!("running the query: the engine failed: {died}"))),
            None => Err(broken("running the query: the engine is gone")),
        }
    }
}

impl Drop for Engine {
    /// Does not wait: what is still being computed stops at its next point of rest.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn broken(message: &str) -> SourceError {
    SourceError { kind: SourceErrorKind::Broken, message: message.to_owned(), position: None }
}
