//! The one place that names concrete sources and targets: from the configuration to what the engine works with.

use crate::{
    config::{Config, SourceSpec, TargetSpec},
    object_storage::{self, Address, Storage, StorageError},
    source::{Source, SourceError},
    store::SyncStore,
};
use hydrant_contract::{Target, TargetError};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Sources and targets of a configuration, each made once, when a sync first needs it.
pub struct Registry {
    storage: Storage,
    address: Arc<Address>,
    scratch: PathBuf,
    memory_bytes: usize,
    sources: Mutex<HashMap<String, Arc<dyn Source>>>,
    targets: Mutex<HashMap<String, Arc<dyn Target>>>,
}

impl Registry {
    /// Nothing is connected yet, but the store's address and options are checked.
    pub fn new(config: &Config) -> Result<Self, StorageError> {
        let storage = object_storage::connect(&config.store.location, &config.store.options)?;
        let (base, root, options) =
            (storage.base.clone(), storage.root.clone(), config.store.options.clone());
        Ok(Self {
            storage,
            address: Arc::new(Address { base, root, options }),
            scratch: config.scratch.clone().unwrap_or_else(std::env::temp_dir),
            memory_bytes: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
            sources: Mutex::default(),
            targets: Mutex::default(),
        })
    }

    /// The state of a sync.
    pub fn store(&self, sync: &str) -> SyncStore {
        let store = SyncStore::new(self.storage.store.clone(), &self.storage.root, sync);
        let store = store.reached_at(self.address.clone());
        match self.storage.folder() {
            Some(folder) => store.on_disk(folder.join(sync)),
            None => store,
        }
    }

    /// Memory, in bytes, that one run may use for what can be spilled.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Folder for what is spilled.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The source of this name.
    pub fn source(&self, config: &Config, name: &str) -> Result<Arc<dyn Source>, SourceError> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(name) {
            return Ok(source.clone());
        }
        // The configuration is checked: every name that a sync uses is there.
        let source = source(name, &config.sources[name], self.memory_bytes, &self.scratch)?;
        sources.insert(name.to_owned(), source.clone());
        Ok(source)
    }

    /// The target of this name.
    pub fn target(&self, config: &Config, name: &str) -> Result<Arc<dyn Target>, TargetError> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.get(name) {
            return Ok(target.clone());
        }
        let target = target(&config.targets[name])?;
        targets.insert(name.to_owned(), target.clone());
        Ok(target)
    }
}

#[cfg_attr(not(all(feature = "files", feature = "postgres")), allow(unused_variables))]
fn source(
    name: &str,
    spec: &SourceSpec,
    memory_bytes: usize,
    scratch: &Path,
) -> Result<Arc<dyn Source>, SourceError> {
    match spec {
        #[cfg(feature = "files")]
        SourceSpec::Files(spec) => {
            let source = crate::source::files::FilesSource::new(spec)?;
            Ok(Arc::new(source.memory_bytes(memory_bytes as u64).scratch(scratch)))
        }
        #[cfg(feature = "postgres")]
        SourceSpec::Postgres(spec) => Ok(Arc::new(crate::source::postgres::PostgresSource::new(name, spec)?)),
        #[cfg(not(feature = "files"))]
        SourceSpec::Files(_) => Err(source_not_built("files")),
        #[cfg(feature = "adbc")]
        SourceSpec::Adbc(spec) => Ok(Arc::new(crate::source::adbc::AdbcSource::new(spec))),
        #[cfg(not(feature = "adbc"))]
        SourceSpec::Adbc(_) => Err(source_not_built("adbc")),
        #[cfg(not(feature = "postgres"))]
        SourceSpec::Postgres(_) => Err(source_not_built("postgres")),
    }
}

#[cfg(not(all(feature = "files", feature = "adbc", feature = "postgres")))]
fn source_not_built(kind: &str) -> SourceError {
    SourceError {
        kind: crate::source::SourceErrorKind::Missing,
        message: missing("source", kind),
        position: None,
    }
}

fn target(spec: &TargetSpec) -> Result<Arc<dyn Target>, TargetError> {
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "mongodb"))]
    let secret = |s: &crate::secret::Secret| secrecy::SecretString::from(s.expose());
    match spec {
        #[cfg(feature = "sqlite")]
        TargetSpec::Sqlite { path } => {
            use hydrant_target_sqlite::{Settings, SqliteTarget};
            Ok(Arc::new(SqliteTarget::new(Settings { path: path.clone() })))
        }
        #[cfg(feature = "postgres")]
        TargetSpec::Postgres { url, password } => {
            use hydrant_target_postgres::{PostgresTarget, Settings};
            let settings = Settings { url: secret(url), password: password.as_ref().map(secret) };
            Ok(Arc::new(PostgresTarget::new(settings)?))
        }
        #[cfg(feature = "mysql")]
        TargetSpec::Mysql { url, password } => {
            use hydrant_target_mysql::{MysqlTarget, Settings};
            let settings = Settings { url: secret(url), password: password.as_ref().map(secret) };
            Ok(Arc::new(MysqlTarget::new(settings)?))
        }
        #[cfg(feature = "mongodb")]
        TargetSpec::Mongodb { url, password, transactions } => {
            use hydrant_target_mongodb::{MongodbTarget, Settings};
            let password = password.as_ref().map(secret);
            let settings = Settings { url: secret(url), password, transactions: *transactions };
            Ok(Arc::new(MongodbTarget::new(settings)?))
        }
        #[cfg(not(feature = "sqlite"))]
        TargetSpec::Sqlite { .. } => Err(not_built("sqlite")),
        #[cfg(not(feature = "postgres"))]
        TargetSpec::Postgres { .. } => Err(not_built("postgres")),
        #[cfg(not(feature = "mysql"))]
        TargetSpec::Mysql { .. } => Err(not_built("mysql")),
        #[cfg(not(feature = "mongodb"))]
        TargetSpec::Mongodb { .. } => Err(not_built("mongodb")),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "mysql", feature = "mongodb")))]
fn not_built(kind: &str) -> TargetError {
    TargetError::new(
        hydrant_contract::ErrorKind::Missing,
        "reading the configuration",
        missing("target", kind),
    )
}

#[cfg(not(all(
    feature = "files",
    feature = "adbc",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql",
    feature = "mongodb"
)))]
fn missing(what: &str, kind: &str) -> String {
    format!("this hydrant was built without the {what} {kind}: build it with the cargo feature {kind}")
}
