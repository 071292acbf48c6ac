//! What users of such tools suffer from, one test each: the number is that of the pain, and the issue in which somebody
//! reports it is cited. Pains of which other files show more are cited there too.

use crate::harness::{Database, Project, eventually, everywhere, psql};
use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

fn url(project: &Project) -> String {
    let Database::Postgres { url } = &project.database else { unreachable!() };
    url.clone()
}

fn numbered(rows: impl Iterator<Item = u32>) -> String {
    let rows: String = rows.map(|id| format!("{id},name {id}\n")).collect();
    format!("id,name\n{rows}")
}

/// The items are JSON lines instead of CSV, which can hold what CSV cannot.
fn json(project: &Project, lines: &str) {
    project.sync("key: [id]");
    project.write("hydrant.yml", &project.read("hydrant.yml").replace("items.csv", "items.json"));
    project.write("items.json", lines);
}

/// A session of the application that stays open.
struct Session(Child);

impl Session {
    fn open(url: &str) -> Self {
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]);
        Self(psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql"))
    }

    fn say(&mut self, sql: &str) {
        writeln!(self.0.stdin.as_mut().expect("its input"), "{sql}").expect("it listens");
    }

    /// Waits for the end; whether all went well, and what it said.
    fn end(mut self) -> (bool, String) {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().expect("it ends");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// One NUL byte in a text fails the whole load (airbyte#3476, pgloader#128), also inside of JSON.
///
/// Contract: C17
#[test]
fn pain_01_a_nul_byte_rejects_its_row_alone() {
    let project = Project::postgres();
    json(
        &project,
        "{\"id\":1,\"name\":\"good\",\"tags\":{\"a\":\"x\"}}\n{\"id\":2,\"name\":\"a\\u0000b\",\"tags\":{\"a\":\"x\"}}\n\
         {\"id\":3,\"name\":\"good\",\"tags\":{\"a\":\"x\\u0000y\"}}\n{\"id\":4,\"name\":\"good\",\"tags\":{\"a\":\"z\"}}\n",
    );
    let ran = project.run(&["run", "--output", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "4"]);
    let report = ran.json()["syncs"][0].take();
    let rejects = report["rejects"].as_array().expect("rejects");
    let columns: Vec<_> = rejects.iter().map(|r| (r["key"].as_str(), r["column"].as_str())).collect();
    assert_eq!(columns, [(Some(r#"{"id":2}"#), Some("name")), (Some(r#"{"id":3}"#), Some("tags"))]);
    assert!(rejects.iter().all(|r| r["reason"].as_str().is_some_and(|r| r.contains("NUL"))), "{report}");
    // The same without waiting for somebody to mend the rows.
    project.write(
        "hydrant.yml",
        &project
            .read("hydrant.yml")
            .replace("key: [id]", "key: [id]\n    refused: { name: truncate, tags: 'null' }"),
    );
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let rows = ["1|good|x", "2|ab|x", "3|good|", "4|good|z"];
    assert_eq!(project.query("SELECT id, name, tags ->> 'a' FROM items ORDER BY id"), rows);
}

/// An upsert locks rows that do not change, too (autobrr/qui#2691).
///
/// Contract: C3
#[test]
fn pain_03_rows_that_do_not_change_are_not_locked() {
    let project = Project::postgres();
    project.items(&numbered(0..1_000));
    project.ok(&["run"]);
    let mut application = Session::open(&url(&project));
    application.say("BEGIN; UPDATE items SET name = name WHERE id <> 7; SELECT pg_advisory_lock(3);");
    eventually("the application's locks", || {
        psql(
            &url(&project),
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ) == ["1"]
    });
    project.items(&numbered(0..1_000).replace("\n7,name 7\n", "\n7,changed\n"));
    let report = project.report();
    assert_eq!((&report["updates"], &report["unchanged"]), (&1.into(), &999.into()), "{report}");
    application.say("COMMIT;");
    let (committed, said) = application.end();
    assert!(committed, "{said}");
    assert_eq!(project.query("SELECT name FROM items WHERE id = 7"), ["changed"]);
}

/// Writers that lock rows in arbitrary order deadlock (posthog#43139, openobserve#13487, kafka-connect-jdbc#385). Two runs
/// over the same rows cannot, since both go by key; with an application that goes the other way, the run gives in and tries again.
///
/// Contract: C12, C26
#[test]
fn pain_04_a_deadlock_with_the_application_is_survived_by_both() {
    let project = Project::postgres();
    project.items(&numbered(0..2));
    project.ok(&["run"]);
    let mut application = Session::open(&url(&project));
    application.say("SET deadlock_timeout = '60s'; BEGIN; UPDATE items SET name = 'mine' WHERE id = 1; SELECT pg_advisory_lock(4);");
    eventually("the application's lock", || {
        psql(
            &url(&project),
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ) == ["1"]
    });
    project.items("id,name\n0,zero\n1,one\n");
    let run = project.start(&["run"]);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'hydrant%' AND wait_event_type = 'Lock'";
    eventually("the run waits for the application", || psql(&url(&project), waits) == ["1"]);
    application.say("UPDATE items SET name = 'mine' WHERE id = 0; COMMIT;");
    let (committed, said) = application.end();
    assert!(committed, "the application is not the one that gives in: {said}");
    let output = run.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(project.query("SELECT name FROM items ORDER BY id"), ["zero", "one"]);
}

/// The same key twice in one batch (kafka-connect-jdbc#1081, cockroach#28288).
///
/// Contract: C19
#[test]
fn pain_06_the_same_key_twice_is_found_before_anything_is_written() {
    everywhere(|project| {
        let project = project();
        project.items("id,name\n1,one\n2,two\n1,uno\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 8, "{}", ran.all());
        assert!(ran.stderr.contains(r#"{"id":1}"#), "{}", ran.stderr);
        for (policy, name) in [("first", "one"), ("last", "uno")] {
            project.sync(&format!("key: [id]\nduplicate_keys: {policy}"));
            project.ok(&["run"]);
            assert_eq!(project.query("SELECT name FROM items ORDER BY id"), [name, "two"]);
        }
    });
}

/// A value of a second unique column moves from one row to another (PeerDB#4169).
///
/// Contract: C20
#[test]
fn pain_07_a_unique_value_moves_from_one_row_to_another() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, name text UNIQUE)");
        project.items("id,name\n1,a\n2,b\n3,c\n");
        project.ok(&["run"]);
        // 1 and 2 swap, 3 goes and leaves its value to a new row.
        project.items("id,name\n1,b\n2,a\n4,c\n");
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT id, name FROM items ORDER BY id"), ["1|b", "2|a", "4|c"]);
    });
}

/// Without a unique constraint on the key the upsert fails, or doubles rows (SyncLite#89, sling-cli#755).
#[test]
fn pain_10_a_key_without_a_unique_index_is_found_by_check_with_the_statement_that_mends_it() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id bigint NOT NULL, name text)");
        project.items("id,name\n1,one\n");
        for command in ["check", "run"] {
            let ran = project.run(&[command]);
            assert_eq!(ran.code, 9, "{}", ran.all());
            let statement =
                ran.stderr.lines().find_map(|line| Some(&line[line.find("CREATE UNIQUE INDEX")?..]));
            assert!(statement.is_some(), "{}", ran.stderr);
        }
        let ran = project.run(&["check"]);
        let statement = ran.stderr.lines().find_map(|line| Some(&line[line.find("CREATE UNIQUE INDEX")?..]));
        project.query(statement.expect("a statement"));
        project.ok(&["check"]);
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT id, name FROM items"), ["1|one"]);
    });
}

