//! Exports of which only the rows that changed are kept: small, as safe as the others, and plain about what they give up.

use crate::harness::{Project, everywhere, required};
use hydrant::store::read_all;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The key of every sync here, and this.
const CHANGES: &str = "key: [id]\nexport: changes";
const ROWS: u32 = 10_000;

fn rows(project: &Project) -> Vec<String> {
    project.query("SELECT id, name FROM items ORDER BY id")
}

fn items(project: &Project, lines: &[&str]) {
    project.items(&format!("id,name\n{}\n", lines.join("\n")));
}

/// Three runs: the first one, and two that change a row each.
fn three_runs(project: &Project) {
    project.sync(CHANGES);
    items(project, &["1,one", "2,two", "3,three"]);
    project.ok(&["run"]);
    items(project, &["1,uno", "2,two", "3,three"]);
    project.ok(&["run"]);
    items(project, &["1,uno", "2,due", "3,three"]);
    project.ok(&["run"]);
}

/// Inserted, updated, deleted and unchanged rows.
fn counts(report: &Value) -> [u64; 4] {
    ["inserts", "updates", "deletes", "unchanged"].map(|kind| report[kind].as_u64().expect("a count"))
}

/// The bytes of all files in a folder of a run.
fn bytes(project: &Project, run: u64, folder: &str) -> u64 {
    let folder = project.path(&format!("store/items/runs/{run:08}/{folder}"));
    let files = fs::read_dir(folder).into_iter().flatten();
    files.map(|file| file.expect("a file").metadata().expect("about it").len()).sum()
}

/// How many rows the export of a run has in the store.
fn kept(project: &Project, run: u64) -> usize {
    let folder = project.path(&format!("store/items/runs/{run:08}/export"));
    let files = fs::read_dir(folder).into_iter().flatten();
    let rows = |path: &Path| read_all(fs::read(path).expect("a part").into()).expect("Parquet").num_rows();
    files.map(|file| rows(&file.expect("a file").path())).sum()
}

fn seal(project: &Project, run: u64) -> Value {
    let seal = project.read(&format!("store/items/manifests/{run:08}.sealed.json"));
    serde_json::from_str(&seal).expect("JSON")
}

/// Wide rows, of which the index holds little; `changed` says of which ids the values are others.
fn wide(changed: impl Fn(u32) -> bool) -> String {
    let mut csv = String::from("id,name,a,b,c,d\n");
    for id in 0..ROWS {
        let text = |k: u32| format!("{:08x}", id.wrapping_mul(2_654_435_761).wrapping_add(k * 40_503));
        let name = if changed(id) { "new" } else { "old" };
        csv += &format!("{id},{name},{},{},{},{}\n", text(1).repeat(3), text(2), text(3).repeat(2), text(4));
    }
    csv
}

/// Contract: C1, C41
#[test]
fn what_a_run_keeps_grows_with_its_changes_and_not_with_the_table() {
    everywhere(|project| {
        let project = project();
        project.sync(CHANGES);
        project.items(&wide(|_| false));
        let report = project.report();
        assert_eq!((counts(&report), &report["export"]), ([ROWS.into(), 0, 0, 0], &Value::Null), "{report}");
        // All rows were changes: they were written once, and are all there.
        assert_eq!((kept(&project, 1), &seal(&project, 1)["format"]), (ROWS as usize, &json!(2)));

        project.items(&wide(|id| id % 100 == 7));
        let report = project.report();
        assert_eq!(counts(&report), [0, 100, 0, 9_900], "{report}");
        assert_eq!((&report["exported"], &report["export"]), (&ROWS.into(), &"changes".into()), "{report}");
        let sealed = seal(&project, 2);
        assert_eq!((&sealed["format"], &sealed["export"]["changes_of"]), (&json!(3), &ROWS.into()));
        assert_eq!(kept(&project, 2), 100);
        let (full, changes) = (bytes(&project, 1, "export"), bytes(&project, 2, "export"));
        assert!(changes * 20 < full, "{changes} bytes of changes, {full} of all rows");
        let wanted = (0..ROWS).filter(|id| id % 100 == 7).count().to_string();
        assert_eq!(project.query("SELECT count(*) FROM items WHERE name = 'new'"), [wanted]);

        let report = project.report();
        assert_eq!(counts(&report), [0, 0, 0, ROWS.into()], "{report}");
        assert_eq!(bytes(&project, 3, "export"), 0);
        let freshness = format!("SELECT run, rows FROM {}", project.database.freshness());
        assert_eq!(project.query(&freshness), [format!("3|{ROWS}")]);
        let status = project.run(&["status"]).all();
        assert!(status.contains("of run 3 only the rows that it changed are kept"), "{status}");
    });
}

