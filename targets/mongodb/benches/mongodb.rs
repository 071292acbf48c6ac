//! hydrant's writes against bare loops of the driver's own, with the same documents:
//! `cargo bench -p hydrant-target-mongodb --bench mongodb`.
//!
//! The server is that of `HYDRANT_BENCH_MONGODB` (a URL with a database and an account that may drop it), which should have
//! nothing else to do. `HYDRANT_BENCH_ROWS` is the size of the table, `HYDRANT_BENCH_BATCH` that of a batch (the engine's are
//! what the server writes in half a second), `HYDRANT_BENCH_REPEATS` how often each is done. The ways take turns, so that what disturbs
//! one disturbs the others too. Ratios count; rates are this machine's.

// A program for the terminal, of which every failure ends it.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use arrow::{array::*, datatypes::SchemaRef, record_batch::RecordBatch};
use hydrant_contract::{
    Batch, Checkpoint, Deletes, Documents, Integer, Mode, Resolution, Shape, TableName, TableSpec, Target,
    ValueType,
};
use hydrant_target_mongodb::{MongodbTarget, Settings};
use mongodb::{
    Client, Collection, Namespace,
    bson::{Bson, DateTime, Decimal128, Document, doc},
    options::{UpdateOneModel, WriteModel},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const ROWS: usize = 2_000_000;
const BATCH: usize = 20_000;
const REPEATS: usize = 3;
/// Of a hundred rows one changes.
const CHANGED_EVERY: i64 = 100;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

fn shape() -> Shape {
    use ValueType as V;
    let column = |name: &str, value| hydrant_contract::Column { name: name.to_owned(), value };
    let columns = vec![
        column("account_id", V::Integer(Integer::I64)),
        column("email", V::Text),
        column("name", V::Text),
        column("plan", V::Text),
        column("seats", V::Integer(Integer::I32)),
        column("usage", V::Float64),
        column("price", V::Decimal { precision: 12, scale: 2 }),
        column("active", V::Boolean),
        column("since", V::Date),
        column("seen_at", V::Instant(Resolution::Micro)),
    ];
    Shape::new(columns, vec!["account_id".to_owned()]).expect("a shape")
}

const PLANS: [&str; 4] = ["free", "team", "business", "enterprise"];

/// Rows of these numbers in their carriers. `version` changes three of the columns.
fn rows(schema: &SchemaRef, numbers: &[i64], version: i64) -> RecordBatch {
    let each = || numbers.iter().copied();
    let plan = each().map(|n| PLANS[usize::try_from(n + version).unwrap() % 4]);
    let price = Decimal128Array::from_iter_values(each().map(|n| i128::from(n * 12 + version)));
    let seen = TimestampMicrosecondArray::from_iter_values(each().map(|n| seen(n, version) * 1000));
    let since = each().map(|n| (n % 5 != 0).then_some(i32::try_from(n % 20_000).unwrap()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(each())),
        Arc::new(StringArray::from_iter_values(each().map(email))),
        Arc::new(StringArray::from_iter_values(each().map(|n| format!("Name {n}")))),
        Arc::new(StringArray::from_iter_values(plan)),
        Arc::new(Int64Array::from_iter_values(each().map(|n| n % 500))),
        Arc::new(Float64Array::from_iter_values(each().map(|n| n as f64 / 3.0))),
        Arc::new(price.with_precision_and_scale(12, 2).expect("a decimal")),
        Arc::new(BooleanArray::from_iter(each().map(|n| Some(n % 3 != 0)))),
        Arc::new(Date32Array::from_iter(since)),
        Arc::new(seen.with_timezone("UTC")),
    ];
    RecordBatch::try_new(schema.clone(), columns).expect("rows")
}

fn email(n: i64) -> String {
    format!("someone{:07}@example.com", n * 7_919 % 9_999_991)
}

fn seen(n: i64, version: i64) -> i64 {
    1_795_234_500_000 + n * 61 + version
}

/// The same row as the driver's users write it.
fn document(n: i64, version: i64) -> Document {
    let cents = n * 12 + version;
    let price: Decimal128 = format!("{}.{:02}", cents / 100, cents % 100).parse().expect("a decimal");
    let since = match n % 5 {
        0 => Bson::Null,
        _ => Bson::DateTime(DateTime::from_millis(n % 20_000 * 86_400_000)),
    };
    doc! {
        "_id": n, "email": email(n), "name": format!("Name {n}"),
        "plan": PLANS[usize::try_from(n + version).unwrap() % 4],
        "seats": i32::try_from(n % 500).unwrap(), "usage": n as f64 / 3.0, "price": price,
        "active": n % 3 != 0, "since": since, "seen_at": DateTime::from_millis(seen(n, version)),
    }
}

struct Bench {
    url: String,
    client: Client,
    database: String,
    rows: i64,
    batch: usize,
}

impl Bench {
    fn numbers(&self, every: i64) -> Vec<i64> {
        (0..self.rows).filter(|n| n % every == 0).collect()
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.client.database(&self.database).collection(name)
    }

    async fn fresh(&self, name: &str) -> Collection<Document> {
        let collection = self.collection(name);
        collection.drop().await.expect("dropped");
        self.client.database(&self.database).create_collection(name).await.expect("made");
        collection
    }

    /// Writes through the target, and returns the time that the target took.
    async fn hydrant(&self, table: &str, numbers: &[i64], version: i64, transactions: bool) -> Duration {
        let settings = Settings { url: self.url.clone().into(), password: None, transactions };
        let target = MongodbTarget::new(settings).expect("settings");
        let spec = Arc::new(TableSpec {
            table: TableName { schema: None, name: table.to_owned() },
            shape: shape(),
            mode: Mode::Mirror,
            deletes: Deletes::Hard,
            documents: Documents::default(),
        });
        let schema = spec.shape.schema();
        let sync = format!("{table} {version} {transactions}");
        target.claim(&sync, 1).await.expect("a claim");
        // A run of its own each time: batches are numbered from 1.
        let run = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap();
        let mut took = Duration::ZERO;
        for (number, some) in (1..).zip(numbers.chunks(self.batch)) {
            let checkpoint = Checkpoint {
                sync: sync.clone(),
                run,
                epoch: 1,
                batch: number,
                first_change: 0,
                next_change: 0,
            };
            let mut batch = Batch::empty(spec.clone(), checkpoint, chrono::Utc::now());
            let written = rows(&schema, some, version);
            match version {
                0 => batch.inserts = written,
                _ => batch.updates = written,
            }
            let since = Instant::now();
            let applied = target.apply(&batch).await.expect("a batch");
            took += since.elapsed();
            assert!(applied.rejects.is_empty(), "{:?}", applied.rejects.first());
        }
        took
    }

    /// The driver's own loop over documents that are made before the clock runs.
    async fn insert_many(&self, table: &str, numbers: &[i64]) -> Duration {
        let collection = self.collection(table);
        let mut took = Duration::ZERO;
        for some in numbers.chunks(self.batch) {
            let documents: Vec<Document> = some.iter().map(|n| document(*n, 0)).collect();
            let since = Instant::now();
            collection.insert_many(documents).ordered(false).await.expect("inserted");
            took += since.elapsed();
        }
        took
    }

    async fn bulk_inserts(&self, table: &str, numbers: &[i64]) -> Duration {
        let namespace = Namespace::new(&self.database, table);
        self.bulk(numbers, |n| {
            let one = mongodb::options::InsertOneModel::builder();
            WriteModel::InsertOne(one.namespace(namespace.clone()).document(document(n, 0)).build())
        })
        .await
    }

    async fn bulk_updates(&self, table: &str, numbers: &[i64], version: i64) -> Duration {
        let namespace = Namespace::new(&self.database, table);
        self.bulk(numbers, |n| {
            let mut set = document(n, version);
            set.remove("_id");
            let one = UpdateOneModel::builder().namespace(namespace.clone()).filter(doc! { "_id": n });
            WriteModel::UpdateOne(one.update(doc! { "$set": set }).upsert(true).build())
        })
        .await
    }

    async fn bulk(&self, numbers: &[i64], model: impl Fn(i64) -> WriteModel) -> Duration {
        let mut took = Duration::ZERO;
        for some in numbers.chunks(self.batch) {
            let models: Vec<WriteModel> = some.iter().map(|n| model(*n)).collect();
            let since = Instant::now();
            self.client.bulk_write(models).ordered(false).await.expect("written");
            took += since.elapsed();
        }
        took
    }
}

/// The most memory this process has had, and what it has now, in MiB.
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    };
    (of("VmHWM:"), of("VmRSS:"))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn report(title: &str, rows: usize, ways: &[(&str, Vec<Duration>)]) {
    println!("\n{title}: {rows} rows, median of {}", ways[0].1.len());
    let ours = median(ways[0].1.clone());
    for (name, times) in ways {
        let took = median(times.clone());
        let each: Vec<_> = times.iter().map(|t| format!("{:.2}", t.as_secs_f64())).collect();
        let rate = rows as f64 / took.as_secs_f64();
        let ratio = took.as_secs_f64() / ours.as_secs_f64();
        println!(
            "  {name:44} {:8.2} s {rate:10.0} rows/s   hydrant is {ratio:.2} of its rate  ({})",
            took.as_secs_f64(),
            each.join(" ")
        );
    }
}

