//! Which files a table has.

use super::{error::storage_error, pattern};
use crate::{
    config::Location,
    object_storage::{Storage, StorageError, StorageErrorKind, place},
    source::{SourceError, SourceErrorKind},
};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use object_store::{ObjectMeta, ObjectStoreExt, path::Path};
use url::Url;

/// Where a table's files lie: below a path, all of them or those that match a pattern.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What names the bucket, or the local disk.
    pub(super) base: Url,
    /// What stands before the pattern.
    root: Path,
    /// The pattern, relative to the root; without one the root is a file or a folder.
    glob: Option<String>,
    /// The location as it was written.
    written: String,
}

impl Place {
    /// Cuts a location at its first segment with a glob in it.
    pub(super) fn of(location: &Location) -> Result<Self, StorageError> {
        let written = match location {
            Location::Local(path) => path.display().to_string(),
            Location::Url(address) => address.clone(),
        };
        let start = written.find("://").map_or(0, |at| at + 3);
        let mut from = start;
        let cut = written[start..].split('/').find_map(|segment| {
            let at = from;
            from += segment.len() + 1;
            pattern::is_glob(segment).then_some(at)
        });
        let Some(cut) = cut else {
            let (base, root) = place(location)?;
            return Ok(Self { base, root, glob: None, written });
        };
        let before = written[..cut].to_owned();
        let (base, root) = place(&match location {
            Location::Local(_) => Location::Local(if before.is_empty() { ".".into() } else { before.into() }),
            Location::Url(_) => Location::Url(before),
        })?;
        Ok(Self { base, root, glob: Some(written[cut..].to_owned()), written })
    }

    /// The files, in the order of their names, without what tools leave behind (names that begin with `.` or `_`).
    pub(super) async fn files(&self, table: &str, storage: &Storage) -> Result<Vec<ObjectMeta>, SourceError> {
        let doing = || format!("table {table}: looking for {}", self.written);
        let found = match &self.glob {
            Some(glob) => self.matching(glob, storage).await,
            None => self.file_or_folder(storage).await,
        };
        let mut files = found.map_err(|error| storage_error(&doing(), &error))?;
        files.sort_by(|a, b| a.location.cmp(&b.location));
        files.dedup_by(|a, b| a.location == b.location);
        if let Some(format) = files.iter().find_map(|file| managed_by(&file.location)) {
            return Err(SourceError {
                kind: SourceErrorKind::Data,
                message: format!(
                    "table {table}: {} is managed by {format}; read file by file it would show rows that were deleted \
                     or replaced. Export it as plain Parquet, or name its live files with a pattern",
                    self.written
                ),
                position: None,
            });
        }
        files.retain(|file| !self.is_hidden(&file.location));
        if files.is_empty() {
            let message = match &self.glob {
                Some(_) => format!("table {table}: no file matches {}", self.shown(storage)),
                None => format!(
                    "table {table}: there is no file, and no folder with files, at {}",
                    self.shown(storage)
                ),
            };
            return Err(SourceError { kind: SourceErrorKind::Missing, message, position: None });
        }
        Ok(files)
    }

    /// The place in full, also where it was written relative to the working directory.
    fn shown(&self, storage: &Storage) -> String {
        let root = storage.show(&self.root);
        self.glob
            .as_ref()
            .map_or_else(|| root.clone(), |glob| format!("{}/{glob}", root.trim_end_matches('/')))
    }

    /// Whether the place is a folder, where files of no known format are passed over.
    pub(super) fn is_folder(&self, file: &Path) -> bool {
        self.glob.is_none() && self.root != *file
    }

    async fn file_or_folder(&self, storage: &Storage) -> object_store::Result<Vec<ObjectMeta>> {
        // The root of a bucket is no object, and some servers say so in odd ways.
        if !self.root.as_ref().is_empty() {
            match storage.store.head(&self.root).await {
                Ok(file) => return Ok(vec![file]),
                Err(object_store::Error::NotFound { .. }) => {}
                // Asked about a folder, the local disk says that it is no file.
                Err(error)
                    if StorageErrorKind::of(&error) == StorageErrorKind::Broken
                        && self.base.scheme() == "file" => {}
                Err(error) => return Err(error),
            }
        }
        let listing = storage.store.list(Some(&self.root));
        // A marker that stands for a folder is an object of no bytes and no name.
        listing
            .try_filter(|file| futures::future::ready(file.location.filename().is_some()))
            .try_collect()
            .await
    }

    async fn matching(&self, glob: &str, storage: &Storage) -> object_store::Result<Vec<ObjectMeta>> {
        let mut files = Vec::new();
        for one in pattern::alternatives(glob) {
            let segments: Vec<&str> = one.split('/').filter(|segment| !segment.is_empty()).collect();
            files.extend(walk(storage, self.root.clone(), &segments).await?);
        }
        Ok(files)
    }

    /// Whether a file in a folder was left behind by a tool. Patterns see to that themselves.
    fn is_hidden(&self, file: &Path) -> bool {
        let inside = file.prefix_match(&self.root);
        self.is_folder(file)
            && inside.is_some_and(|mut parts| parts.any(|part| pattern::is_hidden(part.as_ref())))
    }
}

/// The files below a folder that match the segments of a pattern. Only folders that match are listed.
fn walk<'a>(
    storage: &'a Storage,
    folder: Path,
    segments: &'a [&'a str],
) -> BoxFuture<'a, object_store::Result<Vec<ObjectMeta>>> {
    async move {
        match segments {
            [] => Ok(Vec::new()),
            ["**", ..] => {
                let below = folder.clone();
                let matches = move |file: &ObjectMeta| {
                    let names = file
                        .location
                        .prefix_match(&below)
                        .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>());
                    names.is_some_and(|names| {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        // A pattern that ends here means every file.
                        pattern::matches_path(
                            if segments == ["**"] { &["**", "*"] } else { segments },
                            &names,
                        )
                    })
                };
                let listing = storage.store.list(Some(&folder));
                listing.try_filter(|file| futures::future::ready(matches(file))).try_collect().await
            }
            [name] if !pattern::is_glob(name) => {
                match storage.store.head(&folder.clone().join(*name)).await {
                    Ok(file) => Ok(vec![file]),
                    Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
            [name, rest @ ..] if !pattern::is_glob(name) => walk(storage, folder.join(*name), rest).await,
            [name, rest @ ..] => {
                let listing = storage.store.list_with_delimiter(Some(&folder)).await?;
                let fits =
                    |path: &Path| path.filename().is_some_and(|found| pattern::matches_name(name, found));
                if rest.is_empty() {
                    return Ok(listing.objects.into_iter().filter(|file| fits(&file.location)).collect());
                }
                let folders = listing.common_prefixes.into_iter().filter(fits);
                let found = futures::stream::iter(folders.map(|folder| walk(storage, folder, rest)));
                found.buffered(LISTINGS_AT_ONCE).try_concat().await
            }
        }
    }
    .boxed()
}

/// How many folders are listed at the same time: hides the latency of object storage without being throttled by it.
const LISTINGS_AT_ONCE: usize = 8;

/// The table format whose own log says which of the files count.
fn managed_by(file: &Path) -> Option<&'static str> {
    let name = file.filename()?;
    let in_folder = |wanted: &str| file.parts().any(|part| part.as_ref() == wanted);
    if in_folder("_delta_log") {
        Some("Delta Lake")
    } else if in_folder("metadata") && name.ends_with(".metadata.json") {
        Some("Iceberg")
    } else if in_folder(".hoodie") {
        Some("Hudi")
    } else {
        None
    }
}
