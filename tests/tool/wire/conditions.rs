//! What a Postgres server goes through: locks, deadlocks, limits, failovers, restarts. On a real one.

use super::{once_tried_again, session::Session, side_by_side, unavailable};
use crate::harness::{Database, Project, Ran, eventually, postgres_server, psql};
use std::{process::Child, time::Instant};

/// Rows are published; then the first and the third change.
fn changed() -> Project {
    let project = Project::postgres();
    project.items("id,name\n1,one\n2,two\n3,three\n");
    project.ok(&["run"]);
    project.items("id,name\n1,eins\n2,two\n3,drei\n");
    project
}

fn url(project: &Project) -> String {
    let Database::Postgres { url } = &project.database else { unreachable!() };
    url.clone()
}

fn database(project: &Project) -> String {
    url(project).rsplit_once('/').expect("a database in the URL").1.to_owned()
}

/// hydrant's way in with further parameters.
fn through(project: &mut Project, parameters: &str) {
    let url = format!("{}?{parameters}", url(project));
    project.env("APP", &url);
}

fn assert_written(project: &Project) {
    assert_eq!(project.query("SELECT id, name FROM items ORDER BY id"), ["1|eins", "2|two", "3|drei"]);
    let report = project.report();
    assert_eq!((&report["updates"], &report["unchanged"]), (&0.into(), &3.into()), "{report}");
}

fn until_it_waits_for_a_lock(project: &Project) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'hydrant' AND wait_event_type = 'Lock'";
    eventually("waiting for a lock", || project.query(waiting) == ["1"]);
}

fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().expect("it ends"))
}

/// It was tried again, for this kind of reason, and that succeeded.
fn tried_again(ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code, 0, "{}", ran.all());
    for part in says.iter().chain(&["the target failed, trying again"]) {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }
}

#[test]
fn a_deadlock_that_was_lost_is_tried_again() {
    let mut project = changed();
    through(&mut project, "options=-c%20lock_timeout%3D30s");
    // hydrant is the one that notices, after it has waited for this long.
    project.query(&format!("ALTER DATABASE {} SET deadlock_timeout = '3s'", database(&project)));
    let mut application = Session::new(&url(&project));
    application.execute("SET deadlock_timeout = '10min'; BEGIN; SELECT FROM items WHERE id = 3 FOR UPDATE");
    let child = project.start(&["run"]);
    until_it_waits_for_a_lock(&project);
    // hydrant has the first row and waits for the third; the application has the third and waits for the first.
    application.begin("SELECT FROM items WHERE id = 1 FOR UPDATE");
    application.execute("COMMIT");
    tried_again(&ended(child), &["deadlock detected", "40P01", "kind=conflict"]);
    assert_written(&project);
}

/// hydrant's own transactions are READ COMMITTED and do not fail so on Postgres; but a function of the application may say
/// so, and servers that speak the protocol do.
#[test]
fn a_serialization_failure_is_tried_again() {
    let project = changed();
    project.query(
        "CREATE SEQUENCE attempts; \
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF nextval('attempts') <= 2 THEN RAISE 'could not serialize access' USING ERRCODE = '40001'; END IF; \
           RETURN NEW; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    tried_again(&project.run(&["run"]), &["could not serialize access", "kind=conflict"]);
    assert_written(&project);
}

#[test]
fn a_row_that_the_application_locks_for_a_while_is_waited_for() {
    let mut project = changed();
    through(&mut project, "options=-c%20lock_timeout%3D500ms");
    let mut application = Session::new(&url(&project));
    application.execute("BEGIN; SELECT FROM items WHERE id = 3 FOR UPDATE");
    let ran = once_tried_again(&project, || application.execute("COMMIT"));
    tried_again(&ran, &["lock timeout", "55P03", "kind=busy"]);
    assert_written(&project);
}

/// As a restart or a failover does to a session that is in the middle of a batch.
#[test]
fn a_session_that_the_server_ends_in_the_middle_of_a_batch_is_replaced() {
    let mut project = changed();
    through(&mut project, "options=-c%20lock_timeout%3D30s");
    let mut application = Session::new(&url(&project));
    application.execute("BEGIN; SELECT FROM items WHERE id = 3 FOR UPDATE");
    let child = project.start(&["run"]);
    until_it_waits_for_a_lock(&project);
    project.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'hydrant'",
    );
    application.execute("COMMIT");
    tried_again(&ended(child), &["57P01", "kind=unreachable"]);
    assert_written(&project);
}

