//! Syncs with a cursor: only what changed since is asked for, the table has all rows, and what a cursor cannot show is found by
//! the next full run.

mod property;
mod state;
mod types;

use crate::harness::{Project, everywhere};
use serde_json::Value;

/// A cursor on the column `version`, without a lookback.
const EXACT: &str = "cursor: { column: version, lookback: 0 }";

/// Items with `id,name,version`.
fn items(project: &Project, lines: &[&str]) {
    project.items(&format!("id,name,version\n{}\n", lines.join("\n")));
}

fn rows(project: &Project) -> Vec<String> {
    project.query("SELECT id, name, version FROM items ORDER BY id")
}

/// The report of a full run, asked for by name.
fn full(project: &Project) -> Value {
    project.run(&["run", "--full", "--output", "json"]).json()["syncs"][0].take()
}

/// A run that asked for a part, from this value on, and to which so many rows came.
#[track_caller]
fn is_since(report: &Value, since: &str, arrived: u64) {
    let cursor = &report["cursor"];
    assert_eq!((&cursor["since"], &cursor["arrived"]), (&since.into(), &arrived.into()), "{report}");
    assert!(cursor["full"].is_null() && cursor["because"].is_null(), "{report}");
}

/// A run that asked for all rows, for this reason.
#[track_caller]
fn is_full(report: &Value, why: &str) {
    assert_eq!(report["cursor"]["full"], why, "{report}");
    assert!(report["cursor"]["since"].is_null(), "{report}");
}

#[track_caller]
fn counts(report: &Value, expected: [u64; 4]) {
    let found = ["inserts", "updates", "deletes", "unchanged"].map(|count| report[count].as_u64().unwrap());
    assert_eq!(found, expected, "inserts, updates, deletes, unchanged: {report}");
}

/// Contract: C1, C40
#[test]
fn what_changed_is_merged_into_the_rows_of_the_last_run_and_a_full_run_finds_deletes() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("key: [id]\n{EXACT}"));
        items(&project, &["1,one,1", "2,two,2", "3,three,3"]);
        let report = project.report();
        is_full(&report, "first");
        assert_eq!(report["cursor"]["mark"], "3", "{report}");

        // Changed, deleted, as it was (with the highest version known), new.
        items(&project, &["1,uno,4", "3,three,3", "4,four,5"]);
        let report = project.report();
        is_since(&report, "3", 3);
        counts(&report, [1, 1, 0, 2]);
        assert_eq!((&report["exported"], &report["cursor"]["last_full"]), (&4.into(), &1.into()), "{report}");
        assert_eq!(rows(&project), ["1|uno|4", "2|two|2", "3|three|3", "4|four|5"]);

        let report = full(&project);
        is_full(&report, "asked");
        counts(&report, [0, 0, 1, 3]);
        assert_eq!(rows(&project), ["1|uno|4", "3|three|3", "4|four|5"]);

        let report = project.report();
        is_since(&report, "5", 1);
        counts(&report, [0, 0, 0, 3]);
        assert_eq!(report["cursor"]["last_full"], 3, "{report}");
    });
}

/// Contract: C3
#[test]
fn without_changes_nothing_is_sent_however_often() {
    everywhere(|project| {
        let project = project();
        project.sync("key: [id]\ncursor: version");
        items(&project, &["1,one,1", "2,two,2"]);
        project.ok(&["run"]);
        crate::harness::refuse_writes(&project);
        for _ in 0..3 {
            let report = project.report();
            is_since(&report, "0", 2);
            counts(&report, [0, 0, 0, 2]);
        }
    });
}

