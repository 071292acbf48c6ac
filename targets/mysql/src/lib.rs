//! MySQL and MariaDB as a hydrant target.

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use hydrant_contract::{
    Applied, Batch, Capabilities, Checkpoint, Cursor, ErrorKind, Inspection, Result, Scanned, ServerInfo,
    TableSpec, Target, TargetError,
};
use secrecy::SecretString;

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL.
    pub url: SecretString,
    /// The password, where it does not stand in the URL.
    pub password: Option<SecretString>,
}

/// A database that tables are kept in.
#[derive(Debug)]
pub struct MysqlTarget {
    _settings: Settings,
}

impl MysqlTarget {
    /// Checks the settings. Connects to nothing and reads no file.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self { _settings: settings })
    }
}

fn not_yet<T>(doing: &str) -> Result<T> {
    Err(TargetError::new(ErrorKind::Broken, doing, "this target is not written yet"))
}

#[async_trait]
impl Target for MysqlTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        not_yet("asking what the server can do")
    }

    async fn probe(&self) -> Result<ServerInfo> {
        not_yet("asking for the version")
    }

    async fn inspect(&self, _: &TableSpec) -> Result<Inspection> {
        not_yet("inspecting")
    }

    async fn create(&self, _: &TableSpec) -> Result<()> {
        not_yet("creating")
    }

    async fn claim(&self, _: &str, _: u64) -> Result<Option<Checkpoint>> {
        not_yet("claiming")
    }

    async fn apply(&self, _: &Batch) -> Result<Applied> {
        not_yet("writing")
    }

    async fn read(&self, _: &TableSpec, _: &RecordBatch) -> Result<RecordBatch> {
        not_yet("reading")
    }

    async fn scan(&self, _: &TableSpec, _: Option<&Cursor>, _: usize) -> Result<Scanned> {
        not_yet("scanning")
    }
}
