//! A sealed run that is given up, and a run that is taken back.

use crate::{
    harness::{Project, everywhere},
    kill,
};
use std::{fmt::Write, fs};

/// Enough for several batches, the first of which has 2,000 rows.
const ROWS: u32 = 7_000;
/// A score that the table refuses; it lies in the second batch.
const REFUSED: u32 = 666;
const STUMBLING_BLOCK: u32 = 2_500;
/// Enough for a SIGKILL to come in the middle: batches grow to half a second.
const KILLED_ROWS: u32 = 100_000;

/// `id,score` of all ids for which `score` gives something.
fn csv(score: impl Fn(u32) -> Option<u32>) -> String {
    let mut csv = String::from("id,score\n");
    for id in 0..ROWS {
        if let Some(score) = score(id) {
            writeln!(csv, "{id},{score}").expect("a string");
        }
    }
    csv
}

fn holds(project: &Project, csv: &str) {
    let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
    let mut found = project.query("SELECT id, score FROM items");
    wanted.sort();
    found.sort();
    assert!(found == wanted, "the rows differ: {} are there, {} are wanted", found.len(), wanted.len());
}

fn count(project: &Project, condition: &str) -> u32 {
    project.query(&format!("SELECT count(*) FROM items WHERE {condition}"))[0].parse().expect("a count")
}

/// A table that refuses a score, and a sync that no refusal is allowed to.
fn strict(project: &Project) {
    project.query(&format!(
        "CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, score bigint CHECK (score <> {REFUSED}))"
    ));
    project.sync("key: [id]\nrejects: { rows: 0, percent: 0 }");
}

/// What is published before: the first 500 ids are not there yet.
fn before() -> String {
    csv(|id| (id >= 500).then_some(1))
}

/// What the run that dies was about: ids that are new, others that change, the last ones deleted; one is refused.
fn dying() -> String {
    csv(|id| match id {
        STUMBLING_BLOCK => Some(REFUSED),
        id if id >= ROWS - 500 => None,
        _ => Some(2),
    })
}

/// Run 1 is published, run 2 is sealed and comes to an end in its second batch.
fn died_in_the_middle(project: &Project) {
    strict(project);
    project.items(&before());
    project.ok(&["run"]);
    project.items(&dying());
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 8, "{}", ran.all());
    assert_eq!(count(project, "id < 500"), 500, "rows were inserted");
    assert_eq!(count(project, &format!("id >= {}", ROWS - 500)), 0, "rows were deleted");
    let changed = count(project, "score = 2 AND id >= 500");
    assert!(changed > 0 && changed < ROWS - 1000, "{changed} rows were changed, not all");
}

/// Inserted by the dead run and gone from the query since, changed by it and changed back since, deleted by it and back
/// since: the three kinds of rows that would be wrong for ever.
///
/// Contract: C10
#[test]
fn after_an_abandoned_run_the_next_one_repairs_every_kind_of_wrong_row() {
    everywhere(|project| {
        let project = project();
        died_in_the_middle(&project);
        let ran = project.ok(&["abandon", "items", "2"]);
        for part in ["run 2 is abandoned", "of 7,000 rows it is not known", "compares with run 1"] {
            assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
        }
        let status = project.ok(&["status"]);
        assert!(!status.stdout.contains("is sealed and not finished"), "{}", status.stdout);
        // As it was, but for one row that changes otherwise and one that is new.
        let after = before().replace("\n3000,1\n", "\n3000,3\n") + "9999,9\n";
        project.items(&after);
        let report = project.report();
        assert!(report["rolled_forward"].is_null(), "nobody finishes it: {report}");
        assert_eq!(report["base"], 1, "{report}");
        holds(&project, &after);
        let report = project.report();
        assert_eq!((&report["unchanged"], &report["updates"]), (&6_501.into(), &0.into()), "{report}");
    });
}

/// The same with a SIGKILL.
///
/// Contract: C10
#[test]
fn a_run_that_was_killed_can_be_abandoned() {
    everywhere(|project| {
        let project = project();
        let before = kill::rows(|id| (id < KILLED_ROWS).then_some(1));
        project.items(&before);
        project.ok(&["run"]);
        project.items(&kill::rows(|id| (id < KILLED_ROWS + 500).then_some(2)));
        let mut child = project.start(&["run"]);
        kill::in_the_middle(&project, 2);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        project.ok(&["abandon", "items", "2"]);
        project.items(&before);
        let report = project.report();
        assert!(report["rolled_forward"].is_null(), "{report}");
        kill::table_equals(&project, &before);
    });
}

