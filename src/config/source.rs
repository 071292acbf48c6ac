//! Sources, as the program relies on them.

use super::{AdbcSpec, Location, StorageOptions};
pub use postgres::{CopyMode, PostgresSpec};
use std::collections::BTreeMap;

mod postgres;

/// A source, by kind.
#[derive(Clone, Debug)]
pub enum SourceSpec {
    /// SQL over Parquet, CSV and JSON files.
    Files(FilesSpec),
    /// A warehouse behind an ADBC driver.
    Adbc(AdbcSpec),
    /// Postgres, or what speaks its protocol.
    Postgres(PostgresSpec),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object per line.
    Json,
}
