//! Whether the application sees a lock that is held on purpose. If it does not, its figures for everything else mean nothing.

use super::{Application, COLUMN, Load, Operation, Table, Window, due_in, latencies};
use crate::servers::{Kind, Server};
use std::time::Duration;

const NAME: &str = "application_check";
const ROWS: u64 = 1_000;
const HELD: Duration = Duration::from_secs(3);

/// Holds every row of a small table in one transaction while the application runs, and panics if its writes did not wait for
/// that as long as they must have, or if not everything that was due was counted. Takes some five seconds.
///
/// A slow machine cannot break any bound here, and chance hardly ever will.
pub(crate) fn check(server: &Server) {
    fill(server);
    let (load, table) = (Load::default(), Table { name: NAME.to_owned(), rows: ROWS });
    let application = Application::start(server, &table, load).expect("the application starts");
    let ((), window) = Window::of(|| hold(server));
    let all = application.stop().expect("the application is answered");
    empty(server);

    let latency = latencies(due_in(&all, window), "");
    for (name, rate) in [("reads", load.reads_per_second), ("writes", load.writes_per_second)] {
        let figures = latency[name];
        let due = rate * window.seconds();
        assert!(at_least(figures.count, due), "{name}: some {due:.0} were due: {figures:?}");
        assert!(
            figures.count as f64 <= due + 5.0 * due.sqrt(),
            "{name}: some {due:.0} were due: {figures:?}"
        );
        assert_eq!(figures.failed, 0, "{name}");
        let order = [figures.p50_ms, figures.p99_ms, figures.p999_ms, figures.max_ms];
        assert!(order[0] > 0.0 && order.is_sorted(), "{name}: {figures:?}");
    }
    // What was due in the first half of that time, on however many connections, had to wait for more than the other half.
    let long = |o: &&Operation| o.write && u128::from(o.took_us) > HELD.as_micros() / 2;
    let waited = all.iter().filter(long).count() as u64;
    let due = load.writes_per_second * HELD.as_secs_f64() / 2.0;
    assert!(
        at_least(waited, due),
        "{due:.0} writes were due while the rows were locked, and {waited} waited"
    );
    let most_ms = latency["writes"].max_ms;
    assert!(
        most_ms > 900.0 * HELD.as_secs_f64(),
        "rows were locked for {HELD:?}, and no write waited so long: {most_ms} ms"
    );
}

/// Whether a Poisson process with this mean gives such a number: five standard deviations are granted.
fn at_least(count: u64, mean: f64) -> bool {
    count as f64 >= mean - 5.0 * mean.sqrt()
}

fn fill(server: &Server) {
    if server.kind == Kind::Mongodb {
        server.python(&format!("database.{NAME}.insert_many([dict(_id=id) for id in range({ROWS})])"));
        return;
    }
    let rows: Vec<String> = (0..ROWS).map(|id| format!("({id}, 0, 0)")).collect();
    server.sql(&format!("CREATE TABLE {NAME} (id bigint PRIMARY KEY, held bigint, {COLUMN} bigint)"));
    server.sql(&format!("INSERT INTO {NAME} VALUES {}", rows.join(", ")));
}

/// Locks all rows for a while.
fn hold(server: &Server) {
    let seconds = HELD.as_secs();
    let wait = match server.kind {
        Kind::Postgres => format!("SELECT pg_sleep({seconds})"),
        Kind::Mysql => format!("DO SLEEP({seconds})"),
        Kind::Mongodb => {
            server.python(&format!(
                // Where the application writes at this very moment, it is tried again.
                "import time\n\
                 def hold(session):\n\
                 \x20   database.{NAME}.update_many({{}}, {{'$set': {{'held': 1}}}}, session=session)\n\
                 \x20   time.sleep({seconds})\n\
                 with database.client.start_session() as session:\n\
                 \x20   session.with_transaction(hold)\n"
            ));
            return;
        }
    };
    // All in one session: a line is a statement.
    server.sql(&format!("BEGIN;\nUPDATE {NAME} SET held = 1;\n{wait};\nCOMMIT;"));
}

fn empty(server: &Server) {
    match server.kind {
        Kind::Mongodb => drop(server.python(&format!("database.{NAME}.drop()"))),
        _ => drop(server.sql(&format!("DROP TABLE {NAME}"))),
    }
}
