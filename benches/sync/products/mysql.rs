//! MySQL.

use super::{ByHand, Changes, Product, TABLE, checksum_by_sql, count_by_sql, path};
use crate::{
    day::Day,
    files::write_text,
    model::{Checksum, Column, Kind, Shape},
    servers::Server,
};
use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// So long may the server take to write pages that are only in its memory.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Mysql<'a> {
    server: &'a Server,
    shape: Shape,
    folder: PathBuf,
}

impl<'a> Mysql<'a> {
    pub(super) fn new(server: &'a Server, shape: Shape, folder: &Path) -> Self {
        Self { server, shape, folder: folder.to_owned() }
    }

    fn definitions(&self, names: &[&str]) -> String {
        let columns = self.shape.columns();
        let wanted =
            columns.iter().filter(|column| names.is_empty() || names.contains(&column.name.as_str()));
        wanted.map(|column| format!("{} {}, ", column.name, type_of(column.kind))).collect()
    }

    fn all(&self) -> PathBuf {
        self.folder.join("all.text")
    }

    fn all_later(&self) -> PathBuf {
        self.folder.join("later.text")
    }

    /// Writes rows of a stage over those of the table.
    fn upsert_from(&self, stage: &str) -> String {
        let list = self.shape.list();
        let set: Vec<String> =
            self.shape.values().iter().map(|name| format!("{name} = new.{name}")).collect();
        format!(
            "INSERT INTO {TABLE} ({list}) SELECT * FROM (SELECT {list} FROM {stage}) AS new ON DUPLICATE KEY UPDATE {}",
            set.join(", ")
        )
    }
}

impl Product for Mysql<'_> {
    fn create(&self) {
        let (columns, key) = (self.definitions(&[]), self.shape.key().join(", "));
        self.server.sql(&format!("CREATE TABLE {TABLE} ({columns}app_note BIGINT, PRIMARY KEY ({key}))"));
    }

    fn prepare_loads(&self, first: Day) {
        write_text(&self.all(), &self.shape.columns(), first.rows());
    }

    fn loads(&self) -> Vec<ByHand> {
        let sql = load(&self.all(), TABLE, &self.shape.list());
        vec![ByHand { who: "LOAD DATA LOCAL INFILE", command: self.server.statements(&sql) }]
    }

    fn truncate(&self) {
        self.server.sql(&format!("TRUNCATE {TABLE}"));
    }

    fn prepare_changes(&self, day: Day) -> Changes {
        let to = Changes { upserted: self.folder.join("upserted"), deleted: self.folder.join("deleted") };
        let columns = self.shape.columns();
        write_text(&to.upserted, &columns, day.upserted());
        write_text(&to.deleted, &columns[..self.shape.key().len()], day.deleted());
        to
    }

    fn merge(&self, changes: &Changes) -> ByHand {
        let (list, key) = (self.shape.list(), self.shape.key().join(", "));
        let sql = format!(
            "CREATE TEMPORARY TABLE upserted ({}PRIMARY KEY ({key}));
             CREATE TEMPORARY TABLE gone ({}PRIMARY KEY ({key}));
             {};
             {};
             START TRANSACTION;
             DELETE {TABLE} FROM gone STRAIGHT_JOIN {TABLE} USING ({key});
             {};
             COMMIT",
            self.definitions(&[]),
            self.definitions(self.shape.key()),
            load(&changes.upserted, "upserted", &list),
            load(&changes.deleted, "gone", &key),
            self.upsert_from("upserted"),
        );
        ByHand {
            who: "LOAD DATA, INSERT … ON DUPLICATE KEY UPDATE, DELETE … JOIN",
            command: self.server.statements(&sql),
        }
    }

    fn prepare_every_row(&self, day: Day) {
        write_text(&self.all_later(), &self.shape.columns(), day.rows());
    }

    fn merge_every_row(&self) -> Option<ByHand> {
        let keys = self.shape.key();
        let key = keys.join(", ");
        let sql = format!(
            "CREATE TEMPORARY TABLE stage ({}PRIMARY KEY ({key}));
             {};
             START TRANSACTION;
             {};
             DELETE {TABLE} FROM {TABLE} LEFT JOIN stage USING ({key}) WHERE stage.{} IS NULL;
             COMMIT",
            self.definitions(&[]),
            load(&self.all_later(), "stage", &self.shape.list()),
            self.upsert_from("stage"),
            keys[0],
        );
        Some(ByHand {
            who: "every row: LOAD DATA, INSERT … ON DUPLICATE KEY UPDATE, DELETE … JOIN",
            command: self.server.statements(&sql),
        })
    }

    fn settle(&self) {
        self.server.sql(&format!(
            "ANALYZE TABLE {TABLE}; FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE now(); \
             SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0, GLOBAL innodb_max_dirty_pages_pct = 0"
        ));
        let since = Instant::now();
        let dirty = || {
            let told = self.server.sql("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'");
            told.trim()
                .rsplit('\t')
                .next()
                .and_then(|pages| pages.parse::<u64>().ok())
                .expect("a number of pages")
        };
        // A few are written at any time.
        while dirty() > 100 && since.elapsed() < PATIENCE {
            sleep(Duration::from_millis(200));
        }
        self.server
            .sql("SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT, GLOBAL innodb_max_dirty_pages_pct_lwm = DEFAULT");
    }

    fn count(&self, table: &str) -> u64 {
        count_by_sql(self.server, table)
    }

    fn checksum(&self) -> Checksum {
        checksum_by_sql(self.server, self.shape, number)
    }
}

fn load(file: &Path, table: &str, list: &str) -> String {
    format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE {table} CHARACTER SET utf8mb4 ({list})", path(file))
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "BIGINT NOT NULL",
        Kind::Tenant | Kind::User => "VARCHAR(64) COLLATE utf8mb4_0900_bin NOT NULL",
        Kind::Name | Kind::Plan => "VARCHAR(255)",
        Kind::Integer => "INT",
        Kind::BigInteger => "BIGINT",
        Kind::Decimal => "DECIMAL(12,2)",
        Kind::Double => "DOUBLE",
        Kind::Boolean => "BOOLEAN",
        Kind::Instant => "DATETIME(6)",
        Kind::Date => "DATE",
    }
}

/// The number that a cell was made from.
fn number(column: &Column) -> String {
    let name = &column.name;
    match column.kind {
        Kind::Id | Kind::Integer | Kind::BigInteger | Kind::Boolean => name.clone(),
        Kind::Tenant | Kind::User | Kind::Name => format!("CAST(CONV(RIGHT({name}, 8), 16, 10) AS SIGNED)"),
        Kind::Decimal => format!("CAST({name} * 100 AS SIGNED)"),
        Kind::Double => format!("CAST(ROUND({name} * 1e6) AS SIGNED)"),
        Kind::Instant => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) DIV 1000"),
        Kind::Date => format!("DATEDIFF({name}, '1970-01-01')"),
        Kind::Plan => format!("COALESCE(CHAR_LENGTH({name}), 0)"),
    }
}
