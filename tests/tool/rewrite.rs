//! `rewrite`: a table that is built anew and put in its place.

use crate::{
    harness::{Project, Session, eventually},
    kill::table_equals,
};
use std::fmt::Write;

/// As many rows as `auto` wants at least, and a few more.
const ROWS: u32 = 100_200;

/// `id,name,score` of these ids.
fn rows(ids: impl Iterator<Item = u32>, score: impl Fn(u32) -> u32) -> String {
    let mut csv = String::from("id,name,score\n");
    for id in ids {
        writeln!(csv, "{id},customer {id},{}", score(id)).expect("a string");
    }
    csv
}

fn project(rewrite: &str) -> Project {
    let project = Project::postgres();
    project.sync(&format!("key: [id]\nguard: {{ deletes: off, shrink: off }}\nrewrite: {rewrite}"));
    project
}

/// Which table it is: one that was built anew is another one.
fn oid(project: &Project) -> String {
    project.query("SELECT 'items'::regclass::oid")[0].clone()
}

fn shadows(project: &Project) -> String {
    project.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'hydrant_rebuild_%'")[0].clone()
}

/// Contract: C3, C42
#[test]
fn never_is_what_nobody_has_asked_for() {
    let project = Project::postgres();
    project.items(&rows(0..500, |_| 1));
    project.ok(&["run"]);
    let before = oid(&project);
    project.items(&rows(0..500, |_| 2));
    let report = project.report();
    assert!(report["way"].is_null() && report["batches"]["merge"] == 1, "{report}");
    assert_eq!(oid(&project), before);
}

/// Contract: C1, C5, C42
#[test]
fn always_keeps_what_is_the_applications() {
    let project = project("always");
    project.items(&rows(0..500, |_| 1));
    let first = project.report();
    assert_eq!(first["way"]["rebuild"], false, "the first run makes the table: {first}");
    project.query(
        "CREATE INDEX by_score ON items (score DESC); COMMENT ON TABLE items IS 'mine'; \
         GRANT SELECT ON items TO PUBLIC; INSERT INTO items VALUES (1000000, 'own', 7); \
         ALTER TABLE items ADD CHECK (score < 100)",
    );
    let before = oid(&project);
    let after = rows((10..500).chain(2_000..2_010), |id| if id % 2 == 0 { 2 } else { 1 });
    project.items(&after);
    let plan = project.ok(&["plan"]);
    assert!(plan.stdout.contains("rewrite: the table would be built anew, because"), "{}", plan.stdout);
    assert_eq!(oid(&project), before, "a plan changes nothing");
    let report = project.report();
    assert_eq!(
        (&report["way"]["rebuild"], &report["batches"]["rebuild"]),
        (&true.into(), &1.into()),
        "{report}"
    );
    assert_eq!((&report["deletes"], &report["inserts"]), (&10.into(), &10.into()), "{report}");
    assert_ne!(oid(&project), before);
    table_equals(&project, &format!("{after}1000000,own,7\n"));
    let kept = project.query(
        "SELECT obj_description('items'::regclass, 'pg_class'), has_table_privilege('public', 'items', 'SELECT'), \
         (SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'items'::regclass), \
         (SELECT count(*) FROM pg_constraint WHERE conrelid = 'items'::regclass AND contype = 'c')",
    );
    assert_eq!(kept, ["mine|t|by_score items_pkey|1"]);
    // Nothing changes, nothing is built.
    let now = oid(&project);
    let report = project.report();
    assert!(report["way"].is_null(), "{report}");
    assert_eq!((oid(&project), shadows(&project)), (now, "0".to_owned()));
    project.query("DELETE FROM items WHERE id = 1000000");
    project.ok(&["verify"]);
}

/// Contract: C42
#[test]
fn auto_builds_anew_where_half_of_a_large_table_changes() {
    let project = project("auto");
    project.items(&rows(0..ROWS, |_| 1));
    project.ok(&["run"]);
    let first = oid(&project);
    let now = rows(0..ROWS, |id| if id % 100 < 60 { 2 } else { 1 });
    project.items(&now);
    let plan = project.run(&["plan", "--output", "json"]).json();
    let way = &plan["syncs"][0]["way"];
    assert_eq!(way["rebuild"], true, "{way}");
    assert_eq!(way["because"], format!("60 % of its {ROWS} rows change or go"));
    let report = project.report();
    assert_eq!(&report["way"], way, "a run does what its plan has said");
    assert_eq!(report["batches"]["rebuild"], 1, "{report}");
    assert_ne!(oid(&project), first);
    table_equals(&project, &now);
}

/// Contract: C42
#[test]
fn auto_leaves_small_tables_alone() {
    let project = project("auto");
    project.items(&rows(0..500, |_| 1));
    project.ok(&["run"]);
    project.items(&rows(0..500, |_| 2));
    let report = project.report();
    assert_eq!(report["way"]["rebuild"], false, "{report}");
    assert!(report["way"]["because"].as_str().is_some_and(|why| why.contains("500 rows")), "{report}");
}

