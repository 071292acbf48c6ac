//! What somebody else did to the rows is found, and mended if that is wanted; a table that is there is taken over.

use crate::harness::{Database, Project, everywhere, refuse_writes};
use serde_json::{Value, json};

const ITEMS: &str = "id,name,score\n1,one,10\n2,two,20\n3,three,30\n4,four,40\n5,five,50\n";

fn published(project: Project) -> Project {
    project.items(ITEMS);
    project.ok(&["run"]);
    project
}

fn rows(project: &Project) -> Vec<String> {
    project.query("SELECT id, name, score FROM items ORDER BY id")
}

/// Code and report of the one sync.
fn looked(project: &Project, arguments: &[&str]) -> (i32, Value) {
    let ran = project.run(&[arguments, &["--output", "json"]].concat());
    (ran.code, ran.json()["syncs"][0].take())
}

/// Missing, changed, extra and unknown rows.
fn counts(report: &Value) -> [u64; 4] {
    ["missing", "changed", "extra", "unknown"].map(|kind| report[kind].as_u64().expect("a count"))
}

fn nothing_differs(project: &Project) {
    let (code, report) = looked(project, &["verify"]);
    assert_eq!((code, counts(&report)), (0, [0, 0, 0, 0]), "{report}");
}

/// Somebody's hands: a row is removed, one is changed, one is added.
fn meddle(project: &Project) {
    project.query("DELETE FROM items WHERE id = 2");
    project.query("UPDATE items SET name = 'drei', score = NULL WHERE id = 3");
    project.query("INSERT INTO items (id, name) VALUES (99, 'mine')");
}

/// Contract: C31
#[test]
fn rows_that_somebody_else_removed_changed_or_added_are_found_and_shown() {
    everywhere(|project| {
        let project = published(project());
        nothing_differs(&project);
        meddle(&project);
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (2, [1, 1, 1, 0]), "{report}");
        assert_eq!((&report["rows"], &report["run"]), (&5.into(), &1.into()));
        let sample = |kind: &str, key: u64, columns: Value| json!({ "kind": kind, "key": { "id": key }, "columns": columns, "unreadable": false });
        let columns = json!([
            { "column": "name", "before": "drei", "after": "three" },
            { "column": "score", "before": null, "after": 30 },
        ]);
        let expected = json!([
            sample("missing", 2, json!([])),
            sample("changed", 3, columns),
            sample("extra", 99, json!([])),
        ]);
        assert_eq!(report["samples"], expected);
        let text = project.run(&["verify", "items"]);
        for line in [
            "1 missing, 1 changed, 1 extra",
            "missing {\"id\":2}",
            "name: \"drei\" instead of \"three\"",
            "score: null instead of 30",
            "hydrant repair items",
        ] {
            assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
        }
        // The application's own rows in the same table are no difference for those who say so.
        project.query("DELETE FROM items WHERE id IN (2, 3)");
        project.items(&ITEMS.replace("2,two,20\n3,three,30\n", ""));
        project.ok(&["run"]);
        assert_eq!(project.run(&["verify"]).code, 2);
        assert_eq!(project.run(&["verify", "--ignore-extra"]).code, 0);
    });
}

/// The database's own books are the witness.
///
/// Contract: C31
#[test]
fn verify_writes_no_row_and_leaves_no_run_in_the_store() {
    everywhere(|project| {
        let project = published(project());
        meddle(&project);
        let books = || match project.database {
            // Where each version of a row lies, and who wrote it.
            Database::Postgres { .. } => project.query("SELECT ctid, xmin, * FROM items ORDER BY id"),
            // Every write to the table would be refused.
            _ => rows(&project),
        };
        refuse_writes(&project);
        let freshness = format!("SELECT * FROM {}", project.database.freshness());
        let (before, fresh) = (books(), project.query(&freshness));
        let objects = || {
            let folder = project.path("store/items");
            ["runs", "manifests"].map(|f| std::fs::read_dir(folder.join(f)).expect("a folder").count())
        };
        let stored = objects();
        assert_eq!(project.run(&["verify"]).code, 2);
        assert_eq!(books(), before);
        assert_eq!(project.query(&freshness), fresh);
        assert_eq!(objects(), stored);
    });
}

