//! Bugs planted outside of the engine, one of each kind, and for each a test that the simulation finds it.

use super::{
    faults::{Clocks, Fate, Sleep, Weather, When},
    schedule::play,
};
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use async_trait::async_trait;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream::BoxStream};
use hydrant::store::RejectRecord;
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, Inspection, Rebuildable, Result,
    Scanned, ServerInfo, TableSpec, Target,
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};
use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// The target takes writes of any epoch.
    ForgetsEpochs,
    /// The target commits the checkpoint first, and then the rows; whether it compares epochs for those, too.
    CheckpointFirst {
        fenced: bool,
    },
    /// The target commits the rows first, and then the checkpoint; whether it compares epochs for those, too.
    RowsFirst {
        fenced: bool,
    },
    /// Now and then the target leaves out a row.
    DropsARow,
    /// When a batch comes again, the target adds to its rows what it wrote the first time.
    AddsTwice,
    /// To create an object is to write over what is there.
    Overwrites,
    /// Listings leave out the manifest of a run that is sealed and not published.
    HidesSeals,
    /// Of what is noted of refused rows nothing is kept.
    LosesNotes,
}

impl Planted {
    pub(super) fn on_target(self, inner: Arc<dyn Target>) -> Arc<dyn Target> {
        match self {
            Self::ForgetsEpochs
            | Self::CheckpointFirst { .. }
            | Self::RowsFirst { .. }
            | Self::DropsARow
            | Self::AddsTwice => {
                Arc::new(WrongTarget { bug: self, inner, epoch: AtomicU64::new(0), last: Mutex::default() })
            }
            Self::Nothing | Self::Overwrites | Self::HidesSeals | Self::LosesNotes => inner,
        }
    }

    pub(super) fn on_store(self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        match self {
            Self::Overwrites | Self::HidesSeals | Self::LosesNotes => {
                Arc::new(WrongStore { bug: self, inner })
            }
            _ => inner,
        }
    }
}

struct WrongTarget {
    bug: Planted,
    inner: Arc<dyn Target>,
    /// The highest epoch that came.
    epoch: AtomicU64,
    last: Mutex<Option<Checkpoint>>,
}

#[async_trait]
impl Target for WrongTarget {
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
        let highest = self.epoch.fetch_max(epoch, Ordering::Relaxed).max(epoch);
        let epoch = if self.bug == Planted::ForgetsEpochs { highest } else { epoch };
        self.inner.claim(sync, epoch).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        let last = self.last.lock().unwrap().replace(batch.checkpoint.clone());
        let mut batch = batch.clone();
        match self.bug {
            Planted::ForgetsEpochs => batch.checkpoint.epoch = self.epoch.load(Ordering::Relaxed),
            Planted::CheckpointFirst { fenced } => {
                self.inner.apply(&only_the_checkpoint(&batch)).await?;
                between_two_commits().await;
                batch.checkpoint.epoch = self.for_rows(&batch, fenced);
            }
            Planted::RowsFirst { fenced } => {
                let mut rows = batch.clone();
                rows.freshness = None;
                let epoch = self.for_rows(&batch, fenced);
                let before = Checkpoint { run: 0, epoch, batch: 0, ..batch.checkpoint.clone() };
                rows.checkpoint = last.map_or(before, |last| Checkpoint { epoch, ..last });
                let applied = self.inner.apply(&rows).await?;
                between_two_commits().await;
                self.inner.apply(&only_the_checkpoint(&batch)).await?;
                return Ok(applied);
            }
            Planted::DropsARow if batch.inserts.num_rows() > 0 && batch.checkpoint.run.is_multiple_of(3) => {
                batch.inserts = batch.inserts.slice(1, batch.inserts.num_rows() - 1);
            }
            Planted::AddsTwice => {
                let again = last.is_some_and(|last| {
                    last.run == batch.checkpoint.run && last.first_change == batch.checkpoint.first_change
                });
                if again {
                    batch.inserts = doubled(&batch.inserts);
                    batch.updates = doubled(&batch.updates);
                }
            }
            _ => {}
        }
        self.inner.apply(&batch).await
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

impl WrongTarget {
    /// The epoch that the rows of a batch are written under.
    fn for_rows(&self, batch: &Batch, fenced: bool) -> u64 {
        if fenced { batch.checkpoint.epoch } else { self.epoch.load(Ordering::Relaxed) }
    }
}

fn only_the_checkpoint(batch: &Batch) -> Batch {
    let mut empty = Batch::empty(batch.spec.clone(), batch.checkpoint.clone(), batch.as_of);
    empty.freshness = batch.freshness.clone();
    empty
}

/// Long enough for a process to die in it.
async fn between_two_commits() {
    tokio::time::sleep(Duration::from_millis(40)).await;
}

fn doubled(rows: &RecordBatch) -> RecordBatch {
    let names = rows.column(1).as_string::<i32>();
    let twice = |name: &str| format!("{name}{name}");
    let doubled: StringArray =
        (0..names.len()).map(|row| names.is_valid(row).then(|| twice(names.value(row)))).collect();
    RecordBatch::try_new(rows.schema(), vec![rows.column(0).clone(), Arc::new(doubled)]).unwrap()
}

struct WrongStore {
    bug: Planted,
    inner: Arc<dyn ObjectStore>,
}

#[async_trait]
impl ObjectStore for WrongStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> object_store::Result<PutResult> {
        if self.bug == Planted::Overwrites {
            options.mode = PutMode::Overwrite;
        }
        let payload = match self.bug == Planted::LosesNotes && path.as_ref().contains("/rejects/") {
            true => RejectRecord::encode(&[]).unwrap().into(),
            false => payload,
        };
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let listed = self.inner.list(prefix);
        if self.bug != Planted::HidesSeals {
            return listed;
        }
        let listed = listed.try_collect::<Vec<_>>().map_ok(|all: Vec<ObjectMeta>| {
            let published = |sealed: &str| {
                let wanted = sealed.replace(".sealed.", ".published.");
                all.iter().any(|meta| meta.location.as_ref() == wanted)
            };
            let shown = |meta: &&ObjectMeta| {
                let name = meta.location.as_ref();
                !name.ends_with(".sealed.json") || published(name)
            };
            let shown: Vec<_> = all.iter().filter(shown).cloned().map(Ok).collect();
            futures::stream::iter(shown)
        });
        futures::stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for WrongStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a store that is wrong: {:?}", self.bug)
    }
}

