//! One run, from the lease to its release.

use super::{
    Counts, Env, FailedAttempt, Failure, RunError, RunOptions, RunReport, Step,
    base::{Base, Room},
    compare::{Compare, Compared},
    export::{Destination, export},
    keeper::LeaseKeeper,
    place, table_spec,
};
use crate::{
    apply::{Job, Retrying},
    fingerprint::Scheme,
    guard::{Figures, Verdict, judge},
    store::{
        Commit, FORMAT, History, Lease, LeaseError, Published, RejectRecord, Sealed, StoreError, Withheld,
    },
    sync::SyncSpec,
};
use arrow::datatypes::SchemaRef;
use hydrant_contract::{Checkpoint, Deletes, ErrorKind, Inspection, Mode, Shape, TableSpec, Target};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Runs a sync: finishes what an earlier process sealed, then brings the table to the query's present rows.
pub async fn run(env: &Env, sync: &SyncSpec, options: RunOptions) -> Result<RunReport, RunError> {
    env.observer.step(&sync.name, Step::Start);
    let fail =
        |run, step, failure| RunError { sync: sync.name.clone(), run, step, failure: Box::new(failure) };
    let keeper = LeaseKeeper::take(&env.store, env.lease_times, env.clock.clone())
        .await
        .map_err(|error| fail(None, Step::Start, error.into()))?;
    let mut held = Held {
        env,
        sync,
        options,
        keeper: &keeper,
        target: Arc::new(Retrying::new(env.target.clone())),
        step: Step::Start,
        clock: BTreeMap::new(),
        since: Instant::now(),
    };
    let outcome = held.run().await;
    let outcome = outcome.map_err(|failure| {
        // The apply loop cannot know the epoch that was lost.
        let failure = match failure {
            Failure::Lease(LeaseError::Lost(_)) => Failure::Lease(LeaseError::Lost(keeper.epoch)),
            other => other,
        };
        fail(Some(keeper.epoch), held.step, failure)
    });
    if let Err(error) = &outcome {
        note_failure(env, error, keeper.epoch).await;
    }
    keeper.release().await;
    outcome
}

/// Leaves word of a failed attempt, for `hydrant status`. The failure itself is what matters: it is returned in any case.
async fn note_failure(env: &Env, error: &RunError, run: u64) {
    let attempt = FailedAttempt {
        format: FORMAT,
        run,
        at: env.clock.now(),
        step: error.step.to_string(),
        message: error.failure.to_string(),
    };
    let Ok(bytes) = serde_json::to_vec_pretty(&attempt) else { return };
    if let Err(error) = env.store.put(&env.store.names().run(run).report(), bytes).await {
        tracing::warn!(%error, "the failure could not be noted in the store");
    }
}

/// A run under a lease.
struct Held<'a> {
    env: &'a Env,
    sync: &'a SyncSpec,
    options: RunOptions,
    keeper: &'a LeaseKeeper,
    target: Arc<dyn Target>,
    step: Step,
    clock: BTreeMap<&'static str, f64>,
    since: Instant,
}

