//! The process that is killed.

use super::order::{End, Moment, Order, Signal, Verb};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::BoxStream;
use hydrant::{
    cli::Exit,
    clock::Clock,
    config,
    engine::{self, Env, Observer, RunOptions, Step, Unobserved},
    object_storage,
    point::Point,
    registry::Registry,
    store::{LeaseTimes, SyncStore},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};
use std::{
    fmt,
    io::Write,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Where a child finds its order.
const ORDER: &str = "HYDRANT_TEST_CRASH_ORDER";

/// The command that runs this very test in a process of its own, with an order.
pub(super) fn command(order: &Order) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    let (_, module) = module_path!().split_once("::").expect("a module of the test program");
    command.args(["--exact", &format!("{module}::is_what_orders_say")]);
    command.arg("--nocapture").env(ORDER, serde_json::to_string(order).expect("JSON"));
    command
}

/// With an order this is no test but the child that follows it. Without one, it tests that orders arrive as they were given.
#[test]
fn is_what_orders_say() {
    if let Ok(order) = std::env::var(ORDER) {
        let order: Order = serde_json::from_str(&order).expect("an order");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let exit = runtime.block_on(follow(order));
        std::process::exit(exit as i32);
    }
    for point in Point::ALL {
        let moment = Moment::new(*point, 2).counted_after(Point::Settling).later(7);
        assert_eq!((moment.point(), moment.after()), (*point, Some(Point::Settling)));
        let order = Order::die("items", moment);
        let text = serde_json::to_string(&order).expect("JSON");
        assert_eq!(serde_json::from_str::<Order>(&text).expect("an order"), order);
    }
}

async fn follow(order: Order) -> Exit {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = config::load(std::path::Path::new("hydrant.yml"), &config::process_environment);
    let config = config.unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let registry = Registry::new(&config).expect("a registry");
    let sync = &config.syncs[&order.sync];
    let (term, skew) = order.lease_ms.unwrap_or((60_000, 5_000));
    let env = Env {
        store: match &order.end {
            End::HalfPut { name } => torn(&config.store, &order.sync, name),
            End::Natural | End::At { .. } => registry.store(&order.sync),
        },
        source: registry.source(&config, &sync.source).expect("a source"),
        target: registry.target(&config, &sync.target).expect("a target"),
        clock: Arc::new(Ahead(TimeDelta::seconds(order.clock_ahead_s))),
        observer: match order.end {
            End::At { moment, signal } => Arc::new(Ender::new(moment, signal)),
            End::Natural | End::HalfPut { .. } => Arc::new(Unobserved),
        },
        stop: CancellationToken::new(),
        memory_bytes: registry.memory_bytes(),
        scratch: registry.scratch().to_owned(),
        lease_times: LeaseTimes { term: TimeDelta::milliseconds(term), skew: TimeDelta::milliseconds(skew) },
    };
    let done = match order.verb {
        Verb::Run => engine::run(&env, sync, RunOptions::default()).await.map(drop),
        Verb::Collect => engine::gc(&env, sync, false).await.map(drop),
        Verb::Abandon { run } => engine::abandon(&env, sync, run).await.map(drop),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            Exit::of_failure(error.failure.kind())
        }
    }
}

/// A clock that is ahead.
struct Ahead(TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.0
    }
}

/// A file that is there when a process that was stopped shall go on.
pub(super) const GO_ON: &str = "go-on";

/// Sends this process a signal, and does nothing more: other threads of the process may go on for a moment before it takes
/// effect. After SIGSTOP it returns when the process shall go on.
fn signal_self(signal: Signal) {
    let pid = std::process::id().to_string();
    let status = Command::new("kill").args([&format!("-{}", signal.name()), &pid]).status();
    assert!(status.expect("kill").success());
    while signal == Signal::Kill || !std::path::Path::new(GO_ON).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the process at a moment.
struct Ender {
    moment: Moment,
    point: Point,
    after: Option<Point>,
    signal: Signal,
    counting: AtomicBool,
    times: AtomicU32,
}

impl Ender {
    fn new(moment: Moment, signal: Signal) -> Self {
        let (point, after) = (moment.point(), moment.after());
        let counting = AtomicBool::new(after.is_none());
        Self { moment, point, after, signal, counting, times: AtomicU32::new(0) }
    }
}

impl Observer for Ender {
    fn step(&self, _: &str, _: Step) {}
    fn exported(&self, _: &str, _: u64) {}
    fn compared(&self, _: &str, _: u64, _: u64) {}
    fn applied(&self, _: &str, _: u64, _: u64) {}

    fn reached(&self, _: &str, point: Point) {
        if point == self.point
            && self.counting.load(SeqCst)
            && self.times.fetch_add(1, SeqCst) + 1 == self.moment.nth
        {
            let (signal, later) = (self.signal, Duration::from_micros(self.moment.later_us));
            if later.is_zero() {
                return signal_self(signal);
            }
            std::thread::spawn(move || {
                std::thread::sleep(later);
                signal_self(signal);
            });
        }
        if Some(point) == self.after {
            self.counting.store(true, SeqCst);
        }
    }
}

/// The store of a sync, in a local folder, in which one object will be half-written.
fn torn(spec: &config::StoreSpec, sync: &str, name: &str) -> SyncStore {
    let storage = object_storage::connect(&spec.location, &spec.options).expect("a store");
    SyncStore::new(Arc::new(Torn { inner: storage.store, name: name.to_owned() }), &storage.root, sync)
}

/// A local folder, written by a process that dies in the middle of it: the file that the object is put together in, under
/// the name that `object_store` gives it, holds half of the bytes.
#[derive(Debug)]
struct Torn {
    inner: Arc<dyn ObjectStore>,
    name: String,
}

#[async_trait]
impl ObjectStore for Torn {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if path.as_ref().contains(&self.name) {
            let file = LocalFileSystem::new().path_to_filesystem(path)?;
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            let bytes = bytes::Bytes::from(payload.clone());
            std::fs::write(format!("{}#1", file.display()), &bytes[..bytes.len() / 2]).expect("half a file");
            signal_self(Signal::Kill);
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torn {}", self.inner)
    }
}
