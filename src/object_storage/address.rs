//! How others than this process's own client reach a place in object storage.

use super::client;
use crate::{config::StorageOptions, secret::Secret};
use object_store::path::Path;
use url::Url;

/// A place in object storage, or a local folder, with the options that its client was made by.
#[derive(Clone, Debug)]
pub struct Address {
    /// What paths are relative to: `s3://bucket`, `file:///`.
    pub base: Url,
    /// The place itself.
    pub root: Path,
    /// The options.
    pub options: StorageOptions,
}

/// What another program needs to get at a bucket of S3 as the store's own client does.
#[derive(Clone, Debug)]
pub struct S3Keys {
    /// Names the key.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// Belongs to a key that ends.
    pub session_token: Option<Secret>,
    /// The region.
    pub region: Option<String>,
    /// The server, where it is none of AWS: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the server's name, not in the path.
    pub virtual_hosted: bool,
}

impl Address {
    /// The keys of a place on S3, from its options or the environment. `None` if it is elsewhere, or its client gets in by
    /// other means: a role of the machine, say.
    pub fn s3_keys(&self) -> Option<S3Keys> {
        matches!(self.base.scheme(), "s3" | "s3a").then(|| client::s3_keys(&self.options)).flatten()
    }

    /// The region of a bucket on S3, if it is known.
    pub fn s3_region(&self) -> Option<String> {
        matches!(self.base.scheme(), "s3" | "s3a").then(|| client::s3_region(&self.options)).flatten()
    }

    /// Account and container of a place on Azure, if they are known.
    pub fn azure(&self) -> Option<(String, String)> {
        let host = self.base.host_str()?;
        match self.base.scheme() {
            // abfss://container@account.dfs.core.windows.net
            "abfs" | "abfss" if !self.base.username().is_empty() => {
                Some((host.split('.').next()?.to_owned(), self.base.username().to_owned()))
            }
            "az" | "azure" | "abfs" | "abfss" => {
                Some((client::azure_account(&self.options)?, host.to_owned()))
            }
            _ => None,
        }
    }
}
