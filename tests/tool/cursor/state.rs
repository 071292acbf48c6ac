//! What an incremental run goes on from: after refused rows, repairs, retries, rollbacks, and what is missing or broken.

use super::{EXACT, counts, full, is_full, is_since, items, rows};
use crate::harness::{Project, everywhere};
use std::fs;

/// Seconds for which there is no timestamp: such a row is refused while it is exported.
const TOO_LATE: &str = "9000000000000000";

/// Items with `id,name,version,seconds`, of which the last becomes a time.
fn timed(project: &Project, lines: &[String]) {
    project.items(&format!("id,name,version,seconds\n{}\n", lines.join("\n")));
}

/// Contract: C17
#[test]
fn a_refused_row_stays_refused_until_it_comes_again_wherever_it_stands_by_then() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("key: [id]\n{EXACT}"));
        project.model(
            "SELECT id, name, version, arrow_cast(seconds, 'Timestamp(Second, None)') AS moment FROM items",
        );
        let rejected = || {
            let report = project.run(&["rejects", "items", "--output", "json"]).json()["syncs"][0].take();
            let of = |reject: &serde_json::Value| {
                format!("{} since {}", reject["key"].as_str().unwrap(), reject["first_run"])
            };
            report["rejects"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
        };
        let line =
            |id: u32, name: &str, version: u32, seconds: &str| format!("{id},{name},{version},{seconds}");
        let one = line(1, "one", 1, "60");
        timed(&project, &[one, line(2, "two", 2, TOO_LATE), line(3, "three", 3, "60")]);
        let report = project.report();
        assert_eq!(report["rejected"], 1, "{report}");
        assert_eq!(rejected(), [r#"{"id":2} since 1"#]);

        // The first row comes again, so the refused one stands elsewhere; another one is refused among those that come.
        let uno = line(1, "uno", 4, "60");
        timed(
            &project,
            &[
                uno.clone(),
                line(2, "two", 2, TOO_LATE),
                line(3, "three", 3, "60"),
                line(4, "four", 5, "60"),
                line(5, "five", 6, TOO_LATE),
            ],
        );
        let report = project.report();
        is_since(&report, "3", 4);
        assert_eq!(report["rejected"], 2, "{report}");
        assert_eq!(rows(&project), ["1|uno|4", "3|three|3", "4|four|5"]);
        assert_eq!(rejected(), [r#"{"id":2} since 1"#, r#"{"id":5} since 2"#]);
        assert_eq!(project.report()["rejected"], 2, "they stay refused");

        timed(
            &project,
            &[
                uno,
                line(2, "two", 7, "60"),
                line(3, "three", 3, "60"),
                line(4, "four", 5, "60"),
                line(5, "five", 6, TOO_LATE),
            ],
        );
        let report = project.report();
        assert_eq!(report["rejected"], 1, "{report}");
        assert_eq!(rows(&project), ["1|uno|4", "2|two|7", "3|three|3", "4|four|5"]);
        assert_eq!(rejected(), [r#"{"id":5} since 2"#]);
    });
}

/// Contract: C19
#[test]
fn rows_without_a_key_do_not_pile_up() {
    let project = Project::sqlite();
    project.sync("key: [id]\ncursor: { column: version, lookback: 2 }\nnull_keys: reject");
    // One below what is asked for again, one within it.
    let ghosts = [",old ghost,1", ",ghost,9"];
    items(&project, &[ghosts[0], ghosts[1], "3,three,10"]);
    assert_eq!(project.report()["rejected"], 2);
    for _ in 0..3 {
        let report = project.report();
        is_since(&report, "8", 2);
        assert_eq!((&report["rejected"], &report["exported"]), (&2.into(), &3.into()), "{report}");
    }
    items(&project, &[ghosts[0], "7,ghost,11", "3,three,10"]);
    let report = project.report();
    is_since(&report, "8", 2);
    assert_eq!(report["rejected"], 1, "it has a key now: {report}");
    assert_eq!(rows(&project), ["3|three|10", "7|ghost|11"]);
}

/// Contract: C17
#[test]
fn a_row_that_the_target_refused_is_tried_again_without_coming_again() {
    let project = Project::sqlite();
    project
        .query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT CHECK (name <> 'bad'), version BIGINT)");
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,bad,1", "2,two,2"]);
    assert_eq!(project.report()["rejected"], 1);
    let report = project.report();
    is_since(&report, "2", 1);
    assert_eq!(report["rejected"], 1, "{report}");
    project.query(
        "CREATE TABLE other (id BIGINT PRIMARY KEY, name TEXT, version BIGINT); \
         INSERT INTO other SELECT * FROM items; DROP TABLE items; ALTER TABLE other RENAME TO items",
    );
    let report = project.report();
    is_since(&report, "2", 1);
    assert_eq!(report["rejected"], 0, "{report}");
    assert_eq!(rows(&project), ["1|bad|1", "2|two|2"]);
}

#[test]
fn after_a_rollback_all_rows_are_asked_for() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("key: [id]\n{EXACT}"));
        items(&project, &["1,one,1", "2,two,2"]);
        project.ok(&["run"]);
        items(&project, &["1,uno,3", "2,two,2", "3,three,4"]);
        is_since(&project.report(), "2", 3);
        project.ok(&["rollback", "items", "2", "--yes"]);
        assert_eq!(rows(&project), ["1|one|1", "2|two|2"]);
        let report = project.report();
        is_full(&report, "base");
        counts(&report, [1, 1, 0, 1]);
        assert_eq!(rows(&project), ["1|uno|3", "2|two|2", "3|three|4"]);
        is_since(&project.report(), "4", 1);
    });
}

