//! MongoDB. What is done by hand is a loop of the driver's own in a process of this program (`bulk`), over documents that
//! are made before.

use super::{ByHand, Changes, Product, TABLE, bulk};
use crate::{
    day::{Day, Row},
    model::{Checksum, Column, Kind, Shape, plan},
    servers::Server,
};
use futures::TryStreamExt;
use mongodb::{
    Client, Collection,
    bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc},
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};
use tokio::runtime::Runtime;

const BATCH: usize = 8_192;
const MS_OF_A_DAY: i64 = 86_400_000;

pub(super) struct Mongodb<'a> {
    server: &'a Server,
    shape: Shape,
    folder: PathBuf,
    runtime: Runtime,
    client: Client,
}

impl<'a> Mongodb<'a> {
    pub(super) fn new(server: &'a Server, shape: Shape, folder: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(Client::with_uri_str(&server.url)).expect("a URL of our own");
        Self { server, shape, folder: folder.to_owned(), runtime, client }
    }

    fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.client.default_database().expect("the URL names one").collection(name)
    }

    fn all(&self) -> PathBuf {
        self.folder.join("all.bson")
    }

    /// Documents one behind the other, as `mongodump` writes them.
    fn write(&self, path: &Path, columns: &[Column], rows: impl Iterator<Item = Row>) {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
        for row in rows {
            let document = document(self.shape, columns, row);
            file.write_all(&document.to_vec().expect("BSON")).expect("writing");
        }
        file.flush().expect("writing");
    }

    fn bulk(&self, arguments: &[&Path]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([bulk::ARGUMENT, &self.server.url, TABLE]).args(arguments);
        command
    }
}

impl Product for Mongodb<'_> {
    fn create(&self) {
        let database = self.client.default_database().expect("the URL names one");
        self.runtime.block_on(async move { database.create_collection(TABLE).await }).expect("a collection");
    }

    fn prepare_loads(&self, first: Day) {
        self.write(&self.all(), &self.shape.columns(), first.rows());
    }

    fn loads(&self) -> Vec<ByHand> {
        vec![ByHand { who: "the driver's insert_many, unordered", command: self.bulk(&[&self.all()]) }]
    }

    fn truncate(&self) {
        let collection = self.collection(TABLE);
        self.runtime.block_on(async move { collection.drop().await }).expect("dropped");
        self.create();
    }

    fn prepare_changes(&self, day: Day) -> Changes {
        let to = Changes {
            upserted: self.folder.join("upserted.bson"),
            deleted: self.folder.join("deleted.bson"),
        };
        let columns = self.shape.columns();
        self.write(&to.upserted, &columns, day.upserted());
        self.write(&to.deleted, &columns[..self.shape.key().len()], day.deleted());
        to
    }

    fn merge(&self, changes: &Changes) -> ByHand {
        let command = self.bulk(&[&changes.upserted, &changes.deleted]);
        ByHand { who: "the driver's bulk_write of upserts, and delete_many, unordered", command }
    }

    // MongoDB has no like of it: `$merge` and `$out`, which write from a stage, are refused in transactions, and a loop that writes
    // every document commits each of them by itself.
    fn prepare_every_row(&self, _: Day) {}

    fn merge_every_row(&self) -> Option<ByHand> {
        None
    }

    // Every commit is forced to the disk, and there are no statistics.
    fn settle(&self) {}

    fn count(&self, table: &str) -> u64 {
        let collection = self.collection(table);
        self.runtime.block_on(async move { collection.count_documents(doc! {}).await }).expect("a count")
    }

    fn checksum(&self) -> Checksum {
        let (columns, keys) = (self.shape.columns(), self.shape.key().len());
        let mut checksum = Checksum { rows: 0, sums: vec![0; columns.len()] };
        self.runtime.block_on(async {
            let mut all = self.collection(TABLE).find(doc! {}).await.expect("a cursor");
            let mut numbers = vec![Vec::with_capacity(BATCH); columns.len()];
            while let Some(document) = all.try_next().await.expect("a document") {
                for (at, (column, numbers)) in columns.iter().zip(&mut numbers).enumerate() {
                    numbers.push(number(column, field(&document, column, at < keys, keys)));
                }
                if numbers[0].len() == BATCH {
                    checksum.add(self.shape, &numbers);
                    numbers.iter_mut().for_each(Vec::clear);
                }
            }
            checksum.add(self.shape, &numbers);
        });
        checksum
    }
}

