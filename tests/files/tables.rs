//! Which files a table has: one, a folder, or what matches a pattern.

use crate::fixture::{Fixture, integers, people};
use hydrant::config::FileFormat;

#[tokio::test]
async fn a_folder_means_its_data_files_at_any_depth() {
    let files = Fixture::new().table("t", "t");
    files.parquet("t/a.parquet", &[people(0..2)]);
    files.parquet("t/2024/b.parquet", &[people(2..4)]);
    files.parquet("t/_temporary/c.parquet", &[people(4..6)]);
    files.write("t/_SUCCESS", "");
    files.write("t/.a.parquet.crc", "x");
    files.write("t/README.md", "x");
    let mut ids = integers(&files.rows("SELECT id FROM t").await.1, "id");
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2, 3]);
}

#[tokio::test]
async fn patterns_choose() {
    let mut files = Fixture::new();
    for (n, name) in ["t/2023/a.parquet", "t/2024/a.parquet", "t/2024/b.parquet", "t/2024/deep/a.parquet"]
        .iter()
        .enumerate()
    {
        let n = i64::try_from(n).unwrap();
        files.parquet(name, &[people(n..n + 1)]);
    }
    for (pattern, expected) in [
        ("t/*/a.parquet", vec![0, 1]),
        ("t/2024/*.parquet", vec![1, 2]),
        ("t/**/a.parquet", vec![0, 1, 3]),
        ("t/**", vec![0, 1, 2, 3]),
        ("t/20{23,24}/[ab].parquet", vec![0, 1, 2]),
        ("t/?023/a.parquet", vec![0]),
    ] {
        files.declare("t", pattern, None);
        let mut ids = integers(&files.rows("SELECT id FROM t").await.1, "id");
        ids.sort_unstable();
        assert_eq!(ids, expected, "{pattern}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let mut files = Fixture::new();
    std::fs::create_dir(files.path("empty")).unwrap();
    for (name, location) in [("file", "no/such.parquet"), ("pattern", "empty/*.parquet"), ("folder", "empty")]
    {
        files.declare(name, location, None);
    }
    insta::assert_snapshot!(files.refusal("SELECT * FROM file").await, @"Missing: table file: there is no file, and no folder with files, at no/such.parquet");
    insta::assert_snapshot!(files.refusal("SELECT * FROM pattern").await, @"Missing: table pattern: no file matches empty/*.parquet");
    insta::assert_snapshot!(files.refusal("SELECT * FROM folder").await, @"Missing: table folder: there is no file, and no folder with files, at empty");
}

#[tokio::test]
async fn files_that_do_not_go_together_are_named() {
    let mut files = Fixture::new();
    files.write("kinds/a.csv", "id\n1\n");
    files.write("kinds/b.csv.gz", "id\n1\n");
    files.write("headers/a.csv", "id,name\n1,x\n");
    files.write("headers/b.csv", "name,id\nx,1\n");
    files.write("ending/a.txt", "id\n1\n");
    files.write("notes/README.md", "x");
    files.write("torn/a.parquet", "");
    files.write("delta/_delta_log/0.json", "{}");
    files.parquet("delta/a.parquet", &[people(0..1)]);
    files.write("iceberg/metadata/v1.metadata.json", "{}");
    files.parquet("iceberg/data/a.parquet", &[people(0..1)]);
    for name in ["kinds", "headers", "notes", "torn", "delta", "iceberg"] {
        files.declare(name, name, None);
    }
    files.declare("ending", "ending/a.txt", None);
    insta::assert_snapshot!(files.refusal("SELECT * FROM kinds").await, @"Data: table kinds: its files are of different kinds: kinds/a.csv is CSV, kinds/b.csv.gz is CSV in gzip; declare one table for each kind, with a pattern");
    insta::assert_snapshot!(files.refusal("SELECT * FROM headers").await, @"Data: table headers: the header of headers/b.csv (name, id) is not that of headers/a.csv (id, name); columns of CSV are found by their position");
    insta::assert_snapshot!(files.refusal("SELECT * FROM ending").await, @"Data: table ending: the ending of ending/a.txt tells no format that is known (.parquet, .csv, .json, .jsonl, .ndjson; CSV and JSON also with .gz or .zst); declare it with `format:`");
    insta::assert_snapshot!(files.refusal("SELECT * FROM notes").await, @"Data: table notes: the folder has no Parquet, CSV or JSON file, only notes/README.md and the like; declare the format with `format:`");
    insta::assert_snapshot!(files.refusal("SELECT * FROM torn").await, @"Data: table torn: torn/a.parquet is empty: its writer may have died");
    insta::assert_snapshot!(files.refusal("SELECT * FROM delta").await, @"Data: table delta: delta is managed by Delta Lake; read file by file it would show rows that were deleted or replaced. Export it as plain Parquet, or name its live files with a pattern");
    insta::assert_snapshot!(files.refusal("SELECT * FROM iceberg").await, @"Data: table iceberg: iceberg is managed by Iceberg; read file by file it would show rows that were deleted or replaced. Export it as plain Parquet, or name its live files with a pattern");
}

#[tokio::test]
async fn a_declared_format_counts_more_than_the_ending() {
    let mut files = Fixture::new();
    files.write("t/part-0", "id\n1\n");
    files.write("t/part-1", "id\n2\n");
    files.declare("t", "t", Some(FileFormat::Csv));
    assert_eq!(integers(&files.rows("SELECT id FROM t").await.1, "id"), [1, 2]);
}

#[tokio::test]
async fn a_file_that_comes_later_is_seen_by_the_next_query() {
    let files = Fixture::new().table("t", "t");
    files.parquet("t/a.parquet", &[people(0..1)]);
    let source = files.source();
    let count = || async {
        use {futures::StreamExt, hydrant::source::Source};
        let rows = source.open(&crate::fixture::model("SELECT id FROM t")).await.unwrap();
        rows.batches.fold(0, |sum, batch| async move { sum + batch.unwrap().num_rows() }).await
    };
    assert_eq!(count().await, 1);
    files.parquet("t/b.parquet", &[people(1..2)]);
    files.parquet("t/a.parquet", &[people(0..5)]);
    assert_eq!(count().await, 6);
}

#[tokio::test]
async fn parquet_files_may_lack_a_column() {
    let files = Fixture::new().table("t", "t");
    files.parquet("t/a.parquet", &[people(0..1).project(&[0]).unwrap()]);
    files.parquet("t/b.parquet", &[people(1..2)]);
    insta::assert_snapshot!(files.show("SELECT * FROM t").await, @r#"
        +----+--------+
        | id | name   |
        +----+--------+
        | 0  |        |
        | 1  | name 1 |
        +----+--------+
        "#);
}

#[tokio::test]
async fn only_the_tables_that_a_query_reads_are_looked_for() {
    let files = Fixture::new().table("t", "t.parquet").table("gone", "gone.parquet");
    files.parquet("t.parquet", &[people(0..1)]);
    let sql = "WITH gone AS (SELECT id FROM t) SELECT id FROM gone UNION ALL SELECT value FROM generate_series(7, 8)";
    assert_eq!(integers(&files.rows(sql).await.1, "id"), [0, 7, 8]);
}
