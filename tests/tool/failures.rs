//! Everything that can be wrong ends in a clear error, with nothing half-done.

use crate::harness::{Project, Ran, postgres_server, psql};
use std::fs;

/// The run fails with this code, says each of these, and leaves neither a manifest nor a table behind.
fn refused(project: &Project, code: i32, says: &[&str]) -> Ran {
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, code, "{}", ran.all());
    for part in says.iter().chain(&["what to do:"]) {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }
    assert!(!project.path("store/items/manifests").exists(), "nothing is sealed");
    ran
}

fn three() -> Project {
    let project = Project::sqlite();
    project.items("id,name\n1,one\n2,two\n3,three\n");
    project
}

/// A Postgres project whose URL is changed by `change`.
fn with_url(change: impl Fn(&str) -> String) -> Project {
    let mut project = Project::postgres();
    project.items("id,name\n1,one\n");
    let crate::harness::Database::Postgres { url } = &project.database else { unreachable!() };
    let url = change(url);
    project.env("APP", &url);
    project
}

#[test]
fn a_missing_file_is_named() {
    let project = three();
    fs::remove_file(project.path("items.csv")).expect("the file");
    refused(&project, 9, &["items.csv", "items"]);
}

#[test]
fn a_missing_model_is_named_with_its_place_in_the_configuration() {
    let project = three();
    fs::remove_file(project.path("items.sql")).expect("the file");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9);
    assert!(ran.stderr.contains("items.sql") && ran.stderr.contains("hydrant.yml"), "{}", ran.stderr);
}

#[test]
fn a_syntax_error_is_shown_with_its_place() {
    let project = three();
    project.model("SELECT id,\n  name\nFORM items");
    refused(&project, 9, &["items.sql", "3"]);
}

#[test]
fn an_unknown_column_is_shown_with_its_place() {
    let project = three();
    project.model("SELECT id,\n  nmae\nFROM items");
    refused(&project, 9, &["items.sql", "nmae"]);
}

#[test]
fn a_statement_that_is_not_a_query_is_refused() {
    let project = three();
    project.model("DROP TABLE items");
    refused(&project, 9, &["items.sql"]);
}

#[test]
fn a_key_that_the_query_does_not_return_is_named_with_what_it_returns() {
    let project = three();
    project.sync("key: [account]");
    refused(
        &project,
        9,
        &[r#"the key column "account" is not among the columns that the query returns: id, name"#],
    );
}

/// Contract: C8
#[test]
fn a_value_that_does_not_parse_fails_before_anything_is_written() {
    let project = three();
    project.items("id,name\n1,one\nnot a number,two\n");
    project.model("SELECT CAST(id AS BIGINT) AS id, name FROM items");
    refused(&project, 8, &["items.csv", "a text cannot be cast to Int64"]);
}

#[test]
fn a_wrong_password_is_denied_and_not_shown() {
    let project = with_url(|url| url.replace(":secret@", ":hunter2hunter2@"));
    let ran = refused(&project, 10, &["password", "postgres"]);
    assert!(!ran.all().contains("hunter2"), "{}", ran.all());
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let project = with_url(|url| format!("{}/nowhere", url.rsplit_once('/').expect("a URL").0));
    refused(&project, 9, &["nowhere"]);
}

#[test]
fn a_server_that_is_gone_is_named_with_its_address() {
    let project = with_url(|_| "postgres://postgres:secret@127.0.0.1:1/app".to_owned());
    refused(&project, 7, &["127.0.0.1:1"]);
}

#[test]
fn an_account_without_rights_is_told_what_it_lacks() {
    let role = format!("reader_{}", std::process::id());
    psql(&postgres_server(), &format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'"));
    let project = with_url(|url| url.replace("postgres:secret@", &format!("{role}:reader@")));
    refused(&project, 10, &["GRANT"]);
    assert_eq!(project.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'hydrant'"), ["0"]);
}

#[test]
fn a_sqlite_file_in_a_folder_that_is_not_there_is_named() {
    let project = three();
    let config = project.read("hydrant.yml").replace("app.db", "nowhere/app.db");
    project.write("hydrant.yml", &config);
    refused(&project, 9, &["nowhere"]);
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    let project = three();
    project.write("app.db", &"this is no database. ".repeat(100));
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("app.db"), "{}", ran.stderr);
    assert!(project.read("app.db").starts_with("this is no database. "), "it is left as it was");
}

#[test]
fn a_table_that_does_not_fit_is_reported_whole_with_the_mends() {
    let project = Project::postgres();
    project.items("id,name,score\n1,one,3\n");
    project.query("CREATE TABLE items (id text, own text)");
    let ran = refused(&project, 9, &["the table app:items does not fit", "ALTER TABLE", "UNIQUE"]);
    for column in ["id", "name", "score"] {
        assert!(ran.stderr.contains(&format!("column {column:?}")), "{column} is not in\n{}", ran.stderr);
    }
}

#[test]
fn one_failing_sync_does_not_stop_the_others() {
    let project = three();
    let config = project.read("hydrant.yml");
    let second = config.split_once("syncs:\n").expect("syncs").1.replace("  items:", "  zebra:");
    let second = second.replace("table: items", "table: zebra").replace("items.sql", "zebra.sql");
    project.write("hydrant.yml", &(config.replace("key: [id]", "key: [nope]") + &second));
    project.write("zebra.sql", "SELECT * FROM items");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 9);
    assert!(ran.stdout.contains("1 of 2 syncs published"), "{}", ran.stdout);
    assert_eq!(project.query("SELECT count(*) FROM zebra"), ["3"]);
}

#[test]
fn a_wrong_command_line_has_its_own_code() {
    let project = three();
    assert_eq!(project.run(&["run", "nope"]).code, 64);
    assert_eq!(project.run(&["frobnicate"]).code, 64);
    assert_eq!(project.run(&["run", "--approve", "deletes=many"]).code, 64);
    assert_eq!(project.run(&["--help"]).code, 0);
}

#[test]
fn a_store_that_cannot_be_reached_is_named() {
    let project = three();
    let store = "store: { url: \"s3://nowhere/x\", options: { endpoint: \"http://127.0.0.1:1\", region: r, access_key_id: a, secret_access_key: hunter2, allow_http: \"true\" } }";
    let config = project.read("hydrant.yml").replace("store: ./store", store);
    project.write("hydrant.yml", &config);
    let ran = refused(&project, 7, &["leases"]);
    assert!(!ran.all().contains("hunter2"), "{}", ran.all());
}
