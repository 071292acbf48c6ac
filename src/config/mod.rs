//! The configuration: what was typed (`raw`), and what the program relies on (here).

use crate::{secret::Secret, sync::SyncSpec};
use std::{collections::BTreeMap, path::PathBuf};

/// A checked configuration: every name resolves, every file was read, every secret is filled in.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Where exports and state are kept.
    pub store: StoreSpec,
    /// How much memory, in bytes, one run may use for fingerprints before they spill to disk.
    pub memory_bytes: u64,
    /// Folder for spilled fingerprints; the system's temporary folder if not set.
    pub scratch: Option<PathBuf>,
    /// Sources by name.
    pub sources: BTreeMap<String, SourceSpec>,
    /// Targets by name.
    pub targets: BTreeMap<String, TargetSpec>,
    /// Syncs by name.
    pub syncs: BTreeMap<String, SyncSpec>,
}

/// A place in object storage or on the local disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A local path, absolute or relative to the working directory (no longer to the configuration).
    Local(PathBuf),
    /// `s3://…`, `gs://…`, `az://…` or `memory://`; may contain a glob where tables of files are meant.
    Url(String),
}

/// Options of an object storage client as `object_store` names them (`endpoint`, `region`, `access_key_id`, …). What is
/// not given here comes from the environment, as the vendors' own tools read it.
pub type StorageOptions = BTreeMap<String, Secret>;

/// The store.
#[derive(Clone, Debug)]
pub struct StoreSpec {
    /// Its root.
    pub location: Location,
    /// How to reach it.
    pub options: StorageOptions,
}

/// A source, by kind.
#[derive(Clone, Debug)]
pub enum SourceSpec {
    /// SQL over Parquet, CSV and JSON files.
    Files(FilesSpec),
}

/// Tables of files.
#[derive(Clone, Debug, Default)]
pub struct FilesSpec {
    /// Tables by the name that queries use.
    pub tables: BTreeMap<String, FileTable>,
    /// How to reach object storage, for tables that lie there.
    pub options: StorageOptions,
}

/// One table of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTable {
    /// A file, a folder or a glob.
    pub location: Location,
    /// How the files are read; `None`: by their ending.
    pub format: Option<FileFormat>,
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object per line.
    Json,
}

/// A target, by kind.
#[derive(Clone, Debug)]
pub enum TargetSpec {
    /// A SQLite database file.
    Sqlite {
        /// The file; it is created if its folder exists.
        path: PathBuf,
    },
    /// Postgres, or what speaks its protocol.
    Postgres {
        /// A URL (`postgres://user@host/db?sslmode=verify-full&sslrootcert=…`) or keyword string, as libpq takes it.
        url: Secret,
        /// The password, where it does not stand in the URL.
        password: Option<Secret>,
    },
}
