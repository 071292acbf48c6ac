//! The suite, against real servers: with transactions (keys in `_id`, and in fields of their own), and without. The second
//! way in is the server's official Python driver.

mod second_way;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, TimeDelta};
use hydrant_conformance::{Fixture, FixtureColumn, Held, Kind, Need, Rig, Value, run_all, suite};
use hydrant_contract::{
    Checkpoint, Column, DocumentId, Documents, Freshness, Resolution, TableName, TableSpec, Target, ValueType,
};
use hydrant_target_mongodb::{MongodbTarget, Settings};
use second_way::{SecondWay, document, field, with_database};
use serde_json::{Value as Json, json};
use std::{
    collections::HashMap,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

const URL: &str = "HYDRANT_TEST_MONGODB";
const STANDALONE: &str = "HYDRANT_TEST_MONGODB_STANDALONE";

fn main() -> ExitCode {
    run_all([
        suite("mongodb", "mongodb", || start(URL, DocumentId::Key)),
        suite("mongodb_fields", "mongodb", || start(URL, DocumentId::Fields)),
        suite("mongodb_standalone", "mongodb_standalone", || start(STANDALONE, DocumentId::Key)),
    ])
}

async fn start(variable: &str, id: DocumentId) -> Result<Box<dyn Rig>, String> {
    let url = std::env::var(variable).map_err(|_| {
        format!("{variable} is not set: run ./test, or give the URL of a server's administrator (mongodb://root:secret@127.0.0.1:27017/test?authSource=admin)")
    })?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(|e| e.to_string())?;
    let database = format!("case_{:x}_{:x}", std::process::id(), now.as_micros());
    Ok(Box::new(MongodbRig {
        url: with_database(&url, &database),
        database,
        id,
        standalone: variable == STANDALONE,
        second: Arc::new(SecondWay::to(&url)),
        tables: AtomicU32::new(0),
        keys: Mutex::default(),
    }))
}

/// Documents have neither foreign keys nor declared columns nor defaults. The last two are defects of the server that the
/// tests run on (`scripts/servers`), which MongoDB does not have.
const FIELDS: &[Need] =
    &[Need::ForeignKeys, Need::Columns, Need::Defaults, Need::ByteOrder, Need::FreedValues];
/// In `_id` a key has its index always.
const KEY: &[Need] = &[FIELDS[0], FIELDS[1], FIELDS[2], FIELDS[3], FIELDS[4], Need::KeyIndex];
/// Without transactions nobody holds a document for longer than one operation.
const WITHOUT_TRANSACTIONS: &[Need] =
    &[FIELDS[0], FIELDS[1], FIELDS[2], FIELDS[3], FIELDS[4], Need::KeyIndex, Need::Locks];

/// A database of its own on the server. It stays: the server that the tests run on waits for ever, and with it everybody,
/// when a database is dropped in which a transaction is still open, as a client that went away may have left one.
struct MongodbRig {
    url: String,
    database: String,
    id: DocumentId,
    standalone: bool,
    second: Arc<SecondWay>,
    tables: AtomicU32,
    /// The key columns of each table that a case is about.
    keys: Mutex<HashMap<String, Vec<String>>>,
}

impl MongodbRig {
    fn key(&self, table: &TableName) -> Vec<String> {
        self.keys.lock().expect("the keys").get(&table.name).cloned().unwrap_or_default()
    }

    fn in_id(&self, table: &TableName, column: &str) -> bool {
        self.id == DocumentId::Key && self.key(table).iter().any(|key| key == column)
    }

    fn settings(&self, url: &str) -> Settings {
        Settings { url: url.into(), password: None, transactions: true }
    }

    fn command(&self, command: Json) {
        self.second.ask("command", &[json!(self.database), command]);
    }

    /// What a document holds of a column.
    fn value(&self, table: &TableName, found: &Json, column: &Column) -> Value {
        let held = match self.in_id(table, &column.name) {
            true if self.key(table).len() == 1 => field(found, "_id"),
            true => field(field(found, "_id").expect("an identity"), &column.name),
            false => column.name.split('.').try_fold(found, |found, part| field(found, part)),
        };
        held.map_or(Value::Null, |held| value(held, &column.value))
    }
}

/// A value as the second way told it. What is of another BSON type than the one documented panics.
fn value(held: &Json, of: &ValueType) -> Value {
    let text = |name: &str| held[name].as_str().unwrap_or_else(|| panic!("{held} is no {of}"));
    let double = || text("double").parse::<f64>().unwrap_or_else(|e| panic!("{held}: {e}"));
    let bytes = |subtype: i64| {
        assert_eq!(held["subtype"], subtype, "{held}");
        Value::parse(text("bytes"), &ValueType::Bytes)
    };
    let items = |of: &ValueType| {
        let items = held.as_array().unwrap_or_else(|| panic!("{held} is no {of}"));
        Value::List(items.iter().map(|item| value(item, of)).collect())
    };
    if held.is_null() {
        return Value::Null;
    }
    match of {
        ValueType::Boolean => Value::Bool(held.as_bool().expect("a boolean")),
        ValueType::Integer(_) => Value::parse(text("int"), of),
        ValueType::Decimal { .. } => Value::parse(text("decimal"), of),
        ValueType::Float32 => {
            let double = double();
            assert!(f64::from(double as f32) == double || double.is_nan(), "{held} had 32 bits");
            Value::float32(double as f32)
        }
        ValueType::Float64 => Value::float64(double()),
        ValueType::Text | ValueType::Time(_) => Value::parse(held.as_str().expect("a text"), of),
        ValueType::Bytes => bytes(0),
        ValueType::Uuid => {
            let Value::Bytes(bytes) = bytes(4) else { panic!("{held} are no bytes") };
            Value::Uuid(uuid::Uuid::from_slice(&bytes).expect("16 bytes").to_string())
        }
        ValueType::Date => {
            let millis = held["ms"].as_i64().expect("a date");
            assert_eq!(millis % 86_400_000, 0, "midnight");
            let days = millis / 86_400_000;
            let date = epoch().date().checked_add_signed(TimeDelta::days(days));
            Value::Date(date.map_or_else(|| format!("day {days}"), |date| date.to_string()))
        }
        ValueType::Timestamp(resolution) => Value::Timestamp(tick(held, *resolution)),
        ValueType::Instant(resolution) => Value::Instant(format!("{}Z", tick(held, *resolution))),
        ValueType::Json => Value::Json(plain(held)),
        ValueType::List(item) => items(item),
        ValueType::Vector(_) => items(&ValueType::Float32),
        ValueType::Struct(fields) => Value::Fields(
            fields
                .iter()
                .map(|(name, of)| (name.clone(), value(field(held, name).expect("every field"), of)))
                .collect(),
        ),
        ValueType::Map(_, of) => {
            let entries = held["document"].as_array().expect("a document").iter();
            let name = |entry: &Json| entry[0].as_str().expect("a name").to_owned();
            Value::Fields(entries.map(|entry| (name(entry), value(&entry[1], of))).collect())
        }
    }
}

fn epoch() -> NaiveDateTime {
    DateTime::UNIX_EPOCH.naive_utc()
}

fn tick(held: &Json, resolution: Resolution) -> String {
    let millis = held["ms"].as_i64().expect("a date");
    let per_milli = if resolution == Resolution::Micro { 1000 } else { 1_000_000 };
    match epoch().checked_add_signed(TimeDelta::milliseconds(millis)) {
        Some(at) => {
            let text = at.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            let Value::Timestamp(text) = Value::parse(&text, &ValueType::Timestamp(resolution)) else {
                panic!("{text} is a timestamp")
            };
            text
        }
        None => format!("tick {}", millis * per_milli),
    }
}

/// What was written as JSON.
fn plain(held: &Json) -> Json {
    let number = |text: &Json| text.as_str().expect("digits").parse().expect("a number");
    match held {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(tagged) => match tagged.iter().next().map(|(tag, inner)| (tag.as_str(), inner)) {
            Some(("document", fields)) => {
                let fields = fields.as_array().expect("fields").iter();
                Json::Object(
                    fields.map(|f| (f[0].as_str().expect("a name").to_owned(), plain(&f[1]))).collect(),
                )
            }
            Some(("bits" | "int", _)) => Json::Number(number(&held["int"])),
            Some(("double", digits)) => {
                json!(digits.as_str().expect("digits").parse::<f64>().expect("a number"))
            }
            Some(("decimal", digits)) => Json::Number(number(digits)),
            other => panic!("{other:?} is nothing of JSON"),
        },
        other => other.clone(),
    }
}

/// A value of the application as the second way reads it.
fn told(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(digits) => json!({ "int": digits, "bits": 64 }),
        Value::Text(text) => json!(text),
        Value::Instant(text) => {
            let at: DateTime<chrono::Utc> = text.parse().expect("an instant");
            json!({ "ms": at.timestamp_millis() })
        }
        other => panic!("{other:?} is nothing that an application of the suite writes"),
    }
}

