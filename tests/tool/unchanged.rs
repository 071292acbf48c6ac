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

    let to = project.query("SELECT pg_current_wal_insert_lsn()").remove(0);
    sleep(Duration::from_secs(2));
    assert_eq!(project.query(BOOKS), before);
    project.query("CREATE EXTENSION pg_walinspect");
    // Other tests write to the same server: look for records about this table and its index, not for silence.
    let touching = format!(
        "SELECT count(*) FROM pg_get_wal_records_info('{from}', '{to}') w, pg_class c
         WHERE c.relname IN ('items', 'items_pkey') AND w.block_ref LIKE
             '%rel ' || 1663 || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || c.relfilenode || ' %'"
    );
    assert_eq!(project.query(&touching), ["0"]);
    // The same look does find the records of a change.
    let from = project.query("SELECT pg_current_wal_insert_lsn()").remove(0);
    project.items(&format!("id,name\n{csv}").replace("7,name 7\n", "7,changed\n"));
    project.ok(&["run"]);
    let to = project.query("SELECT pg_current_wal_insert_lsn()").remove(0);
    let touching = touching.replacen(
        &touching[touching.find("info('").unwrap() + 6..touching.find("') w").unwrap()],
        &format!("{from}', '{to}"),
        1,
    );
    assert_ne!(project.query(&touching), ["0"]);
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
