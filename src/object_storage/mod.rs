//! Clients of object storage and of the local disk, for the store and for tables of files alike.

mod address;
mod client;
mod error;
mod patience;

pub use address::{Address, S3Keys};
pub use error::{StorageError, StorageErrorKind};

use crate::config::{Location, StorageOptions};
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory, path::Path};
use std::{path::Component, path::PathBuf, sync::Arc};
use url::Url;

/// The addresses that are known, by how they begin.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "file", "memory"];

/// A place in object storage, or a local folder, and the client that reaches it.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The client. Its paths begin at the root of the bucket, container or file system.
    pub store: Arc<dyn ObjectStore>,
    /// The place itself, below which everything is written.
    pub root: Path,
    /// What the client's paths are relative to: `s3://bucket`, `file:///`.
    pub base: Url,
}

impl Storage {
    /// The place itself as a folder of this machine, if it is one.
    pub fn folder(&self) -> Option<PathBuf> {
        let is_local = self.base.scheme() == "file";
        is_local.then(|| LocalFileSystem::new().path_to_filesystem(&self.root).ok()).flatten()
    }

    /// A path of the client as people write it: `/data/a.parquet`, `s3://bucket/a.parquet`.
    pub fn show(&self, path: &Path) -> String {
        if self.base.scheme() == "file" {
            let local = LocalFileSystem::new().path_to_filesystem(path);
            return local.map_or_else(|_| format!("/{path}"), |local| local.display().to_string());
        }
        format!("{}/{path}", self.base)
    }
}

/// Makes a client for a place; nothing is read or written yet, so a wrong password is not noticed here.
///
/// Every `memory://` is a new and empty one.
///
/// # Errors
///
/// [`StorageErrorKind::Misconfigured`], naming the address or the option at fault, never an option's value.
pub fn connect(location: &Location, options: &StorageOptions) -> Result<Storage, StorageError> {
    let (base, root) = place(location)?;
    Ok(Storage { store: client(&base, options)?, root, base })
}

/// What a place's client is relative to, and its path there ([`Storage::base`] and [`Storage::root`]).
///
/// # Errors
///
/// [`StorageErrorKind::Misconfigured`] for an address that names no place.
pub fn place(location: &Location) -> Result<(Url, Path), StorageError> {
    match location {
        Location::Local(path) => local(path),
        Location::Url(address) => match address.strip_prefix("file://") {
            Some(path) => local(std::path::Path::new(path)),
            None => remote(address),
        },
    }
}

fn local(path: &std::path::Path) -> Result<(Url, Path), StorageError> {
    let wrong = |cause: &dyn std::fmt::Display| {
        StorageError::misconfigured(format!("the path {}: {cause}", path.display()))
    };
    let absolute = absolute(path).map_err(|error| wrong(&error))?;
    let root = Path::from_absolute_path(&absolute).map_err(|error| wrong(&error))?;
    Ok((Url::parse("file:///").map_err(|error| wrong(&error))?, root))
}

fn remote(address: &str) -> Result<(Url, Path), StorageError> {
    let wrong = |cause: &dyn std::fmt::Display| {
        StorageError::misconfigured(format!("the address {address}: {cause}"))
    };
    let (scheme, rest) =
        address.split_once("://").ok_or_else(|| wrong(&"it has no scheme, as in s3://bucket/folder"))?;
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !SCHEMES.contains(&scheme) {
        return Err(wrong(&format!("{scheme}:// is not known; known are {}://", SCHEMES.join("://, "))));
    }
    if bucket.is_empty() && scheme != "memory" {
        return Err(wrong(&format!("the bucket is missing, as in {scheme}://bucket/folder")));
    }
    let base = Url::parse(&format!("{scheme}://{bucket}")).map_err(|error| wrong(&error))?;
    // Taken literally: what looks like an escape or a query in an address is a part of the object's name.
    let root = Path::parse(path).map_err(|error| wrong(&error))?;
    Ok((base, root))
}

