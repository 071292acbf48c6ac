//! Batches that are begun ahead: in which order they are committed, and what becomes of them when something goes wrong.

use crate::gc::World;
use arrow::{
    array::{Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use hydrant::{
    engine::{self, RunOptions},
    source::{About, Dialect, Model, Rows, Source, SourceError, Staging, Unload},
    sync::Retention,
};
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Rebuildable,
    Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use hydrant_target_memory::MemoryTarget;
use object_store::memory::InMemory;
use std::sync::{Arc, Mutex};

/// Enough for a dozen batches.
const ROWS: i64 = 120_000;

struct Many;

fn schema() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![column("id"), column("value")]))
}

#[async_trait]
impl Source for Many {
    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> std::result::Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> std::result::Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, _: &Model) -> std::result::Result<Rows, SourceError> {
        let ids = Arc::new(Int64Array::from_iter_values(0..ROWS));
        let all = RecordBatch::try_new(schema(), vec![ids.clone(), ids]).unwrap();
        let pieces: Vec<_> = (0..all.num_rows()).step_by(5_000).map(|at| Ok(all.slice(at, 5_000))).collect();
        let batches: BoxStream<'_, _> = futures::stream::iter(pieces).boxed();
        Ok(Rows { schema: schema(), batches })
    }

    async fn unload(&self, _: &Model, _: &Staging) -> std::result::Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begun(u64),
    Committed(u64),
    Dropped(u64),
    Applied(u64),
}
use Event::{Applied as Sent, Begun as Ahead, Committed, Dropped};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// This batch cannot be begun.
    Begin(u64),
    /// The connection breaks while this batch is committed.
    Commit(u64),
}

/// Memory, and what it is asked for.
struct Watched {
    inner: MemoryTarget,
    fault: Mutex<Fault>,
    events: Mutex<Vec<Event>>,
}

impl Watched {
    fn saw(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn fails(&self, fault: Fault) -> Result<()> {
        let mut planned = self.fault.lock().unwrap();
        if *planned != fault {
            return Ok(());
        }
        *planned = Fault::None;
        Err(TargetError::new(ErrorKind::Unreachable, "writing a batch", "as the test says"))
    }
}

struct Open<'a> {
    target: &'a Watched,
    batch: &'a Batch,
    committed: bool,
}

#[async_trait]
impl Begun for Open<'_> {
    async fn commit(mut self: Box<Self>) -> Result<Applied> {
        let number = self.batch.checkpoint.batch;
        self.target.fails(Fault::Commit(number))?;
        // As a server takes its time, in which others are begun.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        self.committed = true;
        self.target.saw(Committed(number));
        self.target.inner.apply(self.batch).await
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.target.saw(Dropped(self.batch.checkpoint.batch));
        }
    }
}

#[async_trait]
impl Target for Watched {
    async fn capabilities(&self) -> Result<Capabilities> {
        self.inner.capabilities().await
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
        self.saw(Sent(batch.checkpoint.batch));
        self.inner.apply(batch).await
    }

    async fn begin<'a>(&'a self, batch: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        self.fails(Fault::Begin(batch.checkpoint.batch))?;
        self.saw(Ahead(batch.checkpoint.batch));
        Ok(Some(Box::new(Open { target: self, batch, committed: false })))
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

/// Loads all rows, and returns what the target was asked for.
async fn load(fault: Fault) -> Vec<Event> {
    let mut world = World::with(Retention::default(), Arc::new(InMemory::new()));
    let target = Arc::new(Watched {
        inner: MemoryTarget::default(),
        fault: Mutex::new(fault),
        events: Mutex::default(),
    });
    world.env.target = target.clone();
    world.env.source = Arc::new(Many);
    engine::run(&world.env, &world.sync, RunOptions::default()).await.unwrap();
    let rows = target.inner.rows(&world.sync.table).unwrap();
    assert_eq!(rows.num_rows(), usize::try_from(ROWS).unwrap());
    let applied: Vec<_> = target.inner.applied().iter().map(|checkpoint| checkpoint.batch).collect();
    assert!(applied.len() > 5 && applied.iter().copied().eq(1..=applied.len() as u64), "{applied:?}");
    assert_eq!(*target.fault.lock().unwrap(), Fault::None, "it has happened");
    let events = target.events.lock().unwrap().clone();
    // Never are more of them open than two, nor is any while one is sent by itself.
    let mut open = 0;
    for event in &events {
        match event {
            Ahead(_) => open += 1,
            Committed(_) | Dropped(_) => open -= 1,
            Sent(_) => assert_eq!(open, 0, "{events:?}"),
        }
        assert!(open <= 2, "{events:?}");
    }
    events
}

fn at(events: &[Event], event: Event) -> usize {
    events.iter().position(|e| *e == event).unwrap_or_else(|| panic!("no {event:?}: {events:?}"))
}

/// Contract: C43
#[tokio::test]
async fn batches_are_begun_before_the_one_before_is_committed() {
    let events = load(Fault::None).await;
    assert!(at(&events, Ahead(2)) < at(&events, Committed(1)), "{events:?}");
    let alone = events.iter().filter(|e| matches!(e, Sent(_) | Dropped(_))).count();
    assert_eq!(alone, 0, "{events:?}");
}

/// Contract: C43
#[tokio::test]
async fn when_one_cannot_be_begun_the_rest_goes_one_by_one() {
    let events = load(Fault::Begin(3)).await;
    let sent = at(&events, Sent(3));
    assert!(events[sent..].iter().all(|e| matches!(e, Sent(_))), "{events:?}");
}

/// Contract: C12, C43
#[tokio::test]
async fn when_a_commit_fails_what_else_is_begun_is_dropped_and_the_batch_is_sent_again() {
    let events = load(Fault::Commit(2)).await;
    assert!(at(&events, Dropped(2)) < at(&events, Sent(2)), "{events:?}");
    let sent = at(&events, Sent(2));
    assert!(events[sent..].iter().all(|e| matches!(e, Sent(_))), "{events:?}");
}
