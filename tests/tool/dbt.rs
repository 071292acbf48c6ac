//! Models of dbt: looked up in what dbt writes, run when dbt has built and tested them, told to dbt as exposures.

mod project;
mod real;

use crate::harness::Project;
use project::{configuration, manifest, results};

/// Four syncs over files whose models are of dbt, and one whose model is not.
fn files() -> Project {
    let project = Project::sqlite();
    project.write("items.csv", "id,name\n1,one\n2,two\n");
    std::fs::create_dir_all(project.path("analytics/target")).unwrap();
    let source = "{ type: files, tables: { items: items.csv } }";
    let models = [
        ("good", "ref('good')"),
        ("failed", "ref('failed')"),
        ("untested", "ref('untested')"),
        ("elsewhere", "ref('elsewhere')"),
        ("landed", "source('raw', 'landed')"),
        ("plain", "items"),
    ];
    project
        .write("hydrant.yml", &configuration(source, &project.environment["TARGET"], "analytics", &models));
    project
        .write("analytics/target/manifest.json", &manifest(1, &["good", "failed", "untested", "elsewhere"]));
    project
}

/// What became of each sync, and why.
fn outcomes(document: &serde_json::Value) -> Vec<(String, String)> {
    let outcome = |sync: &serde_json::Value| {
        let told = ["skipped", "refused", "passed_over"]
            .iter()
            .find_map(|word| Some(format!("{word}: {}", sync.get(word)?.as_str()?)));
        let ran = || if sync["error"].is_null() { "published" } else { "failed" }.to_owned();
        (sync["sync"].as_str().unwrap().to_owned(), told.unwrap_or_else(ran))
    };
    let mut outcomes: Vec<_> = document["syncs"].as_array().unwrap().iter().map(outcome).collect();
    outcomes.sort();
    outcomes
}

fn expected(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes.iter().map(|(sync, outcome)| ((*sync).to_owned(), (*outcome).to_owned())).collect()
}

const UNTESTED: &str = "its test test_untested was not run";
const FAILED: &str = "its test test_failed failed: Got 2 results";
const NOT_PART: &str = "it was not part of that `dbt build`";
const NOT_BUILT: &str = "it is a table of a source, which dbt does not build";
const NOT_DBT: &str = "its model is none of dbt's";

#[test]
fn only_what_dbt_has_built_and_tested_is_run_and_the_rest_is_refused_by_name() {
    let project = files();
    let built = results(
        1,
        "build",
        &[
            ("model.shop.good", "success"),
            ("test.shop.test_good", "warn"),
            ("model.shop.failed", "success"),
            ("test.shop.test_failed", "fail"),
            ("model.shop.untested", "success"),
        ],
    );
    project.write("analytics/target/run_results.json", &built);
    let after = |more: &[&str]| {
        let ran = project.run(
            &[&["run", "--output", "json", "--after-dbt", "analytics/target/run_results.json"], more]
                .concat(),
        );
        (ran.code, outcomes(&ran.json()))
    };
    let word = |word: &str, reason: &str| format!("{word}: {reason}");
    let (refused, passed_over) = (|why| word("refused", why), |why| word("passed_over", why));

    // dbt chooses.
    let (code, outcome) = after(&[]);
    let by_dbt = [
        ("elsewhere", &*passed_over(NOT_PART)),
        ("failed", &*refused(FAILED)),
        ("good", "published"),
        ("landed", &*passed_over(NOT_BUILT)),
        ("plain", &*passed_over(NOT_DBT)),
        ("untested", &*refused(UNTESTED)),
    ];
    assert_eq!((code, outcome), (8, expected(&by_dbt)));
    assert_eq!(project.query("SELECT id, name FROM good ORDER BY id"), ["1|one", "2|two"]);
    let tables =
        project.query("SELECT name FROM sqlite_master WHERE name IN ('failed', 'untested', 'elsewhere')");
    assert!(tables.is_empty(), "{tables:?}");

    // All of dbt's are asked for.
    let (code, outcome) = after(&["--all"]);
    let mut all = by_dbt;
    let not_part = refused(NOT_PART);
    all[0].1 = &not_part;
    assert_eq!((code, outcome), (8, expected(&all)));

    // By name.
    assert_eq!(after(&["good"]), (0, expected(&[("good", "published")])));
    assert_eq!(after(&["plain", "good"]).1[1], ("plain".to_owned(), refused(NOT_DBT)));
    assert_eq!(after(&["landed"]), (8, expected(&[("landed", &refused(NOT_BUILT))])));
    assert_eq!(
        after(&["good", "untested", "--allow-untested"]),
        (0, expected(&[("good", "published"), ("untested", "published")]))
    );

    let told = project.run(&["run", "--after-dbt", "analytics/target/run_results.json"]);
    assert_eq!(told.code, 8);
    for line in [
        "failed: refused, dbt: its test test_failed failed: Got 2 results",
        "plain: not asked for, dbt: its model is none of dbt's",
        "1 of 3 syncs published",
    ] {
        assert!(told.stdout.contains(line), "{line}\n{}", told.all());
    }
}