#[test]
fn the_keys_of_an_abandoned_run_are_known_from_its_index_if_its_export_is_gone() {
    everywhere(|project| {
        let project = project();
        died_in_the_middle(&project);
        fs::remove_dir_all(project.path("store/items/runs/00000002/export")).expect("the export");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "it cannot be finished: {}", ran.all());
        let ran = project.ok(&["abandon", "items", "2", "--output", "json"]);
        let report = &ran.json()["syncs"][0];
        assert_eq!((&report["lost"], &report["unknown"]), (&false.into(), &7_000.into()), "{report}");
        project.items(&before());
        project.ok(&["run"]);
        holds(&project, &before());
    });
}

#[test]
fn an_abandoned_run_without_files_makes_the_next_one_send_everything_and_says_what_stays_wrong() {
    everywhere(|project| {
        let project = project();
        died_in_the_middle(&project);
        fs::remove_dir_all(project.path("store/items/runs/00000002")).expect("its files");
        let ran = project.ok(&["abandon", "items", "2"]);
        for part in [
            "the files of run 2 cannot be read",
            "the next run sends every row again",
            "rows that run 2 inserted and that have left the query since stay in the table",
        ] {
            assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
        }
        project.items(&before());
        let report = project.report();
        assert_eq!((&report["updates"], &report["unchanged"]), (&6_500.into(), &0.into()), "{report}");
        // Changed and changed back, deleted and back: right. Inserted and gone: as it was said.
        assert_eq!(count(&project, "id >= 500 AND score = 1"), 6_500);
        assert_eq!(count(&project, "id < 500"), 500);
    });
}

/// That is why one abandons: what was sealed does not fit the table any more.
///
/// Contract: C10
#[test]
fn a_run_that_does_not_fit_an_altered_table_is_abandoned_and_the_next_one_fits() {
    everywhere(|project| {
        let project = project();
        strict(&project);
        project.query("ALTER TABLE items ADD COLUMN note text");
        let with_note = |csv: &str| csv.replace("\n", ",n\n").replacen("score,n", "score,note", 1);
        project.items(&with_note(&before()));
        project.ok(&["run"]);
        project.items(&with_note(&dying()));
        assert_eq!(project.run(&["run"]).code, 8);
        project.query("ALTER TABLE items DROP COLUMN note");
        project.items(&before());
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains("does not fit") && ran.stderr.contains("note"), "{}", ran.stderr);
        project.ok(&["abandon", "items", "2"]);
        project.ok(&["run"]);
        holds(&project, &before());
    });
}

/// Contract: C10
#[test]
fn two_abandoned_runs_in_a_row_are_both_repaired() {
    everywhere(|project| {
        let project = project();
        died_in_the_middle(&project);
        project.ok(&["abandon", "items", "2"]);
        // Keys that the first dead run had not, and others changed once more. The abandonment took a number too.
        let second =
            csv(|id| (id != 1).then_some(if id == STUMBLING_BLOCK { REFUSED } else { 4 })) + "8000,8\n";
        project.items(&second);
        assert_eq!(project.run(&["run"]).code, 8);
        let pending = project.ok(&["status", "--output", "json"]).json()["syncs"][0]["pending"].take();
        assert_eq!(pending, 4);
        project.ok(&["abandon", "items", "4"]);
        project.items(&before());
        let report = project.report();
        assert_eq!(report["base"], 1, "{report}");
        holds(&project, &before());
        assert_eq!(project.report()["unchanged"], 6_500);
    });
}

/// Contract: C10
#[test]
fn a_first_run_can_be_abandoned() {
    everywhere(|project| {
        let project = project();
        strict(&project);
        project.items(&dying());
        assert_eq!(project.run(&["run"]).code, 8);
        let ran = project.ok(&["abandon", "items", "1"]);
        assert!(ran.stdout.contains("the next run is the first one"), "{}", ran.stdout);
        // Of what it inserted, some rows are gone since.
        let after = csv(|id| (id % 20 != 0).then_some(5));
        project.items(&after);
        project.ok(&["run"]);
        holds(&project, &after);
    });
}

