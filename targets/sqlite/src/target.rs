//! The contract, method by method.

use crate::{Settings, classify, config, decode, encode, inspect, limits, scan, statement, write};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use chrono::Utc;
use hydrant_contract::{
    Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Cursor, ErrorKind, Inspection, Rebuildable,
    Result, Scanned, ServerInfo, TableSpec, Target, TargetError,
};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteArguments, sqlite::SqliteRow};
use tokio::sync::{Mutex, MutexGuard};

/// Keys that one statement reads.
const KEYS_MAX: usize = 256;

/// Tables in a SQLite file.
///
/// SQLite has one writer at a time, so there is one connection, opened when it is needed and again after it broke; calls of
/// different syncs take turns. A batch is one `BEGIN IMMEDIATE` transaction, which takes the write lock before it looks at
/// the epoch: no claim can come in between.
pub struct SqliteTarget {
    settings: Settings,
    connection: Mutex<Option<SqliteConnection>>,
}

impl SqliteTarget {
    /// A target on this file, which is not opened yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, connection: Mutex::new(None) }
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} in {}", self.settings.path.display())
    }

    /// The connection; none if the file is not there and shall not be made.
    async fn open(&self, make: bool) -> Result<Option<Session<'_>>> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = config::open(&self.settings.path, make).await?;
        }
        Ok(connection.is_some().then_some(Session(connection)))
    }

    async fn writing(&self, doing: &str) -> Result<Session<'_>> {
        let gone = || TargetError::new(ErrorKind::Missing, doing, "the file was not made");
        self.open(true).await?.ok_or_else(gone)
    }
}

/// The right to use the connection.
struct Session<'t>(MutexGuard<'t, Option<SqliteConnection>>);

impl Session<'_> {
    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        let closed = || TargetError::new(ErrorKind::Unreachable, "using the connection", "it is closed");
        self.0.as_mut().ok_or_else(closed)
    }

    /// After an error the connection is closed, unless the error says that all is well with it: SQLite may have ended the
    /// transaction by itself, and only a new connection is sure to be in none.
    fn done<T>(mut self, result: Result<T>) -> Result<T> {
        match result.as_ref().map_err(TargetError::kind) {
            Ok(_) | Err(ErrorKind::Fenced) => {}
            Err(_) => *self.0 = None,
        }
        result
    }
}

