//! The application on MySQL and MongoDB: a loop of ours over their drivers, in a process of its own, so that neither takes
//! time from the other and both are seen from outside.
//!
//! It reads what to do as one line of JSON from its standard input, says `ready` when it asks and is answered, runs until
//! that input ends, and then writes everything that was due as JSON.

use super::{
    Load, Operation, Table, mongodb, mysql,
    schedule::{Ask, Clock, Connection, Schedule},
};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Instant,
};
use tokio::runtime::Runtime;

/// The argument that makes a process of this program the application: `main` then calls [`serve`] and nothing else.
pub(crate) const ARGUMENT: &str = "--application";
const READY: &str = "ready";

/// What is spoken to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Product {
    Mysql,
    Mongodb,
}

/// What the process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) product: Product,
    pub(super) url: String,
    pub(super) table: Table,
    pub(super) load: Load,
}

/// The process, seen from the bench. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(request: &Request) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the application does not start")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("it is piped")?);
        let mut this = Self { child, input, output };
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        this.input.as_mut().context("it is piped")?.write_all(line.as_bytes())?;
        let mut answer = String::new();
        this.output.read_line(&mut answer)?;
        ensure!(answer.trim() == READY, "the application ended before it began; its error stands above");
        Ok(this)
    }

    pub(super) fn stop(mut self) -> Result<Vec<Operation>> {
        drop(self.input.take());
        let operations =
            serde_json::from_reader(&mut self.output).context("what the application says at its end")?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the application: {status}");
        Ok(operations)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself.
pub(crate) fn serve() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line).context("this is for the bench to call")?;
    // The requests wait on threads of their own; the runtime only moves bytes.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (reads, writes) = asks(&runtime, &request)?;
    let operations = run(reads, writes, &request)?;
    serde_json::to_writer(io::stdout().lock(), &operations)?;
    Ok(())
}

/// The connections that read, and those that write. Each has been answered once.
fn asks(runtime: &Runtime, request: &Request) -> Result<(Vec<Ask>, Vec<Ask>)> {
    match request.product {
        Product::Mysql => mysql::asks(runtime, request),
        Product::Mongodb => mongodb::asks(runtime, request),
    }
}

fn run(reads: Vec<Ask>, writes: Vec<Ask>, request: &Request) -> Result<Vec<Operation>> {
    let (clock, ended) = (Clock::new(), OnceLock::new());
    let schedules =
        [Schedule::new(request.load.reads_per_second), Schedule::new(request.load.writes_per_second)];
    let mut operations = Vec::new();
    thread::scope(|scope| {
        let mut connections = Vec::new();
        for (write, asks) in [(false, reads), (true, writes)] {
            for ask in asks {
                let schedule = &schedules[usize::from(write)];
                let rows = request.table.rows;
                let connection = Connection { write, rows, schedule, clock: &clock, ended: &ended };
                connections.push(scope.spawn(move || connection.work(ask)));
            }
        }
        let told = tell_and_wait();
        let _ = ended.set(Instant::now());
        let mut error = None;
        for connection in connections {
            let (some, its_error) = connection.join().expect("a connection's thread does not panic");
            operations.extend(some);
            error = error.or(its_error);
        }
        if let Some(error) = error {
            let failed = operations.iter().filter(|o| o.failed).count();
            eprintln!("the application: {failed} of {} requests failed: {error:#}", operations.len());
        }
        told
    })?;
    Ok(operations)
}

/// Says that it runs, and returns when it is to end.
fn tell_and_wait() -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{READY}")?;
    output.flush()?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}
