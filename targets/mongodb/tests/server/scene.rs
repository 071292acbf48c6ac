//! A database of its own, a sync of it, and a look at its documents.

use crate::second_way::{SecondWay, plain, with_database};
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use chrono::Utc;
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Deletes, Documents, Inspection, Integer, Mode, Result, Shape,
    TableName, TableSpec, Target, ValueType,
};
use hydrant_target_mongodb::{MongodbTarget, Settings};
use serde_json::{Value as Json, json};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) const INT: ValueType = ValueType::Integer(Integer::I64);

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run ./test, which starts the servers and sets HYDRANT_TEST_MONGODB, HYDRANT_TEST_MONGODB_STANDALONE, HYDRANT_TEST_MONGODB_CERTS and HYDRANT_TEST_PYMONGO"))
}

pub(crate) fn url() -> String {
    setting("HYDRANT_TEST_MONGODB")
}

pub(crate) fn standalone() -> String {
    setting("HYDRANT_TEST_MONGODB_STANDALONE")
}

pub(crate) fn target(url: &str) -> MongodbTarget {
    MongodbTarget::new(Settings { url: url.into(), password: None, transactions: true }).expect("settings")
}

/// A name that no other test uses, now or in another run.
pub(crate) fn fresh(stem: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let micros = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    format!("{stem}_{micros:x}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// One collection `t` in a database of its own, which stays (conformance.rs says why).
pub(crate) struct Scene {
    pub(crate) target: MongodbTarget,
    pub(crate) spec: TableSpec,
    pub(crate) second: SecondWay,
    pub(crate) database: String,
    pub(crate) url: String,
    batches: Cell<u64>,
}

impl Scene {
    /// A mirror of these columns on the server with transactions.
    pub(crate) fn new(columns: &[(&str, ValueType)], key: &[&str]) -> Self {
        Self::on(&url(), columns, key)
    }

    pub(crate) fn on(server: &str, columns: &[(&str, ValueType)], key: &[&str]) -> Self {
        let database = fresh("own");
        let url = with_database(server, &database);
        let columns =
            columns.iter().map(|(name, value)| Column { name: (*name).to_owned(), value: value.clone() });
        let shape = Shape::new(columns.collect(), key.iter().map(|k| (*k).to_owned()).collect());
        let spec = TableSpec {
            table: TableName { schema: None, name: "t".to_owned() },
            shape: shape.expect("a shape"),
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
        };
        let second = SecondWay::to(server);
        Self { target: target(&url), spec, second, database, url, batches: Cell::new(0) }
    }

    pub(crate) fn documents(mut self, documents: Documents) -> Self {
        self.spec.documents = documents;
        self
    }

    pub(crate) async fn created(self) -> Self {
        self.target.create(&self.spec).await.expect("the collection is made");
        self.claimed().await
    }

    pub(crate) async fn claimed(self) -> Self {
        self.target.claim("sync", 1).await.expect("a claim");
        self
    }

    /// Runs a command in plain JSON.
    pub(crate) fn command(&self, command: &str) {
        let names = |json: &str| -> Vec<String> {
            // The first field names the command, and `serde_json` sorts: so it is put in front again.
            json.split('"').nth(1).into_iter().map(str::to_owned).collect()
        };
        let parsed: Json = serde_json::from_str(command).unwrap_or_else(|e| panic!("{command}: {e}"));
        let mut whole = plain(&parsed);
        let first = names(command);
        if let Some(fields) = whole["document"].as_array_mut() {
            fields.sort_by_key(|field| field[0].as_str() != first.first().map(String::as_str));
        }
        self.second.ask("command", &[json!(self.database), whole]);
    }

    /// Inserts documents of the application, in plain JSON.
    pub(crate) fn insert(&self, documents: &Json) {
        self.second.ask("insert", &[json!(self.database), json!("t"), plain(documents)]);
    }

    /// All documents of the collection as plain JSON, sorted by their text. Numbers lose their type, and what plain JSON
    /// has no form for stays as it was told.
    pub(crate) fn found(&self) -> Vec<Json> {
        let told = self.second.ask("find", &[json!(self.database), json!("t")]);
        let mut found: Vec<Json> = told.as_array().expect("documents").iter().map(simple).collect();
        found.sort_by_key(ToString::to_string);
        found
    }

    pub(crate) fn batch(&self, deletes: RecordBatch, inserts: RecordBatch, updates: RecordBatch) -> Batch {
        let batch = self.batches.get() + 1;
        self.batches.set(batch);
        let checkpoint = Checkpoint {
            sync: "sync".to_owned(),
            run: 1,
            epoch: 1,
            batch,
            first_change: batch * 100,
            next_change: batch * 100 + 1,
        };
        let empty = Batch::empty(Arc::new(self.spec.clone()), checkpoint, Utc::now());
        Batch { deletes, inserts, updates, ..empty }
    }

    /// Applies rows of `id` and `name`.
    pub(crate) async fn apply(
        &self,
        deletes: &[i64],
        inserts: &[(i64, Option<&str>)],
        updates: &[(i64, Option<&str>)],
    ) -> Result<Applied> {
        let deletes: ArrayRef = Arc::new(Int64Array::from(deletes.to_vec()));
        let deletes = RecordBatch::try_new(self.spec.shape.key_schema(), vec![deletes]).expect("keys");
        let batch = self.batch(deletes, self.rows(inserts), self.rows(updates));
        self.target.apply(&batch).await
    }

    pub(crate) fn rows(&self, rows: &[(i64, Option<&str>)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
        let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1)));
        RecordBatch::try_new(self.spec.shape.schema(), vec![ids, names]).expect("rows")
    }

    pub(crate) fn arrays(&self, arrays: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(self.spec.shape.schema(), arrays).expect("rows")
    }

    pub(crate) fn no_keys(&self) -> RecordBatch {
        RecordBatch::new_empty(self.spec.shape.key_schema())
    }

    pub(crate) fn no_rows(&self) -> RecordBatch {
        RecordBatch::new_empty(self.spec.shape.schema())
    }

    pub(crate) async fn mismatches(&self) -> Vec<String> {
        match self.target.inspect(&self.spec).await.expect("an inspection") {
            Inspection::Present { mismatches, .. } => mismatches.iter().map(ToString::to_string).collect(),
            Inspection::Absent { .. } => panic!("the collection is absent"),
        }
    }
}

fn simple(told: &Json) -> Json {
    match told {
        Json::Array(items) => items.iter().map(simple).collect(),
        Json::Object(tagged) => match tagged.get("document") {
            Some(fields) => {
                let fields = fields.as_array().expect("fields").iter();
                Json::Object(
                    fields.map(|f| (f[0].as_str().expect("a name").to_owned(), simple(&f[1]))).collect(),
                )
            }
            None => match tagged.get("int").and_then(Json::as_str) {
                Some(digits) => json!(digits.parse::<i64>().expect("an integer")),
                None => told.clone(),
            },
        },
        other => other.clone(),
    }
}
