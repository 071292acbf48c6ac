//! A sync that goes on without somebody: whose lease ends after its run was published, or who reads without a lease while
//! the next run is published and the old one collected.

use crate::gc::World;
use async_trait::async_trait;
use chrono::TimeDelta;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use hydrant::{
    engine::{self, Env, Failure, PlanOptions, RunOptions},
    store::{Commit, Lease, LeaseRecord, LeaseTimes, StoreError, SyncStore},
    sync::Retention,
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

const LAST_ONLY: Retention = Retention { runs: 1, days: 0 };

type Answer<T> = object_store::Result<T>;

/// What happens before the first object whose path contains this is read.
type Meanwhile = (&'static str, BoxFuture<'static, ()>);

/// A store in which something happens at the wrong moment.
struct Untimely {
    objects: Arc<InMemory>,
    meanwhile: Mutex<Option<Meanwhile>>,
    /// Whether whoever removes something waits for ever.
    never_removes: bool,
}

impl Untimely {
    fn new(objects: Arc<InMemory>) -> Self {
        Self { objects, meanwhile: Mutex::default(), never_removes: false }
    }
}

impl fmt::Debug for Untimely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untimely")
    }
}

impl fmt::Display for Untimely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untimely")
    }
}

#[async_trait]
impl ObjectStore for Untimely {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Answer<PutResult> {
        self.objects.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Answer<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Answer<GetResult> {
        let now = self.meanwhile.lock().unwrap().take_if(|(part, _)| path.as_ref().contains(*part));
        if let Some((_, meanwhile)) = now {
            meanwhile.await;
        }
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Answer<Path>>) -> BoxStream<'static, Answer<Path>> {
        match self.never_removes {
            true => stream::pending().boxed(),
            false => self.objects.delete_stream(paths),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Answer<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Answer<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Answer<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_published_is_no_failure_if_its_lease_goes_while_it_removes_old_ones() {
    let objects = Arc::new(InMemory::new());
    let mut world = World::with(LAST_ONLY, objects.clone());
    world.publish(1).await;
    let stuck = Untimely { never_removes: true, ..Untimely::new(objects.clone()) };
    world.env.store = SyncStore::new(Arc::new(stuck), &Path::default(), "items");
    world.env.lease_times =
        LeaseTimes { term: TimeDelta::milliseconds(1200), skew: TimeDelta::milliseconds(200) };
    *world.source.0.lock().unwrap() = Some(2);
    let store = world.env.store.clone();
    let thief = async move {
        // Once it is published, somebody else has the lease.
        let published = store.names().manifest(2, Commit::Published);
        while !store.exists(&published).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loop {
            let (number, record) = Lease::current(&store).await.unwrap().unwrap();
            let other =
                LeaseRecord { epoch: record.epoch + 1, nonce: "another".into(), released: false, ..record };
            // Its holder may have renewed it in between.
            match store.create(&store.names().lease(number + 1), &other).await {
                Err(StoreError::Taken { .. }) => {}
                taken => return taken.unwrap(),
            }
        }
    };
    let run = engine::run(&world.env, &world.sync, RunOptions::default());
    let (report, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(run, thief) }).await.unwrap();
    assert_eq!(report.unwrap().run, 2);
}

/// The environment of somebody who reads a sync, to whom `next` happens before the first object whose path contains `part` is
/// read: a later run is published, and the earlier one goes.
fn reader(world: &World, objects: &Arc<InMemory>, part: &'static str) -> Env {
    let (env, sync) = (world.env.clone(), world.sync.clone());
    let next = async move {
        engine::run(&env, &sync, RunOptions::default()).await.unwrap();
    };
    let untimely =
        Untimely { meanwhile: Mutex::new(Some((part, next.boxed()))), ..Untimely::new(objects.clone()) };
    Env { store: SyncStore::new(Arc::new(untimely), &Path::default(), "items"), ..world.env.clone() }
}

#[tokio::test]
async fn a_history_is_read_although_its_last_run_is_collected_meanwhile() {
    for part in ["00000001.published", "00000001.sealed"] {
        let objects = Arc::new(InMemory::new());
        let world = World::with(LAST_ONLY, objects.clone());
        world.publish(1).await;
        *world.source.0.lock().unwrap() = Some(2);
        let env = reader(&world, &objects, part);
        let now = env.clock.now();
        let status = engine::status(&env.store, "items", env.lease_times, now).await.unwrap();
        assert_eq!(status.published.map(|published| published.run), Some(2), "{part}");
        // What is really gone is damage as before.
        let names = env.store.names();
        env.store.delete(&names.manifest(2, Commit::Sealed)).await.unwrap();
        let error = engine::status(&env.store, "items", env.lease_times, now).await.unwrap_err();
        assert!(error.to_string().contains("its seal is gone"), "{error}");
    }
}

#[tokio::test]
async fn a_plan_that_is_overtaken_says_so_and_reports_no_damage() {
    let objects = Arc::new(InMemory::new());
    let world = World::with(LAST_ONLY, objects.clone());
    world.publish(1).await;
    *world.source.0.lock().unwrap() = Some(2);
    let env = reader(&world, &objects, "runs/00000001/index");
    let error = engine::plan(&env, &world.sync, PlanOptions { samples: 3, full: false }).await.unwrap_err();
    assert!(matches!(*error.failure, Failure::Overtaken { run: 2 }), "{error}");
    engine::plan(&env, &world.sync, PlanOptions { samples: 3, full: false }).await.unwrap();
    // Without a later run it is damage.
    let gone = objects.list(None).map(|meta| meta.unwrap().location);
    let gone: Vec<_> =
        gone.filter(|path| std::future::ready(path.as_ref().contains("/index/"))).collect().await;
    for path in gone {
        env.store.delete(&path).await.unwrap();
    }
    let error = engine::plan(&env, &world.sync, PlanOptions { samples: 3, full: false }).await.unwrap_err();
    assert!(matches!(*error.failure, Failure::Store(_)), "{error}");
}