impl Held<'_> {
    async fn run(&mut self) -> Result<RunReport, Failure> {
        let mut history = History::load(&self.env.store).await?;
        let rolled_forward = match history.pending.take() {
            Some(sealed) => Some(Box::new(self.finish(sealed, &history).await?)),
            None => None,
        };

        self.enter(Step::Inspect);
        let as_of = self.env.clock.now();
        let rows = self.env.source.open(&self.sync.model).await?;
        let shape = Shape::of(&rows.schema, self.sync.key.clone())?;
        refuse_reserved(&rows.schema, &self.sync.deletes)?;
        let spec = table_spec(self.sync, shape);
        let scheme = Scheme::of(&spec.shape);
        same_place_and_key(self.sync, &history, &spec, &scheme)?;
        let absent = self.inspect(&spec).await?;
        let checkpoint = self.claim().await?;
        // Only from here on does nobody else write: what a late holder sealed before the claim would be missed.
        history = History::load(&self.env.store).await?;
        if history.pending.is_some() {
            return Err(LeaseError::Lost(self.keeper.epoch).into());
        }
        same_place_and_key(self.sync, &history, &spec, &scheme)?;
        self.target_remembers(&history, None, checkpoint.as_ref(), absent)?;

        self.enter(Step::Export);
        let run = self.keeper.epoch;
        let names = self.env.store.names().run(run);
        let to = Destination { store: &self.env.store, names: names.clone() };
        let exported = export(self.env, self.sync, rows, &spec.shape, to, &self.keeper.lost).await?;
        if !exported.null_keys.is_empty() {
            let path = names.null_keys();
            let bytes = RejectRecord::encode(&exported.null_keys)
                .map_err(|e| StoreError::Corrupt { path: path.clone(), message: e.to_string() })?;
            self.env.store.put(&path, bytes).await?;
        }

        self.enter(Step::Diff);
        let base = self.base(&history, &scheme, &spec).await?;
        let fingerprints = Arc::new(exported.fingerprints);
        let observer = self.env.observer.clone();
        let progress = |done, of| observer.compared(&self.sync.name, done, of);
        let compared = Compare {
            base: &base,
            fingerprints,
            shape: &spec.shape,
            duplicate_keys: self.sync.duplicate_keys,
            wants_deletes: wants_deletes(&spec),
            store: &self.env.store,
            names,
            stop: &self.env.stop,
            progress: &progress,
        }
        .run()
        .await?;
        let figures = figures(&base, &history, &compared, self.sync);
        let approved = self.options.approved.clone();
        // Who sends every row again has asked for as many updates.
        let approved = if self.options.resend { approved.any_changes() } else { approved };
        let verdict = judge(&self.sync.guard, &figures, &approved);
        let stops: Vec<_> = verdict.stops().cloned().collect();
        if !stops.is_empty() {
            return Err(Failure::Guard { findings: stops });
        }

        self.enter(Step::Seal);
        self.go_on()?;
        let sealed = Sealed {
            format: FORMAT,
            hydrant: env!("CARGO_PKG_VERSION").to_owned(),
            sync: self.sync.name.clone(),
            run,
            base: base.run,
            as_of,
            sealed_at: self.env.clock.now(),
            target: self.sync.target.clone(),
            spec,
            scheme,
            export: exported.export,
            index: compared.index,
            changes: compared.changes,
            withheld: deletes_withheld(&verdict).map(|reason| Withheld { reason }),
            resend: self.options.resend,
            null_keys: exported.null_keys.len() as u64,
        };
        self.env.store.create(&self.env.store.names().manifest(run, Commit::Sealed), &sealed).await?;
        self.enter(Step::Apply);
        let ceiling = self.sync.rejects.of(sealed.export.rows()).saturating_sub(sealed.null_keys);
        let mut report = self.apply_and_publish(&sealed, None, absent, ceiling).await?;
        let room = 10_usize.saturating_sub(report.rejects.len());
        report.rejects.extend(exported.null_keys.into_iter().take(room));
        report.rolled_forward = rolled_forward;
        Ok(report)
    }

    /// Finishes a run that was sealed and not published, from its own files.
    ///
    /// Its rejects have no ceiling: its rows cannot be mended any more, and what is refused is tried again by the next run,
    /// from fresh rows and under the ceiling.
    async fn finish(&mut self, sealed: Sealed, history: &History) -> Result<RunReport, Failure> {
        self.enter(Step::RollForward);
        if sealed.target != self.sync.target {
            return Err(Failure::TargetGone { run: sealed.run, target: sealed.target });
        }
        tracing::info!(sync = sealed.sync, run = sealed.run, "finishing a run that was sealed before");
        let absent = self.inspect(&sealed.spec).await?;
        let checkpoint = self.claim().await?;
        self.target_remembers(history, Some(&sealed), checkpoint.as_ref(), absent)?;
        self.apply_and_publish(&sealed, checkpoint.as_ref(), absent, u64::MAX).await
    }

    /// Takes the target over. If it has seen a later epoch although this lease is in force, the store is the one behind.
    async fn claim(&self) -> Result<Option<Checkpoint>, Failure> {
        match self.target.claim(&self.sync.name, self.keeper.epoch).await {
            Err(error) if error.kind() == ErrorKind::Fenced => {
                let current = Lease::current(&self.env.store).await?;
                Err(match current.is_some_and(|(_, record)| record.epoch == self.keeper.epoch) {
                    true => Failure::EpochBehind { epoch: self.keeper.epoch, said: error.to_string() },
                    false => error.into(),
                })
            }
            claimed => Ok(claimed?),
        }
    }

    async fn apply_and_publish(
        &mut self,
        sealed: &Sealed,
        last: Option<&Checkpoint>,
        absent: bool,
        reject_ceiling: u64,
    ) -> Result<RunReport, Failure> {
        if absent {
            self.target.create(&sealed.spec).await?;
        }
        let observer = self.env.observer.clone();
        let progress = |done, of| observer.applied(&self.sync.name, done, of);
        let job = Job {
            store: &self.env.store,
            sealed,
            target: self.target.as_ref(),
            epoch: self.keeper.epoch,
            reject_ceiling,
            stop: &self.env.stop,
            lease_lost: &self.keeper.lost,
            progress: &progress,
        };
        let outcome = job.apply(last).await?;

        self.enter(Step::Publish);
        // The exceptions belong to what this process applied. Had another one gone on with the run in the meantime, this
        // would be refused.
        self.claim().await?;
        if self.keeper.lost.is_cancelled() {
            return Err(LeaseError::Lost(self.keeper.epoch).into());
        }
        let published = Published {
            format: FORMAT,
            sync: sealed.sync.clone(),
            run: sealed.run,
            epoch: self.keeper.epoch,
            published_at: self.env.clock.now(),
            exceptions: outcome.exceptions,
        };
        self.env
            .store
            .create(&self.env.store.names().manifest(sealed.run, Commit::Published), &published)
            .await?;
        self.lap();
        Ok(RunReport {
            sync: sealed.sync.clone(),
            run: sealed.run,
            base: sealed.base,
            as_of: sealed.as_of,
            published_at: published.published_at,
            table: place(&sealed.target, &sealed.spec),
            counts: Counts::of(sealed, Some(&published)),
            withheld: sealed.withheld.as_ref().map(|w| w.reason.clone()),
            rejects: outcome.samples,
            batches: outcome.paths,
            seconds: std::mem::take(&mut self.clock),
            rolled_forward: None,
        })
    }

    async fn base(&self, history: &History, scheme: &Scheme, spec: &TableSpec) -> Result<Base, Failure> {
        let keys = spec.shape.key_schema();
        let Some((sealed, published)) = &history.published else { return Base::none(&self.env.store, keys) };
        let room = Room { memory_bytes: self.env.memory_bytes, scratch: &self.env.scratch };
        Base::of(&self.env.store, sealed, Some(published), spec, scheme, self.options.resend, room).await
    }

    /// Whether the table is absent; a table that does not fit is a failure.
    async fn inspect(&self, spec: &TableSpec) -> Result<bool, Failure> {
        match self.target.inspect(spec).await? {
            Inspection::Absent { .. } => Ok(true),
            Inspection::Present { mismatches } if mismatches.is_empty() => Ok(false),
            Inspection::Present { mismatches } => {
                Err(Failure::TableDiffers { table: place(&self.sync.target, spec), mismatches })
            }
        }
    }

    /// Store and target must agree on the last run: the index is only worth something as long as both are those that were
    /// written to. `pending` is the sealed run that is about to be finished, if this is not about a new one.
    fn target_remembers(
        &self,
        history: &History,
        pending: Option<&Sealed>,
        last: Option<&Checkpoint>,
        absent: bool,
    ) -> Result<(), Failure> {
        let written = last.filter(|checkpoint| checkpoint.batch > 0);
        let published = history.published.as_ref().map(|(sealed, _)| sealed);
        let behind = |remembers| {
            let known = published.map_or_else(
                || "no run of it".to_owned(),
                |sealed| format!("nothing later than run {}", sealed.run),
            );
            Failure::StoreBehind { remembers, known }
        };
        // A number that was given before, by a store that is lost: the target would take the new run for that one.
        if let (None, Some(checkpoint)) = (pending, written)
            && checkpoint.run >= self.keeper.epoch
        {
            return Err(behind(checkpoint.run));
        }
        if self.options.resend || pending.is_some_and(|sealed| sealed.resend) {
            return Ok(());
        }
        let begun =
            pending.is_some_and(|sealed| written.is_some_and(|checkpoint| checkpoint.run == sealed.run));
        if written.map(|checkpoint| checkpoint.run) > published.map(|sealed| sealed.run) && !begun {
            return Err(behind(written.map_or(0, |checkpoint| checkpoint.run)));
        }
        let Some(published) = published else {
            return match begun && absent {
                true => Err(Failure::TargetReplaced {
                    published: self.keeper.epoch,
                    remembers: "does not have the table that a sealed run was being written to".to_owned(),
                }),
                false => Ok(()),
            };
        };
        let total = published.changes.applied(published.withheld.is_some());
        let remembers = match written {
            _ if absent => "does not have its table any more".to_owned(),
            _ if begun => return Ok(()),
            None => "has never heard of it".to_owned(),
            Some(checkpoint) if checkpoint.run < published.run => {
                format!("remembers run {} as the last", checkpoint.run)
            }
            Some(checkpoint) if checkpoint.next_change < total => "remembers only a part of it".to_owned(),
            Some(_) => return Ok(()),
        };
        Err(Failure::TargetReplaced { published: published.run, remembers })
    }

    fn go_on(&self) -> Result<(), Failure> {
        match (self.env.stop.is_cancelled(), self.keeper.lost.is_cancelled()) {
            (true, _) => Err(Failure::Stopped),
            (_, true) => Err(LeaseError::Lost(self.keeper.epoch).into()),
            (false, false) => Ok(()),
        }
    }

    fn enter(&mut self, step: Step) {
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
        };
        *self.clock.entry(name).or_default() += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
    }
}