/// Contract: C32
#[test]
fn repair_writes_what_is_missing_or_changed_and_no_other_row() {
    everywhere(|project| {
        let project = published(project());
        meddle(&project);
        // The query has other rows by now: they are the next run's business.
        project.items("id,name,score\n1,eins,10\n");
        let untouched = || {
            project.query(match project.database {
                Database::Postgres { .. } => "SELECT xmin, * FROM items WHERE id NOT IN (2, 3) ORDER BY id",
                _ => "SELECT * FROM items WHERE id NOT IN (2, 3) ORDER BY id",
            })
        };
        let before = untouched();
        let (code, report) = looked(&project, &["verify", "items", "--repair"]);
        assert_eq!(code, 2, "a row that the query does not have is left: {report}");
        assert_eq!(counts(&report["found"]), [1, 1, 1, 0]);
        assert_eq!((&report["repair"]["updates"], &report["repair"]["kind"]), (&2.into(), &"repair".into()));
        assert_eq!(report["left"], 1);
        assert_eq!(untouched(), before);
        assert_eq!(
            rows(&project),
            ["1|one|10", "2|two|20", "3|three|30", "4|four|40", "5|five|50", "99|mine|"]
        );
        let (_, report) = looked(&project, &["verify"]);
        assert_eq!(counts(&report), [0, 0, 1, 0]);
        // Nothing to do is no run.
        let (code, report) = looked(&project, &["repair", "items", "--ignore-extra"]);
        assert_eq!((code, &report["repair"]), (0, &Value::Null), "{report}");
        // The next run finds the query's changes, as if nothing had been.
        let report = project.report();
        assert_eq!(
            (&report["updates"], &report["deletes"], &report["unchanged"]),
            (&1.into(), &4.into(), &0.into())
        );
        assert_eq!(rows(&project), ["1|eins|10", "99|mine|"]);
    });
}

#[test]
fn rows_that_the_query_does_not_have_are_deleted_only_on_demand_and_past_the_guard() {
    everywhere(|project| {
        let project = published(project());
        for id in 100..120 {
            project.query(&format!("INSERT INTO items (id, name) VALUES ({id}, 'mine')"));
        }
        project.query("DELETE FROM items WHERE id = 1");
        let refused = project.run(&["repair", "items", "--delete-extra"]);
        assert_eq!(refused.code, 11, "{}", refused.all());
        assert!(refused.stderr.contains("20 of 25 rows"), "{}", refused.stderr);
        assert_eq!(rows(&project).len(), 24, "nothing was written");
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (2, [1, 0, 20, 0]), "nor forgotten");
        let (code, report) =
            looked(&project, &["repair", "items", "--delete-extra", "--approve", "deletes=20"]);
        assert_eq!((code, &report["repair"]["deletes"]), (0, &20.into()), "{report}");
        assert_eq!(rows(&project).len(), 5);
        nothing_differs(&project);
        project.sync("key: [id]\nmode: upsert");
        project.ok(&["run"]);
        let refused = project.run(&["repair", "items", "--delete-extra"]);
        assert_eq!(refused.code, 9);
        assert!(refused.stderr.contains("does not delete rows"), "{}", refused.stderr);
    });
}

#[test]
fn keys_of_several_columns_and_of_text_are_found_again() {
    everywhere(|project| {
        let project = project();
        project.sync("key: [region, code]");
        project.items("code,region,name\n1,eu,one\n1,us,uno\n2,Ünïcødé,two\n3,,three\n");
        project.model("SELECT code, coalesce(region, '') AS region, name FROM items");
        project.ok(&["run"]);
        nothing_differs(&project);
        project.query("UPDATE items SET name = 'changed' WHERE region = 'us'");
        project.query("DELETE FROM items WHERE region = 'Ünïcødé'");
        // A key that somebody changed is one row less and another one more.
        project.query("UPDATE items SET region = 'asia' WHERE region = 'eu'");
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (2, [2, 1, 1, 0]), "{report}");
        let (code, report) = looked(&project, &["repair", "items", "--delete-extra"]);
        assert_eq!(code, 0, "{report}");
        nothing_differs(&project);
        assert_eq!(
            project.query("SELECT region, code, name FROM items ORDER BY code, name"),
            ["eu|1|one", "us|1|uno", "Ünïcødé|2|two", "|3|three"]
        );
    });
}

#[test]
fn a_refused_row_is_no_difference_and_is_sent_with_a_repair() {
    everywhere(|project| {
        let project = project();
        project
            .query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, score BIGINT CHECK (score < 100))");
        project.items(ITEMS);
        project.ok(&["run"]);
        project.items(&ITEMS.replace("3,three,30", "3,three,300"));
        assert_eq!(project.run(&["run"]).code, 4);
        // Somebody changes the very row that was refused.
        project.query("UPDATE items SET name = 'drei' WHERE id = 3");
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (0, [0, 0, 0, 1]), "{report}");
        project.query("UPDATE items SET name = 'zwei' WHERE id = 2");
        let (code, report) = looked(&project, &["repair", "items"]);
        assert_eq!((code, &report["repair"]["rejected"]), (4, &1.into()), "{report}");
        assert_eq!(rows(&project)[1..3], ["2|two|20", "3|drei|30"]);
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (0, [0, 0, 0, 1]), "{report}");
        // The query is mended: the row is written, and known.
        project.items(ITEMS);
        project.ok(&["run"]);
        nothing_differs(&project);
        assert_eq!(rows(&project)[2], "3|three|30");
    });
}