/// Contract: C40
#[test]
fn what_changes_below_the_mark_is_seen_within_the_lookback_and_else_by_the_next_full_run() {
    let project = Project::sqlite();
    project.sync("key: [id]\ncursor: { column: version, lookback: 2, full_every: 3 }");
    items(&project, &["1,one,10", "2,two,10", "3,three,10"]);
    is_full(&project.report(), "first");
    // One that came late but within two of the mark, one that came too late, one whose version went down.
    items(&project, &["1,one,10", "2,zwei,7", "3,three,10", "4,four,8", "5,five,7"]);
    let report = project.report();
    is_since(&report, "8", 3);
    is_since(&project.report(), "8", 3);
    assert_eq!(rows(&project), ["1|one|10", "2|two|10", "3|three|10", "4|four|8"]);
    let report = project.report();
    is_full(&report, "due");
    assert_eq!(report["cursor"]["because"], "one run of 3 is", "{report}");
    assert_eq!(rows(&project), ["1|one|10", "2|zwei|7", "3|three|10", "4|four|8", "5|five|7"]);
    is_since(&project.report(), "8", 3);
    is_since(&project.report(), "8", 3);
    is_full(&project.report(), "due");
}

/// Contract: C40
#[test]
fn rows_without_a_cursor_are_counted_and_their_changes_found_by_full_runs() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,1", "2,two,"]);
    let ran = project.ok(&["run"]);
    let words = "1 row with NULL in version: changes there are found by full runs only";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    items(&project, &["1,uno,2", "2,zwei,"]);
    let report = project.report();
    is_since(&report, "1", 1);
    assert_eq!(report["cursor"]["null_cursors"], 1, "{report}");
    assert_eq!(rows(&project), ["1|uno|2", "2|two|"]);
    full(&project);
    assert_eq!(rows(&project), ["1|uno|2", "2|zwei|"]);
    // None at all has one: there is nothing to go on from.
    items(&project, &["1,uno,", "2,zwei,"]);
    let model = "SELECT id, name, CAST(NULL AS BIGINT) AS version FROM items";
    project.model(model);
    is_full(&project.report(), "changed");
    is_full(&project.report(), "no_mark");
}

#[test]
fn another_query_or_other_columns_make_the_run_a_full_one() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    project.model("SELECT id, upper(name) AS name, version FROM items");
    let report = project.report();
    is_full(&report, "changed");
    assert_eq!(rows(&project), ["1|ONE|1", "2|TWO|2"]);
    is_since(&project.report(), "2", 1);

    // The same query returns another column, which the table has meanwhile.
    project.model("SELECT * FROM items");
    project.ok(&["run"]);
    project.query("ALTER TABLE items ADD COLUMN extra BIGINT");
    project.items("id,name,version,extra\n1,one,1,7\n2,two,2,8\n");
    let report = project.report();
    is_full(&report, "changed");
    let because = report["cursor"]["because"].as_str().unwrap();
    assert!(because.contains(r#"the column "extra""#), "{report}");
    assert_eq!(project.query("SELECT extra FROM items ORDER BY id"), ["7", "8"]);

    // How far one looks back and how often a run is full count at once.
    project.sync("key: [id]\ncursor: { column: version, lookback: 1, full_every: 5 }");
    is_since(&project.report(), "1", 2);
    // What happens to values that the target cannot hold is about rows that do not come again, too.
    project.sync(&format!("key: [id]\n{EXACT}\nrefused: {{ name: null }}"));
    is_full(&project.report(), "changed");
    project.sync("key: [id]\ncursor: { column: id, lookback: 0 }");
    is_full(&project.report(), "changed");
    project.sync("key: [id]");
    let report = project.report();
    assert!(report["cursor"].is_null(), "{report}");
    project.sync("key: [id]\ncursor: id");
    is_full(&project.report(), "changed");
}

/// Contract: C30
#[test]
fn a_plan_asks_for_the_same_rows_as_the_run_and_leaves_everything_as_it_is() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,1", "2,two,2"]);
    let plan = |arguments: &[&str]| {
        let arguments: Vec<_> = ["plan", "--output", "json"].iter().chain(arguments).copied().collect();
        project.ok(&arguments).json()["syncs"][0].take()
    };
    let report = plan(&[]);
    is_full(&report, "first");
    assert!(report["cursor"]["last_full"].is_null(), "{report}");
    project.ok(&["run"]);
    items(&project, &["2,zwei,3"]);
    let report = plan(&[]);
    is_since(&report, "2", 1);
    counts(&report, [0, 1, 0, 1]);
    let report = plan(&["--full"]);
    is_full(&report, "asked");
    counts(&report, [0, 1, 1, 0]);
    let ran = project.ok(&["plan"]);
    assert!(ran.stdout.contains("it would be an incremental run: 1 row came"), "{}", ran.stdout);
    let report = project.report();
    is_since(&report, "2", 1);
    counts(&report, [0, 1, 0, 1]);
    let status = project.ok(&["status"]).stdout;
    assert!(status.contains("1 incremental run since run 1, the last full one"), "{status}");
}

