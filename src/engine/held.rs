//! A sync under a lease: what every kind of work on it needs.

use super::{
    Env, Failure, RunOptions, Step,
    keeper::{LAST_WORDS_MAX, LeaseKeeper},
    place,
};
use crate::{
    apply::Retrying,
    point::Point,
    store::{History, Lease, LeaseError, StoreError},
    sync::SyncSpec,
};
use hydrant_contract::{Checkpoint, ErrorKind, Inspection, Limits, TableSpec, Target};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// A sync whose lease is held.
pub(super) struct Held<'a> {
    pub(super) env: &'a Env,
    pub(super) sync: &'a SyncSpec,
    pub(super) options: RunOptions,
    pub(super) keeper: LeaseKeeper,
    pub(super) target: Arc<dyn Target>,
    step: Step,
    /// Whether a seal was tried under this lease: then the files of the run may be needed.
    pub(super) may_be_sealed: bool,
    /// Whether a run has been made: then there may be something that nothing needs any more.
    pub(super) collects: bool,
    clock: BTreeMap<&'static str, f64>,
    since: Instant,
}

impl<'a> Held<'a> {
    pub(super) async fn take(
        env: &'a Env,
        sync: &'a SyncSpec,
        options: RunOptions,
    ) -> Result<Self, LeaseError> {
        let keeper = LeaseKeeper::take(&env.store, env.lease_times, env.clock.clone()).await?;
        let held = Self {
            env,
            sync,
            options,
            keeper,
            target: Arc::new(Retrying::new(env.target.clone())),
            step: Step::Start,
            may_be_sealed: false,
            collects: false,
            clock: BTreeMap::new(),
            since: Instant::now(),
        };
        held.reached(Point::Leased);
        Ok(held)
    }

    /// Gives the lease back; but if a call to a target without transactions has failed and may still be at work there, it is
    /// left to end by itself.
    pub(super) async fn release(self, failure: Option<&Failure>) {
        let unknown = matches!(failure, Some(Failure::Target(error)) if error.kind().is_transient());
        // A target that cannot be asked now is taken for one without.
        let fences = !unknown
            || tokio::time::timeout(LAST_WORDS_MAX, self.env.target.capabilities())
                .await
                .is_ok_and(|can| can.is_ok_and(|can| can.transactions));
        match fences {
            true => self.keeper.release().await,
            false => self.keeper.leave().await,
        }
    }

    /// The epoch of the lease, which is the number of the run.
    pub(super) fn epoch(&self) -> u64 {
        self.keeper.epoch
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }

    pub(super) fn reached(&self, point: Point) {
        self.env.observer.reached(&self.sync.name, point);
    }

    /// What the store knows, which from now on only holders of later leases can change.
    pub(super) async fn take_over(&self) -> Result<History, StoreError> {
        History::take_over(&self.env.store, &self.sync.name, self.epoch(), self.env.clock.now()).await
    }

    /// Takes the target over. If it has seen a later epoch although this lease is in force, the store is the one behind.
    pub(super) async fn claim(&self) -> Result<Option<Checkpoint>, Failure> {
        self.wait_out().await?;
        match self.target.claim(&self.sync.name, self.epoch()).await {
            Err(error) if error.kind() == ErrorKind::Fenced => {
                let current = Lease::current(&self.env.store).await?;
                Err(match current.is_some_and(|(_, record)| record.epoch == self.epoch()) {
                    true => Failure::EpochBehind { epoch: self.epoch(), said: error.to_string() },
                    false => error.into(),
                })
            }
            claimed => Ok(claimed?),
        }
    }

