//! A change set that looks like a mistake is told, held back or stopped, and goes when somebody approves it.

use crate::harness::{Project, Ran, everywhere};
use serde_json::{Value, json};
use std::{fmt::Write, ops::Range};

fn items(project: &Project, rows: u32) {
    let mut csv = String::from("id,name\n");
    for id in 0..rows {
        writeln!(csv, "{id},n{id}").expect("a string");
    }
    project.items(&csv);
}

/// Rows with these ids; the name is the same for each.
fn named(project: &Project, ids: Range<u32>, name: &str) {
    let mut csv = String::from("id,name\n");
    ids.for_each(|id| writeln!(csv, "{id},{name}").expect("a string"));
    project.items(&csv);
}

/// A sync that only this rule of the guard looks at.
fn only(project: &Project, rule: &str) {
    let mut guard = String::from("key: [id]\nguard:");
    for other in
        ["deletes", "changes", "shrink", "keys", "schema"].iter().filter(|name| !rule.starts_with(**name))
    {
        write!(guard, "\n  {other}: off").expect("a string");
    }
    project.sync(&format!("{guard}\n  {rule}"));
}

/// Runs and gives the report of the one sync.
fn report(project: &Project, arguments: &[&str], code: i32) -> Value {
    let ran = project.run(&[&["run", "--output", "json"], arguments].concat());
    assert_eq!(ran.code, code, "{}", ran.all());
    ran.json()["syncs"][0].take()
}

/// Rule, what was done, and what would approve it.
fn findings(report: &Value) -> Vec<(&str, &str, &str)> {
    let list = report["findings"].as_array().unwrap_or_else(|| panic!("no findings in {report}"));
    list.iter()
        .map(|finding| ["rule", "then", "approve"].map(|name| finding[name].as_str().expect("text")))
        .map(|[rule, then, approve]| (rule, then, approve))
        .collect()
}

fn numbers<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}")))
}

const WRITTEN: [&str; 3] = ["inserts", "updates", "deletes"];
const WITHHELD: [&str; 3] = ["inserts_withheld", "updates_withheld", "deletes_withheld"];

fn approved(approval: &str) -> Vec<&str> {
    vec!["items", "--approve", approval]
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.all().contains(text), "{text:?} is not in\n{}", ran.all());
}

fn count(project: &Project) -> String {
    project.query("SELECT count(*) FROM items").remove(0)
}

/// PAINS 19.
/// Contract: C4
#[test]
fn an_empty_export_deletes_nothing_and_says_so() {
    everywhere(|project| {
        let project = project();
        items(&project, 3);
        project.ok(&["run"]);
        project.items("id,name\n");
        project.model("SELECT CAST(id AS BIGINT) AS id, CAST(name AS VARCHAR) AS name FROM items");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 3, "{}", ran.all());
        assert!(
            ran.stdout.contains("the query returned no rows at all, 3 rows would be deleted"),
            "{}",
            ran.stdout
        );
        assert_eq!(count(&project), "3");
    });
}

/// Contract: C4, C23, C24
#[test]
fn withheld_deletes_stay_known_and_upserts_go_on_until_they_are_approved() {
    everywhere(|project| {
        let project = project();
        items(&project, 100);
        project.ok(&["run"]);
        items(&project, 80);
        let csv = project.read("items.csv").replace("5,n5\n", "5,changed\n") + "500,new\n";
        project.items(&csv);
        let plan = project.ok(&["plan", "--output", "json"]).json();
        let samples = plan["syncs"][0]["samples"].as_array().expect("samples").iter();
        let marks: Vec<_> = samples.map(|s| [&s["change"], &s["withheld"]].map(Value::to_string)).collect();
        let wanted = [["\"insert\"", "false"], ["\"update\"", "false"]].into_iter();
        assert_eq!(marks, wanted.chain([["\"delete\"", "true"]; 3]).collect::<Vec<_>>());
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 3);
        assert!(ran.stdout.contains("hydrant run items --approve deletes=20"), "{}", ran.stdout);
        assert_eq!(count(&project), "101");
        assert_eq!(project.query("SELECT name FROM items WHERE id = 5"), ["changed"]);

        assert_eq!(project.run(&["run"]).code, 3, "they are withheld again");
        assert_eq!(
            project.run(&["run", "items", "--approve", "deletes=19"]).code,
            3,
            "an approval is a ceiling"
        );
        project.ok(&["run", "items", "--approve", "deletes=20"]);
        assert_eq!(count(&project), "81");
        let report = project.report();
        assert_eq!((&report["unchanged"], &report["deletes"]), (&81.into(), &0.into()));
    });
}

#[test]
fn a_withheld_row_that_comes_back_is_unchanged() {
    let project = Project::sqlite();
    items(&project, 100);
    project.ok(&["run"]);
    items(&project, 50);
    assert_eq!(project.run(&["run"]).code, 3);
    items(&project, 100);
    let report = project.report();
    assert_eq!(
        (&report["unchanged"], &report["inserts"], &report["updates"]),
        (&100.into(), &0.into(), &0.into())
    );
}