#[test]
fn a_sync_does_not_run_after_one_that_was_refused() {
    let project = files();
    let text = std::fs::read_to_string(project.path("hydrant.yml")).unwrap();
    let after = text.replace("    model: ref('good')\n", "    model: ref('good')\n    after: failed\n");
    assert_ne!(text, after);
    project.write("hydrant.yml", &after);
    let built = [
        ("model.shop.good", "success"),
        ("test.shop.test_good", "pass"),
        ("model.shop.failed", "error"),
        ("test.shop.test_failed", "skipped"),
    ];
    project.write("results.json", &results(1, "build", &built));
    let ran = project.run(&["run", "--output", "json", "--after-dbt", "results.json", "good", "failed"]);
    assert_eq!(ran.code, 8, "{}", ran.all());
    let refused = "refused: it failed: Got 2 results";
    let skipped = "skipped: failed was refused";
    assert_eq!(outcomes(&ran.json()), expected(&[("failed", refused), ("good", skipped)]));
}

#[test]
fn files_of_dbt_that_cannot_be_relied_on_stop_the_command() {
    let project = files();
    let told = |results: &str, text: Option<&str>| {
        if let Some(text) = text {
            project.write(results, text);
        }
        let ran = project.run(&["run", "--after-dbt", results]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        ran.stderr
    };
    let newer = results(2, "build", &[("model.shop.good", "success")]);
    let said = told("newer.json", Some(&newer));
    assert!(said.contains("another invocation than the results, and older"), "{said}");
    assert!(said.contains("`dbt.target_path`"), "{said}");
    assert!(told("nowhere.json", None).contains("there is no file of results of dbt: nowhere.json"));
    assert!(told("cut.json", Some(&newer[..200])).contains("ends too early: cut.json"));
    assert!(told("analytics/target/manifest.json", None).contains("this is no file of results of dbt"));
    assert!(project.query("SELECT name FROM sqlite_master").is_empty());

    let plain = Project::sqlite();
    plain.write("items.csv", "id\n1\n");
    let ran = plain.run(&["run", "--after-dbt", "run_results.json"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert!(ran.stderr.contains("the configuration has none"), "{}", ran.all());
    assert_eq!(plain.run(&["run", "--allow-untested"]).code, 64);
}

#[test]
fn check_and_plan_say_which_relation_a_model_of_dbt_is() {
    let project = files();
    let check = project.ok(&["check", "good", "plain", "--output", "json"]).json();
    assert_eq!(
        check["syncs"][0]["dbt"],
        serde_json::json!({
            "reference": "ref('good')", "unique_id": "model.shop.good", "kind": "model", "relation": "\"items\"",
            "file": "models/good.sql",
        })
    );
    assert!(check["syncs"][1].get("dbt").is_none());
    let text = project.ok(&["check", "good"]).stdout;
    assert!(text.contains("ref('good') is \"items\" (dbt: model.shop.good)"), "{text}");
    let plan = project.ok(&["plan", "good", "--output", "json"]).json();
    assert_eq!(plan["syncs"][0]["dbt"]["relation"], "\"items\"");
    let text = project.ok(&["plan", "good"]).stdout;
    assert!(text.contains("ref('good') is \"items\""), "{text}");
}

#[test]
fn exposures_want_an_owner_and_leave_files_of_others_alone() {
    let project = files();
    let ran = project.run(&["dbt", "exposures"]);
    assert_eq!(ran.code, 9, "{}", ran.all());
    let syncs = "these syncs have none: elsewhere, failed, good, landed, untested";
    assert!(ran.stderr.contains(syncs) && ran.stderr.contains("dbt: { exposures: { owner"), "{}", ran.all());

    let text = std::fs::read_to_string(project.path("hydrant.yml")).unwrap();
    let owned = text.replace(
        "{ project: analytics }",
        "{ project: analytics, exposures: { owner: { email: data@shop.example } } }",
    );
    assert_ne!(text, owned);
    project.write("hydrant.yml", &owned);
    let printed = project.ok(&["dbt", "exposures"]).stdout;
    assert!(printed.starts_with("# Written by `hydrant dbt exposures`"), "{printed}");
    assert!(printed.contains("- ref('good')") && printed.contains("- source('raw', 'landed')"), "{printed}");
    let json = project.ok(&["dbt", "exposures", "--output", "json"]).json();
    let names: Vec<&str> =
        json["exposures"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["elsewhere", "failed", "good", "landed", "untested"]);

    let file = "analytics/exposures.yml";
    assert!(
        project
            .ok(&["dbt", "exposures", "--write", file])
            .stdout
            .contains("wrote analytics/exposures.yml: 5")
    );
    assert_eq!(std::fs::read_to_string(project.path(file)).unwrap(), printed);
    assert!(
        project
            .ok(&["dbt", "exposures", "--write", file])
            .stdout
            .contains("has the same 5 exposures already")
    );
    project.write(file, "models: []\n");
    let ran = project.run(&["dbt", "exposures", "--write", file]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert!(ran.stderr.contains("was not written by hydrant"), "{}", ran.all());
    assert_eq!(std::fs::read_to_string(project.path(file)).unwrap(), "models: []\n");
    assert_eq!(project.run(&["dbt", "exposures", "--write", "no/such/folder.yml"]).code, 10);
}
