//! The two commit points of a run as they stand in the store, and how the last ones are found.

use super::{Commit, StoreError, SyncNames, SyncStore};
use crate::fingerprint::Scheme;
use chrono::{DateTime, Utc};
use hydrant_contract::TableSpec;
use serde::{Deserialize, Serialize};

/// Format of everything in the store. A store with a higher one is refused.
pub const FORMAT: u32 = 1;

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
    /// The published run that it was compared with.
    pub base: Option<u64>,
    /// When the query began.
    pub as_of: DateTime<Utc>,
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
    /// The index of this run.
    pub index: Index,
    /// What turns the last index into this one.
    pub changes: Changes,
    /// Set if the deletes are not applied in this run.
    pub withheld: Option<Withheld>,
    /// Whether every row is sent again, because the target was not the one that was written to.
    #[serde(default)]
    pub resend: bool,
    /// Rows whose key is NULL and that were rejected for it.
    pub null_keys: u64,
}

/// The parts of an export, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The parts.
    pub parts: Vec<Part>,
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
}

/// Deletes that the guard holds back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Why, in words.
    pub reason: String,
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
}

impl Export {
    /// Rows in all parts.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|p| p.rows).sum()
    }
}

impl Index {
    /// Rows in all buckets.
    pub fn rows(&self) -> u64 {
        self.buckets.iter().map(|p| p.rows).sum()
    }
}

impl Changes {
    /// Changes that are written one after the other: first deletes, then rows in export order.
    pub fn applied(&self, withheld: bool) -> u64 {
        self.inserts + self.updates + if withheld { 0 } else { self.deletes }
    }
}

/// What the store knows of a sync's past.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The last published run.
    pub published: Option<(Sealed, Published)>,
    /// A sealed run after it, which must be finished before a newer one starts.
    pub pending: Option<Sealed>,
}

impl History {
    /// Reads it from the manifests.
    pub async fn load(store: &SyncStore) -> Result<Self, StoreError> {
        let names = store.names();
        let all = store.list(&names.manifests()).await?;
        let last = |wanted| {
            all.iter()
                .filter_map(SyncNames::manifest_of)
                .filter(|(_, c)| *c == wanted)
                .map(|(run, _)| run)
                .max()
        };
        let published = match last(Commit::Published) {
            Some(run) => Some((
                store.read(&names.manifest(run, Commit::Sealed)).await?,
                store.read(&names.manifest(run, Commit::Published)).await?,
            )),
            None => None,
        };
        let pending = match last(Commit::Sealed) {
            Some(run) if Some(run) > last(Commit::Published) => {
                Some(store.read(&names.manifest(run, Commit::Sealed)).await?)
            }
            _ => None,
        };
        Ok(Self { published, pending })
    }
}
