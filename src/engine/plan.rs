//! What a run would do, found out without changing anything: the same export, fingerprints and diff, into a folder that is
//! removed afterwards.

use super::{
    ChangeKind, ColumnChange, Counts, Env, Failure, PlanReport, RunError, Sample, Step,
    base::{Base, Room},
    compare::{Compare, Compared},
    export::{Destination, Exported, export},
    place,
    run::{deletes_withheld, figures, not_published, refuse_reserved, same_place_and_key, wants_deletes},
    table_spec,
};
use crate::{
    apply::{exceptions::key_text, pick},
    fingerprint::{Fingerprinter, Fingerprints, Scheme},
    guard::{Approvals, judge},
    store::{History, RunNames, StoreError, SyncStore, read_all},
    sync::SyncSpec,
};
use arrow::array::RecordBatch;
use futures::TryStreamExt;
use hydrant_contract::{Inspection, Shape, TableSpec, ValueType, json};
use object_store::{local::LocalFileSystem, path::Path};
use roaring::RoaringTreemap;
use std::{collections::HashMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Finds out what a run would do, with up to `samples` changes of each kind.
pub async fn plan(env: &Env, sync: &SyncSpec, samples: usize) -> Result<PlanReport, RunError> {
    let mut step = Step::Start;
    let planned = planned(env, sync, samples, &mut step).await;
    planned.map_err(|failure| RunError {
        sync: sync.name.clone(),
        run: None,
        step,
        failure: Box::new(failure),
    })
}

async fn planned(env: &Env, sync: &SyncSpec, samples: usize, step: &mut Step) -> Result<PlanReport, Failure> {
    let mut enter = |now| {
        *step = now;
        env.observer.step(&sync.name, now);
    };
    enter(Step::Start);
    let history = History::load(&env.store).await?;

    enter(Step::Inspect);
    let rows = env.source.open(&sync.model).await?;
    let shape = Shape::of(&rows.schema, sync.key.clone())?;
    refuse_reserved(&rows.schema, &sync.deletes)?;
    let spec = table_spec(sync, shape);
    let scheme = Scheme::of(&spec.shape);
    same_place_and_key(sync, &history, &spec, &scheme)?;
    let table = place(&sync.target, &spec);
    let ddl = match env.target.inspect(&spec).await? {
        Inspection::Absent { statements } => {
            not_published(&history)?;
            statements
        }
        Inspection::Present { mismatches } if mismatches.is_empty() => Vec::new(),
        Inspection::Present { mismatches } => return Err(Failure::TableDiffers { table, mismatches }),
    };

    enter(Step::Export);
    let scratch = |e: &dyn std::fmt::Display| StoreError::Scratch {
        place: env.scratch.display().to_string(),
        message: e.to_string(),
    };
    let folder = tempfile::tempdir_in(&env.scratch).map_err(|e| scratch(&e))?;
    let local = LocalFileSystem::new_with_prefix(folder.path()).map_err(|e| scratch(&e))?;
    let store = SyncStore::new(Arc::new(local), &Path::default(), "plan");
    let names = store.names().run(0);
    let to = Destination { store: &store, names: names.clone() };
    let exported = export(env, sync, rows, &spec.shape, to, &CancellationToken::new()).await?;

    enter(Step::Diff);
    let room = Room { memory_bytes: env.memory_bytes, scratch: &env.scratch };
    let base = match (&history.pending, &history.published) {
        (Some(sealed), _) => Base::of(&env.store, sealed, None, &spec, &scheme, false, room).await?,
        (None, Some((sealed, published))) => {
            Base::of(&env.store, sealed, Some(published), &spec, &scheme, false, room).await?
        }
        (None, None) => Base::none(&env.store, spec.shape.key_schema())?,
    };
    let Exported { export, fingerprints, null_keys } = exported;
    let progress = |done, of| env.observer.compared(&sync.name, done, of);
    let compared = Compare {
        base: &base,
        fingerprints: Arc::new(fingerprints),
        shape: &spec.shape,
        duplicate_keys: sync.duplicate_keys,
        wants_deletes: wants_deletes(&spec),
        store: &store,
        names: names.clone(),
        stop: &env.stop,
        progress: &progress,
    }
    .run()
    .await?;
    let deletes = compared.changes.deletes;
    let figures = figures(&base, &history, &compared, sync);
    let verdict = judge(&sync.guard, &figures, &Approvals::default());
    let withheld = deletes_withheld(&verdict);
    let sampler = Sampler { env, store: &store, names, spec: &spec, absent: !ddl.is_empty(), samples };
    let samples = sampler.samples(&export, &compared).await?;
    let passing = withheld.is_none();
    Ok(PlanReport {
        sync: sync.name.clone(),
        table,
        ddl,
        base: base.run,
        pending: history.pending.map(|sealed| sealed.run),
        counts: Counts {
            exported: export.rows(),
            inserts: compared.changes.inserts,
            updates: compared.changes.updates,
            deletes: if passing { deletes } else { 0 },
            deletes_withheld: if passing { 0 } else { deletes },
            unchanged: compared.changes.unchanged,
            duplicates: compared.changes.duplicates,
            rejected: null_keys.len() as u64,
            absent: 0,
        },
        withheld,
        samples,
    })
}

/// Shows a few changes.
struct Sampler<'a> {
    env: &'a Env,
    store: &'a SyncStore,
    names: RunNames,
    spec: &'a TableSpec,
    absent: bool,
    samples: usize,
}