#[tokio::main]
async fn main() {
    // `cargo bench` passes arguments for a harness that this has not; tests pass `--test`.
    let Ok(url) = std::env::var("HYDRANT_BENCH_MONGODB") else {
        println!("HYDRANT_BENCH_MONGODB is not set: nothing to measure against");
        return;
    };
    let client = Client::with_uri_str(&url).await.expect("a server");
    let database = client.default_database().expect("a database in the URL").name().to_owned();
    let rows = i64::try_from(number("HYDRANT_BENCH_ROWS", ROWS)).unwrap();
    let batch = number("HYDRANT_BENCH_BATCH", BATCH);
    let repeats = number("HYDRANT_BENCH_REPEATS", REPEATS);
    let bench = Bench { url, client, database, rows, batch };
    bench.client.database(&bench.database).run_command(doc! { "ping": 1 }).await.expect("a server");

    let (_, idle) = memory();
    let all = bench.numbers(1);
    let mut ours = Vec::new();
    bench.fresh("first").await;
    ours.push(bench.hydrant("first", &all, 0, true).await);
    println!("memory: {idle:.0} MiB idle, at most {:.0} MiB while loading through the target", memory().0);

    let (mut single, mut many, mut bulk) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..repeats {
        if repeat > 0 {
            bench.fresh("first").await;
            ours.push(bench.hydrant("first", &all, 0, true).await);
        }
        bench.fresh("bare").await;
        many.push(bench.insert_many("bare", &all).await);
        bench.fresh("alone").await;
        single.push(bench.hydrant("alone", &all, 0, false).await);
        bench.fresh("bare").await;
        bulk.push(bench.bulk_inserts("bare", &all).await);
    }
    report(
        "first load",
        all.len(),
        &[
            ("hydrant, a transaction a batch", ours),
            ("hydrant, transactions turned off", single),
            ("insert_many, unordered", many),
            ("bulk_write of inserts, unordered", bulk),
        ],
    );

    let changed = bench.numbers(CHANGED_EVERY);
    let (mut ours, mut single, mut bulk) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..i64::try_from(repeats.max(3)).unwrap() {
        ours.push(bench.hydrant("first", &changed, repeat * 3 + 1, true).await);
        bulk.push(bench.bulk_updates("bare", &changed, repeat * 3 + 1).await);
        single.push(bench.hydrant("alone", &changed, repeat * 3 + 1, false).await);
    }
    report(
        "1 % of the rows changed",
        changed.len(),
        &[
            ("hydrant, a transaction a batch", ours),
            ("hydrant, transactions turned off", single),
            ("bulk_write of updates, unordered", bulk),
        ],
    );
    println!("\nmemory: at most {:.0} MiB in all, the documents of the bare loops included", memory().0);
    bench.client.database(&bench.database).drop().await.expect("dropped");
}
