//! What a process that was killed leaves behind in a local folder: half-written files, and empty folders.
//!
//! The client for local folders writes `NAME#1` and gives it its name when it is complete. A process that is killed in
//! between leaves that file. Listings do not show it, nothing refers to it, and it is not in the way of anybody who writes
//! the object again: it only takes room. Object storage knows neither half-written objects nor folders.

use super::{StoreError, SyncStore};
use chrono::{DateTime, Utc};
use std::{
    fs, io,
    path::{Path as FilePath, PathBuf},
};

/// A file that was not written to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl SyncStore {
    /// Half-written files that nobody has touched since; none where the store is no local folder.
    pub async fn leftovers(&self, since: DateTime<Utc>) -> Result<Vec<Leftover>, StoreError> {
        let Some(folder) = self.folder.clone() else { return Ok(Vec::new()) };
        self.on_files("listing", move || {
            let mut found = Vec::new();
            search(&folder, since, &mut found)?;
            Ok(found)
        })
        .await
    }

    /// Removes a half-written file; one that is gone already is fine.
    pub async fn delete_leftover(&self, leftover: Leftover) -> Result<(), StoreError> {
        self.on_files("deleting a half-written file below", move || gone(fs::remove_file(leftover.path)))
            .await
    }

    /// Removes the folder of a run and the folders in it, as far as they are empty, where folders are something that is
    /// left when the last object is gone.
    pub async fn delete_folder(&self, run: u64) -> Result<(), StoreError> {
        let run = self.names().run(run);
        let Some((folder, below)) =
            self.folder.as_ref().zip(run.folder().prefix_match(&self.names().folder()))
        else {
            return Ok(());
        };
        let mut folder = folder.clone();
        folder.extend(below.map(|part| part.as_ref().to_owned()));
        self.on_files("deleting empty folders below", move || empty(&folder)).await
    }

    async fn on_files<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Storage {
            doing,
            path: self.names().folder(),
            source: object_store::Error::Generic { store: "LocalFileSystem", source },
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|e| failed(e.into())),
            Err(panicked) => Err(failed(panicked.into())),
        }
    }
}

/// Whether a file's name is one that the client gives to what it has not written to its end.
fn is_half_written(name: &str) -> bool {
    name.split_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

fn search(folder: &FilePath, since: DateTime<Utc>, found: &mut Vec<Leftover>) -> io::Result<()> {
    let Some(entries) = there(fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        let Some(entry) = there(entry)? else { continue };
        // Others write and remove files while this goes on: what is gone is gone.
        let Some(kind) = there(entry.file_type())? else { continue };
        if kind.is_dir() {
            search(&entry.path(), since, found)?;
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_half_written) {
            let Some(about) = there(entry.metadata())? else { continue };
            if DateTime::<Utc>::from(about.modified()?) < since {
                found.push(Leftover { path: entry.path(), bytes: about.len() });
            }
        }
    }
    Ok(())
}

/// Removes empty folders, the inner ones first. One that is not empty, or is filled at this moment, stays.
fn empty(folder: &FilePath) -> io::Result<()> {
    let Some(entries) = there(fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        let Some(entry) = there(entry)? else { continue };
        if there(entry.file_type())?.is_some_and(|kind| kind.is_dir()) {
            empty(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => gone(other),
    }
}

/// What is not there is none.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    there(removed).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Commit;
    use chrono::TimeDelta;
    use object_store::{local::LocalFileSystem, path::Path};
    use std::sync::Arc;

    #[tokio::test]
    async fn half_written_files_are_found_although_listings_hide_them() {
        let folder = tempfile::tempdir().unwrap();
        let objects = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let store =
            SyncStore::new(Arc::new(objects), &Path::default(), "users").on_disk(folder.path().join("users"));
        let part = store.names().run(7).export_part(0);
        store.put(&part, "rows").await.unwrap();
        let half = folder.path().join(format!("{part}#1"));
        fs::write(&half, "ro").unwrap();
        let listed = store.list(store.names().run(7).folder()).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&part));

        let now = Utc::now();
        assert_eq!(
            store.leftovers(now - TimeDelta::days(1)).await.unwrap(),
            [],
            "somebody may be writing it"
        );
        let found = store.leftovers(now + TimeDelta::days(1)).await.unwrap();
        assert_eq!(found, [Leftover { path: half.clone(), bytes: 2 }]);

        store.delete_folder(7).await.unwrap();
        assert!(folder.path().join(part.as_ref()).exists(), "a folder that is not empty stays");
        for leftover in found {
            store.delete_leftover(leftover.clone()).await.unwrap();
            store.delete_leftover(leftover).await.unwrap();
        }
        store.delete(&part).await.unwrap();
        store.delete_folder(7).await.unwrap();
        store.delete_folder(7).await.unwrap();
        assert!(
            !folder.path().join("users/runs/00000007").exists() && folder.path().join("users/runs").exists()
        );
    }

    #[tokio::test]
    async fn a_half_written_manifest_does_not_take_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let objects = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let store = SyncStore::new(Arc::new(objects), &Path::default(), "users");
        let path = store.names().manifest(1, Commit::Sealed);
        fs::create_dir_all(folder.path().join("users/manifests")).unwrap();
        fs::write(folder.path().join(format!("{path}#1")), "{").unwrap();
        store.create(&path, &serde_json::json!({ "format": 2 })).await.unwrap();
        assert!(store.exists(&path).await.unwrap());
    }
}
