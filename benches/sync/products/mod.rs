//! The databases: how a table is made, checked and put back, and how rows are written by hand.

pub(crate) mod bulk;
mod mongodb;
mod mysql;
mod postgres;

use crate::{
    day::Day,
    measured::told,
    model::{Checksum, Column, Shape, weight_in_sql},
    servers::{Kind, Server},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The table that is kept.
pub(crate) const TABLE: &str = "accounts";

/// What is done by hand, and its name.
pub(crate) struct ByHand {
    pub(crate) who: &'static str,
    pub(crate) command: Command,
}

/// The changes of a day as files: rows that are new or others, and keys that are gone.
pub(crate) struct Changes {
    pub(crate) upserted: PathBuf,
    pub(crate) deleted: PathBuf,
}

impl Changes {
    pub(crate) fn remove(&self) {
        for file in [&self.upserted, &self.deleted] {
            fs::remove_file(file).expect("our own file");
        }
    }
}

/// One database with one shape of rows.
pub(crate) trait Product {
    /// Makes the table with its primary key and a column that is the application's own; it is empty.
    fn create(&self);

    /// Prepares what loading this day by hand needs.
    fn prepare_loads(&self, first: Day);

    /// The ways to load the first day into the empty table, the best one first.
    fn loads(&self) -> Vec<ByHand>;

    /// Makes the table empty.
    fn truncate(&self);

    /// The table as it was after a first load, whatever it holds now.
    fn restore(&self) {
        self.truncate();
        told(self.loads().swap_remove(0).command);
    }

    /// Prepares what changing the table of the first day into that of this one by hand needs.
    fn prepare_changes(&self, day: Day) -> Changes;

    /// The best hand-written way to write these changes: staged, in one transaction.
    fn merge(&self, changes: &Changes) -> ByHand;

    /// Prepares what [`Self::merge_every_row`] needs to leave the table of this day.
    fn prepare_every_row(&self, day: Day);

    /// The same without knowing what changed: every row of the day is staged, and written over the row that the table has, and what
    /// is not in the stage is deleted, all in one transaction. None where the database has no usual way to do that.
    fn merge_every_row(&self) -> Option<ByHand>;

    /// Lets the server do now what it would do at some time: statistics, cleaning, a checkpoint.
    fn settle(&self);

    /// How many rows a table has, whatever they hold.
    fn count(&self, table: &str) -> u64;

    /// What the table holds.
    fn checksum(&self) -> Checksum;
}

pub(crate) fn product<'a>(server: &'a Server, shape: Shape, folder: &Path) -> Box<dyn Product + 'a> {
    match server.kind {
        Kind::Postgres => Box::new(postgres::Postgres::new(server, shape, folder)),
        Kind::Mysql => Box::new(mysql::Mysql::new(server, shape, folder)),
        Kind::Mongodb => Box::new(mongodb::Mongodb::new(server, shape, folder)),
    }
}

fn count_by_sql(server: &Server, table: &str) -> u64 {
    let told = server.sql(&format!("SELECT count(*) FROM {table}"));
    told.trim().parse().unwrap_or_else(|_| panic!("a number: {told}"))
}

/// The query of a checksum, and what its answer says.
fn checksum_by_sql(server: &Server, shape: Shape, number: impl Fn(&Column) -> String) -> Checksum {
    let columns = shape.columns();
    let numbers: Vec<String> = columns.iter().map(number).collect();
    let weight = weight_in_sql(&numbers[..shape.key().len()]);
    let sums: String =
        numbers.iter().map(|number| format!(", coalesce(sum({weight} * {number}), 0)")).collect();
    let told = server.sql(&format!("SELECT count(*){sums} FROM {TABLE}"));
    let mut fields =
        told.trim().split('\t').map(|text| text.parse().unwrap_or_else(|_| panic!("a number: {told}")));
    let rows: i128 = fields.next().expect("a count");
    Checksum { rows: u64::try_from(rows).expect("a count"), sums: fields.collect() }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of our own")
}