#[test]
fn a_column_that_cannot_be_the_cursor_is_refused_with_the_mend() {
    let project = Project::sqlite();
    items(&project, &["1,one,1"]);
    for (cursor, model, words) in [
        (
            "versoin",
            "SELECT * FROM items",
            r#"cursor: the query does not return the column "versoin"; did you mean"#,
        ),
        ("name", "SELECT * FROM items", "cast it in the query to a timestamp, a date or a number"),
        ("{ column: version, lookback: 2h }", "SELECT * FROM items", "its `lookback` is a number: `100`"),
        (
            "{ column: version, lookback: 5 }",
            "SELECT id, name, arrow_cast(version, 'Timestamp(Second, None)') AS version FROM items",
            "its `lookback` is a time: `2h`, `1d`",
        ),
    ] {
        project.sync(&format!("key: [id]\ncursor: {cursor}"));
        project.model(model);
        for command in ["check", "plan", "run"] {
            let ran = project.run(&[command]);
            assert_eq!(ran.code, 9, "{command}: {}", ran.all());
            assert!(ran.all().contains(words) && ran.all().contains("mend"), "{command}: {}", ran.all());
        }
    }
}

/// The cursor is one of the query's columns, whatever becomes of it in the table.
#[test]
fn the_cursor_need_not_be_in_the_table_or_can_have_another_name_there() {
    for columns in [
        "[id, name]",
        "{ id: id, name: name, changed: version }",
        "{ \"*\": { except: version } }",
        "{ id: id, name: { from: name, lower: true }, changed: { from: version, hash: { salt: 0123456789abcdef } } }",
    ] {
        let project = Project::sqlite();
        let sync = |columns: &str| {
            project.sync(&format!("key: [id]\n{EXACT}\ncolumns: {columns}\nnull_keys: reject"))
        };
        sync(columns);
        items(&project, &["1,one,1", ",ghost,2", "2,two,2"]);
        let report = project.report();
        is_full(&report, "first");
        assert_eq!(report["cursor"]["mark"], "2", "{report}");
        items(&project, &["1,uno,3", ",ghost,2", "2,two,2", "3,three,1"]);
        let report = project.report();
        is_since(&report, "2", 3);
        assert_eq!(report["rejected"], 1, "{report}");
        assert_eq!(project.query("SELECT name FROM items ORDER BY id"), ["uno", "two"], "{columns}");
        sync("{ id: id, name: { from: name, trim: true }, version: version }");
        project.query("DROP TABLE items");
        let ran = project.run(&["run", "items", "--resend", "--output", "json"]);
        assert_eq!(ran.code, 4, "the ghost: {}", ran.all());
        is_since(&project.report(), "3", 1);
        sync("{ id: id, name: name, version: version }");
        is_full(&project.report(), "changed");
    }
}