#[test]
fn everyday_churn_passes() {
    let project = Project::sqlite();
    items(&project, 100);
    project.ok(&["run"]);
    items(&project, 90);
    project.ok(&["run"]);
    assert_eq!(count(&project), "90");
}

/// Contract: C23, C24
#[test]
fn withheld_updates_stay_known_and_the_rest_goes_until_they_are_approved() {
    everywhere(|project| {
        let project = project();
        only(&project, "changes: { rows: 5, percent: 10, then: withhold }");
        named(&project, 0..20, "old");
        project.ok(&["run"]);
        // One row leaves, one comes, and the others are all changed.
        named(&project, 1..21, "new");
        for _ in 0..2 {
            let report = report(&project, &[], 3);
            assert_eq!(findings(&report), [("changes", "withhold", "changes=19")]);
            assert_eq!(numbers(&report, WITHHELD), [0, 19, 0]);
            assert_eq!(
                project
                    .query("SELECT name, count(*), min(id), max(id) FROM items GROUP BY name ORDER BY name"),
                ["new|1|20|20", "old|19|1|19"],
                "inserts and deletes went"
            );
        }
        // What is as before again is unchanged; under the limit the rest goes by itself.
        let back = project.read("items.csv").replace(",new", ",old").replace("20,old", "20,new");
        project.items(&back.replace("\n1,old", "\n1,other"));
        let went = report(&project, &[], 0);
        assert_eq!((numbers(&went, WRITTEN), &went["unchanged"]), ([0, 1, 0], &json!(19)));
        named(&project, 1..21, "newer");
        assert_eq!(
            findings(&report(&project, &approved("changes=19"), 3)),
            [("changes", "withhold", "changes=20")]
        );
        let went = report(&project, &approved("changes=20"), 0);
        assert_eq!((numbers(&went, WRITTEN), findings(&went)), ([0, 20, 0], vec![]));
        assert_eq!(project.query("SELECT DISTINCT name FROM items"), ["newer"]);
    });
}

#[test]
fn a_warning_is_told_and_everything_goes() {
    let project = Project::sqlite();
    only(&project, "changes: { rows: 0, percent: 0 }");
    named(&project, 0..3, "old");
    project.ok(&["run"]);
    named(&project, 0..3, "new");
    let plan = project.ok(&["plan"]);
    says(&plan, "3 of 3 rows (100.0 %) would be updated, the guard lets pass 0 rows or 0 %");
    let ran = project.ok(&["run"]);
    says(&ran, "3 of 3 rows (100.0 %) would be updated, the guard lets pass 0 rows or 0 %");
    assert_eq!(project.query("SELECT DISTINCT name FROM items"), ["new"]);
    says(&project.ok(&["status"]), "3 of 3 rows");
    project.ok(&["run", "items", "--resend"]);
}

#[test]
fn sending_everything_again_needs_no_approval() {
    let project = Project::sqlite();
    only(&project, "changes: { rows: 0, percent: 0, then: stop }");
    named(&project, 0..3, "old");
    project.ok(&["run"]);
    project.query("UPDATE items SET name = 'by hand'");
    project.ok(&["run", "items", "--resend"]);
    assert_eq!(project.query("SELECT DISTINCT name FROM items"), ["old"]);
}

/// Contract: C24, C25
#[test]
fn a_stopped_run_writes_nothing_and_goes_when_approved() {
    everywhere(|project| {
        let project = project();
        only(&project, "rows: { at_least: 10, then: stop }");
        named(&project, 0..10, "old");
        project.ok(&["run"]);
        named(&project, 5..14, "new");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 11, "{}", ran.all());
        says(&ran, "the guard stopped the run: the query returned 9 rows, the guard wants 10 at least");
        says(&ran, "--approve rows=9");
        assert!(project.path("store/items/manifests/00000001.sealed.json").exists());
        assert!(
            !project.path("store/items/manifests/00000002.sealed.json").exists(),
            "stopped before the seal"
        );
        assert_eq!(project.query("SELECT name, count(*) FROM items GROUP BY name"), ["old|10"]);
        let failed = report(&project, &approved("rows=10"), 11);
        assert_eq!((&failed["error"]["kind"], &failed["error"]["step"]), (&json!("guard"), &json!("diff")));
        says(&project.ok(&["status"]), "the guard stopped the run");
        says(&project.ok(&["plan"]), "a run would stop");
        let went = report(&project, &approved("rows=9"), 0);
        assert_eq!(numbers(&went, WRITTEN), [4, 5, 5]);
        assert_eq!(project.query("SELECT name, count(*) FROM items GROUP BY name"), ["new|9"]);
    });
}

