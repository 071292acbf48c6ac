//! The settings, and how the file is opened.

use crate::classify;
use hydrant_contract::{ErrorKind, Result, TargetError};
use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a statement waits for a lock of another connection. Long enough for the application's own writes, short enough
/// that a forgotten transaction shows as busy instead of stopping the run.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The database file. It is made when something is written, if its folder is there.
    pub path: PathBuf,
}

/// Opens the file. Without `make`, a file that is not there is `None`.
pub(crate) async fn open(path: &Path, make: bool) -> Result<Option<SqliteConnection>> {
    let doing = format!("opening {}", path.display());
    let missing = |message: String| TargetError::new(ErrorKind::Missing, &doing, message);
    // Only metadata is asked for. To open and close the file here would release the locks that other connections of this
    // process hold on it (SQLite, "How To Corrupt An SQLite Database File", section 2.2).
    let there = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(missing("it is a folder, not a database file".to_owned())),
        Ok(_) => true,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(TargetError::new(ErrorKind::Denied, doing, e.to_string()).with_source(e));
        }
        Err(e) => return Err(missing(e.to_string()).with_source(e)),
    };
    if !there {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(missing(format!("the folder {} is not there; make it first", folder.display())));
        }
        if !make {
            return Ok(None);
        }
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(make)
        .busy_timeout(BUSY_TIMEOUT)
        // What the application's own constraints say holds for hydrant too.
        .foreign_keys(true)
        // A commit must survive a power cut: hydrant's store says which rows are in the table, and would never send a row
        // again that the table lost. In WAL mode NORMAL does not promise that.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    // The journal mode is a property of the file: one that is there keeps what its owner chose.
    let options = if there { options } else { options.journal_mode(SqliteJournalMode::Wal) };
    let mut connection = options.connect().await.map_err(|e| classify::failed(e, &doing))?;
    // Reading the header finds a file that is no database now and not in the middle of something.
    sqlx::query("PRAGMA main.schema_version")
        .fetch_one(&mut connection)
        .await
        .map_err(|e| classify::failed(e, &doing))?;
    Ok(Some(connection))
}
