//! The configuration: what was typed (`raw`), and what the program relies on (here).
//!
//! [`load`] reads the file into a tree that knows its places (`tree`), walks it with the declarations of `raw` (`reader`,
//! `value`, `number`, `policy`), and checks what they mean (`check`). Each step goes on after an error, so that all are reported together.

mod check;
mod dbt;
mod driver_option;
mod error;
mod excerpt;
mod interpolate;
mod literal;
mod location;
mod model;
mod number;
mod policy;
mod raw;
mod reader;
mod relation;
mod source;
mod span;
mod suggest;
mod table;
mod time_span;
mod tree;
mod value;
mod warehouse;

pub use dbt::DbtSpec;
pub use error::{ConfigError, ConfigErrors};
pub use source::{CopyMode, FileFormat, FileTable, FilesSpec, PostgresSpec, SourceSpec};
pub(crate) use suggest::closest;
pub use warehouse::{AdbcSpec, DriverName, DriverOption, DriverOptions, Warehouse};

use crate::{secret::Secret, sync::SyncSpec};
use reader::{Read, Reader};
use std::{
    collections::BTreeMap,
    env::VarError,
    fs,
    path::{Path, PathBuf},
};

/// How environment variables are looked up: [`process_environment`], or something else in tests.
pub type Environment<'a> = dyn Fn(&str) -> Result<String, VarError> + 'a;

/// The environment of this process.
pub fn process_environment(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}

/// Reads and checks a configuration, with the files of SQL and the secrets that it names.
///
/// # Errors
///
/// Everything that is wrong with it. Only a text that is no YAML is reported by its first error alone.
pub fn load(path: &Path, environment: &Environment<'_>) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    let of_file = |message: String, help: &str| {
        Err(ConfigErrors::new(vec![ConfigError::of_file(&file, message, Some(help.to_owned()))]))
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return of_file(
                format!("cannot read the configuration: {error}"),
                "check the path; `hydrant init` writes a configuration to start from",
            );
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            return of_file(format!("the configuration is not UTF-8: see line {line}"), "save it as UTF-8");
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let tree = match tree::parse(text) {
        Ok(tree) => tree,
        Err(error) => return Err(ConfigErrors::new(vec![error.in_file(&file, text)])),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(text, environment, folder);
    let raw = raw::Configuration::read(&tree, &mut reader);
    let config = raw.and_then(|raw| check::config(raw, path, &mut reader));
    reader.finish(config, &tree, &file)
}

/// The JSON Schema of the configuration file, for editors. It is made from the declarations that the file is read with.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(raw::Configuration);
    schema.insert("title".to_owned(), "hydrant configuration".into());
    schema.to_value()
}

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
    /// The dbt project, if there is one.
    pub dbt: Option<DbtSpec>,
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
    /// MySQL or MariaDB.
    Mysql {
        /// A URL, `mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY`.
        url: Secret,
        /// The password, where it does not stand in the URL.
        password: Option<Secret>,
    },
    /// MongoDB, or what speaks its protocol.
    Mongodb {
        /// A connection string, as MongoDB's drivers take it.
        url: Secret,
        /// The password, where it does not stand in the URL.
        password: Option<Secret>,
        /// Whether a batch is one transaction where the server has such.
        transactions: bool,
    },
}

impl TargetSpec {
    /// The word that the configuration has for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Mysql { .. } => "mysql",
            Self::Mongodb { .. } => "mongodb",
        }
    }
}
