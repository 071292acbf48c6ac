//! With dbt itself, over DuckDB.

use super::{expected, outcomes, project::configuration};
use crate::harness::{Project, required};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// A project of dbt's in a folder `analytics`, and a configuration beside it.
struct Shop(Project);

impl Shop {
    fn new(models: &[(&str, &str)]) -> Self {
        let mut project = Project::sqlite();
        copy(Path::new("tests/tool/fixtures/dbt"), &project.path("analytics"));
        project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
        let source = "{ type: duckdb, path: analytics/warehouse.duckdb }";
        let text = configuration(source, &project.environment["TARGET"], "analytics", models);
        project.write("hydrant.yml", &text);
        Self(project)
    }

    fn dbt(&self, arguments: &[&str]) -> Output {
        dbt(&self.0.path("analytics"), arguments)
    }
}

/// dbt itself, which says on standard output what went wrong.
fn dbt(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(required("HYDRANT_TEST_DBT"));
    command.current_dir(folder).args(arguments).env("DBT_PROFILES_DIR", folder);
    command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").env("DBT_USE_COLORS", "false");
    command.output().unwrap()
}

fn ok(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            // What was made here by hand.
            true if ["target", "logs", ".hydrant"].iter().any(|made| entry.file_name() == *made) => {}
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn models_are_read_as_dbt_has_built_them_and_those_that_it_failed_at_are_refused() {
    let shop = Shop::new(&[
        ("customers", "ref('customers')"),
        ("of_package", "ref('other', 'customers')"),
        ("regions", "ref('regions')"),
        ("orders", "ref('orders', v=2)"),
        ("latest", "\"{{ ref('orders') }}\""),
        ("countries", "ref('countries')"),
        ("prices", "ref('prices')"),
        ("doubtful", "ref('doubtful')"),
        ("warned", "ref('warned')"),
        ("broken", "ref('broken')"),
        ("behind", "ref('behind')"),
        ("events", "source('raw', 'events')"),
    ]);
    let project = &shop.0;
    let built = shop.dbt(&["build", "--vars", "{doubtful_id: 2, broken: nosuch}"]);
    assert_eq!(built.status.code(), Some(1), "{}", String::from_utf8_lossy(&built.stdout));

    let ran = project.run(&["run", "--output", "json", "--after-dbt", "analytics/target/run_results.json"]);
    let passed = [
        ("behind", "refused: it was skipped, because something before it failed"),
        (
            "broken",
            "refused: it failed: Binder Error: Referenced column \"nosuch\" was not found because the FROM clause is missing",
        ),
        ("countries", "published"),
        ("customers", "published"),
        ("doubtful", "refused: its test doubtful_is_one failed: Got 1 result, configured to fail if != 0"),
        ("events", "passed_over: it is a table of a source, which dbt does not build"),
        ("latest", "published"),
        ("of_package", "published"),
        ("orders", "published"),
        ("prices", "published"),
        ("regions", "published"),
        ("warned", "published"),
    ];
    assert_eq!((outcomes(&ran.json()), ran.code), (expected(&passed), 8), "{}", ran.all());
    let rows = |sql: &str| project.query(sql);
    assert_eq!(
        rows("SELECT id, name, spent FROM customers ORDER BY id"),
        ["1|Ada|120", "2|Bo|80", "3|Cy|40"]
    );
    assert_eq!(rows("SELECT * FROM of_package"), ["1"]);
    assert_eq!(rows("SELECT id, version FROM orders"), ["2|two"]);
    assert_eq!(rows("SELECT id, version FROM latest"), ["1|one"]);
    assert_eq!(rows("SELECT id, name FROM countries ORDER BY id"), ["1|Austria", "2|Belgium"]);

    let check = project.ok(&["check", "customers", "--output", "json"]).json();
    assert_eq!(check["syncs"][0]["dbt"]["relation"], r#""warehouse"."main_marts"."Customers of 2026""#);
}

#[test]
fn a_model_that_is_built_and_tested_in_two_commands_needs_the_results_of_both() {
    let shop = Shop::new(&[("customers", "ref('customers')")]);
    let project = &shop.0;
    let after = |results: &[&str]| {
        let mut arguments = vec!["run", "customers", "--output", "json"];
        results.iter().for_each(|file| arguments.extend(["--after-dbt", file]));
        let ran = project.run(&arguments);
        (ran.code, outcomes(&ran.json()).remove(0).1)
    };
    let target = "analytics/target/run_results.json";
    let keep = |name: &str| fs::copy(project.path(target), project.path(name)).unwrap();
    ok(&shop.dbt(&["run", "--empty", "--select", "shop.customers"]));
    let (code, outcome) = after(&[target]);
    assert!(code == 8 && outcome.contains("it was built with `--empty`"), "{outcome}");

    ok(&shop.dbt(&["run", "--select", "shop.customers"]));
    let (code, outcome) = after(&[target]);
    let untested = "refused: its tests were not run: not_null_customers_id, unique_customers_id";
    assert_eq!((code, outcome.as_str()), (8, untested));
    keep("run.json");

    ok(&shop.dbt(&["test", "--select", "shop.customers"]));
    let (code, outcome) = after(&[target]);
    assert_eq!((code, outcome.as_str()), (8, "refused: it was not part of that `dbt test`"));
    assert_eq!(after(&[target, "run.json"]), (0, "published".to_owned()));
}

#[test]
fn dbt_takes_the_exposures_without_a_warning_and_finds_the_models_by_them() {
    let shop = Shop::new(&[
        ("app-customers", "ref('shop', 'customers')"),
        ("orders", "ref('orders', v=2)"),
        ("events", "source('raw', 'events')"),
        ("hidden", "ref('other', 'hidden')"),
        ("regions", "ref('regions')"),
    ]);
    let project = &shop.0;
    let text = fs::read_to_string(project.path("hydrant.yml")).unwrap();
    let exposures = "project: analytics\n  exposures: { owner: { name: \"Data: platform\" }, schedule: \"{{ hourly }}\" }";
    let text = text.replace("dbt: { project: analytics }", &format!("dbt:\n  {exposures}"));
    project.write("hydrant.yml", &text.replace("table: regions\n", "table: 'odd {% name'\n"));
    ok(&shop.dbt(&["parse"]));
    let ran = project.ok(&["dbt", "exposures", "--write", "analytics/models/hydrant.yml"]);
    assert!(ran.stdout.contains("4 exposures"), "{}", ran.all());
    assert!(ran.stderr.contains("hidden: left out, model.other.hidden is private"), "{}", ran.all());

    let said = ok(&shop.dbt(&["--warn-error", "parse", "--no-partial-parse", "--show-all-deprecations"]));
    assert!(!said.to_lowercase().contains("deprecat"), "{said}");
    let manifest = fs::read_to_string(project.path("analytics/target/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let exposure = |name: &str| manifest["exposures"][format!("exposure.shop.{name}")].clone();
    let customers = exposure("app_customers");
    assert_eq!(customers["depends_on"]["nodes"], serde_json::json!(["model.shop.customers"]));
    assert_eq!(
        (&customers["type"], &customers["owner"]["name"]),
        (&"application".into(), &"Data: platform".into())
    );
    assert_eq!(customers["label"], "app-customers → app:app-customers");
    assert_eq!(
        customers["meta"]["hydrant"],
        serde_json::json!({
            "sync": "app-customers", "target": "app", "database": "sqlite", "table": "app-customers", "mode": "mirror",
            "key": ["id"], "schedule": "{{ hourly }}",
        })
    );
    assert_eq!(exposure("orders")["depends_on"]["nodes"], serde_json::json!(["model.shop.orders.v2"]));
    assert_eq!(exposure("events")["depends_on"]["nodes"], serde_json::json!(["source.shop.raw.events"]));
    assert_eq!(exposure("regions")["meta"]["hydrant"]["table"], "odd {% name");
    let description = exposure("regions")["description"].as_str().unwrap().to_owned();
    assert!(
        description.contains("the table odd {% name of app") && description.contains("{{ hourly }}"),
        "{description}"
    );

    let found =
        ok(&shop.dbt(&["--quiet", "ls", "--resource-type", "model", "--select", "+exposure:app_customers"]));
    assert_eq!(found.lines().collect::<Vec<_>>(), ["shop.customers"]);
}

#[test]
fn the_example_runs_and_a_test_that_fails_holds_one_table_back() {
    let mut project = Project::sqlite();
    copy(Path::new("examples/dbt"), &project.path("example"));
    let folder = project.path("example");
    project.env("ADBC_DRIVER_PATH", &required("HYDRANT_TEST_ADBC"));
    let run = || {
        let ran = project.run(&[
            "--config",
            "example/hydrant.yml",
            "run",
            "--all",
            "--after-dbt",
            "example/target/run_results.json",
            "--output",
            "json",
        ]);
        (ran.code, ran.json()["syncs"].clone())
    };
    ok(&dbt(&folder, &["build"]));
    let (code, syncs) = run();
    assert_eq!(code, 0, "{syncs}");
    assert_eq!((&syncs[0]["inserts"], &syncs[1]["inserts"]), (&3.into(), &4.into()), "{syncs}");

    let seed = folder.join("seeds/raw_customers.csv");
    let more = fs::read_to_string(&seed).unwrap() + "4,Di again,DK\n";
    fs::write(&seed, more).unwrap();
    assert_eq!(dbt(&folder, &["build"]).status.code(), Some(1));
    let (code, syncs) = run();
    assert_eq!(code, 8, "{syncs}");
    assert_eq!(syncs[0]["sync"], "customers");
    assert!(
        syncs[0]["refused"].as_str().unwrap().contains("unique_export_customers_customer_id failed"),
        "{syncs}"
    );
    assert_eq!((&syncs[1]["sync"], &syncs[1]["inserts"]), (&"countries".into(), &1.into()), "{syncs}");
}
