//! What becomes of rows in each mode, and of rows that left the query.

use crate::harness::{Project, everywhere};

const DAY1: &str = "id,name\n1,one\n2,two\n3,three\n";
const DAY2: &str = "id,name\n1,one\n2,zwei\n4,four\n";

fn two_days(project: &Project, settings: &str) -> Vec<String> {
    project.sync(&format!("key: [id]\n{settings}"));
    project.items(DAY1);
    project.ok(&["run"]);
    project.items(DAY2);
    project.ok(&["run"]);
    project.query("SELECT * FROM items ORDER BY id")
}

/// Contract: C1
#[test]
fn mirror_follows_the_query() {
    everywhere(|project| assert_eq!(two_days(&project(), "mode: mirror"), ["1|one", "2|zwei", "4|four"]));
}

#[test]
fn upsert_keeps_rows_that_left_the_query() {
    everywhere(|project| {
        assert_eq!(two_days(&project(), "mode: upsert"), ["1|one", "2|zwei", "3|three", "4|four"])
    });
}

#[test]
fn insert_leaves_rows_that_are_there_alone() {
    everywhere(|project| {
        assert_eq!(two_days(&project(), "mode: insert"), ["1|one", "2|two", "3|three", "4|four"])
    });
}

#[test]
fn update_writes_only_rows_of_the_application_and_catches_up_when_one_appears() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, own TEXT)");
        project.query("INSERT INTO items VALUES (2, 'old', 'kept')");
        project.sync("key: [id]\nmode: update");
        project.items(DAY1);
        let report = project.report();
        assert_eq!(report["absent"], 2, "{report}");
        assert_eq!(project.query("SELECT * FROM items"), ["2|two|kept"]);
        // The row appears in the application; nothing has changed in the warehouse.
        project.query("INSERT INTO items VALUES (3, NULL, 'new')");
        let report = project.report();
        assert_eq!(
            (&report["updates"], &report["absent"], &report["unchanged"]),
            (&2.into(), &1.into(), &1.into())
        );
        assert_eq!(project.query("SELECT * FROM items ORDER BY id"), ["2|two|kept", "3|three|new"]);
    });
}

#[test]
fn a_soft_delete_marks_the_row_and_its_return_unmarks_it() {
    everywhere(|project| {
        let project = project();
        two_days(&project, "deletes: { soft: gone }");
        let gone = || project.query("SELECT id, name FROM items WHERE gone ORDER BY id");
        assert_eq!(gone(), ["3|three"]);
        assert_eq!(project.query("SELECT count(*) FROM items WHERE NOT gone"), ["3"]);
        project.items(DAY1);
        project.ok(&["run"]);
        assert_eq!(gone(), ["4|four"]);
    });
}

#[test]
fn null_out_empties_the_managed_columns() {
    everywhere(|project| {
        assert_eq!(two_days(&project(), "deletes: null_out"), ["1|one", "2|zwei", "3|", "4|four"]);
    });
}

#[test]
fn ignored_deletes_leave_the_row_and_its_return_updates_it() {
    everywhere(|project| {
        let project = project();
        assert_eq!(two_days(&project, "deletes: ignore"), ["1|one", "2|zwei", "3|three", "4|four"]);
        project.items("id,name\n3,drei\n");
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT name FROM items WHERE id = 3"), ["drei"]);
    });
}

/// Contract: C5
#[test]
fn columns_and_rows_of_the_application_are_untouched() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, note TEXT DEFAULT 'mine')");
        project.query("INSERT INTO items VALUES (1, 'old', 'theirs'), (99, 'own', 'own')");
        let rows = two_days(&project, "mode: mirror");
        assert_eq!(rows, ["1|one|theirs", "2|zwei|mine", "4|four|mine", "99|own|own"]);
    });
}

#[test]
fn duplicate_keys_stop_the_run_or_the_first_or_last_row_counts() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n1,first\n2,only\n1,last\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 8);
        assert!(
            ran.stderr.contains(r#"1 key with more than one row, for example {"id":1}"#),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
        for (policy, name) in [("first", "first"), ("last", "last")] {
            project.sync(&format!("key: [id]\nduplicate_keys: {policy}"));
            let report = project.report();
            assert_eq!(report["duplicates"], 1, "{report}");
            assert_eq!(
                project.query("SELECT * FROM items ORDER BY id"),
                [format!("1|{name}"), "2|only".to_owned()]
            );
        }
    });
}

#[test]
fn null_keys_stop_the_run_or_are_rejects() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n1,one\n,nobody\n2,two\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 8);
        assert!(
            ran.stderr.contains(r#"1 row with NULL in a key column, for example row 2 {"id":null}"#),
            "{}",
            ran.stderr
        );
        project.sync("key: [id]\nnull_keys: reject");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.stdout.contains("a key column is NULL"), "{}", ran.stdout);
        assert_eq!(project.query("SELECT * FROM items ORDER BY id"), ["1|one", "2|two"]);
        project.items("id,name\n1,one\n2,two\n");
        project.ok(&["run"]);
    });
}

/// PAINS 1 and 16: one bad value does not fail the load.
#[test]
fn a_row_that_the_table_cannot_hold_is_a_reject_and_tried_again_until_it_fits() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT CHECK (name <> 'bad'))");
        project.items("id,name\n1,one\n2,bad\n3,three\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(
            ran.stdout.contains("1 row rejected") && ran.stdout.contains(r#"{"id":2}"#),
            "{}",
            ran.stdout
        );
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "3"]);
        assert_eq!(project.run(&["run"]).code, 4, "it is tried again although it did not change");
        project.items("id,name\n1,one\n2,better\n3,three\n");
        let report = project.report();
        assert_eq!((&report["unchanged"], &report["rejected"]), (&2.into(), &0.into()), "{report}");
        assert_eq!(project.query("SELECT name FROM items WHERE id = 2"), ["better"]);
    });
}

#[test]
fn more_rejects_than_the_ceiling_fail_the_run() {
    let project = Project::postgres();
    project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT CHECK (name <> 'bad'))");
    project.sync("key: [id]\nrejects: { rows: 1, percent: 0 }");
    project.items("id,name\n1,bad\n2,bad\n3,three\n");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 8, "{}", ran.all());
    assert!(ran.stderr.contains("2 rows refused, the ceiling is 1"), "{}", ran.stderr);
}

#[test]
fn a_query_may_ask_what_day_it_is_and_one_time_counts_for_all_rows() {
    let project = Project::sqlite();
    project.items(DAY1);
    project.model("SELECT id, name, now() AS seen_at, current_date AS day FROM items");
    project.ok(&["check"]);
    project.ok(&["run"]);
    assert_eq!(project.query("SELECT count(DISTINCT seen_at), count(DISTINCT day) FROM items"), ["1|1"]);
}

/// PAINS 16: a column that no value has told the type of yet.
#[test]
fn empty_lists_and_null_fields_of_json_are_carried() {
    let project = Project::sqlite();
    project.write("items.json", "{\"id\":1,\"tags\":[],\"address\":{\"city\":null}}\n");
    let config = project.read("hydrant.yml").replace("items.csv", "items.json");
    project.write("hydrant.yml", &config);
    project.ok(&["run"]);
    assert_eq!(project.query("SELECT tags, address FROM items"), [r#"[]|{"city":null}"#]);
    project.write("items.json", "{\"id\":1,\"tags\":[\"new\"],\"address\":{\"city\":\"Oslo\"}}\n");
    project.ok(&["run"]);
    assert_eq!(project.query("SELECT tags, address FROM items"), [r#"["new"]|{"city":"Oslo"}"#]);
}
