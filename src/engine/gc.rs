//! Removing what nothing needs any more.
//!
//! What goes is decided from the numbers of runs and from their manifests alone:
//!
//! | run | what happens to it |
//! |---|---|
//! | our own epoch or a higher one | left alone: it is, or may be, under way |
//! | the last published one | left alone: its index is what the next run compares with |
//! | after it, sealed or abandoned | left alone: it will be finished, or its keys are unknown |
//! | after it, never sealed | its seal's place is taken first, then its files go |
//! | before it, published, retained | left alone: one can roll back to it |
//! | before it, all others | its manifests go, then its files |
//!
//! Manifests go before the files that they name, so a kill in between leaves files that nothing refers to, which the next
//! time finds. A process that was believed dead may still be on its way to its seal. Before the last published run a seal
//! counts for nothing; after it, the seal's place is taken by [`Discarded`], so that process is refused and writes nothing.

use super::{Env, Failure, RunError, Step, held::Held, run::aside};
use crate::{
    point::Point,
    store::{
        Commit, Discarded, FORMAT, History, Lease, LeaseTimes, Leftover, Published, StoreError, SyncNames,
        SyncStore,
    },
    sync::{Retention, SyncSpec},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::Serialize;
use std::collections::BTreeSet;

/// Objects that are removed at the same time: what one connection pool carries without being noticed.
const REMOVED_AT_ONCE: usize = 8;
/// A half-written file that nobody has touched for so long is being written by nobody: the slowest upload of one object
/// takes minutes.
const HALF_WRITTEN_FOR: TimeDelta = TimeDelta::days(1);

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// The sync.
    pub sync: String,
    /// Nothing was removed: this is what would be.
    pub dry_run: bool,
    /// The runs of which something goes.
    pub runs: Vec<CollectedRun>,
    /// Other objects that go: superseded leases, half-written files.
    pub leftovers: u64,
    /// All objects that go.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// Published runs that stay.
    pub published_kept: u64,
}

/// A run that is collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectedRun {
    /// Its number.
    pub run: u64,
    /// Why it is not needed.
    pub reason: Reason,
    /// Its objects that go.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
}

/// Why nothing needs a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is published, and older than `retain` says.
    Expired,
    /// It was sealed and not published, and a later run was.
    Superseded,
    /// It never came to its seal.
    Unsealed,
}

/// Removes what nothing needs any more of a sync; with `dry_run` nothing is removed, and no lease is needed. Neither source
/// nor target is touched.
///
/// # Errors
///
/// As for a run: the sync is held by another process, the store fails, or it was written by a newer hydrant.
pub async fn gc(env: &Env, sync: &SyncSpec, dry_run: bool) -> Result<GcReport, RunError> {
    if !dry_run {
        return aside(env, sync, |held| Box::pin(held.collect())).await;
    }
    let looked = async {
        let epoch = next_epoch(&env.store, env.lease_times, env.clock.now()).await?;
        Collector::new(env, sync, epoch, None).collect().await
    };
    looked.await.map_err(|failure| RunError {
        sync: sync.name.clone(),
        run: None,
        step: Step::Collect,
        failure: Box::new(failure),
    })
}

impl Held<'_> {
    /// Removes what nothing needs any more. What cannot be removed is found the next time, so that is no failure of a run.
    pub(super) async fn collect_quietly(&mut self) {
        match self.collect().await {
            Ok(report) if report.objects > 0 => {
                tracing::info!(sync = report.sync, objects = report.objects, bytes = report.bytes, "removed");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(sync = self.sync.name, %error, "what is not needed any more was not all removed");
            }
        }
    }

    async fn collect(&mut self) -> Result<GcReport, Failure> {
        self.enter(Step::Collect);
        Collector::new(self.env, self.sync, self.epoch(), Some(self)).collect().await
    }
}

/// The epoch that a lease would have if it were taken now; that of the holder, if there is one.
pub(super) async fn next_epoch(
    store: &SyncStore,
    times: LeaseTimes,
    now: DateTime<Utc>,
) -> Result<u64, Failure> {
    let current = Lease::current(store).await?;
    Ok(current.map_or(1, |(_, record)| record.epoch + u64::from(Lease::is_over(&record, times, now))))
}

