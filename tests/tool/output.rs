//! What is printed: stable for programs, pleasant for people.

use crate::harness::{Project, Ran};

fn two_days() -> Project {
    let project = Project::sqlite();
    project.items("id,name,score\n1,one,1\n2,two,2\n3,three,3\n");
    project.ok(&["run"]);
    project.items("id,name,score\n1,one,1\n2,zwei,20\n4,four,4\n");
    project
}

/// JSON with what changes from run to run replaced.
fn steady(ran: &Ran) -> String {
    let mut value = ran.json();
    mask(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    "as_of" | "published_at" | "at" | "since" | "expires" => *value = "TIME".into(),
                    "seconds" => *value = "SECONDS".into(),
                    _ => mask(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn run_as_json() {
    insta::assert_snapshot!(steady(&two_days().ok(&["run", "--output", "json"])));
}

#[test]
fn plan_as_json_and_it_changes_nothing() {
    let project = two_days();
    let before = project.query("SELECT * FROM items");
    insta::assert_snapshot!(steady(&project.ok(&["plan", "--output", "json"])));
    assert_eq!(project.query("SELECT * FROM items"), before);
    assert!(!project.path("store/items/manifests/00000002.sealed.json").exists());
    assert_eq!(project.run(&["plan", "--detailed-exitcode"]).code, 2);
    project.ok(&["run"]);
    assert_eq!(project.run(&["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn plan_as_text() {
    insta::assert_snapshot!(two_days().ok(&["plan"]).stdout);
}

#[test]
fn plan_of_a_first_run_shows_the_ddl() {
    let project = Project::sqlite();
    project.items("id,name\n1,one\n");
    insta::assert_snapshot!(project.ok(&["plan"]).stdout);
    assert!(!project.path("store").exists(), "a plan leaves nothing in the store");
}

#[test]
fn status_as_json() {
    insta::assert_snapshot!(steady(&two_days().ok(&["status", "--output", "json"])));
}

#[test]
fn status_tells_why_the_last_attempt_failed() {
    let project = two_days();
    project.model("SELECT nope FROM items");
    project.run(&["run"]);
    let status = project.ok(&["status"]);
    assert!(status.stdout.contains("run 2 failed") && status.stdout.contains("nope"), "{}", status.stdout);
}

#[test]
fn errors_as_json() {
    let project = Project::sqlite();
    project.items("id,name\n1,one\n");
    project.sync("key: [nope]");
    let ran = project.run(&["run", "--output", "json"]);
    assert_eq!(ran.code, 9);
    insta::assert_snapshot!(steady(&ran));
}

#[test]
fn check_as_json() {
    insta::assert_snapshot!(
        steady(&two_days().ok(&["check", "--output", "json"]))
            .replace(&two_days().path("").parent().unwrap().display().to_string(), "")
    );
}

#[test]
fn logs_are_plain_lines_where_there_is_no_terminal() {
    let ran = two_days().ok(&["run"]);
    assert!(ran.stderr.contains("INFO step sync=\"items\" step=export"), "{}", ran.stderr);
    assert!(!ran.all().contains('\u{1b}'), "no escape codes: {:?}", ran.all());
}

#[test]
fn logs_are_json_where_results_are() {
    let ran = two_days().ok(&["run", "--output", "json"]);
    for line in ran.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    assert!(ran.stderr.lines().count() > 3);
}

#[test]
fn what_init_writes_runs() {
    let project = Project::sqlite();
    let started = project.ok(&["init", "fresh"]);
    assert!(started.stdout.contains("fresh/hydrant.yml"), "{}", started.stdout);
    project.ok(&["--config", "fresh/hydrant.yml", "check"]);
    project.ok(&["--config", "fresh/hydrant.yml", "run"]);
    let again = project.run(&["init", "fresh"]);
    assert_eq!(again.code, 64);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}

#[test]
fn completions_and_schema_are_printed() {
    let project = Project::sqlite();
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.ok(&["completions", shell]).stdout.contains("hydrant"));
    }
    assert!(project.ok(&["schema"]).json()["properties"]["syncs"].is_object());
}
