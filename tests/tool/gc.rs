//! What is removed from the store, and above all what is not.

use crate::harness::{Project, Ran, eventually, signal};
use arrow::{
    array::{Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream::BoxStream};
use hydrant::{
    clock::{Clock, SystemClock},
    engine::{self, Env, FailureKind, GcReport, Observer, Reason, RunOptions, Step, Unobserved},
    guard::GuardRules,
    point::Point,
    source::{About, Dialect, Model, Rows, Source, SourceError, SourceErrorKind, Staging, Unload},
    store::{Commit, History, Lease, LeaseTimes, SyncStore},
    sync::{DuplicateKeys, ExportKind, ExposureSpec, NullKeys, Redact, RejectCeiling, Retention, SyncSpec},
};
use hydrant_contract::{Deletes, Documents, Mode, TableName};
use hydrant_target_memory::MemoryTarget;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// A source of one row, whose value a test sets; none: it fails.
#[derive(Clone, Default)]
pub(crate) struct OneRow(pub(crate) Arc<Mutex<Option<i64>>>);

fn schema() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![column("id"), column("value")]))
}

#[async_trait]
impl Source for OneRow {
    fn dialect(&self) -> Dialect {
        Dialect::Standard
    }

    async fn about(&self) -> Result<About, SourceError> {
        Ok(About::default())
    }

    async fn describe(&self, _: &Model) -> Result<SchemaRef, SourceError> {
        Ok(schema())
    }

    async fn open(&self, _: &Model) -> Result<Rows, SourceError> {
        let batch = match *self.0.lock().unwrap() {
            Some(value) => {
                let columns = [1, value].map(|value| Arc::new(Int64Array::from(vec![value])) as _);
                Ok(RecordBatch::try_new(schema(), columns.to_vec()).unwrap())
            }
            None => {
                let message = "as the test says".to_owned();
                Err(SourceError { kind: SourceErrorKind::Broken, message, position: None })
            }
        };
        Ok(Rows { schema: schema(), batches: futures::stream::iter([batch]).boxed() })
    }

    async fn unload(&self, _: &Model, _: &Staging) -> Result<Unload, SourceError> {
        Ok(Unload::Off)
    }
}

/// A clock that is ahead by as many seconds as a test says.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

/// Does something at each point.
struct At<F>(F);

impl<F: Fn(Point) + Send + Sync> Observer for At<F> {
    fn step(&self, _: &str, _: Step) {}
    fn exported(&self, _: &str, _: u64) {}
    fn compared(&self, _: &str, _: u64, _: u64) {}
    fn applied(&self, _: &str, _: u64, _: u64) {}
    fn reached(&self, _: &str, point: Point) {
        (self.0)(point);
    }
}

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) sync: SyncSpec,
    pub(crate) source: OneRow,
    target: MemoryTarget,
    clock: Ahead,
}

impl World {
    fn new(retain: Retention) -> Self {
        Self::with(retain, Arc::new(InMemory::new()))
    }

    pub(crate) fn with(retain: Retention, objects: Arc<dyn ObjectStore>) -> Self {
        let (source, target, clock) = (OneRow::default(), MemoryTarget::default(), Ahead::default());
        let env = Env {
            store: SyncStore::new(objects, &Path::default(), "items"),
            source: Arc::new(source.clone()),
            target: Arc::new(target.clone()),
            clock: Arc::new(clock.clone()),
            observer: Arc::new(Unobserved),
            stop: CancellationToken::new(),
            memory_bytes: 1 << 20,
            scratch: std::env::temp_dir(),
            lease_times: LeaseTimes::default(),
        };
        let sync = SyncSpec {
            name: "items".into(),
            source: "one".into(),
            model: Model::default(),
            cursor: None,
            key: vec!["id".into()],
            target: "memory".into(),
            table: TableName { schema: None, name: "items".into() },
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
            columns: None,
            export: ExportKind::Full,
            duplicate_keys: DuplicateKeys::Error,
            null_keys: NullKeys::Error,
            guard: GuardRules::default(),
            rejects: RejectCeiling::default(),
            rewrite: hydrant::sync::Rewrite::Never,
            after: Vec::new(),
            retain,
            redact: Redact::default(),
            refused: BTreeMap::new(),
            exposure: ExposureSpec::default(),
        };
        Self { env, sync, source, target, clock }
    }

