//! PAINS 2 and 3: a row that did not change is never sent. The database's own books are the witness.

use crate::harness::{Database, Project};
use std::{thread::sleep, time::Duration};

/// Everything that Postgres counts about the table and its index.
const BOOKS: &str = "SELECT row(s.seq_scan, s.idx_scan, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_dead_tup,
        i.idx_scan, heap_blks_read + heap_blks_hit, b.idx_blks_read + b.idx_blks_hit)
    FROM pg_stat_user_tables s JOIN pg_stat_user_indexes i USING (relid) JOIN pg_statio_user_tables b USING (relid)
    WHERE s.relname = 'items'";

#[test]
fn a_run_without_changes_does_not_touch_the_table_in_postgres() {
    let project = Project::postgres();
    let csv: String = (0..50_000).map(|id| format!("{id},name {id}\n")).collect();
    project.items(&format!("id,name\n{csv}"));
    project.ok(&["run"]);
    // What sessions have done reaches the books when they end, and a little later.
    sleep(Duration::from_secs(2));
    project.query("CHECKPOINT");
    let before = project.query(BOOKS);
    let from = project.query("SELECT pg_current_wal_insert_lsn()").remove(0);

    let report = project.report();
    assert_eq!((&report["unchanged"], &report["updates"]), (&50_000.into(), &0.into()));

    let to = written_so_far(&project);
    sleep(Duration::from_secs(2));
    assert_eq!(project.query(BOOKS), before);
    project.query("CREATE EXTENSION pg_walinspect");
    assert_eq!(records_about_the_table(&project, &from, &to), 0);
    // The same look does find the records of a change.
    project.items(&format!("id,name\n{csv}").replace("\n7,name 7\n", "\n7,changed\n"));
    let report = project.report();
    assert_eq!(report["updates"], 1);
    assert!(records_about_the_table(&project, &to, &written_so_far(&project)) > 0);
}

/// Where the log of changes ends now, once all of it is on disk: only that much can be looked at.
fn written_so_far(project: &Project) -> String {
    let end = project.query("SELECT pg_current_wal_insert_lsn()").remove(0);
    project.query("CHECKPOINT");
    end
}

/// Other tests write to the same server, so silence cannot be asked for: records about this table or its index are counted.
fn records_about_the_table(project: &Project, from: &str, to: &str) -> u64 {
    let count = format!(
        "SELECT count(*) FROM pg_get_wal_records_info('{from}', '{to}') w, pg_class c
         WHERE c.relname IN ('items', 'items_pkey') AND w.block_ref LIKE '%/' || c.relfilenode || ' %'"
    );
    project.query(&count)[0].parse().expect("a count")
}

/// A trigger would see any statement's row.
#[test]
fn a_run_without_changes_writes_no_row_in_sqlite() {
    let project = Project::sqlite();
    project.items("id,name\n1,one\n2,two\n");
    project.ok(&["run"]);
    for event in ["INSERT", "UPDATE", "DELETE"] {
        project.query(&format!(
            "CREATE TRIGGER no_{event} BEFORE {event} ON items BEGIN SELECT RAISE(ABORT, 'touched'); END"
        ));
    }
    let Database::Sqlite(_) = project.database else { unreachable!() };
    let report = project.report();
    assert_eq!((&report["unchanged"], &report["rejected"]), (&2.into(), &0.into()), "{report}");
    project.items("id,name\n1,one\n2,zwei\n");
    assert_eq!(project.run(&["run"]).code, 4, "the trigger does see a change, and refuses it");
}

/// The order of the columns, of the rows, and the file format that carries them change nothing.
#[test]
fn the_same_rows_in_another_order_or_format_are_unchanged() {
    let project = Project::sqlite();
    project.items("id,name,score\n1,one,1\n2,two,2\n");
    project.ok(&["run"]);
    project.items("id,name,score\n2,two,2\n1,one,1\n");
    project.model("SELECT CAST(score AS INT) AS score, id, arrow_cast(name, 'Dictionary(Int32, Utf8)') AS name FROM items");
    let report = project.report();
    assert_eq!((&report["unchanged"], &report["updates"]), (&2.into(), &0.into()), "{report}");
}