/// Two-phase commits leave prepared transactions that hold locks, or double rows (seatunnel#10449, #5641).
///
/// Contract: C2, C9
#[test]
fn pain_11_a_killed_run_leaves_no_transaction_and_no_row_twice() {
    let project = Project::postgres();
    project.items(&numbered(0..60_000));
    let mut run = project.start(&["run"]);
    let some = "SELECT count(*) FROM pg_class WHERE relname = 'items'";
    eventually("the table", || project.query(some) == ["1"]);
    eventually("a first batch", || project.query("SELECT count(*) FROM items")[0] != "0");
    run.kill().expect("SIGKILL");
    run.wait().expect("it ends");
    let left = "SELECT (SELECT count(*) FROM pg_prepared_xacts) + (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'hydrant%')";
    eventually("the server notices", || project.query(left) == ["0"]);
    project.ok(&["run"]);
    assert_eq!(project.query("SELECT count(*), count(DISTINCT id) FROM items"), ["60000|60000"]);
}

/// An hourly COUNT(*) on a large table, and runs that overlap (airbyte#82229).
///
/// Contract: C13, C28
#[test]
fn pain_12_the_table_is_never_counted_and_runs_do_not_overlap() {
    let project = Project::postgres();
    project.items(&numbered(0..20_000));
    project.ok(&["run"]);
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'items'";
    thread::sleep(Duration::from_secs(1));
    let before = project.query(scans);
    project.items(&numbered((0..20_000).filter(|id| id % 1_000 != 3)));
    // Two at once: whoever comes second while the first is at work says so and does nothing.
    let runs = [project.start(&["run"]), project.start(&["run"])];
    let codes = runs.map(|run| run.wait_with_output().expect("it ends").status.code());
    assert!(
        codes.contains(&Some(0)) && codes.iter().all(|code| [Some(0), Some(5)].contains(code)),
        "{codes:?}"
    );
    thread::sleep(Duration::from_secs(1));
    assert_eq!(project.query(scans), before, "twenty deletes go by the index");
    assert_eq!(project.query("SELECT count(*) FROM items"), ["19980"]);
}