impl Counts {
    pub(super) fn of(sealed: &Sealed, published: Option<&Published>) -> Self {
        let changes = &sealed.changes;
        let withheld = sealed.withheld.is_some();
        let exceptions = published.map(|p| p.exceptions.clone()).unwrap_or_default();
        Self {
            exported: sealed.export.rows(),
            inserts: changes.inserts,
            updates: changes.updates,
            deletes: if withheld { 0 } else { changes.deletes },
            deletes_withheld: if withheld { changes.deletes } else { 0 },
            unchanged: changes.unchanged,
            duplicates: changes.duplicates,
            rejected: exceptions.rejected + sealed.null_keys,
            absent: exceptions.absent,
        }
    }
}

/// What the guard looks at.
pub(super) fn figures(base: &Base, history: &History, compared: &Compared, sync: &SyncSpec) -> Figures {
    let last = history.pending.as_ref().or(history.published.as_ref().map(|(sealed, _)| sealed));
    Figures {
        published_rows: base.rows(),
        last_exported_rows: last.map(|sealed| sealed.index.rows()),
        exported_rows: compared.index.rows(),
        inserts: compared.changes.inserts,
        updates: compared.changes.updates,
        deletes: compared.changes.deletes,
        unchanged: compared.changes.unchanged,
        key_columns: sync.key.clone(),
        drift: Vec::new(),
    }
}

