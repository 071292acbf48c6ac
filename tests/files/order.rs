//! Rows of a plain query arrive in the order of the files: a first load in key order keeps the target's index dense.

use crate::fixture::{Fixture, integers, people, write_large_parquet};

fn ten_files() -> Fixture {
    let files = Fixture::new().table("t", "t/*.parquet");
    for part in 0..10 {
        files.parquet(&format!("t/part-{part:02}.parquet"), &[people(part * 20_000..(part + 1) * 20_000)]);
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_one_after_the_other() {
    let files = ten_files();
    let ids = integers(&files.rows("SELECT id, name FROM t").await.1, "id");
    assert!(ids.iter().copied().eq(0..200_000));
    let filtered = integers(&files.rows("SELECT id FROM t WHERE id % 3 = 0 AND name <> 'x'").await.1, "id");
    assert!(filtered.iter().copied().eq((0..200_000).step_by(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_file_is_read_from_its_first_row_to_its_last() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 400_000, 20_000);
    let ids = integers(&files.rows("SELECT id, name FROM t").await.1, "id");
    assert!(ids.iter().copied().eq(0..400_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_keeps_the_order_of_the_table_that_is_streamed() {
    let mut files = ten_files();
    files.write(
        "plans.csv",
        (0..100).fold("kind,plan\n".to_owned(), |text, kind| format!("{text}{kind},plan {kind}\n")),
    );
    files.declare("plans", "plans.csv", None);
    let sql = "SELECT t.id, plans.plan FROM t JOIN plans ON plans.kind = t.id % 100";
    assert!(integers(&files.rows(sql).await.1, "id").iter().copied().eq(0..200_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_and_json_keep_their_order_too() {
    let mut files = Fixture::new();
    for part in 0..4 {
        let ids = part * 30_000..(part + 1) * 30_000;
        files.write(
            &format!("c/{part}.csv"),
            ids.clone().fold("id\n".to_owned(), |text, id| format!("{text}{id}\n")),
        );
        files
            .write(&format!("j/{part}.json"), ids.map(|id| format!("{{\"id\":{id}}}\n")).collect::<String>());
    }
    files.declare("c", "c", None);
    files.declare("j", "j", None);
    for table in ["c", "j"] {
        let ids = integers(&files.rows(&format!("SELECT id FROM {table}")).await.1, "id");
        assert!(ids.iter().copied().eq(0..120_000), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_query_asks_for_is_had() {
    let files = ten_files();
    let ids = integers(&files.rows("SELECT id FROM t ORDER BY id DESC").await.1, "id");
    assert!(ids.iter().copied().eq((0..200_000).rev()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_over_many_partitions_counts_every_row() {
    let files = ten_files();
    let sql = "SELECT id % 7 AS k, COUNT(*) AS n, SUM(id) AS total FROM t GROUP BY id % 7 ORDER BY k";
    let batches = files.rows(sql).await.1;
    assert_eq!(integers(&batches, "n").iter().sum::<i64>(), 200_000);
    assert_eq!(integers(&batches, "total").iter().sum::<i64>(), (0..200_000).sum::<i64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_union_come_one_after_the_other() {
    let files = ten_files();
    let part = |from: i64| format!("SELECT id FROM t WHERE id >= {from} AND id < {}", from + 50_000);
    let sql = [0, 50_000, 100_000, 150_000].map(part).join(" UNION ALL ");
    assert!(integers(&files.rows(&sql).await.1, "id").iter().copied().eq(0..200_000));
}