#[async_trait]
impl Target for SqliteTarget {
    async fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            transactions: true,
            schemas: false,
            unique_columns: true,
            rebuild: false,
            ahead: false,
        })
    }

    async fn probe(&self) -> Result<ServerInfo> {
        let doing = self.doing("asking for the version");
        let place = self.settings.path.display().to_string();
        let Some(mut session) = self.open(false).await? else {
            return Ok(ServerInfo { product: "SQLite".to_owned(), place: format!("{place} (not made yet)") });
        };
        let version =
            sqlx::query_scalar::<_, String>("SELECT sqlite_version()").fetch_one(session.connection()?).await;
        let version = session.done(version.map_err(|e| classify::failed(e, &doing)))?;
        Ok(ServerInfo { product: format!("SQLite {version}"), place })
    }

    async fn inspect(&self, spec: &TableSpec) -> Result<Inspection> {
        inspect::check(spec)?;
        let absent =
            Inspection::Absent { statements: vec![statement::create(spec)], limits: limits::created(spec) };
        let Some(mut session) = self.open(false).await? else { return Ok(absent) };
        let doing = self.doing(&format!("looking at the table {}", spec.table));
        let result = inspect_in(session.connection()?, spec, &doing).await;
        Ok(session.done(result)?.map_or(absent, |inspect::Inspected { mismatches, limits }| {
            Inspection::Present { mismatches, limits }
        }))
    }

    async fn create(&self, spec: &TableSpec) -> Result<()> {
        inspect::check(spec)?;
        let doing = self.doing(&format!("making the table {}", spec.table));
        let mut session = self.writing(&doing).await?;
        let result = create_in(session.connection()?, spec, &doing).await;
        session.done(result)
    }

    async fn claim(&self, sync: &str, epoch: u64) -> Result<Option<Checkpoint>> {
        let doing = self.doing(&format!("claiming the sync {sync}"));
        let mut session = self.writing(&doing).await?;
        let result = claim_in(session.connection()?, sync, epoch, &doing).await;
        session.done(result)
    }

    async fn apply(&self, batch: &Batch) -> Result<Applied> {
        inspect::check(&batch.spec)?;
        let Checkpoint { sync, batch: number, .. } = &batch.checkpoint;
        let doing = self.doing(&format!("writing batch {number} of the sync {sync} to {}", batch.spec.table));
        let mut session = self.writing(&doing).await?;
        let result = apply_in(session.connection()?, batch, &doing).await;
        session.done(result)
    }

    async fn begin<'a>(&'a self, _: &'a Batch) -> Result<Option<Box<dyn Begun + 'a>>> {
        Ok(None)
    }

    async fn rebuildable(&self, _: &TableSpec) -> Result<Rebuildable> {
        Ok(Rebuildable::never("SQLite"))
    }

    async fn rebuild(&self, last: &Batch, _: &mut dyn Changes) -> Result<()> {
        let doing = format!("building {} anew", last.spec.table);
        Err(TargetError::new(ErrorKind::Broken, doing, "SQLite does not build tables anew"))
    }

    async fn read(&self, spec: &TableSpec, keys: &RecordBatch) -> Result<RecordBatch> {
        inspect::check(spec)?;
        let doing = self.doing(&format!("reading rows of {}", spec.table));
        let missing = || TargetError::new(ErrorKind::Missing, &doing, "the file is not there");
        let mut session = self.open(false).await?.ok_or_else(missing)?;
        let result = read_in(session.connection()?, spec, keys, &doing).await;
        session.done(result)
    }

    async fn scan(&self, spec: &TableSpec, after: Option<&Cursor>, rows: usize) -> Result<Scanned> {
        inspect::check(spec)?;
        let doing = self.doing(&format!("scanning {}", spec.table));
        let missing = || TargetError::new(ErrorKind::Missing, &doing, "the file is not there");
        let mut session = self.open(false).await?.ok_or_else(missing)?;
        let result = scan::scan(session.connection()?, spec, after, rows.max(1), &doing).await;
        session.done(result)
    }
}

async fn inspect_in(
    connection: &mut SqliteConnection,
    spec: &TableSpec,
    doing: &str,
) -> Result<Option<inspect::Inspected>> {
    // A file that may only be read says so when the write lock is asked for. That another one has the lock just now is no
    // reason to fail: it could be had.
    match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(transaction) => transaction.rollback().await.map_err(|e| classify::failed(e, doing))?,
        Err(error) => {
            let error = classify::failed(error, doing);
            if error.kind() != ErrorKind::Busy {
                return Err(error);
            }
        }
    }
    match inspect::find(connection, &spec.table.name, doing).await? {
        None => Ok(None),
        Some(table) => Ok(Some(inspect::inspect(connection, &table, spec, doing).await?)),
    }
}

