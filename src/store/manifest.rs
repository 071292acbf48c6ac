//! The commit points of runs as they stand in the store, and how the last ones are found.

use super::{Commit, CursorState, NoteNames, ProcessId, StoreError, SyncNames, SyncStore};
use crate::{
    diff::Held,
    fingerprint::Scheme,
    guard::{Finding, Hold, Rule, Then},
    mend::Mended,
    sync::ExportKind,
};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use hydrant_contract::{Shape, TableSpec};
use serde::{Deserialize, Serialize};

/// Manifests that are read at the same time.
const READ_AT_ONCE: usize = 16;
/// So many times whoever reads without a lease may find that what was listed has been collected since: each time a run was
/// published and the one before it went, in the moment between a listing and a read.
const LISTED_AGAIN: usize = 5;

/// Format of what is written to the store, but for seals that say [`FORMAT_OF_CHANGES`]. A lower one is read.
///
/// Format 1 had no abandoned runs, and kept deletes that were withheld in the change set instead of the index.
pub const FORMAT: u32 = 2;

/// Format of a seal whose export has only the rows that changed. A hydrant that knows only format 2 would take such an
/// export for the whole one, and in a retry or a repair delete rows as gone from the query that are only not in there. All
/// else stays in format 2, so that a store in which no run was made so can be read by it.
pub const FORMAT_OF_CHANGES: u32 = 3;

/// The highest format that is known here: a store with a higher one is refused.
pub const FORMAT_MAX: u32 = FORMAT_OF_CHANGES;

/// The first commit point: from here on this run will be finished, from the files that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// Format of the store.
    pub format: u32,
    /// Version of hydrant that wrote it.
    pub hydrant: String,
    /// The sync.
    pub sync: String,
    /// The run; the epoch of the lease under which it was made.
    pub run: u64,
    /// Where its rows are from.
    #[serde(default)]
    pub kind: Kind,
    /// The published run that it was compared with.
    pub base: Option<u64>,
    /// When the query began.
    pub as_of: DateTime<Utc>,
    /// Whether its rows are the query's. Those of an adopted table, and of what is made from its export, are as somebody
    /// else left them: `as_of` is when they were read, and of how fresh they are nothing is known.
    #[serde(default = "yes")]
    pub fresh: bool,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// The target, by its name in the configuration.
    pub target: String,
    /// The table, as this run wants it.
    pub spec: TableSpec,
    /// How rows were fingerprinted.
    pub scheme: Scheme,
    /// The exported rows.
    pub export: Export,
    /// Rows of the export that stand for rows of an adopted table whose values the query's types cannot hold: only the key is
    /// known of them, and they are never sent.
    #[serde(default)]
    pub unreadable: u64,
    /// The index of this run.
    pub index: Index,
    /// What turns the last index into this one.
    pub changes: Changes,
    /// What the guard found: warnings, and why changes are held.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The columns that the table's rows were written by, if those of this run are held back until somebody approves
    /// them: the next run is compared with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns_before: Option<Shape>,
    /// Format 1: why the deletes of the change set are not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withheld: Option<Withheld>,
    /// How far the run has come, where the sync has a cursor and the rows are the query's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorState>,
    /// Whether every row is sent again, because the target was not the one that was written to.
    #[serde(default)]
    pub resend: bool,
    /// Rows that were refused while they were exported: for a NULL in their key, or a value that nothing can carry.
    #[serde(alias = "null_keys")]
    pub refused: u64,
    /// Values of the export that are not the query's, because the column could not hold those.
    #[serde(default, skip_serializing_if = "Mended::is_empty")]
    pub mended: Mended,
}

fn yes() -> bool {
    true
}

/// Where the rows of a run are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The query.
    #[default]
    Query,
    /// The last export: rows that were refused are sent once more.
    Retry,
    /// The last export: rows that somebody else changed or deleted in the target.
    Repair,
    /// The export of an earlier run.
    Rollback {
        /// That run.
        to: u64,
    },
    /// The table itself, as it was before hydrant.
    Adopt,
}

/// The parts of an export, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The parts.
    pub parts: Vec<Part>,
    /// Of how many rows these are the ones that changed; none if they are all of them. Positions in the change set are
    /// those of the rows that are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_of: Option<u64>,
}