/// Inserts, updates and deletes at once, in an order that is not the key's, and a key that is refused.
#[test]
fn every_kind_of_change_arrives() {
    everywhere(|project| {
        let project = project();
        project.sync(&format!("{CHANGES}\nnull_keys: reject\nguard: {{ deletes: off }}"));
        let before: Vec<String> = (0..6_000).rev().map(|id| format!("{id},n{id}")).collect();
        items(&project, &before.iter().map(String::as_str).collect::<Vec<_>>());
        project.ok(&["run"]);
        let mut after = vec![",nobody".to_owned()];
        after.extend((0..6_000).rev().filter(|id| id % 10 > 0).map(|id| match id % 3 {
            0 => format!("{id},m{id}"),
            _ => format!("{id},n{id}"),
        }));
        after.extend((7_000..7_500).map(|id| format!("{id},new")));
        items(&project, &after.iter().map(String::as_str).collect::<Vec<_>>());
        let report = project.report();
        assert_eq!(counts(&report), [500, 1_800, 600, 3_600], "{report}");
        assert_eq!((&report["exported"], &report["rejected"]), (&5_901.into(), &1.into()), "{report}");
        assert_eq!(kept(&project, 2), 2_300);
        let mut wanted: Vec<_> = after[1..].iter().map(|line| line.replace(',', "|")).collect();
        let mut found = rows(&project);
        wanted.sort();
        found.sort();
        assert!(found == wanted);
        let rejects = project.run(&["rejects", "items", "--output", "json"]).json();
        let reject = &rejects["syncs"][0]["rejects"][0];
        assert_eq!((&reject["key"], &reject["position"]), (&r#"{"id":null}"#.into(), &Value::Null));
        assert_eq!(counts(&project.report()), [0, 0, 0, 5_900]);
    });
}

/// Contract: C1
#[test]
fn a_sync_goes_from_one_kind_to_the_other_and_back() {
    everywhere(|project| {
        let project = project();
        let mut lines: Vec<String> = (0..50).map(|id| format!("{id},n{id}")).collect();
        for (run, export) in [(1, "full"), (2, "changes"), (3, "changes"), (4, "full"), (5, "changes")] {
            project.sync(&format!("key: [id]\nexport: {export}"));
            lines[run] = format!("{run},run {run}");
            lines.push(format!("{},new", 100 + run));
            items(&project, &lines.iter().map(String::as_str).collect::<Vec<_>>());
            let report = project.report();
            let expected = if run == 1 { [51, 0, 0, 0] } else { [1, 1, 0, 48 + run as u64] };
            assert_eq!(counts(&report), expected, "run {run}: {report}");
            let all = if export == "full" { lines.len() } else { 2 };
            assert_eq!(kept(&project, run as u64), all, "run {run}");
            let wanted: Vec<_> = lines.iter().map(|line| line.replace(',', "|")).collect();
            assert_eq!(rows(&project), wanted, "run {run}");
        }
        // To run 4 one can go back.
        project.ok(&["rollback", "items", "5", "--yes"]);
        assert_eq!(kept(&project, 6), 1);
        assert!(
            rows(&project).contains(&"5|n5".to_owned()) && !rows(&project).contains(&"105|new".to_owned())
        );
        assert_eq!(counts(&project.report()), [1, 1, 0, 53], "the query's rows are there again");
    });
}

/// Contract: C41
#[test]
fn a_rollback_to_a_run_that_kept_only_changes_is_refused_with_the_reason() {
    let project = Project::sqlite();
    three_runs(&project);
    for arguments in [&["rollback", "items", "3"] as &[_], &["rollback", "items", "3", "--yes"]] {
        let ran = project.run(arguments);
        assert_eq!(ran.code, 9, "{}", ran.all());
        for part in ["of run 2", "only the rows that it changed are kept", "`export: full`"] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    }
    assert_eq!(rows(&project), ["1|uno", "2|due", "3|three"]);
    // The first run has all its rows.
    project.ok(&["rollback", "items", "2", "--yes"]);
    assert_eq!(rows(&project), ["1|one", "2|two", "3|three"]);
    let check = project.ok(&["check"]);
    assert!(check.stdout.contains("only the rows that it changes are kept"), "{}", check.stdout);
}

/// Contract: C31, C32
#[test]
fn verify_needs_no_export_and_repair_runs_the_query() {
    everywhere(|project| {
        let project = project();
        three_runs(&project);
        project.query("DELETE FROM items WHERE id = 1");
        project.query("UPDATE items SET name = 'other' WHERE id IN (2, 3)");
        project.query("INSERT INTO items (id, name) VALUES (99, 'mine')");
        let ran = project.run(&["verify", "--output", "json"]);
        let report = ran.json()["syncs"][0].take();
        assert_eq!(ran.code, 2);
        let found = ["missing", "changed", "extra"].map(|kind| report[kind].as_u64());
        assert_eq!(found, [Some(1), Some(2), Some(1)], "{report}");
        // What was written is known of rows that the last run has changed.
        let columns = |id: u32| {
            let of = |sample: &&Value| sample["key"] == json!({ "id": id });
            report["samples"].as_array().unwrap().iter().find(of).unwrap()["columns"].clone()
        };
        assert_eq!(columns(2), json!([{ "column": "name", "before": "other", "after": "due" }]));
        assert_eq!(columns(3), json!([]));

        // The query has changed since: of the rows that are repaired its present values are written, the others wait.
        items(&project, &["1,uno", "2,deux", "3,three", "4,four"]);
        let ran = project.run(&["repair", "items", "--output", "json"]);
        let report = ran.json()["syncs"][0].take();
        assert_eq!((counts(&report["repair"]), &report["left"]), ([0, 3, 0, 0], &1.into()), "{report}");
        assert!(ran.stderr.contains("`export: changes`"), "{}", ran.stderr);
        assert_eq!(rows(&project), ["1|uno", "2|deux", "3|three", "99|mine"]);
        let freshness = format!("SELECT as_of FROM {}", project.database.freshness());
        let as_of = project.query(&freshness);
        project.query("DELETE FROM items WHERE id = 3");
        project.ok(&["repair", "items", "--delete-extra"]);
        assert_eq!(rows(&project), ["1|uno", "2|deux", "3|three"]);
        assert_eq!(project.query(&freshness), as_of, "what the query has besides was not written");
        assert_eq!(counts(&project.report()), [1, 0, 0, 3]);
        assert_eq!(rows(&project), ["1|uno", "2|deux", "3|three", "4|four"]);
    });
}

/// Contract: C17, C32
#[test]
fn refused_rows_are_tried_again_by_a_run_and_by_a_retry() {
    let project = Project::sqlite();
    project.sync(CHANGES);
    let make = |name: &str, check: &str| {
        project.query(&format!("CREATE TABLE {name} (id BIGINT PRIMARY KEY, name TEXT{check})"))
    };
    make("items", " CHECK (name <> 'bad')");
    items(&project, &["1,one", "2,two", "3,three"]);
    project.ok(&["run"]);
    items(&project, &["1,one", "2,bad", "3,bad"]);
    assert_eq!(project.report()["rejected"], 2);
    // Once more by a run: it keeps what it sends, although that has not changed.
    items(&project, &["1,eins", "2,bad", "3,bad"]);
    let report = project.run(&["run", "--output", "json"]).json()["syncs"][0].take();
    assert_eq!((counts(&report), &report["rejected"]), ([0, 3, 0, 0], &2.into()), "{report}");
    assert_eq!(kept(&project, 3), 3);
    make("other", "");
    project
        .query("INSERT INTO other SELECT * FROM items; DROP TABLE items; ALTER TABLE other RENAME TO items");
    // What has changed in the query is not for a retry.
    items(&project, &["1,uno", "2,bad", "3,bad", "4,four"]);
    let ran = project.ok(&["rejects", "items", "--retry", "--output", "json"]);
    let report = ran.json()["syncs"][0].take();
    assert_eq!((&report["kind"], counts(&report)), (&"retry".into(), [0, 2, 0, 0]), "{report}");
    assert_eq!(rows(&project), ["1|eins", "2|bad", "3|bad"]);
    assert_eq!(counts(&project.report()), [1, 1, 0, 2]);
    assert_eq!(rows(&project), ["1|uno", "2|bad", "3|bad", "4|four"]);
}

#[test]
fn a_retry_whose_query_has_other_columns_wants_a_run() {
    let project = Project::sqlite();
    three_runs(&project);
    project.model("SELECT id, name, 1 AS more FROM items");
    project.query("UPDATE items SET name = 'other' WHERE id = 3");
    for arguments in [&["repair", "items"] as &[_], &["rejects", "items", "--retry"]] {
        let ran = project.run(arguments);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains("\"more\""), "{}", ran.stderr);
    }
}

/// Contract: C16
#[test]
fn resend_sends_every_row_and_keeps_them_all() {
    let project = Project::sqlite();
    three_runs(&project);
    project.query("DROP TABLE items");
    assert_eq!(project.run(&["run"]).code, 9);
    project.ok(&["run", "items", "--resend"]);
    assert_eq!(rows(&project), ["1|uno", "2|due", "3|three"]);
    assert_eq!((kept(&project, seals(&project)), &seal(&project, seals(&project))["format"]), (3, &json!(2)));
    assert_eq!(counts(&project.report()), [0, 0, 0, 3]);
}

/// The last run that was sealed.
fn seals(project: &Project) -> u64 {
    let status = project.ok(&["status", "--output", "json"]).json();
    status["syncs"][0]["published"]["run"].as_u64().expect("a run")
}

/// Contract: C33
#[test]
fn an_adopted_table_is_not_uploaded() {
    everywhere(|project| {
        let project = project();
        project.sync(CHANGES);
        project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT)");
        project.query("INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'drei')");
        items(&project, &["1,one", "2,two", "3,three", "4,four"]);
        let report = project.ok(&["adopt", "items", "--output", "json"]).json()["syncs"][0].take();
        assert_eq!(report["adopted"], 3, "{report}");
        assert_eq!(bytes(&project, 1, "export"), 0);
        project.query("DELETE FROM items WHERE id = 2");
        let ran = project.ok(&["repair", "items"]);
        assert!(ran.stdout.contains("1 row written again"), "{}", ran.all());
        assert_eq!(counts(&project.report()), [1, 1, 0, 2]);
        assert_eq!(rows(&project), ["1|one", "2|two", "3|three", "4|four"]);
    });
}

