//! Rows that are refused: found exactly, listed, tried again; values that are made to fit; values that are never shown.

use crate::harness::{Database, Project, Ran, everywhere};
use hydrant::store::{RejectRecord, read_all};
use std::{fs, path::Path};

/// The items are JSON lines, which can hold what CSV cannot.
fn json(project: &Project, settings: &str, lines: &str) {
    project.sync(&format!("key: [id]\n{settings}"));
    project.write("hydrant.yml", &project.read("hydrant.yml").replace("items.csv", "items.json"));
    project.write("items.json", lines);
}

/// A trigger that refuses the name `{}` with a message of its own.
fn refuse_braces(project: &Project) {
    match project.database {
        Database::Sqlite(_) => {
            for event in ["INSERT", "UPDATE"] {
                project.query(&format!(
                    "CREATE TRIGGER braces_{event} BEFORE {event} ON items WHEN NEW.name = '{{}}' BEGIN SELECT RAISE(ABORT, 'no braces'); END"
                ));
            }
        }
        Database::Postgres { .. } => {
            project.query(
                "CREATE FUNCTION braces() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = '{}' THEN RAISE EXCEPTION 'no braces'; END IF; RETURN NEW; END $$",
            );
            project.query("CREATE TRIGGER braces BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION braces()");
        }
        Database::Mysql { .. } => {
            for event in ["INSERT", "UPDATE"] {
                project.query(&format!(
                    "DELIMITER //\nCREATE TRIGGER braces_{event} BEFORE {event} ON items FOR EACH ROW \
                     IF NEW.name = '{{}}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no braces'; END IF //"
                ));
            }
        }
        Database::Mongodb { .. } => unreachable!("it has no triggers"),
    }
}

fn allow_braces(project: &Project) {
    match project.database {
        Database::Sqlite(_) => project.query("DROP TRIGGER braces_INSERT; DROP TRIGGER braces_UPDATE"),
        Database::Mysql { .. } => project.query("DROP TRIGGER braces_INSERT; DROP TRIGGER braces_UPDATE"),
        Database::Postgres { .. } => project.query("DROP TRIGGER braces ON items"),
        Database::Mongodb { .. } => unreachable!("it has no triggers"),
    };
}

/// The one sync of a report.
fn report(ran: &Ran) -> serde_json::Value {
    ran.json()["syncs"][0].take()
}

fn rejects(project: &Project) -> serde_json::Value {
    report(&project.ok(&["rejects", "items", "--output", "json"]))
}

/// Contract: C6, C17, C18
#[test]
fn a_value_that_nothing_can_carry_rejects_its_row_alone_and_leaves_it_in_the_table_as_it_was() {
    everywhere(|project| {
        let project = project();
        project.model("SELECT id, arrow_cast(at, 'Timestamp(Second, None)') AS at FROM items");
        let far = i64::MAX;
        project.items("id,at\n1,0\n2,60\n3,120\n");
        project.ok(&["run"]);
        let times = || project.query("SELECT id, at FROM items ORDER BY id");
        let before = times();
        project.items(&format!("id,at\n1,1\n2,{far}\n4,{far}\n5,5\n"));
        let ran = project.run(&["run", "--output", "json"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        let report = report(&ran);
        assert_eq!(
            (&report["rejected"], &report["updates"], &report["deletes"]),
            (&2.into(), &1.into(), &1.into())
        );
        let first = &report["rejects"][0];
        assert_eq!(
            (&first["key"], &first["column"], &first["position"]),
            (&r#"{"id":2}"#.into(), &"at".into(), &1.into())
        );
        assert!(first["reason"].as_str().unwrap().contains("microseconds"), "{report}");
        assert_eq!(first["value"], far.to_string());
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "2", "5"]);
        assert_eq!(times()[1], before[1], "what is refused is not touched");

        // Unchanged it is tried again, sent once more it cannot be: its value is not in the export.
        assert_eq!(project.run(&["run"]).code, 4);
        let listed = rejects(&project);
        assert_eq!((&listed["run"], &listed["rejected"]), (&3.into(), &2.into()));
        assert_eq!(listed["rejects"][1]["first_run"], 2, "{listed}");
        let ran = project.run(&["rejects", "items", "--retry", "--output", "json"]);
        assert_eq!(
            (ran.code, project.query("SELECT id FROM items ORDER BY id")),
            (4, vec!["1".into(), "2".into(), "5".into()]),
            "{}",
            ran.all()
        );
        assert_eq!(times()[1], before[1], "NULL stands for it in the export, and is not written");
        assert_eq!(rejects(&project)["rejects"], listed["rejects"]);

        // Too many of them fail the run before the seal.
        project.sync("key: [id]\nrejects: { rows: 1, percent: 0 }");
        let ran = project.run(&["run"]);
        assert!(ran.code == 8 && ran.stderr.contains("the ceiling is 1"), "{}", ran.all());
        // One policy for all of them.
        project.sync("key: [id]\nrefused: { at: null }");
        let ran = project.ok(&["run", "--output", "json"]);
        assert_eq!(
            self::report(&ran)["mended"],
            serde_json::json!({ "at": { "null": 2 } }),
            "{}",
            ran.stdout
        );
        assert_eq!(project.query("SELECT id FROM items WHERE at IS NULL ORDER BY id"), ["2", "4"]);
        assert_eq!(rejects(&project)["rejected"], 0);
        // Gone from the query, it is deleted as any other row.
        project.items("id,at\n1,1\n4,4\n5,5\n");
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "4", "5"]);
    });
}

