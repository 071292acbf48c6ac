//! DuckDB with its extensions for Postgres and MySQL: what one writes by hand for it, in SQL.

use super::{Peer, Program, Work};
use crate::{model, servers::Kind};
use std::{path::Path, process::Command};

struct DuckDb {
    program: Program,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Stages every row on the server, and has the server update every row.
    Upsert,
    /// Reads the whole table from the server, compares here, and writes what differs.
    Compare,
}

pub(super) fn ways(folder: &Path) -> Vec<Box<dyn Peer>> {
    let way = |way| -> Option<Box<dyn Peer>> {
        Some(Box::new(DuckDb { program: Program::of(folder, "duckdb/bin/duckdb")?, way }))
    };
    [Way::Upsert, Way::Compare].into_iter().filter_map(way).collect()
}

impl DuckDb {
    /// Runs SQL, with the server's database as `app`.
    fn command(&self, work: &Work<'_>, sql: &str) -> Command {
        let url = work.url();
        let (extension, place) = match work.server.kind {
            Kind::Postgres => ("postgres", work.server.url.clone()),
            Kind::Mysql => {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or(3306));
                let (user, password) = (url.username(), url.password().unwrap_or_default());
                let database = url.path().trim_start_matches('/');
                (
                    "mysql",
                    format!("host={host} port={port} user={user} password={password} database={database}"),
                )
            }
            Kind::Mongodb => unreachable!("no SQL is written for MongoDB"),
        };
        let sql = format!(
            "LOAD {extension}_scanner; SET TimeZone = 'UTC'; ATTACH '{place}' AS app (TYPE {extension}); {sql}"
        );
        let mut command = self.program.command();
        command.args(["-bail", "-no-stdin", "-c", &sql]);
        command
    }
}

/// What the SQL is made of.
struct Words {
    file: String,
    table: String,
    list: String,
    key: String,
    /// Every other column, as `name = EXCLUDED.name` and the like.
    set: String,
    /// Whether a row of the file (`s`) differs from one of the table (`d`).
    differs: String,
}

impl Words {
    fn of(work: &Work<'_>) -> Self {
        let mysql = work.server.kind == Kind::Mysql;
        let instant = |name: &str| {
            work.shape
                .columns()
                .iter()
                .any(|column| column.name == name && column.kind == model::Kind::Instant)
        };
        // MySQL's DATETIME is a time without a zone.
        let compared = |name: &String| {
            let ours = if mysql && instant(name) {
                format!("(s.{name} AT TIME ZONE 'UTC')")
            } else {
                format!("s.{name}")
            };
            format!("{ours} IS DISTINCT FROM d.{name}")
        };
        let set = |name: &String| {
            if mysql { format!("{name} = new.{name}") } else { format!("{name} = EXCLUDED.{name}") }
        };
        let values = work.shape.values();
        Self {
            file: format!("read_parquet('{}')", work.parquet()),
            table: work.table.to_owned(),
            list: work.shape.list(),
            key: work.shape.key().join(", "),
            set: values.iter().map(set).collect::<Vec<_>>().join(", "),
            differs: values.iter().map(compared).collect::<Vec<_>>().join(" OR "),
        }
    }
}

/// `CREATE TABLE … AS` goes by binary COPY. An index that is made afterwards is quicker.
fn full_into_postgres(words: &Words) -> String {
    let Words { file, table, key, .. } = words;
    format!(
        "DROP TABLE IF EXISTS app.public.{table};
         CREATE TABLE app.public.{table} AS FROM {file};
         CALL postgres_execute('app', 'ALTER TABLE {table} ADD PRIMARY KEY ({key})')"
    )
}

/// Quicker than the extension's own `MERGE INTO` and `ON CONFLICT`, which read the table before.
fn upsert_into_postgres(words: &Words) -> String {
    let Words { file, table, list, key, set, .. } = words;
    format!(
        "CALL postgres_execute('app', 'CREATE UNLOGGED TABLE {table}_staged AS SELECT {list} FROM {table} LIMIT 0');
         INSERT INTO app.public.{table}_staged BY NAME SELECT {list} FROM {file};
         CALL postgres_execute('app', 'INSERT INTO {table} ({list}) SELECT {list} FROM {table}_staged
            ON CONFLICT ({key}) DO UPDATE SET {set}');
         CALL postgres_execute('app', 'DROP TABLE {table}_staged')"
    )
}

fn compare_with_postgres(words: &Words) -> String {
    let Words { file, table, list, key, differs, .. } = words;
    let values =
        |part: &str| list.split(", ").map(|name| format!("{part}{name}")).collect::<Vec<_>>().join(", ");
    let set: Vec<String> = list.split(", ").map(|name| format!("{name} = s.{name}")).collect();
    let key_of_both: Vec<String> = key.split(", ").map(|name| format!("d.{name} = s.{name}")).collect();
    format!(
        "MERGE INTO app.public.{table} AS d USING {file} AS s ON {}
         WHEN MATCHED AND ({differs}) THEN UPDATE SET {}
         WHEN NOT MATCHED THEN INSERT ({list}) VALUES ({})
         WHEN NOT MATCHED BY SOURCE THEN DELETE",
        key_of_both.join(" AND "),
        set.join(", "),
        values("s."),
    )
}

/// The types are ours: of its own choice, times would lose what is below a second.
fn full_into_mysql(work: &Work<'_>, words: &Words) -> String {
    let Words { file, table, list, key, .. } = words;
    let types: Vec<String> = work
        .shape
        .columns()
        .iter()
        .map(|column| format!("{} {}", column.name, mysql_type(column.kind)))
        .collect();
    format!(
        "CALL mysql_execute('app', 'DROP TABLE IF EXISTS {table}');
         CALL mysql_execute('app', 'CREATE TABLE {table} ({}, PRIMARY KEY ({key}))');
         CALL mysql_clear_cache();
         INSERT INTO app.{table} ({list}) SELECT {list} FROM {file}",
        types.join(", ")
    )
}

fn mysql_type(kind: model::Kind) -> &'static str {
    match kind {
        model::Kind::Id => "BIGINT NOT NULL",
        model::Kind::Tenant | model::Kind::User => "VARCHAR(64) NOT NULL",
        model::Kind::Name | model::Kind::Plan => "VARCHAR(255)",
        model::Kind::Integer => "INT",
        model::Kind::BigInteger => "BIGINT",
        model::Kind::Decimal => "DECIMAL(12,2)",
        model::Kind::Double => "DOUBLE",
        model::Kind::Boolean => "BOOLEAN",
        model::Kind::Instant => "DATETIME(6)",
        model::Kind::Date => "DATE",
    }
}