    pub(crate) async fn publish(&self, value: i64) -> u64 {
        *self.source.0.lock().unwrap() = Some(value);
        engine::run(&self.env, &self.sync, RunOptions::default()).await.unwrap().run
    }

    async fn fail(&self) {
        *self.source.0.lock().unwrap() = None;
        engine::run(&self.env, &self.sync, RunOptions::default()).await.unwrap_err();
    }

    /// What an attempt leaves that was killed in its export.
    async fn killed(&self) -> u64 {
        let lease = Lease::take(&self.env.store, self.env.lease_times, self.env.clock.now()).await.unwrap();
        let run = lease.epoch();
        for part in 0..3 {
            self.env.store.put(&self.env.store.names().run(run).export_part(part), "rows").await.unwrap();
        }
        lease.release(self.env.clock.now()).await.unwrap();
        run
    }

    async fn gc(&self) -> GcReport {
        engine::gc(&self.env, &self.sync, false).await.unwrap()
    }

    /// Everything in the store.
    async fn objects(&self) -> Vec<String> {
        let all = self.env.store.list(&self.env.store.names().folder()).await.unwrap();
        let mut all: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.sort();
        all
    }

    /// The runs that have anything in their folder.
    async fn runs(&self) -> Vec<u64> {
        let names = self.env.store.names();
        let mut runs: Vec<_> = self
            .env
            .store
            .list(&names.runs())
            .await
            .unwrap()
            .iter()
            .filter_map(|p| names.run_of(p))
            .collect();
        runs.sort_unstable();
        runs.dedup();
        runs
    }
}

/// Contract: C35
#[tokio::test]
async fn a_store_stays_small_however_many_runs_are_published_fail_or_are_killed() {
    let world = World::new(Retention { runs: 3, days: 0 });
    let mut sizes = Vec::new();
    for round in 0..40 {
        world.publish(round).await;
        world.fail().await;
        world.killed().await;
        world.fail().await;
        world.killed().await;
        world.publish(round).await;
        sizes.push(world.objects().await.len());
    }
    let (early, late) = (sizes[9], sizes[39]);
    assert_eq!(early, late, "{:#?}", world.objects().await);
    assert_eq!(world.runs().await.len(), 3);
}

/// The numbers of a sync that fails for a long time grow, what it leaves does not.
#[tokio::test]
async fn of_many_failures_in_a_row_one_is_remembered() {
    let world = World::new(Retention::default());
    world.publish(1).await;
    for _ in 0..10 {
        world.fail().await;
    }
    assert_eq!(world.runs().await, [1, 11]);
    world.gc().await;
    let status = || async {
        let now = world.env.clock.now();
        engine::status(&world.env.store, "items", world.env.lease_times, now).await.unwrap()
    };
    assert_eq!(status().await.failed.map(|failed| failed.run), Some(11), "also after others took a number");
    world.publish(2).await;
    assert_eq!(status().await.failed, None);
}

/// Contract: C35
#[tokio::test]
async fn published_runs_are_kept_by_number_and_by_age() {
    let day = 24 * 60 * 60;
    let world = World::new(Retention { runs: 2, days: 7 });
    for value in 1..=6 {
        world.publish(value).await;
        world.clock.0.fetch_add(day, Ordering::Relaxed);
    }
    assert_eq!(world.runs().await, [1, 2, 3, 4, 5, 6], "none is a week old");
    world.clock.0.fetch_add(3 * day, Ordering::Relaxed);
    // Now they are 9, 8, 7, 6, 5 and 4 days old.
    let report = world.gc().await;
    let gone: Vec<_> = report.runs.iter().map(|run| (run.run, run.reason)).collect();
    assert_eq!(gone, [(1, Reason::Expired), (2, Reason::Expired), (3, Reason::Expired)]);
    assert_eq!(report.published_kept, 3);
    world.clock.0.fetch_add(365 * day, Ordering::Relaxed);
    world.gc().await;
    assert_eq!(world.runs().await, [5, 6], "the last two stay however old they are");
    let last = World::new(Retention { runs: 1, days: 0 });
    for value in 1..=3 {
        last.publish(value).await;
    }
    assert_eq!(last.runs().await, [3], "the last one stays in any case");
    last.publish(3).await;
}