/// The rule of a validator that makes a field what the column of a fixture is.
fn rule(column: &FixtureColumn) -> Json {
    let mut types = match column.kind {
        Kind::Integer | Kind::Small => vec![json!("int"), json!("long")],
        Kind::Text | Kind::Short(_) => vec![json!("string")],
        Kind::Boolean => vec![json!("bool")],
        Kind::Instant => vec![json!("date")],
    };
    if !is_required(column) {
        types.push(json!("null"));
    }
    let mut rule = vec![("bsonType", Json::Array(types))];
    let int = |number: i64| json!({ "int": number.to_string(), "bits": 64 });
    match column.kind {
        Kind::Small => rule.extend([("minimum", int(i16::MIN.into())), ("maximum", int(i16::MAX.into()))]),
        Kind::Short(length) => rule.push(("maxLength", int(length.into()))),
        Kind::Integer | Kind::Text | Kind::Boolean | Kind::Instant => {}
    }
    if let Some(refused) = column.refuses {
        rule.push(("not", document([("enum", json!([int(refused)]))])));
    }
    document(rule)
}

/// There are no defaults: what would have one may be missing.
fn is_required(column: &FixtureColumn) -> bool {
    column.not_null && column.default.is_none()
}

#[async_trait]
impl Rig for MongodbRig {
    fn target(&self) -> Arc<dyn Target> {
        Arc::new(MongodbTarget::new(self.settings(&self.url)).expect("the URL of the server is right"))
    }

