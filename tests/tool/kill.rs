//! Killed in the middle of applying, the source changed in the meantime: the next run leaves the target equal to the source.

use crate::harness::{Project, Ran, eventually, everywhere, signal};
use std::fmt::Write;

/// Enough for many batches.
const ROWS: u32 = 120_000;

/// `id,name,score` of all ids for which `score` gives something.
pub(crate) fn rows(score: impl Fn(u32) -> Option<u32>) -> String {
    let mut csv = String::from("id,name,score\n");
    for id in 0..ROWS + 500 {
        if let Some(score) = score(id) {
            writeln!(csv, "{id},customer {id},{score}").expect("a string");
        }
    }
    csv
}

/// Waits until the first batch of this run is committed; an earlier run's checkpoint does not count. Whoever wants the run not to
/// be over by then hurries.
pub(crate) fn in_the_middle(project: &Project, run: u32) {
    eventually("a committed batch", || {
        project.database.checkpoint("items").is_some_and(|found| found[0] == u64::from(run) && found[2] >= 1)
    });
}

pub(crate) fn table_equals(project: &Project, csv: &str) {
    let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
    let mut found = project.database.rows("items", &["id", "name", "score"]);
    wanted.sort();
    found.sort();
    assert_eq!(found.len(), wanted.len());
    assert!(found == wanted, "the rows differ");
}

/// A first load is killed; then a row that it has written is gone from the source, another has changed and a third, which it
/// had not reached, is gone too.
fn killed_first_load(project: Project) {
    project.items(&rows(|id| (id < ROWS).then_some(id % 100)));
    let mut child = project.start(&["run"]);
    in_the_middle(&project, 1);
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    let found = u32::try_from(project.database.rows("items", &["id"]).len()).expect("a count");
    assert!(found > 0 && found < ROWS, "{found} rows: the kill came in the middle");

    let after = rows(|id| match id {
        id if id == 3 || id == ROWS - 1 => None,
        7 => Some(777),
        id => Some(id % 100),
    });
    project.items(&after);
    let report = project.report();
    assert!(report["rolled_forward"].is_object(), "the sealed run was finished first: {report}");
    assert_eq!(
        (&report["deletes"], &report["updates"], &report["inserts"]),
        (&2.into(), &1.into(), &500.into())
    );
    table_equals(&project, &after);
}

#[test]
fn a_killed_first_load_is_finished_and_the_next_run_sees_what_changed_since() {
    everywhere(|project| killed_first_load(project()));
}

#[test]
fn a_killed_first_load_of_mysql_is_finished_and_the_next_run_sees_what_changed_since() {
    killed_first_load(Project::mysql());
}

/// The next run waits for the transaction of the dead one, which the server keeps for a minute or more.
#[test]
fn a_crashed_first_load_of_mongodb_is_finished_and_the_next_run_sees_what_changed_since() {
    killed_first_load(Project::mongodb());
}

/// The two kinds of wrong rows that comparing with the last published index alone would leave for ever.
#[test]
fn a_row_that_changed_back_and_a_row_that_came_and_went_are_right_after_a_kill() {
    everywhere(|project| {
        let project = project();
        let before = rows(|id| (id < ROWS).then_some(1));
        project.items(&before);
        project.ok(&["run"]);
        // Every row changes, and new ones come.
        project.items(&rows(|_| Some(2)));
        let mut child = project.start(&["run"]);
        in_the_middle(&project, 2);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let changed = project.database.count("items", "score", 2);
        assert!(changed > 0 && changed < ROWS, "{changed} rows changed: the kill came in the middle");
        // All of it is undone in the source.
        project.items(&before);
        project.ok(&["run"]);
        table_equals(&project, &before);
    });
}

/// Somebody changed every row, and the repair of that is killed.
#[test]
fn a_killed_repair_is_finished_by_the_next_run() {
    everywhere(|project| {
        let project = project();
        let some = ROWS / 2;
        let all = rows(|id| (id < some).then_some(1));
        project.items(&all);
        project.ok(&["run"]);
        project.database.set_all("items", "score", 0);
        let mut child = project.start(&["repair", "items", "--pace", "100"]);
        in_the_middle(&project, 2);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        assert_ne!(project.database.count("items", "score", 0), 0, "the kill came in the middle");
        let refused = project.run(&["verify"]);
        assert_eq!(refused.code, 9, "{}", refused.all());
        assert!(refused.stderr.contains("run 2 is sealed and not finished"), "{}", refused.stderr);
        let report = project.report();
        assert_eq!(report["rolled_forward"]["kind"], "repair", "{report}");
        assert_eq!(report["unchanged"], some);
        table_equals(&project, &all);
        project.ok(&["verify", "--pace", "100"]);
    });
}

fn stopped_between_batches(project: Project) {
    let all = rows(|id| (id < ROWS).then_some(5));
    project.items(&all);
    let child = project.start(&["run"]);
    in_the_middle(&project, 1);
    signal(&child, "TERM");
    let ended = Ran::of(&child.wait_with_output().expect("it ends"));
    assert_eq!(ended.code, 6, "{}", ended.all());
    assert!(ended.stderr.contains("the next run goes on from here"), "{}", ended.stderr);
    let found = u32::try_from(project.database.rows("items", &["id"]).len()).expect("a count");
    assert!(found > 0 && found < ROWS, "{found} rows");
    let status = project.ok(&["status"]);
    assert!(status.stdout.contains("is sealed and not finished"), "{}", status.stdout);
    project.ok(&["run"]);
    table_equals(&project, &all);
}

/// Contract: C11
#[test]
fn sigterm_stops_between_batches_and_the_next_run_goes_on() {
    everywhere(|project| stopped_between_batches(project()));
}

/// Contract: C11
#[test]
fn sigterm_stops_between_batches_into_mysql() {
    stopped_between_batches(Project::mysql());
}

/// Contract: C11
#[test]
fn sigterm_stops_between_batches_into_mongodb() {
    stopped_between_batches(Project::mongodb());
}

#[test]
fn a_second_signal_stops_at_once_and_safely() {
    everywhere(|project| {
        let project = project();
        let all = rows(|id| (id < ROWS).then_some(5));
        project.items(&all);
        let child = project.start(&["run"]);
        in_the_middle(&project, 1);
        signal(&child, "INT");
        signal(&child, "TERM");
        let ended = Ran::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(ended.code, 6, "{}", ended.all());
        project.ok(&["run"]);
        table_equals(&project, &all);
    });
}

#[test]
fn a_second_run_of_the_same_sync_is_refused_and_says_who_runs_it() {
    let project = Project::postgres();
    project.items(&rows(|id| (id < ROWS).then_some(5)));
    let mut child = project.start(&["run"]);
    let lease = project.path("store/items/leases/00000001.json");
    eventually("a lease", || lease.exists());
    signal(&child, "STOP");
    let second = project.run(&["run"]);
    signal(&child, "CONT");
    assert_eq!(second.code, 5, "{}", second.all());
    assert!(second.stderr.contains(&format!("process {} on", child.id())), "{}", second.stderr);
    assert!(second.stderr.contains("has been running this sync since"), "{}", second.stderr);
    assert!(child.wait().expect("it ends").success());
}