/// One bad value fails everything (airbyte#70844, multiwoven-server#95). Here it is a reject, but many of them do fail the run.
///
/// Contract: C17, C18
#[test]
fn pain_16_one_bad_value_is_a_reject_and_too_many_fail_the_run() {
    everywhere(|project| {
        let project = project();
        project.query("CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, name text CHECK (name <> '{}'))");
        project.items("id,name\n1,one\n2,{}\n3,three\n");
        assert_eq!(project.run(&["run"]).code, 4);
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "3"]);
        // It is tried again although it did not change, and is a reject no longer when it is mended.
        assert_eq!(project.run(&["run"]).code, 4);
        project.items("id,name\n1,one\n2,two\n3,three\n");
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "2", "3"]);
        project.sync("key: [id]\nrejects: { rows: 1, percent: 0 }");
        project.items("id,name\n1,{}\n2,{}\n3,drei\n");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 8, "{}", ran.all());
        assert!(ran.stderr.contains("the ceiling is 1"), "{}", ran.stderr);
    });
}

/// An empty but successful source deletes everything (Connapse#384, musubi#42).
///
/// Contract: C4, C23, C24
#[test]
fn pain_19_an_empty_source_deletes_nothing_until_somebody_says_so() {
    everywhere(|project| {
        let project = project();
        // The types of an empty file's columns cannot be guessed.
        project.model("SELECT CAST(id AS BIGINT) AS id, CAST(name AS VARCHAR) AS name FROM items");
        project.items(&numbered(0..50));
        project.ok(&["run"]);
        project.items("id,name\n");
        assert_eq!(project.run(&["run"]).code, 3);
        assert_eq!(project.query("SELECT count(*) FROM items"), ["50"]);
        // The approval is a ceiling on what is found then: 48 rows are more than it allows.
        project.items("id,name\n1,eins\n99,new\n");
        let ran = project.run(&["run", "items", "--approve", "deletes=47"]);
        assert_eq!(ran.code, 3, "{}", ran.all());
        let rows = project.query("SELECT name FROM items WHERE id IN (1, 99) ORDER BY id");
        assert_eq!(rows, ["eins", "new"], "what is not a delete goes on");
        assert_eq!(project.query("SELECT count(*) FROM items"), ["51"]);
        project.ok(&["run", "items", "--approve", "deletes=49"]);
        assert_eq!(project.query("SELECT id FROM items ORDER BY id"), ["1", "99"]);
    });
}

/// Deletes never arrive (db-sync#42).
///
/// Contract: C1
#[test]
fn pain_20_deletes_arrive() {
    everywhere(|project| {
        let project = project();
        project.items(&numbered(0..100));
        project.ok(&["run"]);
        project.items(&numbered(5..100));
        project.ok(&["run"]);
        assert_eq!(project.query("SELECT count(*), min(id) FROM items"), ["95|5"]);
    });
}

/// One giant DELETE never finishes (powersync-service#729).
///
/// Contract: C26
#[test]
fn pain_21_many_deletes_go_in_batches() {
    everywhere(|project| {
        let project = project();
        project.items(&numbered(0..20_000));
        project.ok(&["run"]);
        project.items(&numbered(0..10));
        let ran = project.run(&["run", "items", "--approve", "deletes=20000", "--output", "json"]);
        let report = ran.json()["syncs"][0].take();
        let batches: u64 =
            report["batches"].as_object().expect("batches").values().filter_map(|n| n.as_u64()).sum();
        assert!(report["deletes"] == 19_990 && batches >= 3, "{report}");
        assert_eq!(project.query("SELECT count(*) FROM items"), ["10"]);
    });
}