/// Contract: C30
#[tokio::test]
async fn a_dry_run_tells_the_same_and_removes_nothing() {
    let world = World::new(Retention::default());
    for value in 1..=5 {
        world.publish(value).await;
    }
    let (orphan, last) = (world.killed().await, world.killed().await);
    let world = World { sync: SyncSpec { retain: Retention { runs: 2, days: 0 }, ..world.sync }, ..world };
    let before = world.objects().await;
    let planned = engine::gc(&world.env, &world.sync, true).await.unwrap();
    assert_eq!(world.objects().await, before, "nothing is removed, and no lease is taken");
    let gone: Vec<_> = planned.runs.iter().map(|run| run.run).collect();
    assert_eq!(gone, [1, 2, 3, orphan, last]);
    assert!(planned.bytes > 0 && planned.objects > 5);
    let done = world.gc().await;
    assert_eq!(GcReport { dry_run: false, ..planned }, done);
    assert_eq!(world.runs().await, [4, 5]);
    assert_eq!(world.gc().await.objects, 0, "there is nothing more");
}

/// An attempt that was believed dead comes to its seal after its files were collected.
///
/// Contract: C14, C35
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_wakes_after_its_files_were_collected_is_refused_and_writes_nothing() {
    let world = World::new(Retention::default());
    *world.source.0.lock().unwrap() = Some(1);
    let (reached, is_there) = mpsc::channel();
    let (wake, awake) = mpsc::channel::<()>();
    let (reached, awake) = (Mutex::new(reached), Mutex::new(awake));
    let sleeper = At(move |point| {
        if point == Point::Sealing {
            reached.lock().unwrap().send(()).unwrap();
            awake.lock().unwrap().recv().unwrap();
        }
    });
    let env = Env { observer: Arc::new(sleeper), ..world.env.clone() };
    let sync = world.sync.clone();
    let zombie = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(engine::run(&env, &sync, RunOptions::default()))
    });
    tokio::task::spawn_blocking(move || is_there.recv().unwrap()).await.unwrap();
    // Its lease ends while it sleeps.
    world.clock.0.store(3600, Ordering::Relaxed);
    let report = world.gc().await;
    assert_eq!(
        report.runs.iter().map(|run| (run.run, run.reason)).collect::<Vec<_>>(),
        [(1, Reason::Unsealed)]
    );
    wake.send(()).unwrap();
    let error = tokio::task::spawn_blocking(move || zombie.join().unwrap()).await.unwrap().unwrap_err();
    assert_eq!(error.failure.kind(), FailureKind::Held, "{error}");
    assert_eq!(world.target.rows(&world.sync.table).map_or(0, |rows| rows.num_rows()), 0);
    let history = History::load(&world.env.store).await.unwrap();
    assert!(history.pending.is_none() && history.published.is_none());
    // What it wrote after the collection is found the next time, and the sync goes on.
    let run = world.publish(2).await;
    assert_eq!(world.runs().await, [run]);
}

/// The other way round: it was sealed before its place could be taken.
///
/// Contract: C35
#[tokio::test]
async fn a_run_that_was_sealed_in_time_is_left_alone() {
    let world = World::new(Retention { runs: 1, days: 0 });
    world.publish(1).await;
    // It stops after its seal.
    let stop = CancellationToken::new();
    let at_seal = {
        let stop = stop.clone();
        At(move |point| {
            if point == Point::Sealed {
                stop.cancel()
            }
        })
    };
    let env = Env { observer: Arc::new(at_seal), stop, ..world.env.clone() };
    *world.source.0.lock().unwrap() = Some(2);
    engine::run(&env, &world.sync, RunOptions::default()).await.unwrap_err();
    let sealed = |objects: Vec<String>| {
        objects.into_iter().filter(|o| o.contains("runs/00000002/")).collect::<Vec<_>>()
    };
    let before = sealed(world.objects().await);
    assert!(before.len() > 3, "{before:?}");
    let orphan = world.killed().await;
    assert_eq!(world.gc().await.runs.iter().map(|run| run.run).collect::<Vec<_>>(), [orphan]);
    assert_eq!(sealed(world.objects().await), before);
    assert_eq!(History::load(&world.env.store).await.unwrap().pending.unwrap().run, 2);
    // The same when it is abandoned: its keys are needed.
    engine::abandon(&world.env, &world.sync, 2).await.unwrap();
    let before = sealed(world.objects().await);
    assert_eq!(world.gc().await.objects, 0);
    assert_eq!(sealed(world.objects().await), before);
    let run = world.publish(3).await;
    assert_eq!(world.runs().await, [run], "when a later run is published, they are needed no more");
    let manifests = world.env.store.list(&world.env.store.names().manifests()).await.unwrap();
    assert_eq!(manifests.len(), 2, "{manifests:?}");
}