#[test]
fn each_mode_is_held_to_what_it_writes() {
    everywhere(|project| {
        for mode in ["upsert", "insert", "update"] {
            let project = project();
            project.query("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, score BIGINT)");
            project.query("INSERT INTO items VALUES (2, 'mine', 0), (77, 'mine', 0)");
            project.sync(&format!("key: [id]\nmode: {mode}"));
            project.items(ITEMS);
            project.ok(&["run"]);
            let unknown = if mode == "update" { 4 } else { 0 };
            let (code, report) = looked(&project, &["verify"]);
            assert_eq!((code, counts(&report)), (0, [0, 0, 0, unknown]), "{mode}: {report}");
            assert_eq!(report["values_compared"], mode != "insert");
            project.query("DELETE FROM items WHERE id = 2");
            let (code, report) = looked(&project, &["repair", "items"]);
            assert_eq!(counts(&report["found"]), [1, 0, 0, unknown], "{mode}: {report}");
            assert_eq!(code, 0, "{mode}: {report}");
            let there = project.query("SELECT id, name FROM items WHERE id = 2");
            assert_eq!(there.len(), usize::from(mode != "update"), "{mode}");
            let (code, report) = looked(&project, &["verify"]);
            let unknown = if mode == "update" { 5 } else { 0 };
            assert_eq!((code, counts(&report)), (0, [0, 0, 0, unknown]), "{mode}: {report}");
        }
    });
}

#[test]
fn rows_that_a_sync_has_deleted_softly_or_emptied_are_no_difference() {
    everywhere(|project| {
        for deletes in ["{ soft: gone }", "null_out"] {
            let project = project();
            project.sync(&format!("key: [id]\ndeletes: {deletes}"));
            let project = published(project);
            project.items(&ITEMS.replace("4,four,40\n", ""));
            project.ok(&["run"]);
            assert_eq!(rows(&project).len(), 5);
            nothing_differs(&project);
            // Somebody brings the row back to life.
            project.query(match deletes {
                "null_out" => "UPDATE items SET name = 'four' WHERE id = 4",
                _ => "UPDATE items SET gone = (1 = 0) WHERE id = 4",
            });
            let (_, report) = looked(&project, &["verify"]);
            assert_eq!(counts(&report), [0, 0, 1, 0], "{report}");
            let (code, report) = looked(&project, &["repair", "items", "--delete-extra"]);
            assert_eq!(code, 0, "{report}");
            nothing_differs(&project);
            assert_eq!(rows(&project).len(), 5, "the row is not removed");
        }
    });
}

/// Deletes that the guard holds back are not let through by a repair.
#[test]
fn a_repair_deletes_nothing_that_the_guard_has_withheld() {
    everywhere(|project| {
        let project = project();
        project.sync("key: [id]\nguard: { deletes: { rows: 1, percent: 1 } }");
        let project = published(project);
        project.items("id,name,score\n1,one,10\n");
        assert_eq!(project.run(&["run"]).code, 3);
        nothing_differs(&project);
        project.query("UPDATE items SET name = 'drei' WHERE id = 3");
        project.query("UPDATE items SET name = 'eins' WHERE id = 1");
        let (code, report) = looked(&project, &["repair", "items"]);
        assert_eq!((code, counts(&report["found"])), (0, [0, 2, 0, 0]), "{report}");
        assert_eq!((&report["repair"]["updates"], &report["repair"]["deletes"]), (&1.into(), &0.into()));
        assert_eq!(rows(&project).len(), 5);
        assert_eq!(rows(&project)[0], "1|one|10");
        // What has left the query cannot be written from it, and its delete is still to come.
        assert_eq!(project.run(&["run"]).code, 3);
        project.ok(&["run", "items", "--approve", "deletes=4"]);
        assert_eq!(rows(&project), ["1|one|10"]);
        nothing_differs(&project);
    });
}

#[test]
fn what_cannot_be_verified_or_repaired_is_said() {
    let project = Project::sqlite();
    project.items(ITEMS);
    let says = |arguments: &[&str], code: i32, words: &[&str]| {
        let ran = project.run(arguments);
        assert_eq!(ran.code, code, "{}", ran.all());
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
    };
    says(&["verify"], 9, &["no run of this sync is published yet", "hydrant run SYNC"]);
    says(&["repair"], 64, &["a repair is for named syncs or --all"]);
    says(&["verify", "--repair"], 64, &["a repair is for named syncs or --all"]);
    says(&["verify", "--pace", "0"], 64, &["a number from 1 to 100"]);
    project.ok(&["run"]);
    project.ok(&["verify", "--pace", "100"]);
    // The sync becomes another one: what differs now is all of it.
    project.sync("key: [id]\nmode: upsert");
    project.ok(&["verify"]);
    says(&["repair", "items"], 9, &["single rows of run 2 cannot be sent again", "`mode`", "run it first"]);
    project.sync("key: [id]\ndeletes: ignore");
    says(
        &["repair", "items"],
        9,
        &["single rows of run 2 cannot be sent again", "`deletes`", "run it first"],
    );
    project.sync("key: [name]");
    says(&["verify"], 9, &["the key of this sync was (id) until now"]);
    project.sync("key: [id]");
    project.query("DROP TABLE items");
    says(&["verify"], 9, &["does not have its table any more"]);
}