/// Contract: C5, C17, C42
#[test]
fn what_is_in_the_way_is_told_and_batches_are_written() {
    let project = project("always");
    project.items(&rows(0..500, |_| 1));
    project.ok(&["run"]);
    project.query("CREATE VIEW shown AS SELECT id, score FROM items");
    let before = oid(&project);
    let obstacle = "view public.shown depends on it";
    let check = project.ok(&["check"]);
    assert!(
        check.stdout.contains("rewrite: runs write in batches") && check.stdout.contains(obstacle),
        "{}",
        check.stdout
    );
    project.items(&rows(0..500, |_| 2));
    let plan = project.ok(&["plan"]);
    assert!(
        plan.stdout.contains("would be written in batches") && plan.stdout.contains(obstacle),
        "{}",
        plan.stdout
    );
    let ran = project.ok(&["run"]);
    assert!(ran.stdout.contains("written in batches") && ran.stdout.contains(obstacle), "{}", ran.stdout);
    assert_eq!(oid(&project), before);
    table_equals(&project, &rows(0..500, |_| 2));

    // A row that is refused is found in batches; all others are written.
    project.query("DROP VIEW shown; ALTER TABLE items ADD CHECK (score <> 13)");
    project.items(&rows(0..500, |id| if id == 7 { 13 } else { 3 }));
    let ran = project.run(&["run", "--output", "json"]);
    assert!(ran.stderr.contains("the table was not built anew"), "{}", ran.stderr);
    let report = ran.json()["syncs"][0].take();
    assert_eq!((&report["rejected"], &report["way"]["rebuild"]), (&1.into(), &false.into()), "{report}");
    let because = report["way"]["because"].as_str().expect("a reason");
    assert!(because.contains("violates check constraint"), "{because}");
    assert_eq!(oid(&project), before);
    table_equals(&project, &rows(0..500, |id| if id == 7 { 2 } else { 3 }));
    assert_eq!(shadows(&project), "0");
}

/// The application reads in a transaction that it does not end: so the run stands before the exchange, and is killed there.
///
/// Contract: C2, C7, C42
#[test]
fn a_kill_before_the_exchange_leaves_the_table_and_the_next_run_builds_it() {
    let project = project("always");
    let before = rows(0..2_000, |_| 1);
    project.items(&before);
    project.ok(&["run"]);
    let first = oid(&project);
    project.items(&rows(0..2_000, |_| 2));
    let reader = Session::begin(&project.database, "BEGIN; SELECT count(*) FROM items");
    let mut child = project.start(&["run"]);
    eventually("the wait for the table", || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'items'::regclass AND NOT granted AND mode = 'AccessExclusiveLock'";
        project.query(waiting)[0] == "1"
    });
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    reader.end();
    eventually("the end of its session", || {
        project
            .query("SELECT count(*) FROM pg_locks WHERE relation = 'items'::regclass AND mode = 'ShareLock'")
            [0]
            == "0"
    });
    assert_eq!((oid(&project), shadows(&project)), (first.clone(), "0".to_owned()));
    table_equals(&project, &before);
    let after = rows(0..2_000, |id| if id == 5 { 3 } else { 1 });
    project.items(&after);
    let report = project.report();
    assert_eq!(report["rolled_forward"]["way"]["rebuild"], true, "{report}");
    assert_ne!(oid(&project), first);
    table_equals(&project, &after);
}

/// Contract: C26, C42
#[test]
fn a_reader_that_does_not_end_makes_the_run_write_in_batches() {
    let project = project("always");
    project.items(&rows(0..2_000, |_| 1));
    project.ok(&["run"]);
    let before = oid(&project);
    let after = rows(0..2_000, |_| 2);
    project.items(&after);
    let reader = Session::begin(&project.database, "BEGIN; SELECT count(*) FROM items");
    let report = project.report();
    reader.end();
    assert_eq!(report["way"]["rebuild"], false, "{report}");
    let because = report["way"]["because"].as_str().expect("a reason");
    assert!(because.contains("is locked by process"), "{because}");
    assert_eq!(oid(&project), before);
    table_equals(&project, &after);
}

/// Contract: C5, C42
#[test]
fn what_the_application_writes_meanwhile_is_kept() {
    let project = project("always");
    let of_all = |score| rows(0..20_000, move |_| score);
    project.items(&of_all(1));
    project.ok(&["run"]);
    let mut written = String::new();
    let mut next = 1_000_000;
    for score in 2..5 {
        project.items(&of_all(score));
        let mut child = project.start(&["run"]);
        while child.try_wait().expect("a child").is_none() {
            next += 1;
            project.query(&format!("INSERT INTO items VALUES ({next}, 'own', 7)"));
            writeln!(written, "{next},own,7").expect("a string");
        }
        assert!(child.wait().expect("it ends").success());
        table_equals(&project, &format!("{}{written}", of_all(score)));
    }
}