/// What the guard holds back is found again, though nothing of it was kept.
///
/// Contract: C4
#[test]
fn what_is_withheld_is_found_again() {
    let project = Project::sqlite();
    project.sync(CHANGES);
    let lines: Vec<String> = (0..100).map(|id| format!("{id},n{id}")).collect();
    let first = |count: usize| lines[..count].iter().map(String::as_str).collect::<Vec<_>>();
    items(&project, &first(100));
    project.ok(&["run"]);
    items(&project, &[&first(50)[..], &["200,new"]].concat());
    for _ in 0..2 {
        let report = project.report();
        assert_eq!(report["deletes_withheld"], 50, "{report}");
    }
    assert_eq!((kept(&project, 2), kept(&project, 3)), (1, 0));
    project.ok(&["run", "items", "--approve", "deletes=50,shrink=60"]);
    assert_eq!(rows(&project).len(), 51);
}

/// A cursor goes on from all rows of the last export.
#[test]
fn a_cursor_does_not_go_on_from_changes() {
    let project = Project::sqlite();
    let lines = |name: &str| format!("id,name,version\n1,one,1\n2,{name},2\n3,three,3\n");
    let with_cursor = "key: [id]\ncursor: { column: version, lookback: 0 }";
    project.sync(with_cursor);
    project.items(&lines("two"));
    project.ok(&["run"]);
    // It is dropped for a while. A repair has the rows of the last export once more, and keeps one of them.
    project.sync(CHANGES);
    project.query("DELETE FROM items WHERE id = 2");
    project.ok(&["repair", "items"]);
    assert_eq!(kept(&project, seals(&project)), 1);
    project.sync(with_cursor);
    project.items(&lines("two").replace("2,two,2", "2,zwei,4"));
    let report = project.report();
    assert_eq!((&report["cursor"]["full"], counts(&report)), (&"base".into(), [0, 1, 0, 2]), "{report}");
    project.items(&lines("two").replace("2,two,2", "2,deux,5"));
    let report = project.report();
    assert_eq!((&report["cursor"]["since"], counts(&report)), (&"4".into(), [0, 1, 0, 2]), "{report}");
    assert_eq!(rows(&project), ["1|one", "2|deux", "3|three"]);
}

