//! What networks and servers do to a run: it succeeds by trying again, or ends in time with a clear error and its exit code,
//! and the next run leaves the table equal to the source, no row lost and none doubled.

mod conditions;
mod elsewhere;
mod full;
mod lease;
mod postgres;
mod proxy_itself;
mod s3;
mod session;

use crate::{
    harness::{Database, Project, Ran, required},
    proxy::Proxy,
};
use std::{
    fmt::Write,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

/// Enough for several batches.
const ROWS: u32 = 9_000;

/// A Postgres project whose store is on S3, with a proxy in front of each.
struct Wired {
    project: Project,
    postgres: Proxy,
    s3: Proxy,
    /// The folder of the store in the bucket.
    folder: String,
    /// The way into Postgres with hydrant's own limits.
    url: String,
}

impl Wired {
    /// With limits that a test can wait for: those who wait must be able to say for how long.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut project = Project::postgres();
        let Database::Postgres { url } = &project.database else { unreachable!() };
        let (before, rest) = url.split_once('@').expect("a host in the URL");
        let (server, database) = rest.split_once('/').expect("a database in the URL");
        let postgres = Proxy::before(server);
        let url = format!("{before}@{}/{database}?sslmode=disable", postgres.address());
        let limits = "connect_timeout=2&options=-c%20statement_timeout%3D2s";
        project.env("APP", &format!("{url}&{limits}"));
        let s3 = Proxy::before(required("HYDRANT_TEST_S3").strip_prefix("http://").expect("an address"));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let started = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
        let folder = format!("hydrant-test/wire-{}-{number}-{started}", std::process::id());
        let store = format!(
            "store: {{ url: \"s3://{folder}\", options: {{ endpoint: \"http://{}\", region: us-east-1, \
             access_key_id: test, secret_access_key: testsecret, timeout: 3s, connect_timeout: 2s, \
             retry_timeout_seconds: \"8\" }} }}",
            s3.address()
        );
        let config = project.read("hydrant.yml").replace("store: ./store", &store);
        project.write("hydrant.yml", &config);
        project.items(&first_day());
        Self { project, postgres, s3, folder, url }
    }

    /// The table has the rows of the file, and another run finds nothing to do.
    fn assert_equal(&self, csv: &str) {
        let mut wanted: Vec<_> = csv.lines().skip(1).map(|line| line.replace(',', "|")).collect();
        let mut found = self.project.query("SELECT id, name FROM items");
        wanted.sort();
        found.sort();
        assert!(found == wanted, "the rows differ: {} are there, {} are wanted", found.len(), wanted.len());
        let report = self.project.report();
        let changes = (&report["inserts"], &report["updates"], &report["deletes"], &report["unchanged"]);
        let none = 0.into();
        assert_eq!(changes, (&none, &none, &none, &wanted.len().into()), "{report}");
    }
}

/// `id,name` of the first day.
fn first_day() -> String {
    csv((0..ROWS).map(|id| (id, "first")))
}

/// A day later some rows are gone, some are new, and every third has changed.
fn second_day() -> String {
    csv((5..ROWS + 300).map(|id| (id, if id % 3 == 0 { "second" } else { "first" })))
}

fn csv(rows: impl Iterator<Item = (u32, &'static str)>) -> String {
    let mut csv = String::from("id,name\n");
    for (id, day) in rows {
        // Names that do not compress to nothing.
        let name = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(csv, "{id},{day} {name:x}").expect("a string");
    }
    csv
}

/// It failed because something could not be reached: with the code for it, saying what, and what to do.
fn unavailable(ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code, 7, "{}", ran.all());
    for part in says.iter().chain(&["what to do:"]) {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }
}

/// Starts a run, does something as soon as it logs that it tries something again, and waits for its end.
fn once_tried_again(project: &Project, then: impl FnOnce()) -> Ran {
    let mut child = project
        .command(&["run"])
        // The client of the store tells of its own attempts.
        .env("RUST_LOG", "warn,hydrant=info,object_store=info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let (mut then, mut stderr) = (Some(then), String::new());
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("UTF-8");
        if (line.contains("trying again") || line.contains("backing off"))
            && let Some(then) = then.take()
        {
            then();
        }
        stderr += &format!("{line}\n");
    }
    let ended = Ran::of(&child.wait_with_output().expect("it ends"));
    assert!(then.is_none(), "it had nothing to try again:\n{stderr}");
    Ran { stderr, ..ended }
}

/// Runs the cases side by side: they mostly wait.
fn side_by_side<C: Send>(cases: impl IntoIterator<Item = C>, test: impl Fn(C) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}
