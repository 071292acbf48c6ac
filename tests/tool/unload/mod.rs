//! Rows that DuckDB writes into the store itself, through the whole tool.

mod kill;
mod s3;

use crate::harness::{Project, required};
use std::fs;

/// Values of every type that files and streams agree on, and some rows of NULL.
const MANY_TYPES: &str = "
SELECT
    i AS id,
    CASE WHEN i % 3 > 0 THEN i % 2 = 0 END AS yes,
    (i % 100)::TINYINT AS t, (-i)::SMALLINT AS s, (i * 70000)::INTEGER AS n,
    (i % 200)::UTINYINT AS ut, (9223372036854775807 - i)::UBIGINT AS ul,
    i::HUGEINT * 1000000000000000000000 AS h,
    (i / 7)::FLOAT AS f, CASE WHEN i % 50 = 0 THEN 'inf'::DOUBLE WHEN i % 51 = 0 THEN '-inf'::DOUBLE ELSE i / 7 END AS d,
    (i / 100)::DECIMAL(4, 2) AS p4, (-i / 1000)::DECIMAL(18, 3) AS p18, i::DECIMAL(38, 10) AS p38,
    CASE WHEN i % 5 > 0 THEN 'name ' || i || ' ü' END AS text, encode('b' || i) AS bytes,
    DATE '1969-12-25' + i::INTEGER AS day, TIME '00:00:00' + INTERVAL (i) SECOND AS clock,
    TIMESTAMP '1899-12-31 23:59:59.999999' + INTERVAL (i) MINUTE AS at,
    (TIMESTAMP '2024-02-29 01:02:03' + INTERVAL (i) SECOND)::TIMESTAMP_S AS at_s,
    (TIMESTAMP '2024-02-29 01:02:03.123' + INTERVAL (i) SECOND)::TIMESTAMP_MS AS at_ms,
    (TIMESTAMP '2024-02-29 01:02:03.123456' + INTERVAL (i) SECOND)::TIMESTAMP_NS AS at_ns,
    (TIMESTAMP '2024-02-29 01:02:03.123456' + INTERVAL (i) HOUR) AT TIME ZONE 'UTC' AS instant,
    ('00000000-0000-0000-0000-' || lpad(i::VARCHAR, 12, '0'))::UUID AS uuid,
    ('{\"i\": ' || i || '}')::JSON AS json,
    (CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END)::ENUM ('odd', 'even') AS word,
    CASE WHEN i % 4 > 0 THEN [i, NULL, -i] END AS list, [true, i % 2 = 0] AS bools, [i / 2, 1]::FLOAT[2] AS vector,
    {'a': i, 'b': {'c': 'x' || i}} AS struct, MAP {'k' || i: i / 3} AS map,
    ['00000000-0000-0000-0000-000000000001'::UUID] AS uuids, [{'at': TIMESTAMP_S '2024-01-01 00:00:00'}] AS structs
FROM range(300) AS r(i)
ORDER BY id
";

/// DuckDB in memory, with these keys besides; models make their own rows.
fn duckdb(project: &Project, store: &str, keys: &str, sync: &str) {
    let driver = format!("{}/libduckdb.so", required("HYDRANT_TEST_ADBC"));
    let target = &project.environment["TARGET"];
    project.write(
        "hydrant.yml",
        &format!(
            "store: {store}\n\
             sources:\n  duck: {{ type: duckdb, driver: {driver:?}, {keys} }}\n\
             targets:\n  app: {target}\n\
             syncs:\n  items:\n    source: duck\n    model: items.sql\n    key: [id]\n    target: app\n    table: items\n    {sync}\n"
        ),
    );
}

/// Everything that is left in a folder of unloaded rows.
fn unloaded(project: &Project) -> Vec<String> {
    let runs = fs::read_dir(project.path("store/items/runs")).map(|runs| runs.map(|run| run.unwrap().path()));
    let folders = runs.into_iter().flatten().map(|run| run.join("unloaded"));
    folders.filter(|folder| folder.exists()).map(|folder| folder.display().to_string()).collect()
}

#[test]
fn rows_that_were_streamed_do_not_look_changed_when_they_are_unloaded() {
    let elsewhere = "settings: { TimeZone: Europe/Berlin }, ";
    for (project, keys, odd) in [(Project::sqlite(), "", "inf"), (Project::postgres(), elsewhere, "nan")] {
        // SQLite has no NaN.
        let model = MANY_TYPES.replace("'inf'", &format!("'{odd}'"));
        project.model(&model);
        duckdb(&project, "./store", keys, "");
        let streamed = project.report();
        assert_eq!((&streamed["inserts"], &streamed["unload"]), (&300.into(), &serde_json::Value::Null));
        duckdb(&project, "./store", &format!("{keys}unload: true"), "");
        let report = project.report();
        assert_eq!((&report["exported"], &report["unchanged"]), (&300.into(), &300.into()), "{report:#}");
        assert_eq!((&report["unload"]["way"], &report["unload"]["files"]), (&"unloaded".into(), &1.into()));
        assert!(report["unload"]["bytes"].as_u64().unwrap() > 1000, "{report:#}");
        assert_eq!(unloaded(&project), Vec::<String>::new());
        // And back, with a row more.
        project.model(&model.replace("range(300)", "range(301)"));
        let more = project.report();
        assert_eq!((&more["inserts"], &more["unchanged"]), (&1.into(), &300.into()), "{more:#}");
        duckdb(&project, "./store", keys, "");
        assert_eq!(project.report()["unchanged"], 301);
    }
}