/// The rows that a warehouse has unloaded are read, and go with the run's other ones; only changes stay.
#[test]
fn unloaded_rows_are_read_and_only_changes_stay() {
    let project = Project::sqlite();
    let driver = format!("{}/libduckdb.so", required("HYDRANT_TEST_ADBC"));
    let target = &project.environment["TARGET"];
    project.write(
        "hydrant.yml",
        &format!(
            "store: ./store\nexport: changes\n\
             sources:\n  duck: {{ type: duckdb, driver: {driver:?}, unload: true }}\n\
             targets:\n  app: {target}\n\
             syncs:\n  items:\n    source: duck\n    model: items.sql\n    key: [id]\n    target: app\n    table: items\n"
        ),
    );
    project.model("SELECT range AS id, 'n' || range AS name FROM range(3000)");
    project.ok(&["run"]);
    project.model("SELECT range AS id, 'n' || (range + (range = 7)::INT) AS name FROM range(3001)");
    let report = project.report();
    assert_eq!(
        (counts(&report), &report["unload"]["way"]),
        ([1, 1, 0, 2_999], &"unloaded".into()),
        "{report}"
    );
    assert_eq!(kept(&project, 2), 2);
    assert!(!project.path("store/items/runs/00000002/unloaded").exists());
    assert_eq!(project.query("SELECT name FROM items WHERE id IN (7, 3000) ORDER BY id"), ["n8", "n3000"]);
}

/// Contract: C41
#[test]
fn nothing_stays_in_the_scratch_folder() {
    let project = Project::sqlite();
    three_runs(&project);
    let config = project.read("hydrant.yml");
    project.write("hydrant.yml", &format!("scratch: ./scratch\n{config}"));
    items(&project, &["1,uno", "2,due", "3,tre"]);
    project.ok(&["plan"]);
    project.ok(&["run"]);
    assert_eq!(fs::read_dir(project.path("scratch")).expect("a folder").count(), 0);
    assert_eq!(rows(&project), ["1|uno", "2|due", "3|tre"]);
}
