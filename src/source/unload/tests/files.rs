//! What a warehouse may leave in the folder.

use super::staging_in;
use crate::source::{
    Model, Rows, SourceError, SourceErrorKind, Staging, Unloading,
    unload::{Form, Outcome, Receipt, Recipe, Warehouse},
};
use arrow::{
    array::{ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use parquet::arrow::ArrowWriter;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const FOLDER: &str = "users/runs/00000017/unloaded";

/// A warehouse that writes what a test says.
#[derive(Default)]
struct Scripted {
    objects: Arc<InMemory>,
    files: Vec<(&'static str, Vec<u8>)>,
    /// What the statement returns in its column `Count`.
    count: Option<i64>,
    fails: bool,
    /// How often a model was streamed.
    streamed: AtomicUsize,
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)])
}

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let names: Vec<String> = ids.clone().map(|id| format!("name {id}")).collect();
    let columns: [ArrayRef; 2] =
        [Arc::new(Int64Array::from_iter_values(ids)), Arc::new(StringArray::from(names))];
    RecordBatch::try_new(Arc::new(schema()), columns.to_vec()).unwrap()
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[async_trait]
impl Warehouse for Scripted {
    async fn write(&self, _: &Recipe) -> Result<Vec<RecordBatch>, SourceError> {
        for (name, bytes) in &self.files {
            self.objects.put(&Path::from(format!("{FOLDER}/{name}")), bytes.clone().into()).await.unwrap();
        }
        if self.fails {
            let message = "division by zero".to_owned();
            return Err(SourceError { kind: SourceErrorKind::Data, message, position: Some((None, 3, 1)) });
        }
        let count: Option<ArrayRef> = self.count.map(|count| Arc::new(Int64Array::from(vec![count])) as _);
        Ok(count.into_iter().map(|count| RecordBatch::try_from_iter([("Count", count)]).unwrap()).collect())
    }

    async fn open(&self, _: &Model) -> Result<Rows, SourceError> {
        self.streamed.fetch_add(1, Ordering::Relaxed);
        let batches = stream::iter([Ok(rows(0..2))]).boxed();
        Ok(Rows { schema: Arc::new(schema()), batches })
    }
}

/// What came of an unload.
struct Came {
    rows: Result<Vec<RecordBatch>, SourceError>,
    outcome: Option<Outcome>,
    left: Vec<String>,
}