impl Sampler<'_> {
    async fn samples(
        &self,
        export: &crate::store::Export,
        compared: &Compared,
    ) -> Result<Vec<Sample>, Failure> {
        let mut out = Vec::new();
        let first = |set: &RoaringTreemap| set.iter().take(self.samples).collect::<RoaringTreemap>();
        for (kind, set) in [(ChangeKind::Insert, &compared.inserts), (ChangeKind::Update, &compared.updates)]
        {
            let schema = self.spec.shape.schema();
            let picked: Vec<_> = pick(self.store.clone(), self.names.clone(), export, first(set), schema)
                .try_collect()
                .await?;
            for after in picked {
                let keys = after.rows.project(&self.spec.shape.key_positions());
                let keys = keys.map_err(|e| StoreError::corrupt(&self.names.export_part(0), e))?;
                let before = self.before(&keys).await?;
                out.extend(self.rows(kind, Some(&after.rows), &keys, &before)?);
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
        let mut out = Vec::new();
        for (row, hash) in hashes.iter().enumerate() {
            let before = before.get(hash);
            let columns = shape.value_columns().filter_map(|column| {
                let value = |batch: &RecordBatch, row: usize| {
                    let array = batch.column_by_name(&column.name)?;
                    let mut text = String::new();
                    let rendered = json::append(&mut text, array, row, &column.value);
                    Some(match (rendered, &column.value) {
                        // A JSON reader would make it a float, and lose digits.
                        (Ok(()), ValueType::Decimal { .. }) if text != "null" => {
                            serde_json::Value::String(text)
                        }
                        (Ok(()), _) => serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)),
                        // What JSON cannot say (NaN) is shown as text.
                        (Err(error), _) => serde_json::Value::String(error.to_string()),
                    })
                };
                let change = ColumnChange {
                    column: column.name.clone(),
                    before: before.and_then(|b| value(b, 0)),
                    after: after.and_then(|a| value(a, row)),
                };
                (change.before != change.after).then_some(change)
            });
            let key = key_text(keys, row, shape);
            let key = serde_json::from_str(&key).unwrap_or(serde_json::Value::String(key));
            out.push(Sample { change, key, columns: columns.collect() });
        }
        Ok(out)
    }
}

fn hashes(shape: &Shape, rows: &RecordBatch) -> Result<Vec<u128>, Failure> {
    let mut prints = Fingerprints::default();
    Fingerprinter::new(shape)
        .hash(rows, &mut prints)
        .map_err(|e| StoreError::Scratch { place: "memory".into(), message: e.to_string() })?;
    Ok(prints.keys)
}
