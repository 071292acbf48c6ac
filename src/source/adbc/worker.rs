//! Threads that a driver may block.
//!
//! A driver's call may take hours, and cannot be interrupted from outside. On a thread of the runtime it would keep leases
//! from being renewed and signals from being heard, and a runtime waits for its blocking threads before it ends. These are
//! threads of nobody's: a call that is not wanted any more is cancelled, and left behind until it notices.

use super::error::died;
use crate::source::{SourceError, SourceErrorKind};
use adbc_core::CancelHandle;
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::sync::oneshot;

/// As much as a program's main thread usually has: drivers parse SQL with deep recursion.
const STACK_BYTES: usize = 8 << 20;

/// How a call in progress can be ended.
#[derive(Default)]
pub(super) struct Cancel(Mutex<State>);

#[derive(Default)]
struct State {
    handles: Vec<Box<dyn CancelHandle>>,
    is_cancelled: bool,
}

impl Cancel {
    /// What is to be cancelled from now on. Whether the call is still wanted.
    pub(super) fn now(&self, handles: Vec<Box<dyn CancelHandle>>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.handles = handles;
        !state.is_cancelled
    }

    /// Ends what is in progress, as far as the driver can do that. May block.
    fn cancel(&self) {
        let handles = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_cancelled = true;
            std::mem::take(&mut state.handles)
        };
        // One of them suffices; drivers differ in which they have.
        for handle in handles {
            match handle.try_cancel() {
                Ok(()) => return,
                Err(error) => tracing::debug!(status = ?error.status, "a query could not be cancelled so"),
            }
        }
    }
}

/// Cancels a call when it is dropped, unless the call has ended.
pub(super) struct Guard(Option<Arc<Cancel>>);

impl Guard {
    pub(super) fn new(cancel: &Arc<Cancel>) -> Self {
        Self(Some(Arc::clone(cancel)))
    }

    /// The call has ended.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(cancel) = self.0.take() {
            // Some drivers open a connection for it.
            let cancelling = thread::Builder::new().name("hydrant-cancel".to_owned());
            if let Err(error) = cancelling.spawn(move || cancel.cancel()) {
                tracing::warn!(%error, "a query could not be cancelled: no thread");
            }
        }
    }
}

/// Starts a thread.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), SourceError> {
    let builder = thread::Builder::new().name("hydrant-adbc".to_owned()).stack_size(STACK_BYTES);
    builder.spawn(work).map(drop).map_err(|error| SourceError {
        kind: SourceErrorKind::Broken,
        message: format!("starting a thread for the ADBC driver: {error}"),
        position: None,
    })
}

/// Does a piece of work on a thread of its own; dropping the future cancels what it has in progress.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Cancel) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let cancel = Arc::new(Cancel::default());
    let guard = Guard::new(&cancel);
    let (send, receive) = oneshot::channel();
    spawn(move || {
        // Nobody may be waiting any more.
        let _ = send.send(work(&cancel));
    })?;
    let result = receive.await.unwrap_or_else(|_| Err(died()));
    guard.done();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(Arc<AtomicUsize>);

    impl CancelHandle for Counted {
        fn try_cancel(&self) -> adbc_core::error::Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_thread_that_dies_is_an_error() {
        let error = run::<()>(|_| panic!("as a driver may")).await.unwrap_err();
        assert_eq!((error.kind, error.message), (SourceErrorKind::Broken, died().message));
    }

    #[test]
    fn what_was_cancelled_before_it_began_does_not_begin() {
        let (cancel, count) = (Cancel::default(), Arc::new(AtomicUsize::new(0)));
        assert!(cancel.now(vec![Box::new(Counted(count.clone()))]));
        cancel.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(!cancel.now(vec![Box::new(Counted(count.clone()))]), "nobody waits for it any more");
    }

    #[tokio::test]
    async fn what_has_ended_is_not_cancelled() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Counted(count.clone());
        run(move |cancel| Ok(cancel.now(vec![Box::new(counted)]))).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
