//! The whole tool, from Postgres: into SQLite, and into Postgres.

use super::{
    harness::{Project, eventually, psql},
    proxy::{Direction::Down, Fault, Proxy, Rule},
    server::{address, database, fresh, url},
};

const SHOP: &str = "CREATE TABLE accounts (id bigint PRIMARY KEY, name text, mrr numeric(12,2), seen_at timestamptz); \
    INSERT INTO accounts SELECT n, 'account ' || n, n * 1.5, timestamptz '2026-11-21 10:00:00.123456+02' + n * interval '1 s' \
    FROM generate_series(1, 1000) AS n";

/// A database to read, and a project whose model reads it.
struct Shop {
    project: Project,
    database: String,
}

impl Shop {
    fn new(project: Project, sql: &str, model: &str, more: &str) -> Self {
        let database = database(sql);
        let mut shop = Self { project, database };
        shop.through(&address());
        let target = shop.project.environment["TARGET"].clone();
        shop.project.write(
            "hydrant.yml",
            &format!(
                "store: ./store\nsources:\n  shop: {{ type: postgres, url: \"${{SHOP}}\" }}\ntargets:\n  app: {target}\nsyncs:\n  \
                 accounts:\n    source: shop\n    model: accounts.sql\n    key: id\n    target: app\n    table: accounts\n{more}"
            ),
        );
        shop.project.write("accounts.sql", model);
        shop
    }

    /// From now on the source is reached by this host and port.
    fn through(&mut self, address: &str) {
        self.project.env("SHOP", &url(address, &self.database));
    }

    fn sql(&self, sql: &str) {
        psql(&url(&address(), &self.database), sql);
    }

    fn counts(&self) -> [u64; 4] {
        let report = self.project.report();
        ["inserts", "updates", "deletes", "unchanged"]
            .map(|count| report[count].as_u64().unwrap_or_else(|| panic!("no {count} in {report:#}")))
    }
}

#[test]
fn rows_go_from_postgres_to_sqlite_and_then_only_what_changed() {
    let shop = Shop::new(Project::sqlite(), SHOP, "SELECT * FROM accounts", "");
    assert_eq!(shop.counts(), [1000, 0, 0, 0]);
    assert_eq!(shop.counts(), [0, 0, 0, 1000]);
    shop.sql("UPDATE accounts SET mrr = 0 WHERE id = 7; DELETE FROM accounts WHERE id = 8; INSERT INTO accounts (id) VALUES (2000)");
    assert_eq!(shop.counts(), [1, 1, 1, 998]);
    assert_eq!(
        shop.project.query("SELECT id, name, mrr FROM accounts WHERE id IN (7, 8, 9, 2000) ORDER BY id"),
        ["7|account 7|0.00", "9|account 9|13.50", "2000||"]
    );
    shop.project.ok(&["verify", "accounts"]);
}

