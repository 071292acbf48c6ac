//! The example, as it stands in `examples/postgres`.

use super::{
    harness::{Ran, hydrant, psql},
    server::{address, database, url},
};
use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn the_example_runs_and_then_has_nothing_to_do() {
    let example = Path::new("examples/postgres");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    for file in ["hydrant.yml", "models/account_status.sql"] {
        fs::copy(example.join(file), folder.path().join(file)).unwrap();
    }
    let warehouse = url(&address(), &database(&fs::read_to_string(example.join("warehouse.sql")).unwrap()));
    let app = url(&address(), &database(""));
    let environment: BTreeMap<String, String> = [("WAREHOUSE_URL", &warehouse), ("APP_DATABASE_URL", &app)]
        .map(|(k, v)| (k.to_owned(), v.clone()))
        .into();
    let run = |arguments: &[&str]| {
        let ran = Ran::of(&hydrant(folder.path(), arguments, &environment).output().unwrap());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.all());
        ran
    };
    assert!(run(&["check"]).all().contains("PostgreSQL"));
    run(&["run", "--all"]);
    assert_eq!(
        psql(&app, "SELECT count(*), count(last_order_at), max(cardinality(products)) FROM account_status"),
        ["300|250|7"]
    );
    let dashboard = "SELECT plan, accounts, mrr FROM plan_dashboard ORDER BY plan";
    assert_eq!(psql(&app, dashboard), ["enterprise|100|9900.00", "free|100|0.00", "team|100|4950.00"]);
    let again = run(&["run", "--all", "--output", "json"]).json();
    for sync in again["syncs"].as_array().unwrap() {
        assert_eq!(
            (sync["inserts"].as_u64(), sync["updates"].as_u64(), sync["deletes"].as_u64()),
            (Some(0), Some(0), Some(0))
        );
    }
}