/// A row as hydrant keeps it: the key is `_id`.
fn document(shape: Shape, columns: &[Column], row: Row) -> Document {
    let keys = shape.key().len();
    let mut cells = columns.iter().map(|column| (column.name.clone(), value(column, column.number(row))));
    let id = match keys {
        1 => cells.next().expect("a key").1,
        _ => Bson::Document(cells.by_ref().take(keys).collect()),
    };
    std::iter::once(("_id".to_owned(), id)).chain(cells).collect()
}

fn value(column: &Column, number: i64) -> Bson {
    match column.kind {
        Kind::Id | Kind::BigInteger => Bson::Int64(number),
        Kind::Tenant | Kind::User | Kind::Name => Bson::String(column.words(number)),
        Kind::Integer => Bson::Int32(i32::try_from(number).expect("a small number")),
        Kind::Decimal => {
            Bson::Decimal128(format!("{}.{:02}", number / 100, number % 100).parse().expect("a decimal"))
        }
        Kind::Double => Bson::Double(number as f64 / 1e6),
        Kind::Boolean => Bson::Boolean(number == 1),
        Kind::Instant => Bson::DateTime(DateTime::from_millis(number)),
        Kind::Date => Bson::DateTime(DateTime::from_millis(number * MS_OF_A_DAY)),
        Kind::Plan => plan(number).map_or(Bson::Null, Bson::from),
    }
}

fn field<'a>(document: &'a RawDocument, column: &Column, of_key: bool, keys: usize) -> RawBsonRef<'a> {
    let found = match (of_key, keys) {
        (true, 1) => document.get("_id"),
        (true, _) => document.get_document("_id").expect("a key of several").get(&column.name),
        (false, _) => document.get(&column.name),
    };
    found.expect("BSON").unwrap_or_else(|| panic!("no {} in {document:?}", column.name))
}

/// The number that a cell was made from.
fn number(column: &Column, value: RawBsonRef<'_>) -> i64 {
    let number = match column.kind {
        Kind::Id | Kind::BigInteger => value.as_i64(),
        Kind::Integer => value.as_i32().map(i64::from),
        Kind::Tenant | Kind::User | Kind::Name => {
            value.as_str().and_then(|text| i64::from_str_radix(&text[text.len().checked_sub(8)?..], 16).ok())
        }
        Kind::Decimal => match value {
            RawBsonRef::Decimal128(decimal) => cents(&decimal.to_string()),
            _ => None,
        },
        Kind::Double => value.as_f64().map(|double| (double * 1e6).round() as i64),
        Kind::Boolean => value.as_bool().map(i64::from),
        Kind::Instant => value.as_datetime().map(DateTime::timestamp_millis),
        Kind::Date => value.as_datetime().map(|date| date.timestamp_millis() / MS_OF_A_DAY),
        Kind::Plan => match value {
            RawBsonRef::Null => Some(0),
            value => value.as_str().map(|plan| plan.len() as i64),
        },
    };
    number.unwrap_or_else(|| panic!("{} holds {value:?}", column.name))
}

/// Of a text with two digits behind the point.
fn cents(text: &str) -> Option<i64> {
    let (whole, cents) = text.split_once('.')?;
    (cents.len() == 2).then_some(())?;
    Some(whole.parse::<i64>().ok()? * 100 + cents.parse::<i64>().ok()?)
}
