//! How fast the target writes, against the best that is known for the same rows on the same server:
//!
//! - a first load through [`Target::apply`], against one raw `LOAD DATA LOCAL INFILE` of a prepared file by the product's own
//!   program;
//! - 1 % changed rows, against hand-written SQL (`LOAD DATA` into a temporary table and one `UPDATE … JOIN`) by the program.
//!
//! Both sides take turns; what counts is the ratio. `HYDRANT_BENCH_MYSQL` (else `HYDRANT_TEST_MYSQL`) is the URL of a server
//! whose account may make databases, `HYDRANT_TEST_MYSQL_CLIENT` its program.
//!
//!     CARGO_PROFILE_BENCH_LTO=off cargo bench -p hydrant-target-mysql --bench mysql

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    },
    record_batch::RecordBatch,
};
use chrono::{DateTime, TimeDelta};
use hydrant_contract::{
    Batch, Checkpoint, Column, Deletes, Documents, Integer, Mode, Resolution, Shape, TableName, TableSpec,
    Target, ValueType,
};
use hydrant_target_mysql::{MysqlTarget, Settings};
use std::{
    io::{BufWriter, Write},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const ROWS: i64 = 2_000_000;
const ROUNDS: usize = 3;
/// As the engine sizes its batches: half a second each, from 2,000 rows on, at most doubled, at most 100,000 rows.
const AIM: Duration = Duration::from_millis(500);
const ROWS_FIRST: i64 = 2_000;
const ROWS_MAX: i64 = 100_000;
const DATABASE: &str = "hydrant_bench";

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn spec() -> Outcome<TableSpec> {
    let column = |name: &str, value| Column { name: name.to_owned(), value };
    let columns = vec![
        column("id", ValueType::Integer(Integer::I64)),
        column("account", ValueType::Integer(Integer::I64)),
        column("plan", ValueType::Text),
        column("score", ValueType::Float64),
        column("amount", ValueType::Decimal { precision: 12, scale: 2 }),
        column("active", ValueType::Boolean),
        column("seen", ValueType::Instant(Resolution::Micro)),
        column("day", ValueType::Date),
        column("email", ValueType::Text),
        column("note", ValueType::Text),
    ];
    Ok(TableSpec {
        table: TableName { schema: None, name: "ours".to_owned() },
        shape: Shape::new(columns, vec!["id".to_owned()])?,
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    })
}

/// The values of a row in a round: a later round gives a row other values.
struct Row {
    id: i64,
    account: i64,
    plan: &'static str,
    score: f64,
    cents: i128,
    active: bool,
    micros: i64,
    day: i32,
    email: String,
    note: String,
}

fn row(id: i64, round: i64) -> Row {
    let mixed = (id.wrapping_mul(6_364_136_223_846_793_005) ^ round).wrapping_mul(0x2545_F491_4F6C_DD1D);
    let part = |shift: u32, of: i64| (mixed >> shift).rem_euclid(of);
    Row {
        id,
        account: part(3, 500_000),
        plan: ["free", "starter", "business", "enterprise"][usize::try_from(part(7, 4)).unwrap_or(0)],
        score: part(9, 1_000_000) as f64 / 997.0,
        cents: part(11, 10_000_000).into(),
        active: part(13, 2) == 0,
        micros: 1_600_000_000_000_000 + part(5, 100_000_000_000_000),
        day: i32::try_from(15_000 + part(17, 5_000)).unwrap_or(0),
        email: format!("user{}@example{}.com", id, part(19, 100)),
        note: format!("note {round} of {:016x} and some more words", mixed),
    }
}

fn batch(spec: &TableSpec, rows: &[Row]) -> Outcome<RecordBatch> {
    let cents =
        Decimal128Array::from_iter_values(rows.iter().map(|r| r.cents)).with_precision_and_scale(12, 2)?;
    let seen =
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.micros)).with_timezone("UTC");
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.account))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.plan))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.score))),
        Arc::new(cents),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|r| Some(r.active)))),
        Arc::new(seen),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|r| r.day))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.email.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.note.as_str()))),
    ];
    Ok(RecordBatch::try_new(spec.shape.schema(), arrays)?)
}

