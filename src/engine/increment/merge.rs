//! The rows of the last export whose key did not come again, in their order, and then those that came.

use super::{
    super::{Env, Failure, refusals::Refusals, screen::Earlier},
    Since,
    arrivals::Arrivals,
};
use crate::{
    apply::{Picked, pick_all},
    cursor::Mark,
    fingerprint::{Fingerprinter, Fingerprints},
    source::{Rows, SourceError, SourceErrorKind},
    store::{RejectRecord, StoreError},
};
use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::Schema,
};
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream, stream::BoxStream};
use hydrant_contract::{Shape, ValueType};
use std::{collections::BTreeMap, sync::Arc};

/// Puts both together; `cursor` is what the cursor is called in the table, if it is there. What the exports have to say of their
/// rows (those that were refused) comes with them, by the positions that they
/// have now: it is known of a batch when the batch comes.
///
/// Values that were mended are counted among the rows that came: which of the others were, their export does not say.
pub(super) async fn merge(
    env: &Env,
    since: &Since,
    cursor: Option<&str>,
    shape: &Shape,
    arrivals: Arrivals,
) -> Result<(Rows, Earlier), Failure> {
    // Keys may be NULL in an export; see `carry`.
    let fields: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let last = &since.last;
    let names = env.store.names().run(last.run);
    let refusals = Refusals::default();
    let position = shape.columns().iter().position(|column| Some(column.name.as_str()) == cursor);
    let merge = Merge {
        run: last.run,
        before: pick_all(env.store.clone(), names, &last.export, schema.clone()).boxed(),
        refused_before: Refusals::read(&env.store, last).await?,
        fingerprinter: Fingerprinter::new(&Shape::new(
            shape.key_columns().cloned().collect(),
            shape.key().to_vec(),
        )?),
        key: shape.key_positions(),
        cursor: position.map(|at| (at, shape.columns()[at].value.clone())),
        from: since.from,
        now: env.clock.now(),
        passed: 0,
        refusals: refusals.clone(),
        arrivals,
        has_begun: false,
    };
    let earlier = Earlier::merged(refusals, merge.arrivals.mended.clone());
    let batches = stream::unfold(Some(merge), |merge| async move {
        let mut merge = merge?;
        match merge.next().await {
            Ok(Some(rows)) => Some((Ok(rows), Some(merge))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok((Rows { schema, batches: batches.boxed() }, earlier))
}

struct Merge {
    run: u64,
    before: BoxStream<'static, Result<Picked, StoreError>>,
    /// Rows of the last export that it refused, by their positions there.
    refused_before: BTreeMap<u64, RejectRecord>,
    fingerprinter: Fingerprinter,
    /// Positions of the key columns.
    key: Vec<usize>,
    /// Position and type of the cursor, if the export has it.
    cursor: Option<(usize, ValueType)>,
    from: Mark,
    now: DateTime<Utc>,
    /// Rows that have passed: the position of the next one.
    passed: u64,
    refusals: Refusals,
    arrivals: Arrivals,
    /// Whether the arrivals have begun.
    has_begun: bool,
}

impl Merge {
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        while let Some(picked) = self.before.next().await {
            let rows =
                picked.and_then(|picked| self.stay(&picked)).map_err(|error| self.unreadable(&error))?;
            if rows.num_rows() > 0 {
                return Ok(Some(rows));
            }
        }
        if !self.has_begun {
            self.has_begun = true;
            for (position, record) in std::mem::take(&mut self.arrivals.refused) {
                self.refusals.add(self.passed + position, record);
            }
        }
        self.arrivals.rows.next().transpose().map_err(|error| SourceError {
            kind: SourceErrorKind::Broken,
            message: format!("reading the rows that came back from the scratch folder: {error}"),
            position: None,
        })
    }

    /// Those of the last export that did not come again.
    fn stay(&mut self, picked: &Picked) -> Result<RecordBatch, StoreError> {
        let rows = &picked.rows;
        let keys = rows.project(&self.key).map_err(StoreError::memory)?;
        let mut prints = Fingerprints::default();
        self.fingerprinter.hash(&keys, &mut prints).map_err(StoreError::memory)?;
        let mut keyless = prints.null_keys.iter().map(|row| *row as usize).peekable();
        let mut stays = Vec::with_capacity(rows.num_rows());
        for (row, hash) in prints.keys.iter().enumerate() {
            let comes_again = match keyless.next_if_eq(&row) {
                Some(_) => self.is_asked_for(rows, row),
                None => self.arrivals.keys.contains(*hash),
            };
            stays.push(!comes_again);
            let refused = self.refused_before.remove(&picked.positions[row]);
            if comes_again {
                continue;
            }
            if let Some(record) = refused {
                self.refusals.add(self.passed, record);
            }
            self.passed += 1;
        }
        filter_record_batch(rows, &BooleanArray::from(stays)).map_err(StoreError::memory)
    }

    /// Whether a row without a key is among those that were asked for, and so has come again, or is gone. It cannot be told by its
    /// key. Without the cursor's column nothing is known of it, and it is left out: it is in no table, and full runs tell of it.
    fn is_asked_for(&self, rows: &RecordBatch, row: usize) -> bool {
        let Some((column, value)) = &self.cursor else { return true };
        let here = Mark::highest(rows.column(*column).slice(row, 1).as_ref(), value, self.now);
        here.is_some_and(|mark| mark.max(self.from) == mark)
    }

    fn unreadable(&self, error: &StoreError) -> SourceError {
        SourceError {
            kind: if error.is_missing() { SourceErrorKind::Missing } else { SourceErrorKind::Broken },
            message: format!(
                "reading the export of run {}, from which this incremental run goes on: {error}; `hydrant run SYNC --full` \
                 does without it",
                self.run
            ),
            position: None,
        }
    }
}
