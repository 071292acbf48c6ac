//! The six verbs, in their order.

use super::{
    Counts, CursorReport, Failure, Held, RunReport, Step,
    agreement::{Memory, refuse_reserved, same_place_and_key, wants_deletes},
    base::{BaseBuilder, Room},
    compare::{Compare, Compared},
    drift::drift,
    export::{Exported, export},
    increment::{Course, completed},
    origin::{Opened, Origin},
    place,
    screen::{Screen, mender},
    table_spec,
    unload::Asking,
};
use crate::{
    apply::Job,
    fingerprint::Scheme,
    guard::{Figures, Finding, Hold, Rule, Then, judge},
    mend::Mender,
    point::Point,
    spill::Fingerprinted,
    store::{Commit, FORMAT, History, Kind, LeaseError, Published, RejectRecord, Sealed, Since, StoreError},
};
use hydrant_contract::{Checkpoint, ErrorKind, Shape, TableSpec, TargetError};
use std::sync::Arc;

/// What a run found to do.
struct Differences {
    base: Option<u64>,
    compared: Compared,
    findings: Vec<Finding>,
}

impl Held<'_> {
    /// Finishes a run that is sealed, then makes one of its own. What nothing needs any more then goes when the work under
    /// this lease is done.
    pub(super) async fn advance(&mut self, origin: Origin) -> Result<RunReport, Failure> {
        let rolled_forward = self.roll_forward().await?.map(Box::new);
        let mut report = self.new_run(origin).await?;
        report.rolled_forward = rolled_forward;
        self.collects = true;
        Ok(report)
    }

    async fn new_run(&mut self, origin: Origin) -> Result<RunReport, Failure> {
        self.enter(Step::Inspect);
        let history = History::load(&self.env.store).await?;
        // A warehouse may compute for hours before its first row.
        let opened = self.unless_stopped(origin.open(self, &history)).await?;
        refuse_reserved(&opened.rows.schema, &self.sync.deletes)?;
        let spec = table_spec(self.sync, opened.shape.clone());
        let scheme = Scheme::of(&spec.shape);
        same_place_and_key(self.sync, &history, &spec, &scheme)?;
        let (absent, limits) = self.inspect_limits(&spec).await?;
        if absent && matches!(origin, Origin::Table(_)) {
            return Err(Failure::NothingToAdopt { table: place(&self.sync.target, &spec) });
        }
        let mender = match origin.mends() {
            true => mender(self.sync, &spec.shape, &limits)?,
            false => Mender::default(),
        };
        let checkpoint = self.claim().await?;
        self.reached(Point::Claimed);
        // Only from here on does nobody else write: what a late holder sealed before the claim would be missed. And where a
        // later holder has published since, the target's checkpoint is older than this history.
        let history = History::load(&self.env.store).await?;
        let newer = history.published.as_ref().is_some_and(|(sealed, _)| sealed.run > self.epoch());
        let goes_on_from = opened.course.as_ref().and_then(Course::base);
        let is_last = |run| history.published.as_ref().is_some_and(|(sealed, _)| sealed.run == run);
        if newer || history.pending.is_some() || goes_on_from.is_some_and(|run| !is_last(run)) {
            return Err(LeaseError::Lost(self.epoch()).into());
        }
        same_place_and_key(self.sync, &history, &spec, &scheme)?;
        self.memory(&history, None, checkpoint.as_ref(), absent).agrees()?;

        self.enter(Step::Export);
        let asking = Asking::Run(self.epoch());
        let opened = completed(self.env, self.sync, opened, asking, &mender, &self.keeper.lost);
        let Opened { rows, as_of, fresh, earlier, way, course, .. } = self.unless_stopped(opened).await?;
        let unreadable = earlier.unreadable.clone();
        let run = self.epoch();
        let names = self.env.store.names().run(run);
        let screen = Screen::new(&rows.schema, &spec.shape, mender, &self.sync.redact, earlier)?;
        let schema = screen.schema();
        let keep = self.rows(&origin, &history, &spec, schema.clone())?;
        let exported = export(self.env, self.sync, rows, screen, keep, &self.keeper.lost);
        let exported = self.unless_stopped(exported).await?;
        let Exported { kept, fingerprints, mut refused, mended } = exported;
        if !kept.is_full() {
            // Rows that are not sent are not kept.
            refused.iter_mut().for_each(|record| record.position = None);
        }
        let unload = way.and_then(|way| way.report());
        if !refused.is_empty() {
            let base = history.published.as_ref().map(|(sealed, _)| sealed.run);
            Since::new(&self.env.store, run, base).note(&mut refused).await?;
            let path = names.refused();
            let bytes = RejectRecord::encode(&refused).map_err(|e| StoreError::corrupt(&path, e))?;
            self.env.store.put(&path, bytes).await?;
        }
        let unreadable = match kept.is_full() {
            true => unreadable.write(&self.env.store, &names).await?,
            false => unreadable.count(),
        };
        self.reached(Point::Exported);

        self.enter(Step::Diff);
        let kind = origin.kind();
        let found = async {
            let mut found = self.differences(origin, &history, &spec, &scheme, fingerprints).await?;
            let export = self.exported(kept, schema, &mut found.compared).await?;
            found.compared.write_positions(&self.env.store, &names).await?;
            Ok((found, export))
        };
        let (Differences { base, compared, findings }, export) = self.unless_stopped(found).await?;
        self.reached(Point::Compared);

        self.enter(Step::Seal);
        self.go_on()?;
        let last = history.published.as_ref().map(|(sealed, _)| sealed);
        let columns_before = columns_before(kind, &findings, last);
        let is_full = export.is_full();
        let sealed = Sealed {
            format: export.format(),
            hydrant: env!("CARGO_PKG_VERSION").to_owned(),
            sync: self.sync.name.clone(),
            run,
            kind,
            base,
            as_of,
            fresh,
            sealed_at: self.env.clock.now(),
            target: self.sync.target.clone(),
            spec,
            scheme,
            export,
            unreadable,
            index: compared.index,
            changes: compared.changes,
            findings,
            columns_before,
            withheld: None,
            resend: self.options.resend,
            refused: refused.len() as u64,
            mended,
            cursor: match kind {
                Kind::Query => course.map(|course| course.state(run)),
                // The same rows once more, if they are all there.
                Kind::Repair | Kind::Retry if is_full => last.and_then(|sealed| sealed.cursor.clone()),
                Kind::Repair | Kind::Retry => None,
                Kind::Rollback { .. } | Kind::Adopt => None,
            },
        };
        self.may_be_sealed = true;
        self.reached(Point::Sealing);
        self.env.store.create(&self.env.store.names().manifest(run, Commit::Sealed), &sealed).await?;
        self.reached(Point::Sealed);
        self.enter(Step::Apply);
        let ceiling = self.sync.rejects.of(sealed.export.rows()).saturating_sub(sealed.refused);
        let mut report = self.apply_and_publish(&sealed, None, absent, ceiling).await?;
        let room = 10_usize.saturating_sub(report.rejects.len());
        report.rejects.extend(refused.into_iter().take(room));
        report.unload = unload;
        Ok(report)
    }

    /// Compares the export with what the target is believed to hold, and asks the guard.
    async fn differences(
        &self,
        mut origin: Origin,
        history: &History,
        spec: &TableSpec,
        scheme: &Scheme,
        fingerprints: Fingerprinted,
    ) -> Result<Differences, Failure> {
        let begin = || {
            let room = Room { memory_bytes: self.env.memory_bytes, scratch: &self.env.scratch };
            BaseBuilder::new(&self.env.store, spec.shape.key_schema(), room)
        };
        let mut base = begin().history(history, spec, scheme).await?.resend(self.options.resend);
        let mut hold = Hold::default();
        if let Some(unsure) = origin.take_unsure() {
            base = base.forget_of(&unsure.differing)?;
            hold.deletes = unsure.extra.is_none();
            if let Some(extra) = unsure.extra {
                base = base.unsure_of(&extra)?;
            }
        }
        let base = base.finish()?;
        let scope = origin.scope(begin(), spec, scheme).await?;
        let names = self.env.store.names().run(self.epoch());
        let progress = |done, of| self.env.observer.compared(&self.sync.name, done, of);
        let mut compare = Compare {
            base: &base,
            fingerprints: Arc::new(fingerprints),
            shape: &spec.shape,
            duplicate_keys: self.sync.duplicate_keys,
            redact: &self.sync.redact,
            wants_deletes: wants_deletes(spec),
            hold,
            scope,
            store: &self.env.store,
            names: names.clone(),
            stop: &self.env.stop,
            progress: &progress,
        };
        let mut compared = compare.run().await?;
        if matches!(origin, Origin::Table(_)) {
            return Ok(Differences { base: base.run, compared, findings: Vec::new() });
        }
        let last = match &origin {
            Origin::Query => history.published.as_ref().map(|(sealed, _)| sealed),
            Origin::Last { .. } | Origin::Earlier(_) | Origin::Table(_) => None,
        };
        let figures = figures(&compared, last, spec);
        let verdict = judge(&self.sync.guard, &figures, &self.options.approved);
        if verdict.stops().next().is_some() {
            return Err(Failure::Guard { findings: verdict.findings });
        }
        if verdict.hold.is_any() && origin.kind() == Kind::Repair {
            // What it would hold is what was asked for; and rows that the query does not have would become hydrant's.
            return Err(Failure::Guard { findings: verdict.findings });
        }
        if verdict.hold.is_any() {
            // The same once more, with an index that leaves what is held as it was.
            let found = std::mem::take(&mut compared.changes.deletes_parts);
            compare.hold = verdict.hold;
            compared = compare.run().await?;
            for part in found.iter().skip(compared.changes.deletes_parts.len()) {
                self.env.store.delete(&names.deletes_part(part.number)).await?;
            }
        }
        Ok(Differences { base: base.run, compared, findings: verdict.findings })
    }

    /// Finishes a run that was sealed and not published, if there is one, from its own files.
    ///
    /// Its rejects have no ceiling: its rows cannot be mended any more, and what is refused is tried again by the next run,
    /// from fresh rows and under the ceiling.
    pub(super) async fn roll_forward(&mut self) -> Result<Option<RunReport>, Failure> {
        let mut history = self.take_over().await?;
        let Some(sealed) = history.pending.take() else { return Ok(None) };
        self.enter(Step::RollForward);
        if sealed.target != self.sync.target {
            return Err(Failure::TargetGone { run: sealed.run, target: sealed.target });
        }
        tracing::info!(sync = sealed.sync, run = sealed.run, "finishing a run that was sealed before");
        let absent = self.inspect(&sealed.spec).await?;
        if absent && sealed.kind == Kind::Adopt {
            return Err(Failure::NothingToAdopt { table: place(&sealed.target, &sealed.spec) });
        }
        let checkpoint = self.claim().await?;
        self.reached(Point::Claimed);
        self.memory(&history, Some(&sealed), checkpoint.as_ref(), absent).agrees()?;
        Ok(Some(self.apply_and_publish(&sealed, checkpoint.as_ref(), absent, u64::MAX).await?))
    }

    pub(super) fn memory<'a>(
        &self,
        history: &'a History,
        pending: Option<&'a Sealed>,
        last: Option<&'a Checkpoint>,
        absent: bool,
    ) -> Memory<'a> {
        Memory { history, pending, last, absent, epoch: self.epoch(), resend: self.options.resend }
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
            self.reached(Point::Created);
        }
        let observer = self.env.observer.clone();
        let progress = |done, of| observer.applied(&self.sync.name, done, of);
        let reached = |point| observer.reached(&self.sync.name, point);
        let job = Job {
            store: &self.env.store,
            sealed,
            target: self.target.as_ref(),
            epoch: self.epoch(),
            reject_ceiling,
            rewrite: self.sync.rewrite,
            absent,
            redact: &self.sync.redact,
            stop: &self.env.stop,
            lease_lost: &self.keeper.lost,
            progress: &progress,
            reached: &reached,
        };
        let outcome = job.apply(last).await?;
        self.reached(Point::Applied);

        self.enter(Step::Publish);
        // The exceptions belong to what this process applied. Had another one gone on with the run in the meantime, this
        // would be refused.
        let checkpoint = self.claim().await?;
        if self.keeper.lost.is_cancelled() {
            return Err(LeaseError::Lost(self.epoch()).into());
        }
        let last_batch = checkpoint.filter(|c| c.run == sealed.run).map_or(0, |c| c.batch);
        if last_batch < outcome.last_batch {
            let message = format!(
                "it has committed batch {} and remembers {last_batch} as the last: a standby took over, and the later ones are lost; the next run sends them again",
                outcome.last_batch
            );
            return Err(TargetError::new(ErrorKind::Unreachable, "publishing", message).into());
        }
        let published = Published {
            format: FORMAT,
            sync: sealed.sync.clone(),
            run: sealed.run,
            epoch: self.epoch(),
            published_at: self.env.clock.now(),
            last_batch: Some(last_batch),
            exceptions: outcome.exceptions,
        };
        self.reached(Point::Publishing);
        self.env
            .store
            .create(&self.env.store.names().manifest(sealed.run, Commit::Published), &published)
            .await?;
        self.reached(Point::Published);
        Ok(RunReport {
            sync: sealed.sync.clone(),
            run: sealed.run,
            kind: sealed.kind,
            base: sealed.base,
            as_of: sealed.as_of,
            published_at: published.published_at,
            table: place(&sealed.target, &sealed.spec),
            counts: Counts::of(sealed, Some(&published)),
            findings: sealed.findings.clone(),
            mended: sealed.mended.clone(),
            export: sealed.export.kind(),
            rejects: outcome.samples,
            batches: outcome.paths,
            way: outcome.way,
            seconds: self.seconds(),
            cursor: sealed.cursor_of_query().map(|state| CursorReport::of(state, self.sync)),
            rolled_forward: None,
            unload: None,
        })
    }
}