fn file(path: &str, rows: impl Iterator<Item = Row>) -> Outcome<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    for r in rows {
        let seen = DateTime::from_timestamp_micros(r.micros).ok_or("a time")?.format("%Y-%m-%d %H:%M:%S%.6f");
        let day = DateTime::UNIX_EPOCH.date_naive() + TimeDelta::days(r.day.into());
        let (whole, cents) = (r.cents / 100, r.cents % 100);
        let active = u8::from(r.active);
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{whole}.{cents:02}\t{active}\t{seen}\t{day}\t{}\t{}",
            r.id, r.account, r.plan, r.score, r.email, r.note
        )?;
    }
    Ok(out.flush()?)
}

struct Bench {
    url: url::Url,
    client: String,
}

impl Bench {
    fn program(&self, sql: &str) -> Outcome<Duration> {
        let mut program = Command::new(&self.client);
        let port = self.url.port().unwrap_or(3306).to_string();
        program.args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--protocol=tcp",
            "--local-infile=1",
        ]);
        program.args([
            "--default-character-set=utf8mb4",
            "--host",
            self.url.host_str().unwrap_or("localhost"),
        ]);
        program.args(["--port", &port, "--user", self.url.username()]);
        program.env("MYSQL_PWD", self.url.password().unwrap_or_default()).stdin(Stdio::piped());
        let since = Instant::now();
        let mut child = program.spawn()?;
        child.stdin.take().ok_or("a pipe")?.write_all(sql.as_bytes())?;
        match child.wait()?.success() {
            true => Ok(since.elapsed()),
            false => Err(format!("the program failed at: {sql}").into()),
        }
    }

    fn target(&self, options: &str) -> Outcome<MysqlTarget> {
        let mut url = self.url.clone();
        url.set_path(DATABASE);
        url.set_query(Some(options));
        Ok(MysqlTarget::new(Settings { url: url.to_string().into(), password: None })?)
    }
}

/// Writes rows as the engine would, and returns how long the target took. Rows are made between the batches.
async fn apply(
    target: &MysqlTarget,
    spec: &Arc<TableSpec>,
    run: u64,
    ids: &[i64],
    round: i64,
    inserts: bool,
) -> Outcome<Duration> {
    let sync = "bench".to_owned();
    target.claim(&sync, run).await?;
    let (mut took, mut done, mut size, mut number) = (Duration::ZERO, 0, ROWS_FIRST, 0);
    while done < ids.len() {
        let end = ids.len().min(done + usize::try_from(size)?);
        let rows: Vec<Row> = ids[done..end].iter().map(|id| row(*id, round)).collect();
        number += 1;
        let checkpoint = Checkpoint {
            sync: sync.clone(),
            run,
            epoch: run,
            batch: number,
            first_change: done as u64,
            next_change: end as u64,
        };
        let mut one = Batch::empty(Arc::clone(spec), checkpoint, DateTime::UNIX_EPOCH);
        match inserts {
            true => one.inserts = batch(spec, &rows)?,
            false => one.updates = batch(spec, &rows)?,
        }
        drop(rows);
        let since = Instant::now();
        let applied = target.apply(&one).await?;
        let elapsed = since.elapsed();
        assert!(applied.rejects.is_empty(), "{:?}", applied.rejects);
        took += elapsed;
        let fitting = AIM.as_secs_f64() / (elapsed.as_secs_f64() / (end - done) as f64);
        #[allow(clippy::cast_possible_truncation)]
        let fitting = fitting as i64;
        size = fitting.min(size * 2).clamp(100, ROWS_MAX);
        done = end;
    }
    Ok(took)
}

/// The largest resident memory since the last call, in MiB.
fn peak_mib(reset: bool) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    if reset {
        // 5 resets the peak.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
    kib / 1024
}

#[allow(clippy::print_stdout)]
fn say(text: &str) {
    println!("{text}");
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() -> Outcome<()> {
    // `cargo test --benches` only looks whether it is built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let url = setting("HYDRANT_BENCH_MYSQL").or_else(|_| setting("HYDRANT_TEST_MYSQL"))?;
    let client = setting("HYDRANT_BENCH_MYSQL_CLIENT").or_else(|_| setting("HYDRANT_TEST_MYSQL_CLIENT"))?;
    let bench = Bench { url: url.parse()?, client };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&bench))
}