/// As a failover that ends with this server, or another one behind its name, being the primary.
#[test]
fn a_server_that_is_read_only_for_a_while_is_waited_for() {
    let project = changed();
    let set = |value: &str| {
        let database = database(&project);
        psql(
            &postgres_server(),
            &format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}"),
        )
    };
    set("on");
    let ran = once_tried_again(&project, || drop(set("off")));
    tried_again(&ran, &["25006", "the server is read-only"]);
    assert_written(&project);
}

#[test]
fn one_connection_is_enough_and_one_that_is_taken_is_waited_for() {
    let mut project = Project::postgres();
    let role = account(&mut project, 1);
    project.items("id,name\n1,eins\n2,two\n3,drei\n");
    let mut application = Session::new(&project_url_as(&project, &role));
    application.execute("SELECT 1");
    let ran = once_tried_again(&project, || drop(application));
    tried_again(&ran, &["53300", "too many connections for role"]);
    assert_written(&project);
}

/// An account of its own that owns the database, with so many connections. Named after the database.
fn account(project: &mut Project, connections: u32) -> String {
    let role = database(project);
    let server = postgres_server();
    psql(&server, &format!("CREATE ROLE {role} LOGIN PASSWORD 'pw' CONNECTION LIMIT {connections}"));
    psql(&server, &format!("ALTER DATABASE {role} OWNER TO {role}"));
    let url = project_url_as(project, &role);
    project.env("APP", &url);
    role
}

fn project_url_as(project: &Project, role: &str) -> String {
    let url = url(project);
    let (_, place) = url.split_once('@').expect("a host in the URL");
    format!("postgres://{role}:pw@{place}")
}

/// What keeps hydrant out for as long as its result lives.
type Obstacle = Box<dyn FnOnce()>;

fn row_lock(project: &mut Project) -> Obstacle {
    through(project, "options=-c%20lock_timeout%3D500ms");
    let mut application = Session::new(&url(project));
    application.execute("SET application_name = 'billing'; BEGIN; SELECT FROM items WHERE id = 3 FOR UPDATE");
    Box::new(move || drop(application))
}

fn table_lock(project: &mut Project) -> Obstacle {
    through(project, "options=-c%20lock_timeout%3D500ms");
    let mut application = Session::new(&url(project));
    application.execute("SET application_name = 'billing'; BEGIN; LOCK TABLE items");
    Box::new(move || drop(application))
}

fn checkpoint_lock(project: &mut Project) -> Obstacle {
    through(project, "options=-c%20lock_timeout%3D500ms");
    let mut application = Session::new(&url(project));
    application.execute(
        "SET application_name = 'billing'; BEGIN; SELECT FROM hydrant.checkpoint WHERE sync = 'items' FOR UPDATE",
    );
    Box::new(move || drop(application))
}

fn no_connection(project: &mut Project) -> Obstacle {
    let role = account(project, 0);
    let server = postgres_server();
    // What was there belongs to the superuser until now.
    project.query(&format!(
        "ALTER TABLE items OWNER TO {role}; ALTER SCHEMA hydrant OWNER TO {role}; \
         ALTER TABLE hydrant.checkpoint OWNER TO {role}; ALTER TABLE hydrant.freshness OWNER TO {role}"
    ));
    Box::new(move || drop(psql(&server, &format!("ALTER ROLE {role} CONNECTION LIMIT 5"))))
}

fn read_only(project: &mut Project) -> Obstacle {
    let (server, database) = (postgres_server(), database(project));
    let set = move |value: &str| {
        psql(&server, &format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}"))
    };
    set("on");
    Box::new(move || drop(set("off")))
}

/// The message says which table it is about, who is in the way, and what kind of server this is.
///
/// Contract: C12, C26
#[test]
fn what_lasts_ends_the_run_after_half_a_minute_with_the_cause() {
    type Case = (fn(&mut Project) -> Obstacle, &'static [&'static str]);
    let cases: [Case; 5] = [
        (
            row_lock,
            &[
                "public.items is locked by process ",
                "user postgres",
                "application billing",
                "transaction since",
            ],
        ),
        (table_lock, &["public.items is locked by process ", "application billing"]),
        (checkpoint_lock, &["hydrant.checkpoint is locked by process ", "application billing"]),
        (no_connection, &["too many connections for role", "53300"]),
        (read_only, &["the server is read-only: a failover may be going on", "25006"]),
    ];
    side_by_side(cases, |(obstacle, says)| {
        let mut project = changed();
        let clear = obstacle(&mut project);
        let begun = Instant::now();
        let ran = project.run(&["run"]);
        unavailable(&ran, says);
        assert!((25..90).contains(&begun.elapsed().as_secs()), "{says:?}: {:?}", begun.elapsed());
        clear();
        project.ok(&["run"]);
        assert_written(&project);
    });
}
