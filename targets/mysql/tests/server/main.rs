//! What only MySQL and MariaDB have: their ways in, rights, types and traps. Against real servers, like the suite; every test
//! runs on both.

mod columns;
mod paths;
mod refusals;
mod rights;
mod scan;
mod ways_in;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use chrono::Utc;
use hydrant_conformance::{Held, program};
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Deletes, Documents, Inspection, Integer, Mismatch, Mode, Result,
    Shape, TableName, TableSpec, Target, TargetError, ValueType,
};
use hydrant_target_mysql::{MysqlTarget, Settings};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// One of the two servers.
pub(crate) struct Server {
    pub(crate) maria: bool,
    url: url::Url,
    client: String,
    folder: String,
}

/// Both servers.
pub(crate) fn servers() -> [Server; 2] {
    ["MYSQL", "MARIADB"].map(|name| {
        let setting = |suffix: &str| {
            let name = format!("HYDRANT_TEST_{name}{suffix}");
            std::env::var(&name)
                .unwrap_or_else(|_| panic!("{name} is not set: run ./test, which starts the servers"))
        };
        Server {
            maria: name == "MARIADB",
            url: setting("").parse().expect("a URL"),
            client: setting("_CLIENT"),
            folder: setting("_FOLDER"),
        }
    })
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.url.port().expect("a port in the URL")
    }

    pub(crate) fn certificate(&self, file: &str) -> String {
        format!("{}/certs/{file}", self.folder)
    }

    pub(crate) fn socket(&self) -> String {
        format!("{}/server/s.sock", self.folder)
    }

    /// The way in of an account through a host, with options.
    pub(crate) fn through(&self, user: &str, password: &str, host: &str, options: &str) -> String {
        format!("mysql://{user}:{password}@{host}:{}/test?{options}", self.port())
    }

    /// The administrator's way in, with options.
    pub(crate) fn url(&self, options: &str) -> String {
        self.through("root", "secret", "127.0.0.1", options)
    }

    pub(crate) fn target(&self) -> MysqlTarget {
        target(&self.url(""))
    }

    fn program(&self) -> Command {
        let mut program = Command::new(&self.client);
        let port = self.port().to_string();
        program.args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--unbuffered"]);
        program.args(["--protocol=tcp", "--host=127.0.0.1", "--port", &port, "--user=root"]);
        program.args(["--default-character-set=utf8mb4", "--database=test"]).env("MYSQL_PWD", "secret");
        program
    }

    /// Runs statements by the product's own program.
    pub(crate) fn sql(&self, sql: &str) -> String {
        program::run(&mut self.program(), sql).trim_end_matches('\n').to_owned()
    }

    /// Holds what these statements lock, in a transaction, until the answer is dropped.
    pub(crate) fn hold(&self, sql: &str) -> Held {
        program::hold(&mut self.program(), &format!("START TRANSACTION; {sql}; SELECT 'locked';\n"), "locked")
    }

    /// A table that is gone with the answer.
    pub(crate) fn table(&self, stem: &str, columns: &str) -> Table<'_> {
        self.table_with(stem, columns, "")
    }

    /// The same with options of the table.
    pub(crate) fn table_with(&self, stem: &str, columns: &str, options: &str) -> Table<'_> {
        let name = fresh(stem);
        self.sql(&format!("CREATE TABLE {name} ({columns}) {options}"));
        Table { server: self, name }
    }

    /// An account with a password and nothing else, gone with the answer, that is identified in this way.
    pub(crate) fn account(&self, identified: &str) -> Account<'_> {
        let name = fresh("u");
        self.sql(&format!("CREATE USER '{name}'@'%' {identified}"));
        Account { server: self, name }
    }
}

pub(crate) struct Table<'s> {
    server: &'s Server,
    pub(crate) name: String,
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP TABLE IF EXISTS {}", self.name);
        let _ = self.server.program().args(["--execute", &drop]).output();
    }
}

