//! What a run would do, found out without changing anything: the same export, fingerprints and diff, into a folder that is
//! removed afterwards.

use super::{
    BackTo, ChangeKind, ColumnChange, Counts, CursorReport, Env, Failure, PlanReport, RunError, Sample, Step,
    advance::figures,
    agreement::{not_published, refuse_reserved, same_place_and_key, wants_deletes},
    base::{BaseBuilder, Room},
    compare::{Compare, Compared},
    export::{Exported, export},
    increment::{self, Because, Past, completed},
    origin::{Opened, Origin, stored},
    place,
    rollback::before,
    screen::{Screen, mender},
    table_spec,
    unload::Asking,
};
use crate::{
    apply::{
        Way,
        shown::{HIDDEN, key_text},
    },
    fingerprint::{Fingerprinter, Fingerprints, Scheme},
    guard::{Approvals, Hold, judge},
    mend::Mender,
    source::SourceErrorKind,
    spill::{RowSpill, SpilledRows},
    store::{History, RunNames, StoreError, SyncStore, read_all},
    sync::{Redact, SyncSpec},
};
use arrow::array::RecordBatch;
use hydrant_contract::{Column, Inspection, Shape, TableSpec, ValueType, json};
use object_store::{local::LocalFileSystem, path::Path};
use roaring::RoaringTreemap;
use std::{collections::HashMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// How a run is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// So many changes of each kind are shown.
    pub samples: usize,
    /// All rows are asked for, also where the sync has a cursor.
    pub full: bool,
}

/// Finds out what a run would do.
pub async fn plan(env: &Env, sync: &SyncSpec, options: PlanOptions) -> Result<PlanReport, RunError> {
    let nothing = Approvals::default();
    reported(env, sync, async |step| planned(env, sync, Origin::Query, &nothing, options, step).await).await
}

/// Finds out what a rollback of this run would do if so much were approved, with up to `samples` changes of each kind. The
/// source is not needed.
pub async fn plan_rollback(
    env: &Env,
    sync: &SyncSpec,
    run: u64,
    approved: &Approvals,
    samples: usize,
) -> Result<PlanReport, RunError> {
    reported(env, sync, async |step| {
        let origin = Origin::Earlier(Box::new(before(&env.store, sync, run).await?));
        planned(env, sync, origin, approved, PlanOptions { samples, full: false }, step).await
    })
    .await
}

async fn reported(
    env: &Env,
    sync: &SyncSpec,
    work: impl AsyncFnOnce(&mut Step) -> Result<PlanReport, Failure>,
) -> Result<PlanReport, RunError> {
    let mut step = Step::Start;
    let planned = async {
        let last = History::last_published(&env.store).await?;
        match work(&mut step).await {
            Err(failure) => Err(or_overtaken(&env.store, last, failure).await),
            planned => planned,
        }
    };
    planned.await.map_err(|failure| RunError {
        sync: sync.name.clone(),
        run: None,
        step,
        failure: Box::new(failure),
    })
}

/// The failure, or what it comes from: nobody who plans has a lease, so what the plan reads may be collected meanwhile.
async fn or_overtaken(store: &SyncStore, last: Option<u64>, failure: Failure) -> Failure {
    let is_gone = match &failure {
        Failure::Store(error) => error.is_missing(),
        // The export that a rollback brings back.
        Failure::Source(error) => error.kind == SourceErrorKind::Missing,
        _ => false,
    };
    match History::last_published(store).await {
        Ok(Some(run)) if is_gone && Some(run) > last => Failure::Overtaken { run },
        Ok(_) | Err(_) => failure,
    }
}