/// A client for everything below a base.
fn client(base: &Url, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>, StorageError> {
    match base.scheme() {
        "file" => Ok(Arc::new(LocalFileSystem::new())),
        "memory" => Ok(Arc::new(InMemory::new())),
        "gs" => client::gcs(base, options),
        "az" | "abfs" | "abfss" => client::azure(base, options),
        _ => client::s3(base, options),
    }
}

/// The path from the root of the file system, without `.` and `..`.
///
/// What `..` behind a symbolic link means only the file system knows, so what stands before it is resolved there.
fn absolute(path: &std::path::Path) -> std::io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir => {
                resolved = resolved.canonicalize().unwrap_or(resolved);
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn options(given: &[(&str, &str)]) -> StorageOptions {
        given.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
    }

    fn refusal(address: &str, given: &[(&str, &str)]) -> String {
        let error = connect(&Location::Url(address.to_owned()), &options(given)).unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Misconfigured);
        error.message
    }

    #[test]
    fn every_kind_of_address_is_taken() {
        let azure = [("account_name", "acme"), ("account_key", "c2VjcmV0")];
        for (address, given, root, shown) in [
            ("s3://bucket/a/b", &[("region", "eu-west-1")][..], "a/b", "s3://bucket/a/b"),
            ("s3://bucket", &[], "", "s3://bucket/"),
            ("gs://bucket/a", &[("skip_signature", "true")], "a", "gs://bucket/a"),
            ("az://box/a", &azure, "a", "az://box/a"),
            (
                "abfss://box@acme.dfs.core.windows.net/a",
                &azure,
                "a",
                "abfss://box@acme.dfs.core.windows.net/a",
            ),
            ("memory:///a", &[], "a", "memory:///a"),
            ("file:///tmp/a b", &[], "tmp/a b", "/tmp/a b"),
        ] {
            let storage = connect(&Location::Url(address.to_owned()), &options(given)).unwrap();
            assert_eq!(storage.root.as_ref(), root, "{address}");
            assert_eq!(storage.show(&storage.root), shown);
        }
    }

    #[test]
    fn a_wrong_address_is_named() {
        insta::assert_snapshot!(refusal("ftp://bucket/a", &[]), @"the address ftp://bucket/a: ftp:// is not known; known are s3://, s3a://, gs://, az://, abfs://, abfss://, file://, memory://");
        insta::assert_snapshot!(refusal("bucket/a", &[]), @"the address bucket/a: it has no scheme, as in s3://bucket/folder");
        insta::assert_snapshot!(refusal("s3:///a", &[]), @"the address s3:///a: the bucket is missing, as in s3://bucket/folder");
        insta::assert_snapshot!(refusal("s3://bucket/a//b", &[]), @r#"the address s3://bucket/a//b: Path "a//b" contained empty path segment"#);
    }

    #[test]
    fn a_wrong_option_is_named_without_its_value() {
        insta::assert_snapshot!(refusal("s3://b", &[("acces_key_id", "hunter2")]), @r#"the option acces_key_id is not known for s3://; did you mean access_key_id?"#);
        insta::assert_snapshot!(refusal("s3://b", &[("access_key_id", "hunter2")]), @"the option access_key_id for s3:// cannot be used: Missing SecretAccessKey");
        insta::assert_snapshot!(refusal("s3://b", &[("allow_http", "hunter2"), ("region", "r")]), @r#"the option allow_http for s3:// cannot be used: failed to parse "***" as boolean"#);
        insta::assert_snapshot!(refusal("gs://b", &[("region", "r")]), @"the option region is not known for gs://");
    }

    #[test]
    fn options_of_another_vendor_are_left_alone_if_they_say_whose_they_are() {
        let given = options(&[("google_skip_signature", "true"), ("azure_storage_account_name", "acme")]);
        assert!(connect(&Location::Url("s3://bucket".to_owned()), &given).is_ok());
    }

    #[test]
    fn a_local_path_is_made_absolute() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("deep/er")).unwrap();
        std::os::unix::fs::symlink(real.join("deep/er"), real.join("link")).unwrap();
        let storage = connect(&Location::Local(real.join("link/../x")), &options(&[])).unwrap();
        assert_eq!(storage.show(&storage.root), real.join("deep/x").display().to_string());
        let storage = connect(&Location::Local("./x".into()), &options(&[])).unwrap();
        assert_eq!(
            storage.show(&storage.root),
            std::env::current_dir().unwrap().join("x").display().to_string()
        );
    }
}
