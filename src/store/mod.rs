//! Where exports and all of hydrant's state are kept: the user's own bucket, or a local folder.
//!
//! State is made of numbered objects that are written once, by create-only puts, and never changed: whoever wins the put
//! has decided. That asks of a storage only what local folders, S3, GCS and Azure all can do.

mod cursor;
mod error;
mod index;
mod lease;
mod leftovers;
mod manifest;
mod names;
mod parquet_io;
mod process;
mod rejects;

pub use cursor::{CursorState, Extent, WhyFull};
pub use error::StoreError;
pub(crate) use index::{BUCKETS_MAX, bounds, hash_column, hashes_of, to_batch as fingerprint_batch};
pub use index::{Bucket, KEY_HASH, ROW_HASH, bucket_count};
pub use lease::{Lease, LeaseError, LeaseRecord, LeaseTimes};
pub use leftovers::Leftover;
pub use manifest::{
    Abandoned, Changes, Discarded, Exceptions, Export, FORMAT, FORMAT_MAX, FORMAT_OF_CHANGES, History, Index,
    Kind, Part, Published, Sealed,
};
pub use names::{Commit, NoteNames, RunNames, SyncNames};
pub use parquet_io::{Codec, decode, encode, read_all};
pub use process::ProcessId;
pub use rejects::{Refused, RejectRecord, Since};

use crate::object_storage::Address;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use serde::{Serialize, de::DeserializeOwned};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How often, and after what pause, an object is created again that the storage says is there and does not show.
const CONFLICTS_MAX: u32 = 20;
const CONFLICT_WAIT: Duration = Duration::from_millis(250);

/// The state of one sync in the store.
#[derive(Clone, Debug)]
pub struct SyncStore {
    objects: Arc<dyn ObjectStore>,
    names: SyncNames,
    /// Where its objects are files, if they are.
    folder: Option<PathBuf>,
    /// How others reach it, if they can.
    address: Option<Arc<Address>>,
}

impl SyncStore {
    /// The state of this sync below a root.
    pub fn new(objects: Arc<dyn ObjectStore>, root: &Path, sync: &str) -> Self {
        Self { objects, names: SyncNames::new(root, sync), folder: None, address: None }
    }

    /// The same, where its objects are files below this folder: then leftovers of interrupted writes can be found.
    #[must_use]
    pub fn on_disk(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// The same, with how others than this process's client reach it: then a warehouse can write into it.
    #[must_use]
    pub fn reached_at(mut self, address: Arc<Address>) -> Self {
        self.address = Some(address);
        self
    }

    /// How others reach it, if they can.
    pub fn address(&self) -> Option<&Arc<Address>> {
        self.address.as_ref()
    }

    /// The client itself, for what is not hydrant's own to read: rows that a warehouse has written.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// What its objects are called.
    pub fn names(&self) -> &SyncNames {
        &self.names
    }

    /// Reads a whole object.
    pub async fn get(&self, path: &Path) -> Result<Bytes, StoreError> {
        let got = self.objects.get(path).await.map_err(StoreError::storage("reading", path))?;
        got.bytes().await.map_err(StoreError::storage("reading", path))
    }

    /// Writes an object, over an older one if need be. For what a run's own folder holds.
    pub async fn put(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.objects.put(path, bytes.into()).await.map_err(StoreError::storage("writing", path))?;
        Ok(())
    }

    /// Writes a JSON object if none of that name is there. An answer that was lost on the way is recognised: finding our
    /// own bytes there counts as having written them, so `value` must hold something that only this writer writes.
    pub async fn create<T: Serialize + Sync>(&self, path: &Path, value: &T) -> Result<(), StoreError> {
        let bytes = Bytes::from(serde_json::to_vec_pretty(value).map_err(|e| StoreError::corrupt(path, e))?);
        let mut attempts = 0;
        loop {
            let options = PutOptions::from(PutMode::Create);
            match self.objects.put_opts(path, bytes.clone().into(), options).await {
                Ok(_) => return Ok(()),
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(source) => {
                    return Err(StoreError::Storage { doing: "creating", path: path.clone(), source });
                }
            }
            attempts += 1;
            match self.get(path).await {
                Ok(there) if there == bytes => return Ok(()),
                Ok(_) => return Err(StoreError::Taken { path: path.clone() }),
                // S3 says "conflict" while another put of the same object is under way, and has not decided yet.
                Err(error) if error.is_missing() && attempts < CONFLICTS_MAX => {
                    tokio::time::sleep(CONFLICT_WAIT).await;
                }
                // It may even be gone again, if much time has passed between the two calls.
                Err(error) if error.is_missing() => return Err(StoreError::Taken { path: path.clone() }),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads a JSON object that names its format.
    pub async fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<T, StoreError> {
        #[derive(serde::Deserialize)]
        struct Versioned {
            format: u32,
        }
        let bytes = self.get(path).await?;
        // The format first: what a newer version wrote need not parse here.
        let Versioned { format } =
            serde_json::from_slice(&bytes).map_err(|e| StoreError::corrupt(path, e))?;
        if format > FORMAT_MAX {
            return Err(StoreError::Newer { path: path.clone(), found: format, known: FORMAT_MAX });
        }
        serde_json::from_slice(&bytes).map_err(|e| StoreError::corrupt(path, e))
    }

    /// Whether there is such an object.
    pub async fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        match self.objects.head(path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(StoreError::Storage { doing: "looking for", path: path.clone(), source }),
        }
    }

    /// Names of all objects below a folder.
    pub async fn list(&self, folder: &Path) -> Result<Vec<Path>, StoreError> {
        let found = self.objects.list(Some(folder)).map_ok(|meta| meta.location);
        found.try_collect().await.map_err(StoreError::storage("listing", folder))
    }

    /// Names and sizes, in bytes, of all objects below a folder.
    pub async fn sizes(&self, folder: &Path) -> Result<Vec<(Path, u64)>, StoreError> {
        let found = self.objects.list(Some(folder)).map_ok(|meta| (meta.location, meta.size));
        found.try_collect().await.map_err(StoreError::storage("listing", folder))
    }

    /// The folders that lie directly in a folder, without what is in them.
    pub async fn folders(&self, folder: &Path) -> Result<Vec<Path>, StoreError> {
        let found = self.objects.list_with_delimiter(Some(folder)).await;
        Ok(found.map_err(StoreError::storage("listing", folder))?.common_prefixes)
    }

    /// Removes an object; one that is gone already is fine.
    pub async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::Storage { doing: "deleting", path: path.clone(), source }),
        }
    }
}