async fn planned(
    env: &Env,
    sync: &SyncSpec,
    origin: Origin,
    approved: &Approvals,
    options: PlanOptions,
    step: &mut Step,
) -> Result<PlanReport, Failure> {
    let mut enter = |now| {
        *step = now;
        env.observer.step(&sync.name, now);
    };
    enter(Step::Start);
    let history = History::load(&env.store).await?;

    enter(Step::Inspect);
    // The run that is finished first is the last one then.
    let last = history.pending.as_ref().or(history.published.as_ref().map(|(sealed, _)| sealed));
    let opened = match &origin {
        Origin::Earlier(earlier) => stored(env, &earlier.0).await?,
        Origin::Query | Origin::Last { .. } | Origin::Table(_) => {
            let asked = options.full.then(Because::asked);
            let past = Past { last, abandoned: &history.abandoned, asked };
            env.unless_stopped(increment::opened(env, sync, past, Asking::Plan)).await?
        }
    };
    refuse_reserved(&opened.rows.schema, &sync.deletes)?;
    let spec = table_spec(sync, opened.shape.clone());
    let scheme = Scheme::of(&spec.shape);
    same_place_and_key(sync, &history, &spec, &scheme)?;
    let table = place(&sync.target, &spec);
    let (ddl, limits) = match env.target.inspect(&spec).await? {
        Inspection::Absent { statements, limits } => {
            not_published(&history)?;
            (statements, limits)
        }
        Inspection::Present { mismatches, limits } if mismatches.is_empty() => (Vec::new(), limits),
        Inspection::Present { mismatches, .. } => return Err(Failure::TableDiffers { table, mismatches }),
    };
    let mender = match origin.mends() {
        true => mender(sync, &spec.shape, &limits)?,
        false => Mender::default(),
    };

    enter(Step::Export);
    let lost = CancellationToken::new();
    let opened = completed(env, sync, opened, Asking::Plan, &mender, &lost).await?;
    let Opened { rows, earlier, way: unload, course, .. } = opened;
    let scratch = |e: &dyn std::fmt::Display| StoreError::Scratch {
        place: env.scratch.display().to_string(),
        message: e.to_string(),
    };
    let folder = tempfile::tempdir_in(&env.scratch).map_err(|e| scratch(&e))?;
    let local = LocalFileSystem::new_with_prefix(folder.path()).map_err(|e| scratch(&e))?;
    let store = SyncStore::new(Arc::new(local), &Path::default(), "plan");
    let names = store.names().run(0);
    let screen = Screen::new(&rows.schema, &spec.shape, mender, &sync.redact, earlier)?;
    // Only samples of them are wanted again.
    let aside = RowSpill::new(&screen.schema(), &env.scratch)?;
    let exported = export(env, sync, rows, screen, aside, &lost).await?;

    enter(Step::Diff);
    let begin = || {
        let room = Room { memory_bytes: env.memory_bytes, scratch: &env.scratch };
        BaseBuilder::new(&env.store, spec.shape.key_schema(), room)
    };
    let base = match &history.pending {
        // What it will be refused is not known yet: it is taken to succeed.
        Some(sealed) => begin().index(sealed, None, &spec, &scheme).await?,
        None => begin().history(&history, &spec, &scheme).await?,
    };
    let base = base.finish()?;
    let scope = origin.scope(begin(), &spec, &scheme).await?;
    let Exported { kept: mut rows, fingerprints, refused, mended } = exported;
    let progress = |done, of| env.observer.compared(&sync.name, done, of);
    let mut compared = Compare {
        base: &base,
        fingerprints: Arc::new(fingerprints),
        shape: &spec.shape,
        duplicate_keys: sync.duplicate_keys,
        redact: &sync.redact,
        wants_deletes: wants_deletes(&spec),
        hold: Hold::default(),
        scope,
        store: &store,
        names: names.clone(),
        stop: &env.stop,
        progress: &progress,
    }
    .run()
    .await?;
    let last = match &origin {
        Origin::Query => last,
        Origin::Last { .. } | Origin::Earlier(_) | Origin::Table(_) => None,
    };
    let figures = figures(&compared, last, &spec);
    let verdict = judge(&sync.guard, &figures, approved);
    let absent = !ddl.is_empty();
    let redact = &sync.redact;
    let hold = verdict.hold;
    let sampler =
        Sampler { env, store: &store, names, spec: &spec, redact, absent, hold, samples: options.samples };
    let samples = sampler.samples(&mut rows, &compared).await?;
    compared.changes.hold(verdict.hold);
    let way = Way::choose(sync.rewrite, env.target.as_ref(), &spec, &compared.changes, absent).await?;
    Ok(PlanReport {
        sync: sync.name.clone(),
        // A rollback asks no source.
        dbt: sync.model.dbt.clone().filter(|_| matches!(origin, Origin::Query)),
        table,
        ddl,
        base: base.run,
        pending: history.pending.map(|sealed| sealed.run),
        back_to: match origin {
            Origin::Earlier(earlier) => Some(BackTo {
                run: earlier.0.run,
                as_of: earlier.0.as_of,
                published_at: earlier.1.published_at,
            }),
            Origin::Query | Origin::Last { .. } | Origin::Table(_) => None,
        },
        unload: unload.and_then(|way| way.report()),
        way,
        counts: Counts {
            rejected: refused.len() as u64,
            ..Counts::planned(&compared.changes, rows.rows(), &verdict.findings)
        },
        findings: verdict.findings,
        mended,
        cursor: course.map(|course| CursorReport::of(&course.state(0), sync)),
        samples,
    })
}

/// Shows a few changes.
struct Sampler<'a> {
    env: &'a Env,
    store: &'a SyncStore,
    names: RunNames,
    spec: &'a TableSpec,
    redact: &'a Redact,
    absent: bool,
    /// What the guard would hold of the changes.
    hold: Hold,
    samples: usize,
}