/// The extension has no `MERGE INTO` and no `ON CONFLICT` for MySQL. It writes rows by INSERT, and does not know of a table that
/// `mysql_execute` made before its cache is cleared.
fn upsert_into_mysql(words: &Words) -> String {
    staged_in_mysql(words, &format!("SELECT {} FROM {}", words.list, words.file), "")
}

fn compare_with_mysql(words: &Words) -> String {
    let Words { file, table, key, differs, .. } = words;
    let first = key.split(", ").next().unwrap_or_default();
    let list = words.list.split(", ").map(|name| format!("s.{name}")).collect::<Vec<_>>().join(", ");
    let changed = format!(
        "SELECT {list} FROM {file} AS s LEFT JOIN app.{table} AS d USING ({key}) WHERE d.{first} IS NULL OR {differs}"
    );
    let gone = format!(
        "CREATE TEMPORARY TABLE gone AS SELECT {key} FROM app.{table} ANTI JOIN {file} USING ({key});
         CALL mysql_execute('app', 'CREATE TABLE {table}_gone AS SELECT {key} FROM {table} LIMIT 0');
         CALL mysql_clear_cache();
         INSERT INTO app.{table}_gone FROM gone;
         CALL mysql_execute('app', 'DELETE {table} FROM {table}_gone STRAIGHT_JOIN {table} USING ({key})');
         CALL mysql_execute('app', 'DROP TABLE {table}_gone');"
    );
    staged_in_mysql(words, &changed, &gone)
}

/// Stages what a query gives, has the server write it into the table, and does the rest.
fn staged_in_mysql(words: &Words, query: &str, rest: &str) -> String {
    let Words { table, list, set, .. } = words;
    format!(
        "CREATE TEMPORARY TABLE staged AS {query};
         CALL mysql_execute('app', 'CREATE TABLE {table}_staged AS SELECT {list} FROM {table} LIMIT 0');
         CALL mysql_clear_cache();
         INSERT INTO app.{table}_staged ({list}) FROM staged;
         {rest}
         CALL mysql_execute('app', 'INSERT INTO {table} ({list}) SELECT * FROM (SELECT {list} FROM {table}_staged) AS new
            ON DUPLICATE KEY UPDATE {set}');
         CALL mysql_execute('app', 'DROP TABLE {table}_staged')"
    )
}

impl Peer for DuckDb {
    fn name(&self) -> String {
        let way = match self.way {
            Way::Upsert => "staged upsert",
            Way::Compare => "compare with the table",
        };
        format!("DuckDB {} ({way})", self.program.version)
    }

    fn cannot(&self, kind: Kind) -> &'static str {
        match (kind, self.way) {
            (Kind::Postgres, Way::Upsert) => {
                "does not know what changed: stages and updates every row, in one statement; does not delete"
            }
            (Kind::Mysql, Way::Upsert) => {
                "does not know what changed: stages every row by INSERT and updates it, in one statement; does not delete"
            }
            (Kind::Postgres, Way::Compare) => {
                "reads the whole table from the server every time and holds both sides in memory; writes what differs in one \
                 transaction; no guard against an empty file"
            }
            (Kind::Mysql, Way::Compare) => {
                "reads the whole table from the server every time and holds both sides in memory; writes by hand-written \
                 statements, each in a transaction of its own; no guard against an empty file"
            }
            (Kind::Mongodb, _) => "cannot write to MongoDB",
        }
    }

    fn deletes(&self, _: Kind) -> bool {
        self.way == Way::Compare
    }

    fn full(&self, work: &Work<'_>) -> Option<Command> {
        let words = Words::of(work);
        let sql = match (work.server.kind, self.way) {
            (Kind::Postgres, Way::Upsert) => full_into_postgres(&words),
            (Kind::Mysql, Way::Upsert) => full_into_mysql(work, &words),
            (_, Way::Compare) | (Kind::Mongodb, _) => return None,
        };
        Some(self.command(work, &sql))
    }

    fn merge(&self, work: &Work<'_>) -> Option<Command> {
        let words = Words::of(work);
        let sql = match (work.server.kind, self.way) {
            (Kind::Postgres, Way::Upsert) => upsert_into_postgres(&words),
            (Kind::Postgres, Way::Compare) => compare_with_postgres(&words),
            (Kind::Mysql, Way::Upsert) => upsert_into_mysql(&words),
            (Kind::Mysql, Way::Compare) => compare_with_mysql(&words),
            (Kind::Mongodb, _) => return None,
        };
        Some(self.command(work, &sql))
    }
}