/// One Parquet object of an export, an index or a change set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its number, as in its name.
    pub number: usize,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The buckets of an index: a power of two of them, each the keys whose hash begins with the same bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// All buckets, in the order of the hashes.
    pub buckets: Vec<Part>,
}

/// A change set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Rows that the last index does not know.
    pub inserts: u64,
    /// Rows that it knows otherwise.
    pub updates: u64,
    /// Keys that left the query; their parts are applied in this order.
    pub deletes: u64,
    /// Where those keys are.
    pub deletes_parts: Vec<Part>,
    /// Rows that did not change.
    pub unchanged: u64,
    /// Rows that were passed over because another one with the same key counts.
    pub duplicates: u64,
    /// Changes that are held back. The index says of their keys what the target holds, so the next run finds them again.
    #[serde(default)]
    pub held: Held,
    /// Differences that are none of this run's business, as where a repair or a rollback leaves rows alone; the next run
    /// finds them again, too. Before there was this field, `held` counted them.
    #[serde(default)]
    pub out_of_scope: Held,
    /// Format 1: keys that are still in the target and not in the index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Withheld {
    reason: String,
}

/// What takes the place of a seal: the files of this run are gone or about to go, it cannot be sealed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Format of the store.
    pub format: u32,
    /// The sync.
    pub sync: String,
    /// The run that never came to its seal.
    pub discarded: u64,
    /// The epoch of the lease under which that was decided.
    pub epoch: u64,
    /// When.
    pub at: DateTime<Utc>,
}

/// A person's word that a sealed run will not be finished. Nobody knows which of its changes are in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoned {
    /// Format of the store.
    pub format: u32,
    /// The sync.
    pub sync: String,
    /// The run.
    pub run: u64,
    /// The epoch of the lease under which it was abandoned.
    pub epoch: u64,
    /// When.
    pub abandoned_at: DateTime<Utc>,
    /// By whom.
    pub by: ProcessId,
    /// Where the keys are that it may have changed.
    pub keys: Vec<Part>,
    /// Its files could not be read: of no row is it known what the target holds.
    pub lost: bool,
}

/// The second commit point: the table equals the query, but for the rows named here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Format of the store.
    pub format: u32,
    /// The sync.
    pub sync: String,
    /// The run.
    pub run: u64,
    /// The epoch of the lease under which it was finished.
    pub epoch: u64,
    /// When.
    pub published_at: DateTime<Utc>,
    /// Number of the last batch, as the target's checkpoint has it. Not in format 1.
    #[serde(default)]
    pub last_batch: Option<u64>,
    /// What did not go as the index says, by the change with which the batch began.
    pub exceptions: Exceptions,
}

/// Rows of a published run for which the index does not tell what is in the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceptions {
    /// Rows that were refused.
    pub rejected: u64,
    /// Rows that mode `update` did not find in the table.
    pub absent: u64,
    /// Batches with rejects.
    pub rejects: Vec<u64>,
    /// Batches with deletes that were refused.
    pub carried: Vec<u64>,
    /// Batches with rows that were not there to be updated.
    pub absents: Vec<u64>,
    /// Rows were sent a second time, and settled: their notes are left out.
    #[serde(default)]
    pub settled: bool,
}

impl Published {
    /// Where its exceptions are noted.
    pub fn notes(&self, names: &SyncNames) -> NoteNames {
        // In format 1 those who finished a run for its holder wrote where that one had written.
        let by = if self.format < 2 { self.run } else { self.epoch };
        let notes = names.run(self.run).notes(by);
        if self.exceptions.settled { notes.settled() } else { notes }
    }
}

impl Export {
    /// Rows that there were, also if only some of them are kept.
    pub fn rows(&self) -> u64 {
        self.changes_of.unwrap_or_else(|| self.kept_rows())
    }

    /// Rows in all parts.
    pub fn kept_rows(&self) -> u64 {
        self.parts.iter().map(|p| p.rows).sum()
    }

    /// Which of its rows are kept.
    pub fn kind(&self) -> ExportKind {
        match self.changes_of {
            None => ExportKind::Full,
            Some(_) => ExportKind::Changes,
        }
    }

    /// Whether all rows are kept.
    pub fn is_full(&self) -> bool {
        self.kind() == ExportKind::Full
    }

    /// The format of a seal that names it.
    pub fn format(&self) -> u32 {
        match self.kind() {
            ExportKind::Full => FORMAT,
            ExportKind::Changes => FORMAT_OF_CHANGES,
        }
    }
}