impl Sampler<'_> {
    async fn samples(&self, rows: &mut SpilledRows, compared: &Compared) -> Result<Vec<Sample>, Failure> {
        let mut out = Vec::new();
        let first = |set: &RoaringTreemap| set.iter().take(self.samples).collect::<RoaringTreemap>();
        for (kind, set) in [(ChangeKind::Insert, &compared.inserts), (ChangeKind::Update, &compared.updates)]
        {
            let mut picking = rows.pick(first(set));
            while let Some(after) = picking.next().await? {
                let keys = after.project(&self.spec.shape.key_positions()).map_err(StoreError::memory)?;
                let before = self.before(&keys).await?;
                out.extend(self.rows(kind, Some(&after), &keys, &before)?);
            }
        }
        if let Some(part) = compared.changes.deletes_parts.first() {
            let path = self.names.deletes_part(part.number);
            let batch = read_all(self.store.get(&path).await?).map_err(|e| StoreError::corrupt(&path, e))?;
            let batch = batch.slice(0, self.samples.min(batch.num_rows()));
            let columns = batch.columns()[2..].to_vec();
            let keys = RecordBatch::try_new(self.spec.shape.key_schema(), columns);
            let keys = keys.map_err(|e| StoreError::corrupt(&path, e))?;
            let before = self.before(&keys).await?;
            out.extend(self.rows(ChangeKind::Delete, None, &keys, &before)?);
        }
        Ok(out)
    }

    /// What the target holds for these keys now, by key hash.
    async fn before(&self, keys: &RecordBatch) -> Result<HashMap<u128, RecordBatch>, Failure> {
        if self.absent || keys.num_rows() == 0 {
            return Ok(HashMap::new());
        }
        let rows = self.env.target.read(self.spec, keys).await?;
        let hashes = hashes(&self.spec.shape, &rows)?;
        Ok(hashes.into_iter().enumerate().map(|(i, hash)| (hash, rows.slice(i, 1))).collect())
    }

    fn rows(
        &self,
        change: ChangeKind,
        after: Option<&RecordBatch>,
        keys: &RecordBatch,
        before: &HashMap<u128, RecordBatch>,
    ) -> Result<Vec<Sample>, Failure> {
        let shape = &self.spec.shape;
        let keys_only = Shape::new(shape.key_columns().cloned().collect(), shape.key().to_vec())?;
        let hashes = hashes(&keys_only, keys)?;
        let withheld = match change {
            ChangeKind::Insert => self.hold.inserts,
            ChangeKind::Update => self.hold.updates,
            ChangeKind::Delete => self.hold.deletes,
        };
        let mut out = Vec::new();
        for (row, hash) in hashes.iter().enumerate() {
            let before = before.get(hash);
            let columns = shape.value_columns().filter_map(|column| {
                let change = ColumnChange {
                    column: column.name.clone(),
                    before: before.and_then(|b| value(b, 0, column)),
                    after: after.and_then(|a| value(a, row, column)),
                };
                (change.before != change.after).then(|| change.shown(self.redact))
            });
            let (key, columns) = (key_value(keys, row, shape, self.redact), columns.collect());
            out.push(Sample { change, withheld, key, columns });
        }
        Ok(out)
    }
}

/// A key, to be shown.
pub(super) fn key_value(keys: &RecordBatch, row: usize, shape: &Shape, redact: &Redact) -> serde_json::Value {
    let key = key_text(keys, row, shape, redact);
    serde_json::from_str(&key).unwrap_or(serde_json::Value::String(key))
}

/// A value, to be shown; none if the batch does not have the column.
pub(super) fn value(batch: &RecordBatch, row: usize, column: &Column) -> Option<serde_json::Value> {
    let array = batch.column_by_name(&column.name)?;
    let mut text = String::new();
    let rendered = json::append(&mut text, array, row, &column.value);
    Some(match (rendered, &column.value) {
        // A JSON reader would make it a float, and lose digits.
        (Ok(()), ValueType::Decimal { .. }) if text != "null" => serde_json::Value::String(text),
        (Ok(()), _) => serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)),
        // What JSON cannot say (NaN) is shown as text.
        (Err(error), _) => serde_json::Value::String(error.to_string()),
    })
}

impl ColumnChange {
    /// The same, without the values if they are hidden.
    pub(super) fn shown(self, redact: &Redact) -> Self {
        if !redact.hides(&self.column) {
            return self;
        }
        let hidden = |value: Option<serde_json::Value>| value.map(|_| HIDDEN.into());
        Self { before: hidden(self.before), after: hidden(self.after), ..self }
    }
}

fn hashes(shape: &Shape, rows: &RecordBatch) -> Result<Vec<u128>, Failure> {
    let mut prints = Fingerprints::default();
    Fingerprinter::new(shape)
        .hash(rows, &mut prints)
        .map_err(|e| StoreError::Scratch { place: "memory".into(), message: e.to_string() })?;
    Ok(prints.keys)
}
