//! Rows out of Postgres: `cargo bench --bench postgres_source` (`-- --rows 1000000` for fewer than five million). It needs a
//! server: `eval "$(scripts/servers env)"`.
//!
//! The baseline is what the server and its own program need to throw the same rows away, in the same minute:
//! `\copy (query) to /dev/null (format binary)`. Against it stand the decoding alone, and a run of hydrant that exports, hashes
//! and compares all rows and finds nothing to write.

// A bench prints what it measured.
#![allow(clippy::print_stdout)]

use futures::TryStreamExt;
use hydrant::{
    config::{CopyMode, PostgresSpec},
    secret::Secret,
    source::{Model, Source, postgres::PostgresSource},
};
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

const ROWS: u64 = 5_000_000;
/// The better of so many is taken: whatever else the machine does only ever adds time.
const ROUNDS: usize = 3;
const QUERY: &str = "SELECT * FROM bench_accounts";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let url = std::env::var("HYDRANT_TEST_POSTGRES").expect("HYDRANT_TEST_POSTGRES; see scripts/servers");
    if arguments.iter().any(|argument| argument == "--decode") {
        return decode(&url);
    }
    let rows = arguments
        .iter()
        .position(|argument| argument == "--rows")
        .map_or(ROWS, |at| arguments[at + 1].parse().expect("--rows N"));
    generate(&url, rows);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("hydrant.yml"),
        format!(
            "store: ./store\n\
             sources:\n  shop: {{ type: postgres, url: \"${{HYDRANT_TEST_POSTGRES}}\" }}\n\
             targets:\n  app: {{ type: sqlite, path: app.db }}\n\
             syncs:\n  accounts: {{ source: shop, model: {QUERY}, key: id, target: app, table: accounts }}\n"
        ),
    )
    .expect("a configuration");
    let hydrant = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
        command.current_dir(folder.path()).arg("run");
        measured(command)
    };
    let decoded = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("--decode");
        measured(command)
    };
    let psql = || {
        let copy = format!("\\copy ({QUERY}) to /dev/null (format binary)");
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-d", &url, "-c", &copy]);
        measured(command)
    };
    hydrant().show("hydrant, first load into SQLite");
    let mut best = [Measured::WORST; 3];
    for _ in 0..ROUNDS {
        best = [best[0].better(psql()), best[1].better(decoded()), best[2].better(hydrant())];
    }
    for (measured, what) in
        best.iter().zip(["psql, into /dev/null", "decoded into Arrow", "hydrant, no changes"])
    {
        measured.show(what);
    }
    let ratio = |at: usize| best[at].wall.as_secs_f64() / best[0].wall.as_secs_f64();
    println!(
        "{rows} rows × 10 columns; ratio of wall times: decoded {:.2}, hydrant {:.2}",
        ratio(1),
        ratio(2)
    );
    sql(&url, "DROP TABLE bench_accounts");
}

fn sql(url: &str, sql: &str) {
    let status = Command::new("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).status();
    assert!(status.expect("psql").success(), "{sql}");
}

fn generate(url: &str, rows: u64) {
    sql(
        url,
        &format!(
            "DROP TABLE IF EXISTS bench_accounts; \
             CREATE UNLOGGED TABLE bench_accounts AS SELECT n AS id, 'account ' || to_hex(n * 2654435761 % 4294967296) AS name, \
             (n * 31 % 500)::int AS seats, n * 7919 % 1000000 AS events, (n * 104729 % 10000000 / 100.0)::numeric(12,2) AS mrr, \
             (n * 15485863 % 1000003 / 1e3)::float8 AS score, n % 7 = 0 AS trial, \
             timestamptz '2026-01-01 00:00:00+00' + n * interval '1.000001 s' AS seen_at, date '2019-04-14' + (n * 31 % 2000)::int AS since, \
             CASE WHEN n % 11 <> 0 THEN (ARRAY['free', 'starter', 'growth', 'enterprise'])[1 + n % 4] END AS plan \
             FROM generate_series(1::bigint, {rows}) AS n"
        ),
    );
    sql(url, "VACUUM (FREEZE, ANALYZE) bench_accounts");
}

#[tokio::main]
async fn decode(url: &str) {
    let spec =
        PostgresSpec { url: Secret::new(url), password: None, statement_timeout: None, copy: CopyMode::Auto };
    let source = PostgresSource::new("bench", &spec).expect("a source");
    let model = Model { sql: QUERY.to_owned(), ..Model::default() };
    let mut batches = source.open(&model).await.expect("a query").batches;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.expect("a batch") {
        rows += batch.num_rows();
    }
    assert!(rows > 0);
}

#[derive(Clone, Copy)]
struct Measured {
    wall: Duration,
    peak_mb: u64,
}

impl Measured {
    const WORST: Self = Self { wall: Duration::MAX, peak_mb: 0 };

    /// The shorter time and the higher peak.
    fn better(self, other: Self) -> Self {
        Self { wall: self.wall.min(other.wall), peak_mb: self.peak_mb.max(other.peak_mb) }
    }

    fn show(&self, what: &str) {
        println!("{what:36} {:8.2} s  peak {:5} MB", self.wall.as_secs_f64(), self.peak_mb);
    }
}

/// Runs a process to its end. Linux keeps the peak of its resident memory in `/proc`, as long as it lives.
fn measured(mut command: Command) -> Measured {
    let since = Instant::now();
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut peak_kb = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{command:?}: {status}");
    Measured { wall: since.elapsed(), peak_mb: peak_kb >> 10 }
}