/// Contract: C1
#[test]
fn each_mode_gets_its_rows() {
    for (settings, incremental, then) in [
        (
            "mode: upsert",
            ["1|uno|4", "2|two|2", "4|four|5"].as_slice(),
            ["1|uno|4", "2|two|2", "4|four|5"].as_slice(),
        ),
        ("mode: insert", &["1|one|1", "2|two|2", "4|four|5"], &["1|one|1", "2|two|2", "4|four|5"]),
        ("deletes: null_out", &["1|uno|4", "2|two|2", "4|four|5"], &["1|uno|4", "2||", "4|four|5"]),
        ("deletes: ignore", &["1|uno|4", "2|two|2", "4|four|5"], &["1|uno|4", "2|two|2", "4|four|5"]),
    ] {
        let project = Project::sqlite();
        project.sync(&format!("key: [id]\n{EXACT}\n{settings}"));
        items(&project, &["1,one,1", "2,two,2"]);
        project.ok(&["run"]);
        items(&project, &["1,uno,4", "4,four,5"]);
        is_since(&project.report(), "2", 2);
        assert_eq!(rows(&project), incremental, "{settings}");
        full(&project);
        assert_eq!(rows(&project), then, "{settings}");
    }
}

#[test]
fn a_soft_delete_waits_for_the_full_run_and_a_row_that_comes_back_is_unmarked() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("key: [id]\n{EXACT}\ndeletes: {{ soft: gone }}"));
        items(&project, &["1,one,1", "2,two,2"]);
        project.ok(&["run"]);
        let gone = || project.query("SELECT id FROM items WHERE gone ORDER BY id");
        items(&project, &["2,two,2"]);
        is_since(&project.report(), "2", 1);
        assert!(gone().is_empty());
        full(&project);
        assert_eq!(gone(), ["1"]);
        items(&project, &["1,one,3", "2,two,2"]);
        is_since(&project.report(), "2", 2);
        assert!(gone().is_empty());
    });
}

#[test]
fn mode_update_catches_up_with_rows_that_appear_without_their_coming_again() {
    let project = Project::sqlite();
    project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, version BIGINT)");
    project.sync(&format!("key: [id]\n{EXACT}\nmode: update"));
    items(&project, &["1,one,1", "2,two,2"]);
    assert_eq!(project.report()["absent"], 2);
    project.query("INSERT INTO items VALUES (1, NULL, NULL)");
    let report = project.report();
    is_since(&report, "2", 1);
    assert_eq!(report["absent"], 1, "{report}");
    assert_eq!(rows(&project), ["1|one|1"]);
}

/// Contract: C19
#[test]
fn duplicate_keys_among_the_rows_that_came_are_treated_as_the_sync_says() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}\nduplicate_keys: last"));
    items(&project, &["1,a,1", "1,b,2", "2,c,2"]);
    assert_eq!(project.report()["duplicates"], 1);
    items(&project, &["1,a,1", "1,b,2", "1,d,3", "1,e,4", "2,c,2"]);
    let report = project.report();
    is_since(&report, "2", 4);
    assert_eq!(report["duplicates"], 2, "{report}");
    assert_eq!(rows(&project), ["1|e|4", "2|c|2"]);

    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,a,1", "2,c,2"]);
    project.ok(&["run"]);
    items(&project, &["1,b,3", "1,d,3", "2,c,2"]);
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 8, "{}", ran.all());
    assert!(ran.stderr.contains("with more than one row"), "{}", ran.stderr);
    assert_eq!(rows(&project), ["1|a|1", "2|c|2"]);
}

/// Contract: C22
#[test]
fn values_of_a_redacted_cursor_are_not_shown() {
    let project = Project::sqlite();
    project.sync("key: [id]\ncursor: { column: version, lookback: 0 }\nredact: version");
    items(&project, &["1,one,7654321", "2,two,7654322"]);
    project.ok(&["run"]);
    items(&project, &["1,one,7654321", "2,zwei,7654323"]);
    for arguments in [
        &["plan"][..],
        &["plan", "--output", "json"],
        &["run"],
        &["run", "--output", "json"],
        &["status", "--output", "json"],
    ] {
        let said = project.ok(arguments).all();
        assert!(!said.contains("765432"), "{arguments:?}: {said}");
    }
}