impl Index {
    /// Rows in all buckets.
    pub fn rows(&self) -> u64 {
        self.buckets.iter().map(|p| p.rows).sum()
    }
}

impl Changes {
    /// Keys that the export has, each once.
    pub fn exported_keys(&self) -> u64 {
        let left = [self.held, self.out_of_scope].iter().map(|left| left.inserts + left.updates).sum::<u64>();
        self.inserts + self.updates + self.unchanged + left
    }

    /// The same counts with these kinds of changes held.
    pub fn hold(&mut self, hold: Hold) {
        let kinds = [
            (hold.inserts, &mut self.inserts, &mut self.held.inserts),
            (hold.updates, &mut self.updates, &mut self.held.updates),
            (hold.deletes, &mut self.deletes, &mut self.held.deletes),
        ];
        for (_, changes, held) in kinds.into_iter().filter(|(held, ..)| *held) {
            *held += std::mem::take(changes);
        }
    }

    /// Changes that are written one after the other: first deletes, then rows in export order.
    pub fn total(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }
}

impl Sealed {
    /// As if this version had written it.
    fn modern(mut self) -> Self {
        self.fresh &= self.kind != Kind::Adopt;
        if let Some(Withheld { reason }) = self.withheld.take() {
            let deletes = std::mem::take(&mut self.changes.deletes);
            self.changes.held.deletes = deletes;
            self.changes.held_parts = std::mem::take(&mut self.changes.deletes_parts);
            let approve = format!("deletes={deletes}");
            self.findings.push(Finding { rule: Rule::Deletes, then: Then::Withhold, reason, approve });
        }
        self
    }

    /// The columns that the table's rows were written by.
    pub fn columns(&self) -> &Shape {
        self.columns_before.as_ref().unwrap_or(&self.spec.shape)
    }

    /// How far the run has come by its cursor, if it was the one that asked the query.
    pub fn cursor_of_query(&self) -> Option<&CursorState> {
        self.cursor.as_ref().filter(|_| self.kind == Kind::Query)
    }

    /// Why changes were held back, in words.
    pub fn withheld(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.then == Then::Withhold)
    }
}

/// What the store knows of a sync's past.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The last published run.
    pub published: Option<(Sealed, Published)>,
    /// A sealed run after it, which must be finished before a newer one starts.
    pub pending: Option<Sealed>,
    /// Sealed runs after the published one that will not be finished.
    pub abandoned: Vec<(Sealed, Abandoned)>,
}

