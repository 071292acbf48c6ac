//! The whole tool with warehouses as sources.

use super::{
    fixture::{duckdb, library},
    project::Project,
};
use std::{
    process::Command,
    time::{Duration, Instant},
};

fn block(more: &str) -> String {
    format!("{{ type: duckdb, driver: {}{more} }}", library("duckdb"))
}

#[tokio::test]
async fn a_table_of_duckdb_is_kept_equal_while_it_changes() {
    let project =
        Project::new(&block(", path: shop.duckdb"), "select id, name, price from items order by id");
    let writer = duckdb(&format!(", path: {}, read_only: false", project.path("shop.duckdb").display()));
    writer
        .execute("create table items as select range as id, 'item ' || range as name, (range / 4)::decimal(10,2) as price from range(1000)")
        .await
        .unwrap();
    let counts = |report: &serde_json::Value| {
        ["inserts", "updates", "deletes", "unchanged"].map(|name| report[name].as_u64().unwrap())
    };
    let said = project.ok(&["check"]);
    for part in ["DuckDB v1.", "the file is opened for reading only", "price"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(counts(&project.report()), [1000, 0, 0, 0]);
    assert_eq!(counts(&project.report()), [0, 0, 0, 1000]);
    writer.execute("delete from items where id = 7").await.unwrap();
    writer.execute("update items set name = 'changed' where id = 8").await.unwrap();
    writer.execute("insert into items values (5000, 'new', 1.5)").await.unwrap();
    assert_eq!(counts(&project.report()), [1, 1, 1, 998]);
    assert_eq!(
        project.query("select * from items where id in (7, 8, 5000) order by id"),
        ["8|changed|2.00", "5000|new|1.50"]
    );
}

#[test]
fn an_error_in_a_model_is_shown_with_its_place_and_nothing_is_written() {
    let project = Project::new(&block(""), "select range as id,\n       nmae\nfrom range(3)");
    let (code, said) = project.run(&["run"]);
    assert_ne!(code, 0);
    assert!(said.contains("items.sql:2:8"), "{said}");
    assert!(said.contains("mend the query; nothing was written"), "{said}");
    assert_eq!(project.sealed(), 0);
}

#[test]
fn a_stop_does_not_wait_for_a_query_that_computes() {
    let endless = "select sum(a.range * b.range) as id from range(10000000) a, range(10000000) b";
    let project = Project::new(&block(", threads: 2"), endless);
    let run = project.start(&["run"]);
    std::thread::sleep(Duration::from_secs(3));
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Ended by itself, with the code for a stop.
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("stop"), "{said}");
    assert_eq!(project.sealed(), 0);
}