    /// Waits until nobody who held the lease before can still be writing. Targets with transactions need no such wait: they
    /// compare the epoch in the transaction of every batch.
    async fn wait_out(&self) -> Result<(), Failure> {
        let Some(before) = self.keeper.before else { return Ok(()) };
        if self.target.capabilities().await?.transactions {
            return Ok(());
        }
        let left = (before - self.env.clock.now()).to_std().unwrap_or_default();
        if left.is_zero() {
            return Ok(());
        }
        tracing::warn!(
            seconds = left.as_secs() + 1,
            "the run before was cut off, and the target has no transactions: waiting until nothing of it can arrive any more"
        );
        self.unless_stopped(async {
            tokio::time::sleep(left).await;
            Ok(())
        })
        .await
    }

    /// Whether the table is absent; a table that does not fit is a failure.
    pub(super) async fn inspect(&self, spec: &TableSpec) -> Result<bool, Failure> {
        Ok(self.inspect_limits(spec).await?.0)
    }

    /// The same, with what the columns hold.
    pub(super) async fn inspect_limits(&self, spec: &TableSpec) -> Result<(bool, Vec<Limits>), Failure> {
        let inspection = self.target.inspect(spec).await?;
        self.reached(Point::Inspected);
        match inspection {
            Inspection::Absent { limits, .. } => Ok((true, limits)),
            Inspection::Present { mismatches, limits } if mismatches.is_empty() => Ok((false, limits)),
            Inspection::Present { mismatches, .. } => {
                Err(Failure::TableDiffers { table: place(&self.sync.target, spec), mismatches })
            }
        }
    }

    /// A failure if this work shall not or must not go on.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        match (self.env.stop.is_cancelled(), self.keeper.lost.is_cancelled()) {
            (true, _) => Err(Failure::Stopped),
            (_, true) => Err(LeaseError::Lost(self.epoch()).into()),
            (false, false) => Ok(()),
        }
    }

    /// Whether another process has the lease, or has had it since.
    async fn is_taken_over(&self) -> bool {
        let current = tokio::time::timeout(LAST_WORDS_MAX, Lease::current(&self.env.store)).await;
        matches!(current, Ok(Ok(Some((_, record)))) if record.epoch > self.epoch())
    }

    /// Does something that may be given up at any moment, because it comes before the seal; whoever asks to stop does not
    /// wait for its end.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.env.unless_stopped(work).await
    }

    /// Whether a failure only says, in other words, that the lease is lost: a process that slept finds that its files are
    /// collected, or that what it read of store and target no longer fits together.
    pub(super) async fn may_be_anothers_doing(&self, failure: &Failure) -> bool {
        let doubtful = match failure {
            Failure::Store(error) => error.is_missing(),
            Failure::StoreBehind { .. } | Failure::TargetReplaced { .. } => true,
            _ => false,
        };
        doubtful && self.is_taken_over().await
    }

    /// Removes what a failed attempt has written, if nobody can need it. What cannot be removed now is an orphan, and
    /// collected later.
    pub(super) async fn tidy(&self) {
        if self.may_be_sealed || self.keeper.lost.is_cancelled() {
            return;
        }
        let folder = self.env.store.names().run(self.epoch());
        let Ok(objects) = self.env.store.list(folder.folder()).await else { return };
        for object in objects {
            if let Err(error) = self.env.store.delete(&object).await {
                tracing::debug!(%error, "left behind");
                return;
            }
        }
    }

    pub(super) fn enter(&mut self, step: Step) {
        self.lap();
        self.step = step;
        self.env.observer.step(&self.sync.name, step);
    }

    /// Books the time since the last lap on the step that has just been.
    fn lap(&mut self) {
        let name = match self.step {
            Step::Start | Step::Inspect => "inspect",
            Step::Export => "export",
            Step::Diff => "diff",
            Step::Seal => "seal",
            Step::RollForward | Step::Apply => "apply",
            Step::Publish => "publish",
            Step::Verify => "verify",
            Step::Collect => "collect",
        };
        *self.clock.entry(name).or_default() += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
    }

    /// Seconds that each step took since this was asked last.
    pub(super) fn seconds(&mut self) -> BTreeMap<&'static str, f64> {
        self.lap();
        std::mem::take(&mut self.clock)
    }
}
