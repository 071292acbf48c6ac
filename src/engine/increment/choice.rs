//! Whether a run may ask for a part of the rows, and if not, why.

use super::{
    super::{Env, Failure, agreement::differs, drift::drift},
    Since,
    report::hides,
};
use crate::{
    apply::shown::HIDDEN,
    cursor::Cursor,
    mapping::Mapping,
    source::SourceError,
    store::{Abandoned, Kind, Sealed, StoreError, SyncStore, WhyFull},
    sync::SyncSpec,
};
use hydrant_contract::Shape;
use std::{collections::HashSet, sync::Arc};
use xxhash_rust::xxh3::xxh3_128;

/// What happened before.
pub(in crate::engine) struct Past<'a> {
    /// The run to go on from.
    pub(in crate::engine) last: Option<&'a Sealed>,
    /// Runs after it that were given up.
    pub(in crate::engine) abandoned: &'a [(Sealed, Abandoned)],
    /// Why somebody wants all rows.
    pub(in crate::engine) asked: Option<Because>,
}

/// Why all rows are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Because {
    why: WhyFull,
    words: String,
}

pub(super) enum Choice {
    All(Because),
    Since(Arc<Since>),
}

impl Because {
    fn new(why: WhyFull, words: impl Into<String>) -> Self {
        Self { why, words: words.into() }
    }

    pub(in crate::engine) fn asked() -> Self {
        Self::new(WhyFull::Asked, "`--full` asks for it")
    }

    pub(in crate::engine) fn resent() -> Self {
        Self::new(WhyFull::Asked, "`--resend` asks for it")
    }

    pub(super) fn columns(before: &Shape, now: &Shape) -> Self {
        let words = match drift(before, now).as_slice() {
            [] => "the query returns its columns in another order".to_owned(),
            drift => drift.join("; "),
        };
        Self::new(WhyFull::Changed, words)
    }

    pub(super) fn too_many(keys_max: usize) -> Self {
        Self::new(WhyFull::TooMany, format!("more than {keys_max} rows have changed since"))
    }

    pub(super) fn refused(error: &SourceError, sync: &SyncSpec, cursor: &Cursor) -> Self {
        // The lines after the first show the query, and the value in it; the first one may quote it.
        let first = match hides(sync, &cursor.column) {
            true => HIDDEN,
            false => error.message.lines().next().unwrap_or_default(),
        };
        let words = format!("the source did not take the query with the cursor's condition: {first}");
        Self::new(WhyFull::Refused, words)
    }

    pub(super) fn why(&self) -> WhyFull {
        self.why
    }

    pub(super) fn words(&self) -> &str {
        &self.words
    }
}

/// A part is enough where the export of the last run has all other rows as the query has them, but for what a cursor cannot see.
pub(super) async fn choose(
    env: &Env,
    sync: &SyncSpec,
    cursor: &Cursor,
    past: Past<'_>,
) -> Result<Choice, Failure> {
    let all = |why, words: String| Ok(Choice::All(Because::new(why, words)));
    let Some(last) = past.last else {
        return all(WhyFull::First, "nothing of this sync is published yet".to_owned());
    };
    if let Some(because) = past.asked {
        return Ok(Choice::All(because));
    }
    let run = last.run;
    match last.kind {
        // A repair and a retry have the last export's rows once more.
        Kind::Query | Kind::Repair | Kind::Retry => {}
        Kind::Rollback { .. } => return all(WhyFull::Base, format!("run {run} was a rollback")),
        Kind::Adopt => return all(WhyFull::Base, format!("run {run} has adopted the table")),
    }
    if !last.export.is_full() {
        return all(WhyFull::Base, format!("the export of run {run} has only the rows that changed"));
    }
    let Some(state) = &last.cursor else {
        return all(WhyFull::Changed, format!("run {run} was made without a cursor"));
    };
    if state.column != cursor.column {
        return all(WhyFull::Changed, format!("the cursor of run {run} was {:?}", state.column));
    }
    if state.basis != basis(sync, cursor) {
        let words = "the query, its source or the rules for its rows are other ones than in run";
        return all(WhyFull::Changed, format!("{words} {run}"));
    }
    if sync.key != last.spec.shape.key() {
        return all(WhyFull::Changed, format!("the key of run {run} was another one"));
    }
    if let Some((given_up, _)) = past.abandoned.first() {
        // What it had exported may have left the query since, and no part of the query would say so.
        return all(WhyFull::Base, format!("run {} was abandoned", given_up.run));
    }
    if let Some(reason) = differs(sync, last, past.abandoned) {
        return all(WhyFull::Changed, reason);
    }
    if state.increments.saturating_add(1) >= cursor.full_every {
        return all(WhyFull::Due, format!("one run of {} is", cursor.full_every));
    }
    let Some(mark) = state.mark else {
        return all(WhyFull::NoMark, format!("no row had a value in {:?} in run {run}", cursor.column));
    };
    // It is complained about when all rows are asked for.
    let Some(from) = cursor.bound(mark) else {
        return all(WhyFull::Changed, "its lookback is of another kind than the cursor".to_owned());
    };
    if !is_there(&env.store, last).await? {
        return all(WhyFull::Base, format!("the export of run {run} is not in the store any more"));
    }
    Ok(Choice::Since(Arc::new(Since { last: last.clone(), state: state.clone(), from })))
}

/// A digest of all that decides what a row of the export looks like. The lookback and how often a run is full are no part of it:
/// they count from the next run on.
pub(super) fn basis(sync: &SyncSpec, cursor: &Cursor) -> String {
    let parts = serde_json::json!([
        sync.source,
        sync.model.sql,
        sync.columns.as_ref().map(Mapping::digest),
        cursor.column,
        sync.refused,
        sync.null_keys,
        sync.duplicate_keys,
    ]);
    format!("{:032x}", xxh3_128(parts.to_string().as_bytes()))
}

async fn is_there(store: &SyncStore, last: &Sealed) -> Result<bool, StoreError> {
    let names = store.names().run(last.run);
    let objects: HashSet<_> = store.list(names.folder()).await?.into_iter().collect();
    Ok(last.export.parts.iter().all(|part| objects.contains(&names.export_part(part.number))))
}
