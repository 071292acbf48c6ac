//! The application on Postgres: its own `pgbench`, once for reads and once for writes, from whose logs we read.

use super::{COLUMN, Load, Operation, Table, WAIT_MAX};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How often its log is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// It ends when we say so; this is for the case that we cannot any more.
const SECONDS_MAX: &str = "86400";

pub(super) fn reads(url: &str, table: &Table, load: Load) -> Result<Pgbench> {
    let script = format!("\\set id random(1, :rows - 1)\nSELECT * FROM {} WHERE id = :id;\n", table.name);
    Pgbench::start(url, table, &script, false, load.reads_per_second, load.connections)
}

pub(super) fn writes(url: &str, table: &Table, load: Load) -> Result<Pgbench> {
    let script = format!(
        "\\set id random(1, :rows - 1)\n\\set note random(1, 1000000000)\n\
         UPDATE {} SET {COLUMN} = :note WHERE id = :id;\n",
        table.name
    );
    Pgbench::start(url, table, &script, true, load.writes_per_second, load.connections)
}

/// A `pgbench` that runs. It is killed when it is dropped.
pub(crate) struct Pgbench {
    child: Child,
    write: bool,
    folder: TempDir,
    log: PathBuf,
}

impl Pgbench {
    fn start(
        url: &str,
        table: &Table,
        script: &str,
        write: bool,
        rate: f64,
        connections: u32,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("script.sql");
        fs::write(&file, script)?;
        let child = Command::new("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--time", SECONDS_MAX])
            // As an application does after a deadlock. What all tries took together counts.
            .arg("--max-tries=100")
            .arg(format!("--rate={rate}"))
            .arg(format!("--client={connections}"))
            .arg(format!("--define=rows={}", table.rows))
            .arg(format!("--file={}", file.display()))
            .arg("--log")
            .arg(format!("--log-prefix={}", folder.path().join("log").display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("errors"))?)
            .spawn()
            .context("pgbench does not start: it comes with the PostgreSQL server (15 or newer), and has to be on the PATH")?;
        let log = folder.path().join(format!("log.{}", child.id()));
        Ok(Self { child, write, folder, log })
    }

    /// Returns when its log, which it buffers, has the first lines.
    pub(super) fn wait_for_answers(&mut self) -> Result<()> {
        self.wait_until("has no answer", |operations| !operations.is_empty())
    }

    /// Ends it when all is answered that was due by `until_us`.
    pub(super) fn stop(mut self, until_us: u64) -> Result<Vec<Operation>> {
        // It hands out what is due in the order of time. Once something is answered that was due later, everything
        // before is answered or sent.
        self.wait_until("does not get through what was due", |all| all.iter().any(|o| o.due_us >= until_us))?;
        // The alarm is how it knows that its time is over: it waits for the answers to what it has sent, and writes the
        // rest of its log. Any other signal would end it on the spot.
        let sent = Command::new("kill").args(["-ALRM", &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill -ALRM pgbench: {sent}");
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(since.elapsed() < WAIT_MAX, "pgbench waits for answers still");
            thread::sleep(LOOK);
        }
        self.ensure_no_errors()?;
        let mut all = read(&self.log, self.write)?;
        all.retain(|o| o.due_us < until_us);
        Ok(all)
    }

    fn wait_until(&mut self, otherwise: &str, enough: impl Fn(&[Operation]) -> bool) -> Result<()> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("pgbench ended, {status}: {}", self.errors());
            }
            self.ensure_no_errors()?;
            if self.log.exists() && enough(&read(&self.log, self.write)?) {
                return Ok(());
            }
            let waited = since.elapsed();
            ensure!(waited < WAIT_MAX, "pgbench {otherwise} after {} s", waited.as_secs());
            thread::sleep(LOOK);
        }
    }

    /// A connection that was refused what it asked for is given up, and the others go on, which is less than was to be asked.
    fn ensure_no_errors(&self) -> Result<()> {
        let errors = self.errors();
        ensure!(errors.is_empty(), "pgbench: {errors}");
        Ok(())
    }

    /// The beginning of what it says: its connections all say the same.
    fn errors(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        text.lines().take(3).collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the log of a `pgbench --rate` has so far. A line is
///
///     client transaction time script epoch microseconds lag retries
///
/// where `epoch` and `microseconds` are when it ended, `time` is how long it took in microseconds *from when it was due*, and
/// `lag` the part of that before it was sent.
fn read(log: &Path, write: bool) -> Result<Vec<Operation>> {
    let text = fs::read_to_string(log)?;
    // The last line may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, _, time, _, seconds, microseconds, lag, ..] = fields[..] else {
                bail!("a line of pgbench's log that has no lag: {line:?}");
            };
            let number = |text: &str| text.parse::<u64>().with_context(|| format!("pgbench's log: {line:?}"));
            let (took_us, ended_us) = (number(time)?, number(seconds)? * 1_000_000 + number(microseconds)?);
            ensure!(
                number(lag)? <= took_us,
                "pgbench's log counts from another moment than we think: {line:?}"
            );
            Ok(Operation { write, due_us: ended_us - took_us, took_us, failed: false })
        })
        .collect()
}