/// Contract: C1
#[test]
fn instants_and_wall_clocks_stay_what_they_are_from_postgres_to_postgres() {
    let shop = Shop::new(
        Project::postgres(),
        "CREATE TABLE events (id int PRIMARY KEY, at timestamptz, local timestamp, tags text[], doc jsonb, token uuid, took interval, amount numeric(30,10)); \
         INSERT INTO events VALUES \
         (1, '2026-03-29 00:59:59.999999+00', '2026-03-29 02:30:00', '{a,NULL,\"b,c\"}', '{\"a\": [1, 2.50]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 day 2 hours', 12345678901234567890.0123456789), \
         (2, '0044-03-15 10:00:00+00 BC', '0044-03-15 10:00:00 BC', '{}', 'null', NULL, NULL, -0.0000000001), \
         (3, '294246-01-01 00:00:00+00', '4713-01-01 00:00:00 BC', NULL, NULL, NULL, NULL, NULL)",
        "SELECT * FROM events",
        "",
    );
    // The clocks of both ends stand in other zones than the data and than each other.
    shop.sql(&format!("ALTER DATABASE {} SET timezone = 'America/St_Johns'", shop.database));
    let target = shop.project.environment["APP"].clone();
    psql(
        &target,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Kathmandu''', current_database()); END $$",
    );
    assert_eq!(shop.counts(), [3, 0, 0, 0]);
    let asked = "SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; \
        SELECT id, at, local, tags, doc, token, took, amount FROM";
    let there = psql(&target, &format!("{asked} accounts ORDER BY id"));
    assert_eq!(there, psql(&url(&address(), &shop.database), &format!("{asked} events ORDER BY id")));
    assert_eq!(there.len(), 3);
    assert_eq!(shop.counts(), [0, 0, 0, 3]);
    shop.project.ok(&["verify", "accounts"]);
}

#[test]
fn check_says_who_reads_what_and_runs_no_query() {
    let shop = Shop::new(
        Project::sqlite(),
        &format!(
            "{SHOP}; CREATE FUNCTION boom() RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''run''; END'"
        ),
        "SELECT id, sum(mrr) AS mrr, boom() AS boom, interval '1 h' AS took FROM accounts GROUP BY id",
        "",
    );
    let report = shop.project.ok(&["check", "--output", "json"]).json()["syncs"][0].take();
    let source = report["source"].as_str().unwrap();
    assert!(
        source.starts_with("PostgreSQL 1") && source.ends_with(&format!("{} as postgres", shop.database)),
        "{source}"
    );
    assert!(report["notes"][0].as_str().unwrap().contains("superuser"), "{report:#}");
    let columns: Vec<String> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} {}", c[0].as_str().unwrap(), c[1].as_str().unwrap()))
        .collect();
    assert_eq!(columns, ["id 64-bit integer", "mrr decimal(76, 38)", "boom text", "took text"]);
    let text = shop.project.ok(&["check"]);
    assert!(text.all().contains("superuser"), "{}", text.all());
}

#[test]
fn a_query_that_is_wrong_ends_the_run_with_its_place() {
    let shop = Shop::new(Project::sqlite(), SHOP, "SELECT id,\n  nmae\nFROM accounts", "");
    for command in ["check", "run"] {
        let ran = shop.project.run(&[command]);
        assert_ne!(ran.code, 0);
        assert!(
            ran.all().contains("accounts.sql:2:3") && ran.all().contains("mend the query"),
            "{}",
            ran.all()
        );
    }
}

/// Nothing is sealed, the table is as it was, and the next run makes it equal.
#[test]
fn a_run_whose_source_is_cut_off_writes_nothing_and_the_next_one_works() {
    let mut shop = Shop::new(Project::sqlite(), SHOP, "SELECT * FROM accounts", "");
    assert_eq!(shop.counts(), [1000, 0, 0, 0]);
    shop.sql("INSERT INTO accounts SELECT n, repeat('x', 200) FROM generate_series(1001, 50000) AS n");
    let proxy = Proxy::before(&address());
    proxy.inject(Rule::after(Fault::Cut, Down, 4_000_000).always());
    shop.through(&proxy.address().to_string());
    let ran = shop.project.run(&["run"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(ran.all().contains("the next run tries again"), "{}", ran.all());
    assert_eq!(shop.project.query("SELECT count(*) FROM accounts"), ["1000"]);
    proxy.heal();
    assert_eq!(shop.counts(), [49_000, 0, 0, 1000]);
}

#[test]
fn a_session_that_is_ended_in_the_middle_of_a_run_ends_the_run() {
    let shop = Shop::new(
        Project::sqlite(),
        SHOP,
        "SELECT a.*, CASE WHEN id = 1000 THEN pg_sleep(600)::text END AS waited FROM accounts a ORDER BY id",
        "",
    );
    let child = shop.project.start(&["run"]);
    let asked = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        shop.database
    );
    let mut pid = Vec::new();
    eventually("the query sleeps", || {
        pid = psql(&url(&address(), "postgres"), &asked);
        !pid.is_empty()
    });
    psql(&url(&address(), "postgres"), &format!("SELECT pg_terminate_backend({})", pid[0]));
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && said.contains("terminating connection due to administrator command"),
        "{said}"
    );
    shop.project.write("accounts.sql", "SELECT a.*, NULL::text AS waited FROM accounts a");
    assert_eq!(shop.counts(), [1000, 0, 0, 0]);
}

/// Whoever stops hydrant stops the query too.
#[test]
fn a_run_that_is_stopped_leaves_no_query_behind() {
    let shop =
        Shop::new(Project::sqlite(), SHOP, "SELECT id, pg_sleep(600)::text AS waited FROM accounts", "");
    let mut child = shop.project.start(&["run"]);
    let asked = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        shop.database
    );
    let asleep = || !psql(&url(&address(), "postgres"), &asked).is_empty();
    eventually("the query sleeps", asleep);
    super::harness::signal(&child, "TERM");
    assert!(!child.wait().unwrap().success());
    eventually("the query is gone", || !asleep());
}

fn findings(ran: &serde_json::Value) -> String {
    ran["findings"].to_string()
}

/// What `SELECT *` does when the table of the source changes between two runs, into a table that hydrant made.
#[test]
fn columns_that_come_go_and_change_are_told_and_nothing_is_lost() {
    // Added: the guard warns, and the target must have the column.
    let shop = Shop::new(Project::sqlite(), SHOP, "SELECT * FROM accounts", "");
    assert_eq!(shop.counts(), [1000, 0, 0, 0]);
    shop.sql("ALTER TABLE accounts ADD COLUMN plan text DEFAULT 'free'");
    let ran = shop.project.run(&["run"]);
    assert_ne!(ran.code, 0, "a column without a place in the table is no silent loss: {}", ran.all());
    assert!(ran.all().contains("plan") && ran.all().contains("ADD COLUMN"), "{}", ran.all());
    assert_eq!(shop.project.query("SELECT count(*) FROM accounts"), ["1000"]);
    shop.project.query("ALTER TABLE accounts ADD COLUMN plan TEXT");
    let report = shop.project.report();
    assert_eq!(report["updates"], 1000, "{report:#}");
    assert!(findings(&report).contains("the column \\\"plan\\\" (text) is new"), "{report:#}");
    assert_eq!(shop.project.query("SELECT DISTINCT plan FROM accounts"), ["free"]);

    // Dropped: the guard warns; the column stays in the table with what it had.
    shop.sql("ALTER TABLE accounts DROP COLUMN name");
    let report = shop.project.report();
    assert!(findings(&report).contains("the column \\\"name\\\" is gone"), "{report:#}");
    assert_eq!(shop.project.query("SELECT name FROM accounts WHERE id = 7"), ["account 7"]);

    // Retyped, within what the table's column holds: the guard warns, and the values are the query's.
    shop.sql("ALTER TABLE accounts ALTER COLUMN mrr TYPE numeric(14,3); UPDATE accounts SET mrr = 1.125 WHERE id = 7");
    let report = shop.project.report();
    assert!(
        findings(&report).contains("the column \\\"mrr\\\" was decimal(12, 2) and is decimal(14, 3)"),
        "{report:#}"
    );
    assert_eq!(shop.project.query("SELECT mrr FROM accounts WHERE id = 7"), ["1.125"]);
    shop.project.ok(&["verify", "accounts"]);
}

#[test]
fn a_type_that_the_table_does_not_hold_ends_the_run_before_anything_is_written() {
    let shop = Shop::new(Project::postgres(), SHOP, "SELECT * FROM accounts", "");
    assert_eq!(shop.counts(), [1000, 0, 0, 0]);
    shop.sql("ALTER TABLE accounts ALTER COLUMN mrr TYPE text USING 'about ' || mrr");
    let ran = shop.project.run(&["run"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(ran.all().contains("mrr") && ran.all().contains("text"), "{}", ran.all());
    assert_eq!(shop.project.query("SELECT mrr FROM accounts WHERE id = 7"), ["10.50"]);
}

/// The place of a secret is never the output, however the way in fails.
#[test]
fn a_password_is_never_shown() {
    let mut shop = Shop::new(Project::sqlite(), SHOP, "SELECT * FROM accounts", "");
    let role = fresh("hidden");
    shop.project.env("SHOP", &format!("postgres://{role}:s3cret-word@{}/{}", address(), shop.database));
    for command in ["check", "run", "plan"] {
        let ran = shop.project.run(&[command]);
        assert_ne!(ran.code, 0);
        assert!(!ran.all().contains("s3cret"), "{}", ran.all());
        assert!(ran.all().contains("password authentication failed"), "{}", ran.all());
    }
}
