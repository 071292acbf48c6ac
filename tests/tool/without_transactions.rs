//! A target without transactions cannot compare the epoch and write in one go: what a cut-off run may still have on its way is
//! waited out instead.

use crate::gc::World;
use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use hydrant::{
    clock::Clock,
    engine::{self, FailureKind, RunOptions},
    store::{Lease, LeaseRecord},
    sync::Retention,
};
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Rebuildable,
    Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use object_store::memory::InMemory;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::time::Instant;

/// A target that says it has no transactions, and that may lose the answers to batches.
struct Plain {
    inner: Arc<dyn Target>,
    transactions: bool,
    answers: AtomicBool,
}

#[async_trait]
impl Target for Plain {
    async fn capabilities(&self) -> Result<Capabilities> {
        let can = self.inner.capabilities().await?;
        Ok(Capabilities { transactions: self.transactions, ..can })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        self.inner.probe().await
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        self.inner.inspect(spec).await
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        self.inner.create(spec).await
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        self.inner.claim(sync, epoch).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        match self.answers.load(Ordering::Relaxed) {
            true => self.inner.apply(batch).await,
            false => Err(TargetError::new(ErrorKind::Unreachable, "writing a batch", "no answer")),
        }
    }

    async fn begin<'a>(&'a self, _: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(None)
    }

    async fn rebuildable(&self, spec: &TableSpec) -> Result<Rebuildable> {
        self.inner.rebuildable(spec).await
    }

    async fn rebuild(&self, last: &Batch, changes: &mut dyn Changes) -> Result<()> {
        self.inner.rebuild(last, changes).await
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        self.inner.read(spec, keys).await
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        self.inner.scan(spec, after, rows).await
    }
}

/// Goes as tokio's time does, which these tests pause.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(self.0.elapsed()).expect("an hour or two")
    }
}

fn world(transactions: bool) -> (World, Arc<Plain>) {
    let mut world = World::with(Retention::default(), Arc::new(InMemory::new()));
    let answers = AtomicBool::new(true);
    let target = Arc::new(Plain { inner: world.env.target.clone(), transactions, answers });
    world.env.target = target.clone();
    world.env.clock = Arc::new(Paused(Instant::now()));
    (world, target)
}

/// Leaves the lease of a process that was killed.
async fn killed(world: &World) {
    let lease = Lease::take(&world.env.store, world.env.lease_times, world.env.clock.now()).await.unwrap();
    let (number, record) = Lease::current(&world.env.store).await.unwrap().expect("the lease");
    drop(lease);
    let mut holder = record.holder.clone();
    holder.started += 1;
    assert!(holder.is_dead(), "another process has its number now");
    let record = LeaseRecord { holder, ..record };
    world.env.store.create(&world.env.store.names().lease(number + 1), &record).await.unwrap();
}

/// Contract: C39
#[tokio::test(start_paused = true)]
async fn what_a_killed_run_has_on_its_way_is_waited_out_where_no_transaction_fences_it() {
    for (transactions, waits) in [(true, false), (false, true)] {
        let (world, _) = world(transactions);
        world.publish(1).await;
        killed(&world).await;
        let begun = Instant::now();
        world.publish(2).await;
        let waited = begun.elapsed().as_secs();
        // A minute's term and the skew of clocks.
        assert_eq!((65..70).contains(&waited), waits, "{waited} s");
        assert!(waits || waited < 5, "{waited} s");
        // That one was given back.
        let begun = Instant::now();
        world.publish(3).await;
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}

/// Contract: C39
#[tokio::test(start_paused = true)]
async fn after_a_batch_without_an_answer_the_lease_is_not_given_back() {
    for (transactions, held) in [(true, false), (false, true)] {
        let (world, target) = world(transactions);
        world.publish(1).await;
        target.answers.store(false, Ordering::Relaxed);
        *world.source.0.lock().unwrap() = Some(2);
        let error = engine::run(&world.env, &world.sync, RunOptions::default()).await.unwrap_err();
        assert_eq!(error.failure.kind(), FailureKind::Unavailable, "{error}");
        target.answers.store(true, Ordering::Relaxed);
        match (engine::run(&world.env, &world.sync, RunOptions::default()).await, held) {
            (Ok(_), false) => {}
            (Err(error), true) => {
                assert_eq!(error.failure.kind(), FailureKind::Held, "{error}");
                tokio::time::sleep(std::time::Duration::from_secs(66)).await;
                engine::run(&world.env, &world.sync, RunOptions::default()).await.unwrap();
            }
            (Ok(_), true) => panic!("the lease was given back although a batch may be on its way"),
            (Err(error), false) => panic!("{error}"),
        }
    }
}