pub(crate) struct Account<'s> {
    server: &'s Server,
    pub(crate) name: String,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP USER IF EXISTS '{}'@'%'", self.name);
        let _ = self.server.program().args(["--execute", &drop]).output();
    }
}

pub(crate) fn target(url: &str) -> MysqlTarget {
    MysqlTarget::new(Settings { url: url.into(), password: None }).expect("settings")
}

pub(crate) async fn refused(url: &str) -> TargetError {
    let error = target(url).probe().await.expect_err(url);
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

/// A name that no other test uses, now or in another run.
pub(crate) fn fresh(stem: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let micros = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    format!("{stem}_{micros:x}_{:x}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub(crate) const INT: ValueType = ValueType::Integer(Integer::I64);

/// A mirror of these columns, the first of which is the key.
pub(crate) fn spec_of(table: &str, columns: &[(&str, ValueType)]) -> TableSpec {
    let column = |(name, value): &(&str, ValueType)| Column { name: (*name).into(), value: value.clone() };
    let columns: Vec<_> = columns.iter().map(column).collect();
    let key = columns[0].name.clone();
    TableSpec {
        table: TableName { schema: None, name: table.to_owned() },
        shape: Shape::new(columns, vec![key]).expect("a shape"),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    }
}

/// A mirror of `id` and `name`.
pub(crate) fn spec(table: &str) -> TableSpec {
    spec_of(table, &[("id", INT), ("name", ValueType::Text)])
}

pub(crate) type Pair<'a> = (i64, Option<&'a str>);

pub(crate) fn rows(spec: &TableSpec, rows: &[Pair<'_>]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1)));
    RecordBatch::try_new(spec.shape.schema(), vec![ids, names]).expect("rows")
}

pub(crate) fn keys(spec: &TableSpec, ids: &[i64]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    RecordBatch::try_new(spec.shape.key_schema(), vec![ids]).expect("keys")
}

/// A first batch of a sync of its own.
pub(crate) fn first(spec: &TableSpec, sync: &str) -> Batch {
    let checkpoint =
        Checkpoint { sync: sync.to_owned(), run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 1 };
    Batch::empty(Arc::new(spec.clone()), checkpoint, Utc::now())
}

/// Claims a sync of its own and applies one batch of arrays.
pub(crate) async fn write(
    target: &MysqlTarget,
    spec: &TableSpec,
    inserts: Option<RecordBatch>,
    updates: Option<RecordBatch>,
) -> Result<Applied> {
    let sync = fresh("sync");
    target.claim(&sync, 1).await?;
    let mut batch = first(spec, &sync);
    batch.inserts = inserts.unwrap_or(batch.inserts);
    batch.updates = updates.unwrap_or(batch.updates);
    target.apply(&batch).await
}

/// Claims a sync of its own and applies one batch of `id` and `name`.
pub(crate) async fn apply(
    target: &MysqlTarget,
    spec: &TableSpec,
    deletes: &[i64],
    inserts: &[Pair<'_>],
    updates: &[Pair<'_>],
) -> Result<Applied> {
    let sync = fresh("sync");
    target.claim(&sync, 1).await?;
    let mut batch = first(spec, &sync);
    batch.deletes = keys(spec, deletes);
    batch.inserts = rows(spec, inserts);
    batch.updates = rows(spec, updates);
    target.apply(&batch).await
}

pub(crate) async fn mismatches(target: &MysqlTarget, spec: &TableSpec) -> Vec<Mismatch> {
    match target.inspect(spec).await.expect("an inspection") {
        Inspection::Present { mismatches, .. } => mismatches,
        Inspection::Absent { .. } => panic!("the table is absent"),
    }
}

pub(crate) async fn fits(target: &MysqlTarget, spec: &TableSpec) {
    assert_eq!(mismatches(target, spec).await, []);
}

/// Which rows were refused, with the column.
pub(crate) fn refusals(applied: &Applied) -> Vec<(usize, Option<&str>)> {
    let mut refused: Vec<_> = applied.rejects.iter().map(|r| (r.row, r.column.as_deref())).collect();
    refused.sort_unstable();
    refused
}
