//! The right to run a sync, with an epoch that fences late writers.
//!
//! A lease is a numbered object. To take, renew or release it is to create the object with the next number; the object with
//! the highest number is the lease. Two who try the same number are told apart by the create-only put. Old objects are
//! removed, so a process that slept for long could create a number that was used before: therefore whoever has created a
//! lease looks whether it is the highest, and holds nothing if it is not. The highest is never removed.
//!
//! Storage has no clock of its own, so expiry compares wall clocks of two machines: a taker waits [`LeaseTimes::skew`]
//! beyond the expiry, a holder stops that long before it. What still slips through is stopped by the epoch in the target.

use super::{ProcessId, StoreError, SyncNames, SyncStore, manifest::FORMAT};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

/// How many superseded lease objects are kept, for people who look at what happened.
const KEPT: u64 = 16;

/// How long the removal of an old lease object may keep a holder from its work.
const FORGETTING_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// A lease object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Format of the store.
    pub format: u32,
    /// Counts the holders; the run that this holder starts has the same number.
    pub epoch: u64,
    /// Who holds it.
    pub holder: ProcessId,
    /// Tells two holders in one process apart.
    pub nonce: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, unless renewed.
    pub expires: DateTime<Utc>,
    /// Given back before its time.
    pub released: bool,
}

/// How long leases last.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// From renewal to expiry.
    pub term: TimeDelta,
    /// How far the clocks of two machines may differ.
    pub skew: TimeDelta,
}