async fn create_in(connection: &mut SqliteConnection, spec: &TableSpec, doing: &str) -> Result<()> {
    let failed = |e| classify::failed(e, doing);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    if inspect::find(&mut transaction, &spec.table.name, doing).await?.is_none() {
        let query = sqlx::query(AssertSqlSafe(statement::create(spec))).persistent(false);
        query.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn claim_in(
    connection: &mut SqliteConnection,
    sync: &str,
    epoch: u64,
    doing: &str,
) -> Result<Option<Checkpoint>> {
    let failed = |e| classify::failed(e, doing);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    for sql in statement::OWN_TABLES {
        sqlx::query(sql).execute(&mut *transaction).await.map_err(failed)?;
    }
    let last = fenced(&mut transaction, sync, epoch, doing).await?;
    sqlx::query(statement::CLAIM)
        .bind(sync)
        .bind(number(epoch, doing)?)
        .bind(encode::instant(Utc::now()))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    // Batch 0 is a claim that no batch followed.
    Ok(last.filter(|last| last.batch > 0).map(|last| Checkpoint { epoch, ..last }))
}

async fn apply_in(connection: &mut SqliteConnection, batch: &Batch, doing: &str) -> Result<Applied> {
    let failed = |e| classify::failed(e, doing);
    let Checkpoint { sync, run, epoch, batch: count, first_change, next_change } = &batch.checkpoint;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    fenced(&mut transaction, sync, *epoch, doing).await?;
    let rejects =
        if batch.is_empty() { Vec::new() } else { write::rows(&mut transaction, batch, doing).await? };
    let mut note = sqlx::query(statement::NOTE_CHECKPOINT).bind(sync);
    for value in [run, epoch, count, first_change, next_change] {
        note = note.bind(number(*value, doing)?);
    }
    note.bind(encode::instant(Utc::now())).execute(&mut *transaction).await.map_err(failed)?;
    if let Some(freshness) = &batch.freshness {
        sqlx::query(statement::NOTE_FRESHNESS)
            .bind(sync)
            .bind(number(*run, doing)?)
            .bind(encode::instant(freshness.as_of))
            .bind(number(freshness.rows, doing)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Applied { rejects, path: if batch.is_empty() { "none" } else { "upsert" } })
}

async fn read_in(
    connection: &mut SqliteConnection,
    spec: &TableSpec,
    keys: &RecordBatch,
    doing: &str,
) -> Result<RecordBatch> {
    let key: Vec<_> = spec.shape.key_columns().collect();
    let mut cells = Vec::with_capacity(keys.num_rows());
    for row in 0..keys.num_rows() {
        let of_row = key.iter().enumerate().map(|(i, c)| encode::cell(keys.column(i), row, &c.value));
        // A key that SQLite cannot hold has no row there.
        cells.extend(of_row.collect::<std::result::Result<Vec<_>, _>>());
    }
    let mut rows: Vec<SqliteRow> = Vec::new();
    for chunk in cells.chunks(KEYS_MAX) {
        let mut arguments = SqliteArguments::default();
        chunk.iter().flatten().for_each(|cell| cell.bind(&mut arguments));
        let sql = statement::read(spec, chunk.len());
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(chunk.len() == KEYS_MAX);
        rows.extend(query.fetch_all(&mut *connection).await.map_err(|e| classify::failed(e, doing))?);
    }
    let columns = spec.shape.columns().iter().enumerate().map(|(i, column)| {
        let strange = |e: String| {
            let message = format!("column {:?}: {e}; it was not written by hydrant", column.name);
            TargetError::new(ErrorKind::ShapeDiffers, doing, message)
        };
        let found = |row| -> Result<_> {
            let stored = SqliteRow::try_get_raw(row, i).map_err(|e| classify::failed(e, doing))?;
            decode::found(stored, &column.value).map_err(strange)
        };
        let found = rows.iter().map(found).collect::<Result<Vec<_>>>()?;
        decode::array(&found, &column.value).map_err(strange)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(spec.shape.schema(), columns)
        .map_err(|e| TargetError::new(ErrorKind::Broken, doing, e.to_string()))
}

/// The last checkpoint, unless a later epoch has claimed the sync. The write lock is held already.
async fn fenced(
    connection: &mut SqliteConnection,
    sync: &str,
    epoch: u64,
    doing: &str,
) -> Result<Option<Checkpoint>> {
    let row = sqlx::query(statement::READ_CHECKPOINT)
        .bind(sync)
        .fetch_optional(connection)
        .await
        .map_err(|e| classify::failed(e, doing))?;
    let Some(row) = row else { return Ok(None) };
    let field = |i: usize| -> Result<u64> {
        let value: i64 = row.try_get(i).map_err(|e| classify::failed(e, doing))?;
        value.try_into().map_err(|_| {
            TargetError::new(ErrorKind::Broken, doing, "a negative number in hydrant_checkpoint")
        })
    };
    let last = Checkpoint {
        sync: sync.to_owned(),
        run: field(0)?,
        epoch: field(1)?,
        batch: field(2)?,
        first_change: field(3)?,
        next_change: field(4)?,
    };
    if last.epoch > epoch {
        let message = format!("epoch {} has claimed the sync, this writer has epoch {epoch}", last.epoch);
        return Err(TargetError::new(ErrorKind::Fenced, doing, message));
    }
    Ok(Some(last))
}

fn number(value: u64, doing: &str) -> Result<i64> {
    let limit = |_| {
        TargetError::new(ErrorKind::LimitExceeded, doing, format!("{value} is no 64-bit integer with sign"))
    };
    i64::try_from(value).map_err(limit)
}
