//! Types that only warehouses have, from the warehouse's own driver to the column of the table.

use crate::harness::{Database, Project, Ran, everywhere, required};

/// One sync from this source, whose model is this query with the key `id`.
fn project(project: fn() -> Project, source: &str, sql: &str, settings: &str) -> Project {
    let project = project();
    project.syncs("", "");
    let config = project
        .read("hydrant.yml")
        .replace("lake: { type: files, tables: {  } }", &format!("warehouse: {source}"));
    project.write(
        "hydrant.yml",
        &format!("{config}  items: {{ source: warehouse, model: items.sql, key: id, target: app, table: items{settings} }}\n"),
    );
    project.model(sql);
    project
}

fn library(name: &str) -> String {
    format!("{}/lib{name}.so", required("HYDRANT_TEST_ADBC"))
}

fn duckdb() -> String {
    format!("{{ type: duckdb, driver: {} }}", library("duckdb"))
}

fn report(ran: &Ran) -> serde_json::Value {
    ran.json()["syncs"][0].take()
}

/// Contract: C6
#[test]
fn what_duckdb_has_of_its_own_is_exact_in_the_table() {
    everywhere(|target| {
        let project = project(
            target,
            &duckdb(),
            "SELECT 1 AS id, false AS flag, sum(x) AS total, -99999999999999999999999999999999999999::hugeint AS least,
                    '340282366920938463463374607431768211455'::uhugeint AS most, 'b'::ENUM ('a', 'b') AS word,
                    '550e8400-e29b-41d4-a716-446655440000'::uuid AS name, timestamptz '2020-01-01 00:00:00+02' AS at,
                    timestamp_ns '2020-01-01 00:00:00.123456000' AS wall, [1::hugeint, NULL] AS list,
                    '{\"a\": [1]}'::json AS document
             FROM range(3) t(x)",
            "",
        );
        project.ok(&["check"]);
        project.ok(&["run"]);
        let found =
            project.query("SELECT flag, total, least, most, word, name, list, document FROM items").remove(0);
        let (flag, list) = match project.database {
            Database::Postgres { .. } => ("f", "{1,NULL}"),
            _ => ("0", "[1,null]"),
        };
        let expected = format!(
            "{flag}|3|-99999999999999999999999999999999999999|340282366920938463463374607431768211455|b|\
             550e8400-e29b-41d4-a716-446655440000|{list}|"
        );
        assert!(found.starts_with(&expected), "{found}\n{expected}");
        assert!(found.replace(' ', "").ends_with(r#"{"a":[1]}"#), "{found}");
        assert_eq!(
            project.query("SELECT count(*) FROM items WHERE wall > '2020-01-01' AND at < '2020-01-01'"),
            ["1"]
        );
        assert_eq!(report(&project.ok(&["run", "--output", "json"]))["unchanged"], 1);
    });
}

/// A number that is too large is rounded, or fails everything (airbyte#37310, #66984).
///
/// Contract: C6, C17
#[test]
fn pain_14_a_number_of_39_digits_rejects_its_row_alone_and_none_is_rounded() {
    everywhere(|target| {
        let sql = "SELECT * FROM (VALUES (1, 7::hugeint), (2, '-170141183460469231731687303715884105728'::hugeint)) t(id, n)";
        let project = project(target, &duckdb(), sql, "");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.all().contains("more than 38 digits"), "{}", ran.all());
        assert_eq!(project.query("SELECT id, n FROM items"), ["1|7"]);
    });
}

/// Timestamps shift by the zone, or differ between the first and later runs (conduit-connector-postgres#302, airbyte#43327).
///
/// Contract: C6
#[test]
fn pain_15_the_zone_of_the_session_moves_no_time_and_changes_no_row() {
    everywhere(|target| {
        let of = |zone: &str| duckdb().replace(" }", &format!(", settings: {{ TimeZone: {zone} }} }}"));
        let sql = "SELECT 1 AS id, timestamptz '2024-06-30 23:59:59.999999+00' AS at, timestamp '2024-03-31 02:30:00' AS wall,
                   timestamp_s '1900-01-01 00:00:00' AS early, [timestamptz '2020-01-01 00:00:00+00'] AS list";
        let project = project(target, &of("UTC"), sql, "");
        project.ok(&["run"]);
        let found = || match project.database {
            Database::Postgres { .. } => project
                .query("SELECT at AT TIME ZONE 'UTC', wall, early, list[1] AT TIME ZONE 'UTC' FROM items"),
            _ => project.query("SELECT at, wall, early, list FROM items"),
        };
        let before = found().remove(0);
        for part in ["2024-06-30", "23:59:59.999999", "2024-03-31", "02:30:00", "1900-01-01", "2020-01-01"] {
            assert!(before.contains(part), "{part}: {before}");
        }
        let config = project.read("hydrant.yml");
        for zone in ["Asia/Tokyo", "America/St_Johns", "Europe/Berlin"] {
            project.write("hydrant.yml", &config.replace("TimeZone: UTC", &format!("TimeZone: {zone}")));
            let report = report(&project.ok(&["run", "--output", "json"]));
            assert_eq!(
                (&report["unchanged"], &report["findings"]),
                (&1.into(), &serde_json::json!([])),
                "{zone}"
            );
        }
        assert_eq!(found(), [before]);
    });
}

#[test]
fn a_type_without_a_home_is_refused_with_the_cast_unless_nobody_wants_it() {
    for (value, named) in [
        ("'12:00:00+02'::timetz", "time_tz of DuckDB"),
        ("'101'::bit", "bit of DuckDB"),
        ("1::bignum", "bignum of DuckDB"),
        ("interval '1 month'", "Interval(MonthDayNano)"),
        ("[interval '1 month']", "odd.item"),
        ("union_value(num := 2)", "Union"),
    ] {
        let sql = format!("SELECT 1 AS id, {value} AS odd");
        let refused = project(Project::sqlite, &duckdb(), &sql, "");
        let ran = refused.run(&["check"]);
        assert_eq!(ran.code, 9, "{value}: {}", ran.all());
        assert!(ran.all().contains("\"odd") && ran.all().contains(named), "{value}: {}", ran.all());
        let left_out = project(Project::sqlite, &duckdb(), &sql, ", columns: [id]");
        left_out.ok(&["run"]);
        assert_eq!(left_out.query("SELECT * FROM items"), ["1"]);
        let sql = format!("SELECT 1 AS id, CAST({value} AS VARCHAR) AS odd");
        project(Project::sqlite, &duckdb(), &sql, "").ok(&["run"]);
    }
}

/// What the driver of Postgres delivers as text is a number, of any scale.
///
/// Contract: C6, C17
#[test]
fn numerics_that_arrive_as_text_are_numbers() {
    everywhere(|target| {
        let source = format!(
            "{{ type: adbc, driver: {}, options: {{ uri: \"${{WAREHOUSE}}\" }} }}",
            library("adbc_driver_postgresql")
        );
        let sql = "SELECT * FROM (VALUES (1, 1.50::numeric), (2, 'NaN'), (3, -0.000000000000000000000000000001), (4, NULL),
                   (5, 12345678901234567890123456789012345678)) t(id, n)";
        let mut project = project(target, &source, sql, "");
        project.env("WAREHOUSE", &required("HYDRANT_TEST_POSTGRES"));
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.all().contains("no number (NaN or infinity)"), "{}", ran.all());
        let found = project.query("SELECT n FROM items ORDER BY id");
        let zeros = "0".repeat(38);
        assert_eq!(
            found,
            [
                format!("1.5{}", "0".repeat(37)),
                format!("-0.{}1{}", "0".repeat(29), "0".repeat(8)),
                String::new(),
                format!("12345678901234567890123456789012345678.{zeros}"),
            ]
        );
        for (value, mend) in [
            ("'12.34'::money", "NUMERIC(19, 2)"),
            ("7::oid", "CAST(x AS BIGINT)"),
            ("'::1'::inet", "CAST(x AS VARCHAR)"),
        ] {
            project.model(&format!("SELECT 1 AS id, {value} AS odd"));
            let ran = project.run(&["check"]);
            assert_eq!(ran.code, 9, "{value}: {}", ran.all());
            assert!(ran.all().contains(mend), "{value}: {}", ran.all());
        }
    });
}

#[test]
fn documents_of_snowflake_are_json() {
    let address = required("HYDRANT_TEST_SNOWFLAKE");
    let (host, port) = address.split_once(':').expect("host and port");
    let source = format!(
        "{{ type: snowflake, driver: {}, account: test, user: test, password: test, database: D, schema: S, \
         options: {{ adbc.snowflake.sql.uri.host: {host}, adbc.snowflake.sql.uri.port: \"{port}\", adbc.snowflake.sql.uri.protocol: http }} }}",
        library("adbc_driver_snowflake")
    );
    let sql = "SELECT 1 AS ID, parse_json('{\"a\": [1, null]}') AS V, object_construct('k', 'v') AS O";
    let project = project(Project::postgres, &source, sql, ", columns: { id: ID, v: V, o: O }");
    project.ok(&["check"]);
    project.ok(&["run"]);
    assert_eq!(project.query("SELECT v -> 'a' ->> 0, o ->> 'k' FROM items"), ["1|v"]);
}