impl Default for LeaseTimes {
    /// A minute: three renewals may fail before the run must stop, and after a machine's death the sync stands still for
    /// not much longer than that. Five seconds of skew is far beyond what NTP leaves.
    fn default() -> Self {
        Self { term: TimeDelta::seconds(60), skew: TimeDelta::seconds(5) }
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another process holds it.
    #[error("{} has been running this sync since {}, its lease lasts until {}", .0.holder, .0.since.format("%F %T UTC"), .0.expires.format("%F %T UTC"))]
    Held(Box<LeaseRecord>),
    /// It was ours, and another process has taken it.
    #[error("the lease of epoch {0} was lost to another process")]
    Lost(u64),
    /// It was ours, and the store could not be reached for so long that another process may take it now.
    #[error("the lease could not be renewed, and this process had to stop by {}: {message}", .stop_by.format("%F %T UTC"))]
    Unrenewed {
        /// When a holder must have stopped.
        stop_by: DateTime<Utc>,
        /// What kept it from being renewed.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A lease that is held.
#[derive(Clone, Debug)]
pub struct Lease {
    store: SyncStore,
    number: u64,
    record: LeaseRecord,
    times: LeaseTimes,
    /// Until when the holder before this one might have worked, if it never said that it was done.
    before: Option<DateTime<Utc>>,
}

impl Lease {
    /// The lease in force, with its number.
    pub async fn current(store: &SyncStore) -> Result<Option<(u64, LeaseRecord)>, StoreError> {
        // The highest may be superseded and removed between listing and reading; then there is a higher one.
        loop {
            let Some(number) = highest(store).await? else { return Ok(None) };
            match store.read(&store.names().lease(number)).await {
                Ok(record) => return Ok(Some((number, record))),
                Err(StoreError::Storage { source: object_store::Error::NotFound { .. }, .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the lease, if nobody holds it.
    pub async fn take(store: &SyncStore, times: LeaseTimes, now: DateTime<Utc>) -> Result<Self, LeaseError> {
        let current = Self::current(store).await?;
        if let Some((_, record)) = &current
            && !Self::is_over(record, times, now)
        {
            return Err(LeaseError::Held(Box::new(record.clone())));
        }
        let before = current.as_ref().filter(|(_, record)| !record.released);
        let before = before.map(|(_, record)| record.expires + times.skew);
        let (number, epoch) = current.map_or((0, 0), |(number, record)| (number, record.epoch));
        let record = LeaseRecord {
            format: FORMAT,
            epoch: epoch + 1,
            holder: ProcessId::current(),
            nonce: uuid::Uuid::new_v4().to_string(),
            since: now,
            expires: now + times.term,
            released: false,
        };
        let mut lease = Self { store: store.clone(), number, record, times, before };
        match lease.advance(lease.record.clone()).await {
            // Somebody was faster: say who.
            Err(LeaseError::Lost(epoch)) => match Self::current(store).await? {
                Some((_, record)) => Err(LeaseError::Held(Box::new(record))),
                None => Err(LeaseError::Lost(epoch)),
            },
            Err(error) => Err(error),
            Ok(()) => Ok(lease),
        }
    }

    /// Lease objects that were superseded long ago, and whose removal failed then; with their sizes in bytes.
    pub async fn superseded(store: &SyncStore) -> Result<Vec<(Path, u64)>, StoreError> {
        let all = store.sizes(&store.names().leases()).await?;
        let highest = all.iter().filter_map(|(path, _)| SyncNames::lease_number(path)).max().unwrap_or(0);
        let is_old =
            |path: &Path| SyncNames::lease_number(path).is_some_and(|number| number + KEPT < highest);
        Ok(all.into_iter().filter(|(path, _)| is_old(path)).collect())
    }

    /// Whether nobody holds the sync by this record any more: it was given back, has ended, or its holder is dead.
    pub fn is_over(record: &LeaseRecord, times: LeaseTimes, now: DateTime<Utc>) -> bool {
        record.released || now >= record.expires + times.skew || record.holder.is_dead()
    }

    /// Counts the holders of this sync.
    pub fn epoch(&self) -> u64 {
        self.record.epoch
    }

    /// Until when the holder before this one might have worked, if it never gave its lease back. That it is dead does not
    /// shorten this: what it has sent to a server may still be on its way.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        self.before
    }

    /// When a holder that could not renew must have stopped.
    pub fn stop_by(&self) -> DateTime<Utc> {
        self.record.expires - self.times.skew
    }

    /// When it should be renewed: a third into its term, so that there is time for two more tries.
    pub fn renew_at(&self) -> DateTime<Utc> {
        self.record.expires - self.times.term * 2 / 3
    }

    /// Extends the lease.
    pub async fn renew(&mut self, now: DateTime<Utc>) -> Result<(), LeaseError> {
        self.advance(LeaseRecord { expires: now + self.times.term, ..self.record.clone() }).await
    }

    /// Gives the lease back.
    pub async fn release(mut self, now: DateTime<Utc>) -> Result<(), LeaseError> {
        self.advance(LeaseRecord { expires: now, released: true, ..self.record.clone() }).await
    }

    async fn advance(&mut self, record: LeaseRecord) -> Result<(), LeaseError> {
        loop {
            let number = self.number + 1;
            let path = self.store.names().lease(number);
            match self.store.create(&path, &record).await {
                Ok(()) => {}
                Err(StoreError::Taken { .. }) => {
                    // An earlier renewal of our own may have landed although its answer was lost: go on from there.
                    let there: LeaseRecord = match self.store.read(&path).await {
                        Ok(there) => there,
                        // So long ago that it is removed already.
                        Err(error) if error.is_missing() => return Err(LeaseError::Lost(record.epoch)),
                        Err(error) => return Err(error.into()),
                    };
                    if there.nonce != record.nonce {
                        return Err(LeaseError::Lost(record.epoch));
                    }
                    (self.number, self.record) = (number, there);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if highest(&self.store).await? != Some(number) {
                return Err(LeaseError::Lost(record.epoch));
            }
            (self.number, self.record) = (number, record);
            self.forget_old().await;
            return Ok(());
        }
    }

    /// Removes what is long superseded. The lease is held whether or not that succeeds, so it may not take long: the time
    /// of the lease is running.
    async fn forget_old(&self) {
        let Some(old) = self.number.checked_sub(KEPT).filter(|old| *old > 0) else { return };
        let path = self.store.names().lease(old);
        match tokio::time::timeout(FORGETTING_MAX, self.store.delete(&path)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an old lease was not removed"),
            Err(_) => tracing::debug!(%path, "an old lease was not removed in time"),
        }
    }
}

async fn highest(store: &SyncStore) -> Result<Option<u64>, StoreError> {
    let all = store.list(&store.names().leases()).await?;
    Ok(all.iter().filter_map(SyncNames::lease_number).max())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn store() -> SyncStore {
        SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "users")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    async fn take(store: &SyncStore, seconds: i64) -> Result<Lease, LeaseError> {
        Lease::take(store, LeaseTimes::default(), at(seconds)).await
    }

    #[tokio::test]
    async fn a_lease_excludes_others_until_it_is_released() {
        let store = store();
        let lease = take(&store, 0).await.unwrap();
        assert_eq!(lease.epoch(), 1);
        match take(&store, 30).await {
            Err(LeaseError::Held(record)) => assert_eq!(record.since, at(0)),
            other => panic!("{other:?}"),
        }
        lease.release(at(31)).await.unwrap();
        assert_eq!(take(&store, 31).await.unwrap().epoch(), 2);
    }

    #[tokio::test]
    async fn an_expired_lease_is_taken_over_after_the_skew_and_its_holder_notices() {
        let store = store();
        let mut old = take(&store, 0).await.unwrap();
        assert!(take(&store, 64).await.is_err(), "within the skew");
        assert_eq!(take(&store, 65).await.unwrap().epoch(), 2);
        assert!(matches!(old.renew(at(66)).await, Err(LeaseError::Lost(1))));
    }

    #[tokio::test]
    async fn one_who_slept_past_the_removal_of_old_leases_holds_nothing() {
        let store = store();
        let mut old = take(&store, 0).await.unwrap();
        let mut new = take(&store, 100).await.unwrap();
        for i in 0..40 {
            new.renew(at(101 + i)).await.unwrap();
        }
        assert!(store.list(&store.names().leases()).await.unwrap().len() < 25, "old leases are removed");
        assert!(
            matches!(old.renew(at(142)).await, Err(LeaseError::Lost(1))),
            "its number is free again, but not the highest"
        );
        new.renew(at(143)).await.unwrap();
    }

    #[tokio::test]
    async fn a_renewal_whose_answer_was_lost_is_recognised() {
        let store = store();
        let mut lease = take(&store, 0).await.unwrap();
        let mut unheard = lease.clone();
        unheard.renew(at(20)).await.unwrap();
        lease.renew(at(25)).await.unwrap();
        assert_eq!((lease.number, lease.record.expires), (3, at(85)));
    }

    #[tokio::test]
    async fn a_dead_holder_on_this_machine_is_not_waited_for() {
        let store = store();
        let lease = take(&store, 0).await.unwrap();
        let mut dead = lease.record.clone();
        dead.holder.started += 1;
        store.create(&store.names().lease(2), &dead).await.unwrap();
        assert_eq!(take(&store, 1).await.unwrap().epoch(), 2);
    }

    #[tokio::test]
    async fn of_many_racers_one_gets_the_lease() {
        let store = store();
        let racers: Vec<_> = (0..32)
            .map(|_| {
                tokio::spawn({
                    let store = store.clone();
                    async move { take(&store, 0).await }
                })
            })
            .collect();
        let mut held = 0;
        for racer in racers {
            held += usize::from(racer.await.unwrap().is_ok());
        }
        assert_eq!(held, 1);
    }
}
