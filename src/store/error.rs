//! How the store says no.

use crate::object_storage::StorageError;
use object_store::path::Path;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An object could not be read, written or listed.
    #[error("{}", StorageError::new(&format!("{doing} {path}"), source))]
    Storage {
        /// What was tried.
        doing: &'static str,
        /// The object or folder.
        path: Path,
        /// What the storage said.
        source: object_store::Error,
    },
    /// An object is there, but is not what it must be.
    #[error("{path} cannot be read: {message}")]
    Corrupt {
        /// The object.
        path: Path,
        /// What is wrong with it.
        message: String,
    },
    /// The object was written by a newer hydrant.
    #[error(
        "{path} has format {found}, this hydrant reads formats up to {known}: use the version that wrote it, or a newer one"
    )]
    Newer {
        /// The object.
        path: Path,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// Somebody else made this object first.
    #[error("{path} was written by another process")]
    Taken {
        /// The object.
        path: Path,
    },
    /// The local disk failed while fingerprints were spilled.
    #[error("spilling fingerprints to {place}: {message}")]
    Scratch {
        /// The folder.
        place: String,
        /// What the system said.
        message: String,
    },
    /// The local disk failed while rows were set aside.
    #[error("setting rows aside in {place}: {message}")]
    SetAside {
        /// The folder.
        place: String,
        /// What the system said.
        message: String,
    },
}

impl StoreError {
    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Storage { source: object_store::Error::NotFound { .. }, .. })
    }

    /// Work on rows in memory failed.
    pub(crate) fn memory(error: impl std::fmt::Display) -> Self {
        Self::Scratch { place: "memory".to_owned(), message: error.to_string() }
    }

    pub(crate) fn storage(doing: &'static str, path: &Path) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.clone();
        move |source| Self::Storage { doing, path, source }
    }

    pub(crate) fn corrupt(path: &Path, message: impl ToString) -> Self {
        Self::Corrupt { path: path.clone(), message: message.to_string() }
    }
}