/// Contract: C17, C19
#[test]
fn a_key_that_nothing_can_carry_is_a_reject_also_where_null_keys_are_an_error() {
    let project = Project::sqlite();
    project.model("SELECT arrow_cast(id, 'Timestamp(Second, None)') AS id, name FROM items");
    project.items(&format!("id,name\n1,one\n{},far\n", i64::MAX));
    let ran = project.run(&["run", "--output", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    let reject = &report(&ran)["rejects"][0];
    assert_eq!((&reject["key"], &reject["column"]), (&r#"{"id":null}"#.into(), &"id".into()));
    assert_eq!(project.query("SELECT name FROM items"), ["one"]);
    project.items("id,name\n1,one\n,none\n");
    assert_eq!(project.run(&["run"]).code, 8);
}

/// Contract: C17, C32
#[test]
fn rejects_are_listed_and_sent_once_more_alone() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n0,zero\n");
        project.ok(&["run"]);
        refuse_braces(&project);
        project.items("id,name\n0,{}\n1,one\n2,{}\n");
        assert_eq!(project.run(&["run"]).code, 4);
        assert_eq!(project.run(&["run"]).code, 4, "they are tried again although nothing has changed");
        let listed = rejects(&project);
        let all = listed["rejects"].as_array().unwrap();
        assert_eq!((&listed["run"], &listed["rejected"], all.len()), (&3.into(), &2.into(), 2));
        assert_eq!((&all[0]["key"], &all[0]["first_run"]), (&r#"{"id":0}"#.into(), &2.into()), "{listed}");
        assert!(all[0]["reason"].as_str().unwrap().contains("no braces"), "{listed}");
        let text = project.ok(&["rejects", "items", "--limit", "1"]).stdout;
        assert!(text.contains("no braces") && text.contains("2 rows, the first 1 shown"), "{text}");
        assert!(!text.contains(r#"{"id":2}"#), "{text}");

        // Sent once more while nothing has changed in the target, they are refused again.
        let ran = project.run(&["rejects", "items", "--retry"]);
        assert_eq!(ran.code, 4, "{}", ran.all());
        // What changes in the query is not for a retry.
        project.items("id,name\n0,{}\n1,uno\n3,three\n");
        allow_braces(&project);
        let ran = project.ok(&["rejects", "items", "--retry", "--output", "json"]);
        let report = report(&ran);
        assert_eq!(
            (&report["kind"], &report["inserts"], &report["updates"], &report["rejected"]),
            (&"retry".into(), &0.into(), &2.into(), &0.into()),
            "{report}"
        );
        assert_eq!(project.query("SELECT id, name FROM items ORDER BY id"), ["0|{}", "1|one", "2|{}"]);
        assert!(project.ok(&["rejects", "items"]).stdout.contains("rejected no rows"));
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT id, name FROM items ORDER BY id"), ["0|{}", "1|uno", "3|three"]);
    });
}

/// Contract: C17
#[test]
fn few_statements_find_the_rows_that_a_constraint_refuses() {
    let project = Project::postgres();
    project.query("CREATE TABLE items (id bigint PRIMARY KEY, name text CHECK (name NOT LIKE 'bad%'))");
    let name = |id| if [7, 2_900].contains(&id) { "bad" } else { "good" };
    let rows: String = (0..3_000).map(|id| format!("{id},{} {id}\n", name(id))).collect();
    project.items(&format!("id,name\n{rows}"));
    let mut command = project.command(&["run", "--output", "json"]);
    let ran = Ran::of(&command.env("RUST_LOG", "tokio_postgres=debug").output().expect("it starts"));
    let report = report(&ran);
    let keys: Vec<_> =
        report["rejects"].as_array().unwrap().iter().filter_map(|r| r["key"].as_str()).collect();
    assert_eq!((ran.code, keys), (4, vec![r#"{"id":7}"#, r#"{"id":2900}"#]), "{report}");
    assert_eq!(project.query("SELECT count(*) FROM items"), ["2998"]);
    let statements = ran.stderr.lines().filter(|line| line.contains("executing ")).count();
    assert!((10..250).contains(&statements), "{statements} statements for two of 3000 rows");
}

/// Contract: C36
#[test]
fn what_an_earlier_version_noted_of_null_keys_is_read() {
    let project = Project::sqlite();
    project.sync("key: [id]\nnull_keys: reject");
    project.items("id,name\n1,one\n,none\n");
    assert_eq!(project.run(&["run"]).code, 4);
    let folder = project.path("store/items/runs/00000001/rejects");
    fs::rename(folder.join("export.parquet"), folder.join("null-keys.parquet")).expect("a file");
    let manifest = "store/items/manifests/00000001.sealed.json";
    project.write(manifest, &project.read(manifest).replace("\"refused\"", "\"null_keys\""));
    let listed = rejects(&project);
    assert_eq!((&listed["rejected"], &listed["rejects"][0]["key"]), (&1.into(), &r#"{"id":null}"#.into()));
    assert_eq!(project.run(&["rejects", "items", "--retry"]).code, 4);
}

#[test]
fn a_retry_wants_the_sync_as_it_was_and_a_run_to_start_from() {
    let project = Project::sqlite();
    project.items("id,name\n1,one\n");
    let listed = project.ok(&["rejects", "items"]).stdout;
    assert!(listed.contains("no run is published yet"), "{listed}");
    let ran = project.run(&["rejects", "items", "--retry"]);
    assert!(ran.code == 9 && ran.stderr.contains("hydrant run SYNC"), "{}", ran.all());
    project.ok(&["run"]);
    project.sync("key: [id]\nmode: upsert");
    project.items("id,name,more\n1,one,1\n");
    for what in ["`mode`", "\"more\""] {
        let ran = project.run(&["rejects", "items", "--retry"]);
        assert_eq!(ran.code, 9, "{}", ran.all());
        assert!(ran.stderr.contains(what) && ran.stderr.contains("run it first"), "{what}: {}", ran.stderr);
        project.sync("key: [id]");
    }
    assert_eq!(project.run(&["rejects", "itms"]).code, 64);
    assert_eq!(project.run(&["rejects", "--retry"]).code, 64);
}

/// Contract: C6
#[test]
fn values_are_made_to_fit_before_they_are_fingerprinted_and_each_is_counted() {
    let project = Project::postgres();
    project.query(
        "CREATE TABLE items (id bigint PRIMARY KEY, name varchar(3), note text NOT NULL, price numeric(4, 1), at timestamp(0), n smallint)",
    );
    project.model(
        "SELECT id, name, note, CAST(price AS DECIMAL(10, 3)) AS price, CAST(at AS TIMESTAMP) AS at, n FROM items",
    );
    let settings =
        "refused: { name: truncate, note: { replace: '?' }, price: truncate, at: truncate, n: null }";
    json(
        &project,
        settings,
        r#"{"id":1,"name":"äöüß","note":null,"price":12.345,"at":"2024-02-29T12:00:00.75","n":40000}
{"id":2,"name":"a\u0000bcd","note":"a\u0000","price":-1.25,"at":"2024-02-29T12:00:00","n":-1}
{"id":3,"name":"abc","note":"fine","price":1.5,"at":null,"n":null}
"#,
    );
    let mended = serde_json::json!({
        "name": { "truncate": 2 }, "note": { "replace": 2 }, "price": { "truncate": 2 }, "at": { "truncate": 1 }, "n": { "null": 1 },
    });
    let plan = report(&project.ok(&["plan", "--output", "json"]));
    assert_eq!(plan["mended"], mended, "{plan}");
    let text = project.ok(&["run"]).stdout;
    assert!(text.contains("2 values of name were truncated"), "{text}");
    assert!(text.contains("1 value of n was replaced by NULL"), "{text}");
    let rows = || project.query("SELECT * FROM items ORDER BY id");
    assert_eq!(
        rows(),
        ["1|äöü|?|12.3|2024-02-29 12:00:00|", "2|abc|?|-1.2|2024-02-29 12:00:00|-1", "3|abc|fine|1.5||"]
    );
    let status = report(&project.ok(&["status", "--output", "json"]));
    assert_eq!(status["published"]["mended"], mended, "{status}");
    // The index says what the table holds: nothing is sent again.
    let again = project.report();
    assert_eq!((&again["unchanged"], &again["mended"]), (&3.into(), &mended));
    // Too large even when it is cut: a reject, as without a policy.
    project.write("items.json", &project.read("items.json").replace("-1.25", "12345.678"));
    let ran = project.run(&["run", "--output", "json"]);
    let rejects = report(&ran)["rejects"].take();
    assert_eq!(
        (ran.code, &rejects[0]["column"], &rejects[0]["value"]),
        (4, &"price".into(), &"12345.678".into())
    );
    // What was mended counts also in a run that starts from that export.
    let ran = project.run(&["rejects", "items", "--retry", "--output", "json"]);
    assert_eq!((ran.code, &report(&ran)["mended"]["name"]["truncate"]), (4, &2.into()), "{}", ran.all());
}

/// Contract: C6
#[test]
fn a_policy_is_checked_before_anything_runs() {
    everywhere(|project| {
        let project = project();
        project.items("id,name,score\n1,one,1\n");
        project.sync("key: [id]\nrefused: { nme: null, score: { replace: many } }\nredact: [nam]");
        for command in ["check", "plan", "run"] {
            let ran = project.run(&[command]);
            assert_eq!(ran.code, 9, "{command}: {}", ran.all());
            for what in [
                "refused: the query does not return the column \"nme\"; did you mean \"name\"?",
                "redact:",
                "replacement for \"score\"",
            ] {
                assert!(ran.stderr.contains(what), "{command}: {what}: {}", ran.stderr);
            }
        }
    });
}

/// The marker that must not be seen.
const SECRET: &str = "S3CRET";

/// Runs a command as verbosely as it goes and expects nothing secret in what it prints.
fn quiet(project: &Project, arguments: &[&str], codes: &[i32]) -> Ran {
    let mut last = None;
    for format in ["text", "json"] {
        let ran = project.run(&[arguments, &["-vv", "--output", format]].concat());
        assert!(codes.contains(&ran.code), "{arguments:?}: {}", ran.all());
        let line = ran.all().lines().find(|line| line.contains(SECRET)).map(str::to_owned);
        assert_eq!(line, None, "{arguments:?} --output {format}");
        last = Some(ran);
    }
    last.expect("two formats")
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whatever the store says about rejects and attempts; returns all reject records.
fn store_is_quiet(project: &Project) -> Vec<RejectRecord> {
    let mut all = Vec::new();
    for path in files(&project.path("store")) {
        let bytes = fs::read(&path).expect("a file");
        if path.extension().is_some_and(|e| e == "json") {
            assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "{}", path.display());
        }
        if path.parent().is_some_and(|folder| folder.ends_with("rejects")) {
            let batch = read_all(bytes.into()).expect("Parquet");
            assert!(!format!("{batch:?}").contains(SECRET), "{}: {batch:?}", path.display());
            all.extend(RejectRecord::decode(&batch, &"x".into()).expect("records"));
        }
    }
    all
}

/// Contract: C22
#[test]
fn values_of_redacted_columns_are_never_shown() {
    everywhere(|project| {
        let project = project();
        let is_postgres = matches!(project.database, Database::Postgres { .. });
        let email = if is_postgres { "varchar(24)" } else { "text" };
        project.query(&format!(
            "CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, email {email} UNIQUE CHECK (email <> '{SECRET}-check'))"
        ));
        if is_postgres {
            project.query(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE '%trigger' THEN RAISE EXCEPTION 'not %', NEW.email; END IF; RAISE NOTICE 'fine: %', NEW.email; RETURN NEW; END $$",
            );
            project.query("CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION refuse()");
        }
        let lines = format!(
            "{{\"id\":1,\"email\":\"{SECRET}-a\"}}\n{{\"id\":2,\"email\":\"{SECRET}-a\"}}\n{{\"id\":3,\"email\":\"{SECRET}-check\"}}\n\
             {{\"id\":4,\"email\":\"{SECRET}-far-too-long-for-the-column\"}}\n{{\"id\":5,\"email\":\"{SECRET}\\u0000\"}}\n\
             {{\"id\":6,\"email\":\"{SECRET}-trigger\"}}\n{{\"id\":7,\"email\":\"{SECRET}-fine\"}}\n"
        );
        json(&project, "redact: email", &lines);
        quiet(&project, &["check"], &[0]);
        let plan = quiet(&project, &["plan"], &[0]);
        assert!(plan.stdout.contains("[redacted]"), "{}", plan.stdout);
        let report = report(&quiet(&project, &["run"], &[4]));
        let expected = if is_postgres { 5 } else { 3 };
        assert_eq!(report["rejected"], expected, "{report}");
        quiet(&project, &["rejects", "items"], &[0]);
        quiet(&project, &["rejects", "items", "--retry"], &[4]);
        quiet(&project, &["status"], &[0]);
        // A change of a row that is there, in a plan that looks it up in the table.
        project.write("items.json", &lines.replace("-fine", "-finer"));
        quiet(&project, &["plan"], &[0]);
        let records = store_is_quiet(&project);
        assert!(records.iter().any(|record| record.column.as_deref() == Some("email")), "{records:?}");
        assert!(records.iter().all(|record| record.value.is_none()));
        // Too many: the failure tells of the first.
        json(&project, "redact: all\nrejects: { rows: 1, percent: 0 }", &lines);
        quiet(&project, &["run"], &[8]);
        // The next one finishes that first.
        json(&project, "redact: email\nrejects: { rows: 9, percent: 0 }", &lines);
        quiet(&project, &["run"], &[4]);
        store_is_quiet(&project);
    });
}

/// Contract: C19, C22
#[test]
fn values_of_redacted_keys_are_never_shown() {
    everywhere(|project| {
        let project = project();
        let of = |settings: &str, rows: &str| {
            project.sync(&format!("key: [email, n]\nredact: [email]\n{settings}"));
            project.items(&format!("email,n\n{rows}"));
        };
        of("", &format!("{SECRET}-a,1\n{SECRET}-a,1\n"));
        let ran = quiet(&project, &["run"], &[8]);
        assert!(ran.stdout.contains("[redacted]"), "{}", ran.stdout);
        of("", &format!("{SECRET}-a,1\n{SECRET}-b,\n"));
        quiet(&project, &["run"], &[8]);
        of("null_keys: reject", &format!("{SECRET}-a,1\n{SECRET}-b,\n"));
        quiet(&project, &["run"], &[4]);
        of("null_keys: reject", &format!("{SECRET}-c,1\n"));
        quiet(&project, &["plan"], &[0]);
        let listed = rejects(&project);
        assert_eq!(listed["rejects"][0]["key"], r#"{"email":"[redacted]","n":null}"#);
        assert_eq!(store_is_quiet(&project).len(), 2);
    });
}

/// Contract: C22
#[test]
fn what_the_source_cannot_read_is_not_quoted() {
    let project = Project::sqlite();
    project.sync("key: [id]\nredact: [email]");
    project.model("SELECT id, CAST(email AS INT) AS email FROM items");
    project.items(&format!("id,email\n1,{SECRET}\n"));
    quiet(&project, &["run"], &[8]);
    project.model("SELECT id, email FROM items");
    let many: String = (0..2_000).map(|id| format!("{id},{id}\n")).collect();
    project.items(&format!("id,email\n{many}2000,{SECRET}\n"));
    quiet(&project, &["run"], &[0, 8]);
}