    fn lacks(&self) -> &'static [Need] {
        match (self.id, self.standalone) {
            (DocumentId::Fields, _) => FIELDS,
            (DocumentId::Key, false) => KEY,
            (DocumentId::Key, true) => WITHOUT_TRANSACTIONS,
        }
    }

    fn holds(&self, _: &ValueType) -> bool {
        true
    }

    /// Dates have milliseconds, Decimal128 has 34 digits, and null is null whoever wrote it.
    fn has_room(&self, value: &Value, _: &ValueType) -> bool {
        match value {
            Value::Timestamp(text) | Value::Instant(text) => {
                let fraction =
                    text.trim_end_matches('Z').split_once('.').map_or("", |(_, fraction)| fraction);
                fraction.len() <= 3
            }
            Value::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.') => {
                let digits = digits.replace(['-', '.'], "");
                digits.trim_start_matches('0').trim_end_matches('0').len() <= 34
            }
            Value::Json(Json::Null) => false,
            _ => true,
        }
    }

    /// What begins with a dollar is an operator.
    fn takes_name(&self, column: &str) -> bool {
        !column.starts_with('$')
    }

    fn documents(&self) -> Documents {
        Documents { id: self.id, ..Documents::default() }
    }

    fn about(&self, spec: &TableSpec) {
        let key = spec.shape.key().to_vec();
        self.keys.lock().expect("the keys").insert(spec.table.name.clone(), key);
    }

    fn table(&self, stem: &str) -> TableName {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        TableName { schema: Some(self.database.clone()), name: format!("{stem}_{number}") }
    }

    async fn make(&self, table: &TableName, fixture: &Fixture) {
        let fields: Vec<_> = fixture.columns.iter().filter(|c| !self.in_id(table, &c.name)).collect();
        let required: Vec<Json> = fields.iter().filter(|c| is_required(c)).map(|c| json!(c.name)).collect();
        let rules = document(fields.iter().map(|c| (c.name.as_str(), rule(c))));
        let mut schema = vec![("bsonType", json!("object")), ("properties", rules)];
        if !required.is_empty() {
            schema.push(("required", Json::Array(required)));
        }
        let validator = document([("$jsonSchema", document(schema))]);
        self.command(document([("create", json!(table.name)), ("validator", validator)]));
        let unique = std::iter::once(&fixture.primary_key).chain(&fixture.unique);
        let in_id = |columns: &Vec<String>| columns.iter().all(|column| self.in_id(table, column));
        for (at, columns) in unique.enumerate().filter(|(_, columns)| !columns.is_empty() && !in_id(columns))
        {
            let key = document(columns.iter().map(|c| (c.as_str(), json!({ "int": "1", "bits": 32 }))));
            let name = json!(format!("unique_{at}"));
            let index = document([("key", key), ("name", name), ("unique", json!(true))]);
            self.command(document([("createIndexes", json!(table.name)), ("indexes", json!([index]))]));
        }
    }

    async fn insert(&self, table: &TableName, columns: &[&str], rows: &[Vec<Value>]) {
        let key = self.key(table);
        let documents: Vec<Json> = rows
            .iter()
            .map(|row| {
                let of = |name: &str| {
                    columns.iter().position(|column| *column == name).map_or(Json::Null, |at| told(&row[at]))
                };
                let id = match key.len() {
                    1 => of(&key[0]),
                    _ => document(key.iter().map(|name| (name.as_str(), of(name)))),
                };
                let id = (self.id == DocumentId::Key).then_some(("_id", id));
                let fields = columns.iter().filter(|column| !self.in_id(table, column));
                document(id.into_iter().chain(fields.map(|column| (*column, of(column)))))
            })
            .collect();
        self.second.ask("insert", &[json!(self.database), json!(table.name), json!(documents)]);
    }

    async fn rows(&self, table: &TableName, columns: &[Column]) -> Vec<Vec<Value>> {
        let found = self.second.ask("find", &[json!(self.database), json!(table.name)]);
        let found = found.as_array().expect("documents").iter();
        found.map(|found| columns.iter().map(|column| self.value(table, found, column)).collect()).collect()
    }

    async fn checkpoint(&self, sync: &str) -> Option<Checkpoint> {
        let found = self.second.ask("find", &[json!(self.database), json!("hydrant_checkpoint")]);
        let found = found.as_array()?.iter().find(|found| field(found, "_id") == Some(&json!(sync)))?;
        let number = |name: &str| field(found, name)?["int"].as_str()?.parse().ok();
        Some(Checkpoint {
            sync: sync.to_owned(),
            run: number("run")?,
            epoch: number("epoch")?,
            batch: number("batch")?,
            first_change: number("first_change")?,
            next_change: number("next_change")?,
        })
    }

    async fn freshness(&self, sync: &str) -> Option<(u64, Freshness)> {
        let found = self.second.ask("find", &[json!(self.database), json!("hydrant_freshness")]);
        let found = found.as_array()?.iter().find(|found| field(found, "_id") == Some(&json!(sync)))?;
        let number = |name: &str| field(found, name)?["int"].as_str()?.parse().ok();
        let as_of = DateTime::from_timestamp_millis(field(found, "as_of")?["ms"].as_i64()?)?;
        Some((number("run")?, Freshness { as_of, rows: number("rows")? }))
    }

    async fn execute(&self, statement: &str) {
        self.second.ask("paste", &[json!(statement)]);
    }

    async fn lock(&self, table: &TableName) -> Held {
        self.second.ask("hold", &[json!(self.database), json!(table.name)]);
        struct Lock(Arc<SecondWay>);
        impl Drop for Lock {
            fn drop(&mut self) {
                let _ = self.0.try_ask("release", &[]);
            }
        }
        Box::new(Lock(self.second.clone()))
    }

    async fn reader(&self, table: &TableName, _: &[&str]) -> Arc<dyn Target> {
        // Rights are given for collections, not for fields.
        let resource = document([("db", json!(self.database)), ("collection", json!(table.name))]);
        let privilege = document([("resource", resource), ("actions", json!(["find", "listIndexes"]))]);
        self.command(document([
            ("createRole", json!("only_reads")),
            ("privileges", json!([privilege])),
            ("roles", json!([])),
        ]));
        let role = document([("role", json!("only_reads")), ("db", json!(self.database))]);
        self.command(document([
            ("createUser", json!("reader")),
            ("pwd", json!("pw")),
            ("roles", json!([role])),
        ]));
        let (_, host) = self.url.split_once('@').expect("an account in the URL");
        let url = format!("mongodb://reader:pw@{host}")
            .replace("authSource=admin", &format!("authSource={}", self.database));
        Arc::new(MongodbTarget::new(self.settings(&url)).expect("the URL of the server is right"))
    }
}