async fn run(bench: &Bench) -> Outcome<()> {
    let spec = Arc::new(spec()?);
    let folder = std::env::temp_dir().join(format!("hydrant-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (all, changed) = (path("all.tsv"), path("changed.tsv"));
    file(&all, (0..ROWS).map(|id| row(id, 0)))?;
    let changed_ids: Vec<i64> = (0..ROWS).filter(|id| id % 100 == 37).collect();

    bench.program(&format!("DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}"))?;
    let target = bench.target("")?;
    say(&format!("{} at {}", target.probe().await?.product, target.probe().await?.place));
    bench.program(
        "SELECT CONCAT('log flushed at commit: ', @@innodb_flush_log_at_trx_commit, ', binary log: ', @@log_bin, \
         ', buffer pool MiB: ', @@innodb_buffer_pool_size DIV 1048576)",
    )?;
    let idle = peak_mib(true);
    let ids: Vec<i64> = (0..ROWS).collect();
    let (mut loads, mut merges, mut peak) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let run = 2 * round as u64 + 1;
        let number = i64::try_from(round)? + 1;
        bench.program(&format!("DROP TABLE IF EXISTS {DATABASE}.ours, {DATABASE}.raw"))?;
        target.create(&spec).await?;
        bench.program(&format!("CREATE TABLE {DATABASE}.raw LIKE {DATABASE}.ours"))?;
        let raw = || {
            bench.program(&format!(
                "USE {DATABASE}; LOAD DATA LOCAL INFILE '{all}' INTO TABLE raw CHARACTER SET utf8mb4"
            ))
        };
        // Whoever is second finds a busier server: they take turns.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = apply(&target, &spec, run, &ids, 0, true).await?;
            (ours, raw()?)
        } else {
            let theirs = raw()?;
            (apply(&target, &spec, run, &ids, 0, true).await?, theirs)
        };
        peak = peak.max(peak_mib(true));
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        say(&format!("first load: {ours:.2?}, raw LOAD DATA {theirs:.2?}, ratio {ratio:.2}"));
        loads.push(ratio);

        file(&changed, changed_ids.iter().map(|id| row(*id, number)))?;
        let set: Vec<String> = spec.shape.value_columns().map(|c| format!("t.{0} = s.{0}", c.name)).collect();
        let by_hand = || {
            bench.program(&format!(
                "USE {DATABASE}; CREATE TEMPORARY TABLE s LIKE raw; \
                 LOAD DATA LOCAL INFILE '{changed}' INTO TABLE s CHARACTER SET utf8mb4; \
                 UPDATE raw t JOIN s ON s.id = t.id SET {}",
                set.join(", ")
            ))
        };
        let (ours, theirs) = if round % 2 == 0 {
            let ours = apply(&target, &spec, run + 1, &changed_ids, number, false).await?;
            (ours, by_hand()?)
        } else {
            let theirs = by_hand()?;
            (apply(&target, &spec, run + 1, &changed_ids, number, false).await?, theirs)
        };
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        say(&format!("1 % changes: {ours:.2?}, by hand {theirs:.2?}, ratio {ratio:.2}"));
        merges.push(ratio);
    }
    // The way without LOAD DATA, and what a batch costs that has next to nothing to do.
    let statements = bench.target("local-infile=never")?;
    bench.program(&format!("DROP TABLE {DATABASE}.ours"))?;
    statements.create(&spec).await?;
    let rows = usize::try_from(ROWS)?;
    let loaded = apply(&statements, &spec, 100, &ids[..rows / 10], 0, true).await?;
    let changed = apply(&statements, &spec, 101, &ids[..20_000], 1, false).await?;
    let rate = |rows: usize, took: Duration| rows as f64 / took.as_secs_f64();
    say(&format!(
        "by statements: {:.0} inserts a second, {:.0} updates",
        rate(rows / 10, loaded),
        rate(20_000, changed)
    ));
    for (way, target, first) in [("merge", &target, 200), ("statements", &statements, 400)] {
        let mut took = Duration::ZERO;
        for number in 0..100_u64 {
            let at = usize::try_from(number)? * 10;
            took += apply(target, &spec, first + number, &ids[at..at + 10], 5, false).await?;
        }
        say(&format!("a batch of 10 updates by {way}: {:.1?}", took / 100));
    }
    say(&format!("first load: {:.2} of the rate of a raw LOAD DATA (median of {ROUNDS})", median(loads)));
    say(&format!("1 % changes: {:.2} of the rate of hand-written SQL (median of {ROUNDS})", median(merges)));
    say(&format!("memory: {} MiB above idle ({idle} MiB)", peak.saturating_sub(idle)));
    bench.program(&format!("DROP DATABASE {DATABASE}"))?;
    Ok(std::fs::remove_dir_all(folder)?)
}