impl Came {
    fn ids(&self) -> Vec<i64> {
        let batches = self.rows.as_ref().expect("rows").iter();
        batches.flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    fn refusal(&self) -> (SourceErrorKind, &str) {
        assert_eq!(self.outcome, None);
        let error = self.rows.as_ref().expect_err("an error");
        assert_eq!(error.position, None);
        (error.kind, &error.message)
    }
}

fn recipe(receipt: Receipt) -> Recipe {
    Recipe {
        before: Vec::new(),
        statement: "COPY".to_owned(),
        forms: vec![Form::AsIs; 2],
        receipt,
        keeps_order: true,
    }
}

fn unloading(warehouse: &Arc<Scripted>, receipt: Receipt) -> Unloading {
    let into: Staging = staging_in(warehouse.objects.clone(), "memory://", &[]);
    let model = Model { sql: "SELECT".to_owned(), ..Model::default() };
    Unloading::new(recipe(receipt), model, &schema(), into, warehouse.clone())
}

async fn unload(warehouse: &Arc<Scripted>, receipt: Receipt) -> Came {
    let unloading = unloading(warehouse, receipt);
    let rows = unloading.rows.batches.try_collect().await;
    let outcome = unloading.outcome.get().cloned();
    let left = warehouse.objects.list(None).map_ok(|meta| meta.location.to_string());
    Came { rows, outcome, left: left.try_collect().await.unwrap() }
}

const COUNT: Receipt = Receipt::Column("Count");

fn scripted(files: Vec<(&'static str, Vec<u8>)>, count: Option<i64>) -> Arc<Scripted> {
    Arc::new(Scripted { files, count, ..Scripted::default() })
}

#[tokio::test]
async fn files_are_read_in_the_order_of_their_names_and_removed() {
    let files = vec![("b.parquet", file(&rows(10_000..10_003))), ("a.parquet", file(&rows(0..10_000)))];
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let came = unload(&scripted(files, Some(10_003)), COUNT).await;
    assert_eq!(came.ids(), (0..10_003).collect::<Vec<_>>());
    assert_eq!(came.outcome, Some(Outcome::Read { files: 2, bytes }));
    assert_eq!(came.left, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_runs_before_the_first_row_is_asked_for() {
    let warehouse = scripted(vec![("a.parquet", file(&rows(0..1)))], Some(1));
    let unloading = unloading(&warehouse, COUNT);
    assert_eq!(unloading.rows.schema.field(0).name(), "id");
    drop(unloading);
    assert_eq!(warehouse.objects.list(None).count().await, 0);
}

#[tokio::test]
async fn columns_are_found_by_their_names() {
    let batch = rows(0..3).project(&[1, 0]).unwrap();
    let came = unload(&scripted(vec![("a.parquet", file(&batch))], Some(3)), COUNT).await;
    assert_eq!(came.ids(), [0, 1, 2]);
}

#[tokio::test]
async fn each_file_may_hold_the_values_in_a_type_of_its_own() {
    let narrow = |precision| {
        let ids = Decimal128Array::from(vec![7]).with_precision_and_scale(precision, 0).unwrap();
        let columns: [(&str, ArrayRef); 2] =
            [("id", Arc::new(ids)), ("name", Arc::new(StringArray::from(vec!["a"])))];
        file(&RecordBatch::try_from_iter(columns).unwrap())
    };
    let came =
        unload(&scripted(vec![("a.parquet", narrow(1)), ("b.parquet", narrow(18))], Some(2)), COUNT).await;
    assert_eq!(came.ids(), [7, 7]);
}

#[tokio::test]
async fn a_result_without_rows_is_empty_only_if_the_warehouse_says_so() {
    let none = unload(&scripted(Vec::new(), Some(0)), COUNT).await;
    assert_eq!((none.ids(), none.outcome), (Vec::new(), Some(Outcome::Read { files: 0, bytes: 0 })));
    let elsewhere = unload(&scripted(Vec::new(), Some(5)), COUNT).await;
    assert_eq!(
        elsewhere.refusal(),
        (
            SourceErrorKind::Missing,
            "the source says that it has unloaded 5 rows, and there is no file in memory://users/runs/00000017/unloaded: does it write into another place?"
        )
    );
    let warehouse = scripted(Vec::new(), None);
    let silent = unload(&warehouse, Receipt::None).await;
    assert_eq!((silent.ids(), warehouse.streamed.load(Ordering::Relaxed)), (vec![0, 1], 1));
    assert!(matches!(silent.outcome, Some(Outcome::Streamed { .. })));
    let mute = unload(&scripted(vec![("a.parquet", file(&rows(0..1)))], None), COUNT).await;
    assert!(mute.refusal().1.ends_with("the source does not say in Count how many rows it has written"));
}

#[tokio::test]
async fn rows_that_are_missing_or_too_many_are_noticed() {
    for (count, said) in [(4, 4), (2, 2)] {
        let came = unload(&scripted(vec![("a.parquet", file(&rows(0..3)))], Some(count)), COUNT).await;
        let (kind, message) = came.refusal();
        assert_eq!(kind, SourceErrorKind::Broken);
        assert_eq!(
            message,
            format!(
                "the source says that it has unloaded {said} rows, and the files in memory://users/runs/00000017/unloaded hold 3"
            )
        );
        assert_eq!(came.left.len(), 1, "whoever gives up removes the folder");
    }
}

#[tokio::test]
async fn a_manifest_must_name_the_files_that_are_there() {
    let manifest = |files: &[(&str, u64)]| {
        let entry = |(name, rows): &(&str, u64)| serde_json::json!({"url": format!("s3://acme/{FOLDER}/{name}"), "meta": {"record_count": rows}});
        serde_json::json!({"entries": files.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
    };
    let receipt = Receipt::Manifest("manifest");
    let a = || ("a.parquet", file(&rows(0..3)));
    let came = unload(&scripted(vec![a(), ("manifest", manifest(&[("a.parquet", 3)]))], None), receipt).await;
    assert_eq!((came.ids(), came.left), (vec![0, 1, 2], Vec::new()));
    let lost = vec![a(), ("manifest", manifest(&[("a.parquet", 3), ("b.parquet", 1)]))];
    let (_, message) = unload(&scripted(lost, None), receipt).await.refusal_of();
    assert_eq!(
        message,
        "the source says that it has unloaded 2 files, and there are 1 in memory://users/runs/00000017/unloaded"
    );
    let (_, message) = unload(&scripted(vec![a()], None), receipt).await.refusal_of();
    assert!(message.ends_with("has left no manifest"), "{message}");
    let broken = vec![a(), ("manifest", b"{".to_vec())];
    assert!(unload(&scripted(broken, None), receipt).await.refusal_of().1.contains("cannot be read"));
    let empty = unload(&scripted(vec![("manifest", manifest(&[]))], None), receipt).await;
    assert_eq!((empty.ids(), empty.left), (Vec::new(), Vec::new()));
    let warehouse = scripted(Vec::new(), None);
    assert_eq!(unload(&warehouse, receipt).await.ids(), [0, 1], "neither files nor a manifest: streamed");
}

impl Came {
    fn refusal_of(self) -> (SourceErrorKind, String) {
        let (kind, message) = self.refusal();
        (kind, message.to_owned())
    }
}

#[tokio::test]
async fn a_folder_that_is_not_the_runs_alone_is_not_touched() {
    let warehouse = scripted(vec![("a.parquet", file(&rows(0..3)))], Some(3));
    let stray = Path::from(format!("{FOLDER}/stray.parquet"));
    warehouse.objects.put(&stray, file(&rows(0..1)).into()).await.unwrap();
    let came = unload(&warehouse, COUNT).await;
    assert!(came.refusal().1.contains("before anything was unloaded"), "{:?}", came.refusal());
    assert_eq!(came.left, [stray.to_string()]);
    let came = unload(&scripted(vec![("a.csv", b"1".to_vec())], Some(1)), COUNT).await;
    assert_eq!(
        came.refusal().1,
        "unloading has left users/runs/00000017/unloaded/a.csv, which is no Parquet file"
    );
}

#[tokio::test]
async fn a_statement_that_fails_says_where_it_would_have_written() {
    let files = vec![("a.parquet", b"PAR1".to_vec())];
    let warehouse = Arc::new(Scripted { files, fails: true, ..Scripted::default() });
    let came = unload(&warehouse, COUNT).await;
    assert_eq!(
        came.refusal(),
        (SourceErrorKind::Data, "unloading into memory://users/runs/00000017/unloaded: division by zero")
    );
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let half = {
        let whole = file(&rows(0..3));
        whole[..whole.len() / 2].to_vec()
    };
    let came = unload(&scripted(vec![("a.parquet", half)], Some(3)), COUNT).await;
    let (kind, message) = came.refusal();
    assert_eq!(kind, SourceErrorKind::Data);
    assert!(
        message.starts_with(&format!("{FOLDER}/a.parquet, which the source wrote, cannot be read")),
        "{message}"
    );
    let other = file(&rows(0..3).project(&[0]).unwrap());
    let came = unload(&scripted(vec![("a.parquet", other)], Some(3)), COUNT).await;
    assert!(
        came.refusal().1.ends_with("has the columns id, and the model has id, name"),
        "{:?}",
        came.refusal()
    );
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(StringArray::from(vec!["secret value"]))),
        ("name", Arc::new(StringArray::from(vec!["a"]))),
    ];
    let texts = file(&RecordBatch::try_from_iter(columns).unwrap());
    let came = unload(&scripted(vec![("a.parquet", texts)], Some(1)), COUNT).await;
    assert_eq!(
        came.refusal().1,
        format!(
            "{FOLDER}/a.parquet, which the source wrote, cannot be used: the column id holds Utf8, and the source describes Int64; cast it in the model, or take `unload` away"
        )
    );
}
