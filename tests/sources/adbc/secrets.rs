//! A secret that a driver was told is nowhere shown, whatever happens.

use super::{fixture::library, project::Project};
use crate::support::required;

const SECRET: &str = "QQ7hunter2";

#[test]
fn secrets_are_not_shown_by_anything() {
    let url = required("HYDRANT_TEST_POSTGRES").replace(":secret@", &format!(":{SECRET}@"));
    let snowflake = required("HYDRANT_TEST_SNOWFLAKE");
    let (host, port) = snowflake.split_once(':').unwrap();
    let blocks = [
        format!(
            "{{ type: adbc, driver: {}, options: {{ uri: \"${{URL}}\" }} }}",
            library("adbc_driver_postgresql")
        ),
        // DuckDB repeats what it does not know.
        format!(
            "{{ type: duckdb, driver: {}, settings: {{ threads: \"${{SECRET}}\" }} }}",
            library("duckdb")
        ),
        format!(
            "{{ type: duckdb, driver: {}, options: {{ memory_limit: \"${{SECRET}}\" }} }}",
            library("duckdb")
        ),
        format!(
            "{{ type: adbc, driver: {}, options: {{ password: {SECRET}, {SECRET}: x }} }}",
            library("duckdb")
        )
        .replace(&format!(", {SECRET}: x"), ", no_such: x"),
        format!(
            "{{ type: flightsql, driver: {}, url: \"grpc://127.0.0.1:1\", token: \"${{SECRET}}\", headers: {{ x-key: \"${{SECRET}}\" }} }}",
            library("adbc_driver_flightsql")
        ),
        format!(
            "{{ type: snowflake, driver: {}, account: a, user: u, password: \"${{SECRET}}\", options: {{ \
             adbc.snowflake.sql.uri.host: \"{host}\", adbc.snowflake.sql.uri.port: \"{port}\", \
             adbc.snowflake.sql.uri.protocol: http, no.such.option: \"${{SECRET}}\" }} }}",
            library("adbc_driver_snowflake")
        ),
    ];
    for block in blocks {
        let mut project = Project::new(&block, "select 1 as id");
        project.env("URL", &url);
        project.env("SECRET", SECRET);
        project.env("RUST_LOG", "trace");
        for arguments in [&["check"][..], &["run"], &["run", "--output", "json"], &["plan"]] {
            let (code, said) = project.run(arguments);
            assert_ne!(code, 0, "{block}: {said}");
            assert!(!said.contains(SECRET), "{block} {arguments:?} shows the secret:\n{said}");
        }
    }
}
