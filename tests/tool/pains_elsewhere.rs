//! What users suffer from on MySQL and on MongoDB; see `pains`, which has what they suffer from everywhere.

use crate::harness::{Database, Project, Session, eventually};
use std::fmt::Write;

/// Gap locks of INSERT … ON DUPLICATE KEY UPDATE: deadlocks, and an application whose inserts wait (risingwave#10117, bk-ci#11779).
///
/// Contract: C26
#[test]
fn pain_05_the_application_inserts_between_rows_that_are_being_written() {
    for project in [Project::mysql(), Project::mariadb()] {
        let all = |name: &str| {
            (0..200).fold("id,name\n".to_owned(), |mut csv, id| {
                writeln!(csv, "{},{name} {id}", id * 10).expect("a string");
                csv
            })
        };
        project.items(&all("old"));
        project.ok(&["run"]);
        // A batch that updates, inserts and deletes stays open for some seconds: its last row takes its time.
        project.query(
            "CREATE TRIGGER slow BEFORE UPDATE ON items FOR EACH ROW SET @slept = IF(OLD.id = 1990, SLEEP(4), 0)",
        );
        let mut csv = all("new").replace("\n50,new 5\n", "\n");
        csv += "2005,inserted\n";
        project.items(&csv);
        let child = project.start(&["run"]);
        let sleeping = "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND state = 'User sleep'";
        eventually("a batch that is open", || project.query(sleeping) == ["1"]);
        // Between two rows that were updated, beside the one that was deleted, and beyond the last one.
        let theirs = "SET innodb_lock_wait_timeout = 1; INSERT INTO items (id, name) VALUES (15, 'mine'), (45, 'mine'), (3000, 'mine')";
        project.query(theirs);
        assert_eq!(project.query(sleeping), ["1"], "the batch is still open");
        let ended = child.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(
            project.query("SELECT id FROM items WHERE name = 'mine' ORDER BY id"),
            ["15", "45", "3000"]
        );
        assert_eq!(project.query("SELECT count(*) FROM items WHERE name LIKE 'new%'"), ["199"]);
    }
}

/// Rows that do not change are not locked (autobrr/qui#2691).
///
/// Contract: C3
#[test]
fn pain_03_rows_that_do_not_change_are_not_locked_in_mysql() {
    for project in [Project::mysql(), Project::mariadb()] {
        let items = |of_seven: &str| {
            let rows = (0..1_000)
                .map(|id| if id == 7 { format!("7,{of_seven}\n") } else { format!("{id},name {id}\n") });
            format!("id,name\n{}", rows.collect::<String>())
        };
        project.items(&items("name 7"));
        project.ok(&["run"]);
        // A range scan of the application's locks the row where the range ends, too.
        let application = Session::begin(
            &project.database,
            "BEGIN; UPDATE items SET name = concat(name, '!') WHERE id > 100",
        );
        project.items(&items("changed"));
        let report = project.report();
        assert_eq!((&report["updates"], &report["unchanged"]), (&1.into(), &999.into()), "{report}");
        application.end();
        assert_eq!(project.query("SELECT name FROM items WHERE id = 7"), ["changed"]);
    }
}

/// Documents over 16 MB, or a bulk message that is too large: endless retry (dsync#333, fluent-plugin-mongo#186).
///
/// Contract: C6, C17
#[test]
fn pain_22_a_document_that_is_too_large_is_a_reject_and_many_large_ones_go_in_several_messages() {
    for project in [Project::mongodb(), Project::mongodb_alone()] {
        project.model("SELECT id, repeat('x', size) AS text FROM items");
        // One beyond the limit; the others together are more than one message takes.
        project.items("id,size\n1,5000000\n2,17000000\n3,16000000\n4,16000000\n5,16000000\n6,1\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert_eq!(project.database.rows("items", &["id"]), ["1", "3", "4", "5", "6"]);
        let rejects = project.ok(&["rejects", "items", "--output", "json"]).json();
        let rejects = rejects["syncs"][0]["rejects"].as_array().expect("a list").clone();
        assert_eq!(rejects.len(), 1, "{rejects:?}");
        let reason = rejects[0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("16777216") || reason.contains("16 MiB"), "{reason}");
    }
}

/// `_id` is forced to be an ObjectId (Census' documentation).
#[test]
fn pain_23_the_identity_of_a_document_is_the_key_with_its_own_type() {
    let project = Project::mongodb();
    project.items("id,name\n7,seven\n");
    project.ok(&["run"]);
    let Database::Mongodb { url } = &project.database else { unreachable!() };
    assert_eq!(Database::mongodb(url, &["types", "items", "_id"]), ["long"], "a number stays a number");
    project.syncs(
        "items: items.csv",
        "  free:\n    source: lake\n    model: items.sql\n    target: app\n    table: free\n    key: [name]\n    document: { id: fields }\n",
    );
    project.ok(&["run"]);
    assert_eq!(
        Database::mongodb(url, &["types", "free", "_id"]),
        ["objectId"],
        "or it stays the database's own"
    );
    assert_eq!(Database::mongodb(url, &["types", "free", "name"]), ["string"]);
}