struct Collector<'a> {
    store: &'a SyncStore,
    names: &'a SyncNames,
    retain: Retention,
    epoch: u64,
    now: DateTime<Utc>,
    /// The lease; without it nothing is removed.
    held: Option<&'a Held<'a>>,
    report: GcReport,
}

/// Objects of a run that go, in this order.
#[derive(Default)]
struct Garbage {
    manifests: Vec<(Path, u64)>,
    files: Vec<(Path, u64)>,
}

impl Garbage {
    fn objects(&self) -> impl Iterator<Item = &(Path, u64)> {
        self.manifests.iter().chain(&self.files)
    }
}

impl<'a> Collector<'a> {
    fn new(env: &'a Env, sync: &SyncSpec, epoch: u64, held: Option<&'a Held<'a>>) -> Self {
        let report = GcReport { sync: sync.name.clone(), dry_run: held.is_none(), ..GcReport::default() };
        let (store, names, now) = (&env.store, env.store.names(), env.clock.now());
        Self { store, names, retain: sync.retain, epoch, now, held, report }
    }

    async fn collect(mut self) -> Result<GcReport, Failure> {
        // It refuses a store of a newer version, and one that is damaged where it matters.
        let last = History::load(self.store).await?.published.map(|(sealed, _)| sealed.run);
        let manifests = self.store.sizes(&self.names.manifests()).await?;
        let manifests: Vec<(u64, Commit, (Path, u64))> = manifests
            .into_iter()
            .filter_map(|object| SyncNames::manifest_of(&object.0).map(|(run, commit)| (run, commit, object)))
            .collect();
        let of = |commit| move |entry: &&(u64, Commit, (Path, u64))| entry.1 == commit;
        let published: BTreeSet<u64> = manifests.iter().filter(of(Commit::Published)).map(|m| m.0).collect();
        let kept = self.retained(&published).await?;
        self.report.published_kept = kept.len() as u64;
        let folders = self.store.folders(&self.names.runs()).await?;
        let runs: BTreeSet<u64> = folders
            .iter()
            .filter_map(|folder| self.names.run_of(folder))
            .chain(manifests.iter().map(|m| m.0))
            .filter(|run| *run < self.epoch && !kept.contains(run))
            .collect();
        let mut has_report = false;
        // The last attempt first: its report is what `status` shows.
        for run in runs.into_iter().rev() {
            let own = |commit| manifests.iter().find(move |m| m.0 == run && m.1 == commit);
            let marked = own(Commit::Sealed).is_some() || own(Commit::Abandoned).is_some();
            if Some(run) > last {
                let discarded = marked && History::sealed(self.store, run).await?.is_none();
                if !marked || discarded {
                    self.unsealed(run, discarded, &mut has_report).await?;
                }
                continue;
            }
            let reason = match (published.contains(&run), marked) {
                (true, _) => Reason::Expired,
                (false, true) => Reason::Superseded,
                (false, false) => Reason::Unsealed,
            };
            // Without its seal a published run would be damage; without its publication a sealed one is only old.
            let order = [Commit::Published, Commit::Sealed, Commit::Abandoned];
            let manifests = order.into_iter().filter_map(|c| own(c).map(|m| m.2.clone())).collect();
            let files = self.store.sizes(self.names.run(run).folder()).await?;
            self.remove(run, reason, Garbage { manifests, files }).await?;
        }
        self.report.runs.sort_by_key(|collected| collected.run);
        self.leftovers().await?;
        Ok(self.report)
    }

    /// Published runs that stay: the last ones, and those that are young.
    async fn retained(&self, published: &BTreeSet<u64>) -> Result<BTreeSet<u64>, Failure> {
        let count = usize::try_from(self.retain.runs.max(1)).unwrap_or(usize::MAX);
        let first = published.iter().nth_back(count - 1).or(published.first()).copied().unwrap_or_default();
        let older: Vec<u64> = published.range(..first).copied().collect();
        let mut kept: BTreeSet<u64> = published.range(first..).copied().collect();
        for (at, run) in older.iter().enumerate() {
            if self.is_young(*run).await? {
                // Later runs are younger still: a sync that runs every minute need not read ten thousand manifests.
                kept.extend(&older[at..]);
                break;
            }
        }
        Ok(kept)
    }