/// What is read back is what was written, whatever the type: otherwise every row would look changed.
#[test]
fn values_of_every_type_are_read_as_they_were_written() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n1,one\n2,\n3,Ünï\u{301}\n-4,' \"x\\\n");
        project.model(
            "SELECT id, name, id > 1 AS flag, nullif(id, 2) AS gap,
                arrow_cast(id, 'Int8') AS i8, arrow_cast(abs(id), 'UInt32') AS u32, arrow_cast(abs(id), 'UInt64') AS u64,
                arrow_cast(0.1 * id, 'Float32') AS f32, 0.1 * id AS f64, CASE id WHEN 1 THEN CAST('-0.0' AS DOUBLE) ELSE CAST('1e300' AS DOUBLE) END AS zero,
                arrow_cast(id * 1.50, 'Decimal128(12, 4)') AS dec, arrow_cast(id, 'Decimal256(60, 0)') AS wide,
                arrow_cast(name, 'Binary') AS bin, CAST('0044-03-15' AS DATE) AS day,
                arrow_cast('23:59:59.999999', 'Time64(Microsecond)') AS clock,
                TIMESTAMP '1969-12-31T23:59:59.000001' AS wall,
                arrow_cast(TIMESTAMP '2026-03-29T01:30:00.5', 'Timestamp(Microsecond, Some(\"UTC\"))') AS instant,
                make_array(id, NULL, 7) AS list, make_array(make_array(name), make_array()) AS lists,
                named_struct('b', name, 'a', 0.5 * id) AS record, map(make_array('k', 'j'), make_array(id, NULL)) AS pairs
             FROM items",
        );
        let report = project.report();
        assert_eq!((&report["inserts"], &report["rejected"]), (&4.into(), &0.into()), "{report}");
        nothing_differs(&project);
        project.query("UPDATE items SET dec = dec + 1 WHERE id = 3");
        let (code, report) = looked(&project, &["verify"]);
        assert_eq!((code, counts(&report)), (2, [0, 1, 0, 0]), "{report}");
        assert_eq!(
            report["samples"][0]["columns"],
            json!([{ "column": "dec", "before": "5.5000", "after": "4.5000" }])
        );
        project.ok(&["repair", "items"]);
        nothing_differs(&project);
    });
}

/// Three times the rows, in buckets of the same size of which two are compared at once, need (but for what fluctuates) no more
/// memory: their fingerprints alone would be another 90 MB.
///
/// Contract: C37
#[test]
fn reading_a_million_rows_alone_needs_no_more_memory_than_a_third() {
    let peaks = [520_000, 1_560_000].map(|count| {
        let project = Project::sqlite();
        // As little as may be configured, so that fingerprints spill.
        project.write("hydrant.yml", &format!("memory: 16MiB\n{}", project.read("hydrant.yml")));
        project.items("id,name\n1,one\n");
        project.model("SELECT 'key of some length that makes it count ' || id AS id, name FROM items");
        project.query("CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT)");
        project.query(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO items SELECT 'key of some length that makes it count ' || i, 'name ' || i FROM n"
        ));
        project.ok(&["adopt", "items", "--pace", "100"]);
        project.query("UPDATE items SET name = 'changed' WHERE rowid % 10 = 0");
        let (report, peak) = measured(&project, &["verify", "--pace", "100", "--output", "json"]);
        assert_eq!(counts(&report), [0, count / 10, 0, 0], "{report}");
        peak
    });
    assert!(peaks[1] < peaks[0] + 32, "{peaks:?} MB of memory at most");
}

/// Runs to the end, with the most memory in MB that the process had. Linux keeps that in `/proc` as long as it lives.
fn measured(project: &Project, arguments: &[&str]) -> (Value, u64) {
    let mut command = project.command(arguments);
    let out = std::fs::File::create(project.path("out.json")).expect("a file");
    let mut child = command.stdout(out).stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let mut peak_kb = 0;
    while child.try_wait().expect("it is ours").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let report: Value = serde_json::from_str(&project.read("out.json")).expect("JSON");
    (report["syncs"][0].clone(), peak_kb >> 10)
}