impl History {
    /// Reads it from the manifests, and makes sure that it stays so: an earlier holder of the lease that does not know yet that
    /// it has lost it, or whose last write is still on its way, finds the place of its seal taken.
    ///
    /// Without that, a seal could appear after a later run has been sealed, or while an earlier one is being finished, and
    /// its change set, which follows on an older index, would be written over theirs. So of the runs that are sealed and
    /// neither published nor abandoned there is never more than one.
    pub async fn take_over(
        store: &SyncStore,
        sync: &str,
        epoch: u64,
        at: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let all = manifests(store).await?;
        let last = last(&all).unwrap_or_default();
        let mut open = (last + 1..epoch).filter(|run| !all.contains(&(*run, Commit::Sealed))).peekable();
        if open.peek().is_none() {
            return Self::of(store, &all).await;
        }
        for run in open {
            let discarded = Discarded { format: FORMAT, sync: sync.to_owned(), discarded: run, epoch, at };
            match store.create(&store.names().manifest(run, Commit::Sealed), &discarded).await {
                // Sealed, or discarded, a moment ago: either way it is decided.
                Ok(()) | Err(StoreError::Taken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Self::load(store).await
    }

    /// Reads it from the manifests. Others may write and collect meanwhile.
    pub async fn load(store: &SyncStore) -> Result<Self, StoreError> {
        let mut all = manifests(store).await?;
        for _ in 0..LISTED_AGAIN {
            let error = match Self::of(store, &all).await {
                Err(error @ (StoreError::Storage { .. } | StoreError::Corrupt { .. })) => error,
                read => return read,
            };
            let again = manifests(store).await?;
            // Only what a later run has taken the place of is ever collected; anything else is damage.
            if last(&again) <= last(&all) {
                return Err(error);
            }
            all = again;
        }
        Self::of(store, &all).await
    }

    /// The last published run, from the names of the manifests alone.
    pub async fn last_published(store: &SyncStore) -> Result<Option<u64>, StoreError> {
        Ok(last(&manifests(store).await?))
    }

    async fn of(store: &SyncStore, all: &[(u64, Commit)]) -> Result<Self, StoreError> {
        let names = store.names();
        let has = |run, commit| all.contains(&(run, commit));
        // Published counts, even if somebody abandoned it at the same time: then all of it was written before.
        let last = last(all);
        let mut history = Self::default();
        if let Some(run) = last {
            let published = store.read(&names.manifest(run, Commit::Published)).await?;
            let gone = || {
                StoreError::corrupt(
                    &names.manifest(run, Commit::Sealed),
                    "the run is published, but its seal is gone",
                )
            };
            history.published = Some((sealed(store, run).await?.ok_or_else(gone)?, published));
        }
        let mut later: Vec<u64> = all
            .iter()
            .filter(|(run, commit)| *commit == Commit::Sealed && Some(*run) > last)
            .map(|(run, _)| *run)
            .collect();
        later.sort_unstable();
        // A sync that fails for a month leaves a few hundred discarded ones.
        let mut slots = stream::iter(later)
            .map(|run| async move { Ok::<_, StoreError>((run, sealed(store, run).await?)) })
            .buffered(READ_AT_ONCE);
        while let Some((run, slot)) = slots.try_next().await? {
            let Some(sealed) = slot else { continue };
            // Of several unfinished ones, which only versions before `take_over` could leave, only the highest was applied: the
            // others came to their seal after its holder had taken the target over, and were kept out by it.
            history.pending = None;
            if has(run, Commit::Abandoned) {
                let abandoned = store.read(&names.manifest(run, Commit::Abandoned)).await?;
                history.abandoned.push((sealed, abandoned));
            } else {
                history.pending = Some(sealed);
            }
        }
        Ok(history)
    }

    /// The seal of one run, if it has one.
    pub async fn sealed(store: &SyncStore, run: u64) -> Result<Option<Sealed>, StoreError> {
        sealed(store, run).await
    }
}

/// All commit points that there are.
async fn manifests(store: &SyncStore) -> Result<Vec<(u64, Commit)>, StoreError> {
    Ok(store.list(&store.names().manifests()).await?.iter().filter_map(SyncNames::manifest_of).collect())
}

/// The last published run.
fn last(all: &[(u64, Commit)]) -> Option<u64> {
    all.iter().filter(|(_, commit)| *commit == Commit::Published).map(|(run, _)| *run).max()
}

/// The seal of a run; none if it never came to it.
async fn sealed(store: &SyncStore, run: u64) -> Result<Option<Sealed>, StoreError> {
    let path = store.names().manifest(run, Commit::Sealed);
    let slot: serde_json::Value = match store.read(&path).await {
        Ok(slot) => slot,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    if slot.get("discarded").is_some() {
        return Ok(None);
    }
    let sealed: Sealed = serde_json::from_value(slot).map_err(|e| StoreError::corrupt(&path, e))?;
    Ok(Some(sealed.modern()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::{memory::InMemory, path::Path};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_holder_that_is_late_finds_the_place_of_its_seal_taken() {
        let store = SyncStore::new(Arc::new(InMemory::new()), &Path::default(), "users");
        let at = DateTime::UNIX_EPOCH;
        let history = History::take_over(&store, "users", 3, at).await.unwrap();
        assert!(history.pending.is_none() && history.published.is_none());
        let place = |run| store.names().manifest(run, Commit::Sealed);
        let seal = |run: u64| serde_json::json!({ "format": FORMAT, "run": run });
        for late in [1, 2] {
            let outcome = store.create(&place(late), &seal(late)).await;
            assert!(matches!(outcome, Err(StoreError::Taken { .. })), "run {late}: {outcome:?}");
        }
        store.create(&place(3), &seal(3)).await.unwrap();
        // Once is enough.
        let before = store.list(&store.names().manifests()).await.unwrap().len();
        store.delete(&place(3)).await.unwrap();
        History::take_over(&store, "users", 3, at).await.unwrap();
        assert_eq!(store.list(&store.names().manifests()).await.unwrap().len(), before - 1);
    }
}
