//! Postgres.

use super::{ByHand, Changes, Product, TABLE, checksum_by_sql, count_by_sql, path};
use crate::{
    day::Day,
    files::write_text,
    measured::behind,
    model::{Checksum, Column, Kind, Shape},
    servers::Server,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Runs the program that follows twice at the same time, with 1 and 2 for `{}`.
const BOTH_HALVES: &str = "printf '1\\n2\\n' | xargs -P 2 -I '{}' \"$@\"";

pub(super) struct Postgres<'a> {
    server: &'a Server,
    shape: Shape,
    folder: PathBuf,
}

impl<'a> Postgres<'a> {
    pub(super) fn new(server: &'a Server, shape: Shape, folder: &Path) -> Self {
        Self { server, shape, folder: folder.to_owned() }
    }

    fn columns(&self) -> String {
        let columns = self.shape.columns();
        columns.iter().map(|column| format!("{} {}, ", column.name, type_of(column.kind))).collect()
    }

    fn key(&self) -> String {
        self.shape.key().join(", ")
    }

    fn all(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("all.{ending}"))
    }

    /// One of the two halves of the first day's rows in binary form.
    fn half(&self, which: &str) -> PathBuf {
        self.folder.join(format!("half-{which}.binary"))
    }

    fn all_later(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("later.{ending}"))
    }

    /// Makes a file of the binary form from one of text, by way of a table: that form is the server's.
    fn to_binary(&self, list: &str, text: &Path, binary: &Path) {
        self.server.sql(&format!(
            "CREATE UNLOGGED TABLE prepared (LIKE {TABLE})
             \\copy prepared ({list}) FROM '{}'
             \\copy (SELECT {list} FROM prepared) TO '{}' (FORMAT binary)
             DROP TABLE prepared",
            path(text),
            path(binary),
        ));
        fs::remove_file(text).expect("our own file");
    }

    /// Writes rows of a stage over those of the table.
    fn upsert_from(&self, stage: &str) -> String {
        let (list, key) = (self.shape.list(), self.key());
        let set: Vec<String> =
            self.shape.values().iter().map(|name| format!("{name} = EXCLUDED.{name}")).collect();
        format!(
            "INSERT INTO {TABLE} ({list}) SELECT {list} FROM {stage} ON CONFLICT ({key}) DO UPDATE SET {}",
            set.join(", ")
        )
    }

    /// Whether a row of the table and one of a stage have the same key.
    fn same_key(&self, stage: &str) -> String {
        let same: Vec<String> =
            self.shape.key().iter().map(|name| format!("{TABLE}.{name} = {stage}.{name}")).collect();
        same.join(" AND ")
    }
}