/// Why the deletes are withheld, if they are.
pub(super) fn deletes_withheld(verdict: &Verdict) -> Option<String> {
    let reasons: Vec<&str> = verdict.withholds().map(|finding| finding.reason.as_str()).collect();
    verdict.hold.deletes.then(|| reasons.join("; "))
}

/// Whether rows that left the query are anything to this table.
pub(super) fn wants_deletes(spec: &TableSpec) -> bool {
    match (&spec.mode, &spec.deletes) {
        (Mode::Mirror, Deletes::Hard | Deletes::Soft { .. } | Deletes::NullOut) => true,
        (Mode::Mirror, Deletes::Ignore) | (Mode::Upsert | Mode::Insert | Mode::Update, _) => false,
    }
}

/// A table that is absent was not published to: otherwise it is gone.
pub(super) fn not_published(history: &History) -> Result<(), Failure> {
    match &history.published {
        Some((sealed, _)) => Err(Failure::TargetReplaced {
            published: sealed.run,
            remembers: "does not have its table any more".to_owned(),
        }),
        None => Ok(()),
    }
}

/// The marking column belongs to hydrant, and so do names in its own files: a query that returned them would contradict it.
pub(super) fn refuse_reserved(schema: &SchemaRef, deletes: &Deletes) -> Result<(), Failure> {
    let mark = match deletes {
        Deletes::Soft { column, .. } => Some(column),
        Deletes::Hard | Deletes::NullOut | Deletes::Ignore => None,
    };
    let reserved = |name: &String| name.starts_with("_hydrant_") || Some(name) == mark;
    match schema.fields().iter().map(|field| field.name()).find(|name| reserved(name)) {
        Some(column) => Err(Failure::Reserved { column: column.clone() }),
        None => Ok(()),
    }
}

/// The last index is about another table, or other keys, than what is configured now.
pub(super) fn same_place_and_key(
    sync: &SyncSpec,
    history: &History,
    spec: &TableSpec,
    scheme: &Scheme,
) -> Result<(), Failure> {
    let runs = history.published.iter().map(|(sealed, _)| sealed).chain(&history.pending);
    for last in runs {
        let (was, now) = (place(&last.target, &last.spec), place(&sync.target, spec));
        if was != now {
            return Err(Failure::Moved { was, now });
        }
        // The keys in the index must be the keys of the new batches, to the type that carries them.
        let carried = |shape: &Shape| shape.key_columns().map(|c| c.value.carrier()).collect::<Vec<_>>();
        if !last.scheme.same_keys(scheme) || carried(&last.spec.shape) != carried(&spec.shape) {
            let keys = |shape: &Shape| {
                shape.key_columns().map(|c| format!("{} {}", c.name, c.value)).collect::<Vec<_>>().join(", ")
            };
            return Err(Failure::KeyChanged { was: keys(&last.spec.shape), now: keys(&spec.shape) });
        }
    }
    Ok(())
}
