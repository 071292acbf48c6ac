//! What files can hold, and how it arrives.

use crate::fixture::{Fixture, parquet_bytes, people};
use arrow::{
    array::{
        ArrayRef, Decimal128Array, DictionaryArray, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
    record_batch::RecordBatch,
};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use std::{collections::HashMap, io::Read, sync::Arc};

fn compressed(text: &str, compression: FileCompressionType) -> Vec<u8> {
    use tokio::io::AsyncWriteExt;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Arc::new(object_store::memory::InMemory::new());
    let path = object_store::path::Path::from("x");
    runtime.block_on(async {
        use object_store::ObjectStoreExt;
        let writer = object_store::buffered::BufWriter::new(store.clone(), path.clone());
        let mut writer = compression.convert_async_writer(writer).unwrap();
        writer.write_all(text.as_bytes()).await.unwrap();
        writer.shutdown().await.unwrap();
        store.get(&path).await.unwrap().bytes().await.unwrap().to_vec()
    })
}

const CSV: &str = "id,name,Price\n1,\"Ada, of\nLondon\",1.5\n2,,2\n";
const JSON: &str = "{\"id\":1,\"name\":\"Ada\",\"Price\":1.5}\n{\"id\":2,\"Price\":2,\"tags\":[\"a\",\"b\"],\"at\":{\"city\":\"Rome\"}}\n";

fn gzip_and_zstd() -> [(&'static str, FileCompressionType); 2] {
    [("gz", FileCompressionType::GZIP), ("zst", FileCompressionType::ZSTD)]
}

#[test]
fn csv_and_json_are_read_plain_and_compressed() {
    let mut files = Fixture::new();
    files.write("plain.csv", CSV);
    files.write("plain.ndjson", JSON);
    files.declare("csv", "plain.csv", None);
    files.declare("json", "plain.ndjson", None);
    for (ending, compression) in gzip_and_zstd() {
        files.write(&format!("c.csv.{ending}"), compressed(CSV, compression));
        files.write(&format!("j.jsonl.{ending}"), compressed(JSON, compression));
        files.declare(&format!("csv_{ending}"), &format!("c.csv.{ending}"), None);
        files.declare(&format!("json_{ending}"), &format!("j.jsonl.{ending}"), None);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let csv = files.show("SELECT * FROM csv").await;
        insta::assert_snapshot!(csv, @r#"
        +----+---------+-------+
        | id | name    | Price |
        +----+---------+-------+
        | 1  | Ada, of | 1.5   |
        |    | London  |       |
        | 2  |         | 2.0   |
        +----+---------+-------+
        "#);
        insta::assert_snapshot!(files.types("SELECT * FROM csv").await, @"id: Int64, name: Utf8, Price: Float64");
        let json = files.show("SELECT * FROM json").await;
        insta::assert_snapshot!(json, @r#"
        +----+------+-------+--------+--------------+
        | id | name | Price | tags   | at           |
        +----+------+-------+--------+--------------+
        | 1  | Ada  | 1.5   |        |              |
        | 2  |      | 2.0   | [a, b] | {city: Rome} |
        +----+------+-------+--------+--------------+
        "#);
        insta::assert_snapshot!(files.types("SELECT * FROM json").await, @r#"id: Int64, name: Utf8, Price: Float64, tags: List(Utf8), at: Struct("city": Utf8)"#);
        for (ending, _) in gzip_and_zstd() {
            assert_eq!(files.show(&format!("SELECT * FROM csv_{ending}")).await, csv, "{ending}");
            assert_eq!(files.show(&format!("SELECT * FROM json_{ending}")).await, json, "{ending}");
        }
    });
}

#[test]
fn a_compressed_file_that_is_cut_off_is_an_error_and_no_short_result() {
    let mut files = Fixture::new();
    let lines = (0..200_000).map(|id| format!("{}\n", id * 7919 % 1_000_003));
    let text = std::iter::once("id\n".to_owned()).chain(lines).collect::<String>();
    for (ending, compression) in gzip_and_zstd() {
        let whole = compressed(&text, compression);
        files.write(&format!("a.csv.{ending}"), &whole[..whole.len() - 5_000]);
        files.declare(ending, &format!("a.csv.{ending}"), None);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        insta::assert_snapshot!(files.refusal("SELECT id FROM gz").await, @"Data: table gz: a.csv.gz: the file is cut off");
        insta::assert_snapshot!(files.refusal("SELECT id FROM zst").await, @"Data: table zst: a.csv.zst: the file is cut off");
    });
}

#[tokio::test]
async fn parquet_brings_its_types() {
    let tags = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
    let address = StructArray::from(vec![
        (
            Arc::new(Field::new("City", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("Rome"), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("zip", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![Some(10), None])) as ArrayRef,
        ),
    ]);
    let plan: DictionaryArray<Int32Type> = vec!["free", "pro"].into_iter().collect();
    let instant = TimestampMicrosecondArray::from(vec![0, 1_700_000_000_000_000]);
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("tags", Arc::new(tags)),
        ("address", Arc::new(address)),
        ("plan", Arc::new(plan)),
        ("utc", Arc::new(instant.clone().with_timezone("UTC"))),
        ("rome", Arc::new(instant.clone().with_timezone("Europe/Rome"))),
        ("wall", Arc::new(instant)),
        ("price", Arc::new(Decimal128Array::from(vec![12345, -1]).with_precision_and_scale(12, 3).unwrap())),
    ])
    .unwrap();
    let files = Fixture::new().table("t", "t.parquet");
    files.parquet("t.parquet", &[batch]);
    insta::assert_snapshot!(files.types("SELECT * FROM t").await, @r#"id: Int64, tags: List(Int64), address: Struct("City": Utf8, "zip": Int64), plan: Dictionary(Int32, Utf8), utc: Timestamp(µs, "UTC"), rome: Timestamp(µs, "Europe/Rome"), wall: Timestamp(µs), price: Decimal128(12, 3)"#);
    insta::assert_snapshot!(files.show("SELECT * FROM t").await, @r#"
        +----+-------+-----------------------+------+----------------------+---------------------------+---------------------+--------+
        | id | tags  | address               | plan | utc                  | rome                      | wall                | price  |
        +----+-------+-----------------------+------+----------------------+---------------------------+---------------------+--------+
        | 1  | [1, ] | {City: Rome, zip: 10} | free | 1970-01-01T00:00:00Z | 1970-01-01T01:00:00+01:00 | 1970-01-01T00:00:00 | 12.345 |
        | 2  |       | {City: , zip: }       | pro  | 2023-11-14T22:13:20Z | 2023-11-14T23:13:20+01:00 | 2023-11-14T22:13:20 | -0.001 |
        +----+-------+-----------------------+------+----------------------+---------------------------+---------------------+--------+
        "#);
    insta::assert_snapshot!(files.show("SELECT id, address['City'] AS City, tags[1] AS first, array_length(tags) AS tags FROM t").await, @r#"
        +----+------+-------+------+
        | id | City | first | tags |
        +----+------+-------+------+
        | 1  | Rome | 1     | 2    |
        | 2  |      |       |      |
        +----+------+-------+------+
        "#);
    insta::assert_snapshot!(files.show("SELECT id, unnest(tags) AS tag FROM t").await, @r#"
        +----+-----+
        | id | tag |
        +----+-----+
        | 1  | 1   |
        | 1  |     |
        +----+-----+
        "#);
    insta::assert_snapshot!(files.types("SELECT price * 1.19 AS gross, 0.5 AS half, id * 0.5 AS x FROM t").await, @"gross: Decimal128(16, 5), half: Decimal128(1, 1), x: Decimal128(22, 1)");
}

#[tokio::test]
async fn what_a_column_means_is_kept() {
    let json = Field::new("doc", DataType::Utf8, false)
        .with_metadata(HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]));
    let schema = Arc::new(Schema::new(vec![json]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec!["{}"]))]).unwrap();
    let files = Fixture::new().table("t", "t.parquet");
    files.parquet("t.parquet", &[batch]);
    let (schema, batches) = files.rows("SELECT doc FROM t").await;
    assert_eq!(
        schema.field(0).metadata().get("ARROW:extension:name").map(String::as_str),
        Some("arrow.json")
    );
    assert_eq!(batches[0].schema().field(0).metadata(), schema.field(0).metadata());
}

#[tokio::test]
async fn names_are_taken_as_they_are_written() {
    let files = Fixture::new().table("Orders", "a.csv");
    files.write("a.csv", "accountId,total\n1,2\n");
    insta::assert_snapshot!(
        files.show("SELECT accountId, Sum(total) AS \"grandTotal\", COUNT(*) AS howMany FROM Orders GROUP BY accountId").await,
        @r#"
        +-----------+------------+---------+
        | accountId | grandTotal | howMany |
        +-----------+------------+---------+
        | 1         | 2          | 1       |
        +-----------+------------+---------+
        "#
    );
}

#[tokio::test]
async fn the_documentation_says_the_truth_about_sql() {
    let files = Fixture::new().table("t", "t.csv");
    files.write("t.csv", "id,zip,note\n1,007,\"\"\n2,010,x\n2,011,\n");
    for (sql, expected) in [
        ("SELECT arrow_typeof(zip) AS v FROM t LIMIT 1", "Int64"),
        ("SELECT COUNT(*) AS v FROM t WHERE note IS NULL", "2"),
        ("SELECT 9223372036854775807 + id AS v FROM t LIMIT 1", "-9223372036854775808"),
        ("SELECT SUM(CAST(9223372036854775807 AS DECIMAL(38,0))) AS v FROM t", "27670116110564327421"),
        ("SELECT id::TEXT AS v FROM t LIMIT 1", "1"),
        ("SELECT TRY_CAST(note AS BIGINT) AS v FROM t WHERE note = 'x'", "null"),
        ("SELECT array_agg(zip ORDER BY zip DESC) AS v FROM t", "[11, 10, 7]"),
        ("SELECT array_length([id, zip]) AS v FROM t LIMIT 1", "2"),
        ("SELECT named_struct('city', note, 'zip', zip) AS v FROM t WHERE note = 'x'", "{city: x, zip: 10}"),
        ("SELECT CAST('2026-01-02T03:04:05+01:00' AS TIMESTAMPTZ) AS v", "2026-01-02T02:04:05Z"),
        ("SELECT CAST('2026-01-02 03:04:05' AS TIMESTAMP) AS v", "2026-01-02T03:04:05"),
        ("SELECT to_timestamp('02.01.2026', '%d.%m.%Y') AS v", "2026-01-02T00:00:00Z"),
        (
            "SELECT zip AS v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY zip DESC) AS n FROM t) x \
             WHERE n = 1 AND id = 2",
            "11",
        ),
    ] {
        let (_, batches) = files.rows(sql).await;
        let options = arrow::util::display::FormatOptions::new().with_null("null");
        let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
        let column = arrow::util::display::ArrayFormatter::try_new(batch.column(0), &options).unwrap();
        assert_eq!(column.value(0).to_string(), expected, "{sql}");
    }
}

#[tokio::test]
async fn empty_files_have_no_rows() {
    let mut files = Fixture::new();
    files.write("header.csv", "id,name\n");
    files.parquet("none.parquet", &[people(0..0)]);
    files.write("json/a.json", "");
    files.write("json/b.json", "{\"id\":1}\n");
    for (name, location) in [("csv", "header.csv"), ("parquet", "none.parquet"), ("json", "json")] {
        files.declare(name, location, None);
    }
    assert_eq!(files.rows("SELECT * FROM csv").await.1.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(files.types("SELECT * FROM csv").await, "id: Utf8, name: Utf8");
    assert_eq!(
        files.rows("SELECT * FROM parquet").await.1.iter().map(RecordBatch::num_rows).sum::<usize>(),
        0
    );
    assert_eq!(files.rows("SELECT * FROM json").await.1.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_gap_in_a_file_is_an_error() {
    let files = Fixture::new().table("t", "t.parquet");
    let mut bytes = parquet_bytes(&[people(0..50_000)], 10_000);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2_000].fill(0xff);
    files.write("t.parquet", bytes);
    let (error, rows) = files.failure("SELECT id, name FROM t").await;
    assert!(rows < 50_000, "{rows}");
    assert_eq!(error.kind, hydrant::source::SourceErrorKind::Data);
    let message = files.without_folder(&error.message);
    assert!(message.starts_with("table t: t.parquet: "), "{message}");
}

#[test]
fn the_fixture_compresses() {
    let mut text = String::new();
    let zipped = compressed(CSV, FileCompressionType::GZIP);
    FileCompressionType::GZIP
        .convert_read(std::io::Cursor::new(zipped))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, CSV);
}