/// Transaction-mode poolers break prepared statements and session state (haip#299). A real one stands in between, with one
/// connection to the server for two syncs' worth of runs and the application.
///
/// Contract: C27
#[test]
fn pain_25_a_transaction_pooler_may_stand_in_between() {
    let mut project = Project::postgres();
    let pooler = Pooler::start(&url(&project));
    project.env("APP", &pooler.url);
    project.query("CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, name text UNIQUE)");
    project.items(&numbered(0..5_000));
    project.ok(&["run"]);
    let settings = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('application_name'),
        (SELECT count(*) FROM pg_prepared_statements), to_regclass('pg_temp.hydrant_stage') IS NULL";
    // The application's next transaction on the same server connection finds nothing that hydrant set.
    assert_eq!(psql(&pooler.url, settings), ["0|0|psql|0|t"]);
    // Updates, a swap, deletes, and a row that is refused.
    let rows =
        numbered(0..5_000).replace("\n1,name 1\n", "\n1,name 2\n").replace("\n2,name 2\n", "\n2,name 1\n");
    let rows = rows.replace("\n3,name 3\n", "\n").replace("\n4,name 4\n", "\n4,name 5\n");
    project.items(&rows);
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(
        project.query("SELECT id, name FROM items WHERE id < 6 ORDER BY id"),
        ["0|name 0", "1|name 2", "2|name 1", "4|name 4", "5|name 5"]
    );
    assert_eq!(psql(&pooler.url, settings), ["0|0|psql|0|t"]);
}

/// PgBouncer in transaction mode, with one connection to the server.
struct Pooler {
    url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Pooler {
    fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its rights");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let at = server.split_once('@').expect("a user in the URL").1;
        let (host_port, database) = at.split_once('/').expect("a database in the URL");
        let (host, server_port) = host_port.split_once(':').expect("a port in the URL");
        let (user, password) = server
            .trim_start_matches("postgres://")
            .split_once('@')
            .expect("a user")
            .0
            .split_once(':')
            .expect("a password");
        let file = folder.path().join("pgbouncer.ini");
        let ini = format!(
            "[databases]\n{database} = host={host} port={server_port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 1\nmax_client_conn = 20\n\
             ignore_startup_parameters = extra_float_digits,options\n"
        );
        fs::write(&file, ini).expect("its configuration");
        let root =
            String::from_utf8_lossy(&Command::new("id").arg("-u").output().expect("id").stdout).trim() == "0";
        let mut command = Command::new("pgbouncer");
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        if root {
            // It does not serve as root.
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("pgbouncer: {e}; ./test installs it"));
        let url = format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}");
        let pooler = Self { url, process, _folder: folder };
        eventually("the pooler serves", || {
            let select = Command::new("psql").args(["-XAtq", "-d", &pooler.url, "-c", "SELECT 1"]).output();
            select.is_ok_and(|output| output.status.success())
        });
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The tool needs to write to the warehouse (Hightouch's Lightning, Census' Advanced sync engine).
///
/// Contract: C29
#[test]
fn pain_28_the_source_is_only_read() {
    let project = Project::sqlite();
    project.items(&numbered(0..1_000));
    fs::create_dir(project.path("warehouse")).expect("a folder");
    fs::rename(project.path("items.csv"), project.path("warehouse/items.csv")).expect("a move");
    project.write("hydrant.yml", &project.read("hydrant.yml").replace("items.csv", "warehouse/items.csv"));
    let state = || {
        let entries = fs::read_dir(project.path("warehouse")).expect("the folder");
        let mut files: Vec<_> = entries
            .map(|entry| {
                let entry = entry.expect("an entry");
                let about = entry.metadata().expect("its data");
                (entry.file_name(), about.len(), about.modified().expect("a time"))
            })
            .collect();
        files.sort();
        (files, fs::metadata(project.path("warehouse")).and_then(|about| about.modified()).expect("a time"))
    };
    let before = state();
    for command in ["check", "plan", "run", "run", "verify", "status"] {
        project.ok(&[command]);
    }
    assert_eq!(state(), before);
}

/// Nobody notices that somebody else changed or deleted rows in the target (Hightouch and Census compare with what they sent).
///
/// Contract: C31, C32
#[test]
fn pain_29_what_somebody_else_changed_is_found_and_mended() {
    everywhere(|project| {
        let project = project();
        project.items(&numbered(0..500));
        project.ok(&["run"]);
        project.query("UPDATE items SET name = 'vandal' WHERE id = 7; DELETE FROM items WHERE id = 9");
        let report = project.report();
        assert_eq!(report["unchanged"], 500, "a run compares with what was sent: {report}");
        let found = project.run(&["verify", "items"]);
        assert_eq!(found.code, 2, "{}", found.all());
        assert!(
            found.stdout.contains(r#"{"id":7}"#) && found.stdout.contains(r#"{"id":9}"#),
            "{}",
            found.stdout
        );
        project.run(&["verify", "items", "--repair"]);
        assert_eq!(
            project.query("SELECT name FROM items WHERE id IN (7, 9) ORDER BY id"),
            ["name 7", "name 9"]
        );
        project.ok(&["verify", "items"]);
    });
}