#[test]
fn an_incremental_run_can_be_rolled_back_repaired_and_verified() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("key: [id]\n{EXACT}"));
        items(&project, &["1,one,1", "2,two,2"]);
        project.ok(&["run"]);
        items(&project, &["2,zwei,3"]);
        is_since(&project.report(), "2", 1);
        project.query("UPDATE items SET name = 'other'");
        project.query("DELETE FROM items WHERE id = 2");
        assert_eq!(project.run(&["verify"]).code, 2);
        project.ok(&["repair", "items"]);
        assert_eq!(rows(&project), ["1|one|1", "2|zwei|3"], "also the row that did not come");
        assert_eq!(project.run(&["verify"]).code, 0);
        // The repair has the same rows once more: there is nothing that a full run would have to find.
        items(&project, &["2,deux,4"]);
        let report = project.report();
        is_since(&report, "3", 1);
        counts(&report, [0, 1, 0, 1]);
        project.ok(&["rejects", "items", "--retry"]);
        is_since(&project.report(), "4", 1);
        project.ok(&["rollback", "items", "2", "--yes"]);
        assert_eq!(rows(&project), ["1|one|1", "2|two|2"]);
    });
}

#[test]
fn after_an_adoption_all_rows_are_asked_for() {
    let project = Project::sqlite();
    project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, version BIGINT)");
    project.query("INSERT INTO items VALUES (1, 'one', 9), (2, 'zwei', 9)");
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,9", "2,two,2"]);
    project.ok(&["adopt", "items"]);
    let report = project.report();
    is_full(&report, "base");
    counts(&report, [0, 1, 0, 1]);
    is_since(&project.report(), "9", 1);
}

/// Contract: C10
#[test]
fn after_a_run_that_was_given_up_all_rows_are_asked_for() {
    let project = Project::sqlite();
    project
        .query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT CHECK (name <> 'bad'), version BIGINT)");
    project.sync(&format!("key: [id]\n{EXACT}\nrejects: {{ rows: 0, percent: 0 }}"));
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    items(&project, &["1,one,1", "2,zwei,3", "3,bad,3"]);
    assert_eq!(project.run(&["run"]).code, 8);
    project.ok(&["abandon", "items", "2"]);
    items(&project, &["1,one,1", "2,two,2"]);
    let report = project.report();
    is_full(&report, "base");
    assert_eq!(rows(&project), ["1|one|1", "2|two|2"]);
    is_since(&project.report(), "2", 1);
}

#[test]
fn without_the_last_export_all_rows_are_asked_for_and_a_broken_one_is_told() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    let part = |run: u32| project.path(&format!("store/items/runs/{run:08}/export/part-00000.parquet"));
    fs::write(part(1), "no Parquet").unwrap();
    let ran = project.run(&["run"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    for words in
        ["reading the export of run 1, from which this incremental run goes on", "part-00000", "--full"]
    {
        assert!(ran.stderr.contains(words), "{words:?} is not in {}", ran.stderr);
    }
    counts(&full(&project), [0, 0, 0, 2]);
    let last = project.ok(&["status", "--output", "json"]).json()["syncs"][0]["published"]["run"].take();
    fs::remove_file(part(u32::try_from(last.as_u64().unwrap()).unwrap())).unwrap();
    let report = project.report();
    is_full(&report, "base");
    let because = report["cursor"]["because"].as_str().unwrap();
    assert!(because.contains("is not in the store any more"), "{report}");
}

#[test]
fn when_every_row_shall_be_sent_again_all_are_asked_for() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}"));
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    project.query("DROP TABLE items");
    let ran = project.run(&["run", "items", "--resend", "--output", "json"]);
    let report = ran.json()["syncs"][0].take();
    is_full(&report, "asked");
    assert_eq!(rows(&project), ["1|one|1", "2|two|2"]);
}

/// Contract: C4, C23
#[test]
fn what_the_guard_withheld_is_found_again_by_incremental_runs() {
    let project = Project::sqlite();
    project.sync(&format!("key: [id]\n{EXACT}\nguard: {{ deletes: {{ rows: 0, percent: 0 }} }}"));
    items(&project, &["1,one,1", "2,two,2"]);
    project.ok(&["run"]);
    items(&project, &["2,two,2"]);
    let report = full(&project);
    assert_eq!(report["deletes_withheld"], 1, "{report}");
    let report = project.report();
    is_since(&report, "2", 1);
    assert_eq!(report["deletes_withheld"], 1, "{report}");
    let ran = project.ok(&["run", "items", "--approve", "deletes=1", "--output", "json"]);
    is_since(&ran.json()["syncs"][0], "2", 1);
    assert_eq!(rows(&project), ["2|two|2"]);
}
