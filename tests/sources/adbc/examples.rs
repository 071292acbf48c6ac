//! The examples are taken, and those that have a server here are run.

use super::{
    fixture::{duckdb, library},
    project::Project,
};
use crate::support::required;
use hydrant::config::load;
use std::{env::VarError, fs, path::Path};

const ALL: [&str; 7] = ["adbc", "bigquery", "databricks", "duckdb", "flightsql", "redshift", "snowflake"];

fn example(name: &str) -> std::path::PathBuf {
    Path::new("examples").join(name)
}

/// A copy of an example in a folder of its own.
fn copied(name: &str) -> Project {
    let project = Project::empty();
    copy(&example(name), project.folder());
    project
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_example_is_a_configuration() {
    for name in ALL {
        let environment = |variable: &str| match variable {
            "SNOWFLAKE_PRIVATE_KEY" => Ok("-----BEGIN PRIVATE KEY-----\n…".to_owned()),
            "BIGQUERY_CREDENTIALS" => Ok("{ \"type\": \"service_account\" }".to_owned()),
            "FLIGHTSQL_URL" => Ok("grpc+tls://flight.example:443".to_owned()),
            name if name.contains(char::is_lowercase) => Err(VarError::NotPresent),
            _ => Ok("some-text".to_owned()),
        };
        let path = example(name).join("hydrant.yml");
        let config = load(&path, &environment).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.sources.len(), 1, "{name}");
        assert!(!config.syncs.is_empty(), "{name}");
    }
}

/// Two runs: the first writes rows, the second finds nothing to do.
fn twice(project: &Project, table: &str) {
    project.ok(&["check"]);
    let first = project.report();
    assert_eq!(first["updates"].as_u64(), Some(0), "{first}");
    let rows = first["inserts"].as_u64().unwrap_or_else(|| panic!("{first}"));
    assert!(rows > 0, "{first}");
    assert_eq!(project.query(&format!("select count(*) from {table}")), [rows.to_string()]);
    let second = project.report();
    assert_eq!((second["inserts"].as_u64(), second["unchanged"].as_u64()), (Some(0), Some(rows)), "{second}");
}

#[tokio::test]
async fn the_example_of_duckdb_runs() {
    let mut project = copied("duckdb");
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    let writer = duckdb(&format!(", path: {}, read_only: false", project.path("warehouse.duckdb").display()));
    for statement in fs::read_to_string(project.path("warehouse.sql"))
        .unwrap()
        .split(";\n")
        .filter(|sql| !sql.trim().is_empty())
    {
        writer.execute(statement).await.unwrap();
    }
    twice(&project, "customers");
}

#[test]
fn the_example_of_adbc_runs() {
    let mut project = copied("adbc");
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    project.env("WAREHOUSE_URL", &required("HYDRANT_TEST_POSTGRES"));
    twice(&project, "settings");
}

#[test]
fn the_example_of_flight_sql_runs() {
    let mut project = copied("flightsql");
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    project.env("FLIGHTSQL_URL", &format!("grpc://{}", required("HYDRANT_TEST_FLIGHTSQL")));
    project.env("FLIGHTSQL_TOKEN", "a token that the test server does not ask for");
    twice(&project, "customers");
}

#[test]
fn the_example_of_snowflake_runs() {
    let mut project = copied("snowflake");
    let server = required("HYDRANT_TEST_SNOWFLAKE");
    let (host, port) = server.split_once(':').unwrap();
    // The test server has an address of its own and knows no keys.
    let text = fs::read_to_string(project.path("hydrant.yml")).unwrap();
    let password = text.replace("private_key: \"${SNOWFLAKE_PRIVATE_KEY}\"", "password: secret");
    assert_ne!(text, password);
    let options = format!(
        "password: secret\n    driver: {}\n    options: {{ adbc.snowflake.sql.uri.host: \"{host}\", \
         adbc.snowflake.sql.uri.port: \"{port}\", adbc.snowflake.sql.uri.protocol: http }}",
        library("adbc_driver_snowflake")
    );
    project.write("hydrant.yml", &password.replace("password: secret", &options));
    project.env("SNOWFLAKE_ACCOUNT", "acme");
    project.env("SNOWFLAKE_USER", "hydrant");
    twice(&project, "customers");
}