/// The columns that the table's rows stay written by, where the guard holds a run with others back. Without this the next
/// run would find the same columns in the last one, and let everything pass.
fn columns_before(kind: Kind, findings: &[Finding], last: Option<&Sealed>) -> Option<Shape> {
    let are_held = findings.iter().any(|f| f.rule == Rule::Schema && f.then == Then::Withhold);
    match kind {
        Kind::Query if are_held => last.map(|sealed| sealed.columns().clone()),
        // The last export once more: what is held back of it still is.
        Kind::Retry | Kind::Repair => last.and_then(|sealed| sealed.columns_before.clone()),
        Kind::Query | Kind::Rollback { .. } | Kind::Adopt => None,
    }
}

/// What the guard looks at. `last` is the run whose export this one is measured against.
pub(super) fn figures(compared: &Compared, last: Option<&Sealed>, spec: &TableSpec) -> Figures {
    Figures {
        published_rows: compared.known,
        last_exported_rows: last.map(|sealed| sealed.changes.exported_keys()),
        exported_rows: compared.changes.exported_keys(),
        inserts: compared.changes.inserts,
        updates: compared.changes.updates,
        deletes: compared.changes.deletes,
        unchanged: compared.changes.unchanged,
        key_columns: spec.shape.key().to_vec(),
        drift: last.map_or_else(Vec::new, |sealed| drift(sealed.columns(), &spec.shape)),
    }
}