/// Contract: C2, C35
#[tokio::test]
async fn a_collection_that_ends_after_any_object_leaves_a_store_that_works() {
    for kill_at in 0.. {
        let world = World::new(Retention::default());
        for value in 1..=3 {
            world.publish(value).await;
        }
        world.killed().await;
        world.killed().await;
        let sync = SyncSpec { retain: Retention { runs: 1, days: 0 }, ..world.sync.clone() };
        let (stop, removed) = (CancellationToken::new(), AtomicUsize::new(0));
        let at = {
            let stop = stop.clone();
            At(move |point| {
                if point == Point::Collecting && removed.fetch_add(1, Ordering::Relaxed) == kill_at {
                    stop.cancel();
                }
            })
        };
        let env = Env { observer: Arc::new(at), stop, ..world.env.clone() };
        let ended = engine::gc(&env, &sync, false).await;
        let history = History::load(&world.env.store).await.unwrap();
        assert_eq!(history.published.unwrap().0.run, 3);
        // Every published run that is still named has its seal and its files.
        for path in world.env.store.list(&world.env.store.names().manifests()).await.unwrap() {
            let Some((run, Commit::Published)) = hydrant::store::SyncNames::manifest_of(&path) else {
                continue;
            };
            let sealed = History::sealed(&world.env.store, run).await.unwrap().expect("its seal");
            for part in sealed.export.parts {
                let path = world.env.store.names().run(run).export_part(part.number);
                assert!(world.env.store.exists(&path).await.unwrap(), "{path}, killed at {kill_at}");
            }
        }
        engine::gc(&world.env, &sync, false).await.unwrap();
        assert_eq!(world.runs().await, [3]);
        world.publish(4).await;
        if ended.is_ok() {
            assert!(kill_at > 10, "it had much to do");
            return;
        }
    }
}

/// A store that removes nothing.
#[derive(Debug)]
struct Undeletable(InMemory);

impl std::fmt::Display for Undeletable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Undeletable")
    }
}

type Answer<T> = object_store::Result<T>;

