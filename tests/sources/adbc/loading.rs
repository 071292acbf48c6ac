//! Drivers by path, by name and by manifest; and those that are not there, or are none.

use super::{
    fixture::{all, library, shown_rows, source},
    project::Project,
};
use crate::support::required;
use hydrant::source::{Source, SourceErrorKind as Kind};
use std::fs;

const SQL: &str = "select 1 as id";

fn manifest(driver: &str, entrypoint: &str) -> String {
    format!(
        "manifest_version = 1\nname = 'a driver'\nversion = '1.0.0'\n\n[Driver]\nentrypoint = '{entrypoint}'\n\
         shared = '{}'\n",
        library(driver)
    )
}

#[tokio::test]
async fn a_manifest_says_where_the_library_is_and_how_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("duck.toml");
    fs::write(&path, manifest("duckdb", "duckdb_adbc_init")).unwrap();
    let source = source(&format!("{{ type: adbc, driver: {}, dialect: duckdb }}", path.display()));
    assert_eq!(shown_rows(&all(&source, "select 42 as answer").await), ["42"]);
}

#[test]
fn a_name_is_looked_for_in_the_folders_that_the_environment_names() {
    let mut project = Project::new("{ type: adbc, driver: sqlite, options: { uri: \":memory:\" } }", SQL);
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    assert!(project.ok(&["check"]).contains("SQLite 3."));
    let mut project = Project::new("{ type: duckdb }", SQL);
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    assert!(project.ok(&["check"]).contains("DuckDB v1."));
}

#[test]
fn a_name_is_looked_for_among_the_users_manifests() {
    let mut project = Project::new("{ type: adbc, driver: quack }", SQL);
    let folder = project.path("config/adbc/drivers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("quack.toml"), manifest("duckdb", "duckdb_adbc_init")).unwrap();
    project.env("XDG_CONFIG_HOME", project.path("config").to_str().unwrap());
    assert!(project.ok(&["check"]).contains("DuckDB v1."));
}

#[test]
fn a_driver_that_is_not_found_is_told_with_what_was_looked_for_and_how_to_get_it() {
    for (block, name, mend) in [
        ("{ type: duckdb }", "duckdb", "`dbc install duckdb`"),
        ("{ type: snowflake, account: a, user: u, password: p }", "snowflake", "adbc-driver-snowflake"),
        ("{ type: bigquery, project: p }", "bigquery", "libadbc_driver_bigquery.so"),
        ("{ type: databricks, host: h, http_path: /p, token: t }", "databricks", "`dbc install databricks`"),
        ("{ type: redshift, database: d, workgroup: w }", "redshift", "`dbc install redshift`"),
        ("{ type: flightsql, url: \"grpc://h:1\" }", "flightsql", "conda (libadbc-driver-flightsql)"),
        ("{ type: adbc, driver: trino }", "trino", "`driver: /path/to/library.so`"),
    ] {
        let mut project = Project::new(block, SQL);
        let nowhere = project.path("nowhere");
        project.env("ADBC_DRIVER_PATH", nowhere.to_str().unwrap());
        project.env("XDG_CONFIG_HOME", nowhere.to_str().unwrap());
        let (code, said) = project.run(&["check"]);
        assert_ne!(code, 0, "{said}");
        for part in [
            &format!("the ADBC driver {name} was not found"),
            &format!("{name}.toml or lib{name}.so"),
            &format!("{} (ADBC_DRIVER_PATH)", nowhere.display()),
            &format!("{}/adbc/drivers (not there)", nowhere.display()),
            "/etc/adbc/drivers",
            mend,
        ] {
            assert!(said.contains(part), "{part}\nis not in\n{said}");
        }
    }
}

#[tokio::test]
async fn a_path_without_a_driver_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let about = async |name: &str, content: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let error =
            source(&format!("{{ type: duckdb, driver: {} }}", path.display())).about().await.unwrap_err();
        assert_eq!(error.kind, Kind::Missing, "{error}");
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
        error.message
    };
    assert!(about("nowhere.so", None).await.starts_with("there is no ADBC driver at "));
    assert!(
        about("text.so", Some(b"not a library, but long enough to have a header of sixty-four bytes"))
            .await
            .contains("is no shared library")
    );
    assert!(about("empty.so", Some(b"")).await.contains("is no shared library"));
    // The same library for the other processor of the two that everybody has.
    let mut header = fs::read(library("adbc_driver_sqlite")).unwrap();
    let machine = if cfg!(target_arch = "x86_64") { 183_u8 } else { 62 };
    header[18] = machine;
    let said = about("other.so", Some(&header)).await;
    assert!(said.contains("other.so"), "{said}");
    let said = about("broken.toml", Some(b"[Driver]\nname = 'no library'\n")).await;
    assert!(said.contains("missing Driver.shared"), "{said}");
}

#[tokio::test]
async fn a_wrong_entry_point_is_told() {
    let block = format!("{{ type: adbc, driver: {}, entrypoint: no_such_init }}", library("duckdb"));
    let error = source(&block).about().await.unwrap_err();
    assert_eq!(error.kind, Kind::Missing, "{error}");
    for part in
        ["has no ADBC driver in it, or another entry point", "no_such_init", "say which with `entrypoint`"]
    {
        assert!(error.message.contains(part), "{error}");
    }
}
