//! Keeps a lease alive while a run goes on, and says so when it is lost.

use crate::{
    clock::Clock,
    store::{Lease, LeaseError, LeaseTimes, SyncStore},
};
use chrono::{DateTime, Utc};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long a run that is over waits for the store to take its last words (that it failed, that the lease is free): they help,
/// but nothing depends on them.
pub(super) const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// A lease that renews itself.
pub(super) struct LeaseKeeper {
    lease: Arc<Mutex<Lease>>,
    clock: Arc<dyn Clock>,
    /// Cancelled when the lease is lost, or could not be renewed in time.
    pub(super) lost: CancellationToken,
    pub(super) epoch: u64,
    /// Until when the holder before this one might have worked, if it never gave its lease back.
    pub(super) before: Option<DateTime<Utc>>,
    /// Set before `lost` is cancelled, if it was not another process that took it.
    unrenewed: Arc<OnceLock<(DateTime<Utc>, String)>>,
    /// Ends with the keeper: a run whose future is dropped must not hold its lease for ever.
    renewing: AbortOnDropHandle<()>,
}

impl LeaseKeeper {
    pub(super) async fn take(
        store: &SyncStore,
        times: LeaseTimes,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LeaseError> {
        let lease = Lease::take(store, times, clock.now()).await?;
        let (epoch, before) = (lease.epoch(), lease.before());
        let lease = Arc::new(Mutex::new(lease));
        let lost = CancellationToken::new();
        let unrenewed = Arc::new(OnceLock::new());
        let renewing =
            tokio::spawn(renew(lease.clone(), clock.clone(), times, lost.clone(), unrenewed.clone()));
        let renewing = AbortOnDropHandle::new(renewing);
        Ok(Self { lease, clock, lost, epoch, before, unrenewed, renewing })
    }

    /// Why the lease is no longer held.
    pub(super) fn why_lost(&self) -> LeaseError {
        match self.unrenewed.get() {
            Some((stop_by, message)) => LeaseError::Unrenewed { stop_by: *stop_by, message: message.clone() },
            None => LeaseError::Lost(self.epoch),
        }
    }

    /// Stops renewing the lease without giving it back: it ends by itself.
    pub(super) async fn leave(self) {
        self.renewing.abort();
        // Wait for the task to be gone: it must not renew what shall end.
        let _ = self.renewing.await;
    }

    /// Gives the lease back. If that fails, it ends by itself.
    pub(super) async fn release(self) {
        self.renewing.abort();
        // Wait for the task to be gone: it must not renew what is being released.
        let _ = self.renewing.await;
        if self.lost.is_cancelled() {
            return;
        }
        let lease = self.lease.lock().await.clone();
        match tokio::time::timeout(LAST_WORDS_MAX, lease.release(self.clock.now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not released, it ends by itself"),
            Err(_) => {
                tracing::warn!("the store does not answer: the lease was not released, it ends by itself")
            }
        }
    }
}

async fn renew(
    lease: Arc<Mutex<Lease>>,
    clock: Arc<dyn Clock>,
    times: LeaseTimes,
    lost: CancellationToken,
    unrenewed: Arc<OnceLock<(DateTime<Utc>, String)>>,
) {
    let third = (times.term / 3).to_std().unwrap_or_default();
    // A store that was slow has used up a part of the term already. A clock that was set back does not make it longer.
    let until = |time: DateTime<Utc>| (time - clock.now()).to_std().unwrap_or_default();
    let mut wait = until(lease.lock().await.renew_at()).min(third);
    let mut said: Option<String> = None;
    loop {
        tokio::time::sleep(wait).await;
        let mut lease = lease.lock().await;
        let stop_by = lease.stop_by();
        let left = until(stop_by);
        // A store that does not answer must not keep this process from noticing that its time is over.
        let renewed = match tokio::time::timeout(left, lease.renew(clock.now())).await {
            Ok(renewed) => renewed,
            Err(_) => {
                let why = match left.is_zero() {
                    true => "this process or its machine stood still",
                    false => "the store did not answer",
                };
                Err(LeaseError::Unrenewed {
                    stop_by,
                    message: said.clone().unwrap_or_else(|| why.to_owned()),
                })
            }
        };
        match renewed {
            Ok(()) => (wait, said) = (until(lease.renew_at()).min(third), None),
            Err(LeaseError::Store(error)) if clock.now() < stop_by => {
                tracing::warn!(%error, %stop_by, "the lease could not be renewed, trying again");
                // Soon: the store may be back, and there is little time. And no later than the end.
                wait = (third / 5).min(until(stop_by));
                said = Some(error.to_string());
            }
            Err(error) => {
                tracing::error!(%error, "the lease is lost, stopping");
                match error {
                    LeaseError::Unrenewed { stop_by, message } => drop(unrenewed.set((stop_by, message))),
                    LeaseError::Store(error) => drop(unrenewed.set((stop_by, error.to_string()))),
                    LeaseError::Held(_) | LeaseError::Lost(_) => {}
                }
                return lost.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, store::LeaseRecord};
    use chrono::TimeDelta;
    use object_store::{memory::InMemory, path::Path};
    use std::time::Duration;

    const TIMES: LeaseTimes =
        LeaseTimes { term: TimeDelta::milliseconds(600), skew: TimeDelta::milliseconds(100) };

    async fn held() -> (SyncStore, LeaseKeeper) {
        let store = SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "users");
        let keeper = LeaseKeeper::take(&store, TIMES, Arc::new(SystemClock)).await.unwrap();
        (store, keeper)
    }

    #[tokio::test]
    async fn a_lease_outlives_its_term_while_it_is_kept_and_is_free_when_it_is_released() {
        let (store, keeper) = held().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!keeper.lost.is_cancelled());
        assert!(matches!(Lease::take(&store, TIMES, SystemClock.now()).await, Err(LeaseError::Held(_))));
        keeper.release().await;
        assert_eq!(Lease::take(&store, TIMES, SystemClock.now()).await.unwrap().epoch(), 2);
    }

    #[tokio::test]
    async fn a_keeper_that_is_dropped_renews_no_more() {
        let (store, keeper) = held().await;
        drop(keeper);
        tokio::time::sleep(Duration::from_millis(1000)).await;
        assert_eq!(Lease::take(&store, TIMES, SystemClock.now()).await.unwrap().epoch(), 2);
    }

    #[tokio::test]
    async fn a_lease_that_somebody_else_took_is_noticed() {
        let (store, keeper) = held().await;
        let (number, record) = Lease::current(&store).await.unwrap().unwrap();
        let other = LeaseRecord { epoch: record.epoch + 1, nonce: "another".into(), ..record };
        store.create(&store.names().lease(number + 1), &other).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), keeper.lost.cancelled()).await.expect("it is noticed");
        keeper.release().await;
        assert_eq!(Lease::current(&store).await.unwrap().unwrap().1.nonce, "another", "it is left alone");
    }
}
