//! An empty or shrunken export never empties a table.

use crate::harness::{Project, everywhere};
use std::fmt::Write;

fn items(project: &Project, rows: u32) {
    let mut csv = String::from("id,name\n");
    for id in 0..rows {
        writeln!(csv, "{id},n{id}").expect("a string");
    }
    project.items(&csv);
}

fn count(project: &Project) -> String {
    project.query("SELECT count(*) FROM items").remove(0)
}

/// PAINS 19.
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

#[test]
fn withheld_deletes_stay_known_and_upserts_go_on_until_they_are_approved() {
    everywhere(|project| {
        let project = project();
        items(&project, 100);
        project.ok(&["run"]);
        items(&project, 80);
        let csv = project.read("items.csv").replace("5,n5\n", "5,changed\n") + "500,new\n";
        project.items(&csv);
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
