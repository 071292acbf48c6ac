//! Rows of an adopted table with values that the query's types cannot hold: of those the key is known, and nothing else.
//!
//! In an export NULL stands where their values were. So they must never be sent from one: wherever that export goes on to
//! (a repair, a rollback), their positions go with it.

use crate::{
    apply::read_bitmap,
    store::{RunNames, Sealed, StoreError, SyncStore},
};
use roaring::RoaringTreemap;
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Their positions in an export: all of them, or those found so far while the table is being read.
#[derive(Clone, Default)]
pub(super) struct Unreadable(Arc<Mutex<RoaringTreemap>>);

impl Unreadable {
    /// Those of an earlier export.
    pub(super) async fn of(store: &SyncStore, sealed: &Sealed) -> Result<Self, StoreError> {
        if sealed.unreadable == 0 {
            return Ok(Self::default());
        }
        let positions = read_bitmap(store, &store.names().run(sealed.run).unreadable()).await?;
        Ok(Self(Arc::new(Mutex::new(positions))))
    }

    /// Adds the rows at these positions. They must be added before the rows are passed on.
    pub(super) fn add(&self, positions: Range<u64>) {
        self.positions().insert_range(positions);
    }

    /// Those among these positions, counted from the first of them.
    pub(super) fn within(&self, positions: Range<u64>) -> Vec<usize> {
        let all = self.positions();
        if all.is_empty() {
            return Vec::new();
        }
        let rows = 0..usize::try_from(positions.end - positions.start).unwrap_or(usize::MAX);
        rows.filter(|row| all.contains(positions.start + *row as u64)).collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.positions().len()
    }

    /// Writes them to a run that has such rows, and tells how many there are.
    pub(super) async fn write(&self, store: &SyncStore, names: &RunNames) -> Result<u64, StoreError> {
        let (count, path) = (self.count(), names.unreadable());
        if count == 0 {
            return Ok(0);
        }
        let mut bytes = Vec::new();
        self.positions().serialize_into(&mut bytes).map_err(|e| StoreError::corrupt(&path, e))?;
        store.put(&path, bytes).await?;
        Ok(count)
    }

    fn positions(&self) -> MutexGuard<'_, RoaringTreemap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