impl fmt::Debug for WrongStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Seeds within which each bug must be found.
const SEEDS: u64 = 60;
const STEPS: u64 = 25;

/// Plays seeds until one finds the bug, and says what it found.
fn found(bug: Planted, weather: impl Fn() -> Option<Weather>) -> String {
    for seed in 1..=SEEDS {
        if let Err(violation) = play(seed, STEPS, weather(), bug) {
            println!("{bug:?} is found by seed {seed}, step {}: {}", violation.step, violation.what);
            return violation.what;
        }
    }
    panic!("{bug:?} is not found within {SEEDS} seeds");
}

fn any() -> Option<Weather> {
    None
}

#[test]
fn planted_a_target_that_does_not_compare_epochs_is_found() {
    found(Planted::ForgetsEpochs, any);
}

/// Nothing goes wrong but the clocks: what the epochs are there for besides frozen processes.
#[test]
fn planted_clocks_apart_without_epochs_are_found() {
    let weather = || {
        let mut weather = Weather::only(&[Fate::Slow]);
        (weather.clocks, weather.races) = (Clocks::Beyond, true);
        Some(weather)
    };
    found(Planted::ForgetsEpochs, weather);
}

/// Processes that are frozen between two commits of the target, if it has two.
fn frozen_within() -> Option<Weather> {
    let both = [Sleep::Suspended, Sleep::Stopped];
    Some(Weather::only(&both.map(|sleep| Fate::Frozen(When::Within, sleep))))
}

#[test]
fn planted_rows_that_follow_their_checkpoint_unfenced_are_found() {
    found(Planted::CheckpointFirst { fenced: false }, frozen_within);
}

#[test]
fn planted_rows_that_precede_their_checkpoint_unfenced_are_found() {
    found(Planted::RowsFirst { fenced: false }, frozen_within);
}

#[test]
fn planted_a_target_that_drops_a_row_is_found() {
    found(Planted::DropsARow, any);
}

#[test]
fn planted_a_target_that_adds_when_it_should_repeat_is_found() {
    found(Planted::AddsTwice, any);
}

#[test]
fn planted_a_store_that_creates_over_what_is_there_is_found() {
    found(Planted::Overwrites, any);
}

#[test]
fn planted_a_store_that_hides_a_sealed_run_is_found() {
    found(Planted::HidesSeals, any);
}

#[test]
fn planted_a_store_that_loses_the_notes_of_rejects_is_found() {
    found(Planted::LosesNotes, any);
}

/// Two commits for a batch are no bug, in either order, as long as both compare the epoch: whoever resumes a run applies the
/// last batch again.
#[test]
fn two_fenced_commits_do_no_harm() {
    let weather = || {
        let mut weather = frozen_within()?;
        weather.fates.push(Fate::Killed(When::Within));
        Some(weather)
    };
    for seed in 1..=5 {
        for bug in [Planted::CheckpointFirst { fenced: true }, Planted::RowsFirst { fenced: true }] {
            if let Err(violation) = play(seed, STEPS, weather(), bug) {
                panic!("{bug:?}: {violation}");
            }
        }
    }
}