#[test]
fn only_a_sealed_run_that_waits_can_be_abandoned() {
    let project = Project::sqlite();
    died_in_the_middle(&project);
    for run in ["1", "3", "99"] {
        let ran = project.run(&["abandon", "items", run]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        let says = format!("run {run} is not a sealed run that waits to be finished; run 2 is");
        assert!(ran.stderr.contains(&says), "{}", ran.stderr);
    }
    project.ok(&["abandon", "items", "2"]);
    let ran = project.run(&["abandon", "items", "2"]);
    assert_eq!(ran.code, 9, "{}", ran.all());
    let ran = project.run(&["abandon", "things", "2"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    let status = project.ok(&["status"]);
    assert!(status.stdout.contains("run 2 failed"), "it is still told why: {}", status.stdout);
    assert!(!status.stdout.contains("waits to be finished"), "{}", status.stdout);
}

#[test]
fn neither_source_nor_target_is_needed_to_abandon() {
    let mut project = Project::postgres();
    died_in_the_middle(&project);
    fs::remove_file(project.path("items.csv")).expect("the source");
    project.env("APP", "postgres://nobody@127.0.0.1:1/nowhere");
    project.ok(&["abandon", "items", "2"]);
}

/// Three published runs: 1 has ids from 500 on, 2 and 3 have changes of each kind.
fn three_runs(project: &Project) -> [String; 3] {
    let second = csv(|id| (250..ROWS - 250).contains(&id).then_some(if id < 1_000 { 2 } else { 1 }));
    let third = csv(|id| (id != 4_000).then_some(3));
    let states = [before(), second, third];
    for state in &states {
        project.items(state);
        project.ok(&["run"]);
    }
    states
}

/// Contract: C34
#[test]
fn a_rollback_shows_its_plan_then_brings_back_what_the_table_held() {
    everywhere(|project| {
        let project = project();
        let [first, second, third] = three_runs(&project);
        let ran = project.run(&["rollback", "items", "3"]);
        assert_eq!(ran.code, 2, "{}", ran.all());
        for part in [
            "back to what it held when run 2 was published",
            "1 to insert, 6,499 to update, 500 to delete",
            "the next run applies the query's present rows again",
            "nothing was written",
            "score: 3 → 2",
        ] {
            assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
        }
        holds(&project, &third);
        assert!(!project.path("store/items/manifests/00000004.sealed.json").exists());

        // Two runs at once; the source is not asked.
        fs::rename(project.path("items.csv"), project.path("away.csv")).expect("the source");
        let ran = project.ok(&["rollback", "items", "2", "--yes", "--output", "json"]);
        let report = &ran.json()["syncs"][0];
        assert_eq!(report["kind"], serde_json::json!({ "rollback": { "to": 1 } }), "{report}");
        assert_eq!((&report["run"], &report["base"]), (&4.into(), &3.into()), "{report}");
        holds(&project, &first);
        let ran = project.ok(&["rollback", "items", "2"]);
        assert!(ran.stdout.contains("0 to insert, 0 to update, 0 to delete"), "{}", ran.stdout);

        // A rollback is a run: it can be taken back.
        project.ok(&["rollback", "items", "4", "--yes"]);
        holds(&project, &third);
        project.ok(&["rollback", "items", "3", "--yes"]);
        holds(&project, &second);
        fs::rename(project.path("away.csv"), project.path("items.csv")).expect("the source");
        project.ok(&["run"]);
        holds(&project, &third);
    });
}

/// Contract: C2
#[test]
fn a_rollback_that_is_killed_is_finished_by_whoever_comes_next() {
    everywhere(|project| {
        let project = project();
        let before = kill::rows(|id| (id < KILLED_ROWS).then_some(1));
        let after = kill::rows(|id| (id < KILLED_ROWS + 500).then_some(2));
        for state in [&before, &after] {
            project.items(state);
            project.ok(&["run"]);
        }
        let mut child = project.start(&["rollback", "items", "2", "--yes"]);
        kill::in_the_middle(&project, 3);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let back: u32 =
            project.query("SELECT count(*) FROM items WHERE score = 1")[0].parse().expect("a count");
        assert!(back > 0 && back < KILLED_ROWS, "{back} rows are back: the kill came in the middle");
        // The same command again finishes it and finds nothing more to do.
        let ran = project.ok(&["rollback", "items", "2", "--yes", "--output", "json"]);
        let report = &ran.json()["syncs"][0];
        assert_eq!(report["rolled_forward"]["run"], 3, "{report}");
        assert_eq!(report["updates"], 0, "{report}");
        kill::table_equals(&project, &before);
    });
}

/// What run 2 was about to write and did not is not "brought back": the target never held it.
///
/// Contract: C34
#[test]
fn a_rollback_does_not_bring_back_what_was_withheld_or_rejected_then() {
    everywhere(|project| {
        let project = project();
        strict(&project);
        project.sync("key: [id]\nguard: { changes: { rows: 0, percent: 50, then: withhold } }");
        let states = [
            "id,score\n1,1\n2,1\n3,1\n4,1\n",
            // Most rows change: that is withheld. A new one is refused, another new one is not.
            "id,score\n1,2\n2,2\n3,2\n4,1\n5,666\n6,6\n",
            // One of the withheld changes is wanted no more, and the refused row is mended.
            "id,score\n1,3\n2,1\n3,1\n4,1\n5,5\n6,7\n",
        ];
        for (state, code) in states.iter().zip([0, 4, 0]) {
            project.items(state);
            let ran = project.run(&["run"]);
            assert_eq!(ran.code, code, "{}", ran.all());
        }
        let rows = || project.query("SELECT id, score FROM items ORDER BY id").join(" ");
        assert_eq!(rows(), "1|3 2|1 3|1 4|1 5|5 6|7");
        let ran = project.run(&["rollback", "items", "3", "--yes", "--output", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let report = &ran.json()["syncs"][0];
        // Row 6 goes back. Rows 1 to 3 never had a 2, and row 5 never had its 666: they stay.
        assert_eq!((&report["updates"], &report["rejected"]), (&1.into(), &0.into()), "{report}");
        assert_eq!(rows(), "1|3 2|1 3|1 4|1 5|5 6|6");
        project.ok(&["run"]);
        assert_eq!(rows(), "1|3 2|1 3|1 4|1 5|5 6|7");
    });
}

#[test]
fn the_guard_looks_at_a_rollback_too() {
    let project = Project::sqlite();
    for rows in [50, 100] {
        let mut csv = String::from("id,name\n");
        (0..rows).for_each(|id| writeln!(csv, "{id},n{id}").expect("a string"));
        project.items(&csv);
        project.ok(&["run"]);
    }
    let command = "hydrant rollback items 2 --approve deletes=50";
    let plan = project.run(&["rollback", "items", "2"]);
    assert!(
        plan.stdout.contains("50 deletes would be withheld") && plan.stdout.contains(command),
        "{}",
        plan.all()
    );
    let samples: Vec<_> = plan.stdout.lines().filter(|line| line.starts_with("  - ")).collect();
    assert!(samples.len() == 3 && samples.iter().all(|s| s.ends_with(" (withheld)")), "{}", plan.all());
    let ran = project.run(&["rollback", "items", "2", "--yes"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stdout.contains("50 deletes withheld") && ran.stdout.contains(command), "{}", ran.all());
    assert_eq!(count(&project, "1 = 1"), 100);
    let ran = project.run(&["rollback", "items", "2", "--approve", "deletes=50"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    project.ok(&["rollback", "items", "2", "--approve", "deletes=50", "--yes"]);
    assert_eq!(count(&project, "1 = 1"), 50);
}

#[test]
fn what_cannot_be_rolled_back_is_said() {
    let project = Project::sqlite();
    let refused = |run: &str, says: &str| {
        for more in [&[][..], &["--yes"]] {
            let ran = project.run(&[&["rollback", "items", run], more].concat());
            assert_eq!(ran.code, 9, "{}", ran.all());
            assert!(ran.stderr.contains(says), "{says:?} is not in {}", ran.stderr);
        }
    };
    project.items("id,name\n1,one\n2,two\n");
    refused("1", "no run of this sync is published yet");
    project.ok(&["run"]);
    project.items("id,name\n1,one\n2,zwei\n");
    project.ok(&["run"]);
    refused("1", "it was the first one");
    refused("9", "there is no such run, the last one is 2");
    let export = project.path("store/items/runs/00000001/export");
    fs::rename(&export, project.path("kept")).expect("the export");
    refused("2", "run 1, the one before it, is not kept any more (see `retain`)");
    fs::rename(project.path("kept"), &export).expect("the export");
    project.sync("key: [id]\nmode: upsert");
    refused("2", "another `mode`");
    project.sync("key: [id]");
    project.query("ALTER TABLE items ADD COLUMN twice bigint");
    project.model("SELECT id, name, id * 2 AS twice FROM items");
    project.ok(&["run"]);
    refused(
        "2",
        r#"the query's columns have changed since run 1: the column "twice" (64-bit integer) is new"#,
    );
    assert_eq!(project.query("SELECT name FROM items WHERE id = 2"), ["zwei"]);
    let ran = project.run(&["rollback", "items", "2", "--output", "json"]);
    assert_eq!((ran.code, &ran.json()["syncs"][0]["error"]["kind"]), (9, &"wrong".into()), "{}", ran.all());
}

#[test]
fn a_plan_of_a_rollback_as_json() {
    let project = Project::sqlite();
    for csv in ["id,name\n1,one\n2,two\n3,three\n", "id,name\n1,one\n2,zwei\n4,four\n"] {
        project.items(csv);
        project.ok(&["run"]);
    }
    let ran = project.run(&["rollback", "items", "2", "--output", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    let plan = &ran.json()["syncs"][0];
    assert_eq!((&plan["back_to"]["run"], &plan["base"]), (&1.into(), &2.into()), "{plan}");
    assert_eq!(
        (&plan["inserts"], &plan["updates"], &plan["deletes"], &plan["unchanged"]),
        (&1.into(), &1.into(), &1.into(), &1.into()),
        "{plan}"
    );
    let changes: Vec<_> = plan["samples"]
        .as_array()
        .expect("samples")
        .iter()
        .map(|s| format!("{} {}", s["change"], s["key"]))
        .collect();
    assert_eq!(changes, [r#""insert" {"id":3}"#, r#""update" {"id":2}"#, r#""delete" {"id":4}"#]);
}
