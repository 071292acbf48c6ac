//! Rows of an earlier export that it refused. NULL may stand where their values were, so wherever that export goes on to, they stay
//! refused.

use crate::store::{Refused, RejectRecord, Sealed, StoreError, SyncStore};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// They, by their positions in an export: all of them, or those found so far while the export is being put together.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<BTreeMap<u64, RejectRecord>>>);

impl Refusals {
    /// Those of an earlier export.
    pub(super) async fn of(store: &SyncStore, sealed: &Sealed) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Mutex::new(Self::read(store, sealed).await?))))
    }

    /// The same, by position.
    pub(super) async fn read(
        store: &SyncStore,
        sealed: &Sealed,
    ) -> Result<BTreeMap<u64, RejectRecord>, StoreError> {
        let mut refused = BTreeMap::new();
        let mut files = Refused::of(store, sealed, None);
        while let Some(records) = files.next().await? {
            refused.extend(records.into_iter().filter_map(|record| Some((record.position?, record))));
        }
        Ok(refused)
    }

    /// Adds a row, which is at this position now. It must be added before the row is passed on.
    pub(super) fn add(&self, position: u64, record: RejectRecord) {
        self.all().insert(position, RejectRecord { position: Some(position), ..record });
    }

    /// Those among these positions.
    pub(super) fn within(&self, positions: Range<u64>) -> Vec<(u64, RejectRecord)> {
        self.all().range(positions).map(|(position, record)| (*position, record.clone())).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, RejectRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