    async fn is_young(&self, run: u64) -> Result<bool, Failure> {
        let published: Published = match self.store.read(&self.names.manifest(run, Commit::Published)).await {
            Ok(published) => published,
            // It cannot be rolled back to either.
            Err(StoreError::Corrupt { .. }) => return Ok(false),
            Err(error) if error.is_missing() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let age = self.now - published.published_at;
        // A time that lies far ahead is a clock that was wrong; it must not keep a run for years.
        Ok(age < TimeDelta::days(self.retain.days.into()) && age > TimeDelta::days(-1))
    }

    /// A run after the last published one that has not come to its seal.
    async fn unsealed(&mut self, run: u64, is_discarded: bool, has_report: &mut bool) -> Result<(), Failure> {
        let report = self.names.run(run).report();
        let files = self.store.sizes(self.names.run(run).folder()).await?;
        let (reports, mut files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| *path == report);
        // Only what a seal would name needs the seal's place; a report is named by nothing.
        if !files.is_empty() && !is_discarded && !self.discard(run).await? {
            return Ok(());
        }
        if *has_report {
            files.extend(reports);
        } else {
            *has_report = !reports.is_empty();
        }
        self.remove(run, Reason::Unsealed, Garbage { manifests: Vec::new(), files }).await
    }

    /// Takes the place of a run's seal. `false` if the run was sealed in the meantime.
    async fn discard(&self, run: u64) -> Result<bool, Failure> {
        let Some(held) = self.held else { return Ok(true) };
        held.go_on()?;
        let discarded = Discarded {
            format: FORMAT,
            sync: held.sync.name.clone(),
            discarded: run,
            epoch: self.epoch,
            at: self.now,
        };
        match self.store.create(&self.names.manifest(run, Commit::Sealed), &discarded).await {
            Ok(()) => Ok(true),
            Err(StoreError::Taken { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&mut self, run: u64, reason: Reason, garbage: Garbage) -> Result<(), Failure> {
        let (objects, bytes) =
            garbage.objects().fold((0, 0), |(objects, bytes), (_, size)| (objects + 1, bytes + size));
        if let Some(held) = self.held {
            for (path, _) in &garbage.manifests {
                self.remove_one(held, path).await?;
            }
            let removing = &*self;
            stream::iter(garbage.files)
                .map(|(path, _)| async move { removing.remove_one(held, &path).await })
                .buffer_unordered(REMOVED_AT_ONCE)
                .try_collect::<()>()
                .await?;
            self.store.delete_folder(run).await?;
        }
        self.count(objects, bytes);
        if objects > 0 {
            self.report.runs.push(CollectedRun { run, reason, objects, bytes });
        }
        Ok(())
    }

    async fn remove_one(&self, held: &Held<'_>, path: &Path) -> Result<(), Failure> {
        held.go_on()?;
        held.reached(Point::Collecting);
        Ok(self.store.delete(path).await?)
    }

    /// What belongs to no run.
    async fn leftovers(&mut self) -> Result<(), Failure> {
        for (path, bytes) in Lease::superseded(self.store).await? {
            if let Some(held) = self.held {
                self.remove_one(held, &path).await?;
            }
            self.report.leftovers += 1;
            self.count(1, bytes);
        }
        let half_written: Vec<Leftover> = self.store.leftovers(self.now - HALF_WRITTEN_FOR).await?;
        for leftover in half_written {
            let bytes = leftover.bytes;
            if let Some(held) = self.held {
                held.go_on()?;
                held.reached(Point::Collecting);
                self.store.delete_leftover(leftover).await?;
            }
            self.report.leftovers += 1;
            self.count(1, bytes);
        }
        Ok(())
    }

    fn count(&mut self, objects: u64, bytes: u64) {
        self.report.objects += objects;
        self.report.bytes += bytes;
    }
}