#[test]
fn an_export_with_too_few_rows_keeps_the_others() {
    let project = Project::sqlite();
    only(&project, "rows: 10");
    named(&project, 0..10, "old");
    project.ok(&["run"]);
    named(&project, 5..14, "new");
    let held = report(&project, &[], 3);
    assert_eq!(findings(&held), [("rows", "withhold", "rows=9")]);
    assert_eq!((numbers(&held, WRITTEN), numbers(&held, WITHHELD)), ([4, 5, 0], [0, 0, 5]));
    assert_eq!(
        project.query("SELECT name, count(*) FROM items GROUP BY name ORDER BY 1"),
        ["new|9", "old|5"]
    );
    named(&project, 5..15, "new");
    assert_eq!(numbers(&report(&project, &[], 0), WRITTEN), [1, 0, 5], "with enough rows they go");
}

/// Contract: C4, C23
#[test]
fn what_an_export_that_shrank_lacks_stays_also_in_the_run_after() {
    everywhere(|project| {
        let project = project();
        only(&project, "shrink: withhold");
        named(&project, 0..200, "old");
        project.ok(&["run"]);
        named(&project, 0..80, "old");
        for _ in 0..2 {
            let held = report(&project, &[], 3);
            assert_eq!(findings(&held), [("shrink", "withhold", "shrink=60")]);
            assert_eq!(count(&project), "200");
        }
        report(&project, &approved("shrink=59"), 3);
        assert_eq!(numbers(&report(&project, &approved("shrink=60"), 0), WRITTEN), [0, 0, 120]);
        assert_eq!(count(&project), "80");
    });
}

/// Contract: C23, C24
#[test]
fn keys_that_are_all_others_change_nothing_until_they_are_approved() {
    everywhere(|project| {
        let project = project();
        named(&project, 0..100, "same");
        project.ok(&["run"]);
        named(&project, 1000..1100, "same");
        for _ in 0..2 {
            let held = report(&project, &[], 3);
            assert_eq!(
                findings(&held),
                [("deletes", "withhold", "deletes=100"), ("keys", "withhold", "keys")]
            );
            assert_eq!((numbers(&held, WRITTEN), numbers(&held, WITHHELD)), ([0, 0, 0], [100, 0, 100]));
            assert_eq!(project.query("SELECT count(*), max(id) FROM items"), ["100|99"]);
        }
        let ran = project.run(&["run"]);
        says(&ran, "all values of the key column id are others than before");
        says(&ran, "hydrant run items --approve deletes=100,keys");
        let half = report(&project, &approved("keys"), 3);
        assert_eq!(numbers(&half, WRITTEN), [100, 0, 0], "deletes have an approval of their own");
        assert_eq!(count(&project), "200");
        report(&project, &approved("deletes=100,keys"), 0);
        assert_eq!(project.query("SELECT count(*), min(id) FROM items"), ["100|1000"]);
    });
}

/// Contract: C23
#[test]
fn columns_that_changed_are_told_and_by_choice_held_back_until_they_are_approved() {
    everywhere(|project| {
        let project = project();
        project.items("id,name,score\n1,one,1\n2,two,2\n");
        project.ok(&["run"]);
        project.model("SELECT id, name FROM items");
        let told = report(&project, &[], 0);
        assert_eq!(findings(&told), [("schema", "warn", "schema")]);
        assert!(told["findings"][0]["reason"].as_str().unwrap().contains(r#""score" is gone"#), "{told}");
        assert_eq!(findings(&report(&project, &[], 0)), [], "it is told once");

        only(&project, "schema: withhold");
        project.model("SELECT id, name, score FROM items");
        project.items("id,name,score\n1,eins,10\n3,three,30\n");
        for _ in 0..2 {
            let held = report(&project, &[], 3);
            assert_eq!(findings(&held), [("schema", "withhold", "schema")]);
            assert_eq!((numbers(&held, WRITTEN), numbers(&held, WITHHELD)), ([0, 0, 0], [1, 1, 1]));
            assert_eq!(project.query("SELECT * FROM items ORDER BY id"), ["1|one|1", "2|two|2"]);
        }
        report(&project, &approved("schema"), 0);
        assert_eq!(project.query("SELECT * FROM items ORDER BY id"), ["1|eins|10", "3|three|30"]);
        assert_eq!(findings(&report(&project, &[], 0)), [], "it is what the last run had");
    });
}

#[test]
fn approvals_are_for_one_named_sync_and_are_read_with_care() {
    let project = Project::sqlite();
    named(&project, 0..3, "old");
    for (arguments, message) in [
        (vec!["run", "--approve", "deletes=3"], "--approve is for one named sync"),
        (vec!["run", "items", "--approve", "delete=3"], "there is no rule `delete`"),
        (vec!["run", "items", "--approve", "keys,deletes"], "say how much: `deletes=N`"),
        (vec!["run", "items", "--approve", "shrink=200"], "`200` is not a whole number from 0 to 100"),
    ] {
        let ran = project.run(&arguments);
        assert_eq!(ran.code, 64, "{}", ran.all());
        says(&ran, message);
    }
    project.ok(&["run", "items", "--approve", "deletes=3,keys", "--approve", "schema"]);
}
