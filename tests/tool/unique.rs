//! Values of unique columns, and foreign keys, across the batches of one change set.

use crate::harness::{Project, everywhere};
use std::fmt::Write;

/// Enough for several batches, the first of which has 2,000 rows.
const ROWS: u32 = 7_000;

fn csv(email: impl Fn(u32) -> Option<u32>) -> String {
    let mut csv = String::from("id,email\n");
    for id in 0..ROWS {
        if let Some(email) = email(id) {
            writeln!(csv, "{id},user{email}@example.com").expect("a string");
        }
    }
    csv
}

fn with_unique_email(project: &Project) {
    project.query("CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, email text UNIQUE)");
}

fn holds(project: &Project, csv: &str) {
    let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
    let mut found = project.query("SELECT id, email FROM items");
    wanted.sort();
    found.sort();
    assert!(found == wanted, "the rows differ");
}

/// Swaps, a chain through the whole table, and a value that a deleted row leaves to a new one: rows in the first batch want
/// what rows in the last one give up, and the other way round.
///
/// Contract: C20
#[test]
fn values_move_between_rows_of_different_batches() {
    everywhere(|project| {
        let project = project();
        with_unique_email(&project);
        // The last rows are not there yet.
        let first = csv(|id| (id < ROWS - 2).then_some(id));
        project.items(&first);
        project.ok(&["run"]);
        // Every row takes part, so that there are several batches: most get an e-mail that nobody had.
        let moved = csv(|id| match id {
            0 => Some(ROWS - 3),
            id if id == ROWS - 3 => Some(0),
            1 => Some(3_000),
            3_000 => Some(5_000),
            5_000 => Some(1),
            2 => None,
            id if id == ROWS - 2 => Some(2),
            id => Some(id + 100_000),
        });
        project.items(&moved);
        let report = project.report();
        assert_eq!((&report["rejected"], &report["deletes"]), (&0.into(), &1.into()), "{report}");
        assert!(report["batches"]["settled"].as_u64().unwrap_or(0) >= 1, "{report}");
        holds(&project, &moved);
        // A standby that took over without the last commit has another checkpoint, although all changes were written before.
        let checkpoints = project.database.checkpoints();
        project.query(&format!("UPDATE {checkpoints} SET batch = batch - 1"));
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains("remembers only a part of it"), "{}", ran.stderr);
        project.query(&format!("UPDATE {checkpoints} SET batch = batch + 1"));
        // Nothing is left over for the next run.
        let report = project.report();
        assert_eq!((&report["updates"], &report["unchanged"]), (&0.into(), &(ROWS - 1).into()), "{report}");
    });
}

/// A value that another row keeps is a reject, also after the second pass, and is gone when the other row lets go.
///
/// Contract: C17
#[test]
fn a_value_that_another_row_keeps_is_a_reject_until_that_row_lets_go() {
    everywhere(|project| {
        let project = project();
        with_unique_email(&project);
        project.items("id,email\n1,a@example.com\n2,b@example.com\n3,c@example.com\n");
        project.ok(&["run"]);
        project.items("id,email\n1,a@example.com\n2,a@example.com\n3,d@example.com\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        let rows = ["1|a@example.com", "2|b@example.com", "3|d@example.com"];
        assert_eq!(project.query("SELECT id, email FROM items ORDER BY id"), rows);
        project.items("id,email\n1,e@example.com\n2,a@example.com\n3,d@example.com\n");
        project.ok(&["run"]);
        let rows = ["1|e@example.com", "2|a@example.com", "3|d@example.com"];
        assert_eq!(project.query("SELECT id, email FROM items ORDER BY id"), rows);
    });
}

/// A row that refers to one of a later batch; then both go, the referred row's delete in an earlier batch.
///
/// Contract: C20, C21
#[test]
fn rows_that_refer_to_rows_of_other_batches_settle() {
    everywhere(|project| {
        let project = project();
        project.query(
            "CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, parent bigint REFERENCES items (id))",
        );
        project.model("SELECT id, CAST(parent AS BIGINT) AS parent FROM items");
        let rows = |parent: fn(u32) -> Option<u32>| {
            let mut csv = String::from("id,parent\n");
            for id in 0..ROWS {
                let parent = parent(id).map_or_else(String::new, |id| id.to_string());
                writeln!(csv, "{id},{parent}").expect("a string");
            }
            csv
        };
        project.items(&rows(|id| (id < 5).then_some(ROWS - 1 - id)));
        let report = project.report();
        assert_eq!(report["rejected"], 0, "{report}");
        assert_eq!(project.query("SELECT parent FROM items WHERE id = 0"), [(ROWS - 1).to_string()]);
        // The application refers to a row: its delete is refused, and goes when the application lets go.
        project.query(
            "CREATE TABLE orders (item bigint REFERENCES items (id)); INSERT INTO orders VALUES (3000)",
        );
        let without: String =
            rows(|_| None).lines().filter(|line| *line != "3000,").map(|line| format!("{line}\n")).collect();
        project.items(&without);
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert_eq!(project.query("SELECT count(*) FROM items"), [ROWS.to_string()]);
        project.query("DELETE FROM orders");
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT count(*) FROM items"), [(ROWS - 1).to_string()]);
    });
}