#[async_trait]
impl ObjectStore for Undeletable {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Answer<PutResult> {
        self.0.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Answer<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Answer<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Answer<Path>>) -> BoxStream<'static, Answer<Path>> {
        let refused = |path: Answer<Path>| {
            Err(object_store::Error::PermissionDenied { path: path?.to_string(), source: "not you".into() })
        };
        paths.map(refused).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Answer<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Answer<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Answer<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn what_cannot_be_removed_fails_no_run_but_gc_says_so() {
    let world = World::with(Retention { runs: 1, days: 0 }, Arc::new(Undeletable(InMemory::new())));
    for value in 1..=3 {
        world.publish(value).await;
    }
    assert_eq!(world.runs().await, [1, 2, 3]);
    let error = engine::gc(&world.env, &world.sync, false).await.unwrap_err();
    assert_eq!((error.failure.kind(), error.step), (FailureKind::Denied, Step::Collect), "{error}");
}

fn two_runs_and_an_orphan() -> Project {
    let project = Project::sqlite();
    project.sync("key: [id]\nretain: { runs: 2, days: 0 }");
    for csv in ["id,name\n1,one\n", "id,name\n1,two\n"] {
        project.items(csv);
        project.ok(&["run"]);
    }
    fs::create_dir_all(project.path("store/items/runs/00000003/export")).unwrap();
    project.write("store/items/runs/00000003/export/part-00000.parquet", "half a file");
    // Its lease: it was killed.
    let lease = project.read("store/items/leases/00000004.json").replace(r#""epoch": 2"#, r#""epoch": 3"#);
    project.write("store/items/leases/00000005.json", &lease);
    project
}

#[test]
fn gc_prints_what_goes() {
    let project = two_runs_and_an_orphan();
    let dry = project.ok(&["gc", "--dry-run"]);
    assert!(
        dry.stdout.contains("items: 1 object would be removed, 11 B; 2 published runs kept"),
        "{}",
        dry.stdout
    );
    assert!(dry.stdout.contains("run 3: 1 object, 11 B (never came to its seal)"), "{}", dry.stdout);
    assert!(project.path("store/items/runs/00000003").exists());
    let json = project.ok(&["gc", "items", "--output", "json"]).json();
    assert_eq!(
        json["syncs"][0],
        serde_json::json!({
            "sync": "items", "dry_run": false, "leftovers": 0, "objects": 1, "bytes": 11, "published_kept": 2,
            "runs": [{ "run": 3, "reason": "unsealed", "objects": 1, "bytes": 11 }],
        })
    );
    assert!(!project.path("store/items/runs/00000003").exists(), "no empty folder is left");
    let marker = project.read("store/items/manifests/00000003.sealed.json");
    assert!(marker.contains(r#""discarded": 3"#), "{marker}");
    project.ok(&["status"]);
    project.items("id,name\n1,three\n");
    project.ok(&["run"]);
    assert!(
        !project.path("store/items/manifests/00000003.sealed.json").exists(),
        "the marker goes in its time"
    );
    assert!(!project.path("store/items/runs/00000001").exists(), "a run collects, too");
    let ran = project.run(&["rollback", "items", "2"]);
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert!(ran.stderr.contains("not kept any more"), "{}", ran.stderr);
}

/// A process that was killed while it wrote a file leaves a file of another name, which no listing shows.
#[test]
fn half_written_files_are_removed_when_they_are_old() {
    let project = two_runs_and_an_orphan();
    let (old, young) =
        ("store/items/runs/00000002/export/part-00001.parquet#1", "store/items/leases/00000009.json#12");
    for path in [old, young] {
        project.write(path, "half");
    }
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    fs::File::options().write(true).open(project.path(old)).unwrap().set_modified(yesterday).unwrap();
    let ran = project.ok(&["gc", "--output", "json"]);
    assert_eq!(ran.json()["syncs"][0]["leftovers"], 1, "{}", ran.stdout);
    assert!(!project.path(old).exists() && project.path(young).exists());
}

#[test]
fn gc_of_a_sync_that_is_being_run_is_refused() {
    let project = Project::sqlite();
    project.items(&crate::kill::rows(Some));
    let mut child = project.start(&["run"]);
    eventually("a part of the export", || {
        project.path("store/items/runs/00000001/export/part-00000.parquet").exists()
    });
    signal(&child, "STOP");
    let ran = project.run(&["gc"]);
    let dry = project.run(&["gc", "--dry-run", "--output", "json"]);
    signal(&child, "CONT");
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!((dry.code, &dry.json()["syncs"][0]["objects"]), (0, &0.into()), "{}", dry.all());
    assert!(child.wait().unwrap().success());
}

/// The same as in the engine, with a process that really sleeps.
///
/// Contract: C14, C35
#[test]
fn a_stopped_process_whose_files_were_collected_ends_as_held_when_it_goes_on() {
    let project = Project::sqlite();
    project.items(&crate::kill::rows(Some));
    let child = project.start(&["run"]);
    eventually("a part of the export", || {
        project.path("store/items/runs/00000001/export/part-00000.parquet").exists()
    });
    signal(&child, "STOP");
    // As if its lease had ended.
    let lease = "store/items/leases/00000001.json";
    project.write(lease, &project.read(lease).replace(r#""released": false"#, r#""released": true"#));
    let ran = project.ok(&["gc"]);
    assert!(ran.stdout.contains("run 1: "), "{}", ran.stdout);
    signal(&child, "CONT");
    let ended = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, 5, "{}", ended.all());
    assert_eq!(project.query("SELECT count(*) FROM sqlite_master WHERE name = 'items'"), ["0"]);
    project.ok(&["run"]);
    assert!(!project.path("store/items/runs/00000001").exists());
}
