//! The folder in the store that a warehouse writes into.

use crate::object_storage::Address;
use object_store::{ObjectStore, local::LocalFileSystem, path::Path};
use std::{path::PathBuf, sync::Arc};

/// A folder in the store for the files of one run, which nobody else ever uses.
#[derive(Clone, Debug)]
pub struct Staging {
    /// The store's own client.
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The folder, as that client names it.
    pub(super) folder: Path,
    /// How others reach it; none if nobody but this process can.
    address: Option<Arc<Address>>,
}

impl Staging {
    /// A folder of a store.
    pub fn new(objects: Arc<dyn ObjectStore>, folder: Path, address: Option<Arc<Address>>) -> Self {
        Self { objects, folder, address }
    }

    /// How others reach the store.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_deref()
    }

    /// What the store's address begins with: `s3`, `gs`, `az`, `file`; empty if it has none.
    pub fn scheme(&self) -> &str {
        self.address().map_or("", |address| address.base.scheme())
    }

    /// The bucket or container.
    pub fn bucket(&self) -> &str {
        self.address().and_then(|address| address.base.host_str()).unwrap_or_default()
    }

    /// The folder's path in its bucket, without slashes around it.
    pub fn path(&self) -> &str {
        self.folder.as_ref()
    }

    /// The folder's path below the store's root.
    pub fn below_root(&self) -> &str {
        let root = self.address().map_or("", |address| address.root.as_ref());
        self.path().strip_prefix(root).unwrap_or(self.path()).trim_start_matches('/')
    }

    /// The folder on this machine's disk, if it is there.
    pub fn local(&self) -> Option<PathBuf> {
        let is_local = self.scheme() == "file";
        is_local.then(|| LocalFileSystem::new().path_to_filesystem(&self.folder).ok()).flatten()
    }

    /// The folder, as people write it.
    pub fn show(&self) -> String {
        match (self.local(), self.address()) {
            (Some(folder), _) => folder.display().to_string(),
            (None, Some(address)) => match address.base.as_str() {
                // Without a host there is nothing to part from the path.
                base if base.ends_with("://") => format!("{base}{}", self.path()),
                base => format!("{}/{}", base.trim_end_matches('/'), self.path()),
            },
            (None, None) => self.path().to_owned(),
        }
    }

    /// The store, in words, for the reason why a warehouse cannot write into it.
    pub fn in_words(&self) -> String {
        match self.scheme() {
            "" | "memory" => "the store is in memory".to_owned(),
            "file" => "the store is a folder on this machine".to_owned(),
            scheme => format!("the store is at {scheme}://"),
        }
    }
}
