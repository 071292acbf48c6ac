//! Runs that are killed while DuckDB writes.

use super::{duckdb, unloaded};
use crate::harness::{Project, eventually};
use std::{path::PathBuf, process::Child};

/// A run in the middle of its unload, and the file that DuckDB writes.
fn while_the_source_writes() -> (Project, Child, PathBuf) {
    let project = Project::sqlite();
    duckdb(&project, "./store", "threads: 1, memory: 512MiB, unload: true", "");
    project.model("SELECT range AS id, md5(range::VARCHAR) AS name FROM range(50000000)");
    let run = project.start(&["run"]);
    let file = project.path("store/items/runs/00000001/unloaded/rows.parquet");
    eventually("the file of the source", || file.metadata().is_ok_and(|about| about.len() > 0));
    (project, run, file)
}

#[test]
fn a_run_that_is_killed_while_the_source_writes_leaves_files_that_the_next_one_removes() {
    let (project, mut run, file) = while_the_source_writes();
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(file.exists(), "nobody has removed it yet");
    project.model("SELECT range AS id, md5(range::VARCHAR) AS name FROM range(100)");
    let report = project.report();
    assert_eq!((&report["run"], &report["inserts"]), (&2.into(), &100.into()), "{report:#}");
    assert_eq!(report["unload"]["way"], "unloaded");
    assert_eq!(unloaded(&project), Vec::<String>::new());
    assert!(!project.path("store/items/runs/00000001").exists(), "the dead run is collected");
}

#[test]
fn a_run_that_is_asked_to_stop_ends_the_statement_and_removes_what_it_wrote() {
    let (project, mut run, _) = while_the_source_writes();
    crate::harness::signal(&run, "INT");
    eventually("the end of the run", || run.try_wait().unwrap().is_some());
    project.model("SELECT range AS id, 'x' AS name FROM range(7)");
    assert_eq!(project.report()["inserts"], 7);
    assert_eq!(unloaded(&project), Vec::<String>::new());
}