impl Product for Postgres<'_> {
    fn create(&self) {
        self.server.sql(&format!(
            "CREATE TABLE {TABLE} ({}app_note bigint, PRIMARY KEY ({}))",
            self.columns(),
            self.key()
        ));
    }

    fn prepare_loads(&self, first: Day) {
        let list = self.shape.list();
        let text = self.all("text");
        write_text(&text, &self.shape.columns(), first.rows());
        // A place in the middle of the table, which has blocks of 8 KiB.
        let middle = format!("SELECT format('(%s,0)', pg_relation_size('{TABLE}') / 16384)::tid");
        // By way of a table: the binary form is the server's.
        self.server.sql(&format!(
            "\\copy {TABLE} ({list}) FROM '{}'
             \\copy (SELECT {list} FROM {TABLE}) TO '{}' (FORMAT binary)
             \\copy (SELECT {list} FROM {TABLE}) TO '{}' (FORMAT csv)
             \\copy (SELECT {list} FROM {TABLE} WHERE ctid < ({middle})) TO '{}' (FORMAT binary)
             \\copy (SELECT {list} FROM {TABLE} WHERE ctid >= ({middle})) TO '{}' (FORMAT binary)
             TRUNCATE {TABLE}",
            path(&text),
            path(&self.all("binary")),
            path(&self.all("csv")),
            path(&self.half("1")),
            path(&self.half("2")),
        ));
        fs::remove_file(text).expect("our own file");
    }

    fn loads(&self) -> Vec<ByHand> {
        let list = self.shape.list();
        let load = |who, format: &str| {
            let file = self.all(format);
            let sql = format!("\\copy {TABLE} ({list}) FROM '{}' (FORMAT {format})", path(&file));
            ByHand { who, command: self.server.statements(&sql) }
        };
        // What several connections can gain at the most: everything is there, and nobody but the server works.
        let half = format!("\\copy {TABLE} ({list}) FROM '{}' (FORMAT binary)", path(&self.half("{}")));
        let two = behind(&["sh", "-c", BOTH_HALVES, "sh"], &self.server.statements(&half));
        vec![
            load("psql \\copy binary", "binary"),
            load("psql \\copy CSV", "csv"),
            ByHand { who: "two psql \\copy binary, of half the rows each", command: two },
        ]
    }

    fn truncate(&self) {
        self.server.sql(&format!("TRUNCATE {TABLE}"));
    }

    fn prepare_changes(&self, day: Day) -> Changes {
        let files = |ending: &str| Changes {
            upserted: self.folder.join(format!("upserted.{ending}")),
            deleted: self.folder.join(format!("deleted.{ending}")),
        };
        let (text, to) = (files("text"), files("binary"));
        let columns = self.shape.columns();
        write_text(&text.upserted, &columns, day.upserted());
        write_text(&text.deleted, &columns[..self.shape.key().len()], day.deleted());
        self.to_binary(&self.shape.list(), &text.upserted, &to.upserted);
        self.to_binary(&self.key(), &text.deleted, &to.deleted);
        to
    }

    fn merge(&self, changes: &Changes) -> ByHand {
        let (list, key) = (self.shape.list(), self.key());
        let sql = format!(
            "BEGIN
             CREATE TEMPORARY TABLE upserted ON COMMIT DROP AS SELECT {list} FROM {TABLE} LIMIT 0
             CREATE TEMPORARY TABLE gone ON COMMIT DROP AS SELECT {key} FROM {TABLE} LIMIT 0
             \\copy upserted FROM '{}' (FORMAT binary)
             \\copy gone FROM '{}' (FORMAT binary)
             ANALYZE gone
             DELETE FROM {TABLE} USING gone WHERE {}
             {}
             COMMIT",
            path(&changes.upserted),
            path(&changes.deleted),
            self.same_key("gone"),
            self.upsert_from("upserted"),
        );
        ByHand { who: "COPY binary, INSERT … ON CONFLICT, DELETE", command: self.server.statements(&sql) }
    }

    fn prepare_every_row(&self, day: Day) {
        let text = self.all_later("text");
        write_text(&text, &self.shape.columns(), day.rows());
        self.to_binary(&self.shape.list(), &text, &self.all_later("binary"));
    }

    fn merge_every_row(&self) -> Option<ByHand> {
        let sql = format!(
            "BEGIN
             CREATE TEMPORARY TABLE stage ON COMMIT DROP AS SELECT {} FROM {TABLE} LIMIT 0
             \\copy stage FROM '{}' (FORMAT binary)
             ANALYZE stage
             {}
             DELETE FROM {TABLE} WHERE NOT EXISTS (SELECT FROM stage WHERE {})
             COMMIT",
            self.shape.list(),
            path(&self.all_later("binary")),
            self.upsert_from("stage"),
            self.same_key("stage"),
        );
        let who = "every row: COPY binary, INSERT … ON CONFLICT, DELETE";
        Some(ByHand { who, command: self.server.statements(&sql) })
    }

    fn settle(&self) {
        self.server.sql("VACUUM (ANALYZE)\nCHECKPOINT");
    }

    fn count(&self, table: &str) -> u64 {
        count_by_sql(self.server, table)
    }

    fn checksum(&self) -> Checksum {
        checksum_by_sql(self.server, self.shape, number)
    }
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "bigint NOT NULL",
        Kind::Tenant | Kind::User => "text NOT NULL",
        Kind::Name | Kind::Plan => "text",
        Kind::Integer => "integer",
        Kind::BigInteger => "bigint",
        Kind::Decimal => "numeric(12,2)",
        Kind::Double => "double precision",
        Kind::Boolean => "boolean",
        Kind::Instant => "timestamptz",
        Kind::Date => "date",
    }
}

/// The number that a cell was made from.
fn number(column: &Column) -> String {
    let name = &column.name;
    match column.kind {
        Kind::Id | Kind::Integer | Kind::BigInteger => format!("{name}::bigint"),
        Kind::Tenant | Kind::User | Kind::Name => format!("('x' || right({name}, 8))::bit(32)::bigint"),
        Kind::Decimal => format!("({name} * 100)::bigint"),
        Kind::Double => format!("round({name} * 1e6)::bigint"),
        Kind::Boolean => format!("{name}::int::bigint"),
        Kind::Instant => format!("(extract(epoch FROM {name}) * 1000)::bigint"),
        Kind::Date => format!("({name} - date '1970-01-01')::bigint"),
        Kind::Plan => format!("coalesce(length({name}), 0)::bigint"),
    }
}