#[test]
fn a_plan_shows_the_statement_and_writes_nothing() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "");
    project.model("SELECT range AS id, 'it''s' AS word FROM range(3) -- three");
    let plan = project.ok(&["plan"]);
    let statement = "would run in the source: COPY (\n  SELECT range AS id, 'it''s' AS word FROM range(3) -- three\n  ) TO '";
    assert!(plan.stdout.contains(statement), "{}", plan.stdout);
    assert!(plan.stdout.contains("3 rows: 3 to insert"), "{}", plan.stdout);
    let folder = project.path("store/items/runs/00000001/unloaded/rows.parquet");
    let json = project.run(&["plan", "--output", "json"]).json();
    let unload = &json["syncs"][0]["unload"];
    assert_eq!(unload["way"], "unloaded");
    assert!(
        unload["statement"].as_str().unwrap().contains(&format!("TO '{}'", folder.display())),
        "{unload}"
    );
    assert!(!project.path("store").exists(), "a plan leaves the store alone");
    let check = project.ok(&["check"]);
    assert!(check.stdout.contains("unload: the source writes the rows into the store"), "{}", check.stdout);
    assert_eq!(project.report()["inserts"], 3);
}

#[test]
fn what_cannot_be_unloaded_is_streamed_and_every_command_says_why() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "");
    project.model("SELECT 1 AS id, 'x' AS word, TIMETZ '12:00:00+02'::VARCHAR AS t, [170141183460469231731687303715884105727::HUGEINT] AS bits");
    let because = "because the column bits is of the type HUGEINT[], and DuckDB's Parquet files hold HUGEINT as 64-bit floats";
    assert!(project.run(&["check"]).all().contains(because), "{}", project.run(&["check"]).all());
    let plan = project.run(&["plan"]);
    assert!(
        plan.all().contains("unload: would be streamed") && plan.all().contains(because),
        "{}",
        plan.all()
    );
    let ran = project.run(&["run"]);
    assert!(ran.all().contains("items: unload: streamed") && ran.all().contains(because), "{}", ran.all());
    assert_eq!(unloaded(&project), Vec::<String>::new());
}

#[test]
fn the_order_of_a_model_is_kept_or_the_model_is_streamed() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "duplicate_keys: first");
    project.model("SELECT range % 1000 AS id, range AS place FROM range(200000) ORDER BY range DESC");
    let report = project.report();
    assert_eq!(
        (&report["inserts"], &report["unload"]["way"]),
        (&1000.into(), &"unloaded".into()),
        "{report:#}"
    );
    assert_eq!(project.query("SELECT min(place), max(place) FROM items"), ["199000|199999"]);
    // Around a sum, which is cast, there is no promise.
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "duplicate_keys: first");
    project.model("SELECT range % 1000 AS id, range AS place, range::HUGEINT AS total FROM range(2000) ORDER BY range DESC");
    let plan = project.run(&["plan", "--output", "json"]).json();
    let unload = &plan["syncs"][0]["unload"];
    assert_eq!(unload["way"], "streamed", "{plan:#}");
    assert!(unload["because"].as_str().unwrap().starts_with("duplicate_keys takes the first"), "{unload}");
}

#[test]
fn a_statement_that_fails_leaves_nothing_and_the_next_run_is_right() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "");
    project.model("SELECT range AS id, CAST(CASE WHEN range = 250000 THEN 'secret' ELSE '1' END AS INTEGER) AS n FROM range(300000)");
    let ran = project.run(&["run"]);
    assert_ne!(ran.code, 0);
    assert!(ran.all().contains("unloading into "), "{}", ran.all());
    assert!(!ran.all().contains("secret"), "{}", ran.all());
    assert!(!project.path("store/items/runs/00000001/unloaded/rows.parquet").exists());
    project.model("SELECT range AS id, 1 AS n FROM range(10)");
    assert_eq!(project.report()["inserts"], 10);
}

#[test]
fn an_empty_result_is_one() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "");
    project.model("SELECT range AS id FROM range(500)");
    assert_eq!(project.report()["inserts"], 500);
    project.model("SELECT range AS id FROM range(0)");
    let plan = project.run(&["plan", "--output", "json"]).json();
    assert_eq!(
        (&plan["syncs"][0]["exported"], &plan["syncs"][0]["unload"]["way"]),
        (&0.into(), &"unloaded".into())
    );
    let report = project.report();
    assert_eq!(report["exported"], 0, "{report:#}");
    assert_eq!(
        project.query("SELECT count(*) FROM items"),
        ["500"],
        "the guard holds what would empty the table"
    );
}

#[test]
fn an_incremental_run_streams_and_a_full_one_unloads() {
    let project = Project::sqlite();
    duckdb(&project, "./store", "unload: true", "cursor: { column: v, lookback: 0 }");
    project.write("rows.csv", "id,v\n1,10\n2,20\n");
    let model = format!("SELECT id, v FROM read_csv('{}')", project.path("rows.csv").display());
    project.model(&model);
    let full = project.report();
    assert_eq!((&full["inserts"], &full["unload"]["way"]), (&2.into(), &"unloaded".into()), "{full:#}");
    project.write("rows.csv", "id,v\n1,10\n2,30\n3,40\n");
    let part = project.report();
    assert_eq!((&part["inserts"], &part["updates"], &part["exported"]), (&1.into(), &1.into(), &3.into()));
    assert!(part["unload"].is_null(), "{part:#}");
    assert_eq!((&part["cursor"]["since"], &part["cursor"]["arrived"]), (&"20".into(), &2.into()), "{part:#}");
    assert_eq!(project.query("SELECT id, v FROM items ORDER BY id"), ["1|10", "2|30", "3|40"]);
    assert_eq!(unloaded(&project), Vec::<String>::new());
    let all = project.run(&["run", "--full", "--output", "json"]).json()["syncs"][0].clone();
    assert_eq!((&all["unchanged"], &all["unload"]["way"]), (&3.into(), &"unloaded".into()), "{all:#}");
}
